"""Discloses a period of a channel to somebody outside: a file (``channels.disclosing.form``), and the commitment to it on the root.

The opening state is made by executing the channel again up to there, beside the replica that goes on: nothing else has the state
as of an earlier point. Other business has its turn between any two points.
"""

import asyncio
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from traco.channels.disclosing.errors import Undisclosable
from traco.channels.disclosing.form import (
    CHUNK,
    MAX_LINKS,
    End,
    Head,
    Leaves,
    Links,
    Opening,
    Payload,
    Point,
    Writer,
    commitment,
)
from traco.channels.disclosing.opening import MemoryStore, ids_of, slots_of
from traco.channels.executing.composition import Compositions
from traco.channels.executing.points import Nothing
from traco.channels.executing.registry_view import RegistryView
from traco.channels.executing.replica import ChannelReplica
from traco.channels.sealing.errors import PayloadRefused
from traco.channels.sealing.payloads import read_head
from traco.channels.seat.book import Book
from traco.channels.seat.errors import KeyMissing, SubmissionRefused
from traco.channels.seat.hosting import Hosted
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.ports import Root, RootUnavailable, SeatKeys
from traco.channels.seat.secrets import Secrets
from traco.kernel.codec import Codec
from traco.kernel.execution import Alarm
from traco.kernel.genesis import network_id
from traco.kernel.transaction import RawTransaction, transaction_id
from traco.modules.channel.entries import Batch, Leg
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import Disclose

Write = Callable[[bytes], object]
Progress = Callable[[int, int], None]
"""Told how many of how many points were executed or written."""
_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)
_HASH_BYTES: Final = 32


class Period(NamedTuple):
    """What to disclose: points by their ordinals, or by the time of their blocks, each with its ends; 0: without bound."""

    first: int = 0
    last: int = 0
    from_ms: int = 0
    until_ms: int = 0


class Disclosure(NamedTuple):
    """What was disclosed. ``origin``: the root's transaction that has the commitment."""

    first: int
    last: int
    commitment: bytes
    origin: bytes


