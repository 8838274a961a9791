"""What must hold of channels, their streams, points and votes, whatever was executed. Of attempts: ``attempt_invariants``.

A transaction is checked on the keys that it wrote; audits and simulations check the whole ledger with the same rules.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from traco.kernel.codec import MAX_TIME_MS, Record
from traco.kernel.due import DueItem, due_items, is_scheduled
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, Table
from traco.modules.channel import state as stored
from traco.modules.channel.epochs import OFFER_ENDS
from traco.modules.channel.keeper import UNANSWERED
from traco.modules.channel.parts import Terms, is_ascending
from traco.modules.channel.points import agreed_word
from traco.modules.channel.state import (
    CLOSE,
    ERASE,
    LAPSED,
    VOID,
    Ballot,
    Channel,
    EntryRecord,
    Missing,
    Offer,
    Point,
    Presence,
    Role,
    Stream,
    number_part,
)

_PREFIX_BYTES: Final = 2  # of a key of this module: its own and the table's
_CHANNEL_BYTES: Final = 32
_ID_BYTES: Final = 16
_ALL: Final = 2**62  # more due items than there can be


def channel_consistent(state: State, channel: bytes, record: Channel) -> bool:
    """Whether status, epoch and clock of a channel fit together, and all who take part find it."""
    has_begun = record.epoch > 0
    return (
        has_begun == (record.status != "opening")
        and has_begun == (stored.streams.get(state, channel) is not None)
        and (record.suspended_ms > 0) == (record.status == "suspended")
        and not (record.status == "closed" and stored.offers.get(state, channel) is not None)
        and (
            not has_begun
            or all(
                stored.memberships.get(state, party, channel) == Presence(role)
                for party, role in _roles(record.terms)
            )
        )
    )


def stream_consistent(state: State, channel: bytes, stream: Stream) -> bool:
    """Whether a stream ends where its last point does, and is confirmed and erased no farther than it can be."""
    last = _point(state, channel, stream.ordinal)
    confirmed = _point(state, channel, stream.confirmed)
    return (
        1 <= stream.ordinal <= stream.entries
        and stream.confirmed <= stream.ordinal
        and len(stream.digest) == (32 if stream.confirmed else 0)
        and last is not None
        and (last.last, last.height) == (stream.entries, stream.height)
        and (confirmed is not None) == (stream.confirmed > 0)
        and stream.erased <= (0 if confirmed is None else confirmed.last)
    )


def point_consistent(state: State, place: bytes, point: Point) -> bool:
    """Whether a point joins its neighbours, and only members of its time have attested it, none of them twice."""
    channel, ordinal = place[:_CHANNEL_BYTES], int.from_bytes(place[_CHANNEL_BYTES:], "big")
    record, stream = stored.channels.get(state, channel), stored.streams.get(state, channel)
    if record is None or stream is None or not 1 <= ordinal <= stream.ordinal or point.first > point.last:
        return False
    before, after = _point(state, channel, ordinal - 1), _point(state, channel, ordinal + 1)
    joins_before = (
        ordinal - 1 <= stream.confirmed and (ordinal > 1 or point.first == 1)
        if before is None
        else _follows(before, point)
    )
    joins_after = ordinal == stream.ordinal if after is None else _follows(point, after)
    return (
        joins_before
        and joins_after
        and point.generation <= record.generation
        and _votes_consistent(state, channel, point, is_confirmed=ordinal <= stream.confirmed)
    )


def _follows(before: Point, after: Point) -> bool:
    return (
        before.last + 1 == after.first
        and before.height < after.height
        and before.generation <= after.generation
    )


def _votes_consistent(state: State, channel: bytes, point: Point, *, is_confirmed: bool) -> bool:
    then = stored.channels.as_of(state, point.height, channel)
    if then is None:
        return True  # beyond the horizon: nobody counts any more
    voters = tuple(vote.member for vote in point.votes)
    return (
        is_ascending(voters)
        and all(voter in then.terms.members for voter in voters)
        and (is_confirmed or agreed_word(point, then.terms.policy) is None)
    )


def entry_consistent(state: State, place: bytes, entry: EntryRecord) -> bool:
    """Whether an entry stands inside its point."""
    channel, number = place[:_CHANNEL_BYTES], int.from_bytes(place[_CHANNEL_BYTES:], "big")
    point = _point(state, channel, entry.ordinal)
    return point is not None and point.first <= number <= point.last


def missing_consistent(state: State, place: bytes, asked: Missing) -> bool:
    """Whether who asks for a payload has a clock, and asks for what was ordered and is not void."""
    entry = stored.entries.get(state, place)
    return (
        is_scheduled(state, DueItem(asked.until_ms, UNANSWERED, place))
        and bool(asked.reporters and asked.signers)
        and is_ascending(asked.reporters)
        and (entry is None or (entry.hash, entry.signers, entry.voided) == (asked.hash, asked.signers, False))
    )


def ballot_consistent(state: State, place: bytes, ballot: Ballot) -> bool:
    """Whether a vote is about what can still be decided."""
    channel, kind = place[:_CHANNEL_BYTES], place[_CHANNEL_BYTES : _CHANNEL_BYTES + 1]
    rest = place[_CHANNEL_BYTES + 1 :]
    record, stream = stored.channels.get(state, channel), stored.streams.get(state, channel)
    if record is None or stream is None or not ballot.members or not is_ascending(ballot.members):
        return False
    if kind == VOID:
        entry = stored.entries.get(state, channel, rest)
        return entry is not None and not entry.voided and entry.ordinal == stream.confirmed + 1
    if kind == ERASE:
        return int.from_bytes(rest, "big") <= stream.confirmed
    return kind in (CLOSE, LAPSED) and rest == number_part(0) and record.status != "closed"


def membership_consistent(state: State, place: bytes, presence: Presence) -> bool:
    """Whether an entry of the index of members is one of the channel's terms."""
    party, channel = place[:_ID_BYTES], place[_ID_BYTES:]
    record = stored.channels.get(state, channel)
    return record is not None and record.epoch > 0 and (party, presence.role) in _roles(record.terms)


