"""Blocks and deltas as the bytes of their rows, and back."""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import msgspec

from traco.kernel.codec import Record, encode
from traco.kernel.merkle import HASH_BYTES
from traco.kernel.receipt import NO_SIGNATURES, BlockRecord, Leaf
from traco.kernel.stateproof import END_OF_CHAIN
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, Refusal
from traco.storage.schema import PREFIX_BYTES

LINK_BYTES: Final = 8
SLOT_DIGITS: Final = 12
"""Where the slot ends in a packed row."""

_RECEIPT_ID: Final = slice(4, 4 + HASH_BYTES)
"""Where an encoded receipt has the id that it is of: behind array, version and length."""

BLOCK_COLUMNS: Final = (
    "height, time_ms, protocol, app_hash, state_root, history_root, history_size, used_until, record, used, refusals,"
    " leaves, envelopes"
)
INSERT_BLOCK: Final = f"INSERT INTO blocks ({BLOCK_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


class StoredBlock(NamedTuple):
    """A committed block as the store gives it back: as committed, without what it did to the state."""

    height: int
    time_ms: int
    protocol: int
    app_hash: bytes
    state_root: bytes
    history_root: bytes
    history_size: int
    record: BlockRecord | None
    envelopes: tuple[bytes, ...]
    leaves: tuple[Leaf, ...]
    refusals: tuple[Refusal, ...]
    used: tuple[tuple[bytes, int], ...]


class Delta(Record, frozen=True, tag=1):
    """What a block changed: per slot, ascending, its content afterwards; and the ids that it gave leaves to.

    ``rows`` and ``leaf_hashes`` (32 bytes each, joined) are by slot. ``deleted`` are the keys that have no slot now.
    """

    rows: tuple[bytes, ...]
    leaf_hashes: bytes
    deleted: tuple[bytes, ...]
    id_prefixes: bytes


class SlotRow(NamedTuple):
    """The content of a slot. An empty slot has no key and as value the next empty slot; the head has neither."""

    slot: int
    key: bytes
    value: bytes


decode_record: Final = msgspec.msgpack.Decoder(BlockRecord).decode
_leaves: Final = msgspec.msgpack.Decoder(tuple[Leaf, ...])
_refusals: Final = msgspec.msgpack.Decoder(tuple[Refusal, ...])
_envelopes: Final = msgspec.msgpack.Decoder(tuple[bytes, ...])
_used: Final = msgspec.msgpack.Decoder(tuple[tuple[int | bytes, int], ...])
decode_delta: Final = msgspec.msgpack.Decoder(Delta).decode


def block_row(block: CommittedBlock) -> tuple[Any, ...]:
    """The columns of a block, in the order of ``BLOCK_COLUMNS``."""
    return (
        block.height,
        block.time_ms,
        block.protocol,
        block.app_hash,
        block.state_root,
        block.history_root,
        block.history_size,
        max((valid_until for _, valid_until in block.used), default=None),
        None if block.record is None else encode(block.record),
        encode_used(block),
        encode(block.refusals),
        encode_leaves(block.leaves),
        encode(block.envelopes),
    )


def stored_block(row: tuple[Any, ...]) -> StoredBlock:
    """The block of a row with the columns ``BLOCK_COLUMNS``. Raises ``msgspec.DecodeError``."""
    (
        height,
        time_ms,
        protocol,
        app_hash,
        state_root,
        history_root,
        size,
        _,
        record,
        used,
        refusals,
        leaves,
        envelopes,
    ) = row
    found = decode_leaves(leaves)
    return StoredBlock(
        height, time_ms, protocol, app_hash, state_root, history_root, size,
        None if record is None else decode_record(record), _envelopes.decode(envelopes), found,
        _refusals.decode(refusals), tuple(decode_used(used, time_ms, found)),
    )  # fmt: skip


def encode_leaves(leaves: Iterable[Leaf]) -> bytes:
    """The leaves, with an empty string for an id that the receipt has too and for the signatures of nobody."""
    return encode(
        [
            (
                b"" if receipt[_RECEIPT_ID] == identity else identity,
                b"" if signatures == NO_SIGNATURES else signatures,
                receipt,
            )
            for identity, signatures, receipt in leaves
        ]
    )


