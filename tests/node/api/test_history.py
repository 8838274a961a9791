"""The kept tree gives what the kernel computes from all leaves."""

import pytest

from traco.kernel.finality import HistoryProof
from traco.kernel.merkle import Frontier, inclusion_path, leaf_hash, root_of
from traco.node.api.history import HistoryTree

LEAVES = [leaf_hash(bytes([number])) for number in range(70)]


def grown(*sizes: int) -> HistoryTree:
    tree = HistoryTree()
    for size in sizes:
        tree.extend(LEAVES[tree.size : size])
    return tree


@pytest.mark.parametrize("tree", [grown(70), grown(1, 2, 3, 7, 8, 33, 70), grown(*range(71))])
def test_every_proof_in_every_earlier_tree_is_that_of_the_kernel(tree: HistoryTree) -> None:
    for size in range(1, 71):
        expected = [
            HistoryProof(index, size, inclusion_path(LEAVES[:size], index), root_of(LEAVES[:size]))
            for index in range(size)
        ]
        assert [tree.proof(index, size) for index in range(size)] == expected


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0), (0, 4)])
def test_there_is_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        grown(3).proof(index, size)


def edge(size: int) -> tuple[bytes, ...]:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    return frontier.encode()


@pytest.mark.parametrize("first", [1, 2, 3, 8, 21, 32, 63, 69])
@pytest.mark.parametrize("step", [1, 7, 70])
def test_a_tree_that_begins_at_an_edge_gives_the_same_proofs_for_what_is_behind_it(
    first: int, step: int
) -> None:
    tree = HistoryTree(first, edge(first))
    while tree.size < 70:
        tree.extend(LEAVES[tree.size : min(70, tree.size + step)])
    for size in range(first + 1, 71):
        for index in range(first, size):
            expected = HistoryProof(index, size, inclusion_path(LEAVES[:size], index), root_of(LEAVES[:size]))
            assert tree.proof(index, size) == expected
        with pytest.raises(ValueError, match="no leaf"):
            tree.proof(first - 1, size)
