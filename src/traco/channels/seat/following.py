"""From the root's blocks to what this node has to do: points of its channels, payloads that were ordered, copies of keys.

Blocks are read in order, some at a time; what they say is noted in one durable step before anything is done about it. Whatever is
kept elsewhere is kept before that step, and may be kept twice: a crash in between loses nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from traco.channels.custody.store import CustodyStore, NewPayload
from traco.channels.executing.points import Cursor, Point, point_of
from traco.channels.seat.book import (
    Appended,
    Book,
    Change,
    ConfirmedTo,
    Emptied,
    Regenerated,
    Standing,
    Stood,
)
from traco.channels.seat.erasures import ErasureDecided
from traco.channels.seat.ports import Root, RootBlock, SeatKeys
from traco.channels.seat.settlements import Decision, Settled
from traco.modules.channel.entries import Batch, Decided, Entry, EpochBegun, Erased, Leg, Resumed, Voided
from traco.modules.channel.events import (
    AttemptDecided,
    Confirmed,
    CopyGiven,
    CustodyFailed,
    Dissented,
    Entered,
    EpochOffered,
    MissingReported,
    SeatSet,
    Supplied,
)
from traco.modules.channel.parts import Terms

BLOCKS: Final = 64  # read and noted at a time
UNNOTED: Final = 1_000  # blocks without anything for this node that are read again after a crash, at most


class Noted:
    """What some blocks brought."""

    def __init__(self) -> None:
        self.height = 0
        self.time_ms = 0
        self.changes: list[Change] = []
        self.ordered: dict[bytes, list[tuple[bytes, int]]] = {}  # by channel, of all channels: (hash, number)
        self.supplied: list[Supplied] = []
        self.reported: list[tuple[bytes, int]] = []  # (channel, number) of payloads that somebody misses
        self.dissents: list[bytes] = []  # members that dissented in channels of this node
        self.lost: list[bytes] = []  # custodians that signed for what nobody could show, there
        self.has_seats = False  # somebody has another seat

    def point_with(self, channel: bytes, number: int) -> Point | None:
        """The point among these that has an entry, or None."""
        for change in self.changes:
            if isinstance(change, Appended) and change.channel == channel:
                point = change.point
                if point.first <= number <= point.end.number:
                    return point
        return None


class Follower:
    """Reads the root for the members of this node. Channels that none of them is in are passed over."""

    def __init__(
        self, root: Root, book: Book, custody: CustodyStore, seats: Mapping[bytes, SeatKeys]
    ) -> None:
        self._root = root
        self._book = book
        self._custody = custody
        self._seats = seats
        self._noted_height = self.height = book.read_height()
        self._cursors: dict[bytes, Cursor] = {}
        self._standings: dict[bytes, Standing | None] = {}

    def advance(self) -> Noted | None:
        """Note the next blocks; None where there are none. Raises ``BookStopped``, ``CustodyStopped``, ``StreamWrong``."""
        noted = Noted()
        try:
            for block in self._root.blocks(self.height, BLOCKS):
                noted.height, noted.time_ms = block.height, block.time_ms
                self._read(block, noted)
            if not noted.height:
                return None
            self._keep(noted)
            self.height = noted.height
        finally:
            if self.height != noted.height:  # what is remembered may be ahead of what is noted
                self._cursors.clear()
                self._standings.clear()
        return noted

    def again(self, channel: bytes, cursor: Cursor) -> list[Change]:
        """What the root has said of a channel behind a point, up to where everything is noted: for who goes on from a snapshot.

        Raises ``StreamWrong``.
        """
        noted = Noted()
        self._standings[channel], self._cursors[channel] = "followed", cursor
        try:
            for height in range(cursor.height, self.height, BLOCKS):
                for block in self._root.blocks(height, min(BLOCKS, self.height - height)):
                    self._read(_of_channel(block, channel), noted)
            for event in noted.supplied:
                self._keep_supplied(event, noted)
        finally:
            self._standings.clear()
            self._cursors.clear()
        return [change for change in noted.changes if change.channel == channel]

    def _keep(self, noted: Noted) -> None:
        for channel, places in noted.ordered.items():
            # nothing that was ordered may be dropped, a vault's neither
            self._custody.mark_ordered(channel, places)
        for event in noted.supplied:
            self._keep_supplied(event, noted)
        self._custody.drop_expired(noted.time_ms)
        if noted.changes or noted.height - self._noted_height >= UNNOTED:
            self._book.note(noted.height, noted.changes)
            self._noted_height = noted.height

    def _read(self, block: RootBlock, noted: Noted) -> None:
        entered = [event for event in block.events if isinstance(event, Entered)]
        for channel in dict.fromkeys(event.channel for event in entered):
            self._append(channel, block, [event for event in entered if event.channel == channel], noted)
        for event, origin in zip(block.events, block.origins, strict=True):
            if isinstance(event, Entered):
                self._note_entry(event.channel, event.number, event.entry, noted)
            elif isinstance(event, Confirmed):
                if self._standing(event.channel) is not None:
                    noted.changes.append(ConfirmedTo(event.channel, event.ordinal, event.digest, origin))
            elif isinstance(event, AttemptDecided):
                self._note_decision(event, entered, block, noted)
            elif isinstance(event, Supplied):
                noted.supplied.append(event)
            elif isinstance(event, MissingReported):
                noted.reported.append((event.channel, event.number))
            elif isinstance(event, Dissented | CustodyFailed | SeatSet):
                self._note_conduct(event, noted)
            elif isinstance(event, EpochOffered) and self._has_member(event.terms):
                self._book.note_offers([(event.channel, event.epoch, event.key.commitment)])
            elif isinstance(event, CopyGiven) and event.member in self._seats:
                self._book.keep_copies(event.channel, event.epoch, [(event.member, event.copy)])

    def _note_conduct(self, event: Dissented | CustodyFailed | SeatSet, noted: Noted) -> None:
        """What is only for those who watch the channels of this node."""
        if isinstance(event, SeatSet):
            noted.has_seats = True
        elif self._standing(event.channel) is not None:
            if isinstance(event, Dissented):
                noted.dissents.append(event.member)
            else:
                noted.lost += event.signers

    def _append(self, channel: bytes, block: RootBlock, events: list[Entered], noted: Noted) -> None:
        """Take the point that a block has for a channel, if the channel is followed from or up to there."""
        before = self._standing(channel)
        standing = self._judged(before, events)
        if standing != before and standing is not None:
            self._standings[channel] = standing
            context = events[0].context
            noted.changes.append(Stood(channel, standing, 0 if context is None else context.ordinal))
        if standing == "followed":
            point = point_of(channel, block.height, events, self._cursor(channel))
            if point is not None:
                noted.changes.append(Appended(channel, point))
                self._cursors[channel] = point.end

    def _judged(self, before: Standing | None, events: Iterable[Entered]) -> Standing | None:
        """Whether the channel is followed, by the newest terms; vaults have no key and read nothing.

        Of a point in which all members of this node leave nothing is taken: its digest needs the key behind it.
        """
        standing = before
        for event in events:
            if isinstance(event.entry, EpochBegun):
                if not self._has_member(event.entry.terms):
                    standing = None if before is None else "left"
                elif standing != "followed":
                    standing = "followed" if event.number == 1 else "late"
        return standing

    def _note_entry(self, channel: bytes, number: int, entry: Entry, noted: Noted) -> None:
        if isinstance(entry, Batch | Leg):
            noted.ordered.setdefault(channel, []).append((entry.payload.hash, number))
        elif isinstance(entry, Erased):  # by vaults too
            noted.changes.append(ErasureDecided(channel, entry.through))
        elif self._standing(channel) is None:
            return
        elif isinstance(entry, Voided):
            noted.changes.append(Emptied(channel, entry.number, entry.generation))
        elif isinstance(entry, Resumed):
            noted.changes.append(Regenerated(channel, entry.generation))

    def _note_decision(
        self, event: AttemptDecided, entered: list[Entered], block: RootBlock, noted: Noted
    ) -> None:
        """How an attempt ended, in each channel of this node that had a leg of it."""
        decision = Decision(
            event.attempt, event.committed, event.reason, event.silent, block.height, block.time_ms
        )
        for each in entered:
            is_its_end = isinstance(each.entry, Decided) and each.entry.attempt == event.attempt
            if is_its_end and self._standing(each.channel) is not None:
                noted.changes.append(Settled(each.channel, event.terms, decision))

    def _keep_supplied(self, event: Supplied, noted: Noted) -> None:
        """Hold a payload that the root has shown, whose hash it checked."""
        channel, number = event.channel, event.number
        point = noted.point_with(channel, number) or self._book.point_with(channel, number)
        entry = None if point is None else point.entries[number - point.first]
        if isinstance(entry, Batch | Leg):
            payload = entry.payload
            self._custody.keep(
                [NewPayload(channel, payload.hash, entry.epoch, payload.submitter, 0, "own", event.content, number)]
            )  # fmt: skip

    def _has_member(self, terms: Terms) -> bool:
        return any(member in self._seats for member in terms.members)

    def _standing(self, channel: bytes) -> Standing | None:
        if channel not in self._standings:
            self._standings[channel] = self._book.standing(channel)
        return self._standings[channel]

    def _cursor(self, channel: bytes) -> Cursor:
        if channel not in self._cursors:
            self._cursors[channel] = self._book.cursor(channel)
        return self._cursors[channel]


def _of_channel(block: RootBlock, channel: bytes) -> RootBlock:
    """What a block says of one channel."""
    found = [
        (event, origin)
        for event, origin in zip(block.events, block.origins, strict=True)
        if getattr(event, "channel", None) == channel
    ]
    events, origins = tuple(event for event, _ in found), tuple(origin for _, origin in found)
    return RootBlock(block.height, block.time_ms, events, origins)
