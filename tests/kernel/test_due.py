"""The queue of due items: in order, within a budget, whatever the order in which it was filled."""

from hypothesis import given
from hypothesis import strategies as st

from traco.kernel.due import DueItem, due_items, is_scheduled, next_due_ms, schedule, unschedule
from traco.kernel.state import State
from traco.kernel.statetree import StateTree

items = st.lists(
    st.builds(DueItem, st.integers(0, 400), st.sampled_from(["a", "b", "aa"]), st.binary(max_size=2)),
    max_size=12,
)


def order(item: DueItem) -> tuple[int, int, str, bytes]:
    return item.due_ms, len(item.kind), item.kind, item.key


def queue(*content: DueItem) -> State:
    state = State(StateTree())
    for item in content:
        schedule(state, item)
    return state


@given(items, st.integers(0, 400), st.integers(1, 12))
def test_items_come_in_order_of_time_kind_and_key(content: list[DueItem], time_ms: int, budget: int) -> None:
    expected = sorted({item for item in content if item.due_ms <= time_ms}, key=order)
    assert due_items(queue(*content), time_ms, budget) == expected[:budget]


@given(items)
def test_the_next_time_is_the_least(content: list[DueItem]) -> None:
    assert next_due_ms(queue(*content)) == min((item.due_ms for item in content), default=None)


def test_an_item_is_due_at_its_time() -> None:
    state = queue(DueItem(300, "a", b""))
    assert (due_items(state, 299, 9), due_items(state, 300, 9)) == ([], [DueItem(300, "a", b"")])


def test_an_item_can_be_taken_out() -> None:
    state = queue(DueItem(1, "a", b"x"), DueItem(1, "a", b"y"))
    unschedule(state, DueItem(1, "a", b"x"))
    unschedule(state, DueItem(1, "a", b"nobody"))
    assert is_scheduled(state, DueItem(1, "a", b"y"))
    assert not is_scheduled(state, DueItem(1, "a", b"x"))
    assert due_items(state, 1, 9) == [DueItem(1, "a", b"y")]


def test_the_same_item_twice_is_one() -> None:
    assert len(due_items(queue(DueItem(1, "a", b"x"), DueItem(1, "a", b"x")), 1, 9)) == 1


def test_the_key_of_an_item_sorts_by_time() -> None:
    keys = list(queue(DueItem(258, "ab", b"key")).range(b"", b"\xff"))
    assert keys == [b"\x00\x01" + b"\0\0\0\0\0\0\1\2" + b"\x02ab" + b"key"]
