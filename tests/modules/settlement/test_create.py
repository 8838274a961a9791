"""Creating batches: what is kept, and every reason to refuse."""

from typing import Any

import pytest

from modules.settlement.desk import LIFE_MS, Floor
from support.market import keys_of
from traco.modules.holding.messages import CloseInstrument
from traco.modules.holding.state import InstrumentKind
from traco.modules.party.messages import SetStatus
from traco.modules.settlement.events import BatchCreated
from traco.modules.settlement.messages import batch_id, terms_hash
from traco.modules.settlement.state import Batch

SALT = b"s" * 16


def test_a_batch_is_kept_as_given(floor: Floor) -> None:
    message = floor.request(settlers="bank rival", salt=SALT)
    receipt = floor.do("seller", message)
    batch, nothing = batch_id(floor.ids["seller"], SALT), (None, None)
    assert receipt.events == (BatchCreated(batch, floor.ids["seller"], message.legs, message.deadline_ms),)
    settlers = (floor.ids["bank"], floor.ids["rival"])
    terms = terms_hash(message.legs, settlers, False, message.deadline_ms)
    assert floor.batch(batch) == Batch(
        floor.ids["seller"], "open", message.deadline_ms, terms, 2, False, settlers, message.legs, nothing, nothing,
        (), (),
    )  # fmt: skip
    assert floor.batch(batch).complete is False


def test_anybody_may_request_a_batch_because_it_binds_nobody(floor: Floor) -> None:
    floor.create(by="court")
    floor.untouched()


def test_a_salt_makes_one_batch_of_each_requestor(floor: Floor) -> None:
    floor.create(salt=SALT)
    assert floor.refused("seller", floor.request(salt=SALT)) == "settlement.batch_exists"
    floor.create(by="buyer", salt=SALT)


def test_the_id_of_an_ended_batch_is_not_used_again(floor: Floor) -> None:
    batch = floor.create(salt=SALT)
    floor.do("seller", floor.cancel(batch))
    assert floor.refused("seller", floor.request(salt=SALT)) == "settlement.batch_exists"


@pytest.mark.parametrize(("count", "code"), [(3, None), (4, "settlement.legs_exceeded")])
def test_a_batch_has_as_many_legs_as_the_parameter_says(count: int, code: str | None) -> None:
    floor = Floor(parameters={"settlement": {"max_legs": 3}})
    message = floor.request([floor.leg("seller", "buyer", floor.bond, 1)] * count)
    assert outcome(floor, "seller", message) == code


def test_a_module_cannot_create_a_batch_without_legs(floor: Floor) -> None:
    message = floor.request([])
    code = floor.call_refused(
        lambda context: floor.keeper.create(
            context, message.party, (), (), True, message.deadline_ms, (), (), message.salt
        )
    )
    assert code == "settlement.legs_exceeded"


@pytest.mark.parametrize(
    ("settlers", "auto", "code"),
    [
        ("", True, None),
        ("bank", False, None),
        ("bank rival", False, None),
        ("", False, "settlement.settlers_wrong"),
        ("bank", True, "settlement.settlers_wrong"),
        ("bank bank", False, "settlement.settlers_wrong"),
        ("bank rival court", False, "settlement.settlers_wrong"),
    ],
)
def test_a_batch_settles_itself_or_names_who_settles_it(settlers: str, auto: bool, code: str | None) -> None:
    floor = Floor(parameters={"settlement": {"max_settlers": 2}})
    assert outcome(floor, "seller", floor.request(settlers=settlers, auto=auto)) == code


@pytest.mark.parametrize(
    ("from_now_ms", "code"),
    [
        (-1, "settlement.deadline_wrong"),
        (0, "settlement.deadline_wrong"),
        (1, None),
        (5_000, None),
        (5_001, "settlement.deadline_wrong"),
    ],
)
def test_a_deadline_lies_ahead_within_the_longest_life(from_now_ms: int, code: str | None) -> None:
    floor = Floor(parameters={"settlement": {"max_life_ms": 5_000}})
    block_ms = floor.time_ms + 1_000
    assert outcome(floor, "seller", floor.request(deadline_ms=block_ms + from_now_ms)) == code


@pytest.mark.parametrize("field", ["sender", "receiver", "settler"])
def test_everybody_in_a_batch_is_an_active_party(floor: Floor, field: str) -> None:
    suspend = SetStatus(floor.ids["council"], floor.ids["rival"], "suspended", "review")
    names = {"sender": "seller", "receiver": "buyer", "settler": "bank"} | {field: "rival"}
    legs = [floor.leg(names["sender"], names["receiver"], floor.bond, 1)]
    floor.create(legs, settlers=names["settler"])
    floor.do("council", suspend)
    assert floor.refused("seller", floor.request(legs, settlers=names["settler"])) == "party.suspended"
    floor.ids["rival"] = b"\xee" * 16
    legs = [floor.leg(names["sender"], names["receiver"], floor.bond, 1)]
    assert floor.refused("seller", floor.request(legs, settlers=names["settler"])) == "party.not_found"


def test_the_instruments_exist_and_are_open(floor: Floor) -> None:
    legs = [floor.leg("seller", "buyer", b"\xee" * 16, 1)]
    assert floor.refused("seller", floor.request(legs)) == "holding.instrument_unknown"
    spare = floor.create_instrument("SPARE", InstrumentKind.SECURITY)
    floor.do("central", CloseInstrument(floor.ids["central"], spare))
    legs = [*floor.dvp(), floor.leg("seller", "buyer", spare, 1)]
    assert floor.refused("seller", floor.request(legs)) == "holding.instrument_closed"


def test_a_batch_nobody_answers_expires(floor: Floor) -> None:
    batch = floor.create()
    floor.ledger.run_block(after_ms=LIFE_MS)
    assert floor.batch(batch).status == "expired"


def outcome(floor: Floor, name: str, message: Any) -> str | None:
    answer = floor.ledger.submit(message, keys=keys_of(name))
    return None if answer.failure is None else answer.failure.code
