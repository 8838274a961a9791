"""Records as of a height: always what a list of all versions says, as far back as the horizon."""

from hypothesis import given
from hypothesis import strategies as st

from traco.kernel.by_height import PRUNED_PER_WRITE, HeightTable
from traco.kernel.codec import Count, Record
from traco.kernel.state import State
from traco.kernel.statetree import StateTree


class Number(Record, frozen=True, tag=1):
    value: Count


def table() -> HeightTable[Number]:
    return HeightTable(0xE0, 1, 2, Number)


def stored(state: State) -> int:
    """How many replaced versions the state has."""
    return len(list(state.range(b"\xe0\x02", b"\xe0\x03")))


writes = st.lists(st.tuples(st.sampled_from([b"a", b"b"]), st.integers(0, 3)), max_size=20)


@given(writes, st.integers(0, 30))
def test_as_of_agrees_with_all_versions_within_the_horizon(
    steps: list[tuple[bytes, int]], horizon: int
) -> None:
    numbers, state, height = table(), State(StateTree()), 5
    history: dict[bytes, dict[int, Number]] = {b"a": {}, b"b": {}}
    for value, (key, ahead) in enumerate(steps):
        height += ahead
        numbers.put(state, height, horizon, Number(value), key)
        history[key][height] = Number(value)
    for key, versions in history.items():
        last = max(versions, default=0)
        for asked in range(max(0, last - horizon), height + 3):
            known = [version for since, version in sorted(versions.items()) if since <= asked]
            assert numbers.as_of(state, asked, key) == (known[-1] if known else None)
        assert numbers.get(state, key) == (versions[last] if versions else None)


def test_two_writes_in_one_block_are_one_version() -> None:
    numbers, state = table(), State(StateTree())
    numbers.put(state, 1, 10, Number(1), b"a")
    numbers.put(state, 3, 10, Number(2), b"a")
    numbers.put(state, 3, 10, Number(3), b"a")
    assert [numbers.as_of(state, height, b"a") for height in range(5)] == [
        None, Number(1), Number(1), Number(3), Number(3),
    ]  # fmt: skip
    assert stored(state) == 1


def test_a_version_goes_when_it_ended_a_horizon_ago() -> None:
    numbers, state = table(), State(StateTree())
    numbers.put(state, 1, 10, Number(1), b"a")
    numbers.put(state, 5, 10, Number(2), b"a")
    numbers.put(state, 14, 10, Number(3), b"a")
    assert (stored(state), numbers.as_of(state, 4, b"a")) == (2, Number(1))
    numbers.put(state, 15, 10, Number(4), b"a")
    assert (stored(state), numbers.as_of(state, 4, b"a")) == (2, None)
    assert numbers.as_of(state, 5, b"a") == Number(2)


def test_a_backlog_shrinks_by_a_few_versions_per_write() -> None:
    numbers, state = table(), State(StateTree())
    for height in range(1, 11):
        numbers.put(state, height, 1_000, Number(height), b"a")
    assert stored(state) == 9
    numbers.put(state, 11, 0, Number(11), b"a")
    assert stored(state) == 10 - PRUNED_PER_WRITE == 6
    numbers.put(state, 12, 0, Number(12), b"a")
    numbers.put(state, 13, 0, Number(13), b"a")
    assert stored(state) == 0


def test_keys_do_not_share_versions() -> None:
    numbers, state = table(), State(StateTree())
    for height in (1, 2):
        for key in (b"a", b"b"):
            numbers.put(state, height, 9, Number(height * 10 + key[0]), key)
    assert numbers.as_of(state, 1, b"a") == Number(10 + ord("a"))
    assert numbers.as_of(state, 1, b"b") == Number(10 + ord("b"))


def test_scan_returns_current_records() -> None:
    numbers, state = table(), State(StateTree())
    for key in (b"a", b"b", b"c"):
        numbers.put(state, 1, 9, Number(key[0]), b"p", key)
        numbers.put(state, 2, 9, Number(key[0] + 100), b"p", key)
    assert numbers.scan(state, b"p", limit=2) == [(b"a", Number(197)), (b"b", Number(198))]
    assert numbers.scan(state, b"p", after=b"b", limit=2) == [(b"c", Number(199))]


def test_an_absent_key_has_no_version() -> None:
    assert table().as_of(State(StateTree()), 5, b"a") is None
    assert table().get(State(StateTree()), b"a") is None


def test_a_removed_record_is_gone_from_its_block_on_and_was_there_before() -> None:
    numbers, state = table(), State(StateTree())
    numbers.put(state, 2, 10, Number(1), b"a")
    numbers.delete(state, 4, 10, b"a")
    assert numbers.get(state, b"a") is None
    assert [numbers.as_of(state, height, b"a") for height in range(1, 6)] == [
        None, Number(1), Number(1), None, None,
    ]  # fmt: skip


def test_a_record_that_came_back_was_absent_in_between() -> None:
    numbers, state = table(), State(StateTree())
    numbers.put(state, 2, 10, Number(1), b"a")
    numbers.delete(state, 4, 10, b"a")
    numbers.put(state, 6, 10, Number(2), b"a")
    numbers.put(state, 8, 10, Number(3), b"a")
    assert [numbers.as_of(state, height, b"a") for height in range(3, 9)] == [
        Number(1), None, None, Number(2), Number(2), Number(3),
    ]  # fmt: skip


def test_what_was_written_and_removed_in_one_block_never_was() -> None:
    numbers, state = table(), State(StateTree())
    numbers.put(state, 3, 10, Number(1), b"a")
    numbers.delete(state, 3, 10, b"a")
    assert (numbers.as_of(state, 3, b"a"), stored(state)) == (None, 0)
    numbers.delete(state, 3, 10, b"a")
    assert stored(state) == 0


def test_what_was_replaced_and_removed_in_one_block_is_known_as_before() -> None:
    numbers, state = table(), State(StateTree())
    numbers.put(state, 2, 10, Number(1), b"a")
    numbers.put(state, 5, 10, Number(2), b"a")
    numbers.delete(state, 5, 10, b"a")
    assert [numbers.as_of(state, height, b"a") for height in (4, 5)] == [Number(1), None]


def test_removing_prunes_too() -> None:
    numbers, state = table(), State(StateTree())
    for height in (1, 2, 3):
        numbers.put(state, height, 100, Number(height), b"a")
    numbers.delete(state, 20, 5, b"a")
    assert (stored(state), numbers.as_of(state, 3, b"a")) == (1, Number(3))


def test_all_versions_that_are_kept_are_listed_the_current_one_first() -> None:
    numbers, state = table(), State(StateTree())
    assert numbers.versions(state, b"a") == []
    for height in range(1, 300):
        numbers.put(state, height, 1_000, Number(height), b"a")
    numbers.put(state, 1, 1_000, Number(7), b"b")
    assert numbers.versions(state, b"a") == [Number(299), *(Number(each) for each in range(1, 299))]
    assert numbers.versions(state, b"b") == [Number(7)]
