"""The quick verification of a stored ledger: everything that follows from what is stored, without executing it again.

    pages            SQLite's own check of every page, index and constraint
    blocks           heights without a gap; time never goes back; each app hash is that of its roots
    leaves           the trees of each block over its stored leaves; its record in the history log, root by root
    envelopes        ids and signature hashes of envelopes and transactions are those in the leaves; used ids too
    state            every leaf of the state tree hashed again from its row; the root is that of the last block
    checkpoint       where there is one: sealed by the key in the genesis, for exactly this last block

What it does not do: check signatures, and whether the rules give these outcomes. For both there is the full verification,
which executes everything again (``audit``). Nor can any check of a copy alone show that it is not too old.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw
import msgspec

from traco.kernel import seal as seals
from traco.kernel.codec import Codec, Record, TimeMs
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import (
    NO_SIGNATURES,
    Leaf,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)
from traco.kernel.seal import Checkpoint, SealInvalid
from traco.kernel.stateproof import HEAD_SLOT
from traco.kernel.statetree import StateTree
from traco.kernel.transaction import (
    Envelope,
    RawTransaction,
    envelope_id,
    signatures_hash,
    transaction_id,
)
from traco.node.copies import CopyProgress, CopyRefused, Report, say_nothing
from traco.storage import StoredBlock, check_pages
from traco.storage.database import Base, open_reader, read_base, read_meta, require_network
from traco.storage.errors import halting
from traco.storage.loading import Head, read_deltas, read_head, read_tree
from traco.storage.rows import BLOCK_COLUMNS, stored_block

_REPORT_EVERY: Final = 64

_ENVELOPE: Final[Codec[Envelope]] = Codec(Envelope)
_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)


class _Validity(Record, frozen=True, tag=1):
    """The body of a transaction, of which only its end matters here."""

    network: msgspec.Raw
    ledger: msgspec.Raw
    valid_until: TimeMs
    salt: msgspec.Raw
    instructions: msgspec.Raw


_VALIDITY: Final = msgspec.msgpack.Decoder(_Validity)


class Verification(NamedTuple):
    """What was found sound: where the ledger stands, and how much was looked at."""

    height: int
    time_ms: int
    app_hash: bytes
    transactions: int
    keys: int


def verify_quickly(path: Path, genesis: bytes, report: Report = say_nothing) -> Verification:
    """Verify the ledger at ``path``, which nobody writes to. Raises ``CopyRefused`` (``ledger.unsound``), ``StorageHalt``."""
    name, network = str(path), network_id(parse_genesis(genesis))
    report(CopyProgress("pages", 0, 1))
    check_pages(path)
    report(CopyProgress("pages", 1, 1))
    with halting(name), closing(open_reader(name, None)) as connection:
        connection.execute("BEGIN")
        meta = read_meta(connection, name)
        require_network(meta, name, network, b"")
        _require(
            network_id(parse_genesis(meta["genesis"])) == network, "the stored genesis is another one", 0
        )
        head = read_head(connection)
        transactions, state_root = _verify_blocks(connection, head, read_base(meta), report)
        keys = _verify_state(connection, head, state_root, report)
        connection.execute("ROLLBACK")
    return Verification(head.height, head.time_ms, head.app_hash, transactions, keys)


def verify_seal(seal: bytes, genesis: bytes) -> Checkpoint:
    """What a seal of the kind that the genesis names vouches for. Raises ``CopyRefused`` (``backup.seal_invalid``)."""
    try:
        return seals.verify_seal(seal, parse_genesis(genesis))
    except SealInvalid as error:
        raise CopyRefused(
            "backup.seal_invalid", f"the seal of the backup does not hold: {error.code}"
        ) from None


def vouches_for(sealed: Checkpoint, block: Checkpoint, genesis: bytes) -> bool:
    """Whether a verified seal is one over this block.

    A checkpoint has the time of its block. Evidence has that of the header after the block, which is not before it.
    """
    if parse_genesis(genesis).seal.kind == "checkpoint":
        return sealed == block
    same_block = (sealed.height, sealed.app_hash) == (block.height, block.app_hash)
    return same_block and sealed.time_ms >= block.time_ms


def _verify_blocks(connection: apsw.Connection, head: Head, base: Base, report: Report) -> tuple[int, bytes]:
    """Every block in order, from the founding or the snapshot that the store was made of.

    How many transactions there are, and the state root of the last block.
    """
    history = Frontier.decode(base.size, base.frontier)
    transactions, expected, previous_ms = 0, base.height, 0
    block: StoredBlock | None = None
    for block in _blocks(connection):
        height = block.height
        _require(height == expected, f"block {expected} is missing", height)
        _require(block.time_ms >= previous_ms, "its time is before that of its predecessor", height)
        _verify_record(connection, block, history)
        _require(block.history_root == history.root(), "the root of the history log differs", height)
        _require(block.history_size == history.size, "the size of the history log differs", height)
        committed = app_hash(block.state_root, block.history_root, block.history_size)
        _require(block.app_hash == committed, "its app hash is not that of its roots", height)
        transactions += _verify_envelopes(block)
        expected, previous_ms = height + 1, block.time_ms
        if height % _REPORT_EVERY == 0 or height == head.height:
            report(CopyProgress("blocks", height, head.height))
    if block is None or block.height != head.height:
        raise _unsound("the last block is missing", head.height)
    _require(
        connection.execute("SELECT count(*) FROM history").get == history.size - base.size,
        "history rows",
        head.height,
    )
    return transactions, block.state_root


def _blocks(connection: apsw.Connection) -> Iterator[StoredBlock]:
    for row in connection.execute(f"SELECT {BLOCK_COLUMNS} FROM blocks ORDER BY height"):  # noqa: S608 -- constants
        yield stored_block(row)


def _verify_record(connection: apsw.Connection, block: StoredBlock, history: Frontier) -> None:
    """The block's record says what its leaves hash to, and stands in the history log."""
    record = block.record
    _require((record is None) == (not block.leaves), "leaves and record do not belong together", block.height)
    if record is None:
        return
    roots = transactions_root(block.leaves), receipts_root(block.leaves), block.state_root, len(block.leaves)
    stated = record.transactions_root, record.receipts_root, record.state_root, record.leaf_count
    _require(roots == stated, "its leaves do not hash to the roots in its record", block.height)
    _require((record.height, record.time_ms) == (block.height, block.time_ms), "height or time", block.height)
    record_hash = block_leaf_hash(record)
    row = connection.execute("SELECT record_hash FROM history WHERE position = ?", (history.size,)).get
    _require(row == record_hash, "its record is not in the history log", block.height)
    history.append(record_hash)


