"""The overlay against a model of dictionaries, and what must not be stored."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from traco.kernel import state as state_file
from traco.kernel.codec import Count, Record, encode
from traco.kernel.errors import RecordTooLarge
from traco.kernel.state import MAX_VALUE_BYTES, State, Table, prefix_end
from traco.kernel.stateproof import MAX_KEY_BYTES
from traco.kernel.statetree import StateTree


class Number(Record, frozen=True, tag=1):
    value: Count


class Text(Record, frozen=True, tag=1):
    value: str


class Listed(Record, frozen=True, tag=1):
    values: tuple[int, ...]


NUMBERS: Table[Number] = Table(0xE0, 1, Number)
LISTS: Table[Listed] = Table(0xE0, 3, Listed)
KEYS = [bytes(key) for key in ([0], [1], [1, 0], [1, 1], [1, 0xFF], [2], [0xFF], [0xFF, 0xFF])]
keys = st.sampled_from(KEYS)


class Overlay(RuleBasedStateMachine):
    """A block at a time: nested marks, rollback, commit and revert, always equal to a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = StateTree()
        self.state = State(self.tree)
        self.committed: dict[bytes, int] = {}
        self.model: dict[bytes, int] = {}
        self.marks: list[tuple[int, dict[bytes, int]]] = []

    @rule(key=keys, value=st.integers(0, 3))
    def put(self, key: bytes, value: int) -> None:
        NUMBERS.put(self.state, Number(value), key)
        self.model[key] = value

    @rule(key=keys)
    def delete(self, key: bytes) -> None:
        NUMBERS.delete(self.state, key)
        self.model.pop(key, None)

    @rule(key=keys)
    def get(self, key: bytes) -> None:
        found = NUMBERS.get(self.state, key)
        assert (found and found.value) == self.model.get(key)

    @rule(key=keys)
    def read_committed(self, key: bytes) -> None:
        found = self.state.committed_record(NUMBERS.key(key), NUMBERS.codec)
        assert (found and found.value) == self.committed.get(key)

    @rule(part=st.sampled_from([b"", b"\x01", b"\xff"]), limit=st.integers(0, 5))
    def scan(self, part: bytes, limit: int) -> None:
        expected = [
            (key[len(part) :], Number(self.model[key])) for key in sorted(self.model) if key.startswith(part)
        ]
        assert NUMBERS.scan(self.state, part, limit=limit) == expected[:limit]

    @precondition(lambda self: len(self.marks) < 4)
    @rule()
    def mark(self) -> None:
        self.marks.append((self.state.mark(), dict(self.model)))

    @precondition(lambda self: self.marks)
    @rule()
    def rollback(self) -> None:
        mark, self.model = self.marks.pop()
        before = self.state.before(mark)
        for key, record in before.items():
            assert (record and record.value) == self.model.get(key[2:])  # type: ignore[attr-defined]
            current = self.state.current(key)
            assert current == NUMBERS.get(self.state, key[2:])
        self.state.rollback(mark)

    @precondition(lambda self: self.marks)
    @rule()
    def forget_mark(self) -> None:
        self.marks.pop()

    @rule()
    def finish_transaction(self) -> None:
        self.marks.clear()
        self.state.seal_journal()

    @rule()
    def commit(self) -> None:
        self.marks.clear()
        self.tree.apply(self.state.changes())
        self.state.reset(committed=True)
        self.committed = dict(self.model)

    @rule(key=keys)
    def apply_and_revert(self, key: bytes) -> None:
        self.marks.clear()
        self.tree.apply(self.state.changes())
        self.state.reset(committed=True)
        NUMBERS.get(self.state, key)  # read between finalize and commit
        self.tree.revert()
        self.state.reset(committed=False)
        self.model = dict(self.committed)

    @rule()
    def abandon(self) -> None:
        self.marks.clear()
        self.state.reset(committed=False)
        self.model = dict(self.committed)

    @invariant()
    def ranges_agree(self) -> None:
        present = sorted(self.model)
        for start in range(0, len(KEYS), 3):
            for stop in range(start, len(KEYS), 2):
                low, high = NUMBERS.key(KEYS[start]), NUMBERS.key(KEYS[stop])
                expected = [NUMBERS.key(key) for key in present if low <= NUMBERS.key(key) < high]
                assert list(self.state.range(low, high)) == expected


