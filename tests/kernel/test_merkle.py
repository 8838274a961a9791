"""RFC 6962 trees against the RFC's recursive definition and the public Certificate Transparency vectors."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.kernel import merkle
from traco.kernel.merkle import Frontier, ProofInvalid

# Leaf contents and roots of sizes 0 to 8, as published with the Certificate Transparency log implementations.
CT_LEAVES = [
    bytes.fromhex(data)
    for data in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
CT_ROOTS = [
    bytes.fromhex(root)
    for root in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
CT_HASHES = [merkle.leaf_hash(data) for data in CT_LEAVES]
OTHER = sha256(b"something else").digest()


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % number) for number in range(count)]


def split_of(size: int) -> int:
    """Largest power of two below the size."""
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def rfc_root(hashes: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, over leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = split_of(len(hashes))
    return sha256(b"\x01" + rfc_root(hashes[:split]) + rfc_root(hashes[split:])).digest()


def rfc_path(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(hashes) == 1:
        return []
    split = split_of(len(hashes))
    if index < split:
        return [*rfc_path(index, hashes[:split]), rfc_root(hashes[split:])]
    return [*rfc_path(index - split, hashes[split:]), rfc_root(hashes[:split])]


def rfc_subproof(old: int, hashes: Sequence[bytes], is_whole: bool) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2."""
    if old == len(hashes):
        return [] if is_whole else [rfc_root(hashes)]
    split = split_of(len(hashes))
    if old <= split:
        return [*rfc_subproof(old, hashes[:split], is_whole), rfc_root(hashes[split:])]
    return [*rfc_subproof(old - split, hashes[split:], False), rfc_root(hashes[:split])]


def reason(call: Any, *arguments: Any) -> str:
    with pytest.raises(ProofInvalid) as caught:
        call(*arguments)
    assert str(caught.value) == caught.value.reason
    return caught.value.reason


def flipped(data: bytes) -> list[bytes]:
    """The data with each single byte changed, in turn."""
    return [data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :] for i in range(len(data))]


# Roots


def test_roots_of_sizes_0_to_8_are_the_published_ones() -> None:
    assert [merkle.root_of(CT_HASHES[:size]) for size in range(9)] == CT_ROOTS


def test_empty_root_is_the_hash_of_nothing() -> None:
    assert sha256(b"").digest() == merkle.EMPTY_ROOT


def test_leaves_and_nodes_have_their_prefixes() -> None:
    assert merkle.leaf_hash(b"ab") == sha256(b"\x00ab").digest()
    assert merkle.node_hash(CT_ROOTS[1], CT_ROOTS[2]) == sha256(b"\x01" + CT_ROOTS[1] + CT_ROOTS[2]).digest()


def test_root_follows_the_recursive_definition_at_every_size() -> None:
    all_leaves = leaves(70)
    for size in range(71):
        assert merkle.root_of(all_leaves[:size]) == rfc_root(all_leaves[:size])


def test_root_takes_a_tuple_and_leaves_its_input_unchanged() -> None:
    given_leaves = leaves(5)
    assert merkle.root_of(tuple(given_leaves)) == merkle.root_of(given_leaves)
    assert given_leaves == leaves(5)


# Inclusion


def test_inclusion_paths_follow_the_recursive_definition() -> None:
    for size in range(1, 36):
        tree = leaves(size)
        for index in range(size):
            assert list(merkle.inclusion_path(tree, index)) == rfc_path(index, tree)


def test_every_inclusion_path_verifies() -> None:
    for size in range(1, 36):
        tree = leaves(size)
        root = merkle.root_of(tree)
        for index in range(size):
            merkle.verify_inclusion(tree[index], index, size, merkle.inclusion_path(tree, index), root)


def test_published_inclusion_path_of_leaf_5_of_8_verifies() -> None:
    path = (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    )
    steps = tuple(bytes.fromhex(step) for step in path)
    assert merkle.inclusion_path(CT_HASHES, 5) == steps
    merkle.verify_inclusion(CT_HASHES[5], 5, 8, steps, CT_ROOTS[8])


