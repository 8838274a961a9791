"""Committed blocks without a kernel: changes, leaves and roots as an application would hand them to a store."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from traco.kernel.codec import encode
from traco.kernel.errors import Failure
from traco.kernel.genesis import Genesis, SealTerms, write_genesis
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import (
    NO_SIGNATURES,
    BlockRecord,
    Leaf,
    Receipt,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, Refusal, Store

START_MS = 1_790_000_000_000
GENESIS = write_genesis(
    Genesis(
        name="storage test", purpose="test", time_ms=START_MS, seal=SealTerms("checkpoint", "01" + "00" * 32)
    )
)


def identity(name: str) -> bytes:
    """An id of 32 bytes that is always the same for a name."""
    return sha256(name.encode()).digest()


def leaves_of(height: int, count: int) -> tuple[Leaf, ...]:
    """A due item's leaf without signatures, then signed ones; ``count`` in all."""
    leaves = []
    for index in range(count):
        own = identity(f"{height} {index}")
        signatures = identity(f"signatures {height} {index}") if index else NO_SIGNATURES
        failure = Failure("test.refused", (("limit", index),)) if index % 3 == 2 else None
        leaves.append(Leaf(own, signatures, encode(Receipt(own, failure, (("event", height),)))))
    return tuple(leaves)


class Chain:
    """Blocks in order with the tree after the last one; ``states`` has the whole state after each."""

    def __init__(self, founding: Mapping[bytes, bytes]) -> None:
        self.tree = StateTree()
        self.history = Frontier()
        self.blocks: list[CommittedBlock] = []
        self.states: list[dict[bytes, bytes]] = []
        self.add(founding)

    def add(
        self, changes: Mapping[bytes, bytes | None], leaves: int = 0, after_ms: int = 1_000
    ) -> CommittedBlock:
        """The next block, with these changes and that many leaves; only signed ones use up an id."""
        height = len(self.blocks)
        time_ms = self.blocks[-1].time_ms + after_ms if self.blocks else START_MS
        touched = self.tree.apply(changes)
        found = leaves_of(height, leaves)
        record, record_hash = None, b""
        if found:
            roots = transactions_root(found), receipts_root(found), self.tree.root()
            record = BlockRecord(height, time_ms, *roots, len(found))
            record_hash = block_leaf_hash(record)
            self.history.append(record_hash)
        used = tuple((leaf.identity, time_ms + 5_000 + index) for index, leaf in enumerate(found[1:]))
        refusals = (Refusal(0, -1, b"", Failure("test.malformed", ())),) if height % 4 == 1 else ()
        hashes = self.tree.root(), self.history.root(), self.history.size
        block = CommittedBlock(
            height, time_ms, 1, app_hash(*hashes), *hashes, record, record_hash,
            tuple(b"envelope %d %d" % (height, index) for index in range(leaves)), found, refusals, used,
            dict(changes), touched,
        )  # fmt: skip
        state = dict(self.states[-1]) if self.states else {}
        for key, value in changes.items():
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        self.blocks.append(block)
        self.states.append(state)
        return block


def replay(store: Store, blocks: Sequence[CommittedBlock], tree: StateTree | None = None) -> StateTree:
    """Give a store these blocks, one after the other, with the tree as it is after each. Returns the tree."""
    tree = StateTree() if tree is None else tree
    for block in blocks:
        tree.apply(block.changes)
        if block.height == 0:
            store.found(GENESIS, block, tree)
        else:
            store.commit(block, tree)
    return tree
