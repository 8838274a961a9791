"""Receipts under a seal of the tests' network, made from any bytes: what a verifier says then depends on those bytes alone."""

import base64
from typing import Any, Final

from support.counters import ALICE, counter_genesis
from support.ledger import START_MS, Key
from traco.kernel.codec import encode
from traco.kernel.finality import HistoryProof, make_receipt
from traco.kernel.genesis import network_id, write_genesis
from traco.kernel.merkle import inclusion_path, root_of
from traco.kernel.receipt import (
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
from traco.kernel.transaction import Body, Signature, signatures_hash, signing_message, transaction_id

SEAL: Final = Key("seal")
GENESIS: Final = write_genesis(counter_genesis())
NETWORK: Final = network_id(counter_genesis())
SALT: Final = bytes(range(16))
HEIGHT: Final = 70_000
TIME_MS: Final = START_MS + 5_000


def body_of(instructions: bytes = b"\x90", network: bytes = NETWORK) -> bytes:
    """The bytes of a body whose array of instructions is given as bytes, in whatever form."""
    return encode(Body(network, b"", TIME_MS + 60_000, SALT, ()))[:-1] + instructions


def outcome_of(body: bytes, events: bytes = b"\x90", failure: bytes = b"\xc0") -> bytes:
    """The bytes of the outcome of a body, its failure and its array of events given as bytes."""
    return encode(Receipt(transaction_id(body), None, ()))[:-2] + failure + events


def signed(body: bytes, *keys: Any) -> tuple[Signature, ...]:
    """The signatures of keys over a body, in the order of the keys."""
    message = signing_message(transaction_id(body))
    ordered = sorted(keys, key=lambda key: bytes(key.public_key))
    return tuple(Signature(key.public_key, key.sign(message)) for key in ordered)


def sealed(
    body: bytes, outcome: bytes, signatures: tuple[Signature, ...] | None = None, *, index: int = 1, count: int = 3,
    blocks: int = 3, later_blocks: int = 9, later_ms: int = 1_000, key: Key = SEAL, network: bytes = NETWORK,
) -> bytes:  # fmt: skip
    """A receipt for the ``index``-th of ``count`` leaves of the second of ``blocks`` blocks."""
    given = signed(body, SigningKey(ALICE)) if signatures is None else signatures
    others = [Leaf(bytes([number]) * 32, bytes(32), b"other %d" % number) for number in range(count)]
    leaves = [
        *others[:index],
        Leaf(transaction_id(body), signatures_hash(given), outcome),
        *others[index + 1 :],
    ]
    record = BlockRecord(
        HEIGHT, TIME_MS, transactions_root(tuple(leaves)), receipts_root(tuple(leaves)), b"s" * 32, count
    )
    history = [block_leaf_hash(record) if number == 1 else bytes([number]) * 32 for number in range(blocks)]
    hashed = app_hash(b"t" * 32, root_of(history), blocks)
    seal = note(Checkpoint(HEIGHT + later_blocks, TIME_MS + later_ms, hashed), key, network)
    proof = HistoryProof(1, blocks, inclusion_path(history, 1), root_of(history))
    raw = encode_transaction(body, given)
    return make_receipt(network, raw, leaves, index, record, proof, b"t" * 32, seal)


def note(checkpoint: Checkpoint, key: Key = SEAL, network: bytes = NETWORK) -> bytes:
    """A seal, valid for its key."""
    return checkpoint_note(checkpoint, network, key.public, key.sign(checkpoint_text(checkpoint, network)))


class SigningKey:
    """A key of the tests as a signer."""

    def __init__(self, key: Key) -> None:
        self.public_key = key.public
        self.sign = key.sign


def as_base64(raw: bytes) -> str:
    """Text that JSON can carry."""
    return base64.b64encode(raw).decode()
