"""What the root has of channels, read from a node's file: when something was decided, and how many bytes it took."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from traco.kernel.instruction import Event
from traco.modules.composition import compose
from traco.node.directory import LEDGER_FILE
from traco.storage import SnapshotReader
from traco.storage.rows import StoredBlock

SCANNED: Final = 256


class RootFile:
    """The ledger of a node that runs."""

    def __init__(self, directory: Path) -> None:
        self._reader = SnapshotReader(directory / LEDGER_FILE)
        self._registry = compose()

    def height(self) -> int:
        """The newest block."""
        snapshot = self._reader.snapshot()
        if snapshot is None:
            return 0
        with snapshot:
            return snapshot.height

    def events(self, after: int) -> Iterator[tuple[int, Event]]:
        """What the blocks behind a height brought about, with the height of each."""
        for block in self._blocks(after):
            for leaf in block.leaves:
                receipt = self._registry.receipt.trusted(leaf.receipt)
                if receipt.failure is None:
                    yield from ((block.height, event) for event in receipt.events)

    def ordered_bytes(self, after: int) -> int:
        """How many bytes were ordered behind a height: the envelopes, with all signatures."""
        return sum(len(envelope) for block in self._blocks(after) for envelope in block.envelopes)

    def blocks_with_content(self, after: int) -> int:
        """How many blocks behind a height ordered anything."""
        return sum(1 for block in self._blocks(after) if block.envelopes)

    def _blocks(self, after: int) -> Iterator[StoredBlock]:
        while True:
            snapshot = self._reader.snapshot()
            if snapshot is None:
                return
            with snapshot:
                found = snapshot.blocks(after, SCANNED)
            if not found:
                return
            yield from found
            after = found[-1].height

    def close(self) -> None:
        """Close the file."""
        self._reader.close()