class Discloser:
    """Discloses for the members of one node. ``hosted`` gives a channel of it, for use at once."""

    def __init__(
        self, root: Root, book: Book, secrets: Secrets, instructing: Instructing, seats: Mapping[bytes, SeatKeys],
        hosted: Callable[[bytes], Hosted], alarm: Alarm,
    ) -> None:  # fmt: skip
        self._root = root
        self._network = network_id(root.genesis)
        self._book = book
        self._keeper = Keeper()
        self._secrets = secrets
        self._instructing = instructing
        self._seats = seats
        self._hosted = hosted
        self._alarm = alarm

    async def disclose(
        self, channel: bytes, member: bytes, period: Period, write: Write, progress: Progress = lambda done, points: None
    ) -> Disclosure:  # fmt: skip
        """Write the file of a period and put it on record.

        Raises ``SubmissionRefused``, ``Undisclosable``, ``NotHosted``, ``ExecutingError``, ``KeyMissing``, ``OSError``; then what was
        written is of no use.
        """
        if member not in self._seats:
            raise SubmissionRefused("channel.not_hosted", "the member has no seat on this node; ask its own")
        first, last = self._points(channel, period)
        head, writer = Head(self._network, channel, member, os.urandom(_HASH_BYTES), first, last), Writer()
        write(writer.frame(head))
        if first > 1:
            await self._write_opening(channel, first - 1, writer, write, lambda done: progress(done, last))
        for ordinal in range(first, last + 1):
            for record in self._point(channel, ordinal):
                write(writer.frame(record))
            progress(ordinal, last)
            await asyncio.sleep(0)
        confirmed = self._confirmed_at(channel, last)
        behind = [self._hosted(channel).summary(each) for each in range(last + 1, confirmed + 1)]
        if behind:
            write(writer.frame(Links(tuple(behind))))
        content = writer.content()
        said = commitment(head, content)
        origin = await self._record(channel, member, said)
        write(writer.frame(End(content, origin)))
        return Disclosure(first, last, said, origin)

    def _points(self, channel: bytes, period: Period) -> tuple[int, int]:
        """The first and last point of a period, all confirmed and executed here. Raises ``Undisclosable``."""
        self._hosted(channel)
        with self._root.reading() as root:
            confirmed = self._keeper.stream(root.state, channel).confirmed
        ordinals = range(1, min(confirmed, self._book.cursor(channel).ordinal) + 1)
        first, last = period.first or 1, min(period.last or len(ordinals), len(ordinals))
        if period.from_ms:
            first = max(
                first,
                1 + bisect_left(ordinals, period.from_ms, key=lambda each: self._time_ms(channel, each)),
            )
        if period.until_ms:
            last = min(
                last, bisect_left(ordinals, period.until_ms, key=lambda each: self._time_ms(channel, each))
            )
        if first > last or (period.last and period.last > last and not period.until_ms):
            raise Undisclosable(
                "disclosure.period",
                f"the period has no confirmed points, or not all of them are: {len(ordinals)} are confirmed here",
            )
        if self._book.result(channel, last) is None:
            raise Undisclosable(
                "disclosure.period", f"point {last} is not executed here yet; try again when it is"
            )
        if self._book.result(channel, first) is None:
            raise _before_snapshot(first)
        return first, last

    def _time_ms(self, channel: bytes, ordinal: int) -> int:
        point = self._book.point(channel, ordinal)
        return 0 if point is None else point.context.time_ms

    def _confirmed_at(self, channel: bytes, last: int) -> int:
        """The first point from the last one on that the root confirmed by itself. Raises ``Undisclosable``."""
        found = self._book.confirmation(channel, last)
        if found is None or found[0] - last > MAX_LINKS or self._book.result(channel, found[0]) is None:
            raise Undisclosable(
                "disclosure.too_far",
                f"point {last} and its confirmation are too far apart; take a longer period",
            )
        return found[0]

    async def _write_opening(
        self, channel: bytes, ordinal: int, writer: Writer, write: Write, progress: Callable[[int], None]
    ) -> None:
        replica, store = await self.replica_at(channel, ordinal, progress)
        hosted, info = self._hosted(channel), replica.info()
        shown = hosted.shown(ordinal)
        tree, history = replica.tree, replica.history
        opening = Opening(
            shown.summary, shown.blinding.blind(), shown.point.context.height, info.time_ms, tree.slot_count,
            tree.first_empty, history.size, history.encode(),
        )  # fmt: skip
        write(writer.frame(opening))
        for slots in slots_of(tree):
            write(writer.frame(slots))
            await asyncio.sleep(0)
        for ids in ids_of(store.used(info.time_ms)):
            write(writer.frame(ids))

    async def replica_at(
        self, channel: bytes, ordinal: int, progress: Callable[[int], None] = lambda done: None
    ) -> tuple[ChannelReplica, MemoryStore]:
        """A replica of the channel as of a point, made by executing it again. Raises as ``disclose``."""
        compositions, store = (
            Compositions(RegistryView(), self._root.genesis.kernel_parameters()),
            MemoryStore(),
        )
        replica = ChannelReplica(self._root.genesis, channel, compositions, store, self._alarm)
        for each in range(1, ordinal + 1):
            self._execute(replica, each)
            progress(each)
            await asyncio.sleep(0)
        result = self._book.result(channel, ordinal)
        if result is None or replica.info().app_hash != result.app_hash:
            raise Undisclosable(
                "disclosure.own_state",
                f"executing up to point {ordinal} again gives another state than it gave before",
            )
        return replica, store

    def _execute(self, replica: ChannelReplica, ordinal: int) -> None:
        point = self._book.point(replica.ledger, ordinal)
        if point is None:
            raise _before_snapshot(ordinal)
        contents = self._hosted(replica.ledger).contents(point)
        if contents is None:
            raise Undisclosable(
                "disclosure.payload_gone",
                f"payloads of point {ordinal} are erased or not here, so the state before the period cannot be made",
            )
        with self._root.reading() as root:
            replica.execute(point, contents, root)
        replica.commit()

    def _point(self, channel: bytes, ordinal: int) -> Iterator[Point | Payload | Leaves]:
        shown = self._hosted(channel).shown(ordinal)
        payloads, leaves = list(self._payloads(channel, ordinal)), shown.leaves
        point = shown.point
        yield Point(
            point.context, point.first, point.entries, shown.summary, shown.blinding.blind(), len(payloads), len(leaves)
        )  # fmt: skip
        yield from payloads
        salts, hashes = shown.blinding.salts(len(leaves)), shown.blinding.hashes(leaves)
        for start in range(0, len(leaves), CHUNK):
            yield Leaves(salts[start : start + CHUNK], tuple(hashes[start : start + CHUNK]))

    def _payloads(self, channel: bytes, ordinal: int) -> Iterator[Payload]:
        hosted, point = self._hosted(channel), self._book.point(channel, ordinal)
        contents = None if point is None else hosted.contents(point)
        if point is None or contents is None:
            raise Undisclosable(
                "disclosure.payload_gone", f"payloads of point {ordinal} are erased or not here"
            )
        for number, payload in point.payloads().items():
            if self._book.is_voided(channel, number):
                continue
            content, entry = hosted.payload(payload), point.entries[number - point.first]
            key = self._key(channel, entry.epoch if isinstance(entry, Batch | Leg) else 0, content)
            opened = contents[number]
            code = opened.code if isinstance(opened, Nothing) else ""
            yield Payload(number, key, b"" if payload.shown else content, code)

    def _key(self, channel: bytes, epoch: int, content: bytes) -> bytes:
        """The key of one payload, by which nothing else opens; none for what is no payload."""
        secret = self._secrets.find(channel, epoch)
        if secret is None:
            raise KeyMissing(channel, epoch)
        try:
            return secret.payload_key(read_head(content).payload_id).reveal()
        except PayloadRefused:
            return b""

    async def _record(self, channel: bytes, member: bytes, said: bytes) -> bytes:
        with self._root.reading() as root:
            until_ms = self._instructing.until(root)
        raw = self._instructing.signed(member, Disclose(member, channel, said), until_ms)
        try:
            answer = await self._root.submit(raw)
        except RootUnavailable as error:
            raise Undisclosable(
                "disclosure.not_recorded", f"the root could not be told of it ({error}); disclose again"
            ) from None
        if answer.code:
            raise Undisclosable(
                "disclosure.not_recorded", f"the root did not take the record of it: {answer.code}"
            )
        return transaction_id(bytes(_RAW.trusted(raw).body))


def _before_snapshot(ordinal: int) -> Undisclosable:
    return Undisclosable(
        "disclosure.before_snapshot",
        f"this node has the channel by a snapshot and lacks point {ordinal}; ask a member that has it from the beginning",
    )
