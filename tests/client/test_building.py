"""Groups that a node takes, and ids."""

from hypothesis import given
from hypothesis import strategies as st

from traco.client.building import MAX_BATCH, MAX_BATCH_BYTES, batches, identity_of
from traco.kernel.transaction import transaction_id


@given(st.lists(st.integers(0, 600_000), max_size=30))
def test_groups_keep_the_order_and_stay_within_the_limits(sizes: list[int]) -> None:
    transactions = [bytes(size) for size in sizes]
    groups = batches(transactions)
    assert [raw for group in groups for raw in group] == transactions
    assert all(len(group) <= MAX_BATCH and sum(map(len, group)) <= MAX_BATCH_BYTES for group in groups)


def test_many_small_ones_are_divided_by_number() -> None:
    assert [len(group) for group in batches([b""] * (MAX_BATCH + 1))] == [MAX_BATCH, 1]


def test_what_is_no_transaction_has_an_id_too() -> None:
    assert identity_of(b"\x00") == transaction_id(b"\x00")
