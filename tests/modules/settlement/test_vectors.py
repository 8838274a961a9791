"""The bytes of instructions, records and events are those of ``tests/vectors/settlement.json``, for ever."""

import json
from pathlib import Path

import pytest

from traco.kernel.codec import Codec, Record, encode
from traco.modules.settlement import events, messages, state
from traco.modules.settlement.keeper import EXPIRED, EXPIRY
from traco.modules.settlement.parameters import SettlementParameters

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "settlement.json").read_text())

PARTY, OTHER, ACCOUNT, CASH, BATCH = (bytes([number]) * 16 for number in range(1, 6))
SALT, TERMS, EVIDENCE = b"\x06" * 16, b"\x07" * 32, b"\x08" * 32
DEADLINE = 1_790_000_000_000
LEGS = (
    messages.SettlementInstruction(PARTY, OTHER, CASH, 5_000, b"price"),
    messages.SettlementInstruction(OTHER, PARTY, CASH, 1),
    messages.SettlementInstruction(PARTY, OTHER, CASH, 2**63 - 1),
)
ALLOCATIONS = (messages.OwnHolding(ACCOUNT), messages.PassThrough(1), messages.OutsideProof(EVIDENCE))
APPROVALS = (messages.IntoAccount(ACCOUNT), messages.PassedOn(127), messages.TakenOutside(EVIDENCE))

RECORDS: dict[str, Record] = {
    "create_batch": messages.CreateBatch(PARTY, LEGS, (OTHER,), False, DEADLINE, SALT),
    "affirm": messages.Affirm(
        PARTY, BATCH, TERMS, tuple(enumerate(ALLOCATIONS)), tuple(enumerate(APPROVALS))
    ),
    "withdraw": messages.Withdraw(PARTY, BATCH),
    "settle": messages.Settle(PARTY, BATCH),
    "cancel": messages.Cancel(PARTY, BATCH, "no-deal"),
    "open_batch": state.Batch(
        PARTY, "open", DEADLINE, TERMS, 3, True, (), LEGS, (*ALLOCATIONS[:2], None), (None, *APPROVALS[1:]), (b"s",),
        (b"r", b""),
    ),
    "ended_batch": state.Batch(PARTY, "expired", DEADLINE, TERMS, 3, True, (), (), (), (), (), ()),
    "parameters": SettlementParameters(),
    "batch_created": events.BatchCreated(BATCH, PARTY, LEGS, DEADLINE),
    "affirmed": events.Affirmed(BATCH, PARTY, (0, 2), (1,), True),
    "withdrawn": events.Withdrawn(BATCH, PARTY, (), (1,)),
    "batch_settled": events.BatchSettled(BATCH),
    "batch_released": events.BatchReleased(BATCH, "cancelled", "no-deal"),
}  # fmt: skip


def test_every_vector_belongs_to_a_record() -> None:
    assert sorted(VECTORS["records"]) == sorted(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_has_the_bytes_of_its_vector_and_is_read_from_them(name: str) -> None:
    record = RECORDS[name]
    assert encode(record).hex() == VECTORS["records"][name]
    codec: Codec[Record] = Codec(type(record))
    assert codec.decode(bytes.fromhex(VECTORS["records"][name])) == record


def test_ids_and_hashes_are_those_of_the_vectors() -> None:
    found = {
        "batch_id": messages.batch_id(PARTY, SALT),
        "terms_hash": messages.terms_hash(LEGS, (OTHER,), False, DEADLINE),
        "hold_id": state.hold_id(BATCH, 127),
        "batch_key": state.BATCHES.key(BATCH),
    }
    assert {name: value.hex() for name, value in found.items()} == VECTORS["ids"]


def test_the_due_item_of_a_deadline_has_the_name_it_is_stored_with() -> None:
    assert (EXPIRY, EXPIRED) == ("settlement.expiry", "settlement.deadline")
