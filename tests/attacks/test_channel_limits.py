"""Attacks on what the root counts and carries for channels: custody by retired nodes, edges, and words that bring much about."""

from collections.abc import Iterator

import pytest

from modules.channel.deals import Deals
from modules.channel.root_world import RootWorld
from modules.channel.world import World, entries_of
from support.ledger import Key
from traco.kernel.codec import encode
from traco.kernel.instruction import KernelParameters
from traco.kernel.operations import SetParameters
from traco.modules.channel.entries import Leg
from traco.modules.channel.messages import VoteVoid
from traco.modules.channel.parts import EdgeMovement
from traco.modules.party.messages import RegisterNode, RetireNode

POINTS = 150


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.check()


def test_a_receipt_of_a_retired_node_does_not_count(world: World) -> None:
    channel = world.opened(world.terms("a", "b"))
    stolen = world.batch("a", channel, b"content", "b")
    world.do("b", RegisterNode(world.ids["b"], Key("b other").public))
    world.do("b", RetireNode(world.ids["b"], Key("b node").public))
    assert world.deny("a", stolen) == "channel.receipt_invalid"


def test_the_members_of_a_channel_are_told_what_crosses_its_edge() -> None:
    world = RootWorld()
    channel = world.opened(world.terms("a", "b"))
    content = world.out(300)
    terms = world.deals.terms(
        world.root_terms(content, -300), world.deals.leg(channel, edges=[(world.bond, 300)])
    )
    legs = (world.root_leg(terms, content, "a"), world.deals.sealed("b", terms, channel))
    made = world.deals.order(world.deals.attempt(terms, *legs, by="b"))
    (entered,) = entries_of(made.receipt)
    assert isinstance(entered, Leg)
    assert entered.edges == (EdgeMovement(world.bond, 300),)


def test_a_decision_that_has_no_room_for_its_events_is_made_when_there_is() -> None:
    world = RootWorld()
    channel = world.opened(world.terms("a", "b"))
    content = world.move(300)
    terms = world.deals.terms(world.root_terms(content), world.deals.leg(channel))
    legs = (world.root_leg(terms, content, "a"), world.deals.sealed("b", terms, channel))
    made = world.deals.order(world.deals.attempt(terms, *legs, by="b"))
    for events in (3, 1_024):
        limit = SetParameters(world.parties("a", "b"), "kernel", encode(KernelParameters(max_events=events)))
        world.ledger.succeed(limit, keys=[world.keys["a"], world.keys["b"]])
        for _ in range(8):
            world.ledger.run_block(after_ms=10_000)
        assert world.deals.is_undecided(made) == (events == 3)
    assert world.owns("a").available == 1_000
    world.check()


def test_no_attempt_ends_in_the_transaction_that_ordered_it(world: World) -> None:
    """Else the same transaction could order it again, under the same id: what was said of one would count for the other."""
    deals = Deals(world)
    alone = world.opened(world.terms("a", policy=1, vaults=world.parties("e")), "a")
    other = world.opened(world.terms("b", "c"))
    world.do("a", world.attest("a", world.word(alone, 1)))
    terms = deals.terms(deals.leg(alone), deals.leg(other))
    first, second = (
        deals.attempt(
            terms,
            deals.sealed("a", terms, alone, payload=world.held(alone, content, "e")),
            deals.sealed("b", terms, other),
            by="a",
        )
        for content in (b"one", b"two")
    )
    void = VoteVoid(world.ids["a"], alone, world.stream(alone).entries + 1, 0)
    keys = [world.keys["a"], Key("a node")]
    assert world.ledger.reject(first, void, second, keys=keys) == "channel.entry_unknown"


def test_a_list_of_words_that_brings_much_about_counts_as_far_as_there_is_room(world: World) -> None:
    few = SetParameters(world.parties("a", "b"), "kernel", encode(KernelParameters(max_events=290)))
    world.ledger.succeed(few, keys=[world.keys["a"], world.keys["b"]])
    channel = world.opened(
        world.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=world.parties("d"))
    )
    for _ in range(1, POINTS):
        world.do("a", world.tick("a", channel))
    ordinals = range(1, POINTS + 1)
    world.do("a", world.attest("a", *(world.word(channel, ordinal) for ordinal in ordinals)))
    world.do("c", world.attest("c", *(world.word(channel, ordinal, "other") for ordinal in ordinals)))
    said = 0
    while said < POINTS:  # each point brings its confirmation and names c
        left = [world.word(channel, ordinal) for ordinal in range(said + 1, POINTS + 1)]
        world.do("b", world.attest("b", *left))
        assert world.stream(channel).confirmed > said
        said = world.stream(channel).confirmed
