"""The finality receipt: it proves a transaction to somebody who has the genesis alone, and nothing else passes."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.counters import ALICE, SOLO, Add, AddLater, counter_genesis, counter_ledger
from support.finality import make, proof_in, seal_block, seal_of
from support.ledger import Key, Ledger
from support.light_receipt import (
    DOCUMENT,
    HANDOVERS,
    HEIGHT,
    TIME_MS,
    last_header,
    light_receipt,
    receipt_with,
)
from traco.kernel import finality
from traco.kernel.codec import Codec, encode
from traco.kernel.finality import (
    FinalityReceipt,
    ReceiptInvalid,
    Verified,
    make_receipt,
    verify_receipt,
)
from traco.kernel.genesis import write_genesis
from traco.kernel.light import Moment, make_evidence
from traco.kernel.merkle import leaf_hash, root_of
from traco.kernel.receipt import (
    BlockRecord,
    Leaf,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import (
    RawTransaction,
    Signature,
    signatures_hash,
    signing_message,
    transaction_id,
)

GENESIS = write_genesis(counter_genesis())
FILE: Codec[FinalityReceipt] = Codec(FinalityReceipt)


def busy() -> tuple[Ledger, list[bytes]]:
    """A ledger whose third block has transactions of which the receipts here are about."""
    ledger = counter_ledger()
    ledger.run_block([ledger.transaction([Add(SOLO, "a", 1)], ALICE)])
    ledger.run_block()
    raws = [ledger.transaction([Add(SOLO, "b", number), Add(SOLO, "c", 300)], ALICE) for number in range(5)]
    ledger.run_block(raws)
    ledger.run_block([ledger.transaction([Add(SOLO, "d", 1)], ALICE)])
    return ledger, raws


LEDGER, RAWS = busy()
RECEIPT = make(LEDGER, RAWS[2], 3, 3)
PARTS = FILE.decode(RECEIPT)


def code(raw: bytes, genesis: bytes = GENESIS) -> str:
    with pytest.raises(ReceiptInvalid) as caught:
        verify_receipt(raw, genesis)
    assert str(caught.value) == f"{caught.value.code}: {caught.value.reason}"
    return caught.value.code


def changed(**changes: Any) -> bytes:
    return encode(msgspec.structs.replace(PARTS, **changes))


def test_a_receipt_proves_transaction_outcome_block_and_seal() -> None:
    proved = verify_receipt(RECEIPT, GENESIS)
    leaf = LEDGER.store.blocks[3].leaves[3]
    assert isinstance(proved, Verified)
    assert (proved.network, proved.identity, proved.signers) == (
        LEDGER.application.network,
        leaf.identity,
        (ALICE.public,),
    )
    assert (proved.receipt.failure, proved.receipt.events[1:]) == (
        None, (["counter.added/1", "b", 3], ["counter.added/1", "c", 900]),
    )  # fmt: skip
    assert proved.body.instructions[0] == ["counter.add/1", SOLO, "b", 2]
    assert (proved.height, proved.sealed_height) == (3, 4)
    assert (proved.time_ms, proved.sealed_time_ms) == (LEDGER.time_ms - 1_000, LEDGER.time_ms)
    assert proved.genesis == counter_genesis()


@pytest.mark.parametrize("index", range(1, 6))
def test_every_transaction_of_a_block_has_a_receipt(index: int) -> None:
    raw = make(LEDGER, RAWS[index - 1], 3, index)
    assert verify_receipt(raw, GENESIS).identity == LEDGER.store.blocks[3].leaves[index].identity


def test_a_block_may_be_its_own_sealed_block() -> None:
    assert verify_receipt(make(LEDGER, RAWS[0], 3, 1, sealed=3), GENESIS).sealed_height == 3


def test_a_rejection_can_be_proved_too() -> None:
    ledger = counter_ledger()
    raw = ledger.transaction([Add(SOLO, "a", 1_000_001)], ALICE)
    ledger.run_block([raw])
    proved = verify_receipt(make(ledger, raw, 1, 1), GENESIS)
    assert proved.receipt.failure is not None
    assert proved.receipt.failure.code == "counter.above_limit"


def test_every_single_byte_matters() -> None:
    for position in range(len(RECEIPT)):
        for difference in (0x01, 0x80):
            forged = bytearray(RECEIPT)
            forged[position] ^= difference
            with pytest.raises(ReceiptInvalid):
                verify_receipt(bytes(forged), GENESIS)


@given(st.integers(0, len(RECEIPT) - 1), st.integers(1, 255))
def test_every_change_of_a_byte_is_refused(position: int, difference: int) -> None:
    forged = bytearray(RECEIPT)
    forged[position] ^= difference
    with pytest.raises(ReceiptInvalid):
        verify_receipt(bytes(forged), GENESIS)


@pytest.mark.parametrize("length", range(0, len(RECEIPT), 37))
def test_a_truncated_receipt_is_malformed(length: int) -> None:
    assert code(RECEIPT[:length]) == "receipt.malformed"


@pytest.mark.parametrize("tail", [b"\0", b"\xc0", RECEIPT])
def test_trailing_bytes_are_malformed(tail: bytes) -> None:
    assert code(RECEIPT + tail) == "receipt.malformed"


@given(st.binary(max_size=100))
def test_hostile_bytes_are_malformed(raw: bytes) -> None:
    assert code(raw) == "receipt.malformed"


def test_another_encoding_is_malformed() -> None:
    assert RECEIPT[:1] == b"\x9e"
    assert code(b"\xdc\x00\x0e" + RECEIPT[1:]) == "receipt.malformed"


@pytest.mark.parametrize("depth", [900, 970, 985, 2_000, 100_000])
@pytest.mark.parametrize("field", ["transaction", "receipt"])
def test_deep_nesting_is_no_other_exception(field: str, depth: int) -> None:
    bomb = b"\x91" * depth + b"\xc0"
    content = {"transaction": b"\x92" + bomb + b"\x90", "receipt": PARTS.receipt[:-1] + bomb}
    assert code(changed(**{field: content[field]})).startswith("receipt.")
    deep_body = encode([1, PARTS.network, b"", 5, bytes(16)])[1:]
    assert code(changed(transaction=b"\x92\x96" + deep_body + bomb + b"\x90")).startswith("receipt.")


def test_the_size_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finality, "MAX_RECEIPT_BYTES", len(RECEIPT))
    verify_receipt(RECEIPT, GENESIS)
    assert code(RECEIPT + b"\0") == "receipt.too_large"


def test_another_networks_valid_receipt_is_refused() -> None:
    other = counter_ledger(name="other")
    raw = other.transaction([Add(SOLO, "a", 1)], ALICE)
    other.run_block([raw])
    receipt = make(other, raw, 1, 1)
    verify_receipt(receipt, write_genesis(counter_genesis(name="other")))
    assert code(receipt) == "receipt.other_network"


@pytest.mark.parametrize("genesis", [b"", b"{}", GENESIS[:-3]])
def test_a_genesis_that_is_none_is_refused(genesis: bytes) -> None:
    assert code(RECEIPT, genesis) == "receipt.genesis_invalid"


def test_a_foreign_key_cannot_seal() -> None:
    assert code(changed(seal=seal_block(LEDGER, key=Key("thief")))) == "receipt.seal"


def test_a_seal_of_another_network_is_refused() -> None:
    block = LEDGER.store.blocks[-1]
    assert (
        code(changed(seal=seal_of(block.height, block.time_ms, block.app_hash, b"x" * 32))) == "receipt.seal"
    )


def test_a_seal_of_another_state_is_refused() -> None:
    assert code(changed(seal=seal_block(LEDGER, 2))) == "receipt.seal"


def test_a_newer_seal_may_replace_an_older_one() -> None:
    ledger, raws = busy()
    ledger.run_block()
    assert verify_receipt(make(ledger, raws[2], 3, 3), GENESIS).sealed_height == 5


@pytest.mark.parametrize(
    ("height", "after_ms", "good"), [(3, 0, True), (2, 0, False), (4, -1_001, False), (4, -1_000, True)]
)
def test_a_seal_older_than_the_block_is_refused(height: int, after_ms: int, good: bool) -> None:
    last = LEDGER.store.blocks[-1]
    raw = changed(seal=seal_of(height, last.time_ms + after_ms, last.app_hash, PARTS.network))
    if good:
        assert verify_receipt(raw, GENESIS).sealed_height == height
    else:
        assert code(raw) == "receipt.seal"


def forged_amount() -> tuple[bytes, bytes, Leaf]:
    """The transaction and the outcome with another amount, and the leaf that they would have."""
    body = bytes(msgspec.msgpack.decode(PARTS.transaction, type=RawTransaction).body)
    assert body.count(b"\xcd\x01\x2c") == 1
    body = body.replace(b"\xcd\x01\x2c", b"\xcd\x03\xe8")
    identity = transaction_id(body)
    raw = encode_transaction(body, (ALICE.signature(signing_message(identity)),))
    decoded = LEDGER.registry.receipt.decode(PARTS.receipt)
    outcome = encode(msgspec.structs.replace(decoded, identity=identity))
    return raw, outcome, Leaf(identity, b"", outcome)


def test_an_amount_changed_alone_is_refused() -> None:
    forged = PARTS.transaction.replace(b"\xcd\x01\x2c", b"\xcd\x03\xe8")
    assert code(changed(transaction=forged)) == "receipt.mismatch"


def test_an_amount_changed_and_signed_again_is_refused() -> None:
    raw, outcome, _ = forged_amount()
    assert code(changed(transaction=raw, receipt=outcome)) == "receipt.path"


def test_an_amount_changed_with_leaf_and_roots_recomputed_is_refused() -> None:
    raw, outcome, leaf = forged_amount()
    signatures = msgspec.msgpack.decode(raw, type=RawTransaction).signatures
    leaves = list(LEDGER.store.blocks[3].leaves)
    leaves[3] = leaf._replace(signatures=signatures_hash(signatures))
    record = msgspec.structs.replace(
        PARTS.block,
        transactions_root=transactions_root(tuple(leaves)),
        receipts_root=receipts_root(tuple(leaves)),
    )
    history = [block.record_hash for block in LEDGER.store.blocks if block.record_hash]
    history[1] = block_leaf_hash(record)
    forged = make_receipt(
        PARTS.network, raw, leaves, 3, record, proof_in(history, 1), PARTS.state_root, PARTS.seal
    )
    parts = FILE.decode(forged)
    assert (parts.receipt, parts.history_root) == (outcome, root_of(history))
    assert code(forged) == "receipt.seal"


def test_a_signature_that_does_not_verify_is_refused() -> None:
    body = bytes(msgspec.msgpack.decode(PARTS.transaction, type=RawTransaction).body)
    raw = encode_transaction(body, (Signature(ALICE.public, Key("bob").sign(b"")),))
    assert code(changed(transaction=raw)) == "receipt.signature"


def test_a_signature_taken_away_is_refused() -> None:
    body = bytes(msgspec.msgpack.decode(PARTS.transaction, type=RawTransaction).body)
    assert code(changed(transaction=encode_transaction(body, ()))) == "receipt.path"


@pytest.mark.parametrize(
    "changes",
    [
        {"leaf_index": 2}, {"leaf_index": 4}, {"leaf_index": 6}, {"history_index": 0}, {"history_index": 2},
        {"history_size": 2}, {"transaction_path": PARTS.transaction_path[:-1]},
        {"transaction_path": ()}, {"receipt_path": PARTS.transaction_path}, {"receipt_path": PARTS.receipt_path[1:]},
        {"history_path": ()}, {"history_path": (*PARTS.history_path, bytes(32))},
        {"block": msgspec.structs.replace(PARTS.block, height=2)},
        {"block": msgspec.structs.replace(PARTS.block, time_ms=5)},
        {"block": msgspec.structs.replace(PARTS.block, leaf_count=7)},
        {"block": msgspec.structs.replace(PARTS.block, leaf_count=5)},
        {"block": msgspec.structs.replace(PARTS.block, state_root=bytes(32))},
        {"history_root": bytes(32)},
    ],
)  # fmt: skip
def test_paths_and_places_must_fit(changes: dict[str, Any]) -> None:
    assert code(changed(**changes)) == "receipt.path"


@pytest.mark.parametrize(
    "changes", [{"state_root": bytes(32)}, {"history_size": 4}, {"seal": b""}, {"seal": PARTS.seal + b"\n"}]
)
def test_the_seal_must_fit(changes: dict[str, Any]) -> None:
    assert code(changed(**changes)) == "receipt.seal"


def test_another_number_of_leaves_with_the_same_path_is_refused() -> None:
    for count in range(1, 20):
        block = msgspec.structs.replace(PARTS.block, leaf_count=count)
        if count != PARTS.block.leaf_count:
            assert code(changed(block=block)) == "receipt.path"


def test_an_outcome_of_another_transaction_is_refused() -> None:
    assert code(changed(receipt=LEDGER.store.blocks[3].leaves[2].receipt)) == "receipt.mismatch"


def test_a_receipt_for_a_leaf_that_does_not_exist_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        make(LEDGER, RAWS[0], 3, 6)


def test_an_envelope_has_no_receipt_of_a_transaction() -> None:
    assert code(make(LEDGER, RAWS[0], 3, 0)) == "receipt.mismatch"


def test_a_due_item_has_no_receipt_of_a_transaction() -> None:
    ledger = counter_ledger()
    raw = ledger.transaction([AddLater(SOLO, "x", ledger.time_ms + 1_500)], ALICE)
    ledger.run_block([raw])
    ledger.run_block()
    assert len(ledger.store.blocks[2].leaves) == 1
    assert code(make(ledger, raw, 2, 0)) == "receipt.mismatch"


def test_a_receipt_is_small() -> None:
    assert len(RECEIPT) < 2_048


def test_the_app_hash_is_what_the_seal_vouches_for() -> None:
    block = LEDGER.store.blocks[-1]
    assert app_hash(PARTS.state_root, PARTS.history_root, PARTS.history_size) == block.app_hash
    assert isinstance(PARTS.block, BlockRecord)
    assert leaf_hash(PARTS.receipt) not in PARTS.receipt_path


def test_a_receipt_from_after_two_changes_of_validators_is_judged_by_the_founding_genesis() -> None:
    proved = verify_receipt(light_receipt(), DOCUMENT)
    assert (proved.height, proved.time_ms) == (HEIGHT, TIME_MS)
    assert (proved.sealed_height, proved.sealed_time_ms) == (HEIGHT, TIME_MS)
    assert (proved.sealing.handovers, proved.sealing.total_power) == (2, 40)
    assert proved.sealing.signers == ((Key("zoe").public, 30),)


@pytest.mark.parametrize(
    "seal",
    [
        b"", PARTS.seal, make_evidence(HANDOVERS[:1], last_header()), make_evidence((), last_header()),
        make_evidence(HANDOVERS, last_header(app_hash=bytes(32))), make_evidence(HANDOVERS, last_header(height=HEIGHT)),
        make_evidence(HANDOVERS, last_header(time=Moment(TIME_MS // 1_000 - 1, 0))),
    ],
)  # fmt: skip
def test_a_receipt_needs_the_evidence_for_its_block(seal: bytes) -> None:
    assert code(receipt_with(seal), DOCUMENT) == "receipt.seal"


def test_evidence_of_a_later_height_with_the_same_app_hash_is_enough() -> None:
    assert verify_receipt(light_receipt(height=90), DOCUMENT).sealed_height == 89
