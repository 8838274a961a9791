"""Reads and changes the records of channels. The only code that writes this module's keys.

Who may do what, and whether a payload has its receipts, is decided before: here nothing is refused but what is not there.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.channel import state as stored
from traco.modules.channel.entries import (
    FIRST_CHAIN,
    Batch,
    Entry,
    EpochBegun,
    Leg,
    PointContext,
    next_chain,
)
from traco.modules.channel.errors import ChannelUnknown, OfferUnknown, SeatMissing
from traco.modules.channel.events import Entered
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.parts import Terms
from traco.modules.channel.state import (
    Channel,
    ChannelCount,
    EntryRecord,
    Offer,
    Ordered,
    Point,
    Presence,
    Role,
    Seat,
    Stream,
    number_part,
)

FORGET: Final = "channel.forget"  # due: the receipts of an ordered payload have ended

_PRUNED_PER_STEP: Final = (
    8  # old points removed with each one that is confirmed: more than one, so that a backlog shrinks
)
_NOTHING_YET: Final = Stream(0, FIRST_CHAIN, 0, 0, 0, b"", 0)


class Place(NamedTuple):
    """Where an entry stands: its number in the stream, and the ordinal of its point."""

    number: int
    ordinal: int


class Keeper:
    """The channels of one network. Without state of its own: what it reads and writes is in the given state."""

    # reads

    def seat(self, state: State, member: bytes) -> Seat | None:
        """Where a member does its channel business, or None."""
        return stored.seats.get(state, member)

    def require_seat(self, state: State, member: bytes) -> Seat:
        """The same. Raises ``SeatMissing``."""
        found = stored.seats.get(state, member)
        if found is None:
            raise SeatMissing(member)
        return found

    def channel(self, state: State, channel: bytes) -> Channel | None:
        """The channel as it is now, or None."""
        return stored.channels.get(state, channel)

    def require(self, state: State, channel: bytes) -> Channel:
        """The same. Raises ``ChannelUnknown``."""
        found = stored.channels.get(state, channel)
        if found is None:
            raise ChannelUnknown(channel)
        return found

    def as_of(self, state: State, height: int, channel: bytes) -> Channel | None:
        """The channel as committed by block ``height``; None if it did not exist or is beyond the horizon."""
        return stored.channels.as_of(state, height, channel)

    def stream(self, state: State, channel: bytes) -> Stream:
        """How far the channel's stream has come; all zero before its first entry."""
        return stored.streams.get(state, channel) or _NOTHING_YET

    def offer(self, state: State, channel: bytes) -> Offer | None:
        """The open offer of an epoch, or None."""
        return stored.offers.get(state, channel)

    def require_offer(self, state: State, channel: bytes, epoch: int) -> Offer:
        """The open offer of this epoch. Raises ``OfferUnknown``."""
        found = stored.offers.get(state, channel)
        if found is None or found.epoch != epoch:
            raise OfferUnknown(channel, epoch)
        return found

    def point(self, state: State, channel: bytes, ordinal: int) -> Point | None:
        """A point that is not confirmed, or was not long ago; else None."""
        return stored.points.get(state, channel, number_part(ordinal))

    def points(self, state: State, channel: bytes, after: int, limit: int) -> list[tuple[int, Point]]:
        """Up to ``limit`` points behind the ordinal ``after``, each with its ordinal."""
        found = stored.points.scan(state, channel, after=number_part(after), limit=limit)
        return [(int.from_bytes(rest, "big"), point) for rest, point in found]

    def entry(self, state: State, channel: bytes, number: int) -> EntryRecord | None:
        """What is kept of an entry with a payload, as long as its point; else None."""
        return stored.entries.get(state, channel, number_part(number))

    def ordered(self, state: State, channel: bytes, payload: bytes) -> int | None:
        """Which entry has the payload (hash), as long as its receipts could be used again; else None."""
        found = stored.ordered.get(state, channel, payload)
        return None if found is None else found.number

    def count_of(self, state: State, member: bytes) -> int:
        """In how many channels a member or vault is."""
        found = stored.counts.get(state, member)
        return 0 if found is None else found.channels

    def channels_of(
        self, state: State, member: bytes, after: bytes, limit: int
    ) -> list[tuple[bytes, Presence]]:
        """Up to ``limit`` channels of a member or vault, in order of ids, behind the id ``after``."""
        return stored.memberships.scan(state, member, after=after, limit=limit)

    # changes

    def set_seat(self, context: Context, member: bytes, seat: Seat) -> None:
        """Write where a member does its channel business."""
        stored.seats.put(context.state, context.block.height, self._horizon(context), seat, member)

    def write(self, context: Context, channel: bytes, record: Channel) -> None:
        """Write a channel; what it was stays readable as of earlier heights."""
        stored.channels.put(context.state, context.block.height, self._horizon(context), record, channel)

    def remove(self, context: Context, channel: bytes) -> None:
        """Forget a channel that never opened."""
        stored.channels.delete(context.state, context.block.height, self._horizon(context), channel)

    def enter(self, context: Context, channel: bytes, entry: Entry) -> Place:
        """Put the next entry into a channel's stream, and a point where the block has none for it yet. Emits ``Entered``."""
        state, block = context.state, context.block
        stream = self.stream(state, channel)
        number, begins = stream.entries + 1, stream.height != block.height
        ordinal = stream.ordinal + begins
        where = PointContext(block.height, block.time_ms, block.protocol, ordinal) if begins else None
        chain = next_chain(stream.chain, where, entry)
        stored.streams.put(
            state, replace(stream, entries=number, chain=chain, ordinal=ordinal, height=block.height), channel
        )
        point = None if begins else self.point(state, channel, ordinal)
        if point is None:
            generation = self.require(state, channel).generation
            point = Point(block.height, generation, number, number, ())
        self.write_point(context, channel, ordinal, replace(point, last=number))
        context.emit(Entered(channel, number, where, entry))
        return Place(number, ordinal)

    def write_point(self, context: Context, channel: bytes, ordinal: int, point: Point) -> None:
        """Write a point."""
        stored.points.put(context.state, point, channel, number_part(ordinal))

    def enter_payload(
        self, context: Context, channel: bytes, entry: Batch | Leg, signers: tuple[bytes, ...], until_ms: int
    ) -> Place:
        """As ``enter``, and keep what a missing payload would need; its hash is not ordered again before ``until_ms``."""
        place = self.enter(context, channel, entry)
        payload = entry.payload.hash
        record = EntryRecord(place.ordinal, payload, signers, voided=False)
        stored.entries.put(context.state, record, channel, number_part(place.number))
        stored.ordered.put(context.state, Ordered(place.number), channel, payload)
        context.schedule(until_ms, FORGET, channel + payload)
        return place

    def forget_ordered(self, context: Context, channel: bytes, payload: bytes) -> None:
        """The receipts for a payload (hash) have ended."""
        stored.ordered.delete(context.state, channel, payload)

    def confirm(self, context: Context, channel: bytes, ordinal: int, digest: bytes) -> None:
        """Everything up to a point stands for good; some points that nobody needs any more are forgotten."""
        state = context.state
        stream = self.stream(state, channel)
        stored.streams.put(state, replace(stream, confirmed=ordinal, digest=digest), channel)
        kept = context.parameters(ChannelParameters).kept_points
        for old, point in self.points(state, channel, 0, _PRUNED_PER_STEP):
            if old > ordinal - kept:
                return
            for number in range(point.first, point.last + 1):
                stored.entries.delete(state, channel, number_part(number))
            stored.points.delete(state, channel, number_part(old))

    def put_offer(self, context: Context, channel: bytes, offer: Offer) -> None:
        """Write an offer, new or changed."""
        stored.offers.put(context.state, offer, channel)

    def end_offer(self, context: Context, channel: bytes) -> None:
        """Remove the open offer."""
        stored.offers.delete(context.state, channel)

    def begin_epoch(self, context: Context, channel: bytes, offer: Offer) -> None:
        """Put an offered epoch in force: terms, keys, the index of members, and its entry in the stream."""
        record = self.require(context.state, channel)
        before = record.terms if record.epoch else None
        status = "open" if record.status == "opening" else record.status
        self.write(
            context,
            channel,
            replace(
                record, status=status, epoch=offer.epoch, terms=offer.terms, boxes=offer.boxes,
                commitment=offer.key.commitment,
            ),
        )  # fmt: skip
        self._index(context.state, channel, before, offer.terms)
        self.end_offer(context, channel)
        self.enter(context, channel, EpochBegun(offer.epoch, offer.terms))

    def _index(self, state: State, channel: bytes, before: Terms | None, after: Terms) -> None:
        old, new = () if before is None else before.custodians(), after.custodians()
        for gone in old:
            if gone not in new:
                stored.memberships.delete(state, gone, channel)
                self._count(state, gone, -1)
        for place, member in enumerate(new):
            role: Role = "member" if place < len(after.members) else "vault"
            stored.memberships.put(state, Presence(role), member, channel)
            if member not in old:
                self._count(state, member, 1)

    def _count(self, state: State, member: bytes, change: int) -> None:
        now = self.count_of(state, member) + change
        if now:
            stored.counts.put(state, ChannelCount(now), member)
        else:
            stored.counts.delete(state, member)

    def _horizon(self, context: Context) -> int:
        return context.kernel_parameters().history_horizon
