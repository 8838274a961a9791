"""How members' words on points are counted: confirmation, dissent, suspension, and what is of no use."""

import pytest

from modules.channel.deals import Deals
from modules.channel.world import World, entries_of, events_of
from traco.kernel.receipt import Receipt
from traco.modules.channel.entries import Suspended
from traco.modules.channel.events import Confirmed, Dissented
from traco.modules.channel.messages import VoteVoid
from traco.modules.channel.parts import LegResult
from traco.modules.channel.state import Point

RESULT = LegResult(bytes(32), held=True)


@pytest.fixture
def channel(world: World) -> bytes:
    """A channel of a, b and c in which one may be faulty: two confirm. Its opening is point 1, a tick point 2."""
    opened = world.opened(
        world.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=world.parties("d"))
    )
    tick(world, opened)
    return opened


@pytest.fixture
def strict(world: World) -> bytes:
    """A channel of a, b and c in which all must agree; two points."""
    opened = world.opened(world.terms("a", "b", "c"))
    tick(world, opened)
    return opened


def tick(world: World, channel: bytes) -> None:
    world.do("a", world.tick("a", channel))


def say(
    world: World, name: str, channel: bytes, ordinal: int, text: str = "true", generation: int = 0
) -> Receipt:
    return world.do(name, world.attest(name, world.word(channel, ordinal, text, generation)))


def dissenters(world: World, receipt: Receipt) -> list[str]:
    return [world.names[event.member] for event in events_of(receipt, Dissented)]


def confirmed(world: World, channel: bytes) -> int:
    return world.stream(channel).confirmed


def point_of(world: World, channel: bytes, ordinal: int) -> Point:
    point = world.keeper.point(world.state, channel, ordinal)
    assert point is not None
    return point


def voters(world: World, channel: bytes, ordinal: int) -> set[str]:
    return {world.names[vote.member] for vote in point_of(world, channel, ordinal).votes}


# confirmation


def test_a_point_is_confirmed_when_the_policy_says_the_same(world: World, channel: bytes) -> None:
    say(world, "a", channel, 1)
    assert confirmed(world, channel) == 0
    (event,) = events_of(say(world, "b", channel, 1), Confirmed)
    assert event == Confirmed(channel, 1, world.word(channel, 1).digest)
    assert (confirmed(world, channel), world.stream(channel).digest) == (1, event.digest)


def test_all_points_before_are_confirmed_with_it(world: World, channel: bytes) -> None:
    say(world, "a", channel, 2)
    say(world, "b", channel, 2)
    assert confirmed(world, channel) == 2


def test_one_member_alone_does_not_confirm(world: World, channel: bytes) -> None:
    say(world, "a", channel, 1)
    say(world, "a", channel, 2)
    assert confirmed(world, channel) == 0


def test_votes_of_different_points_are_not_added_up(world: World, channel: bytes) -> None:
    say(world, "a", channel, 1)
    say(world, "b", channel, 2)
    assert confirmed(world, channel) == 0


def test_the_same_digest_with_other_results_of_legs_is_not_the_same(world: World, channel: bytes) -> None:
    world.do("a", world.attest("a", world.word(channel, 1, legs=[RESULT])))
    say(world, "b", channel, 1)
    assert confirmed(world, channel) == 0
    assert dissenters(world, say(world, "c", channel, 1)) == ["a"]
    assert confirmed(world, channel) == 1


def test_points_of_several_channels_are_attested_at_once(world: World, channel: bytes, strict: bytes) -> None:
    words = (world.word(channel, 1), world.word(channel, 2), world.word(strict, 1))
    for name in ("a", "b", "c"):
        world.do(name, world.attest(name, *words))
    assert (confirmed(world, channel), confirmed(world, strict)) == (2, 1)


def test_old_points_are_forgotten() -> None:
    short = World({"kept_points": 1})
    channel = short.opened(short.terms("a", "b"))
    tick(short, channel)
    tick(short, channel)
    for name in ("a", "b"):
        short.do(name, short.attest(name, short.word(channel, 2)))
    assert [ordinal for ordinal, _ in short.keeper.points(short.state, channel, 0, 9)] == [2, 3]
    short.check()


# who counts


def test_a_stranger_is_refused(world: World, channel: bytes) -> None:
    assert world.deny("e", world.attest("e", world.word(channel, 1))) == "channel.not_member"


def test_a_vault_attests_nothing(world: World, channel: bytes) -> None:
    assert world.deny("d", world.attest("d", world.word(channel, 1))) == "channel.not_member"


def test_one_channel_that_is_not_ones_own_refuses_the_whole_list(world: World, channel: bytes) -> None:
    own = world.opened(world.terms("d", "e"))
    assert (
        world.deny("e", world.attest("e", world.word(own, 1), world.word(channel, 1))) == "channel.not_member"
    )
    assert voters(world, own, 1) == set()


