"""Attacks on how epochs begin: acceptances of something else, offers that are in the way, and room that others take up."""

from collections.abc import Iterator

import pytest

from modules.channel.world import World
from traco.modules.channel.parts import Limits, Terms

WAIT_MS = 60_000
LONG_MS = 90 * 86_400_000


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.check()


@pytest.fixture
def terms(world: World) -> Terms:
    return world.terms("a", "b", "c", policy=2, limits=Limits(accept_ms=WAIT_MS))


@pytest.fixture
def channel(world: World, terms: Terms) -> bytes:
    return world.opened(terms)


def test_an_acceptance_of_a_lapsed_offer_does_not_count_for_the_next_one(
    world: World, channel: bytes, terms: Terms
) -> None:
    world.do("a", world.offer("a", channel, terms, 2))
    late = world.acceptance("b", channel, 2)
    world.ledger.run_block(after_ms=WAIT_MS)
    world.do("c", world.offer("c", channel, world.terms("b", "c", policy=2), 2))
    assert world.deny("b", late) == "channel.offer_other"
    offer = world.keeper.offer(world.state, channel)
    assert offer is not None
    assert offer.accepted == ()


def test_an_offer_stands_no_longer_than_the_members_agreed_before(world: World, channel: bytes) -> None:
    endless = world.terms("a", "b", "c", policy=2, limits=Limits(accept_ms=LONG_MS))
    world.do("c", world.offer("c", channel, endless, 2))
    world.ledger.run_block(after_ms=WAIT_MS)
    assert world.keeper.offer(world.state, channel) is None


def test_a_member_cannot_stop_its_removal_by_offers_of_its_own(
    world: World, channel: bytes, terms: Terms
) -> None:
    world.do("c", world.offer("c", channel, terms, 2))
    world.ledger.run_block(after_ms=WAIT_MS)
    assert world.deny("c", world.offer("c", channel, terms, 2)) == "channel.offer_lapsed_before"
    fewer = world.terms("a", "b", policy=2)
    world.do("a", world.offer("a", channel, fewer, 2))
    world.accept_all(channel, fewer, 2)
    assert world.channel(channel).terms.members == fewer.members


def test_two_members_that_offer_in_turns_leave_the_third_its_turn(
    world: World, channel: bytes, terms: Terms
) -> None:
    for name in ("b", "c"):
        world.do(name, world.offer(name, channel, terms, 2))
        world.ledger.run_block(after_ms=WAIT_MS)
    for name in ("b", "c"):
        assert world.deny(name, world.offer(name, channel, terms, 2)) == "channel.offer_lapsed_before"
    world.do("a", world.offer("a", channel, terms, 2))


def test_whoever_had_an_offer_lapse_may_offer_again_when_nobody_else_wants_to(
    world: World, channel: bytes, terms: Terms
) -> None:
    world.do("c", world.offer("c", channel, terms, 2))
    world.ledger.run_block(after_ms=WAIT_MS)
    world.ledger.run_block(after_ms=WAIT_MS)
    world.do("c", world.offer("c", channel, terms, 2))


def test_an_epoch_that_begins_ends_all_waiting(world: World, channel: bytes, terms: Terms) -> None:
    world.do("c", world.offer("c", channel, terms, 2))
    world.ledger.run_block(after_ms=WAIT_MS)
    world.do("a", world.offer("a", channel, terms, 2))
    world.accept_all(channel, terms, 2)
    world.do("c", world.offer("c", channel, terms, 3))