Overlay.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOverlay = Overlay.TestCase


def fresh() -> State:
    return State(StateTree())


def test_changes_are_the_encoded_records_and_the_deletions() -> None:
    tree = StateTree()
    tree.apply({NUMBERS.key(b"a"): encode(Number(1)), NUMBERS.key(b"b"): encode(Number(2))})
    state = State(tree)
    NUMBERS.put(state, Number(9), b"a")
    NUMBERS.delete(state, b"b")
    NUMBERS.delete(state, b"absent")
    assert state.changes() == {NUMBERS.key(b"a"): encode(Number(9)), NUMBERS.key(b"b"): None}


def test_what_was_made_and_undone_is_no_change() -> None:
    state = fresh()
    mark = state.mark()
    NUMBERS.put(state, Number(1), b"a")
    state.rollback(mark)
    assert state.changes() == {}


def test_before_has_the_first_record_of_a_key_written_twice() -> None:
    state = fresh()
    NUMBERS.put(state, Number(1), b"a")
    mark = state.mark()
    NUMBERS.put(state, Number(2), b"a")
    NUMBERS.put(state, Number(3), b"a")
    NUMBERS.put(state, Number(4), b"b")
    assert state.before(mark) == {NUMBERS.key(b"a"): Number(1), NUMBERS.key(b"b"): None}


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (Number("x"), ValueError),  # type: ignore[arg-type]
        (Number(-1), ValueError),
        (Number(2**70), OverflowError),
        (Text("x"), ValueError),
    ],
)
def test_a_record_that_cannot_be_read_back_is_not_stored(record: Any, kind: type[Exception]) -> None:
    state = fresh()
    with pytest.raises(kind):
        NUMBERS.put(state, record, b"a")
    assert (state.changes(), state.mark()) == ({}, 0)


def test_a_value_has_a_limit() -> None:
    texts: Table[Text] = Table(0xE0, 1, Text)
    head = len(encode(Text("x" * MAX_VALUE_BYTES))) - MAX_VALUE_BYTES
    state = fresh()
    texts.put(state, Text("x" * (MAX_VALUE_BYTES - head)), b"a")
    with pytest.raises(RecordTooLarge) as caught:
        texts.put(state, Text("x" * (MAX_VALUE_BYTES - head + 1)), b"a")
    assert (caught.value.size, caught.value.limit) == (MAX_VALUE_BYTES + 1, MAX_VALUE_BYTES)


def test_a_key_has_the_limit_of_the_tree() -> None:
    state = fresh()
    NUMBERS.put(state, Number(1), bytes(MAX_KEY_BYTES - 2))
    with pytest.raises(ValueError):
        NUMBERS.put(state, Number(1), bytes(MAX_KEY_BYTES - 1))
    assert len(StateTree().apply(state.changes())) == 2


class Counting(StateTree):
    """Counts reads of values."""

    __slots__ = ("reads",)

    def get(self, key: bytes) -> bytes | None:
        self.reads = getattr(self, "reads", 0) + 1
        return super().get(key)


def test_a_committed_record_is_decoded_once() -> None:
    tree = Counting()
    tree.apply({NUMBERS.key(b"a"): encode(Number(1))})
    state = State(tree)
    assert [NUMBERS.get(state, b"a") for _ in range(3)] == [Number(1)] * 3
    assert tree.reads == 1


def test_the_decoded_records_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_file, "DECODED_LIMIT", 2)
    tree = Counting()
    tree.apply({NUMBERS.key(bytes([key])): encode(Number(key)) for key in range(5)})
    state = State(tree)
    for key in (0, 1, 0, 1, 2, 2, 0):
        assert NUMBERS.get(state, bytes([key])) == Number(key)
    assert tree.reads == 4