def test_a_removed_members_old_points_still_count(world: World, channel: bytes) -> None:
    fewer = world.terms("a", "b", "d")
    world.do("a", world.offer("a", channel, fewer, 2))
    world.accept_all(channel, fewer, 2)
    say(world, "c", channel, 2)
    say(world, "a", channel, 2)
    assert confirmed(world, channel) == 2
    assert world.stream(channel).ordinal == 3
    assert world.deny("c", world.attest("c", world.word(channel, 3))) == "channel.not_member"


def test_the_policy_of_a_points_height_counts(world: World, channel: bytes) -> None:
    stricter = world.terms("a", "b", "c")
    world.do("a", world.offer("a", channel, stricter, 2))
    world.accept_all(channel, stricter, 2)
    for name in ("a", "b"):
        world.do(name, world.attest(name, world.word(channel, 2), world.word(channel, 3)))
    assert confirmed(world, channel) == 2
    say(world, "c", channel, 3)
    assert confirmed(world, channel) == 3


def test_who_joined_later_does_not_count_for_points_before(world: World, channel: bytes) -> None:
    more = world.terms("a", "b", "c", "e")
    world.do("a", world.offer("a", channel, more, 2))
    world.accept_all(channel, more, 2)
    say(world, "e", channel, 2)
    assert voters(world, channel, 2) == set()
    say(world, "a", channel, 2)
    assert confirmed(world, channel) == 0


# of no use


def test_what_is_of_no_use_refuses_nothing(world: World, channel: bytes) -> None:
    words = (
        world.word(bytes(32), 1),
        world.word(channel, 9),
        world.word(channel, 1, generation=1),
        world.word(channel, 2),
    )
    world.do("a", world.attest("a", *words))
    assert (voters(world, channel, 1), voters(world, channel, 2)) == (set(), {"a"})


def test_a_point_of_the_present_block_may_still_grow(world: World, channel: bytes) -> None:
    early = world.attest("a", world.word(channel, 3))
    answers = world.ledger.run_block([world.sign("b", world.tick("b", channel)), world.sign("a", early)])
    assert [answer.failure for answer in answers] == [None, None]
    assert voters(world, channel, 3) == set()


def test_an_attestation_of_an_old_generation_is_refused_without_effect(world: World, strict: bytes) -> None:
    world.do("a", world.batch("a", strict, b"stuck", "b"))
    for name in ("a", "b", "c"):
        say(world, name, strict, 2)
    say(world, "a", strict, 3)
    for name in ("a", "b", "c"):
        world.do(name, VoteVoid(world.ids[name], strict, 3, 0))
    assert voters(world, strict, 3) == set()
    for name in ("a", "b", "c"):
        say(world, name, strict, 3, generation=0)
    assert (confirmed(world, strict), voters(world, strict, 3)) == (2, set())
    for name in ("a", "b", "c"):
        say(world, name, strict, 3, generation=1)
    assert confirmed(world, strict) == 3


# changing one's mind


def test_a_member_replaces_its_vote(world: World, channel: bytes) -> None:
    say(world, "a", channel, 1, "mistaken")
    say(world, "a", channel, 1)
    assert dissenters(world, say(world, "b", channel, 1)) == []
    assert confirmed(world, channel) == 1


def test_a_replaced_vote_counts_no_more(world: World, strict: bytes) -> None:
    say(world, "a", strict, 2)
    say(world, "b", strict, 2)
    say(world, "b", strict, 2, "other")
    assert world.channel(strict).status == "suspended"


def test_a_member_that_corrects_itself_for_several_points_at_once_suspends_nothing(
    world: World, channel: bytes
) -> None:
    say(world, "a", channel, 1)
    say(world, "a", channel, 2)
    say(world, "b", channel, 1, "mistaken")
    say(world, "b", channel, 2, "mistaken")
    words = [world.word(channel, ordinal, "third") for ordinal in (1, 2)]
    world.do("c", world.attest("c", *words, *(world.word(channel, ordinal) for ordinal in (1, 2))))
    assert (confirmed(world, channel), world.channel(channel).status) == (2, "open")