@pytest.mark.parametrize(("size", "index"), [(0, 0), (1, 1), (4, 4), (4, -1)])
def test_there_is_no_path_of_a_leaf_outside_the_tree(size: int, index: int) -> None:
    with pytest.raises(ValueError, match=f"^no leaf {index} in a tree of {size}$"):
        merkle.inclusion_path(leaves(size), index)


@pytest.mark.parametrize(("index", "size"), [(7, 7), (8, 7), (-1, 7), (0, 0), (0, -1), (-2, -1)])
def test_inclusion_refuses_an_index_outside_the_tree(index: int, size: int) -> None:
    tree = leaves(7)
    path = merkle.inclusion_path(tree, 6)
    found = reason(merkle.verify_inclusion, tree[6], index, size, path, merkle.root_of(tree))
    assert found == "index outside the tree"


@pytest.mark.parametrize("broken", [b"", b"\0" * 31, b"\0" * 33, bytearray(32), "0" * 32, None, 5])
def test_inclusion_refuses_what_is_not_a_hash(broken: Any) -> None:
    tree = leaves(7)
    root = merkle.root_of(tree)
    path = merkle.inclusion_path(tree, 3)
    verify = merkle.verify_inclusion
    assert reason(verify, broken, 3, 7, path, root) == "leaf is not a hash"
    assert reason(verify, tree[3], 3, 7, path, broken) == "root is not a hash"
    for position in range(len(path)):
        steps = [*path[:position], broken, *path[position + 1 :]]
        assert reason(verify, tree[3], 3, 7, steps, root) == "path holds something that is not a hash"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8])
def test_inclusion_refuses_a_path_too_short_or_too_long(size: int) -> None:
    tree = leaves(size)
    root = merkle.root_of(tree)
    for index in range(size):
        path = merkle.inclusion_path(tree, index)
        wrong = [(*path, OTHER), (OTHER, *path)] + ([path[1:], path[:-1]] if path else [])
        for steps in wrong:
            found = reason(merkle.verify_inclusion, tree[index], index, size, steps, root)
            assert found == "path has the wrong length"


def test_inclusion_refuses_every_changed_byte() -> None:
    tree = leaves(7)
    root = merkle.root_of(tree)
    for index in (0, 3, 4, 6):
        path = merkle.inclusion_path(tree, index)
        for leaf in flipped(tree[index]):
            assert reason(merkle.verify_inclusion, leaf, index, 7, path, root) == "root differs"
        for forged in flipped(root):
            assert reason(merkle.verify_inclusion, tree[index], index, 7, path, forged) == "root differs"
        for position, step in enumerate(path):
            for other in flipped(step):
                steps = (*path[:position], other, *path[position + 1 :])
                assert reason(merkle.verify_inclusion, tree[index], index, 7, steps, root) == "root differs"


def test_inclusion_proves_one_index_only() -> None:
    tree = leaves(8)
    path = merkle.inclusion_path(tree, 5)
    for index in (0, 1, 2, 3, 4, 6, 7):
        found = reason(merkle.verify_inclusion, tree[5], index, 8, path, merkle.root_of(tree))
        assert found == "root differs"


def test_inclusion_refuses_an_interior_node_offered_as_leaf() -> None:
    tree = leaves(4)
    node = merkle.node_hash(tree[0], tree[1])
    right = merkle.node_hash(tree[2], tree[3])
    root = merkle.root_of(tree)
    assert reason(merkle.verify_inclusion, node, 0, 4, [right], root) == "path has the wrong length"
    data = tree[0] + tree[1]
    assert reason(merkle.verify_inclusion, merkle.leaf_hash(data), 0, 2, [right], root) == "root differs"


# Consistency


def test_consistency_paths_follow_the_recursive_definition() -> None:
    tree = leaves(40)
    for new in range(1, 41):
        for old in range(1, new + 1):
            expected = rfc_subproof(old, tree[:new], True)
            assert list(merkle.consistency_path(tree[:new], old)) == expected


def test_every_consistency_path_verifies() -> None:
    tree = leaves(40)
    roots = [merkle.root_of(tree[:size]) for size in range(41)]
    for new in range(41):
        for old in range(new + 1):
            path = merkle.consistency_path(tree[:new], old)
            merkle.verify_consistency(old, new, roots[old], roots[new], path)


