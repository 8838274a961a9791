"""Any range of slots, and any range of the history, leads to its root; with any byte changed it does not."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.kernel.merkle import Frontier, ProofInvalid, root_of
from traco.kernel.stateproof import HEAD_SLOT
from traco.kernel.statetree import StateTree
from traco.storage.copying.form import SlotContent
from traco.storage.copying.ranges import StateLevels, hashes_behind, history_root_of, leaf_of, range_root


def key(number: int) -> bytes:
    return b"\x02" + number.to_bytes(4, "big")


def tree_of(keys: int, deleted: int) -> StateTree:
    tree = StateTree()
    tree.apply({key(number): b"value %d" % number for number in range(keys)})
    tree.apply({key(number): None for number in range(0, keys, keys // deleted + 1)} if deleted else {})
    return tree


def contents_of(tree: StateTree) -> list[SlotContent]:
    following = {}
    before = b""
    for each in tree.range(b"\0"):
        following[before] = each
        before = each
    found: list[SlotContent] = []
    for slot in range(tree.slot_count):
        content = tree.content(slot)
        if content.next_empty is not None:
            found.append(content.next_empty)
        else:
            found.append((content.key, following.get(content.key, b""), content.value))
    return found


@given(keys=st.integers(0, 90), deleted=st.integers(0, 9), data=st.data())
def test_any_range_of_slots_leads_to_the_state_root(keys: int, deleted: int, data: st.DataObject) -> None:
    tree = tree_of(keys, min(deleted, keys))
    contents = contents_of(tree)
    levels = StateLevels(b"".join(leaf_of(slot, each) for slot, each in enumerate(contents)))
    assert levels.root(tree.first_empty) == tree.root()
    start = data.draw(st.integers(0, tree.slot_count - 1))
    stop = data.draw(st.integers(start + 1, tree.slot_count))
    proof = levels.prove(start, stop)
    assert range_root(tree.slot_count, tree.first_empty, start, contents[start:stop], proof) == tree.root()


TREE = tree_of(60, 5)
CONTENTS = contents_of(TREE)
LEVELS = StateLevels(b"".join(leaf_of(slot, each) for slot, each in enumerate(CONTENTS)))


def leads_to(
    first: int, slots: list[SlotContent], proof: tuple[bytes, ...], count: int = TREE.slot_count
) -> bool:
    try:
        return range_root(count, TREE.first_empty, first, slots, proof) == TREE.root()
    except ProofInvalid:
        return False


def flipped(raw: bytes, bit: int) -> bytes:
    bit %= len(raw) * 8
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


@given(start=st.integers(0, 50), length=st.integers(1, 11), level=st.integers(0, 9), bit=st.integers(0))
def test_a_proof_with_any_bit_changed_leads_nowhere(start: int, length: int, level: int, bit: int) -> None:
    stop = min(start + length, TREE.slot_count)
    proof = list(LEVELS.prove(start, stop))
    level %= len(proof)
    if not proof[level]:
        return
    proof[level] = flipped(proof[level], bit)
    assert not leads_to(start, CONTENTS[start:stop], tuple(proof))


@given(slot=st.integers(0, TREE.slot_count - 1), part=st.integers(0, 2), bit=st.integers(0))
def test_a_slot_with_any_bit_changed_leads_nowhere(slot: int, part: int, bit: int) -> None:
    content = CONTENTS[slot]
    if isinstance(content, int):
        changed: SlotContent = content ^ (1 << bit % 64)
    else:
        parts = list(content)
        parts[part] = flipped(parts[part], bit) if parts[part] else b"x"
        changed = (parts[0], parts[1], parts[2])
    start, stop = max(0, slot - 2), min(TREE.slot_count, slot + 3)
    slots = [changed if each == slot else CONTENTS[each] for each in range(start, stop)]
    assert not leads_to(start, slots, LEVELS.prove(start, stop))


@pytest.mark.parametrize(
    ("first", "count"), [(9, TREE.slot_count), (11, TREE.slot_count), (10, TREE.slot_count + 1)]
)
def test_slots_at_another_place_lead_nowhere(first: int, count: int) -> None:
    assert not leads_to(first, CONTENTS[10:20], LEVELS.prove(10, 20), count)


def test_a_path_of_another_length_leads_nowhere() -> None:
    proof = LEVELS.prove(10, 20)
    assert not leads_to(10, CONTENTS[10:20], proof[:-1])
    assert not leads_to(10, CONTENTS[10:20], (*proof, b""))
    assert not leads_to(10, CONTENTS[10:20], (proof[0] + bytes(32), *proof[1:]))
    assert not leads_to(10, [], proof)


@pytest.mark.parametrize(
    ("slot", "content"),
    [
        (HEAD_SLOT, 3),
        (4, -1),
        (4, 2**64),
        (4, (b"", b"a", b"")),
        (HEAD_SLOT, (b"a", b"b", b"")),
        (4, (b"b", b"a", b"")),
    ],
)
def test_a_content_that_a_slot_cannot_have_has_no_leaf(slot: int, content: SlotContent) -> None:
    with pytest.raises(ProofInvalid):
        leaf_of(slot, content)


def test_slots_that_are_none_cannot_be_proven() -> None:
    for start, stop in ((0, 0), (5, 4), (-1, 3), (0, TREE.slot_count + 1)):
        with pytest.raises(ValueError, match="no slots"):
            LEVELS.prove(start, stop)


# The history log

LEAVES = [sha256(b"record %d" % number).digest() for number in range(70)]


def edge(size: int) -> tuple[bytes, ...]:
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf)
    return frontier.encode()


@given(size=st.integers(1, 70), data=st.data())
def test_any_range_of_the_history_leads_to_its_root(size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    stop = data.draw(st.integers(first + 1, size))
    after = hashes_behind(size, stop, LEAVES[first:size], first)
    assert history_root_of(size, first, LEAVES[first:stop], edge(first), after) == root_of(LEAVES[:size])


@given(at=st.integers(0, 30), bit=st.integers(0))
def test_a_history_with_any_bit_changed_leads_nowhere(at: int, bit: int) -> None:
    before, leaves, after = list(edge(21)), LEAVES[21:34], list(hashes_behind(61, 34, LEAVES[21:61], 21))
    parts = [before, leaves, after]
    part = parts[at % 3]
    part[at % len(part)] = flipped(part[at % len(part)], bit)
    assert history_root_of(61, 21, leaves, before, after) != root_of(LEAVES[:61])


def test_a_history_whose_path_is_too_long_or_too_short_is_refused() -> None:
    before, leaves, after = edge(21), LEAVES[21:34], hashes_behind(61, 34, LEAVES[21:61], 21)
    for left, right in (
        (before[:-1], after),
        ((*before, LEAVES[0]), after),
        (before, after[:-1]),
        (before, (b"", *after)),
    ):
        with pytest.raises(ProofInvalid):
            history_root_of(61, 21, leaves, left, right)
    with pytest.raises(ProofInvalid):
        history_root_of(30, 21, leaves, before, after)
