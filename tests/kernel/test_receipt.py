"""Receipts, block records and the app hash: what each of them commits to."""

from hashlib import sha256
from typing import Any

import msgspec

from traco.kernel.codec import encode
from traco.kernel.errors import Failure
from traco.kernel.merkle import EMPTY_ROOT, leaf_hash, node_hash
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

ONE = Leaf(b"1" * 32, b"s" * 32, encode(Receipt(b"1" * 32, None, ())))
TWO = Leaf(b"2" * 32, NO_SIGNATURES, encode(Receipt(b"2" * 32, Failure("a.b", ()), ())))
RECORD = BlockRecord(5, 6, b"t" * 32, b"r" * 32, b"s" * 32, 2)


def test_the_transactions_tree_has_id_and_signatures() -> None:
    leaves = [leaf_hash(b"1" * 32 + b"s" * 32), leaf_hash(b"2" * 32 + bytes(32))]
    assert transactions_root((ONE, TWO)) == node_hash(*leaves)


def test_the_receipts_tree_has_the_receipts() -> None:
    assert receipts_root((ONE, TWO)) == node_hash(leaf_hash(ONE.receipt), leaf_hash(TWO.receipt))


def test_no_leaves_are_the_empty_tree() -> None:
    assert (transactions_root(()), receipts_root(())) == (EMPTY_ROOT, EMPTY_ROOT)


def test_a_record_is_hashed_under_its_tag() -> None:
    assert block_leaf_hash(RECORD) == leaf_hash(b"traco/block/1\0" + encode(RECORD))


def test_every_field_of_a_record_changes_its_hash() -> None:
    changes: list[dict[str, Any]] = [
        {"height": 6}, {"time_ms": 7}, {"transactions_root": bytes(32)}, {"receipts_root": bytes(32)},
        {"state_root": bytes(32)}, {"leaf_count": 3},
    ]  # fmt: skip
    assert len(changes) == len(msgspec.structs.fields(BlockRecord))
    hashes = [block_leaf_hash(msgspec.structs.replace(RECORD, **change)) for change in changes]
    assert len(dict.fromkeys([block_leaf_hash(RECORD), *hashes])) == 7


def test_the_app_hash_is_over_state_history_and_its_size() -> None:
    state, history = b"s" * 32, b"h" * 32
    expected = sha256(b"traco/app/1\0" + state + history + b"\0\0\0\0\0\0\1\0").digest()
    assert app_hash(state, history, 256) == expected
