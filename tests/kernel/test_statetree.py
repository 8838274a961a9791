"""The state tree against a naive model, its byte format against golden vectors, its proofs against forgery.

`Model` knows the definition only: it keeps slots in a list, hashes the whole padded tree each time and shares
no code with the kernel. `golden_cases` is what tests/vectors/statetree.json was written from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.kernel import stateproof
from traco.kernel.merkle import ProofInvalid
from traco.kernel.stateproof import END_OF_CHAIN, StateProof
from traco.kernel.statetree import InconsistentState, SlotContent, StateTree

VECTORS = Path(__file__).parents[1] / "vectors" / "statetree.json"
END = 2**64 - 1
LONGEST = b"k" * 512
Changes = Mapping[bytes, bytes | None]


def digest(*parts: bytes) -> bytes:
    return sha256(b"".join(parts)).digest()


class Model:
    """The indexed Merkle tree as defined, slow and obvious."""

    def __init__(self) -> None:
        self.keys: list[bytes | None] = [b""]  # by slot; None where the slot is empty
        self.values: dict[bytes, bytes] = {}
        self.empty: list[int] = []  # the first to be used again is last

    def apply(self, changes: Changes) -> list[int]:
        before = self.leaves()
        for key in sorted(changes):
            if changes[key] is None and key in self.values:
                del self.values[key]
                slot = self.keys.index(key)
                self.keys[slot] = None
                self.empty.append(slot)
        for key in sorted(changes):
            value = changes[key]
            if value is None:
                continue
            if key not in self.values:
                slot = self.empty.pop() if self.empty else len(self.keys)
                self.keys[slot : slot + 1] = [key]
            self.values[key] = value
        after = self.leaves()
        return [slot for slot in range(len(after)) if before[slot : slot + 1] != after[slot : slot + 1]]

    def first_empty(self) -> int:
        return self.empty[-1] if self.empty else END

    def next_key(self, key: bytes) -> bytes:
        return min((other for other in self.values if other > key), default=b"")

    def next_empty(self) -> dict[int, int]:
        return {slot: ([END, *self.empty])[place] for place, slot in enumerate(self.empty)}

    def leaves(self) -> list[bytes]:
        chain = self.next_empty()
        leaves = []
        for slot, key in enumerate(self.keys):
            if key is None:
                leaves.append(digest(b"\x02", chain[slot].to_bytes(8, "big")))
            else:
                following = self.next_key(key)
                sizes = len(key).to_bytes(2, "big"), len(following).to_bytes(2, "big")
                value_hash = digest(self.values.get(key, b""))
                leaves.append(digest(b"\x00", sizes[0], key, sizes[1], following, value_hash))
        return leaves

    def levels(self) -> list[list[bytes]]:
        """All levels, leaves first, each padded to its full width."""
        width = 1
        while width < len(self.keys):
            width *= 4
        levels = [self.leaves() + [bytes(32)] * (width - len(self.keys))]
        while len(levels[-1]) > 1:
            below = levels[-1]
            levels.append([digest(b"\x01", *below[i : i + 4]) for i in range(0, len(below), 4)])
        return levels

    def root(self) -> bytes:
        sizes = len(self.keys).to_bytes(8, "big"), self.first_empty().to_bytes(8, "big")
        return digest(b"\x03", *sizes, self.levels()[-1][0])

    def proof(self, key: bytes) -> list[Any]:
        """The fields of the proof, in order."""
        leaf_key = key
        if key not in self.values:
            leaf_key = max((other for other in self.values if other < key), default=b"")
        slot = self.keys.index(leaf_key)
        siblings = []
        index = slot
        for level in self.levels()[:-1]:
            group = index - index % 4
            siblings.append(b"".join(level[i] for i in range(group, group + 4) if i != index))
            index //= 4
        value_hash = digest(self.values.get(leaf_key, b""))
        return [
            slot,
            leaf_key,
            self.next_key(leaf_key),
            value_hash,
            siblings,
            len(self.keys),
            self.first_empty(),
        ]


def tree_of(*batches: Changes) -> StateTree:
    tree = StateTree()
    for changes in batches:
        tree.apply(changes)
    return tree


def model_of(*batches: Changes) -> Model:
    model = Model()
    for changes in batches:
        model.apply(changes)
    return model


def assert_same(tree: StateTree, model: Model) -> None:
    assert tree.root() == model.root()
    assert (tree.slot_count, tree.first_empty) == (len(model.keys), model.first_empty())
    chain = model.next_empty()
    for slot, leaf in enumerate(model.leaves()):
        key = model.keys[slot] or b""
        expected = SlotContent(slot, key, model.values.get(key, b""), chain.get(slot), leaf)
        assert tree.content(slot) == expected
    assert list(tree.range(b"")) == sorted(model.values)
    assert {key: tree.get(key) for key in model.values} == model.values


def numbered(*numbers: int) -> dict[bytes, bytes | None]:
    """Keys that sort as their numbers do, each with a value of its own."""
    return {b"key/%04d" % number: b"value %d" % number for number in numbers}


def without(*numbers: int) -> dict[bytes, bytes | None]:
    return dict.fromkeys(numbered(*numbers))


def golden_cases() -> list[dict[str, Any]]:
    """One history, step by step: changes, then what the model says of them."""
    batches: list[Changes] = [
        {},
        {b"b": b"two", b"d": b"four", b"a": b"one"},
        {b"c": b"three"},
        {b"b": None, b"d": None, b"a": b"uno"},
        {b"e": b"five", b"aa": b"", b"b": b"two again"},
        {b"c": None, b"a": None, b"z": b"last", LONGEST: b"long"},
        {bytes([number]): bytes(number) for number in range(1, 64)},
        {bytes([number]): None for number in range(1, 64)},
    ]
    model = Model()
    cases = []
    for changes in batches:
        touched = model.apply(changes)
        asked = sorted({*changes, b"\x01", b"bb", b"\xff"})[:8]
        cases.append(
            {
                "changes": [
                    [key.hex(), None if value is None else value.hex()] for key, value in changes.items()
                ],
                "touched": touched,
                "slot_count": len(model.keys),
                "first_empty": model.first_empty(),
                "root": model.root().hex(),
                "proofs": [[key.hex(), msgspec.msgpack.encode(model.proof(key)).hex()] for key in asked],
            }
        )
    return cases


GOLDEN = json.loads(VECTORS.read_text())["cases"]


# Byte format


def test_golden_vectors_are_those_of_the_model() -> None:
    assert golden_cases() == GOLDEN


def test_tree_reproduces_the_golden_vectors() -> None:
    tree = StateTree()
    for case in GOLDEN:
        changes = {
            bytes.fromhex(key): None if value is None else bytes.fromhex(value)
            for key, value in case["changes"]
        }
        assert tree.apply(changes) == case["touched"]
        assert (tree.slot_count, tree.first_empty) == (case["slot_count"], case["first_empty"])
        assert tree.root().hex() == case["root"]
        for key, proof in case["proofs"]:
            assert msgspec.msgpack.encode(tree.prove(bytes.fromhex(key))).hex() == proof


def test_new_tree_has_the_head_only() -> None:
    tree = StateTree()
    head = digest(b"\x00\x00\x00\x00\x00", digest(b""))
    assert tree.root() == digest(b"\x03", (1).to_bytes(8, "big"), b"\xff" * 8, head)
    assert tree.content(0) == SlotContent(0, b"", b"", None, head)
    assert (tree.slot_count, tree.first_empty, len(tree)) == (1, END, 0)


def test_one_key_makes_a_tree_of_one_level() -> None:
    tree = tree_of({b"k": b"v"})
    head = digest(b"\x00\x00\x00\x00\x01k", digest(b""))
    leaf = digest(b"\x00\x00\x01k\x00\x00", digest(b"v"))
    top = digest(b"\x01", head, leaf, bytes(64))
    assert tree.root() == digest(b"\x03", (2).to_bytes(8, "big"), b"\xff" * 8, top)


def test_emptied_slot_commits_to_the_next_empty_one() -> None:
    tree = tree_of(numbered(1, 2), without(1, 2))
    assert tree.content(1).leaf_hash == digest(b"\x02", b"\xff" * 8)
    assert tree.content(2).leaf_hash == digest(b"\x02", (1).to_bytes(8, "big"))


def test_constants_are_part_of_the_format() -> None:
    assert (stateproof.MAX_KEY_BYTES, stateproof.END_OF_CHAIN, stateproof.HEAD_SLOT) == (512, END, 0)


@pytest.mark.parametrize(
    ("slots", "widths"),
    [
        (1, [1]),
        (2, [2, 1]),
        (4, [4, 1]),
        (5, [5, 2, 1]),
        (16, [16, 4, 1]),
        (17, [17, 5, 2, 1]),
        (64, [64, 16, 4, 1]),
        (65, [65, 17, 5, 2, 1]),
    ],
)
def test_depth_is_the_least_that_holds_all_slots(slots: int, widths: list[int]) -> None:
    assert stateproof.level_widths(slots) == widths


# Against the model


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 14, 15, 16, 17, 62, 63, 64, 65, 255, 256])
def test_tree_of_any_size_added_at_once_is_that_of_the_model(count: int) -> None:
    changes = numbered(*range(count))
    assert_same(tree_of(changes), model_of(changes))


def test_tree_grown_key_by_key_is_that_of_the_model() -> None:
    tree, model = StateTree(), Model()
    for number in range(70):
        changes = numbered(number * 37 % 71)
        assert tree.apply(changes) == model.apply(changes)
        assert tree.root() == model.root()
    assert_same(tree, model)


def test_tree_that_grows_by_several_levels_at_once_is_that_of_the_model() -> None:
    batches = numbered(1), numbered(*range(2, 90)), numbered(*range(90, 270))
    assert_same(tree_of(*batches), model_of(*batches))


small_keys = st.one_of(st.binary(min_size=1, max_size=2), st.sampled_from([b"a", b"b", b"c", b"d", LONGEST]))
batches_of_changes = st.lists(
    st.dictionaries(small_keys, st.one_of(st.none(), st.sampled_from([b"", b"x", b"y"])), max_size=12),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(batches_of_changes)
def test_any_history_gives_the_state_of_the_model(batches: list[Changes]) -> None:
    tree, model = StateTree(), Model()
    for changes in batches:
        assert tree.apply(changes) == model.apply(changes)
        assert tree.root() == model.root()
    assert_same(tree, model)
    for key in [b"a", b"b", b"bb", *model.values]:
        assert list(msgspec.structs.astuple(tree.prove(key))) == [
            *model.proof(key)[:4],
            tuple(model.proof(key)[4]),
            *model.proof(key)[5:],
        ]


@settings(max_examples=100, deadline=None)
@given(batches_of_changes, st.randoms(use_true_random=False))
def test_order_of_the_mapping_does_not_matter(batches: list[Changes], random: Any) -> None:
    tree, shuffled = StateTree(), StateTree()
    for changes in batches:
        items = list(changes.items())
        random.shuffle(items)
        assert tree.apply(changes) == shuffled.apply(dict(items))
        assert tree.root() == shuffled.root()


def test_every_order_of_additions_and_deletions_gives_one_root() -> None:
    changes = {**without(1, 3), **numbered(0, 2, 4)}
    roots = []
    for items in permutations(changes.items()):
        tree = tree_of(numbered(1, 2, 3))
        tree.apply(dict(items))
        roots.append(tree.root())
    assert roots == [model_of(numbered(1, 2, 3), changes).root()] * 120


# Taking back


@settings(max_examples=150, deadline=None)
@given(batches_of_changes, batches_of_changes)
def test_reverted_change_leaves_no_trace(kept: list[Changes], reverted: list[Changes]) -> None:
    tree, model = tree_of(*kept), model_of(*kept)
    for changes in reverted:
        tree.apply(changes)
        tree.revert()
        assert_same(tree, model)
    for changes in reverted:
        assert tree.apply(changes) == model.apply(changes)
    assert_same(tree, model)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 14, 15, 16, 17, 62, 63, 64])
@pytest.mark.parametrize("added", [1, 2, 3, 4, 70])
def test_reverted_growth_leaves_the_smaller_tree(count: int, added: int) -> None:
    kept, later = numbered(*range(count)), numbered(*range(500, 500 + added))
    tree = tree_of(kept, later)
    tree.revert()
    assert_same(tree, model_of(kept))
    tree.apply(numbered(600))
    assert_same(tree, model_of(kept, numbered(600)))


def test_reverted_deletion_brings_the_key_back_to_its_slot() -> None:
    tree = tree_of(numbered(1, 2, 3, 4), without(2), {**without(1, 3), **numbered(8)})
    tree.revert()
    assert_same(tree, model_of(numbered(1, 2, 3, 4), without(2)))


def test_only_the_last_change_is_reverted() -> None:
    tree = tree_of(numbered(1), numbered(2), {})
    tree.revert()
    assert_same(tree, model_of(numbered(1), numbered(2)))


def test_refused_change_does_not_touch_what_can_be_reverted() -> None:
    tree = tree_of(numbered(1), numbered(2))
    with pytest.raises(ValueError, match=r"^a key is"):
        tree.apply({b"": b"x"})
    tree.revert()
    assert_same(tree, model_of(numbered(1)))


def test_there_is_nothing_to_revert_before_a_change_and_after_reverting() -> None:
    for tree in (StateTree(), StateTree.restore(ROWS, 6, 3, CHAIN)):
        with pytest.raises(RuntimeError, match=r"^there is no change to revert$"):
            tree.revert()
        tree.apply(numbered(1))
        tree.revert()
        with pytest.raises(RuntimeError, match=r"^there is no change to revert$"):
            tree.revert()


# Slots


def test_keys_get_slots_in_key_order() -> None:
    tree = tree_of(numbered(3, 1, 2))
    assert [tree.slot_of(key) for key in numbered(1, 2, 3)] == [1, 2, 3]


def test_absent_key_has_no_slot() -> None:
    tree = tree_of(numbered(1), without(1))
    assert tree.slot_of(b"key/0001") is None


def test_updated_key_keeps_its_slot_and_touches_nothing_else() -> None:
    tree = tree_of(numbered(1, 2, 3))
    assert tree.apply({b"key/0002": b"new"}) == [2]
    assert tree.get(b"key/0002") == b"new"


def test_value_may_become_empty_and_is_still_there() -> None:
    tree = tree_of(numbered(1), {b"key/0001": b""})
    assert tree.get(b"key/0001") == b""
    assert b"key/0001" in tree


def test_unchanged_value_touches_nothing() -> None:
    tree = tree_of(numbered(1, 2))
    root = tree.root()
    assert tree.apply(numbered(2)) == []
    assert tree.root() == root


def test_deleting_an_absent_key_touches_nothing() -> None:
    tree = tree_of(numbered(1, 3))
    root = tree.root()
    assert tree.apply(without(0, 2, 4)) == []
    assert tree.root() == root


def test_added_key_touches_its_slot_and_that_of_the_key_before() -> None:
    tree = tree_of(numbered(1, 3, 5))
    assert tree.apply(numbered(4)) == [2, 4]
    assert tree.apply(numbered(0)) == [0, 5]


def test_deleted_key_touches_its_slot_and_that_of_the_key_before() -> None:
    tree = tree_of(numbered(1, 2, 3, 4))
    assert tree.apply(without(3)) == [2, 3]
    assert tree.apply(without(1)) == [0, 1]


def test_slot_emptied_last_is_used_first() -> None:
    tree = tree_of(numbered(1, 2, 3, 4), without(2), without(1, 4))
    assert tree.first_empty == 4
    assert [tree.content(slot).next_empty for slot in (4, 1, 2, 3)] == [1, 2, END, None]
    tree.apply(numbered(7, 8, 9, 10))
    assert [tree.slot_of(key) for key in numbered(7, 8, 9, 10)] == [4, 1, 2, 5]
    assert (tree.first_empty, tree.slot_count) == (END, 6)


def test_slots_emptied_in_one_batch_are_used_in_the_same_batch() -> None:
    tree = tree_of(numbered(1, 2, 3))
    assert tree.apply({**without(1, 2), **numbered(8, 9)}) == [0, 1, 2, 3]
    assert [tree.slot_of(key) for key in numbered(8, 9)] == [2, 1]
    assert tree.slot_count == 4


def test_slot_count_never_shrinks() -> None:
    tree = tree_of(numbered(1, 2, 3, 4, 5), without(1, 2, 3, 4, 5))
    assert (tree.slot_count, len(tree), tree.first_empty) == (6, 0, 5)


def test_emptied_slot_holds_nothing() -> None:
    tree = tree_of(numbered(1, 2), without(1))
    assert tree.content(1)[:4] == (1, b"", b"", END)


def test_key_and_value_come_back_by_slot() -> None:
    tree = tree_of(numbered(1, 2))
    assert tree.content(2)[:4] == (2, b"key/0002", b"value 2", None)


@pytest.mark.parametrize("slot", [-1, 3, 4])
def test_there_is_no_content_outside_the_slots(slot: int) -> None:
    with pytest.raises(ValueError, match=f"^no slot {slot} among 3$"):
        tree_of(numbered(1, 2)).content(slot)


def test_leaf_hashes_of_a_range_of_slots_end_with_the_last_slot() -> None:
    tree = tree_of(numbered(1, 2, 3, 4))
    leaves = [tree.content(slot).leaf_hash for slot in range(5)]
    assert tree.leaf_hashes(1, 3) == leaves[1] + leaves[2]
    assert tree.leaf_hashes(0, 5) == b"".join(leaves)
    assert tree.leaf_hashes(3, 400) == leaves[3] + leaves[4]


# Keys and values


@pytest.mark.parametrize("key", [b"", b"k" * 513, "key", bytearray(b"key"), None, 7])
def test_what_is_no_key_is_refused_before_any_change(key: Any) -> None:
    class Unhashed(Mapping[bytes, bytes | None]):
        """A mapping whose keys need not be hashable."""

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"key/0001", key])

        def __getitem__(self, asked: bytes) -> bytes | None:
            return b"changed"

        def __len__(self) -> int:
            return 2

        def items(self) -> Any:
            return [(asked, b"changed") for asked in self]

    tree = tree_of(numbered(1))
    root = tree.root()
    with pytest.raises(ValueError, match=r"^a key is 1 to 512 bytes$"):
        tree.apply(Unhashed())
    assert (tree.root(), tree.get(b"key/0001")) == (root, b"value 1")


def test_bad_key_is_refused_even_when_it_is_to_be_deleted() -> None:
    with pytest.raises(ValueError, match=r"^a key is 1 to 512 bytes$"):
        StateTree().apply({b"": None})


@pytest.mark.parametrize("value", ["text", bytearray(b"value"), memoryview(b"value"), 7, False])
def test_what_is_no_value_is_refused_before_any_change(value: Any) -> None:
    tree = tree_of(numbered(1))
    root = tree.root()
    with pytest.raises(ValueError, match=r"^a value is bytes$"):
        tree.apply({b"key/0001": b"changed", b"key/0000": None, b"key/0002": value})
    assert (tree.root(), tree.get(b"key/0001")) == (root, b"value 1")


@pytest.mark.parametrize("size", [1, 511, 512])
def test_keys_of_1_to_512_bytes_are_taken(size: int) -> None:
    tree = tree_of({b"k" * size: b"v"})
    assert tree.get(b"k" * size) == b"v"
    stateproof.verify_presence(tree.prove(b"k" * size), b"k" * size, b"v", tree.root())


def test_absent_key_has_no_value() -> None:
    tree = tree_of(numbered(1))
    assert tree.get(b"key/0002") is None
    assert b"key/0002" not in tree


def test_head_is_no_key() -> None:
    tree = StateTree()
    assert tree.get(b"") is None
    assert b"" not in tree
    with pytest.raises(ValueError, match=r"^a key is"):
        tree.prove(b"")


def test_length_is_the_number_of_keys() -> None:
    assert len(tree_of(numbered(1, 2, 3), without(2))) == 2


@pytest.mark.parametrize(
    ("start", "stop", "numbers"),
    [
        (b"key/0002", b"key/0004", [2, 3]),
        (b"key/0002", b"key/0004\0", [2, 3, 4]),
        (b"key/0001\0", b"key/0003", [2]),
        (b"", None, [1, 2, 3, 4, 5]),
        (b"key/0004", None, [4, 5]),
        (b"", b"key/0001", []),
        (b"key/0004", b"key/0002", []),
        (b"key/0003", b"key/0003", []),
        (b"z", None, []),
    ],
)
def test_range_has_its_start_and_not_its_stop(start: bytes, stop: bytes | None, numbers: list[int]) -> None:
    tree = tree_of(numbered(5, 3, 1, 2, 4))
    assert list(tree.range(start, stop)) == list(numbered(*numbers))


# Proofs


@pytest.fixture(scope="module")
def proven() -> StateTree:
    """21 keys in a tree of three levels with two empty slots, one of them the first of the chain."""
    return tree_of(numbered(*range(0, 46, 2)), without(4, 20))


def test_every_key_has_a_proof_of_presence(proven: StateTree) -> None:
    for key in proven.range(b""):
        value = proven.get(key)
        assert value is not None
        stateproof.verify_presence(proven.prove(key), key, value, proven.root())


def test_every_neighbour_of_every_key_has_a_proof_of_absence(proven: StateTree) -> None:
    neighbours = [near for key in proven.range(b"") for near in (key[:-1], key + b"\0", key[:-1] + b"\xff")]
    neighbours += [b"\0", b"\xff" * 512, b"key/0004", b"key/0020", *numbered(*range(1, 47, 2))]
    for key in neighbours:
        assert key not in proven
        stateproof.verify_absence(proven.prove(key), key, proven.root())


def test_every_key_is_absent_from_the_empty_state() -> None:
    tree = StateTree()
    stateproof.verify_absence(tree.prove(b"k"), b"k", tree.root())


@settings(max_examples=60, deadline=None)
@given(batches_of_changes, small_keys)
def test_exactly_one_of_presence_and_absence_can_be_proven(batches: list[Changes], key: bytes) -> None:
    tree = tree_of(*batches)
    value = tree.get(key)
    proof = tree.prove(key)
    if value is None:
        stateproof.verify_absence(proof, key, tree.root())
        assert presence_refused(proof, key, b"", tree.root()) == "leaf belongs to another key"
    else:
        stateproof.verify_presence(proof, key, value, tree.root())
        assert absence_refused(proof, key, tree.root()) == "leaf does not precede the key"


def presence_refused(proof: StateProof, key: Any, value: Any, root: Any) -> str:
    with pytest.raises(ProofInvalid) as caught:
        stateproof.verify_presence(proof, key, value, root)
    return caught.value.reason


def absence_refused(proof: StateProof, key: Any, root: Any) -> str:
    with pytest.raises(ProofInvalid) as caught:
        stateproof.verify_absence(proof, key, root)
    return caught.value.reason


def test_proof_survives_its_encoding(proven: StateTree) -> None:
    proof = proven.prove(b"key/0010")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(proof), type=StateProof) == proof


def forgeries(proof: StateProof) -> Iterator[StateProof]:
    """What still decodes after one bit of the encoded proof, or its length, was changed."""
    encoded = msgspec.msgpack.encode(proof)
    changed = [encoded[:-1], encoded + b"\0"]
    for i in range(len(encoded)):
        changed += [encoded[:i] + bytes([encoded[i] ^ 1 << bit]) + encoded[i + 1 :] for bit in range(8)]
    for data in changed:
        try:
            yield msgspec.msgpack.decode(data, type=StateProof)
        except msgspec.DecodeError:
            continue


def test_no_changed_bit_leaves_a_proof_of_presence(proven: StateTree) -> None:
    key = b"key/0010"
    found = [
        presence_refused(forged, key, b"value 10", proven.root()) for forged in forgeries(proven.prove(key))
    ]
    assert len(found) > 2000


def test_no_changed_bit_leaves_a_proof_of_absence(proven: StateTree) -> None:
    key = b"key/0011"
    found = [absence_refused(forged, key, proven.root()) for forged in forgeries(proven.prove(key))]
    assert len(found) > 2000


def test_no_changed_bit_of_the_root_is_proven(proven: StateTree) -> None:
    proof, absent = proven.prove(b"key/0010"), proven.prove(b"key/0011")
    root = proven.root()
    for i in range(32):
        forged = root[:i] + bytes([root[i] ^ 1]) + root[i + 1 :]
        assert presence_refused(proof, b"key/0010", b"value 10", forged) == "root differs"
        assert absence_refused(absent, b"key/0011", forged) == "root differs"


def test_other_value_is_not_proven(proven: StateTree) -> None:
    proof = proven.prove(b"key/0010")
    for value in (b"value 11", b"", None, "value 10", bytearray(b"value 10")):
        assert presence_refused(proof, b"key/0010", value, proven.root()) == "value differs"


def test_proof_of_one_key_proves_no_other(proven: StateTree) -> None:
    present, absent = proven.prove(b"key/0010"), proven.prove(b"key/0011")
    root = proven.root()
    assert presence_refused(present, b"key/0012", b"value 10", root) == "leaf belongs to another key"
    assert absence_refused(absent, b"key/0010", root) == "leaf does not precede the key"
    assert absence_refused(absent, b"key/0009", root) == "leaf does not precede the key"
    assert absence_refused(absent, b"key/0012", root) == "leaf does not reach beyond the key"
    assert absence_refused(absent, b"key/0013", root) == "leaf does not reach beyond the key"


def test_last_leaf_proves_the_absence_of_everything_after_it(proven: StateTree) -> None:
    proof = proven.prove(b"key/0045")
    assert (proof.leaf_key, proof.next_key) == (b"key/0044", b"")
    stateproof.verify_absence(proof, b"\xff" * 512, proven.root())


@pytest.mark.parametrize("key", [b"", b"k" * 513, "key/0010", bytearray(b"key/0010"), None])
def test_proof_of_what_is_no_key_is_refused(proven: StateTree, key: Any) -> None:
    proof = proven.prove(b"key/0010")
    assert presence_refused(proof, key, b"value 10", proven.root()) == "not a key"
    assert absence_refused(proof, key, proven.root()) == "not a key"


@pytest.mark.parametrize("root", [b"", b"\0" * 31, b"\0" * 33, None])
def test_root_that_is_no_hash_is_refused(proven: StateTree, root: Any) -> None:
    proof = proven.prove(b"key/0010")
    assert presence_refused(proof, b"key/0010", b"value 10", root) == "root is not a hash"


def root_from(proof: StateProof) -> bytes:
    """The root that the proof leads to, whatever it says: a forger can commit to anything."""
    sizes = len(proof.leaf_key).to_bytes(2, "big"), len(proof.next_key).to_bytes(2, "big")
    node = digest(b"\x00", sizes[0], proof.leaf_key, sizes[1], proof.next_key, proof.value_hash)
    index = proof.slot
    for others in proof.siblings:
        place = index % 4
        node = digest(b"\x01", others[: 32 * place], node, others[32 * place :])
        index //= 4
    return digest(b"\x03", proof.slot_count.to_bytes(8, "big"), proof.first_empty.to_bytes(8, "big"), node)


def made_up(slot: int, slot_count: int, depth: int, **changes: Any) -> StateProof:
    fields: dict[str, Any] = {
        "slot": slot,
        "leaf_key": b"k",
        "next_key": b"",
        "value_hash": digest(b"v"),
        "siblings": tuple(bytes([level]) * 96 for level in range(depth)),
        "slot_count": slot_count,
        "first_empty": END_OF_CHAIN,
    }
    return StateProof(**{**fields, **changes})


@pytest.mark.parametrize(
    "proof",
    [
        made_up(1, 2, 1),
        made_up(3, 4, 1),
        made_up(3, 5, 2),
        made_up(4, 5, 2),
        made_up(15, 16, 2),
        made_up(16, 17, 3),
        made_up(2**64 - 2, 2**64 - 1, 32),
        made_up(2, 9, 2, first_empty=1),
        made_up(2, 9, 2, first_empty=8),
        made_up(2, 9, 2, next_key=b"k\0"),
        made_up(2, 9, 2, next_key=b"l" * 512),
    ],
)
def test_proof_at_the_bounds_is_accepted(proof: StateProof) -> None:
    stateproof.verify_presence(proof, b"k", b"v", root_from(proof))


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (made_up(0, 0, 0), "number of slots out of range"),
        (made_up(0, -1, 0), "number of slots out of range"),
        (made_up(1, 2**64, 32), "number of slots out of range"),
        (made_up(2, 2, 1), "slot outside the tree"),
        (made_up(3, 2, 1), "slot outside the tree"),
        (made_up(-1, 2, 1), "slot outside the tree"),
        (made_up(2, 9, 2, first_empty=0), "first empty slot outside the tree"),
        (made_up(2, 9, 2, first_empty=-1), "first empty slot outside the tree"),
        (made_up(2, 9, 2, first_empty=9), "first empty slot outside the tree"),
        (made_up(2, 9, 2, first_empty=2**64 - 2), "first empty slot outside the tree"),
        (made_up(2, 9, 2, first_empty=2**64), "first empty slot outside the tree"),
        (made_up(2, 9, 2, next_key=b"l" * 513), "key too long"),
        (made_up(2, 9, 2, next_key=b"l" * 65536), "key too long"),
        (made_up(0, 9, 2), "head out of place"),
        (made_up(2, 9, 2, next_key=b"k"), "keys out of order"),
        (made_up(2, 9, 2, next_key=b"j"), "keys out of order"),
        (made_up(2, 4, 2), "path has the wrong length"),
        (made_up(2, 4, 0), "path has the wrong length"),
        (made_up(2, 5, 1), "path has the wrong length"),
        (made_up(2, 16, 3), "path has the wrong length"),
        (made_up(2, 4, 1, siblings=(bytes(95),)), "path holds something that is not three hashes"),
        (made_up(2, 4, 1, siblings=(bytes(97),)), "path holds something that is not three hashes"),
        (made_up(2, 5, 2, siblings=(bytes(96), bytes(32))), "path holds something that is not three hashes"),
    ],
)
def test_malformed_proof_is_refused_whatever_its_root(proof: StateProof, reason: str) -> None:
    try:
        root = root_from(proof)
    except OverflowError:
        root = bytes(32)
    assert presence_refused(proof, b"k", b"v", root) == reason


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        (made_up(2, 9, 2, leaf_key=b""), "head out of place"),
        (made_up(2, 9, 2, leaf_key=b"a" * 513), "key too long"),
        (made_up(2, 9, 2, value_hash=b""), "value hash is not a hash"),
        (made_up(2, 9, 2, value_hash=bytes(31)), "value hash is not a hash"),
        (made_up(2, 9, 2, value_hash=bytes(33)), "value hash is not a hash"),
    ],
)
def test_malformed_proof_of_absence_is_refused_whatever_its_root(proof: StateProof, reason: str) -> None:
    assert absence_refused(proof, b"m", root_from(proof)) == reason


def test_head_of_the_list_proves_absence_of_what_precedes_the_first_key() -> None:
    proof = made_up(0, 9, 2, leaf_key=b"", next_key=b"k", value_hash=digest(b""))
    stateproof.verify_absence(proof, b"j", root_from(proof))


def test_proof_of_an_earlier_state_is_refused() -> None:
    tree = tree_of(numbered(1, 2, 3))
    proof = tree.prove(b"key/0002")
    tree.apply(numbered(4))
    assert presence_refused(proof, b"key/0002", b"value 2", tree.root()) == "root differs"


# Coming back from a store


def stored(tree: StateTree) -> dict[str, Any]:
    """What a store would hand to `restore`."""
    contents = [tree.content(slot) for slot in range(tree.slot_count)]
    return {
        "rows": [(c.slot, c.key, c.value) for c in contents if c.key],
        "slot_count": tree.slot_count,
        "first_empty": tree.first_empty,
        "next_empty": {c.slot: c.next_empty for c in contents if c.next_empty is not None},
        "leaf_hashes": b"".join(c.leaf_hash for c in contents),
    }


@settings(max_examples=80, deadline=None)
@given(batches_of_changes, batches_of_changes, st.booleans())
def test_restored_tree_is_the_original_and_goes_on_like_it(
    batches: list[Changes], later: list[Changes], with_leaves: bool
) -> None:
    tree, model = tree_of(*batches), model_of(*batches)
    parts = stored(tree)
    if not with_leaves:
        del parts["leaf_hashes"]
    again = StateTree.restore(**parts)
    assert_same(again, model)
    for changes in later:
        assert again.apply(changes) == model.apply(changes)
    assert_same(again, model)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 15, 16, 63, 64, 255, 256])
def test_restored_tree_of_any_size_is_the_original(count: int) -> None:
    tree = tree_of(numbered(*range(count)))
    parts = stored(tree)
    assert StateTree.restore(**parts).root() == tree.root()
    assert StateTree.restore(parts["rows"], parts["slot_count"]).root() == tree.root()


def test_rows_may_come_in_any_order_and_with_the_head() -> None:
    tree = tree_of(numbered(1, 2, 3), without(2))
    parts = stored(tree)
    parts["rows"] = iter([*reversed(parts["rows"]), (0, b"", b"")])
    assert StateTree.restore(**parts).root() == tree.root()


def test_rows_without_leaf_hashes_are_hashed_again() -> None:
    tree = tree_of(numbered(1, 2))
    parts = stored(tree)
    parts["rows"][0] = (1, b"key/0001", b"value 9")
    del parts["leaf_hashes"]
    expected = tree_of({**numbered(2), b"key/0001": b"value 9"}).root()
    assert StateTree.restore(**parts).root() == expected


def test_given_leaf_hashes_are_believed() -> None:
    parts = stored(tree_of(numbered(1, 2)))
    other = tree_of({**numbered(2), b"key/0001": b"value 9"})
    parts["leaf_hashes"] = stored(other)["leaf_hashes"]
    assert StateTree.restore(**parts).root() == other.root()


def test_mapping_of_empty_slots_given_to_restore_stays_unchanged() -> None:
    parts = stored(tree_of(numbered(1, 2), without(1)))
    StateTree.restore(**parts).apply(numbered(8))
    assert parts["next_empty"] == {1: END}


ROWS = [(1, b"a", b"1"), (2, b"b", b"2"), (4, b"d", b"4")]
CHAIN = {3: 5, 5: END}


def test_example_of_stored_parts_is_consistent() -> None:
    tree = StateTree.restore(ROWS, 6, 3, CHAIN)
    assert list(tree.range(b"")) == [b"a", b"b", b"d"]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"slot_count": 0}, "number of slots"),
        ({"slot_count": -1}, "number of slots"),
        ({"slot_count": 2**64}, "number of slots"),
        ({"slot_count": 4}, "row of slot 4"),
        ({"slot_count": 7}, "slot neither occupied nor empty"),
        ({"leaf_hashes": bytes(6 * 32 - 1)}, "number of leaf hashes"),
        ({"leaf_hashes": bytes(6 * 32 + 1)}, "number of leaf hashes"),
        ({"leaf_hashes": b""}, "number of leaf hashes"),
        ({"rows": [*ROWS, (6, b"x", b"")]}, "row of slot 6"),
        ({"rows": [*ROWS, (-1, b"x", b"")]}, "row of slot -1"),
        ({"rows": [*ROWS, (2, b"x", b"")]}, "row of slot 2"),
        ({"rows": [*ROWS, (3, b"", b"")]}, "row of slot 3"),
        ({"rows": [(3, b"", b"x"), *ROWS]}, "row of slot 3"),
        ({"rows": ROWS[:-1]}, "slot neither occupied nor empty"),
        ({"rows": [*ROWS[:-1], (4, b"b", b"4")]}, "key in two slots"),
        ({"rows": [*ROWS[:-1], (4, "d", b"4")]}, "key or value of another type"),
        ({"rows": [*ROWS[:-1], (4, b"d", "4")]}, "key or value of another type"),
        ({"rows": [*ROWS[:-1], (4, b"d", None)]}, "key or value of another type"),
        ({"rows": [*ROWS[:-1], (4, b"d" * 513, b"4")]}, "key too long"),
        ({"rows": [*ROWS, (0, b"x", b"")]}, "head"),
        ({"rows": [*ROWS, (0, b"", b"x")]}, "head"),
        ({"rows": [*ROWS, (5, b"e", b"")]}, "empty slot that is occupied"),
        ({"first_empty": END}, "chain of empty slots"),
        ({"first_empty": 5}, "chain of empty slots"),
        ({"first_empty": 0}, "chain of empty slots"),
        ({"first_empty": 1}, "chain of empty slots"),
        ({"first_empty": 6}, "chain of empty slots"),
        ({"next_empty": {3: 5, 5: 3}}, "chain of empty slots"),
        ({"next_empty": {3: 3, 5: END}}, "chain of empty slots"),
        ({"next_empty": {3: END, 5: END}}, "chain of empty slots"),
        ({"next_empty": {3: 5}}, "chain of empty slots"),
        ({"next_empty": None}, "chain of empty slots"),
        ({"next_empty": {3: 6, 6: END}}, "chain of empty slots"),
        ({"first_empty": 0, "next_empty": {0: 3, **CHAIN}}, "chain of empty slots"),
        ({"first_empty": -1, "next_empty": {-1: 3, **CHAIN}}, "chain of empty slots"),
        ({"first_empty": 1, "next_empty": {1: 3, **CHAIN}}, "empty slot that is occupied"),
        ({"first_empty": 3, "next_empty": {3: END}}, "slot neither occupied nor empty"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes: dict[str, Any], part: str) -> None:
    parts = {"rows": ROWS, "slot_count": 6, "first_empty": 3, "next_empty": CHAIN, **changes}
    with pytest.raises(InconsistentState) as caught:
        StateTree.restore(**parts)
    assert str(caught.value) == part


@pytest.mark.parametrize(("keys", "values"), [([], []), ([b""], []), ([b"", b"a"], [b""])])
def test_lists_by_slot_that_do_not_fit_together_are_refused(keys: list[bytes], values: list[bytes]) -> None:
    with pytest.raises(InconsistentState) as caught:
        StateTree.restore_slots(keys, values)
    assert str(caught.value) == "number of slots"


def test_lists_by_slot_give_the_tree_of_the_rows() -> None:
    tree = StateTree.restore_slots(
        [b"", b"a", b"b", b"", b"d", b""], [b"", b"1", b"2", b"", b"4", b""], 3, CHAIN
    )
    assert tree.root() == StateTree.restore(ROWS, 6, 3, CHAIN).root()


def test_several_slots_have_the_contents_and_leaves_of_each() -> None:
    tree = tree_of(numbered(1, 2, 3), without(2))
    slots = [3, 0, 2]
    single = [tree.content(slot) for slot in slots]
    assert tree.contents(slots) == [content[:4] for content in single]
    assert tree.leaf_hashes_at(slots) == b"".join(content.leaf_hash for content in single)


def test_longest_key_comes_back() -> None:
    tree = tree_of({LONGEST: b"v"})
    assert StateTree.restore(**stored(tree)).get(LONGEST) == b"v"
