"""Snapshots as the engine asks for them: those of this node for nodes that join, and one of others for this node.

The pieces are those of `traco-snapshot/1` (``storage.copying``), and one more behind them: evidence for the snapshot's
height, with the handovers of validators since the founding that this node's receipts will need. It is no part of the hash,
because nodes have different signatures for the same header; it verifies on its own.

A peer that lies is named to the engine, which asks it no more; a snapshot whose head lies is dropped for another one.
"""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from traco.engine.cometbft.abci.messages import ApplyResult, OfferResult, ResponseApplySnapshotChunk, Snapshot
from traco.kernel.errors import LedgerError
from traco.kernel.light import LightInvalid
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.storage.copying.form import (
    FORMAT,
    PieceRefused,
    SnapshotHead,
    SnapshotRefused,
    decode_head,
    snapshot_hash,
)
from traco.storage.copying.restoring import Restoring, verify_head
from traco.storage.copying.shelf import HEAD_FILE, Shelf, piece_file

RESTORING_FOLDER: Final = "restoring"
RESTORED_FILE: Final = "ledger.db"
PIECES_FOLDER: Final = "pieces"
HEADERS_BEHIND: Final = 2
"""A snapshot can be restored once the engine has so many headers behind its height."""

log = logging.getLogger("traco.snapshots")

Adopt = Callable[[Path], Awaitable[None]]
"""Puts the ledger file at a path in the place of the node's, and has the application go on from it."""


class Witness(Protocol):
    """Evidence for app hashes, judged by the founding validators."""

    async def evidence(self, height: int) -> bytes:
        """The evidence for the app hash after block ``height``. Raises ``LedgerError``."""

    def verify(self, evidence: bytes, height: int, app_hash: bytes) -> None:
        """Whether it proves this app hash. Raises ``LightInvalid``."""

    def adopt(self, evidence: bytes) -> None:
        """Keep the handovers in evidence that was verified."""


class _Joining:
    """A snapshot of others on its way."""

    def __init__(self, folder: Path, raw: bytes, head: SnapshotHead, app_hash: bytes, genesis: bytes) -> None:
        self.folder, self.head, self.app_hash = folder, head, app_hash
        self.pieces = folder / PIECES_FOLDER
        self.pieces.mkdir(parents=True, mode=0o700)
        (self.pieces / HEAD_FILE).write_bytes(raw)
        self.path = folder / RESTORED_FILE
        self.restoring = Restoring(self.path, head, genesis)
        self.evidence = b""

    @property
    def is_complete(self) -> bool:
        return bool(self.evidence) and not self.restoring.missing

    def take(self, index: int, chunk: bytes) -> None:
        """Raises ``PieceRefused``, ``SnapshotRefused``, ``StorageHalt``, ``OSError``."""
        self.restoring.add(index, chunk)
        (self.pieces / piece_file(index)).write_bytes(chunk)

    def discard(self) -> None:
        self.restoring.discard()
        shutil.rmtree(self.folder, ignore_errors=True)


