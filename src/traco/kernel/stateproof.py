"""The form of the state tree: what its leaves and nodes hash, and proofs of presence and absence.

What is hashed (SHA-256; integers are big-endian, lengths 2 bytes, slots 8 bytes):

    occupied slot   0x00 | length | key | length | next key, empty at the end | SHA-256(value)
    empty slot      0x02 | next empty slot, `END_OF_CHAIN` at the end
    beyond slots    32 zero bytes, not hashed
    interior node   0x01 | four children
    state root      0x03 | number of slots | first empty slot | top node

Not for keeping the tree: that is ``statetree``. Whoever verifies a proof needs this file alone.

    ValueError
      ProofInvalid       a proof does not show what it claims (from `merkle`)
"""

from hashlib import sha256

import msgspec

from traco.kernel.merkle import HASH_BYTES, require, require_hash

MAX_KEY_BYTES = 512
"""Longest key, in bytes. The shortest has one byte."""

HEAD_SLOT = 0
"""Slot of the leaf that precedes all keys."""

END_OF_CHAIN = 2**64 - 1
"""Stands for "no slot" in the chain of empty slots."""

ARITY = 4
"""Children of a node."""

GROUP_BYTES = ARITY * HASH_BYTES
MAX_SLOT_COUNT = END_OF_CHAIN
MAX_DEPTH = 32
"""No tree is deeper: 4**32 is END_OF_CHAIN + 1."""

NODE = b"\x01"
"""What the preimage of an interior node begins with."""

_EMPTY = b"\x02"
_ROOT = b"\x03"
_LENGTHS = tuple(length.to_bytes(2, "big") for length in range(MAX_KEY_BYTES + 1))
_LEAF_HEADS = tuple(b"\x00" + length for length in _LENGTHS)


class StateProof(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One leaf and its way to a state root: of the key itself, or, if that is absent, of the key before it.

    `siblings` has an entry per level, leaves first: the three other children of the parent, in order, in one
    string of 96 bytes. `first_empty` and `slot_count` are part of the root.
    """

    slot: int
    leaf_key: bytes
    next_key: bytes
    value_hash: bytes
    siblings: tuple[bytes, ...]
    slot_count: int
    first_empty: int


def occupied_leaf(key: bytes, next_key: bytes, value_hash: bytes) -> bytes:
    """Hash of an occupied slot; both keys at most `MAX_KEY_BYTES` long."""
    parts = (_LEAF_HEADS[len(key)], key, _LENGTHS[len(next_key)], next_key, value_hash)
    return sha256(b"".join(parts)).digest()


def empty_leaf(next_empty: int) -> bytes:
    """Hash of an empty slot."""
    return sha256(_EMPTY + next_empty.to_bytes(8, "big")).digest()


def state_root(slot_count: int, first_empty: int, top_node: bytes) -> bytes:
    """The root that commits to the whole state."""
    return sha256(_ROOT + slot_count.to_bytes(8, "big") + first_empty.to_bytes(8, "big") + top_node).digest()


def level_widths(slot_count: int) -> list[int]:
    """Number of nodes per level over this many slots, from the leaves to the single top node."""
    widths = [slot_count]
    while widths[-1] > 1:
        widths.append((widths[-1] + ARITY - 1) // ARITY)
    return widths


def verify_presence(proof: StateProof, key: bytes, value: bytes, root: bytes) -> None:
    """Check that in the state with this root the key has this value. Raises ProofInvalid otherwise."""
    _require_key(key)
    require(proof.leaf_key == key, "leaf belongs to another key")
    require(type(value) is bytes and proof.value_hash == sha256(value).digest(), "value differs")
    _verify_leaf(proof, root)


def verify_absence(proof: StateProof, key: bytes, root: bytes) -> None:
    """Check that in the state with this root the key has no value. Raises ProofInvalid otherwise."""
    _require_key(key)
    require(proof.leaf_key < key, "leaf does not precede the key")
    require(proof.next_key == b"" or key < proof.next_key, "leaf does not reach beyond the key")
    _verify_leaf(proof, root)


def _require_key(key: bytes) -> None:
    require(type(key) is bytes and 1 <= len(key) <= MAX_KEY_BYTES, "not a key")


def _verify_leaf(proof: StateProof, root: bytes) -> None:
    require_hash(root, "root is not a hash")
    require(1 <= proof.slot_count <= MAX_SLOT_COUNT, "number of slots out of range")
    require(0 <= proof.slot < proof.slot_count, "slot outside the tree")
    in_chain = 1 <= proof.first_empty < proof.slot_count
    require(in_chain or proof.first_empty == END_OF_CHAIN, "first empty slot outside the tree")
    require(len(proof.leaf_key) <= MAX_KEY_BYTES and len(proof.next_key) <= MAX_KEY_BYTES, "key too long")
    require((proof.slot == HEAD_SLOT) == (proof.leaf_key == b""), "head out of place")
    require(proof.next_key == b"" or proof.leaf_key < proof.next_key, "keys out of order")
    require_hash(proof.value_hash, "value hash is not a hash")
    require(len(proof.siblings) == len(level_widths(proof.slot_count)) - 1, "path has the wrong length")
    node = occupied_leaf(proof.leaf_key, proof.next_key, proof.value_hash)
    index = proof.slot
    for others in proof.siblings:
        require(len(others) == GROUP_BYTES - HASH_BYTES, "path holds something that is not three hashes")
        own = index % ARITY * HASH_BYTES
        node = sha256(NODE + others[:own] + node + others[own:]).digest()
        index //= ARITY
    require(state_root(proof.slot_count, proof.first_empty, node) == root, "root differs")
