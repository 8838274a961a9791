"""Makes a ledger file of a snapshot's pieces, each of which is verified before anything of it is believed.

The file is made beside the ledger that a node has and is worth nothing until ``finish`` has read all of it back and found
the state root: its last write is the format, without which no store opens it. What puts it in the place of the old one is
``swap``. Whoever made the snapshot, and whoever sent a piece, is taken for a stranger; only the app hash is believed.
"""

from contextlib import suppress
from os import PathLike, fspath
from typing import Final

import apsw

from traco.kernel.codec import ROOT, encode
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.merkle import leaf_hash, require, root_of
from traco.kernel.receipt import NO_SIGNATURES, block_leaf_hash
from traco.kernel.state import State
from traco.kernel.stateproof import HEAD_SLOT
from traco.kernel.statetree import InconsistentState, StateTree
from traco.kernel.transaction import transaction_leaf
from traco.storage.copying.form import (
    IDS_PIECE,
    LEAF_BYTES,
    MAX_PIECE_BYTES,
    STATE_PIECE,
    IdsBlock,
    IdsPiece,
    PieceRefused,
    SnapshotHead,
    SnapshotRefused,
    StatePiece,
    decode_head,
    piece_hash,
    terms_of,
)
from traco.storage.copying.ranges import history_root_of, range_root
from traco.storage.database import Base
from traco.storage.errors import halting
from traco.storage.rows import INSERT_BLOCK, decode_link, encode_link, first_empty_column
from traco.storage.schema import INHERITED_TABLE, JOINED_FORMAT, TABLES, TILE_SLOTS

_NOTHING: Final = encode(())


def verify_head(raw: bytes, genesis: bytes, trusted_app_hash: bytes, ledger: bytes = ROOT) -> SnapshotHead:
    """The head of a snapshot of a ledger of this network that has this app hash. Raises ``SnapshotRefused``.

    A channel was founded at a time of its own: whoever restores one compares the head's time with that of the point.
    """
    head = decode_head(raw)
    founding = parse_genesis(genesis)
    if (head.network, head.ledger) != (network_id(founding), ledger):
        raise SnapshotRefused("snapshot.other_network", f"it is of network {head.network.hex()}")
    if head.app_hash() != trusted_app_hash:
        raise SnapshotRefused("snapshot.other_state", f"block {head.height} has another app hash")
    if ledger == ROOT and not head.history_size and head.time_ms != founding.time_ms:
        raise SnapshotRefused("snapshot.malformed", "its time is not that of the founding")
    return head


