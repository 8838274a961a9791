"""Instruments in several ledgers: no channel gives out more than it took in, whatever its members claim."""

from collections.abc import Iterator

import pytest

from modules.channel.deals import Made, decision
from modules.channel.root_world import RootWorld
from traco.kernel.codec import MAX_AMOUNT
from traco.modules.channel.parts import SettlementTerms
from traco.modules.holding.messages import CloseInstrument


@pytest.fixture
def world() -> Iterator[RootWorld]:
    made = RootWorld()
    yield made
    made.check()


@pytest.fixture
def first(world: RootWorld) -> bytes:
    return world.opened(world.terms("a", "b"))


@pytest.fixture
def second(world: RootWorld) -> bytes:
    return world.opened(world.terms("c", "d"))


def between(world: RootWorld, sender: bytes, receiver: bytes, amount: int) -> SettlementTerms:
    """Terms that move so much of the bond from one channel to another."""
    return world.deals.terms(
        world.deals.leg(sender, edges=[(world.bond, -amount)]),
        world.deals.leg(receiver, edges=[(world.bond, amount)]),
    )


def bring(world: RootWorld, channel: bytes, amount: int) -> Made:
    """Have so much of the bond leave the root for a channel; not yet decided."""
    content = world.out(amount)
    terms = world.deals.terms(
        world.root_terms(content, -amount), world.deals.leg(channel, edges=[(world.bond, amount)])
    )
    name = world.deals.first_member(channel)
    legs = (world.root_leg(terms, content, "a"), world.deals.sealed(name, terms, channel))
    return world.deals.order(world.deals.attempt(terms, *legs, by=name))


def brought(world: RootWorld, channel: bytes, amount: int) -> None:
    found = decision(world.deals.all_say(bring(world, channel, amount), channel))
    assert found is not None
    assert found.committed


def refuse_by(world: RootWorld, made: Made, channel: bytes) -> None:
    for member in world.channel(channel).terms.members:
        world.deals.say(world.names[member], made, channel, held=False)


def test_what_leaves_the_root_is_counted_for_the_channel_it_enters(world: RootWorld, first: bytes) -> None:
    brought(world, first, 300)
    assert world.imported(first) == (300, 0, 0)
    assert world.owns("a").owned == 700


def test_an_import_is_promised_while_its_attempt_is_undecided(world: RootWorld, first: bytes) -> None:
    bring(world, first, 300)
    assert world.imported(first) == (0, 0, 300)


def test_an_import_that_is_aborted_leaves_nothing(world: RootWorld, first: bytes) -> None:
    made = bring(world, first, 300)
    refuse_by(world, made, first)
    assert world.imported(first) == (0, 0, 0)
    assert world.owns("a").available == 1_000


def test_a_channel_that_mints_what_it_exports_is_refused(
    world: RootWorld, first: bytes, second: bytes
) -> None:
    message = world.deals.attempt(between(world, first, second, 1))
    assert world.deals.refuse(message) == "channel.edge_exceeded"
    assert world.stream(first).entries == world.stream(second).entries == 1


def test_a_channel_gives_out_what_it_took_in_and_no_more(
    world: RootWorld, first: bytes, second: bytes
) -> None:
    brought(world, first, 300)
    assert (
        world.deals.refuse(world.deals.attempt(between(world, first, second, 301))) == "channel.edge_exceeded"
    )
    made = world.deals.try_terms(between(world, first, second, 300))
    world.deals.all_say(made, first)
    world.deals.all_say(made, second)
    assert (world.imported(first), world.imported(second)) == ((0, 0, 0), (300, 0, 0))


def test_what_is_promised_to_one_attempt_is_not_given_to_another(
    world: RootWorld, first: bytes, second: bytes
) -> None:
    brought(world, first, 300)
    made = world.deals.try_terms(between(world, first, second, 200))
    assert world.imported(first) == (300, 200, 0)
    assert (
        world.deals.refuse(world.deals.attempt(between(world, first, second, 101))) == "channel.edge_exceeded"
    )
    refuse_by(world, made, second)
    assert (world.imported(first), world.imported(second)) == ((300, 0, 0), (0, 0, 0))
    world.deals.try_terms(between(world, first, second, 300))


