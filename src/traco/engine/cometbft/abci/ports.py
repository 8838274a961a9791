"""What the adapter asks of others: snapshots, and screening of transactions. Narrow, so that each can be replaced in tests."""

from collections.abc import Collection, Sequence
from typing import Protocol

from traco.engine.cometbft.abci.messages import ApplyResult, OfferResult, ResponseApplySnapshotChunk, Snapshot
from traco.kernel.screening import Screened, ScreenedEnvelope


class Snapshots(Protocol):
    """Snapshots of this node for others, and restoring one of another node's. Called in the ledger's event loop.

    Whatever takes long is awaited in a thread, because blocks wait meanwhile. An exception other than ``Halt`` is a bug;
    what a peer sent wrongly is answered by a result.
    """

    async def list_snapshots(self) -> Sequence[Snapshot]:
        """The snapshots that this node can give, the newest first."""

    async def offer(self, snapshot: Snapshot, app_hash: bytes) -> OfferResult:
        """Whether to restore a snapshot that peers have; the light client vouches for ``app_hash`` at its height."""

    async def load_chunk(self, height: int, kind: int, index: int) -> bytes:
        """A chunk of a snapshot listed (``kind`` is its format), for a peer; empty where there is none such."""

    async def apply_chunk(self, index: int, chunk: bytes, sender: str) -> ResponseApplySnapshotChunk:
        """Take a chunk of the snapshot accepted last; with the last chunk the application stands at its height."""


class NoSnapshots:
    """A node that keeps no snapshots and restores none."""

    async def list_snapshots(self) -> Sequence[Snapshot]:
        """None."""
        return ()

    async def offer(self, snapshot: Snapshot, app_hash: bytes) -> OfferResult:
        """Not this, nor another."""
        return OfferResult.ABORT

    async def load_chunk(self, height: int, kind: int, index: int) -> bytes:
        """Nothing."""
        return b""

    async def apply_chunk(self, index: int, chunk: bytes, sender: str) -> ResponseApplySnapshotChunk:
        """Nothing was accepted, so no chunk belongs to it."""
        return ResponseApplySnapshotChunk(result=ApplyResult.ABORT)


class ScreeningPool(Protocol):
    """Verifier processes, or anything that screens without blocking."""

    async def screen(self, batch: Sequence[bytes]) -> Sequence[Screened]:
        """One answer per transaction, in order."""


class ScreeningMemory(Protocol):
    """What the application's screener remembers."""

    def missing(self, transactions: Collection[bytes]) -> list[bytes]:
        """Those of the transactions that nobody screened yet, in order."""

    def remember(self, raw: bytes, screened: Screened) -> None:
        """Keep the answer of a verifier process."""

    def screen_envelope(self, raw: bytes) -> ScreenedEnvelope:
        """The answer for an envelope, without its transactions."""
