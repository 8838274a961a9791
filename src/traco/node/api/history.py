"""The Merkle tree over the history log, kept so that a receipt costs a few hashes however long the ledger is."""

from collections.abc import Sequence

from traco.kernel.finality import HistoryProof
from traco.kernel.merkle import node_hash


class HistoryTree:
    """All perfect subtrees of a log of leaf hashes that only grows: two hashes for each block.

    It may begin at ``first``, with the edge of the log before it (``merkle.Frontier``); of leaves before there are no proofs.
    """

    def __init__(self, first: int = 0, frontier: Sequence[bytes] = ()) -> None:
        self._first = first
        # The roots of the perfect subtrees of 1, 2, 4, ... leaves, in order; of those before ``first`` only the edge, since
        # no path of a later leaf has others.
        self._levels: list[list[bytes]] = [[]]
        edge = iter(reversed(frontier))
        for height in range(first.bit_length()):
            if height == len(self._levels):
                self._levels.append([])
            if first >> height & 1:
                self._levels[height].append(next(edge))

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._before(0) + len(self._levels[0])

    def _before(self, height: int) -> int:
        """How many nodes of a level are left out: an even number, so that neighbours stay together."""
        return (self._first >> height) & ~1

    def extend(self, leaf_hashes: Sequence[bytes]) -> None:
        """Append leaf hashes."""
        self._levels[0] += leaf_hashes
        for height, below in enumerate(self._levels):
            if height + 1 == len(self._levels):
                if len(below) < 2:
                    break
                self._levels.append([])
            level, left_out = self._levels[height + 1], self._before(height)
            start = 2 * (self._before(height + 1) + len(level)) - left_out
            for left in range(start, len(below) - 1, 2):
                level.append(node_hash(below[left], below[left + 1]))

    def proof(self, index: int, size: int) -> HistoryProof:
        """The inclusion of the leaf at ``index`` in the tree of the first ``size`` leaves.

        Equals ``merkle.inclusion_path`` and ``merkle.root_of`` over them. Raises ValueError where there is no such leaf.
        """
        if not self._first <= index < size <= self.size:
            raise ValueError(f"no leaf {index} in a tree of {size}")
        path: list[bytes] = []
        edge: bytes | None = None  # the last node of a level, where its subtree is not perfect
        height, place = 0, index
        while (size - 1) >> height:
            level, left_out, perfect = self._levels[height], self._before(height), size >> height
            sibling = place ^ 1
            if sibling < perfect:
                path.append(level[sibling - left_out])
            elif sibling == perfect and edge is not None:
                path.append(edge)
            if (
                perfect & 1
            ):  # the last perfect node has no perfect neighbour: it is joined with the edge, or lifted
                last = level[perfect - 1 - left_out]
                edge = last if edge is None else node_hash(last, edge)
            height, place = height + 1, place >> 1
        return HistoryProof(index, size, tuple(path), self._levels[height][0] if edge is None else edge)