def test_what_is_promised_to_a_channel_cannot_leave_it_yet(
    world: RootWorld, first: bytes, second: bytes
) -> None:
    bring(world, first, 300)
    assert (
        world.deals.refuse(world.deals.attempt(between(world, first, second, 1))) == "channel.edge_exceeded"
    )


def test_an_instrument_does_not_close_while_a_channel_has_some_of_it(world: RootWorld, first: bytes) -> None:
    brought(world, first, 1_000)
    close = CloseInstrument(world.ids["a"], world.bond)
    assert world.owns("a").owned == 0
    assert world.deny("a", close) == "holding.instrument_abroad"


def test_what_comes_back_to_the_root_is_issued_there_again(world: RootWorld, first: bytes) -> None:
    brought(world, first, 300)
    content = world.into(120)
    terms = world.deals.terms(
        world.root_terms(content, 120), world.deals.leg(first, edges=[(world.bond, -120)])
    )
    legs = (world.root_leg(terms, content, "b"), world.deals.sealed("b", terms, first))
    made = world.deals.order(world.deals.attempt(terms, *legs, by="b"))
    world.deals.all_say(made, first)
    assert world.imported(first) == (180, 0, 0)
    assert world.owns("b").owned == 120


def test_a_channel_cannot_give_the_root_what_it_never_got(world: RootWorld, first: bytes) -> None:
    content = world.into(120)
    terms = world.deals.terms(
        world.root_terms(content, 120), world.deals.leg(first, edges=[(world.bond, -120)])
    )
    legs = (world.root_leg(terms, content, "b"), world.deals.sealed("b", terms, first))
    assert world.deals.refuse(world.deals.attempt(terms, *legs, by="b")) == "channel.edge_exceeded"


def test_the_root_gives_out_what_its_leg_says(world: RootWorld, first: bytes) -> None:
    content = world.out(100)
    terms = world.deals.terms(
        world.root_terms(content, -300), world.deals.leg(first, edges=[(world.bond, 300)])
    )
    legs = (world.root_leg(terms, content, "a"), world.deals.sealed("b", terms, first))
    assert world.deals.refuse(world.deals.attempt(terms, *legs, by="b")) == "leg.edge_differs"


def test_movements_that_do_not_balance_are_refused(world: RootWorld, first: bytes, second: bytes) -> None:
    brought(world, first, 300)
    terms = world.deals.terms(
        world.deals.leg(first, edges=[(world.bond, -100)]), world.deals.leg(second, edges=[(world.bond, 101)])
    )
    assert world.deals.refuse(world.deals.attempt(terms)) == "channel.legs_wrong"


def test_one_instrument_does_not_make_up_for_another(world: RootWorld, first: bytes, second: bytes) -> None:
    brought(world, first, 300)
    terms = world.deals.terms(
        world.deals.leg(first, edges=[(world.bond, -100)]), world.deals.leg(second, edges=[(bytes(16), 100)])
    )
    assert world.deals.refuse(world.deals.attempt(terms)) == "channel.legs_wrong"


def test_an_instrument_stands_once_in_a_leg(world: RootWorld, first: bytes, second: bytes) -> None:
    brought(world, first, 300)
    terms = world.deals.terms(
        world.deals.leg(first, edges=[(world.bond, -100)]),
        world.deals.leg(second, edges=[(world.bond, 60), (world.bond, 40)]),
    )
    assert world.deals.refuse(world.deals.attempt(terms)) == "channel.legs_wrong"


def test_a_movement_of_nothing_is_refused(world: RootWorld, first: bytes, second: bytes) -> None:
    assert world.deals.refuse(world.deals.attempt(between(world, first, second, 0))) == "channel.legs_wrong"


def test_no_promise_adds_up_above_every_total(world: RootWorld, first: bytes, second: bytes) -> None:
    brought(world, first, 300)
    brought(world, second, 1)
    third = world.opened(world.terms("d", "e"))
    edge = world.keeper.edge(world.state, world.bond, second)
    assert edge.imported == 1
    terms = world.deals.terms(
        world.deals.leg(second, edges=[(world.bond, MAX_AMOUNT)]),
        world.deals.leg(third, edges=[(world.bond, -MAX_AMOUNT)]),
    )
    assert world.deals.refuse(world.deals.attempt(terms)) == "channel.legs_wrong"
