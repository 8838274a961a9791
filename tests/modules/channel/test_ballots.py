"""What members decide by votes: that an entry is void, that the channel is closed, that payloads are erased."""

import pytest

from modules.channel.deals import SOON_MS, Deals
from modules.channel.world import World, entries_of, events_of
from traco.kernel.codec import digest
from traco.modules.channel.entries import Closed, Erased, Voided
from traco.modules.channel.events import Voted
from traco.modules.channel.messages import ReportMissing, VoteClose, VoteErase, VoteVoid
from traco.modules.channel.parts import Limits
from traco.modules.channel.state import CLOSE, ERASE, VOID

BATCH = 2  # number of the batch and ordinal of its point: the opening is entry 1 in point 1
TICK = 3


@pytest.fixture
def channel(world: World) -> bytes:
    """A channel of a, b and c in which two decide, with d as vault: opening, a batch of a's, a tick. Point 1 is confirmed."""
    terms = world.terms(
        "a", "b", "c", faults=1, policy=2, custody=2, vaults=world.parties("d"), limits=Limits()
    )
    opened = world.opened(terms)
    world.do("a", world.batch("a", opened, b"batch", "b", "c"))
    world.do("a", world.tick("a", opened))
    confirm(world, opened, 1)
    return opened


def confirm(world: World, channel: bytes, ordinal: int, generation: int = 0) -> None:
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, ordinal, generation=generation)))


def suspend(world: World, channel: bytes) -> None:
    for name in ("a", "b", "c"):
        world.do(name, world.attest(name, world.word(channel, BATCH, name)))
    assert world.channel(channel).status == "suspended"


def void(world: World, name: str, channel: bytes, number: int = BATCH, generation: int = 0) -> VoteVoid:
    return VoteVoid(world.ids[name], channel, number, generation)


def close(world: World, name: str, channel: bytes) -> VoteClose:
    return VoteClose(world.ids[name], channel)


def erase(world: World, name: str, channel: bytes, ordinal: int) -> VoteErase:
    return VoteErase(world.ids[name], channel, ordinal)


def open_ballots(world: World, channel: bytes) -> dict[bytes, list[int]]:
    found = {kind: world.keeper.ballots(world.state, channel, kind) for kind in (VOID, CLOSE, ERASE)}
    return {kind: [number for number, _ in ballots] for kind, ballots in found.items() if ballots}


# all kinds


def test_a_vote_is_told_with_how_many_there_are(world: World, channel: bytes) -> None:
    (event,) = events_of(world.do("a", close(world, "a", channel)), Voted)
    assert event == Voted(channel, "close/0", world.ids["a"], 1)


def test_a_member_votes_once(world: World, channel: bytes) -> None:
    world.do("a", close(world, "a", channel))
    assert world.deny("a", close(world, "a", channel)) == "channel.voted_before"


def test_only_present_members_vote(world: World, channel: bytes) -> None:
    for name in ("d", "e"):
        assert world.deny(name, close(world, name, channel)) == "channel.not_member"
        assert world.deny(name, void(world, name, channel)) == "channel.not_member"
        assert world.deny(name, erase(world, name, channel, 1)) == "channel.not_member"


def test_a_vote_of_a_member_that_was_removed_does_not_count(world: World, channel: bytes) -> None:
    world.do("c", close(world, "c", channel))
    fewer = world.terms("a", "b", "e", faults=1, policy=2, custody=2, vaults=world.parties("d"))
    world.do("a", world.offer("a", channel, fewer, 2))
    world.accept_all(channel, fewer, 2)
    world.do("a", close(world, "a", channel))
    assert world.channel(channel).status == "open"
    world.do("e", close(world, "e", channel))
    assert world.channel(channel).status == "closed"


def test_another_vote_of_a_kind_takes_the_place_of_the_first(world: World, channel: bytes) -> None:
    confirm(world, channel, TICK)
    world.do("a", erase(world, "a", channel, 1))
    world.do("a", erase(world, "a", channel, 2))
    assert entries_of(world.do("b", erase(world, "b", channel, 1))) == []
    assert open_ballots(world, channel) == {ERASE: [1, 2]}