def offer_consistent(state: State, channel: bytes, offer: Offer) -> bool:
    """Whether an offer is of the next epoch, ends, and only members of its terms have answered."""
    record = stored.channels.get(state, channel)
    return (
        record is not None
        and record.status != "closed"
        and offer.epoch == record.epoch + 1
        and is_scheduled(state, DueItem(offer.deadline_ms, OFFER_ENDS, channel))
        and all(is_ascending(parties) for parties in (offer.accepted, offer.given))
        and all(party in offer.terms.members for party in offer.accepted + offer.given)
    )


_CHECKS: Final[dict[int, tuple[Any, Callable[[State, bytes, Any], bool], str]]] = {
    stored.CHANNELS: (stored.channels, channel_consistent, "channel.status"),
    stored.STREAMS: (stored.streams, stream_consistent, "channel.stream"),
    stored.POINTS: (stored.points, point_consistent, "channel.point"),
    stored.ENTRIES: (stored.entries, entry_consistent, "channel.entry_in_point"),
    stored.MISSING: (stored.missing, missing_consistent, "channel.missing_clock"),
    stored.BALLOTS: (stored.ballots, ballot_consistent, "channel.ballot"),
    stored.MEMBERSHIPS: (stored.memberships, membership_consistent, "channel.membership_index"),
    stored.OFFERS: (stored.offers, offer_consistent, "channel.offer"),
}


def touched(state: State, before: Mapping[bytes, Record | None], /) -> None:
    """Check the keys of these records that a transaction wrote. Raises ``InvariantBroken``."""
    for key, held in before.items():
        if key[0] == stored.PREFIX and key[1] in _CHECKS:
            broken = _broken_at(state, key) or (None if held is None else _broken_behind(state, key, held))
            if broken is not None:
                raise InvariantBroken(broken)


def _broken_at(state: State, key: bytes) -> str | None:
    """The name of what is wrong with the record now at a key, or None."""
    table, check, name = _CHECKS[key[1]]
    record = table.get(state, key[_PREFIX_BYTES:])
    return None if record is None or check(state, key[_PREFIX_BYTES:], record) else name


def _broken_behind(state: State, key: bytes, held: Record) -> str | None:
    """What is wrong with what a record was replaced by: something fell back, was lost or left something behind."""
    now, rest = state.current(key), key[_PREFIX_BYTES:]
    if key[1] == stored.CHANNELS:
        return _broken_channel(held, now)
    if isinstance(held, Stream):
        return None if isinstance(now, Stream) and _grew(held, now) else "channel.stream_falls"
    if isinstance(held, Point):
        return _broken_point(state, rest, held, now)
    if isinstance(held, EntryRecord):
        return _broken_entry(state, rest, held, now)
    if isinstance(held, Missing) and now is None:
        left = is_scheduled(state, DueItem(held.until_ms, UNANSWERED, rest))
        return "channel.missing_clock" if left else None
    if isinstance(held, Offer) and now is None:
        left = is_scheduled(state, DueItem(held.deadline_ms, OFFER_ENDS, rest))
        return "channel.offer" if left else None
    if isinstance(held, Presence) and now is None:
        record = stored.channels.get(state, rest[_ID_BYTES:])
        stays = record is not None and rest[:_ID_BYTES] in record.terms.custodians()
        return "channel.membership_index" if stays else None
    return None