class NodeSnapshots:
    """The snapshots of one node (see ``abci.ports.Snapshots``)."""

    def __init__(
        self, shelf: Shelf, genesis: bytes, height: Callable[[], int], first_height: Callable[[], int], adopt: Adopt,
        witness: Witness,
    ) -> None:  # fmt: skip
        """``height`` is that of the last committed block; ``first_height`` the one that the ledger begins with here."""
        self._shelf = shelf
        self._genesis = genesis
        self._height, self._first_height = height, first_height
        self._adopt = adopt
        self._witness = witness
        self._joining: _Joining | None = None
        shelf.clear()

    # For others

    async def list_snapshots(self) -> Sequence[Snapshot]:
        """The snapshots that this node can give, the newest first."""
        return tuple(
            Snapshot(height, FORMAT, len(decode_head(raw).piece_hashes) + 1, snapshot_hash(raw), raw)
            for height in self._shelf.heights()
            if height + HEADERS_BEHIND <= self._height() and (raw := self._shelf.head(height)) is not None
        )

    async def load_chunk(self, height: int, kind: int, index: int) -> bytes:
        """A piece of a snapshot listed, or its evidence; empty where there is none."""
        raw = self._shelf.head(height) if kind == FORMAT else None
        if raw is None:
            return b""
        if index == len(decode_head(raw).piece_hashes):
            try:
                return await self._witness.evidence(height)
            except LedgerError as error:
                log.warning("the evidence for the snapshot of block %d cannot be given: %s", height, error)
                return b""
        return await asyncio.to_thread(self._shelf.piece, height, index) or b""

    def retain_height(self, height: int, retain_blocks: int, evidence_blocks: int) -> int:
        """The oldest block that the engine must keep at ``height``; 0 for all.

        ``retain_blocks``: how many are wanted (0: all). Never fewer than ``evidence_blocks`` (as long as misbehaviour can
        be shown), nor those that whoever restores a snapshot of this node needs.
        """
        if not retain_blocks:
            return 0
        kept = [height - max(retain_blocks, evidence_blocks) + 1, *self._shelf.heights()]
        return max(0, min(kept))

    # For this node

    async def offer(self, snapshot: Snapshot, app_hash: bytes) -> OfferResult:
        """Whether to restore a snapshot that peers have; the light client vouches for ``app_hash`` at its height."""
        self._give_up()
        if self._height() > self._first_height():
            log.error("a snapshot was offered to a node that has blocks; it goes on from its own")
            return OfferResult.ABORT
        if snapshot.format != FORMAT:
            return OfferResult.REJECT_FORMAT
        try:
            head = verify_head(snapshot.metadata, self._genesis, app_hash)
            if (snapshot.height, snapshot.chunks, snapshot.hash) != (
                head.height, len(head.piece_hashes) + 1, snapshot_hash(snapshot.metadata),
            ):  # fmt: skip
                raise SnapshotRefused(
                    "snapshot.malformed", "it is announced as something else than its head says"
                )
        except SnapshotRefused as refused:
            log.warning("the snapshot of block %d is refused: %s", snapshot.height, refused)
            return OfferResult.REJECT_SENDER
        if head.protocol > NEWEST_PROTOCOL:
            # no reason to give up: the app hash does not cover this number, so it may be a lie
            log.error(
                "a snapshot is offered as one of protocol %d; this software has %d. If all are, install a newer one",
                head.protocol, NEWEST_PROTOCOL,
            )  # fmt: skip
            return OfferResult.REJECT
        folder = self._shelf.folder / RESTORING_FOLDER
        shutil.rmtree(folder, ignore_errors=True)
        self._joining = _Joining(folder, snapshot.metadata, head, app_hash, self._genesis)
        log.info("restoring the snapshot of block %d, in %d pieces", head.height, snapshot.chunks)
        return OfferResult.ACCEPT

    async def apply_chunk(self, index: int, chunk: bytes, sender: str) -> ResponseApplySnapshotChunk:
        """Take a chunk of the snapshot accepted last; with the last chunk the application stands at its height."""
        joining = self._joining
        if joining is None:
            return ResponseApplySnapshotChunk(ApplyResult.ABORT)
        try:
            await self._take(joining, index, chunk)
            if joining.is_complete:
                await self._complete(joining)
        except (PieceRefused, LightInvalid) as refused:
            log.warning("peer %s sent a wrong piece %d: %s", sender, index, refused)
            return ResponseApplySnapshotChunk(ApplyResult.RETRY, (index,), (sender,) if sender else ())
        except SnapshotRefused as refused:
            log.warning("the snapshot of block %d is refused: %s", joining.head.height, refused)
            self._give_up()
            return ResponseApplySnapshotChunk(ApplyResult.REJECT_SNAPSHOT)
        return ResponseApplySnapshotChunk(ApplyResult.ACCEPT)

    async def _take(self, joining: _Joining, index: int, chunk: bytes) -> None:
        if index == len(joining.head.piece_hashes):
            self._witness.verify(chunk, joining.head.height, joining.app_hash)
            joining.evidence = chunk
        else:
            await asyncio.to_thread(joining.take, index, chunk)

    async def _complete(self, joining: _Joining) -> None:
        """Make a store of the pieces and go on from it. Handovers first: without the ledger they harm nobody."""
        await asyncio.to_thread(joining.restoring.finish)
        self._witness.adopt(joining.evidence)
        await self._adopt(joining.path)
        await asyncio.to_thread(self._shelf.receive, joining.head.height, joining.pieces)
        shutil.rmtree(joining.folder, ignore_errors=True)
        self._joining = None
        log.info("restored block %d; the blocks behind it follow", joining.head.height)

    def _give_up(self) -> None:
        if self._joining is not None:
            self._joining.discard()
            self._joining = None