def test_the_limit_of_decoded_records_takes_nothing_that_the_block_wrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_file, "DECODED_LIMIT", 2)
    tree = StateTree()
    tree.apply({NUMBERS.key(bytes([key])): encode(Number(key)) for key in range(9)})
    state = State(tree)
    NUMBERS.put(state, Number(70), b"\0")
    mark = state.mark()
    NUMBERS.put(state, Number(71), b"\1")
    NUMBERS.delete(state, b"\2")
    for key in range(3, 9):
        assert NUMBERS.get(state, bytes([key])) == Number(key)
    assert [NUMBERS.get(state, bytes([key])) for key in range(3)] == [Number(70), Number(71), None]
    state.rollback(mark)
    assert [NUMBERS.get(state, bytes([key])) for key in range(3)] == [Number(70), Number(1), Number(2)]


def test_what_a_block_wrote_reads_at_once_as_it_will_read_back() -> None:
    state = fresh()
    LISTS.put(state, Listed([1, 2]), b"a")  # type: ignore[arg-type]
    assert LISTS.get(state, b"a") == Listed((1, 2))


def test_what_a_block_wrote_is_not_decoded_again_after_it() -> None:
    tree = Counting()
    state = State(tree)
    NUMBERS.put(state, Number(1), b"a")
    tree.apply(state.changes())
    reads = tree.reads
    state.reset(committed=True)
    assert NUMBERS.get(state, b"a") == Number(1)
    assert tree.reads == reads


def test_a_record_changed_by_the_block_is_current_after_it() -> None:
    tree = StateTree()
    tree.apply({NUMBERS.key(b"a"): encode(Number(1)), NUMBERS.key(b"b"): encode(Number(1))})
    state = State(tree)
    NUMBERS.get(state, b"a")
    NUMBERS.put(state, Number(2), b"a")
    tree.apply(state.changes())
    state.reset(committed=True)
    assert NUMBERS.get(state, b"a") == Number(2)


def test_scan_pages_without_gap_or_repetition() -> None:
    state = fresh()
    for key in (b"p\0", b"p\0\0", b"pa", b"pb", b"q"):
        NUMBERS.put(state, Number(1), key)
    after, pages = b"", []
    while page := NUMBERS.scan(state, b"p", after=after, limit=1):
        pages += [rest for rest, _ in page]
        after = pages[-1]
    assert pages == [b"\0", b"\0\0", b"a", b"b"]


def test_scan_joins_its_parts() -> None:
    state = fresh()
    NUMBERS.put(state, Number(1), b"ab", b"c", b"d")
    assert NUMBERS.scan(state, b"ab", b"c", limit=9) == [(b"d", Number(1))]
    assert NUMBERS.key(b"ab", b"c", b"d") == b"\xe0\x01abcd"


def test_tables_of_one_module_do_not_see_each_other() -> None:
    state = fresh()
    other: Table[Number] = Table(0xE0, 2, Number)
    NUMBERS.put(state, Number(1), b"a")
    assert other.get(state, b"a") is None
    assert other.scan(state, limit=9) == []
    assert NUMBERS.scan(state, limit=9) == [(b"a", Number(1))]


@pytest.mark.parametrize(
    ("prefix", "end"),
    [
        (b"\0", b"\1"),
        (b"a\xff", b"b"),
        (b"a\xff\xff", b"b"),
        (b"\xe0\x01", b"\xe0\x02"),
        (b"\xfe\xff", b"\xff"),
    ],
)
def test_the_end_of_a_prefix(prefix: bytes, end: bytes) -> None:
    assert prefix_end(prefix) == end


def test_a_range_is_lazy() -> None:
    found: Iterator[bytes] = fresh().range(b"", b"\xff")
    assert next(found, None) is None
