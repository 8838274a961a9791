"""Used ids: known as long as they could be ordered again, and no longer."""

from traco.kernel.used_ids import BUCKET_MS, UsedIds

A, B = b"a" * 32, b"b" * 32


def test_an_id_is_used_from_the_moment_it_is_added() -> None:
    used = UsedIds()
    assert not used.contains(A, 5)
    used.add(A, 5)
    assert used.contains(A, 5)
    assert used.pending() == ((A, 5),)


def test_an_abandoned_block_uses_nothing_up() -> None:
    used = UsedIds()
    used.add(A, 5)
    used.abandon()
    assert (used.contains(A, 5), used.pending()) == (False, ())


def test_a_committed_id_stays() -> None:
    used = UsedIds()
    used.add(A, 5)
    used.commit(1)
    assert (used.contains(A, 5), used.contains(B, 5), used.pending()) == (True, False, ())
    used.abandon()
    assert used.contains(A, 5)


def test_a_bucket_goes_when_all_its_ids_have_expired() -> None:
    used = UsedIds()
    used.load([(A, BUCKET_MS - 1), (B, BUCKET_MS)])
    used.commit(BUCKET_MS - 1)
    assert used.contains(A, BUCKET_MS - 1)
    used.commit(BUCKET_MS)
    assert not used.contains(A, BUCKET_MS - 1)
    assert used.contains(B, BUCKET_MS)
    used.commit(2 * BUCKET_MS)
    assert not used.contains(B, BUCKET_MS)


def test_ids_are_pending_in_order_of_use() -> None:
    used = UsedIds()
    used.add(B, 1)
    used.add(A, 2)
    assert used.pending() == ((B, 1), (A, 2))


def test_inherited_ids_are_used_whatever_their_time_until_the_last_of_them_is_forgotten() -> None:
    used = UsedIds()
    used.inherit([(A, 100), (B, 200)])
    assert (used.contains(A, 5), used.contains(A, 500), used.contains(B, 7)) == (True, True, True)
    used.commit(199)
    assert used.contains(B, 7)
    used.commit(200)
    assert not used.contains(B, 7)


def test_nothing_inherited_is_nothing_used() -> None:
    used = UsedIds()
    used.inherit([])
    used.commit(1)
    assert not used.contains(A, 5)
