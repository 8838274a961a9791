"""Each invariant of channels, shown ringing: state is damaged behind the keeper's back, by a transaction and for the audit."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from modules.channel.world import World
from support.probe import Note, ProbeModule
from traco.kernel.due import DueItem, schedule, unschedule
from traco.kernel.state import State
from traco.modules.channel import state as stored
from traco.modules.channel.epochs import OFFER_ENDS
from traco.modules.channel.keeper import UNANSWERED
from traco.modules.channel.messages import ReportMissing, VoteErase, VoteVoid
from traco.modules.channel.state import (
    Ballot,
    Channel,
    ChannelCount,
    EntryRecord,
    Point,
    Presence,
    Vote,
    number_part,
)

Damage = Callable[[State], None]

HASH = bytes(31) + b"\x01"
BATCH = 2  # number and point of the batch; the points are an opening, the batch, a tick
TICK = 3


def channel_of(state: State) -> bytes:
    """The one channel of the damaged ledger."""
    ((channel, _),) = stored.streams.scan(state, limit=2)
    return channel


def member_of(state: State, place: int = 0) -> bytes:
    return record_of(state).terms.members[place]


def record_of(state: State) -> Channel:
    found = stored.channels.get(state, channel_of(state))
    assert found is not None
    return found


def _channel(state: State, **fields: Any) -> None:
    stored.channels.put(state, 50, 100, replace(record_of(state), **fields), channel_of(state))


def _stream(state: State, **fields: Any) -> None:
    found = stored.streams.get(state, channel_of(state))
    assert found is not None
    stored.streams.put(state, replace(found, **fields), channel_of(state))


def _point(state: State, ordinal: int, **fields: Any) -> None:
    parts = (channel_of(state), number_part(ordinal))
    found = stored.points.get(state, *parts)
    assert found is not None
    stored.points.put(state, replace(found, **fields), *parts)


def _votes(state: State, ordinal: int, *voters: bytes, word: bytes = HASH) -> None:
    _point(state, ordinal, votes=tuple(Vote(voter, word, b"") for voter in voters))


def _entry(state: State, **fields: Any) -> None:
    parts = (channel_of(state), number_part(BATCH))
    found = stored.entries.get(state, *parts)
    assert found is not None
    stored.entries.put(state, replace(found, **fields), *parts)


def _missing(state: State, **fields: Any) -> None:
    parts = (channel_of(state), number_part(BATCH))
    found = stored.missing.get(state, *parts)
    assert found is not None
    stored.missing.put(state, replace(found, **fields), *parts)


def _offer(state: State, **fields: Any) -> None:
    found = stored.offers.get(state, channel_of(state))
    assert found is not None
    stored.offers.put(state, replace(found, **fields), channel_of(state))


def _ballot(state: State, kind: bytes, number: int, *voters: bytes) -> None:
    stored.ballots.put(state, Ballot(voters), channel_of(state), kind, number_part(number))


def _stop_clock(state: State) -> None:
    found = stored.missing.get(state, channel_of(state), number_part(BATCH))
    assert found is not None
    unschedule(state, DueItem(found.until_ms, UNANSWERED, channel_of(state) + number_part(BATCH)))
    _missing(state, until_ms=found.until_ms)


def _forget_asking(state: State) -> None:
    stored.missing.delete(state, channel_of(state), number_part(BATCH))


def _stop_offer(state: State) -> None:
    found = stored.offers.get(state, channel_of(state))
    assert found is not None
    unschedule(state, DueItem(found.deadline_ms, OFFER_ENDS, channel_of(state)))
    _offer(state, deadline_ms=found.deadline_ms)


DAMAGES: dict[str, tuple[str, Damage]] = {
    "a channel that is not suspended has a clock": ("channel.status", lambda s: _channel(s, suspended_ms=5)),
    "a suspended channel has no clock": ("channel.status", lambda s: _channel(s, status="suspended")),
    "an open channel has no epoch": ("channel.status", lambda s: _channel(s, status="opening")),
    "a closed channel has an offer": ("channel.status", lambda s: _channel(s, status="closed")),
    "a member does not find its channel": (
        "channel.status",
        lambda s: _channel(s, terms=replace(record_of(s).terms, vaults=(bytes(16),))),
    ),
    "a stream is ahead of its last point": ("channel.stream", lambda s: _stream(s, entries=9)),
    "a stream has a point that is not there": ("channel.stream", lambda s: _stream(s, ordinal=4, entries=4)),
    "the last point is of another block": ("channel.stream", lambda s: _stream(s, height=1_000)),
    "more is confirmed than there is": ("channel.stream", lambda s: _stream(s, confirmed=9)),
    "a confirmed point has no digest": ("channel.stream", lambda s: _stream(s, confirmed=2, digest=b"")),
    "what is not confirmed is erased": ("channel.stream", lambda s: _stream(s, erased=2)),
    "a point ends before it begins": ("channel.point", lambda s: _point(s, 3, first=4)),
    "a point does not begin where the one before ends": ("channel.point", lambda s: _point(s, 2, last=3)),
    "a point is of a generation to come": ("channel.point", lambda s: _point(s, 3, generation=1)),
    "a point is not behind the one before": ("channel.point", lambda s: _point(s, 2, height=1_000)),
    "a point is beyond the stream": (
        "channel.point",
        lambda s: stored.points.put(s, Point(99, 0, 4, 4, ()), channel_of(s), number_part(4)),
    ),
    "votes are out of order": ("channel.point", lambda s: _votes(s, 3, member_of(s, 1), member_of(s, 0))),
    "a member has two votes": ("channel.point", lambda s: _votes(s, 3, member_of(s), member_of(s))),
    "a stranger has a vote": ("channel.point", lambda s: _votes(s, 3, bytes(16))),
    "what the policy says is not confirmed": (
        "channel.point", lambda s: _votes(s, 3, *record_of(s).terms.members),
    ),
    "an entry stands outside its point": ("channel.entry_in_point", lambda s: _entry(s, ordinal=3)),
    "an entry has no point": (
        "channel.entry_in_point",
        lambda s: stored.entries.put(s, EntryRecord(9, HASH, (), False), channel_of(s), number_part(9)),
    ),
    "who waits has no clock": ("channel.missing_clock", _stop_clock),
    "nobody waits for a missing payload": ("channel.missing_clock", lambda s: _missing(s, reporters=())),
    "who waits is named twice": (
        "channel.missing_clock", lambda s: _missing(s, reporters=(member_of(s), member_of(s))),
    ),
    "another payload is waited for than was ordered": ("channel.missing_clock", lambda s: _missing(s, hash=HASH)),
    "a ballot has no votes": ("channel.ballot", lambda s: _ballot(s, stored.CLOSE, 0)),
    "a ballot to close is about a number": ("channel.ballot", lambda s: _ballot(s, stored.CLOSE, 1, member_of(s))),
    "a ballot is of no kind": ("channel.ballot", lambda s: _ballot(s, b"\x09", 0, member_of(s))),
    "a ballot would void what has no payload": (
        "channel.ballot", lambda s: _ballot(s, stored.VOID, TICK, member_of(s)),
    ),
    "a ballot would erase what is not confirmed": (
        "channel.ballot", lambda s: _ballot(s, stored.ERASE, TICK, member_of(s)),
    ),
    "a stranger finds the channel": (
        "channel.membership_index",
        lambda s: stored.memberships.put(s, Presence("member"), bytes(16), channel_of(s)),
    ),
    "a member finds the channel as a vault": (
        "channel.membership_index",
        lambda s: stored.memberships.put(s, Presence("vault"), member_of(s), channel_of(s)),
    ),
    "an offer is of another epoch than the next": ("channel.offer", lambda s: _offer(s, epoch=3)),
    "a stranger has accepted": ("channel.offer", lambda s: _offer(s, accepted=(bytes(16),))),
    "an offer does not end": ("channel.offer", _stop_offer),
}  # fmt: skip

# what an audit cannot see, because it sees no past; a transaction can
REVERSALS: dict[str, tuple[str, Damage]] = {
    "entries are taken back": ("channel.stream_falls", lambda s: _stream(s, erased=0)),
    "a confirmed digest changes": ("channel.stream_falls", lambda s: _stream(s, digest=HASH)),
    "a generation falls": ("channel.generation_falls", lambda s: _channel(s, generation=0)),
    "a point is moved": ("channel.point_moves", lambda s: _point(s, 1, height=2)),
    "a confirmed point is attested anew": ("channel.generation_falls", lambda s: _point(s, 1, generation=1)),
    "a void entry is not void any more": ("channel.confirmed_voided", lambda s: _entry(s, voided=False)),
}

# what only an audit sees, because no transaction is about it
IDLE: dict[str, tuple[str, Damage]] = {
    "a clock runs for nobody": ("channel.missing of", lambda s: schedule(s, DueItem(9, UNANSWERED, b"x"))),
    "a member is counted twice": (
        "channel.count", lambda s: stored.counts.put(s, ChannelCount(2), member_of(s)),
    ),
    "a member is not counted": ("channel.count", lambda s: stored.counts.delete(s, member_of(s))),
}  # fmt: skip


class Vandal(ProbeModule):
    """A probe whose note does damage."""

    def __init__(self, damage: Damage) -> None:
        super().__init__()
        self.instructions[Note] = lambda context, message: damage(context.state)  # type: ignore[index]


def damaged(damage: Damage) -> World:
    """A channel of a, b and c with a batch that is missing, a ballot, an offer, and point 1 confirmed."""
    world = World(modules=[Vandal(damage)])
    channel = world.opened(world.terms("a", "b", "c", policy=2))
    world.do("a", world.batch("a", channel, b"batch"))
    world.do("a", world.tick("a", channel))
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 1)))
    world.do("a", ReportMissing(world.ids["a"], channel, BATCH))
    world.do("a", VoteVoid(world.ids["a"], channel, BATCH, 0))
    world.do("a", world.offer("a", channel, world.channel(channel).terms, 2))
    return world


def voided(damage: Damage) -> World:
    """The same, where the batch is void and point 1 was erased."""
    world = damaged(damage)
    channel = channel_of(world.state)
    world.do("b", VoteVoid(world.ids["b"], channel, BATCH, 0))
    for name in ("a", "b"):
        world.do(name, VoteErase(world.ids[name], channel, 1))
    return world


def faults(world: World) -> list[str]:
    assert world.deny("a", Note(world.ids["a"])) == "kernel.fault"
    return [str(error).split()[3] for _, error in world.ledger.alarms]


@pytest.mark.parametrize("name", DAMAGES)
def test_a_transaction_that_breaks_it_is_a_fault(name: str) -> None:
    broken, damage = DAMAGES[name]
    world = damaged(damage)
    assert faults(world) == [broken]
    assert world.ledger.check_invariants() == []


@pytest.mark.parametrize("name", REVERSALS)
def test_a_transaction_that_takes_something_back_is_a_fault(name: str) -> None:
    broken, damage = REVERSALS[name]
    world = voided(damage)
    assert faults(world) == [broken]
    assert world.ledger.check_invariants() == []


@pytest.mark.parametrize("name", [*DAMAGES, *IDLE])
def test_an_audit_finds_it(name: str) -> None:
    broken, damage = {**DAMAGES, **IDLE}[name]
    world = damaged(lambda _: None)
    damage(world.state)
    assert any(found.startswith(broken) for found in world.ledger.check_invariants())


def test_a_point_that_is_not_confirmed_is_not_forgotten() -> None:
    world = damaged(lambda state: stored.points.delete(state, channel_of(state), number_part(BATCH)))
    assert faults(world) == ["channel.point_lost"]


def test_an_entry_is_not_forgotten_before_its_point() -> None:
    world = damaged(lambda state: stored.entries.delete(state, channel_of(state), number_part(BATCH)))
    assert faults(world) == ["channel.entry_lost"]


def test_a_confirmed_entry_is_not_voided() -> None:
    world = damaged(lambda state: _entry(state, voided=True))
    channel = channel_of(world.state)
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 2)))
    assert faults(world) == ["channel.confirmed_voided"]


def test_asking_does_not_end_without_its_clock() -> None:
    assert faults(damaged(_forget_asking)) == ["channel.missing_clock"]


def test_a_channel_that_began_does_not_go() -> None:
    gone = damaged(lambda state: stored.channels.delete(state, 50, 100, channel_of(state)))
    assert faults(gone) == ["channel.gone"]


def test_a_member_does_not_lose_its_channel() -> None:
    lost = damaged(lambda state: stored.memberships.delete(state, member_of(state), channel_of(state)))
    assert faults(lost) == ["channel.membership_index"]
