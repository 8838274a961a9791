"""Reads and changes the records of channels. The only code that writes this module's keys.

Who may do what, and whether a payload has its receipts, is decided before: here nothing is refused but what is not there.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.channel import state as stored
from traco.modules.channel.entries import (
    FIRST_CHAIN,
    Batch,
    Closed,
    Entry,
    EpochBegun,
    Erased,
    Leg,
    PointContext,
    next_chain,
)
from traco.modules.channel.errors import ChannelUnknown, OfferUnknown, SeatMissing
from traco.modules.channel.events import Entered
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.parts import MAX_MEMBERS, Terms
from traco.modules.channel.state import (
    CLOSE,
    LAPSED,
    VOID,
    Attempted,
    AttemptRecord,
    Ballot,
    Channel,
    ChannelCount,
    Edge,
    EntryRecord,
    Missing,
    Offer,
    Ordered,
    Point,
    Presence,
    Role,
    Seat,
    Settlement,
    Stream,
    number_part,
)

FORGET: Final = "channel.forget"  # due: the receipts of an ordered payload have ended
UNANSWERED: Final = "channel.missing"  # due: nobody showed a payload in time
MAX_NUMBER: Final = 2**53 - 1
DEADLINE: Final = "channel.deadline"  # due: an attempt is judged

_PRUNED_PER_STEP: Final = (
    8  # old points removed with each one that is confirmed: more than one, so that a backlog shrinks
)
_SCANNED: Final = 256  # records read at a time
_LAST: Final = b"\xff" * 8  # of a point: no entry's number is as high
_NO_EDGE: Final = Edge(0, 0, 0)
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

    def missing(self, state: State, channel: bytes, number: int) -> Missing | None:
        """Who asked for an entry's payload and has no answer yet, or None."""
        return stored.missing.get(state, channel, number_part(number))

    def all_missing(self, state: State, channel: bytes) -> Iterator[tuple[int, Missing]]:
        """Every entry of the channel that waits for an answer, by number."""
        after = b""
        while page := stored.missing.scan(state, channel, after=after, limit=_SCANNED):
            for after, asked in page:
                yield int.from_bytes(after, "big"), asked

    def ballot(self, state: State, channel: bytes, kind: bytes, number: int) -> Ballot | None:
        """Who voted for something, or None."""
        return stored.ballots.get(state, channel, kind, number_part(number))

    def ballots(self, state: State, channel: bytes, kind: bytes) -> list[tuple[int, Ballot]]:
        """The ballots of a kind with the number each is about: at most as many as there are members."""
        found = stored.ballots.scan(state, channel, kind, limit=MAX_MEMBERS)
        return [(int.from_bytes(rest, "big"), ballot) for rest, ballot in found]

    def has_lapsed(self, state: State, channel: bytes, member: bytes) -> bool:
        """Whether an offer of the member lapsed, and others come first now."""
        found = self.ballot(state, channel, LAPSED, 0)
        return found is not None and member in found.members

    def ordered(self, state: State, channel: bytes, payload: bytes) -> int | None:
        """Which entry has the payload (hash), as long as its receipts could be used again; else None."""
        found = stored.ordered.get(state, channel, payload)
        return None if found is None else found.number

    def settlement(self, state: State, terms: bytes) -> Settlement | None:
        """The attempt at these terms (id) that is undecided or committed, or None."""
        return stored.settlements.get(state, terms)

    def attempt(self, state: State, attempt: bytes) -> AttemptRecord | None:
        """The undecided attempt with this id, or None."""
        return stored.attempts.get(state, attempt)

    def attempt_of(self, state: State, channel: bytes, ordinal: int, number: int) -> bytes | None:
        """The undecided attempt that an entry is a leg of, or None."""
        found = stored.attempted.get(state, channel, number_part(ordinal), number_part(number))
        return None if found is None else found.attempt

    def attempts_between(self, state: State, channel: bytes, after: int, through: int) -> list[bytes]:
        """The undecided attempts with a leg in the channel's points behind ``after`` up to ``through``, in stream order."""
        found: list[bytes] = []
        resume = number_part(after) + _LAST
        while page := stored.attempted.scan(state, channel, after=resume, limit=_SCANNED):
            for rest, entry in page:
                if int.from_bytes(rest[: len(_LAST)], "big") > through:
                    return found
                found.append(entry.attempt)
            resume = page[-1][0]
        return found

    def is_undecided(self, state: State, channel: bytes) -> bool:
        """Whether an attempt with a leg in the channel waits for its decision: nothing it needs may be closed or erased."""
        return bool(stored.attempted.scan(state, channel, limit=1))

    def edge(self, state: State, instrument: bytes, channel: bytes) -> Edge:
        """What the channel has taken in of an instrument with a public edge."""
        return stored.edges.get(state, instrument, channel) or _NO_EDGE

    def is_abroad(self, state: State, instrument: bytes) -> bool:
        """Whether some channel has some of an instrument with a public edge, or is to get some."""
        return bool(stored.edges.scan(state, instrument, limit=1))

    def count_of(self, state: State, member: bytes) -> int:
        """How many channels a member proposed that are not closed, and did not lapse."""
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

    def begin(self, context: Context, channel: bytes, record: Channel) -> None:
        """Write a channel that is proposed; it counts for who proposed it, and for nobody whom that names in it."""
        self.write(context, channel, record)
        self._count(context.state, record.creator, 1)

    def remove(self, context: Context, channel: bytes) -> None:
        """Forget a channel that never opened."""
        self._count(context.state, self.require(context.state, channel).creator, -1)
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
        self.drop_ballots(context, channel, VOID)  # they were about the first point that was not confirmed
        kept = context.parameters(ChannelParameters).kept_points
        for old, point in self.points(state, channel, 0, _PRUNED_PER_STEP):
            if old > ordinal - kept or self._has_leg(state, channel, old):
                return
            for number in range(point.first, point.last + 1):
                stored.entries.delete(state, channel, number_part(number))
            stored.points.delete(state, channel, number_part(old))

    def renew(self, context: Context, channel: bytes, ordinal: int, generation: int) -> None:
        """Count attestations anew, in another generation, from a point that is not confirmed on."""
        self.drop_ballots(context, channel, VOID)
        after = ordinal - 1
        while page := self.points(context.state, channel, after, _SCANNED):
            for after, point in page:
                self.write_point(context, channel, after, replace(point, generation=generation, votes=()))

    def empty(self, context: Context, channel: bytes, number: int, record: EntryRecord) -> None:
        """Write that an entry is void."""
        stored.entries.put(context.state, replace(record, voided=True), channel, number_part(number))

    def show(self, context: Context, channel: bytes, number: int, record: EntryRecord) -> None:
        """Write that the root carries an entry's payload now."""
        stored.entries.put(context.state, replace(record, signers=()), channel, number_part(number))

    def ask(self, context: Context, channel: bytes, number: int, asked: Missing) -> None:
        """Write who cannot get a payload; its clock runs from the first report on."""
        stored.missing.put(context.state, asked, channel, number_part(number))
        context.schedule(asked.until_ms, UNANSWERED, channel + number_part(number))

    def end_asking(self, context: Context, channel: bytes, number: int, asked: Missing) -> None:
        """The payload was supplied, or is wanted no more."""
        stored.missing.delete(context.state, channel, number_part(number))
        context.unschedule(asked.until_ms, UNANSWERED, channel + number_part(number))

    def vote(
        self,
        context: Context,
        channel: bytes,
        kind: bytes,
        number: int,
        member: bytes,
        among: tuple[bytes, ...],
    ) -> int:
        """Put a member's vote where it is now, and take it from where it was, and those of who are not ``among`` the members
        any more; how many voted alike.
        """
        alike: tuple[bytes, ...] = (member,)
        for other, ballot in self.ballots(context.state, channel, kind):
            voters = tuple(voter for voter in ballot.members if voter in among and voter != member)
            if other == number:
                alike = tuple(sorted((*voters, member)))
            else:
                self._put_ballot(context.state, channel, kind, other, voters)
        self._put_ballot(context.state, channel, kind, number, alike)
        return len(alike)

    def drop_ballots(self, context: Context, channel: bytes, kind: bytes, through: int = MAX_NUMBER) -> None:
        """Forget the ballots of a kind about numbers up to ``through``: decided, or pointless."""
        for number, _ in self.ballots(context.state, channel, kind):
            if number <= through:
                self._put_ballot(context.state, channel, kind, number, ())

    def note_lapse(self, context: Context, channel: bytes, member: bytes) -> None:
        """Write that an offer of the member lapsed."""
        found = self.ballot(context.state, channel, LAPSED, 0)
        waiting = dict.fromkeys((*(() if found is None else found.members), member))
        self._put_ballot(context.state, channel, LAPSED, 0, tuple(sorted(waiting)))

    def close(self, context: Context, channel: bytes) -> None:
        """Close a channel for good; it counts for its creator's limit no more. Enters ``Closed``."""
        record = self.require(context.state, channel)
        self.write(context, channel, replace(record, status="closed", suspended_ms=0))
        self.drop_ballots(context, channel, CLOSE)
        self.drop_ballots(context, channel, LAPSED)
        self._count(context.state, record.creator, -1)
        self.enter(context, channel, Closed())

    def erase(self, context: Context, channel: bytes, through: int) -> None:
        """Payloads up to an entry may be gone from here on. Enters ``Erased``."""
        stream = self.stream(context.state, channel)
        stored.streams.put(context.state, replace(stream, erased=through), channel)
        self.enter(context, channel, Erased(through))

    def begin_attempt(self, context: Context, attempt: bytes, record: AttemptRecord) -> None:
        """Write an attempt at terms that nobody else attempts, and have it judged at its deadline."""
        stored.settlements.put(context.state, Settlement(attempt, "undecided"), record.terms)
        for leg in record.legs:
            if leg.ledger:
                parts = (leg.ledger, number_part(leg.ordinal), number_part(leg.number))
                stored.attempted.put(context.state, Attempted(attempt), *parts)
        context.schedule(record.due_ms, DEADLINE, attempt)
        self.write_attempt(context, attempt, record)

    def write_attempt(self, context: Context, attempt: bytes, record: AttemptRecord) -> None:
        """Write what changed of an attempt. When it is judged next changes by ``postpone`` only."""
        stored.attempts.put(context.state, record, attempt)

    def postpone(self, context: Context, attempt: bytes, record: AttemptRecord, due_ms: int) -> None:
        """Have an attempt judged at another time."""
        context.unschedule(record.due_ms, DEADLINE, attempt)
        context.schedule(due_ms, DEADLINE, attempt)
        self.write_attempt(context, attempt, replace(record, due_ms=due_ms))

    def end_attempt(self, context: Context, attempt: bytes, record: AttemptRecord, committed: bool) -> None:
        """Forget a decided attempt. Its terms are used up if it committed, and free if not."""
        state = context.state
        context.unschedule(record.due_ms, DEADLINE, attempt)
        stored.attempts.delete(state, attempt)
        for leg in record.legs:
            if leg.ledger:
                parts = (leg.ledger, number_part(leg.ordinal), number_part(leg.number))
                stored.attempted.delete(state, *parts)
        if committed:
            stored.settlements.put(state, Settlement(attempt, "committed"), record.terms)
        else:
            stored.settlements.delete(state, record.terms)

    def write_edge(self, context: Context, instrument: bytes, channel: bytes, edge: Edge) -> None:
        """Write what the channel has taken in; nothing is kept of an instrument that it has nothing of."""
        if edge == _NO_EDGE:
            stored.edges.delete(context.state, instrument, channel)
        else:
            stored.edges.put(context.state, edge, instrument, channel)

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
        self.drop_ballots(context, channel, LAPSED)
        self.enter(context, channel, EpochBegun(offer.epoch, offer.terms))

    def _has_leg(self, state: State, channel: bytes, ordinal: int) -> bool:
        """Whether a leg of an undecided attempt is in the point: a required attester may still have to speak of it."""
        return bool(stored.attempted.scan(state, channel, number_part(ordinal), limit=1))

    def _index(self, state: State, channel: bytes, before: Terms | None, after: Terms) -> None:
        old, new = () if before is None else before.custodians(), after.custodians()
        for gone in old:
            if gone not in new:
                stored.memberships.delete(state, gone, channel)
        for place, member in enumerate(new):
            role: Role = "member" if place < len(after.members) else "vault"
            stored.memberships.put(state, Presence(role), member, channel)

    def _put_ballot(
        self, state: State, channel: bytes, kind: bytes, number: int, voters: tuple[bytes, ...]
    ) -> None:
        if voters:
            stored.ballots.put(state, Ballot(voters), channel, kind, number_part(number))
        else:
            stored.ballots.delete(state, channel, kind, number_part(number))

    def _count(self, state: State, member: bytes, change: int) -> None:
        now = self.count_of(state, member) + change
        if now:
            stored.counts.put(state, ChannelCount(now), member)
        else:
            stored.counts.delete(state, member)

    def _horizon(self, context: Context) -> int:
        return context.kernel_parameters().history_horizon