def _verify_envelopes(block: StoredBlock) -> int:
    """What was ordered is what the leaves speak of, in order; what was used up is what was executed."""
    refused = {(refusal.envelope, refusal.transaction) for refusal in block.refusals}
    leaves: list[tuple[bytes, bytes]] = []
    used: list[tuple[bytes, int]] = []
    transactions = 0
    for number, raw in enumerate(block.envelopes):
        if (number, -1) in refused:
            continue
        envelope = _ENVELOPE.decode(raw)
        identity = envelope_id(envelope.body)
        leaves.append((identity, signatures_hash((envelope.signature,))))
        used.append((identity, envelope.body.valid_until))
        for position, encoded in enumerate(envelope.body.transactions):
            if (number, position) not in refused:
                transaction = _RAW.decode(encoded)
                identity = transaction_id(bytes(transaction.body))
                leaves.append((identity, signatures_hash(transaction.signatures)))
                used.append((identity, _VALIDITY.decode(transaction.body).valid_until))
                transactions += 1
    signed = [(leaf.identity, leaf.signatures) for leaf in block.leaves if _is_signed(leaf)]
    _require(signed == leaves, "its envelopes are not those that its leaves speak of", block.height)
    _require(list(block.used) == used, "the ids that it used up differ", block.height)
    return transactions


def _is_signed(leaf: Leaf) -> bool:
    return leaf.signatures != NO_SIGNATURES


def _verify_state(connection: apsw.Connection, head: Head, state_root: bytes, report: Report) -> int:
    """Hash every leaf again from its row: what is stored as leaf hashes and what the last block commits to must come out."""
    report(CopyProgress("state", 0, 1))
    stored = read_tree(connection, head, [delta for _, delta in read_deltas(connection)])
    _require(stored.root() == state_root, "the stored leaf hashes do not give the state root", head.height)
    links: dict[int, int] = {}
    rows: list[Any] = []
    for slot in range(1, stored.slot_count):
        content = stored.content(slot)
        if content.next_empty is None:
            rows.append(content[:3])
        else:
            links[slot] = content.next_empty
    again = StateTree.restore(rows, stored.slot_count, stored.first_empty, links)
    _require(again.root() == state_root, "the stored state does not give the state root", head.height)
    hashes = [tree.leaf_hashes(HEAD_SLOT, stored.slot_count) for tree in (stored, again)]
    _require(hashes[0] == hashes[1], "a stored leaf hash is not that of its row", head.height)
    report(CopyProgress("state", 1, 1))
    return len(again)


def _require(holds: bool, what: str, height: int) -> None:
    if not holds:
        raise _unsound(what, height)


def _unsound(what: str, height: int) -> CopyRefused:
    return CopyRefused(
        "ledger.unsound",
        f"the ledger is not what was committed: block {height}: {what}; take another backup and find out who changed it",
    )
