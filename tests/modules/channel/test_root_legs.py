"""Legs on the root: signed for the terms by all who act, held with the ordering, ended with the decision."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from modules.channel.deals import decided_now, decision
from modules.channel.root_world import RootWorld
from traco.modules.channel.messages import Attempt
from traco.modules.channel.parts import LegTerms, RootLeg, SettlementTerms
from traco.modules.holding.messages import Transfer
from traco.modules.leg.messages import LegContent
from traco.modules.party.messages import DecideStatus


@pytest.fixture
def world() -> Iterator[RootWorld]:
    made = RootWorld()
    yield made
    made.check()


@pytest.fixture
def cash(world: RootWorld) -> bytes:
    """The channel in which the bond is paid."""
    return world.opened(world.terms("c", "d"))


def agreed(world: RootWorld, cash: bytes, content: LegContent | None = None) -> SettlementTerms:
    """a gives b 300 of the bond on the root, for something in a channel."""
    return world.deals.terms(world.root_terms(content or world.move(300)), world.deals.leg(cash))


def attempt(world: RootWorld, terms: SettlementTerms, leg: RootLeg) -> Attempt:
    channel = terms.legs[1].ledger
    return world.deals.attempt(terms, leg, world.deals.sealed("c", terms, channel), by="c")


def good(world: RootWorld, terms: SettlementTerms) -> Attempt:
    return attempt(world, terms, world.root_leg(terms, world.move(300), "a"))


def test_a_leg_on_the_root_is_held_with_the_ordering(world: RootWorld, cash: bytes) -> None:
    world.deals.order(good(world, agreed(world, cash)))
    assert (world.owns("a").available, world.owns("b").owned) == (700, 0)


def test_a_commit_moves_on_the_root_at_once(world: RootWorld, cash: bytes) -> None:
    made = world.deals.order(good(world, agreed(world, cash)))
    found = decision(world.deals.all_say(made, cash))
    assert found is not None
    assert found.committed
    assert (world.owns("a").owned, world.owns("b").available) == (700, 300)


def test_an_abort_gives_back_on_the_root_at_once(world: RootWorld, cash: bytes) -> None:
    made = world.deals.order(good(world, agreed(world, cash)))
    world.deals.say("c", made, cash, held=False)
    found = decision(world.deals.say("d", made, cash, held=False))
    assert found is not None
    assert found.reason == "refused"
    assert world.owns("a").available == 1_000


def test_the_deadline_gives_back_on_the_root(world: RootWorld, cash: bytes) -> None:
    world.deals.order(good(world, agreed(world, cash)))
    for _ in range(6):
        world.ledger.run_block(after_ms=10_000)
    world.ledger.run_block()
    assert decided_now(world) == []  # it was before
    assert world.owns("a").available == 1_000


def test_the_signatures_for_the_root_are_good_again_after_an_abort(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    leg = world.root_leg(terms, world.move(300), "a")
    made = world.deals.order(attempt(world, terms, leg))
    world.deals.say("c", made, cash, held=False)
    world.deals.say("d", made, cash, held=False)
    world.deals.order(attempt(world, terms, leg))
    assert world.owns("a").available == 700


def test_a_leg_on_the_root_that_is_refused_refuses_the_whole_attempt(world: RootWorld, cash: bytes) -> None:
    content = world.move(1_001)
    terms = agreed(world, cash, content)
    message = attempt(world, terms, world.root_leg(terms, content, "a"))
    assert world.deals.refuse(message).startswith("holding.")
    assert world.stream(cash).entries == 1


def test_whoever_acts_on_the_root_must_have_signed(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    unsigned = world.root_leg(terms, world.move(300), "a", signers=["b"])
    assert world.deals.refuse(attempt(world, terms, unsigned)) == "channel.legs_wrong"


def test_an_attempt_is_no_way_around_a_suspension(world: RootWorld, cash: bytes) -> None:
    council = world.parties("a", "c")
    suspend = DecideStatus(council, world.ids["b"], "suspended", "test")
    world.ledger.succeed(suspend, keys=[world.keys["a"], world.keys["c"]])
    terms = agreed(world, cash)
    leg = world.root_leg(terms, world.move(300), "a", "b")
    assert world.deals.refuse(attempt(world, terms, leg)) == "party.suspended"


def test_a_superfluous_signature_on_the_root_is_refused(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    more = world.root_leg(terms, world.move(300), "a", signers=["a", "b"])
    assert world.deals.refuse(attempt(world, terms, more)) == "channel.legs_wrong"


def test_signatures_on_the_root_stand_in_ascending_order_of_keys(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    leg = world.root_leg(terms, world.move(300), "a", "b")
    world.deals.order(attempt(world, terms, leg))
    other = agreed(world, cash)
    leg = world.root_leg(other, world.move(300), "a", "b")
    turned = replace(leg, signatures=tuple(reversed(leg.signatures)))
    assert world.deals.refuse(attempt(world, other, turned)) == "channel.legs_wrong"


def test_signatures_for_other_terms_are_refused_on_the_root(world: RootWorld, cash: bytes) -> None:
    replayed = world.root_leg(agreed(world, cash), world.move(300), "a")
    terms = agreed(world, cash)
    assert world.deals.refuse(attempt(world, terms, replayed)) == "channel.legs_wrong"


def test_a_leg_for_other_terms_is_refused_though_it_is_signed_for_these(
    world: RootWorld, cash: bytes
) -> None:
    terms = agreed(world, cash)
    leg = world.root_leg(terms, world.move(300), "a", terms=bytes(32))
    assert world.deals.refuse(attempt(world, terms, leg)) == "leg.terms_differ"


def test_a_leg_without_the_agreed_commitment_is_refused(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    leg = world.root_leg(terms, world.move(299), "a")
    assert world.deals.refuse(attempt(world, terms, leg)) == "leg.commitment_differs"


def test_nothing_but_the_hold_of_a_leg_runs_on_the_root(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    transfer = Transfer(world.ids["a"], world.bond, world.accounts["a"], world.accounts["b"], 300, b"")
    assert (
        world.deals.refuse(attempt(world, terms, world.signed(terms, [transfer], "a")))
        == "channel.legs_wrong"
    )


@pytest.mark.parametrize("times", [0, 2])
def test_a_leg_on_the_root_is_one_instruction(world: RootWorld, cash: bytes, times: int) -> None:
    terms = agreed(world, cash)
    (hold,) = world.ledger.registry.instructions.decode(
        world.root_leg(terms, world.move(300), "a").instructions
    )
    leg = world.signed(terms, [hold] * times, "a")
    assert world.deals.refuse(attempt(world, terms, leg)) == "channel.legs_wrong"


def test_bytes_that_are_no_instruction_are_refused_on_the_root(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    leg = replace(world.root_leg(terms, world.move(300), "a"), instructions=b"\xc1")
    assert world.deals.refuse(attempt(world, terms, leg)) == "kernel.operation_malformed"


def test_a_leg_on_the_root_has_no_attesters(world: RootWorld, cash: bytes) -> None:
    content = world.move(300)
    on_root = replace(world.root_terms(content), attesters=world.parties("a"))
    terms = world.deals.terms(on_root, world.deals.leg(cash))
    leg = world.root_leg(terms, content, "a")
    assert world.deals.refuse(attempt(world, terms, leg)) == "channel.legs_wrong"


def test_two_legs_on_the_root_are_refused(world: RootWorld) -> None:
    content = world.move(300)
    on_root: LegTerms = world.root_terms(content)
    terms = world.deals.terms(on_root, on_root)
    leg = world.root_leg(terms, content, "a")
    assert world.deals.refuse(world.deals.attempt(terms, leg, leg, by="c")) == "channel.legs_wrong"


def test_no_leg_is_held_on_the_root_outside_an_attempt(world: RootWorld, cash: bytes) -> None:
    terms = agreed(world, cash)
    world.deals.order(good(world, terms))
    (hold,) = world.ledger.registry.instructions.decode(
        world.root_leg(terms, world.move(300), "a").instructions
    )
    assert world.deny("a", hold) == "leg.outside"