# void


def test_the_policy_voids_an_entry_that_is_not_confirmed(world: World, channel: bytes) -> None:
    assert entries_of(world.do("a", void(world, "a", channel))) == []
    assert entries_of(world.do("b", void(world, "b", channel))) == [Voided(BATCH, 1)]
    assert open_ballots(world, channel) == {}
    confirm(world, channel, BATCH, generation=0)
    assert world.stream(channel).confirmed == 1
    confirm(world, channel, BATCH, generation=1)
    assert world.stream(channel).confirmed == BATCH


def test_a_confirmed_entry_is_never_voided(world: World, channel: bytes) -> None:
    confirm(world, channel, BATCH)
    assert world.deny("a", void(world, "a", channel)) == "channel.entry_unknown"


def test_only_an_entry_of_the_first_point_that_waits_is_voided(world: World, channel: bytes) -> None:
    world.do("a", world.batch("a", channel, b"later", "b", "c"))
    assert world.deny("a", void(world, "a", channel, 4)) == "channel.entry_unknown"
    confirm(world, channel, TICK)
    world.do("a", void(world, "a", channel, 4))


def test_an_entry_without_payload_is_not_voided(world: World, channel: bytes) -> None:
    confirm(world, channel, BATCH)
    assert world.deny("a", void(world, "a", channel, TICK)) == "channel.entry_unknown"