def test_a_vote_for_a_confirmed_point_stands(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        say(world, name, channel, 1)
    assert dissenters(world, say(world, "a", channel, 1, "other")) == []
    assert {vote.digest for vote in point_of(world, channel, 1).votes} == {world.word(channel, 1).digest}


# dissent


def test_one_liar_in_a_channel_that_bears_one_goes_on_and_is_named(world: World, channel: bytes) -> None:
    say(world, "a", channel, 1, "lie")
    say(world, "b", channel, 1)
    assert world.channel(channel).status == "open"
    receipt = say(world, "c", channel, 1)
    assert (confirmed(world, channel), world.channel(channel).status) == (1, "open")
    assert dissenters(world, receipt) == ["a"]
    assert entries_of(world.do("a", world.batch("a", channel, b"business", "b", "c")))


def test_two_alike_confirm_and_dissent_after_it_is_shown_and_suspends_nothing(
    world: World, channel: bytes
) -> None:
    say(world, "a", channel, 1, "lie")
    say(world, "b", channel, 1, "lie")
    assert confirmed(world, channel) == 1
    assert dissenters(world, say(world, "c", channel, 1)) == ["c"]
    assert world.channel(channel).status == "open"


def test_late_dissent_is_shown_once(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        say(world, name, channel, 1)
    assert dissenters(world, say(world, "c", channel, 1, "other")) == ["c"]
    assert dissenters(world, say(world, "c", channel, 1, "third")) == []


def test_results_of_legs_are_passed_on_after_confirmation_unless_they_dissent(
    world: World, channel: bytes
) -> None:
    deals, other = Deals(world), world.opened(world.terms("a", "e"))
    made = deals.try_terms(deals.terms(deals.leg(channel, "c"), deals.leg(other)))
    for name in ("a", "b"):
        deals.say(name, made, channel)
    deals.say("c", made, channel, text="other")
    assert {world.names[member] for member in deals.leg_state(made, channel).held} == {"a", "b"}


def test_agreement_after_confirmation_is_not_kept(world: World, channel: bytes) -> None:
    for name in ("a", "b"):
        say(world, name, channel, 1)
    say(world, "c", channel, 1)
    assert voters(world, channel, 1) == {"a", "b"}


def test_dissent_of_a_point_confirmed_with_a_later_one_is_shown_when_it_is_known(
    world: World, channel: bytes
) -> None:
    for name in ("a", "b"):
        say(world, name, channel, 2)
    say(world, "c", channel, 1, "lie")
    say(world, "b", channel, 1)
    receipt = say(world, "a", channel, 1)
    assert dissenters(world, receipt) == ["c"]
    assert events_of(receipt, Confirmed) == []
    assert (confirmed(world, channel), world.stream(channel).digest) == (2, world.word(channel, 2).digest)


# suspension


def test_two_who_differ_suspend_where_the_third_differs_too(world: World, channel: bytes) -> None:
    say(world, "a", channel, 1, "one")
    say(world, "b", channel, 1, "two")
    assert world.channel(channel).status == "open"
    receipt = say(world, "c", channel, 1, "three")
    record = world.channel(channel)
    assert (record.status, record.suspended_ms) == ("suspended", world.ledger.time_ms)
    assert entries_of(receipt) == [Suspended(1)]
    assert set(dissenters(world, receipt)) == {"a", "b", "c"}


def test_where_all_must_agree_one_who_differs_suspends_and_is_named(world: World, strict: bytes) -> None:
    say(world, "a", strict, 1)
    say(world, "b", strict, 1)
    receipt = say(world, "c", strict, 1, "lie")
    assert (world.channel(strict).status, dissenters(world, receipt)) == ("suspended", ["c"])


def test_only_that_channel_is_suspended(world: World, channel: bytes, strict: bytes) -> None:
    say(world, "a", strict, 1)
    say(world, "b", strict, 1, "lie")
    assert (world.channel(strict).status, world.channel(channel).status) == ("suspended", "open")


def test_a_suspended_channel_takes_no_business(world: World, strict: bytes) -> None:
    say(world, "a", strict, 1)
    say(world, "b", strict, 1, "lie")
    assert world.deny("a", world.batch("a", strict, b"business", "b")) == "channel.not_open"
    assert world.deny("a", world.tick("a", strict)) == "channel.not_open"


def test_attestations_of_a_suspended_channel_count(world: World, strict: bytes) -> None:
    say(world, "a", strict, 1)
    say(world, "b", strict, 1, "mistaken")
    say(world, "b", strict, 1)
    say(world, "c", strict, 1)
    assert (confirmed(world, strict), world.channel(strict).status) == (1, "suspended")


def test_silence_on_an_older_point_does_not_hide_a_dispute(world: World, strict: bytes) -> None:
    say(world, "a", strict, 1)
    say(world, "b", strict, 1)
    say(world, "a", strict, 2)
    receipt = say(world, "c", strict, 2, "away before and wrong")
    assert entries_of(receipt) == [Suspended(2)]


def test_a_dispute_about_a_point_that_is_confirmed_with_a_later_one_suspends_nothing(
    world: World, channel: bytes
) -> None:
    say(world, "a", channel, 2)
    say(world, "b", channel, 2)
    for name in ("a", "b", "c"):
        say(world, name, channel, 1, name)
    assert world.channel(channel).status == "open"


def test_a_dispute_is_settled_by_a_later_point_that_all_agree_on(world: World, strict: bytes) -> None:
    say(world, "a", strict, 1)
    say(world, "a", strict, 2, "one")
    for name in ("a", "b", "c"):
        say(world, name, strict, 2)
    assert (confirmed(world, strict), world.channel(strict).status) == (2, "open")
