"""Receipts of transactions and records of blocks: what the two trees of a block and the history log commit to."""

from typing import Any, Final, NamedTuple

from traco.kernel.codec import Count, Hash, Height, Record, TimeMs, digest, encode
from traco.kernel.errors import Failure
from traco.kernel.merkle import leaf_hash, root_of
from traco.kernel.transaction import transaction_leaf

BLOCK_TAG: Final = b"traco/block/1"
APP_TAG: Final = b"traco/app/1"


class Receipt(Record, frozen=True, tag=1):
    """What became of one transaction, envelope or due item: ``failure`` is None on success."""

    identity: Hash
    failure: Failure | None
    events: tuple[Any, ...]


class BlockRecord(Record, frozen=True, tag=1):
    """The record of a block that has at least one transaction leaf: one leaf of the history log."""

    height: Height
    time_ms: TimeMs
    transactions_root: Hash
    receipts_root: Hash
    state_root: Hash
    leaf_count: Count  # the roots alone do not commit to it


class Leaf(NamedTuple):
    """One position of a block: the same index in the transactions tree and in the receipts tree."""

    identity: bytes
    signatures: bytes  # hash of the signatures; 32 zero bytes where nobody signs (due items)
    receipt: bytes  # encoded Receipt


NO_SIGNATURES: Final = bytes(32)


def transactions_root(leaves: tuple[Leaf, ...]) -> bytes:
    """The root of the transactions tree over the leaves of a block."""
    return root_of([leaf_hash(transaction_leaf(leaf.identity, leaf.signatures)) for leaf in leaves])


def receipts_root(leaves: tuple[Leaf, ...]) -> bytes:
    """The root of the receipts tree over the leaves of a block."""
    return root_of([leaf_hash(leaf.receipt) for leaf in leaves])


def block_leaf_hash(record: BlockRecord) -> bytes:
    """The leaf hash of a block record in the history log."""
    return leaf_hash(BLOCK_TAG + b"\0" + encode(record))


def app_hash(state_root: bytes, history_root: bytes, history_size: int) -> bytes:
    """The hash that an engine agrees on. Constant over blocks that change nothing."""
    return digest(APP_TAG, state_root, history_root, history_size.to_bytes(8, "big"))
