"""The Merkle tree over the history log, kept so that a receipt costs a few hashes however long the ledger is."""

from collections.abc import Sequence

from traco.kernel.finality import HistoryProof
from traco.kernel.merkle import node_hash


class HistoryTree:
    """All perfect subtrees of a log of leaf hashes that only grows: two hashes for each block."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [
            []
        ]  # the roots of the perfect subtrees of 1, 2, 4, ... leaves, in order

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return len(self._levels[0])

    def extend(self, leaf_hashes: Sequence[bytes]) -> None:
        """Append leaf hashes."""
        self._levels[0] += leaf_hashes
        for height, below in enumerate(self._levels):
            if len(below) < 2:
                break
            if height + 1 == len(self._levels):
                self._levels.append([])
            level = self._levels[height + 1]
            for left in range(2 * len(level), len(below) - 1, 2):
                level.append(node_hash(below[left], below[left + 1]))

    def proof(self, index: int, size: int) -> HistoryProof:
        """The inclusion of the leaf at ``index`` in the tree of the first ``size`` leaves.

        Equals ``merkle.inclusion_path`` and ``merkle.root_of`` over them. Raises ValueError where there is no such leaf.
        """
        if not 0 <= index < size <= self.size:
            raise ValueError(f"no leaf {index} in a tree of {size}")
        path: list[bytes] = []
        edge: bytes | None = None  # the last node of a level, where its subtree is not perfect
        height, place = 0, index
        while (size - 1) >> height:
            level, perfect = self._levels[height], size >> height
            sibling = place ^ 1
            if sibling < perfect:
                path.append(level[sibling])
            elif sibling == perfect and edge is not None:
                path.append(edge)
            if (
                perfect & 1
            ):  # the last perfect node has no perfect neighbour: it is joined with the edge, or lifted
                edge = level[perfect - 1] if edge is None else node_hash(level[perfect - 1], edge)
            height, place = height + 1, place >> 1
        return HistoryProof(index, size, tuple(path), self._levels[height][0] if edge is None else edge)
