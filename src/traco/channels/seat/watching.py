"""Looks at the channels of a node for those who run it: how far behind each is, what is missing, who does not answer.

A look reads a row or two of each channel; what changes seldom (status, keys) is remembered until an entry or a seat changes it, so
that thousands of channels at rest cost little. Not for deciding anything: that is done where it is found.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from traco.channels.custody.store import CustodyStore
from traco.channels.custody.tally import Tally
from traco.channels.seat.book import Appended, Book
from traco.channels.seat.figures import SHOWN, ChannelFigures, MemberFigures, SeatFigures
from traco.channels.seat.following import Noted
from traco.channels.seat.offers import Offers
from traco.channels.seat.overview import Position
from traco.channels.seat.ports import RootReading, SeatKeys
from traco.channels.seat.seeking import Seeker
from traco.channels.seat.supplying import Supplier
from traco.kernel.errors import LedgerError
from traco.kernel.state import State
from traco.modules.channel.entries import Batch, Decided, EpochBegun, Leg, Tick
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.state import Channel

LAGGING_MS: Final = 10_000
"""A channel that is behind for so long is shown by itself; any that does business is behind for a moment."""

_BUSINESS: Final = (Batch, Leg, Tick, Decided)
_OTHERWISE: Final = "channel.problem"  # a problem without a code of its own


class _Known(NamedTuple):
    """What changes seldom. ``began_ms``: when its epoch began, 0 where that is not known yet. ``partners``: its custodians."""

    status: str
    is_outdated: bool
    began_ms: int
    partners: tuple[bytes, ...]


class Watcher:
    """Looks, for the seats of one node, and remembers what happened since the start."""

    def __init__(
        self, keeper: Keeper, book: Book, custody: CustodyStore, seats: Mapping[bytes, SeatKeys], seeker: Seeker,
        supplier: Supplier, offers: Offers, tally: Tally,
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._book = book
        self._custody = custody
        self._seats = seats
        self._seeker = seeker
        self._supplier = supplier
        self._offers = offers
        self._tally = tally
        self._known: dict[bytes, _Known] = {}
        self._begun: dict[bytes, int] = {}
        self._dissents: Counter[bytes] = Counter()
        self._lost: Counter[bytes] = Counter()
        self._head = (0, 0)  # the oldest waiting transaction of the outbox, and when it was seen there first

    def note(self, noted: Noted) -> None:
        """The root's blocks said this."""
        self._dissents.update(noted.dissents)
        self._lost.update(noted.lost)
        if noted.has_seats:
            self._known.clear()
        for change in noted.changes:
            if isinstance(change, Appended):
                for entry in change.point.entries:
                    if not isinstance(entry, _BUSINESS):
                        self._known.pop(change.channel, None)
                    if isinstance(entry, EpochBegun):
                        self._begun[change.channel] = change.point.context.time_ms

    def look(
        self, root: RootReading, time_ms: int, read_height: int, problems: Mapping[bytes, LedgerError]
    ) -> SeatFigures:
        """How everything is now. ``time_ms``: what ages are measured by. Raises ``BookStopped``."""
        positions = self._book.positions()
        places = {each.channel for each in positions}
        self._known = {channel: known for channel, known in self._known.items() if channel in places}
        codes = {channel: str(getattr(error, "code", _OTHERWISE)) for channel, error in problems.items()}
        channels = [self._channel(each, codes.get(each.channel, ""), root, time_ms) for each in positions]
        begun = [
            known.began_ms for known in self._known.values() if known.began_ms and known.status != "closed"
        ]
        waiting, executed, head = self._book.load()
        held = self._custody.usage()
        return SeatFigures(
            read_height=read_height, root_height=max(root.height, read_height),
            statuses=_counted(each.status for each in channels), problems=_counted(codes.values()),
            unexecuted=sum(each.noted - each.executed for each in channels),
            unconfirmed=sum(each.executed - each.confirmed for each in channels if each.unconfirmed_ms),
            unexecuted_ms=max((each.unexecuted_ms for each in channels), default=0),
            unconfirmed_ms=max((each.unconfirmed_ms for each in channels), default=0),
            wanted=len(self._seeker.since), wanted_ms=_age(min(self._seeker.since.values(), default=time_ms), time_ms),
            reported=sum(channel in places for channel, _ in self._supplier.reported),
            voided=self._book.empty_entries(), outbox_waiting=waiting, outbox_executed=executed, outbox_ms=self._waiting_ms(head, time_ms),
            offers=_counted(each.status for each in self._offers.open_offers(root)),
            outdated=sum(each.is_outdated for each in channels), epoch_ms=_age(min(begun, default=time_ms), time_ms),
            custody_bytes=held.bytes, custody_waiting_bytes=held.waiting_bytes, custody_limit_bytes=held.limit_bytes,
            members=self._members(), channels=_worst(channels),
        )  # fmt: skip

    def _channel(self, position: Position, code: str, root: RootReading, time_ms: int) -> ChannelFigures:
        channel, confirmed, noted, executed = position
        known = self._known.get(channel)
        if known is None:
            known = self._known[channel] = self._read(position, root.state)
        # nobody attests what stands behind the end
        unconfirmed = executed > confirmed and known.status != "closed"
        return ChannelFigures(
            channel, known.status, code, noted, executed, confirmed,
            self._behind_ms(channel, executed, time_ms) if noted > executed else 0,
            self._behind_ms(channel, confirmed, time_ms) if unconfirmed else 0, known.is_outdated,
        )  # fmt: skip

    def _read(self, position: Position, state: State) -> _Known:
        record = self._keeper.channel(state, position.channel)
        if record is None:
            return _Known("opening", False, 0, ())
        is_outdated = record.status != "closed" and self._is_outdated(record, state)
        began_ms = self._begun.get(position.channel) or self._began_ms(position, record.epoch)
        return _Known(record.status, is_outdated, began_ms, record.terms.custodians())

    def _is_outdated(self, record: Channel, state: State) -> bool:
        """Whether a member has another seat than its copy of the key was wrapped for: whoever has the old one can open it."""
        seats = (self._keeper.seat(state, member) for member in record.terms.members)
        return any(seat is None or seat.box != box for seat, box in zip(seats, record.boxes, strict=False))

    def _began_ms(self, position: Position, epoch: int) -> int:
        """When an epoch began, by the results of executed points, which are in the order of epochs."""
        first, behind = 1, position.executed + 1
        while first < behind:
            middle = (first + behind) // 2
            result = self._book.result(position.channel, middle)
            if result is None or result.epoch < epoch:
                first = middle + 1
            else:
                behind = middle
        return self._book.point_ms(position.channel, first) if first <= position.executed else 0

    def _behind_ms(self, channel: bytes, ordinal: int, time_ms: int) -> int:
        """The age of the point behind one; at least 1, for it is there."""
        return max(1, _age(self._book.point_ms(channel, ordinal + 1) or time_ms, time_ms))

    def _waiting_ms(self, head: int, time_ms: int) -> int:
        if not head:
            return 0
        if head != self._head[0]:
            self._head = head, time_ms
        return _age(self._head[1], time_ms)

    def _members(self) -> tuple[MemberFigures, ...]:
        """Everybody that shares a channel with this node, also who was not asked yet: a count is seen to grow from 0 only."""
        asked = self._tally.members()
        partners = {each for known in self._known.values() for each in known.partners}
        found = list[MemberFigures]()
        for member in sorted({*partners, *asked, *self._dissents, *self._lost} - self._seats.keys()):
            answering = asked.get(member)
            counts = () if answering is None else tuple(sorted(answering.counts.items()))
            is_silent = answering is not None and answering.is_silent
            silent_ms = 0 if answering is None else round(answering.silent_s * 1_000)
            found.append(
                MemberFigures(
                    member, counts, is_silent, silent_ms, self._dissents[member], self._lost[member]
                )
            )
        return tuple(found)


def _worst(channels: list[ChannelFigures]) -> tuple[ChannelFigures, ...]:
    """Those with a problem, and those that are long behind, the oldest first."""
    shown = [each for each in channels if each.codes() or each.age_ms >= LAGGING_MS]
    shown.sort(key=lambda each: (not each.code, -each.age_ms, each.channel))
    return tuple(shown[:SHOWN])


def _counted(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(names).items()))


def _age(since_ms: int, time_ms: int) -> int:
    return max(0, time_ms - since_ms)
