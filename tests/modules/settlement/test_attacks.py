"""What a hostile party tries on a batch of others, and on the ledger through a batch."""

import pytest
from msgspec.structs import replace

from modules.settlement.desk import LOT, PRICE, Floor, Mark, terms_of
from traco.kernel.block import Answer
from traco.kernel.codec import MAX_AMOUNT, encode
from traco.modules.holding.messages import ExecuteHold, Hold, ReleaseHold
from traco.modules.settlement.messages import (
    PassedOn,
    PassThrough,
    SettlementInstruction,
    batch_id,
    terms_hash,
)
from traco.modules.settlement.state import hold_id

SALT = b"s" * 16


def only(answers: list[Answer]) -> str | None:
    (answer,) = answers
    return None if answer.failure is None else answer.failure.code


def test_a_replayed_affirmation_changes_nothing(floor: Floor) -> None:
    batch = floor.create(settlers="bank")
    wire = floor.wire("seller", floor.affirmation("seller", batch, [floor.own(0, "seller")]))
    assert only(floor.ledger.run_block([wire])) is None
    assert only(floor.ledger.run_block([wire])) == "transaction.duplicate"
    assert floor.held("seller", floor.bond).held == LOT


def test_a_replayed_settlement_changes_nothing(floor: Floor) -> None:
    batch = floor.completed()
    wire = floor.wire("bank", floor.settle(batch))
    assert only(floor.ledger.run_block([wire])) is None
    assert only(floor.ledger.run_block([wire])) == "transaction.duplicate"
    floor.settled()


def test_two_settlers_in_one_block_settle_once(floor: Floor) -> None:
    batch = floor.completed(settlers="bank rival")
    wires = [floor.wire(name, floor.settle(batch, name)) for name in ("bank", "rival")]
    answers = floor.ledger.run_block(wires)
    assert [answer.failure and answer.failure.code for answer in answers] == [None, "settlement.batch_ended"]
    floor.settled()


def test_nobody_affirms_for_another(floor: Floor) -> None:
    batch = floor.create()
    message = floor.affirmation("buyer", batch, [floor.own(1, "buyer")])
    assert floor.refused("seller", message) == "transaction.signature_missing"
    assert floor.refused("seller buyer", message) == "transaction.signature_superfluous"


def test_nobody_takes_the_id_of_anothers_batch(floor: Floor) -> None:
    floor.create(by="rival", salt=SALT)
    batch = floor.create(by="seller", salt=SALT)
    assert floor.batch(batch).requestor == floor.ids["seller"]


def test_a_requestor_cannot_swap_the_legs_under_a_signed_affirmation(floor: Floor) -> None:
    shown = floor.request(by="buyer")
    batch = batch_id(shown.party, shown.salt)
    signed = floor.wire(
        "seller",
        floor.affirmation(
            "seller", batch, [floor.own(0, "seller")], [floor.into(1, "seller")], terms_of(shown)
        ),
    )
    floor.do("buyer", replace(shown, legs=floor.dvp(amount=1_000, price=1)))
    assert only(floor.ledger.run_block([signed])) == "settlement.terms_differ"
    floor.untouched()


@pytest.mark.parametrize("change", ["settlers", "deadline"])
def test_a_requestor_cannot_swap_settlers_or_deadline_either(floor: Floor, change: str) -> None:
    shown = floor.request(by="buyer", settlers="bank")
    batch = batch_id(shown.party, shown.salt)
    signed = floor.affirmation("seller", batch, [floor.own(0, "seller")], terms=terms_of(shown))
    swapped = {
        "settlers": replace(shown, settlers=(floor.ids["buyer"],)),
        "deadline": replace(shown, deadline_ms=shown.deadline_ms + 1),
    }
    floor.do("buyer", swapped[change])
    assert floor.refused("seller", signed) == "settlement.terms_differ"


def test_a_batch_without_its_consequences_is_another_deal(floor: Floor) -> None:
    """The requestor makes by hand what a module would have made with an effect, to have it settle without."""
    message, mark = floor.request(), (encode(Mark(1)),)
    shown = (message.legs, message.settlers, message.auto, message.deadline_ms)
    terms = {terms_hash(*shown), terms_hash(*shown, mark), terms_hash(*shown, (), mark)}
    assert len(terms) == 3
    batch = batch_id(message.party, message.salt)
    floor.do("seller", message)
    agreed = terms_hash(*shown, mark)
    code = floor.refused("buyer", floor.affirmation("buyer", batch, [floor.own(1, "buyer")], terms=agreed))
    assert code == "settlement.terms_differ"
    made = floor.create_with(on_settle=[Mark(1)], on_release=[Mark(2)])
    record = floor.batch(made)
    shown = (record.legs, record.settlers, record.auto, record.deadline_ms)
    assert record.terms == terms_hash(*shown, mark, (encode(Mark(2)),))


