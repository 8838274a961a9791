"""Brings a database of projections up to the ledger, batch by batch; each batch and its position in one transaction."""

from collections.abc import Callable
from typing import Final

from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.projections.batch import Batch, HoldingCache
from traco.projections.database import BEFORE_FOUNDING, Progress, ProjectionDatabase
from traco.projections.errors import NotSinceFounding, OtherLedger, PositionMoved
from traco.projections.founding import put_founding
from traco.projections.registers import Registers
from traco.storage import ReadSnapshot, SnapshotReader
from traco.storage.committed import CommittedLog, blocks_after

EVENTS_PER_BATCH: Final = 20_000
"""Events after which a batch is written: enough that the transaction costs little, few enough to fit into memory."""

BLOCKS_PER_BATCH: Final = 2_000


class Projection:
    """Follows one ledger into one database. Used by one thread; several processes may compete, each batch counts once."""

    def __init__(self, reader: SnapshotReader, registry: Registry, database: ProjectionDatabase) -> None:
        self._reader = reader
        self._registry = registry
        self._database = database
        self._log = CommittedLog(registry, database.network)
        self._cache: HoldingCache = {}
        self.position: Progress = database.prepare()

    def advance(self) -> bool:
        """Write one more batch; False where nothing is left to write.

        Raises ``OtherLedger``, ``NotSinceFounding``, ``DatabaseFailed``, ``StorageHalt``. Where another process was quicker, this one goes on from
        where that came to.
        """
        snapshot = self._reader.snapshot()
        if snapshot is None:
            return False
        with snapshot:
            if (snapshot.height, snapshot.app_hash) == (self.position.height, self.position.app_hash):
                return False
            try:
                self.position = self._write(snapshot)
            except PositionMoved:
                self.reload()
            except BaseException:
                self._cache.clear()  # may be ahead of the tables
                raise
        return True

    def reload(self) -> None:
        """Read the position again: after a failure, or when others write too."""
        self._cache.clear()
        self.position = self._database.prepare()

    def catch_up(self, shown: Callable[[int, int], None] | None = None) -> None:
        """Write all that there is; ``shown`` is told the height come to and the last one, after each batch."""
        while self.advance():
            if shown is not None:
                shown(self.position.height, self.head())

    def head(self) -> int:
        """The last committed height of the ledger; -1 before its founding."""
        snapshot = self._reader.snapshot()
        if snapshot is None:
            return BEFORE_FOUNDING
        with snapshot:
            return snapshot.height

    def _write(self, snapshot: ReadSnapshot) -> Progress:
        start = self.position
        require_same_history(snapshot, start)
        batch = Batch(self._log)
        for count, block in enumerate(blocks_after(snapshot, start.height), 1):
            batch.add(block)
            if batch.size >= EVENTS_PER_BATCH or count == BLOCKS_PER_BATCH:
                break
        last = batch.last
        if last is None:
            return start
        with self._database.writing() as connection:
            self._database.claim(connection, start)
            state = State(snapshot)
            if start.height == BEFORE_FOUNDING:
                founded = Registers(state)
                put_founding(founded, self._registry, snapshot.genesis)
                founded.write(connection)
            entries = batch.write(connection, start, state, self._cache)
            reached = Progress(last.height, last.time_ms, last.app_hash, entries)
            self._database.move(connection, reached)
        return reached


def require_same_history(snapshot: ReadSnapshot, position: Progress) -> None:
    """Raise ``OtherLedger`` unless the ledger has the block that the tables end with."""
    if position.height < snapshot.first_height > 0:
        raise NotSinceFounding(
            f"they are made up to block {position.height}, and this node, which joined by a snapshot, has the blocks behind "
            f"{snapshot.first_height} only; give it a database that is as far (such as a copy of another node's), or set "
            "projections.enabled to false"
        )
    if position.height == BEFORE_FOUNDING:
        return
    block = snapshot.block(position.height) if position.height <= snapshot.height else None
    if block is None or block.app_hash != position.app_hash:
        raise OtherLedger(
            f"the projections are made up to block {position.height}, which this ledger does not have like that (it was restored "
            "from a backup, or replaced); make them anew: traco node projections rebuild DIR"
        )
