"""Ranges of two trees that verify on their own: slots of the state tree, and leaves of the history log.

A range of slots comes with what is beside it on each level: the hashes that complete its first group of children on the
left, then those that complete its last group on the right. A range of the history comes with the edge of the log before
it, and with the roots of what is behind it. What is verified takes everything from strangers and trusts nothing.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import sha256
from typing import Final

from traco.kernel.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    ProofInvalid,
    node_hash,
    require,
    require_hash,
    root_of,
)
from traco.kernel.stateproof import (
    ARITY,
    GROUP_BYTES,
    HEAD_SLOT,
    MAX_KEY_BYTES,
    NODE,
    empty_leaf,
    level_widths,
    occupied_leaf,
    state_root,
)
from traco.storage.copying.form import SlotContent

_NO_LEAF: Final = bytes(HASH_BYTES)


@cache
def _padding(level: int) -> bytes:
    """The node of a level, leaves first, under which there are no slots."""
    return _NO_LEAF if level == 0 else sha256(NODE + _padding(level - 1) * ARITY).digest()


def leaf_of(slot: int, content: SlotContent) -> bytes:
    """The leaf hash of a slot's content. Raises ``ProofInvalid`` where it cannot be that of this slot."""
    if isinstance(content, int):
        require(slot != HEAD_SLOT and 0 <= content < 2**64, "an empty slot that cannot be")
        return empty_leaf(content)
    key, next_key, value = content
    require(len(key) <= MAX_KEY_BYTES and len(next_key) <= MAX_KEY_BYTES, "key too long")
    require((slot == HEAD_SLOT) == (key == b""), "head out of place")
    require(key < next_key or not next_key, "keys out of order")
    return occupied_leaf(key, next_key, sha256(value).digest())


def _parents(row: bytes, level: int) -> bytes:
    missing = -len(row) % GROUP_BYTES // HASH_BYTES
    row += _padding(level) * missing
    return b"".join(
        [
            sha256(NODE + row[start : start + GROUP_BYTES]).digest()
            for start in range(0, len(row), GROUP_BYTES)
        ]
    )


class StateLevels:
    """All levels of a state tree over its leaf hashes, for proving many ranges."""

    def __init__(self, leaf_hashes: bytes) -> None:
        self.slot_count = len(leaf_hashes) // HASH_BYTES
        self._levels = [leaf_hashes]
        for level in range(len(level_widths(self.slot_count)) - 1):
            self._levels.append(_parents(self._levels[level], level))

    def root(self, first_empty: int) -> bytes:
        """The state root."""
        return state_root(self.slot_count, first_empty, self._levels[-1])

    def prove(self, start: int, stop: int) -> tuple[bytes, ...]:
        """What is beside the slots from ``start`` up to but without ``stop``, by level."""
        if not 0 <= start < stop <= self.slot_count:
            raise ValueError(f"no slots from {start} to {stop} among {self.slot_count}")
        proof = []
        for level in self._levels[:-1]:
            left, right = _beside(start, stop, len(level) // HASH_BYTES)
            before = level[(start - left) * HASH_BYTES : start * HASH_BYTES]
            behind = level[stop * HASH_BYTES : (stop + right) * HASH_BYTES]
            proof.append(before + behind)
            start, stop = start // ARITY, -(-stop // ARITY)
        return tuple(proof)


def _beside(start: int, stop: int, width: int) -> tuple[int, int]:
    """How many nodes complete the groups of a range: to its left, and to its right as far as there are any."""
    return start % ARITY, min(width, -(-stop // ARITY) * ARITY) - stop


def range_root(
    slot_count: int, first_empty: int, first: int, slots: Sequence[SlotContent], proof: Sequence[bytes]
) -> bytes:
    """The state root that a range of slots leads to. Raises ``ProofInvalid`` where it leads to none."""
    start, stop = first, first + len(slots)
    require(0 <= start < stop <= slot_count, "slots outside the tree")
    widths = level_widths(slot_count)
    require(len(proof) == len(widths) - 1, "path has the wrong length")
    nodes = b"".join([leaf_of(first + index, content) for index, content in enumerate(slots)])
    for level, (width, others) in enumerate(zip(widths, proof, strict=False)):
        left, right = _beside(start, stop, width)
        require(len(others) == (left + right) * HASH_BYTES, "path holds too many hashes, or too few")
        edge = left * HASH_BYTES
        nodes = _parents(others[:edge] + nodes + others[edge:], level)
        start, stop = start // ARITY, -(-stop // ARITY)
    return state_root(slot_count, first_empty, nodes)


# The history log


def hashes_behind(size: int, stop: int, leaf_hashes: Sequence[bytes], offset: int) -> tuple[bytes, ...]:
    """The roots of what is behind a range that ends before ``stop`` in a log of ``size`` leaves.

    ``leaf_hashes`` are those from the position ``offset`` on, up to the last one.
    """

    def walk(low: int, high: int) -> Iterator[bytes]:
        if high <= stop:
            return
        if low >= stop:
            yield root_of(leaf_hashes[low - offset : high - offset])
            return
        middle = _split(low, high)
        yield from walk(low, middle)
        yield from walk(middle, high)

    return tuple(walk(0, size))


def history_root_of(
    size: int, first: int, leaf_hashes: Sequence[bytes], before: Sequence[bytes], after: Sequence[bytes]
) -> bytes:
    """The root of the log of ``size`` leaves that has these leaf hashes from the position ``first`` on.

    ``before`` is the edge of the log of the first ``first`` leaves (as of ``merkle.Frontier``), ``after`` as of
    ``hashes_behind``. Raises ``ProofInvalid`` where they do not fit together.
    """
    stop = first + len(leaf_hashes)
    require(0 <= first < stop <= size, "positions outside the log")
    left, right = iter(before), iter(after)

    def walk(low: int, high: int) -> bytes:
        if high <= first:
            return _next(left)
        if low >= stop:
            return _next(right)
        if high - low == 1:
            return leaf_hashes[low - first]
        middle = _split(low, high)
        return node_hash(walk(low, middle), walk(middle, high))

    root = walk(0, size) if size else EMPTY_ROOT
    require(next(left, None) is None and next(right, None) is None, "path has the wrong length")
    return root


def _next(hashes: Iterator[bytes]) -> bytes:
    found = next(hashes, None)
    require_hash(found, "path is too short, or holds something that is not a hash")
    if found is None:
        raise ProofInvalid("path is too short")
    return found


def _split(low: int, high: int) -> int:
    """Where RFC 6962 splits: behind the largest power of two below the number of leaves."""
    return low + (1 << ((high - low - 1).bit_length() - 1))
