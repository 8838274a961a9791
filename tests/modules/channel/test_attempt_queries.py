"""What everybody may read of settlements across ledgers and of channels' edges."""

from collections.abc import Iterator

import pytest

from modules.channel.deals import Made
from modules.channel.root_world import RootWorld
from traco.modules.channel.queries import GetEdge, GetSettlement, SettlementView
from traco.modules.channel.state import Edge, Settlement


@pytest.fixture
def world() -> Iterator[RootWorld]:
    made = RootWorld()
    yield made
    made.check()


@pytest.fixture
def channel(world: RootWorld) -> bytes:
    return world.opened(world.terms("b", "c"))


@pytest.fixture
def made(world: RootWorld, channel: bytes) -> Made:
    """An attempt that brings 300 of the bond into the channel."""
    content = world.out(300)
    edge = world.deals.leg(channel, edges=[(world.bond, 300)])
    terms = world.deals.terms(world.root_terms(content, -300), edge)
    legs = (world.root_leg(terms, content, "a"), world.deals.sealed("b", terms, channel))
    return world.deals.order(world.deals.attempt(terms, *legs, by="b"))


def settlement(world: RootWorld, terms: bytes) -> SettlementView | None:
    found: SettlementView | None = world.ledger.query("channel.settlement", GetSettlement(terms))
    return found


def test_an_undecided_attempt_is_shown_with_what_was_said_of_it(
    world: RootWorld, channel: bytes, made: Made
) -> None:
    world.deals.say("b", made, channel)
    found = settlement(world, made.terms)
    assert found is not None
    assert found.attempt is not None
    assert found.settlement == Settlement(made.identity, "undecided")
    assert found.attempt.legs[1].held == world.parties("b")


def test_a_committed_attempt_is_shown_for_ever(world: RootWorld, channel: bytes, made: Made) -> None:
    world.deals.all_say(made, channel)
    expected = SettlementView(Settlement(made.identity, "committed"), None)
    assert settlement(world, made.terms) == expected


def test_of_terms_that_may_be_attempted_nothing_is_shown(world: RootWorld) -> None:
    assert settlement(world, bytes(32)) is None


def test_an_edge_is_shown_with_what_is_promised(world: RootWorld, channel: bytes, made: Made) -> None:
    assert world.ledger.query("channel.edge", GetEdge(channel, world.bond)) == Edge(0, 0, 300)
    world.deals.all_say(made, channel)
    assert world.ledger.query("channel.edge", GetEdge(channel, world.bond)) == Edge(300, 0, 0)


def test_an_edge_that_nothing_crossed_is_zero(world: RootWorld, channel: bytes) -> None:
    assert world.ledger.query("channel.edge", GetEdge(channel, world.bond)) == Edge(0, 0, 0)
