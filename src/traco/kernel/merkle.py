"""RFC 6962 Merkle trees over SHA-256: roots, inclusion and consistency proofs, and the edge of a growing log.

Not for the world state, which has a tree of its own (`statetree`). Whoever builds a tree hands in leaf hashes
that it computed itself with `leaf_hash`; the `verify_` functions take everything from strangers and trust
nothing. They return nothing when the proof holds and raise otherwise, so that no ignored result can pass for
success.

    ValueError
      ProofInvalid    the proof does not show what it claims
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
"""Length of every hash here."""

EMPTY_ROOT = sha256(b"").digest()
"""Root of a tree without leaves (RFC 6962, section 2.1)."""

_LEAF = b"\x00"
_NODE = b"\x01"


class ProofInvalid(ValueError):
    """The proof does not show what it claims; `reason` says in a few fixed words why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def require(holds: bool, reason: str) -> None:
    """Raise `ProofInvalid` with this reason unless the condition holds."""
    if not holds:
        raise ProofInvalid(reason)


def require_hash(candidate: object, reason: str) -> None:
    """Raise `ProofInvalid` with this reason unless the candidate is a byte string as long as a hash."""
    require(type(candidate) is bytes and len(candidate) == HASH_BYTES, reason)


def leaf_hash(data: bytes) -> bytes:
    """Hash of a leaf with these contents."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an interior node with these two children."""
    return sha256(_NODE + left + right).digest()


def _parents(level: Sequence[bytes]) -> list[bytes]:
    # Pairing from the left and lifting a last odd node unchanged gives the shape that RFC 6962 defines by
    # splitting at the largest power of two below the size.
    pairs = zip(level[::2], level[1::2], strict=False)
    parents = [sha256(_NODE + left + right).digest() for left, right in pairs]
    if len(level) & 1:
        parents.append(level[-1])
    return parents


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over these leaf hashes, in order; `EMPTY_ROOT` when there are none."""
    if not leaf_hashes:
        return EMPTY_ROOT
    level = leaf_hashes
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def inclusion_path(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Sibling hashes from the leaf at `index` up to the root (RFC 6962, section 2.1.1).

    Raises ValueError when the tree has no such leaf.
    """
    if not 0 <= index < len(leaf_hashes):
        raise ValueError(f"no leaf {index} in a tree of {len(leaf_hashes)}")
    path = []
    level = leaf_hashes
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        index >>= 1
        level = _parents(level)
    return tuple(path)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the tree of `size` leaves with this root holds the leaf hash `leaf` at `index`.

    Raises ProofInvalid otherwise. The path must have exactly the length that index and size demand.
    """
    require(0 <= index < size, "index outside the tree")
    require_hash(leaf, "leaf is not a hash")
    require_hash(root, "root is not a hash")
    # Up to the level where the leaf's way and that of the last leaf meet, every node has a sibling. Above it
    # the way runs along the right edge, where there are only left neighbours, one for each bit set.
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    _require_path(path, inner + border)
    node = leaf
    for height, sibling in enumerate(path):
        if height >= inner or (index >> height) & 1:
            node = node_hash(sibling, node)
        else:
            node = node_hash(node, sibling)
    require(node == root, "root differs")


def consistency_path(leaf_hashes: Sequence[bytes], old_size: int) -> tuple[bytes, ...]:
    """Hashes that show the tree of the first `old_size` leaves to be this one's beginning (RFC 6962, 2.1.2).

    Empty when the old tree is empty or the same. Raises ValueError when it would be larger than this one.
    """
    if not 0 <= old_size <= len(leaf_hashes):
        raise ValueError(f"no tree of {old_size} leaves in one of {len(leaf_hashes)}")
    if old_size == 0:
        return ()
    path = []
    start, stop = 0, len(leaf_hashes)
    while stop != old_size:
        # The largest power of two below the number of leaves.
        split = start + (1 << ((stop - start - 1).bit_length() - 1))
        if old_size <= split:
            path.append(root_of(leaf_hashes[split:stop]))
            stop = split
        else:
            path.append(root_of(leaf_hashes[start:split]))
            start = split
    if start > 0:
        # What remains is the last perfect subtree of the old tree. It is left out only where it is the whole
        # old tree, whose root the verifier has.
        path.append(root_of(leaf_hashes[start:stop]))
    path.reverse()
    return tuple(path)


def verify_consistency(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree of `new_size` leaves begins with the leaves of the tree of `old_size`.

    Raises ProofInvalid otherwise. Every tree begins with the empty one; trees of one size must have one root.
    """
    require(0 <= old_size <= new_size, "sizes out of order")
    require_hash(old_root, "old root is not a hash")
    require_hash(new_root, "new root is not a hash")
    if old_size == 0:
        require(old_root == EMPTY_ROOT, "old root differs")
    if old_size == new_size:
        require(old_root == new_root, "new root differs")
    if old_size in (0, new_size):
        _require_path(path, 0)
    else:
        _verify_growth(old_size, new_size, old_root, new_root, path)


def _verify_growth(
    old_size: int, new_size: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> None:
    # Both roots are computed from one starting node, the last perfect subtree of the old tree: its left
    # neighbours belong to both trees, its right ones only to the new tree.
    last = old_size - 1
    skipped = (old_size & -old_size).bit_length() - 1
    inner = (last ^ (new_size - 1)).bit_length() - skipped
    edge = last >> skipped
    nodes = list(path)
    if old_size == 1 << skipped:
        nodes.insert(0, old_root)
    _require_path(nodes, 1 + inner + (edge >> inner).bit_count())
    old_node = new_node = nodes[0]
    for height, sibling in enumerate(nodes[1:]):
        if height >= inner or (edge >> height) & 1:
            old_node = node_hash(sibling, old_node)
            new_node = node_hash(sibling, new_node)
        else:
            new_node = node_hash(new_node, sibling)
    require(old_node == old_root, "old root differs")
    require(new_node == new_root, "new root differs")


def _require_path(path: Sequence[bytes], length: int) -> None:
    require(len(path) == length, "path has the wrong length")
    for step in path:
        require_hash(step, "path holds something that is not a hash")


class Frontier:
    """The right edge of a log that only grows: as much of its tree as appending and the root need.

    It holds the roots of the perfect subtrees that the leaves fall into, largest first: one for each bit set
    in the size.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._hashes: list[bytes] = []

    @property
    def size(self) -> int:
        """Number of leaves appended so far."""
        return self._size

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash at the end. Raises ValueError when it is not a hash."""
        require_hash(leaf, "leaf is not a hash")
        node = leaf
        merged = self._size
        while merged & 1:
            node = node_hash(self._hashes.pop(), node)
            merged >>= 1
        self._hashes.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Root of the tree over all leaves appended so far; equals `root_of` over them."""
        if not self._hashes:
            return EMPTY_ROOT
        node = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            node = node_hash(left, node)
        return node

    def encode(self) -> tuple[bytes, ...]:
        """The hashes that, with the size, are all there is to this frontier."""
        return tuple(self._hashes)

    @classmethod
    def decode(cls, size: int, hashes: Sequence[bytes]) -> Frontier:
        """The frontier with this size and these hashes. Raises ProofInvalid when they do not fit together."""
        require(size >= 0, "size is negative")
        require(len(hashes) == size.bit_count(), "wrong number of hashes for the size")
        for node in hashes:
            require_hash(node, "frontier holds something that is not a hash")
        frontier = cls()
        frontier._size = size
        frontier._hashes = list(hashes)
        return frontier