def test_an_entry_is_voided_once(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        world.do(name, void(world, name, channel))
    assert world.deny("c", void(world, "c", channel, generation=1)) == "channel.entry_unknown"


def test_a_vote_about_an_older_generation_is_refused(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        world.do(name, void(world, name, channel))
    assert world.deny("c", void(world, "c", channel, generation=0)) == "channel.generation_old"


def test_votes_to_void_what_is_confirmed_meanwhile_are_forgotten(world: World, channel: bytes) -> None:
    world.do("a", void(world, "a", channel))
    confirm(world, channel, BATCH)
    assert open_ballots(world, channel) == {}


def test_nobody_is_asked_for_an_entry_that_was_voided(world: World, channel: bytes) -> None:
    world.do("c", ReportMissing(world.ids["c"], channel, BATCH))
    for name in ("a", "b"):
        world.do(name, void(world, name, channel))
    assert world.wait(Limits().answer_ms) == []


# close


def test_the_policy_closes_the_channel(world: World, channel: bytes) -> None:
    world.do("a", close(world, "a", channel))
    assert entries_of(world.do("b", close(world, "b", channel))) == [Closed()]
    assert world.channel(channel).status == "closed"
    assert open_ballots(world, channel) == {}


def test_a_closed_channel_takes_attestations_and_nothing_else(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        world.do(name, close(world, name, channel))
    assert world.deny("a", world.tick("a", channel)) == "channel.not_open"
    assert world.deny("a", world.batch("a", channel, b"late", "b", "c")) == "channel.not_open"
    assert world.deny("a", close(world, "a", channel)) == "channel.not_open"
    terms = world.channel(channel).terms
    assert world.deny("a", world.offer("a", channel, terms, 2)) == "channel.not_open"
    confirm(world, channel, 4)
    assert world.stream(channel).confirmed == 4


def test_closing_ends_the_open_offer(world: World, channel: bytes) -> None:
    terms = world.channel(channel).terms
    world.do("a", world.offer("a", channel, terms, 2))
    for name in ("a", "b"):
        world.do(name, close(world, name, channel))
    assert world.keeper.offer(world.state, channel) is None
    assert world.wait(terms.limits.accept_ms) == []


def test_a_closed_channel_does_not_count_for_its_creator(world: World, channel: bytes) -> None:
    creator = world.channel(channel).creator
    assert world.keeper.count_of(world.state, creator) == 1
    for name in ("a", "b"):
        world.do(name, close(world, name, channel))
    assert world.keeper.count_of(world.state, creator) == 0


def test_a_dispute_does_not_suspend_a_closed_channel(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        world.do(name, close(world, name, channel))
    for name in ("a", "b", "c"):
        world.do(name, world.attest(name, world.word(channel, BATCH, name)))
    assert world.channel(channel).status == "closed"


def test_members_do_not_close_a_suspended_channel(world: World, channel: bytes) -> None:
    suspend(world, channel)
    assert world.deny("a", close(world, "a", channel)) == "channel.not_open"


def test_closing_waits_for_an_undecided_settlement(world: World, channel: bytes) -> None:
    attempt(world, channel)
    assert world.deny("a", close(world, "a", channel)) == "channel.busy"
    world.wait(SOON_MS)
    for _ in range(Limits().decision_blocks):
        world.wait(1)
    world.do("a", close(world, "a", channel))


# erase


def attempt(world: World, channel: bytes) -> None:
    """Order a settlement across this channel and another one."""
    deals, other = Deals(world), world.opened(world.terms("a", "e"))
    deals.try_terms(deals.terms(deals.leg(channel), deals.leg(other)))


def test_nothing_is_erased_while_a_settlement_is_undecided(world: World, channel: bytes) -> None:
    attempt(world, channel)
    assert world.deny("a", erase(world, "a", channel, 1)) == "channel.not_erasable"


def test_the_policy_erases_up_to_the_last_entry_of_a_confirmed_point(world: World, channel: bytes) -> None:
    confirm(world, channel, TICK)
    world.do("a", erase(world, "a", channel, BATCH))
    assert entries_of(world.do("c", erase(world, "c", channel, BATCH))) == [Erased(BATCH)]
    assert (world.stream(channel).erased, open_ballots(world, channel)) == (BATCH, {})


def test_an_erased_payload_is_not_missing(world: World, channel: bytes) -> None:
    confirm(world, channel, BATCH)
    for name in ("a", "b"):
        world.do(name, erase(world, name, channel, BATCH))
    assert world.deny("c", ReportMissing(world.ids["c"], channel, BATCH)) == "channel.entry_unknown"


def test_nothing_is_erased_that_is_not_confirmed(world: World, channel: bytes) -> None:
    assert world.deny("a", erase(world, "a", channel, BATCH)) == "channel.not_confirmed"


def test_nothing_is_erased_twice(world: World, channel: bytes) -> None:
    confirm(world, channel, BATCH)
    for name in ("a", "b"):
        world.do(name, erase(world, name, channel, BATCH))
    assert world.deny("c", erase(world, "c", channel, 1)) == "channel.not_erasable"


def test_nothing_is_erased_while_a_payload_is_missing(world: World, channel: bytes) -> None:
    world.do("c", ReportMissing(world.ids["c"], channel, BATCH))
    assert world.deny("a", erase(world, "a", channel, 1)) == "channel.not_erasable"


def test_nothing_is_erased_while_the_channel_is_suspended(world: World, channel: bytes) -> None:
    suspend(world, channel)
    assert world.deny("a", erase(world, "a", channel, 1)) == "channel.not_erasable"


def test_a_closed_channel_erases(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        world.do(name, close(world, name, channel))
    for name in ("a", "b"):
        world.do(name, erase(world, name, channel, 1))
    assert world.stream(channel).erased == 1


def test_a_point_that_was_forgotten_is_not_named_to_erase() -> None:
    world = World({"kept_points": 1})
    channel = world.opened(world.terms("a", "b"))
    world.do("a", world.tick("a", channel))
    confirm(world, channel, 2)
    assert world.deny("a", erase(world, "a", channel, 1)) == "channel.not_erasable"
    world.check()


def test_unknown_channels_are_said_to_be(world: World) -> None:
    assert world.deny("a", close(world, "a", digest(b"none"))) == "channel.unknown"
