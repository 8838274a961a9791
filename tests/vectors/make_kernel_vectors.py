"""Writes kernel.json: the bytes and hashes of the ledger's formats, for other implementations and against accidents.

A change of any value is a change of format: it breaks every ledger that exists. Run it from the folder ``tests``:

    PYTHONPATH=../src:. python -m vectors.make_kernel_vectors
"""

import json
from pathlib import Path

import msgspec

from support.counters import ALICE, BOB, MEMBER, NODE, PAIR, SOLO, Add, Added, counter_genesis
from support.ledger import START_MS, Key
from traco.kernel.batch_hold import BatchHold, Movement
from traco.kernel.codec import Record, derive_id, encode
from traco.kernel.due import DueItem
from traco.kernel.errors import Failure
from traco.kernel.finality import HistoryProof, make_receipt
from traco.kernel.genesis import network_id, write_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.merkle import inclusion_path, root_of
from traco.kernel.operations import (
    Approve,
    Proposal,
    Propose,
    ScheduleUpgrade,
    SetParameters,
    Withdraw,
    proposal_id,
)
from traco.kernel.protocol import Protocol
from traco.kernel.receipt import (
    NO_SIGNATURES,
    BlockRecord,
    Leaf,
    Receipt,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)
from traco.kernel.screening import encode_transaction
from traco.kernel.seal import Checkpoint, checkpoint_note, checkpoint_text
from traco.kernel.transaction import (
    Body,
    Envelope,
    EnvelopeBody,
    envelope_id,
    envelope_signing_message,
    signatures_hash,
    signing_message,
    transaction_id,
)

FILE = Path(__file__).with_name("kernel.json")
GENESIS = counter_genesis(parameters={"kernel": {"max_depth": 3}}, modules={"counter": {"b": 2, "a": 1}})
NETWORK = network_id(GENESIS)
SALT = bytes(range(16))
UNTIL = START_MS + 60_000


def _transaction() -> tuple[bytes, bytes, tuple[bytes, bytes]]:
    body = encode(Body(NETWORK, b"", UNTIL, SALT, (Add(PAIR, "x", 300), Add(PAIR, "y", 70_000))))
    identity = transaction_id(body)
    signatures = tuple(
        sorted((key.signature(signing_message(identity)) for key in (ALICE, BOB)), key=lambda s: s.key)
    )
    return body, encode_transaction(body, signatures), (identity, signatures_hash(signatures))


def _wire() -> dict[str, bytes]:
    body, raw, (identity, signatures) = _transaction()
    envelope = EnvelopeBody(NETWORK, b"c" * 32, MEMBER, UNTIL, SALT, (raw, b""))
    message = envelope_signing_message(envelope_id(envelope), NODE.public)
    return {
        "genesis": write_genesis(GENESIS),
        "genesis_id": NETWORK,
        "transaction_body": body,
        "transaction_id": identity,
        "transaction_signing_message": signing_message(identity),
        "transaction": raw,
        "signatures_hash": signatures,
        "envelope_id": envelope_id(envelope),
        "envelope_signing_message": message,
        "envelope": encode(Envelope(envelope, NODE.signature(message))),
        "id_of_an_account": derive_id("account", SOLO, SALT),
        "id_of_a_proposal": proposal_id(NETWORK, PAIR, SALT, b"\x90"),
    }


def _outcome() -> dict[str, bytes]:
    _, raw, (identity, signatures) = _transaction()
    success = encode(Receipt(identity, None, (Added("x", 300), Added("y", 70_000))))
    fields = (("name", "x"), ("total", 2**63 - 1), ("closed", True), ("key", b"\x00\xff"))
    rejected = encode(Receipt(b"r" * 32, Failure("counter.above_limit", fields), ()))
    leaves = (Leaf(b"r" * 32, NO_SIGNATURES, rejected), Leaf(identity, signatures, success))
    record = BlockRecord(
        7, UNTIL - 1, transactions_root(leaves), receipts_root(leaves), b"s" * 32, len(leaves)
    )
    history = [b"g" * 32, block_leaf_hash(record), b"h" * 32]
    hashed = app_hash(b"t" * 32, bytes(32), 3)
    seal_key, checkpoint = Key("seal"), Checkpoint(9, UNTIL, hashed)
    signature = seal_key.sign(checkpoint_text(checkpoint, NETWORK))
    seal = checkpoint_note(checkpoint, NETWORK, seal_key.public, signature)
    proof = HistoryProof(1, 3, inclusion_path(history, 1), root_of(history))
    return {
        "receipt_of_a_success": success,
        "receipt_of_a_rejection": rejected,
        "transactions_root": record.transactions_root,
        "receipts_root": record.receipts_root,
        "block_record": encode(record),
        "block_record_leaf_hash": history[1],
        "app_hash": hashed,
        "finality_receipt": make_receipt(NETWORK, raw, leaves, 1, record, proof, b"t" * 32, seal),
    }


def _records() -> dict[str, bytes]:
    movement = Movement(b"i" * 16, b"a" * 16, b"b" * 16, 2**63 - 1, b"reference")
    records: dict[str, Record] = {
        "kernel_parameters": KernelParameters(),
        "due_item": DueItem(START_MS, "kernel.proposal_expiry", b"k" * 32),
        "protocol": Protocol(1, 2, 300),
        "proposal": Proposal(PAIR, b"\x90", UNTIL, (ALICE.public,)),
        "batch_hold": BatchHold("settlement", (movement,)),
        "propose": Propose(PAIR, b"\x90", UNTIL, SALT),
        "approve": Approve(PAIR, b"p" * 32),
        "withdraw": Withdraw(PAIR, b"p" * 32),
        "set_parameters": SetParameters((SOLO, PAIR), "counter", b"\x92\x01\x05"),
        "schedule_upgrade": ScheduleUpgrade((SOLO, PAIR), 2, 300),
    }
    return {name: encode(record) for name, record in records.items()}


def vectors() -> dict[str, str]:
    """Every format by name, in hex."""
    return {name: raw.hex() for name, raw in {**_wire(), **_outcome(), **_records()}.items()}


if __name__ == "__main__":
    FILE.write_bytes(msgspec.json.format(json.dumps(vectors()).encode(), indent=2) + b"\n")