def _broken_channel(held: Any, now: Any) -> str | None:
    """``held`` and ``now``: versions of the channel."""
    was: Channel = held.record
    if now is None:
        return "channel.gone" if was.epoch else None
    is_: Channel = now.record
    falls = is_.generation < was.generation or is_.epoch < was.epoch
    reopened = was.status == "closed" and is_.status != "closed"
    return "channel.generation_falls" if falls else "channel.closed_stays" if reopened else None


def _grew(held: Stream, now: Stream) -> bool:
    return (
        now.entries >= held.entries
        and now.ordinal >= held.ordinal
        and now.height >= held.height
        and now.confirmed >= held.confirmed
        and now.erased >= held.erased
        and (now.confirmed > held.confirmed or now.digest == held.digest)
    )


def _broken_point(state: State, place: bytes, held: Point, now: Record | None) -> str | None:
    stream = stored.streams.get(state, place[:_CHANNEL_BYTES])
    is_confirmed = stream is not None and int.from_bytes(place[_CHANNEL_BYTES:], "big") <= stream.confirmed
    if not isinstance(now, Point):
        return None if is_confirmed else "channel.point_lost"
    if (now.height, now.first) != (held.height, held.first) or now.last < held.last:
        return "channel.point_moves"
    if now.generation < held.generation or (is_confirmed and now.generation > held.generation):
        return "channel.generation_falls"
    return None


def _broken_entry(state: State, place: bytes, held: EntryRecord, now: Record | None) -> str | None:
    channel = place[:_CHANNEL_BYTES]
    if not isinstance(now, EntryRecord):
        return None if _point(state, channel, held.ordinal) is None else "channel.entry_lost"
    stream = stored.streams.get(state, channel)
    confirmed = 0 if stream is None else stream.confirmed
    if held.voided != now.voided and (held.voided or held.ordinal <= confirmed):
        return "channel.confirmed_voided"
    return None


def _point(state: State, channel: bytes, ordinal: int) -> Point | None:
    return stored.points.get(state, channel, number_part(ordinal)) if ordinal > 0 else None


def _roles(terms: Terms) -> list[tuple[bytes, Role]]:
    found: list[tuple[bytes, Role]] = [(member, "member") for member in terms.members]
    return found + [(vault, "vault") for vault in terms.vaults]


def whole_ledger(state: State, /) -> list[str]:
    """Every violation in the whole state, with the key it was found at."""
    found = [
        f"{broken} at {key.hex()}"
        for table in _CHECKS
        for key in _keys(state, table)
        if (broken := _broken_at(state, key)) is not None
    ]
    return found + _wrong_counts(state) + _idle_clocks(state)


def _keys(state: State, table: int) -> Iterator[bytes]:
    return state.range(bytes((stored.PREFIX, table)), bytes((stored.PREFIX, table + 1)))


def _wrong_counts(state: State) -> list[str]:
    """Organisations that are counted with more or fewer channels than they proposed; closed ones do not count."""
    counted: dict[bytes, int] = {}
    for key in _keys(state, stored.CHANNELS):
        record = stored.channels.get(state, key[_PREFIX_BYTES:])
        if record is not None and record.status != "closed":
            counted[record.creator] = counted.get(record.creator, 0) + 1
    for key in _keys(state, stored.COUNTS):
        found = stored.counts.get(state, key[_PREFIX_BYTES:])
        if found is not None and counted.pop(key[_PREFIX_BYTES:], 0) != found.channels:
            return [f"channel.count at {key.hex()}"]
    return [f"channel.count of {party.hex()}" for party in counted]


def _idle_clocks(state: State) -> list[str]:
    """Due items of answers and offers that nobody waits for."""
    waited: dict[str, Table[Any]] = {UNANSWERED: stored.missing, OFFER_ENDS: stored.offers}
    return [
        f"{item.kind} of {item.key.hex()}"
        for item in due_items(state, MAX_TIME_MS, _ALL)
        if item.kind in waited and waited[item.kind].get(state, item.key) is None
    ]
