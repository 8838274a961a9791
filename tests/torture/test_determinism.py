"""The same blocks in other processes."""

import pytest

from torture.determinism import Setting, check_determinism
from torture.report import Counts, Difference


def test_hash_seed_threads_and_processes_do_not_change_a_root() -> None:
    settings = (Setting(1, ("--threads", "4")), Setting(2, ("--processes", "2")))
    counts = Counts()
    blocks = check_determinism("bounded", counts, settings, lives=3)
    assert counts["work: blocks"] == 2 * blocks > 0


def test_order_of_a_set_changes_a_root_and_is_found() -> None:
    settings = [Setting(seed, ()) for seed in (1, 2)]
    with pytest.raises(Difference, match=r"determinism: hash seed ., one thread: other roots from block"):
        check_determinism("bounded", Counts(), settings, lives=3, plant="set_iteration")
