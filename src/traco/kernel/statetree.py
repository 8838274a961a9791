"""The indexed Merkle tree that commits to the whole state, and makes proofs of presence and absence.

Every key owns a *slot*. A slot's leaf commits to the key, to the hash of its value and to the next key in
order, so that one leaf shows both that its key is there and that nothing lies between it and the next. Slot 0
is the *head*: its key is empty, it precedes all others and is never deleted. Slots of deleted keys form a
chain, the last one emptied first, from which new keys are served before the tree grows. Over the slots lies a
dense tree of arity 4.

What is hashed, and the verification of proofs, is in `stateproof`.

Not for storing anything: `storage` keeps keys, values and leaf hashes and hands them to `StateTree.restore`.

    ValueError
      InconsistentState  what a store gave back is not a state that this tree can have been in
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import pairwise
from types import NoneType
from typing import NamedTuple, Self

from sortedcontainers import SortedList

from traco.kernel.merkle import HASH_BYTES
from traco.kernel.stateproof import (
    ARITY,
    END_OF_CHAIN,
    GROUP_BYTES,
    HEAD_SLOT,
    MAX_DEPTH,
    MAX_KEY_BYTES,
    MAX_SLOT_COUNT,
    NODE,
    StateProof,
    empty_leaf,
    level_widths,
    occupied_leaf,
    state_root,
)


def _padding() -> tuple[bytes, ...]:
    nodes = [bytes(HASH_BYTES)]
    for _ in range(MAX_DEPTH):
        nodes.append(sha256(NODE + nodes[-1] * ARITY).digest())
    return tuple(nodes)


# By level, leaves first: the node under which there are no slots.
_PADDING = _padding()


class InconsistentState(ValueError):
    """What a store gave back is not a state that the tree can have been in; the store is damaged."""


class SlotContent(NamedTuple):
    """What a store keeps of one slot: `next_empty` is None exactly if the slot is occupied (or the head)."""

    slot: int
    key: bytes
    value: bytes
    next_empty: int | None
    leaf_hash: bytes


# Key, value, next key and next empty slot: what a slot held before the last change, so that it can be reverted.
# A plain tuple, because every touched slot makes one.
_Before = tuple[bytes, bytes, bytes, int | None]


class StateTree:
    """The state in memory, in key order, with its tree; one writer, whose changes take effect at once."""

    __slots__ = (
        "_before",
        "_first_empty",
        "_keys",
        "_levels",
        "_next_empty",
        "_next_keys",
        "_order",
        "_sizes_before",
        "_slots",
        "_values",
    )

    def __init__(self) -> None:
        # By slot; empty slots hold empty strings, as does the head.
        self._keys: list[bytes] = [b""]
        self._values: list[bytes] = [b""]
        self._next_keys: list[bytes] = [b""]
        self._slots: dict[bytes, int] = {}
        self._order = SortedList()
        self._next_empty: dict[int, int] = {}
        self._first_empty = END_OF_CHAIN
        # One string of hashes per level, leaves first, filled up with padding to whole groups of children:
        # the children of node i are the bytes from 128 * i to 128 * (i + 1) of the level below.
        self._levels: list[bytearray] = []
        # By touched slot, what the last change replaced; None when there is no change to revert.
        self._before: dict[int, _Before] | None = None
        self._sizes_before = (self.slot_count, self._first_empty)
        self._fit()
        self._rehash([HEAD_SLOT])

    @classmethod
    def restore(
        cls,
        rows: Iterable[tuple[int, bytes, bytes]],
        slot_count: int,
        first_empty: int = END_OF_CHAIN,
        next_empty: Mapping[int, int] | None = None,
        leaf_hashes: bytes | None = None,
    ) -> Self:
        """The tree with these (slot, key, value) rows, in any order; the head's row may be among them or not.

        `next_empty` gives for each empty slot the next one. `leaf_hashes`, all in the order of the slots, are
        believed, not checked against the rows: compare the root with what was committed; leave them out to
        have everything hashed again. Raises InconsistentState when the parts do not fit together.
        """
        _consistent(1 <= slot_count <= MAX_SLOT_COUNT, "number of slots")
        keys = [b""] * slot_count
        values = keys.copy()
        for slot, key, value in rows:
            if not 0 <= slot < slot_count or keys[slot] or not (key or slot == HEAD_SLOT):
                raise InconsistentState(f"row of slot {slot}")
            keys[slot] = key
            values[slot] = value
        return cls.restore_slots(keys, values, first_empty, next_empty, leaf_hashes)

    @classmethod
    def restore_slots(
        cls,
        keys: list[bytes],
        values: list[bytes],
        first_empty: int = END_OF_CHAIN,
        next_empty: Mapping[int, int] | None = None,
        leaf_hashes: bytes | None = None,
    ) -> Self:
        """As `restore`, from lists by slot that the tree keeps; empty slots and the head have empty strings."""
        _consistent(bool(keys) and len(keys) == len(values), "number of slots")
        if leaf_hashes is not None:
            _consistent(len(leaf_hashes) == len(keys) * HASH_BYTES, "number of leaf hashes")
        tree = cls()
        tree._place(keys, values)
        tree._chain(first_empty, dict(next_empty or {}))
        tree._link()
        if leaf_hashes is None:
            leaf_hashes = b"".join(map(tree._leaf, range(len(keys))))
        tree._build(leaf_hashes)
        return tree

    def __len__(self) -> int:
        """Number of keys."""
        return len(self._slots)

    def __contains__(self, key: bytes) -> bool:
        """Whether the key has a value."""
        return key in self._slots

    @property
    def slot_count(self) -> int:
        """Number of slots: head, occupied and empty ones. It never shrinks."""
        return len(self._keys)

    @property
    def first_empty(self) -> int:
        """The empty slot that the next new key gets, or `END_OF_CHAIN`."""
        return self._first_empty

    def get(self, key: bytes) -> bytes | None:
        """The key's value, or None when it has none."""
        slot = self._slots.get(key)
        return None if slot is None else self._values[slot]

    def range(self, start: bytes, stop: bytes | None = None) -> Iterator[bytes]:
        """Keys in order from `start` up to but without `stop` (None: to the end). Not across an `apply`."""
        keys: Iterator[bytes] = self._order.irange(start, stop, inclusive=(True, False))
        return keys

    def slot_of(self, key: bytes) -> int | None:
        """The key's slot, or None when it has none."""
        return self._slots.get(key)

    def content(self, slot: int) -> SlotContent:
        """What is in a slot, for a store to keep. Raises ValueError when there is no such slot."""
        if not 0 <= slot < self.slot_count:
            raise ValueError(f"no slot {slot} among {self.slot_count}")
        start = slot * HASH_BYTES
        leaf = bytes(self._levels[0][start : start + HASH_BYTES])
        return SlotContent(slot, self._keys[slot], self._values[slot], self._next_empty.get(slot), leaf)

    def contents(self, slots: Iterable[int]) -> list[tuple[int, bytes, bytes, int | None]]:
        """As `content`, without leaf hashes, of several slots that exist: for a store, after each block."""
        keys, values, next_empty = self._keys, self._values, self._next_empty.get
        return [(slot, keys[slot], values[slot], next_empty(slot)) for slot in slots]

    def leaf_hashes_at(self, slots: Iterable[int]) -> bytes:
        """Hashes of these slots, which exist, one after the other."""
        leaves = self._levels[0]
        return b"".join([leaves[slot * HASH_BYTES : (slot + 1) * HASH_BYTES] for slot in slots])

    def leaf_hashes(self, start: int, stop: int) -> bytes:
        """Hashes of the slots from `start` up to but without `stop` or the last slot, one after the other."""
        return bytes(self._levels[0][start * HASH_BYTES : min(stop, self.slot_count) * HASH_BYTES])

    def root(self) -> bytes:
        """The state root after the last `apply`."""
        return state_root(self.slot_count, self._first_empty, bytes(self._levels[-1][:HASH_BYTES]))

    def apply(self, changes: Mapping[bytes, bytes | None]) -> list[int]:
        """Set each key to its value, or delete it (None); return the slots whose leaves changed, ascending.

        Keys are deleted first, in key order; then new ones are added, in key order. What comes out depends on
        the changes, not on their order in the mapping. Deleting an absent key and setting a key to the value
        that it has change nothing. Raises ValueError, before any change, for what is no key or no value.
        """
        _check_keys(changes)
        if not set(map(type, changes.values())) <= {bytes, NoneType}:
            raise ValueError("a value is bytes")
        deleted: list[bytes] = []
        added: list[tuple[bytes, bytes]] = []
        before: dict[int, _Before] = {}
        self._sizes_before = (self.slot_count, self._first_empty)
        slots, keys, values, next_keys = self._slots, self._keys, self._values, self._next_keys
        for key, value in changes.items():
            slot = slots.get(key)
            if slot is None:
                if value is not None:
                    added.append((key, value))
            elif value is None:
                deleted.append(key)
            elif value != values[slot]:
                before[slot] = keys[slot], values[slot], next_keys[slot], None
                values[slot] = value
        self._before = before
        for key in sorted(deleted):
            self._delete(key, before)
        if added:
            self._insert(sorted(added), before)
            self._fit()
        touched = sorted(before)
        self._rehash(touched)
        return touched

    def revert(self) -> None:
        """Take back the last `apply` as if it had never been, slots included; for a block that is not committed.

        Raises RuntimeError when there is none: before the first, and after another `revert`.
        """
        if self._before is None:
            raise RuntimeError("there is no change to revert")
        returning = []
        for slot, (old_key, value, next_key, next_empty) in self._before.items():
            key = self._keys[slot]
            if key != old_key:
                if key:
                    del self._slots[key]
                    self._order.remove(key)
                if old_key:
                    self._slots[old_key] = slot
                    returning.append(old_key)
            self._keys[slot], self._values[slot], self._next_keys[slot] = old_key, value, next_key
            if next_empty is None:
                self._next_empty.pop(slot, None)
            else:
                self._next_empty[slot] = next_empty
        self._order.update(returning)
        slot_count, self._first_empty = self._sizes_before
        for by_slot in (self._keys, self._values, self._next_keys):
            del by_slot[slot_count:]
        self._fit()
        # Nodes that were over removed slots and are still there are all above the last slot.
        dirty = [slot for slot in sorted(self._before) if slot < slot_count - 1]
        self._rehash([*dirty, slot_count - 1])
        self._before = None

    def prove(self, key: bytes) -> StateProof:
        """Proof that the key has its value, or that it has none. Raises ValueError for what is no key."""
        _check_keys((key,))
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slot_before(key)
        siblings = []
        index = slot
        for level in self._levels[:-1]:
            own = index * HASH_BYTES
            start = own - own % GROUP_BYTES
            others = level[start:own] + level[own + HASH_BYTES : start + GROUP_BYTES]
            siblings.append(bytes(others))
            index //= ARITY
        return StateProof(
            slot=slot,
            leaf_key=self._keys[slot],
            next_key=self._next_keys[slot],
            value_hash=sha256(self._values[slot]).digest(),
            siblings=tuple(siblings),
            slot_count=self.slot_count,
            first_empty=self._first_empty,
        )

    # Changing keys and slots

    def _slot_before(self, key: bytes) -> int:
        """Slot of the last key before this one."""
        position = self._order.bisect_left(key)
        return self._slots[self._order[position - 1]] if position else HEAD_SLOT

    def _remember(self, slot: int, before: dict[int, _Before]) -> None:
        """Keep what the slot holds, the first time that a change touches it."""
        if slot not in before:
            next_empty = self._next_empty.get(slot)
            before[slot] = self._keys[slot], self._values[slot], self._next_keys[slot], next_empty

    def _delete(self, key: bytes, before: dict[int, _Before]) -> None:
        slot = self._slots.pop(key)
        previous = self._slot_before(key)
        self._remember(slot, before)
        self._remember(previous, before)
        self._order.remove(key)
        self._next_keys[previous] = self._next_keys[slot]
        self._keys[slot] = self._values[slot] = self._next_keys[slot] = b""
        self._next_empty[slot] = self._first_empty
        self._first_empty = slot

    def _insert(self, rows: list[tuple[bytes, bytes]], before: dict[int, _Before]) -> None:
        newest = HEAD_SLOT
        for key, value in rows:
            # The sorted list learns of the new keys at the end, all at once, so the key before this one is
            # either the one that it knows or the one added just now.
            previous = self._slot_before(key)
            if self._keys[previous] < self._keys[newest]:
                previous = newest
            newest = self._take_slot(before)
            self._remember(previous, before)
            self._keys[newest] = key
            self._values[newest] = value
            self._next_keys[newest] = self._next_keys[previous]
            self._next_keys[previous] = key
            self._slots[key] = newest
        self._order.update([key for key, _ in rows])

    def _take_slot(self, before: dict[int, _Before]) -> int:
        slot = self._first_empty
        if slot == END_OF_CHAIN:
            slot = self.slot_count
            for by_slot in (self._keys, self._values, self._next_keys):
                by_slot.append(b"")
            self._remember(slot, before)
        else:
            self._remember(slot, before)
            self._first_empty = self._next_empty.pop(slot)
        return slot

    # Hashing

    def _leaf(self, slot: int) -> bytes:
        next_empty = self._next_empty.get(slot)
        if next_empty is not None:
            return empty_leaf(next_empty)
        value_hash = sha256(self._values[slot]).digest()
        return occupied_leaf(self._keys[slot], self._next_keys[slot], value_hash)

    def _fit(self) -> None:
        """Give every level the nodes over all slots and no others; new ones are padding until they are hashed."""
        widths = level_widths(self.slot_count)
        del self._levels[len(widths) :]
        for height, width in enumerate(widths):
            if height == len(self._levels):
                self._levels.append(bytearray())
            level = self._levels[height]
            del level[width * HASH_BYTES :]
            groups = (width + ARITY - 1) // ARITY
            level += _PADDING[height] * (groups * ARITY - len(level) // HASH_BYTES)

    def _rehash(self, slots: list[int]) -> None:
        """Hash the leaves of these slots, in ascending order, and once every node above them."""
        # Writing through a view is twice as fast as assigning to a slice; reading through one is slower. The views
        # end with this call: while one exists, the levels cannot grow.
        leaf, leaves = self._leaf, memoryview(self._levels[0])
        for slot in slots:
            start = slot * HASH_BYTES
            leaves[start : start + HASH_BYTES] = leaf(slot)
        dirty = slots
        for children, level in pairwise(self._levels):
            parents = memoryview(level)
            dirty = list(dict.fromkeys([index // ARITY for index in dirty]))
            for index in dirty:
                group = index * GROUP_BYTES
                start = index * HASH_BYTES
                node = sha256(NODE + children[group : group + GROUP_BYTES]).digest()
                parents[start : start + HASH_BYTES] = node

    def _build(self, leaf_hashes: bytes) -> None:
        """Replace all levels by those over these leaves."""
        self._levels = [bytearray(leaf_hashes)]
        self._fit()
        for height in range(len(self._levels) - 1):
            children, parents = self._levels[height : height + 2]
            groups = range(0, len(children), GROUP_BYTES)
            nodes = [sha256(NODE + children[group : group + GROUP_BYTES]).digest() for group in groups]
            parents[: len(nodes) * HASH_BYTES] = b"".join(nodes)

    # Coming back from a store

    def _place(self, keys: list[bytes], values: list[bytes]) -> None:
        slots = dict(zip(keys, range(len(keys)), strict=True))
        slots.pop(b"", None)
        _consistent(set(map(type, keys)) == {bytes} == set(map(type, values)), "key or value of another type")
        _consistent(keys[HEAD_SLOT] == b"" == values[HEAD_SLOT], "head")
        _consistent(max(map(len, keys)) <= MAX_KEY_BYTES, "key too long")
        _consistent(len(slots) == len(keys) - keys.count(b""), "key in two slots")
        self._keys, self._values, self._slots = keys, values, slots

    def _chain(self, first_empty: int, next_empty: dict[int, int]) -> None:
        # As many steps as there are empty slots, ending at the end, cannot have met any of them twice.
        slot = first_empty
        for _ in range(len(next_empty)):
            _consistent(HEAD_SLOT < slot < self.slot_count and slot in next_empty, "chain of empty slots")
            _consistent(self._keys[slot] == b"" == self._values[slot], "empty slot that is occupied")
            slot = next_empty[slot]
        _consistent(slot == END_OF_CHAIN, "chain of empty slots")
        _consistent(self._keys.count(b"") == 1 + len(next_empty), "slot neither occupied nor empty")
        self._first_empty, self._next_empty = first_empty, next_empty

    def _link(self) -> None:
        self._order = SortedList(self._slots)
        self._next_keys = [b""] * self.slot_count
        before = HEAD_SLOT
        for key in self._order:
            self._next_keys[before] = key
            before = self._slots[key]


def _consistent(holds: bool, part: str) -> None:
    if not holds:
        raise InconsistentState(part)


def _check_keys(keys: Collection[bytes]) -> None:
    # Subclasses of bytes could compare in their own way; mutable buffers could change after being hashed.
    lengths = [len(key) for key in keys if type(key) is bytes]
    if len(lengths) < len(keys) or (lengths and not 1 <= min(lengths) <= max(lengths) <= MAX_KEY_BYTES):
        raise ValueError(f"a key is 1 to {MAX_KEY_BYTES} bytes")
