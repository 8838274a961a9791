"""A store in memory, for tests of what stands above it: keeps every block, loads by applying their changes again."""

from traco.kernel.merkle import Frontier
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, LoadedLedger


class MemoryStore:
    """Keeps committed blocks in a list; block 0 is the founding."""

    def __init__(self) -> None:
        self.genesis = b""
        self.blocks: list[CommittedBlock] = []

    def load(self) -> LoadedLedger | None:
        """The last committed state, by replaying the changes of every block."""
        if not self.blocks:
            return None
        tree, history = StateTree(), Frontier()
        for block in self.blocks:
            tree.apply(block.changes)
            if block.record_hash:
                history.append(block.record_hash)
        last = self.blocks[-1]
        used = [pair for block in self.blocks for pair in block.used if pair[1] > last.time_ms]
        return LoadedLedger(last.height, last.time_ms, last.app_hash, tree, history, used)

    def found(self, genesis: bytes, block: CommittedBlock, tree: StateTree) -> None:
        """Keep the founding."""
        self.genesis = genesis
        self.blocks.append(block)

    def commit(self, block: CommittedBlock, tree: StateTree) -> None:
        """Keep a block."""
        self.blocks.append(block)