def test_a_hold_of_a_batch_is_not_executed_or_released_by_anybody(floor: Floor) -> None:
    batch = floor.create()
    floor.seller_affirms(batch)
    for name in ("seller", "buyer", "bank"):
        party, hold = floor.ids[name], hold_id(batch, 0)
        execute = ExecuteHold(party, hold, floor.bond, floor.accounts["bank"], 1, False, b"")
        assert floor.refused(name, execute) == "holding.not_executor"
        assert floor.refused(name, ReleaseHold(party, hold)) == "holding.not_executor"


def test_nobody_places_a_hold_in_the_name_of_a_batch(floor: Floor) -> None:
    batch, rival = floor.completed(), floor.ids["rival"]
    mine = Hold(rival, floor.accounts["rival"], floor.cash, PRICE, batch, floor.time_ms + 30_000, b"", SALT)
    assert floor.refused("rival", mine) == "party.not_found"


def test_a_stranger_cannot_fill_the_missing_parts_of_a_batch(floor: Floor) -> None:
    batch = floor.create()
    floor.seller_affirms(batch)
    rival = [floor.own(1, "rival")], [floor.into(0, "rival")]
    assert floor.affirm_refused("rival", batch, rival[0]) == "settlement.wrong_account"
    assert floor.affirm_refused("rival", batch, (), rival[1]) == "settlement.wrong_account"


@pytest.mark.parametrize("amount", [0, -1, MAX_AMOUNT + 1])
def test_amounts_that_are_none_never_reach_a_batch(floor: Floor, amount: int) -> None:
    wire = floor.wire("seller", floor.request(floor.dvp(amount=amount)))
    assert only(floor.ledger.run_block([wire])) == "transaction.malformed"


@pytest.mark.parametrize("count", [0, 129])
def test_a_batch_of_no_legs_or_of_too_many_is_malformed(floor: Floor, count: int) -> None:
    wire = floor.wire("seller", floor.request(floor.dvp()[:1] * count))
    assert only(floor.ledger.run_block([wire])) == "transaction.malformed"


def test_a_leg_index_beyond_any_batch_is_malformed(floor: Floor) -> None:
    batch = floor.create()
    for leg in (-1, 128):
        wire = floor.wire("seller", floor.affirmation("seller", batch, [floor.own(leg, "seller")]))
        assert only(floor.ledger.run_block([wire])) == "transaction.malformed"


def test_the_largest_amount_is_refused_for_want_of_value_only(floor: Floor) -> None:
    batch = floor.create(floor.dvp(amount=MAX_AMOUNT))
    assert floor.affirm_refused("seller", batch, [floor.own(0, "seller")]) == "holding.insufficient"


def test_the_largest_batch_settles_within_the_limits_of_a_receipt(floor: Floor) -> None:
    legs = [SettlementInstruction(floor.ids["seller"], floor.ids["buyer"], floor.bond, 1)] * 64
    batch = floor.create(legs)
    floor.affirm("buyer", batch, (), [floor.into(leg, "buyer") for leg in range(64)])
    floor.affirm("seller", batch, [floor.own(leg, "seller") for leg in range(64)])
    assert floor.balances(floor.bond, "seller buyer") == [(936, 0), (64, 0)]


def test_a_longest_chain_settles_in_one_movement() -> None:
    floor = Floor(parameters={"settlement": {"max_chain": 64}})
    legs = [floor.leg("seller", "buyer", floor.bond, 1), *[floor.leg("buyer", "buyer", floor.bond, 1)] * 63]
    batch = floor.create(legs)
    passed = [(leg, PassedOn(leg + 1)) for leg in range(63)]
    through = [(leg, PassThrough(leg - 1)) for leg in range(1, 64)]
    floor.affirm("buyer", batch, through, [*passed, floor.into(63, "buyer")])
    floor.affirm("seller", batch, [floor.own(0, "seller")])
    assert floor.balances(floor.bond, "seller buyer") == [(999, 0), (1, 0)]
    floor.check()
