"""Finality receipts of a ledger in memory, sealed by checkpoints."""

from support.ledger import Key, Ledger
from traco.kernel.finality import HistoryProof, make_receipt
from traco.kernel.merkle import inclusion_path, root_of
from traco.kernel.seal import Checkpoint, checkpoint_note, checkpoint_text

SEAL = Key("seal")
"""The key that the genesis of test ledgers names."""


def seal_of(height: int, time_ms: int, hashed: bytes, network: bytes, key: Key = SEAL) -> bytes:
    """A checkpoint of this height, time and app hash."""
    checkpoint = Checkpoint(height, time_ms, hashed)
    return checkpoint_note(checkpoint, network, key.public, key.sign(checkpoint_text(checkpoint, network)))


def seal_block(ledger: Ledger, height: int = -1, key: Key = SEAL) -> bytes:
    """The checkpoint of a block."""
    block = ledger.store.blocks[height]
    return seal_of(block.height, block.time_ms, block.app_hash, ledger.application.network, key)


def proof_in(history: list[bytes], index: int) -> HistoryProof:
    """The proof of one record in a history."""
    return HistoryProof(index, len(history), inclusion_path(history, index), root_of(history))


def make(ledger: Ledger, raw: bytes, height: int, index: int, sealed: int = -1) -> bytes:
    """The finality receipt of the transaction at a leaf of a block."""
    blocks = ledger.store.blocks[: ledger.store.blocks[sealed].height + 1]
    history = [block.record_hash for block in blocks if block.record_hash]
    block = ledger.store.blocks[height]
    assert block.record is not None
    return make_receipt(
        ledger.application.network, raw, block.leaves, index, block.record, proof_in(history, history.index(block.record_hash)),
        blocks[-1].state_root, seal_block(ledger, sealed),
    )  # fmt: skip