def test_published_consistency_path_from_6_to_8_verifies() -> None:
    path = (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    )
    steps = tuple(bytes.fromhex(step) for step in path)
    assert merkle.consistency_path(CT_HASHES, 6) == steps
    merkle.verify_consistency(6, 8, CT_ROOTS[6], CT_ROOTS[8], steps)


@pytest.mark.parametrize(("size", "old"), [(0, 1), (4, 5), (4, -1)])
def test_there_is_no_consistency_path_from_a_larger_tree(size: int, old: int) -> None:
    with pytest.raises(ValueError, match=f"^no tree of {old} leaves in one of {size}$"):
        merkle.consistency_path(leaves(size), old)


@pytest.mark.parametrize(("old", "new"), [(5, 4), (-1, 4), (-2, -1), (1, 0)])
def test_consistency_refuses_sizes_out_of_order(old: int, new: int) -> None:
    assert reason(merkle.verify_consistency, old, new, OTHER, OTHER, ()) == "sizes out of order"


@pytest.mark.parametrize("broken", [b"", b"\0" * 31, b"\0" * 33, bytearray(32), None])
def test_consistency_refuses_what_is_not_a_hash(broken: Any) -> None:
    tree = leaves(7)
    path = merkle.consistency_path(tree, 3)
    old, new = merkle.root_of(tree[:3]), merkle.root_of(tree)
    verify = merkle.verify_consistency
    assert reason(verify, 3, 7, broken, new, path) == "old root is not a hash"
    assert reason(verify, 3, 7, old, broken, path) == "new root is not a hash"
    for position in range(len(path)):
        steps = [*path[:position], broken, *path[position + 1 :]]
        assert reason(verify, 3, 7, old, new, steps) == "path holds something that is not a hash"


def test_consistency_refuses_a_path_too_short_or_too_long() -> None:
    tree = leaves(17)
    for old, new in [
        (0, 0),
        (0, 5),
        (5, 5),
        (1, 2),
        (2, 3),
        (3, 7),
        (4, 7),
        (6, 8),
        (7, 8),
        (8, 17),
        (16, 17),
    ]:
        roots = merkle.root_of(tree[:old]), merkle.root_of(tree[:new])
        path = merkle.consistency_path(tree[:new], old)
        wrong = [(*path, OTHER), (OTHER, *path)] + ([path[1:], path[:-1], ()] if path else [])
        for steps in wrong:
            found = reason(merkle.verify_consistency, old, new, *roots, steps)
            assert found == "path has the wrong length"


def test_consistency_refuses_every_changed_byte() -> None:
    tree = leaves(13)
    for old, new in [(3, 7), (4, 7), (6, 13), (8, 13), (12, 13)]:
        old_root, new_root = merkle.root_of(tree[:old]), merkle.root_of(tree[:new])
        path = merkle.consistency_path(tree[:new], old)
        for position, step in enumerate(path):
            for other in flipped(step):
                steps = (*path[:position], other, *path[position + 1 :])
                reason(merkle.verify_consistency, old, new, old_root, new_root, steps)
        for forged in flipped(new_root):
            found = reason(merkle.verify_consistency, old, new, old_root, forged, path)
            assert found == "new root differs"
        for forged in flipped(old_root):
            found = reason(merkle.verify_consistency, old, new, forged, new_root, path)
            assert found == ("new root differs" if old.bit_count() == 1 else "old root differs")


def test_consistency_refuses_a_log_that_was_rewritten() -> None:
    before, after = leaves(6), leaves(9)
    after[2] = OTHER
    path = merkle.consistency_path(after, 6)
    roots = merkle.root_of(before), merkle.root_of(after)
    assert reason(merkle.verify_consistency, 6, 9, *roots, path) == "old root differs"


def test_trees_of_one_size_must_have_one_root() -> None:
    root = merkle.root_of(leaves(4))
    assert reason(merkle.verify_consistency, 4, 4, root, OTHER, ()) == "new root differs"
    assert reason(merkle.verify_consistency, 0, 0, merkle.EMPTY_ROOT, OTHER, ()) == "new root differs"