def decode_leaves(raw: bytes) -> tuple[Leaf, ...]:
    """The leaves of ``encode_leaves``."""
    return tuple(
        [
            Leaf(identity or receipt[_RECEIPT_ID], signatures or NO_SIGNATURES, receipt)
            for identity, signatures, receipt in _leaves.decode(raw)
        ]
    )


def encode_used(block: CommittedBlock) -> bytes:
    """The used ids in order: the leaf that has the id (or the id itself), and how long after the block it is valid."""
    positions = {leaf.identity: index for index, leaf in enumerate(block.leaves)}
    return encode(
        [
            (positions.get(identity, identity), valid_until - block.time_ms)
            for identity, valid_until in block.used
        ]
    )


def decode_used(raw: bytes, time_ms: int, leaves: tuple[Leaf, ...]) -> list[tuple[bytes, int]]:
    """The used ids of ``encode_used``. Raises ``msgspec.ValidationError`` where they do not fit the leaves."""
    used = []
    for where, ahead in _used.decode(raw):
        if isinstance(where, bytes):
            used.append((where, time_ms + ahead))
        elif 0 <= where < len(leaves):
            used.append((leaves[where].identity, time_ms + ahead))
        else:
            raise msgspec.ValidationError(f"a used id is that of leaf {where} among {len(leaves)}")
    return used


def pack_row(slot: int, key: bytes, value: bytes) -> bytes:
    """A slot's content in one string that SQL can take apart: decimal slot and length of the key, key, value."""
    return b"%012d%03d%b%b" % (slot, len(key), key, value)


def unpack_row(row: bytes) -> SlotRow:
    """The content of a slot from ``pack_row``. Raises ``ValueError``."""
    return SlotRow(int(row[:SLOT_DIGITS]), *unpack_content(row))


def unpack_content(row: bytes) -> tuple[bytes, bytes]:
    """Key and value from ``pack_row``, without the slot. Raises ``ValueError``."""
    end = 15 + int(row[SLOT_DIGITS:15])
    return row[15:end], row[end:]


def delta_of(block: CommittedBlock, tree: StateTree) -> Delta:
    """What a block changed; the tree has its changes applied."""
    rows = [
        pack_row(slot, key, value if next_empty is None else encode_link(next_empty))
        for slot, key, value, next_empty in tree.contents(block.touched)
    ]
    deleted = sorted([key for key, value in block.changes.items() if value is None])
    return Delta(tuple(rows), tree.leaf_hashes_at(block.touched), tuple(deleted), id_prefixes(block))


def id_prefixes(block: CommittedBlock) -> bytes:
    """The beginnings of the ids of a block's leaves, in order."""
    return b"".join([leaf.identity[:PREFIX_BYTES] for leaf in block.leaves])


def encode_link(next_empty: int) -> bytes:
    """A link of the chain of empty slots."""
    return next_empty.to_bytes(LINK_BYTES, "big")


def decode_link(value: bytes) -> int:
    """The slot of ``encode_link``, ``END_OF_CHAIN`` at the end."""
    return int.from_bytes(value, "big")


def first_empty_column(first_empty: int) -> int | None:
    """The first empty slot as SQLite can hold it."""
    return None if first_empty == END_OF_CHAIN else first_empty


def index_entry(prefix: bytes, height: int, leaf: int) -> bytes:
    """A row of the transaction index: prefix, height (5 bytes), leaf (3 bytes)."""
    return prefix + height.to_bytes(5, "big") + leaf.to_bytes(3, "big")


def index_entries(id_prefixes: bytes, height: int) -> list[bytes]:
    """The rows of the transaction index for the leaves of a block."""
    starts = range(0, len(id_prefixes), PREFIX_BYTES)
    return [
        index_entry(id_prefixes[start : start + PREFIX_BYTES], height, leaf)
        for leaf, start in enumerate(starts)
    ]


def entry_location(entry: bytes) -> tuple[int, int]:
    """Height and leaf of a row of the transaction index."""
    return int.from_bytes(entry[PREFIX_BYTES : PREFIX_BYTES + 5], "big"), int.from_bytes(
        entry[PREFIX_BYTES + 5 :], "big"
    )