class Restoring:
    """A ledger file in the making. Methods raise ``StorageHalt`` where the medium fails; then begin anew."""

    def __init__(
        self, path: str | PathLike[str], head: SnapshotHead, genesis: bytes, *, vfs: str | None = None
    ) -> None:
        """``head`` comes from ``verify_head``; ``path`` names a new file."""
        self.path = fspath(path)
        self.head = head
        self._root = head.history().root()
        self._missing = set(range(len(head.piece_hashes)))
        with halting(self.path):
            self._connection = apsw.Connection(self.path, vfs=vfs)
            try:
                self._begin(genesis)
            except BaseException:
                self._connection.close(True)
                raise

    def _begin(self, genesis: bytes) -> None:
        # Until the end nothing in the file is worth keeping over a crash.
        self._connection.pragma("journal_mode", "off")
        self._connection.pragma("synchronous", "off")
        self._connection.execute(TABLES)
        self._connection.execute(INHERITED_TABLE)
        sql = self._connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'state_by_key'").get
        self._index = str(sql)
        self._connection.execute("DROP INDEX state_by_key")  # made at the end, in order
        head, history = self.head, self.head.history()
        meta = {"network": head.network, "ledger": head.ledger, "genesis": genesis}
        self._connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        block = (
            head.height, head.time_ms, head.protocol, head.app_hash(), head.state_root, self._root, head.history_size,
            None, None, _NOTHING, _NOTHING, _NOTHING, _NOTHING,
        )  # fmt: skip
        self._connection.execute(INSERT_BLOCK, block)
        self._connection.execute(
            "INSERT INTO head VALUES (1, ?, ?, ?, ?)",
            (head.height, head.slot_count, first_empty_column(head.first_empty), encode(history.encode())),
        )

    @property
    def missing(self) -> frozenset[int]:
        """The pieces that have not come yet."""
        return frozenset(self._missing)

    def add(self, index: int, raw: bytes) -> None:
        """Take a piece, in any order; one that is there already changes nothing.

        Raises ``PieceRefused`` for the sender's fault, ``SnapshotRefused`` for that of whoever made the snapshot.
        """
        hashes = self.head.piece_hashes
        if not 0 <= index < len(hashes) or len(raw) > MAX_PIECE_BYTES or piece_hash(raw) != hashes[index]:
            raise PieceRefused(index)
        if index not in self._missing:
            return
        states = len(self.head.state_starts)
        try:
            if index < states:
                self._add_state(STATE_PIECE.decode(raw), *self.head.state_range(index))
            else:
                self._add_ids(IDS_PIECE.decode(raw), *self.head.id_range(index - states))
        except ValueError as error:  # of decoding, or of a proof
            raise SnapshotRefused(
                "snapshot.untrue",
                f"piece {index} is as it was made, and does not show what it claims: {error}",
            ) from None
        self._missing.discard(index)

    def _add_state(self, piece: StatePiece, first: int, stop: int) -> None:
        require((piece.first, piece.first + len(piece.slots)) == (first, stop), "it has other slots")
        head = self.head
        root = range_root(head.slot_count, head.first_empty, first, piece.slots, piece.proof)
        require(root == head.state_root, "its slots do not lead to the state root")
        rows = [
            (slot, None, encode_link(content)) if isinstance(content, int) else (slot, content[0], content[2])
            for slot, content in enumerate(piece.slots, first)
            if slot != HEAD_SLOT
        ]
        with halting(self.path), self._connection:
            self._connection.executemany("INSERT INTO state VALUES (?, ?, ?)", rows)

    def _add_ids(self, piece: IdsPiece, first: int, stop: int) -> None:
        require((piece.first, piece.first + len(piece.blocks)) == (first, stop), "it has other block records")
        records = [block_leaf_hash(block.record) for block in piece.blocks]
        root = history_root_of(self.head.history_size, first, records, piece.before, piece.after)
        require(root == self._root, "its block records do not lead to the history root")
        if first == self.head.id_starts[0] and first > 0:
            oldest = piece.blocks[0].record.time_ms
            require(
                oldest + self.head.window_ms <= self.head.time_ms, "block records of the window are missing"
            )
        if stop == self.head.history_size:
            require(
                piece.blocks[-1].record.time_ms == self.head.time_ms,
                "its time is not that of the last block record",
            )
        inherited = [(block.record.time_ms + self.head.window_ms, _used_ids(block)) for block in piece.blocks]
        rows = [(until_ms, ids) for until_ms, ids in inherited if ids and until_ms > self.head.time_ms]
        with halting(self.path), self._connection:
            self._connection.executemany("INSERT INTO inherited VALUES (?, ?)", rows)

    def finish(self) -> None:
        """Read everything back, find the roots once more, and make the file durable.

        Raises ``SnapshotRefused``, ``RuntimeError`` where pieces are missing.
        """
        if self._missing:
            raise RuntimeError(f"pieces {sorted(self._missing)} are missing")
        with halting(self.path):
            tree = self._tree()
            self._require_state(State(tree))
            with self._connection:
                self._connection.execute(self._index)
                self._connection.executemany(
                    "INSERT INTO leaf_tile VALUES (?, ?)",
                    (
                        (start // TILE_SLOTS, tree.leaf_hashes(start, start + TILE_SLOTS))
                        for start in range(0, tree.slot_count, TILE_SLOTS)
                    ),
                )
            del tree
            self._connection.pragma("journal_mode", "delete")
            self._connection.pragma("synchronous", "extra")  # the journal is gone for good, too
            # Two transactions, each of which syncs the file: the second makes a store of what the first took to the disk.
            history = self.head.history()
            base = Base(self.head.height, history.size, history.encode())
            for row in (("base", encode(base)), ("format", JOINED_FORMAT.to_bytes(1, "big"))):
                self._connection.execute("INSERT INTO meta VALUES (?, ?)", row)
            self._connection.close()

    def _tree(self) -> StateTree:
        """The tree over what the file has, hashed from nothing else."""
        slot_count = self.head.slot_count
        keys, values, links = [b""] * slot_count, [b""] * slot_count, {}
        for slot, key, value in self._connection.execute("SELECT slot, key, value FROM state"):
            if key is None:
                links[slot] = decode_link(value)
            else:
                keys[slot], values[slot] = key, value
        try:
            tree = StateTree.restore_slots(keys, values, self.head.first_empty, links)
        except InconsistentState as error:
            raise SnapshotRefused("snapshot.untrue", f"its state cannot have been: {error}") from None
        if tree.root() != self.head.state_root:
            raise SnapshotRefused("snapshot.untrue", "its slots do not have the state root")
        return tree

    def _require_state(self, state: State) -> None:
        """Protocol and window are in the state: a head that says otherwise would bring too few ids."""
        if terms_of(state) != (self.head.protocol, self.head.window_ms):
            raise SnapshotRefused("snapshot.untrue", "its protocol or its window is not that of its state")

    def discard(self) -> None:
        """Give up; the file is worth nothing then. Once is enough."""
        with suppress(apsw.Error):
            self._connection.close(True)


def _used_ids(block: IdsBlock) -> bytes:
    """The ids that the block used up, joined. Raises ``ProofInvalid`` where they are not those of its record."""
    record, raw = block.record, block.leaves
    require(len(raw) == record.leaf_count * LEAF_BYTES, "a block record has another number of leaves")
    leaves = [(raw[at : at + 32], raw[at + 32 : at + LEAF_BYTES]) for at in range(0, len(raw), LEAF_BYTES)]
    root = root_of([leaf_hash(transaction_leaf(*leaf)) for leaf in leaves])
    require(root == record.transactions_root, "ids are not those of their block record")
    return b"".join([identity for identity, signatures in leaves if signatures != NO_SIGNATURES])