def test_only_the_empty_root_stands_for_no_leaves() -> None:
    root = merkle.root_of(leaves(4))
    merkle.verify_consistency(0, 4, merkle.EMPTY_ROOT, root, ())
    assert reason(merkle.verify_consistency, 0, 4, OTHER, root, ()) == "old root differs"
    assert reason(merkle.verify_consistency, 0, 0, OTHER, OTHER, ()) == "old root differs"


# The growing edge


def test_frontier_has_the_root_of_the_tree_at_every_size() -> None:
    tree = leaves(70)
    frontier = Frontier()
    for size in range(71):
        assert frontier.size == size
        assert frontier.root() == merkle.root_of(tree[:size])
        if size < 70:
            frontier.append(tree[size])


def test_frontier_holds_the_perfect_subtrees_largest_first() -> None:
    tree = leaves(11)
    frontier = Frontier()
    for leaf in tree:
        frontier.append(leaf)
    expected = (merkle.root_of(tree[:8]), merkle.root_of(tree[8:10]), tree[10])
    assert frontier.encode() == expected


def test_decoded_frontier_goes_on_where_it_was() -> None:
    tree = leaves(40)
    for size in range(40):
        frontier = Frontier()
        for leaf in tree[:size]:
            frontier.append(leaf)
        again = Frontier.decode(size, list(frontier.encode()))
        assert (again.size, again.root()) == (size, frontier.root())
        for leaf in tree[size:]:
            again.append(leaf)
        assert again.root() == merkle.root_of(tree)


def test_decoded_frontier_is_independent_of_the_list_given() -> None:
    hashes = leaves(1)
    frontier = Frontier.decode(1, hashes)
    hashes.append(OTHER)
    assert frontier.encode() == tuple(leaves(1))


@pytest.mark.parametrize(("size", "count"), [(0, 1), (1, 0), (1, 2), (3, 1), (4, 2), (7, 2), (7, 4)])
def test_frontier_refuses_a_number_of_hashes_that_does_not_fit(size: int, count: int) -> None:
    assert reason(Frontier.decode, size, leaves(count)) == "wrong number of hashes for the size"


def test_frontier_refuses_a_negative_size() -> None:
    assert reason(Frontier.decode, -1, leaves(1)) == "size is negative"


@pytest.mark.parametrize("broken", [b"", b"\0" * 31, b"\0" * 33, None])
def test_frontier_refuses_what_is_not_a_hash(broken: Any) -> None:
    expected = "frontier holds something that is not a hash"
    assert reason(Frontier.decode, 3, [OTHER, broken]) == expected
    frontier = Frontier()
    frontier.append(OTHER)
    assert reason(frontier.append, broken) == "leaf is not a hash"
    assert (frontier.size, frontier.root()) == (1, OTHER)


# Whatever a stranger sends

hash_like = st.one_of(st.binary(min_size=32, max_size=32), st.binary(max_size=40))


@settings(max_examples=150, deadline=None)
@given(hash_like, st.integers(-2, 2**70), st.integers(-2, 2**70), st.lists(hash_like, max_size=8), hash_like)
def test_inclusion_answers_noise_with_nothing_but_proof_invalid(
    leaf: bytes, index: int, size: int, path: list[bytes], root: bytes
) -> None:
    with suppress(ProofInvalid):
        merkle.verify_inclusion(leaf, index, size, path, root)


@settings(max_examples=150, deadline=None)
@given(st.integers(-2, 2**70), st.integers(1, 2**70), hash_like, hash_like, st.lists(hash_like, max_size=8))
def test_consistency_answers_noise_with_nothing_but_proof_invalid(
    old: int, growth: int, old_root: bytes, new_root: bytes, path: list[bytes]
) -> None:
    with suppress(ProofInvalid):
        merkle.verify_consistency(old, old + growth, old_root, new_root, path)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 300))
def test_paths_of_random_trees_verify(data: st.DataObject, size: int) -> None:
    tree = leaves(size)
    root = merkle.root_of(tree)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    merkle.verify_inclusion(tree[index], index, size, merkle.inclusion_path(tree, index), root)
    path = merkle.consistency_path(tree, old)
    merkle.verify_consistency(old, size, merkle.root_of(tree[:old]), root, path)
