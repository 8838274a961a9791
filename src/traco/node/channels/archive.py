"""The root as somebody reads it from a node's directory, with no key and beside the node, if that runs: for an auditor of a channel."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

from traco.channels.seat.ports import RootBlock
from traco.kernel.genesis import Genesis, network_id, parse_genesis
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.modules.composition import compose
from traco.node.channels.telling import told_blocks
from traco.node.directory import LEDGER_FILE, NodeDirectoryError, read_genesis
from traco.storage import SnapshotReader


class ArchiveState(NamedTuple):
    """The root as of its last block."""

    height: int
    state: State


class Archive:
    """A node's ledger. Close it in the end."""

    def __init__(self, directory: Path) -> None:
        """Raises ``NodeDirectoryError``, ``StorageHalt``."""
        raw = read_genesis(directory)
        if not (directory / LEDGER_FILE).exists():
            raise NodeDirectoryError(
                "node.incomplete", f"{directory} has no {LEDGER_FILE}; name the directory of a node"
            )
        self.genesis: Genesis = parse_genesis(raw)
        self._reader = SnapshotReader(directory / LEDGER_FILE, network_id(self.genesis))
        self._registry: Registry = compose()

    @contextmanager
    def reading(self) -> Iterator[ArchiveState]:
        """The committed state. Raises ``NodeDirectoryError`` where the ledger is not founded."""
        snapshot = self._reader.snapshot()
        if snapshot is None:
            raise NodeDirectoryError("node.not_founded", "the ledger is not founded yet")
        with snapshot:
            yield ArchiveState(snapshot.height, State(snapshot))

    def blocks(self, after: int, limit: int) -> Iterator[RootBlock]:
        """Up to ``limit`` committed blocks behind a height. Raises ``BeforeSnapshot`` where this node begins later."""
        return told_blocks(self._reader, self._registry, after, limit)

    def state_root(self, height: int) -> bytes | None:
        """The state root after a block, or None where it is not here."""
        snapshot = self._reader.snapshot()
        if snapshot is None:
            return None
        with snapshot:
            block = snapshot.block(height)
        return None if block is None else block.state_root

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
