"""What the disk model keeps and may lose."""

from __future__ import annotations

import random

import pytest

from faults.disk import CutMode, Disk, DiskFile, Truncate, Write

ALL_MODES = tuple(CutMode)
SEEDS = range(100)


def disk_with(content: bytes) -> tuple[Disk, DiskFile]:
    """A disk whose only file, /file, is durable with that content."""
    disk = Disk()
    file = disk.create("/file")
    file.change(Write(0, content))
    disk.sync(file)
    disk.sync_directory("/file")
    return disk, file


def contents_after_cuts(disk: Disk, mode: CutMode) -> set[bytes]:
    """Every content of /file that a hundred power cuts leave."""
    contents = set()
    for seed in SEEDS:
        after = disk.power_cut(random.Random(seed), mode)
        contents.add(bytes(after.open("/file").durable))
    return contents


@pytest.mark.parametrize("mode", ALL_MODES)
def test_what_was_synced_survives_whole(mode: CutMode) -> None:
    disk, _ = disk_with(b"kept")
    assert contents_after_cuts(disk, mode) == {b"kept"}


def test_a_write_is_read_back_before_it_is_synced() -> None:
    _, file = disk_with(b"old!")
    file.change(Write(2, b"new"))
    assert (file.read(10, 1), file.size()) == (b"lnew", 5)


def test_a_write_beyond_the_end_leaves_zeros_between() -> None:
    _, file = disk_with(b"ab")
    file.change(Write(4, b"c"))
    assert file.read(10, 0) == b"ab\0\0c"


def test_truncating_shortens_and_lengthens() -> None:
    _, file = disk_with(b"abcd")
    file.change(Truncate(2))
    file.change(Truncate(3))
    assert file.read(10, 0) == b"ab\0"


def test_drop_leaves_every_prefix_of_the_changes_and_nothing_else() -> None:
    disk, file = disk_with(b"....")
    for offset in range(3):
        file.change(Write(offset, b"x"))
    assert contents_after_cuts(disk, CutMode.DROP) == {b"....", b"x...", b"xx..", b"xxx."}


def test_reorder_leaves_any_subset_of_the_changes() -> None:
    disk, file = disk_with(b"..")
    file.change(Write(0, b"x"))
    file.change(Write(1, b"x"))
    assert contents_after_cuts(disk, CutMode.REORDER) == {b"..", b"x.", b".x", b"xx"}


def test_reorder_lets_an_older_write_win() -> None:
    disk, file = disk_with(b"..")
    file.change(Write(0, b"12"))
    file.change(Write(1, b"3"))
    assert b"12" in contents_after_cuts(disk, CutMode.REORDER)


def test_tear_splits_a_write_at_sectors_only() -> None:
    disk, file = disk_with(bytes(1024))
    file.change(Write(500, b"x" * 24))
    before, after = b"x" * 12, b"x" * 12
    assert {content[500:524] for content in contents_after_cuts(disk, CutMode.TEAR)} == {
        bytes(24),
        before + bytes(12),
        bytes(12) + after,
        before + after,
    }


@pytest.mark.parametrize("mode", [CutMode.DROP, CutMode.REORDER, CutMode.TEAR])
def test_bytes_next_to_a_write_are_untouched(mode: CutMode) -> None:
    disk, file = disk_with(b"kept")
    file.change(Write(1, b"x"))
    assert {content[:1] + content[2:] for content in contents_after_cuts(disk, mode)} == {b"kpt"}


def test_garble_damages_synced_bytes_in_a_touched_sector_and_none_beyond() -> None:
    disk, file = disk_with(b"k" * 8192)
    file.change(Write(0, b"x"))
    contents = contents_after_cuts(disk, CutMode.GARBLE)
    assert {content[4096:] for content in contents} == {b"k" * 4096}
    assert any(content[1:4096] != b"k" * 4095 for content in contents)


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_truncation_that_was_not_synced_may_be_lost_or_kept(mode: CutMode) -> None:
    disk, file = disk_with(b"abcd")
    file.change(Truncate(1))
    assert contents_after_cuts(disk, mode) == {b"abcd", b"a"}


def test_forgotten_changes_can_be_read_and_are_not_saved_by_a_later_sync() -> None:
    disk, file = disk_with(b"old")
    file.change(Write(0, b"new"))
    file.forget_unsynced()
    disk.sync(file)
    assert file.read(3, 0) == b"new"
    assert contents_after_cuts(disk, CutMode.DROP) == {b"old"}


def surviving_names(disk: Disk, mode: CutMode) -> set[tuple[str, ...]]:
    """Every list of names that a hundred power cuts leave."""
    return {tuple(disk.power_cut(random.Random(seed), mode).paths()) for seed in SEEDS}


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_synced_file_may_lose_its_name_until_the_directory_is_synced(mode: CutMode) -> None:
    disk = Disk()
    disk.sync(disk.create("/folder/new"))
    assert surviving_names(disk, mode) == {(), ("/folder/new",)}
    disk.sync_directory("/folder/new")
    assert surviving_names(disk, mode) == {("/folder/new",)}


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_deleted_file_may_come_back_until_the_directory_is_synced(mode: CutMode) -> None:
    disk, _ = disk_with(b"back")
    disk.delete("/file")
    assert surviving_names(disk, mode) == {(), ("/file",)}
    disk.sync_directory("/file")
    assert surviving_names(disk, mode) == {()}


@pytest.mark.parametrize("mode", ALL_MODES)
def test_a_rename_happens_or_does_not(mode: CutMode) -> None:
    disk, _ = disk_with(b"moved")
    disk.rename("/file", "/other")
    assert disk.paths() == ["/other"]
    assert surviving_names(disk, mode) == {("/file",), ("/other",)}


def test_renaming_to_the_same_name_changes_nothing() -> None:
    disk, _ = disk_with(b"here")
    disk.rename("/file", "/file")
    assert disk.paths() == ["/file"]


def test_names_are_checked() -> None:
    disk, _ = disk_with(b"")
    with pytest.raises(FileExistsError):
        disk.create("/file")
    with pytest.raises(FileNotFoundError):
        disk.delete("/none")
    with pytest.raises(FileNotFoundError):
        disk.open("/none")
    with pytest.raises(ValueError):
        disk.rename("/file", "/folder/file")


@pytest.mark.parametrize("sector_bytes", [0, -512, 513])
def test_a_sector_is_a_positive_multiple_of_512_bytes(sector_bytes: int) -> None:
    with pytest.raises(ValueError):
        Disk(sector_bytes=sector_bytes)


def test_a_disk_that_lies_about_sync_can_lose_everything() -> None:
    disk = Disk(lies_about_sync=True)
    file = disk.create("/file")
    file.change(Write(0, b"gone"))
    disk.sync(file)
    disk.sync_directory("/file")
    assert () in surviving_names(disk, CutMode.DROP)


def test_a_power_cut_leaves_the_original_disk_as_it_was() -> None:
    disk, file = disk_with(b"old")
    file.change(Write(0, b"new"))
    after = disk.power_cut(random.Random(1), CutMode.DROP)
    after.open("/file").change(Write(0, b"other"))
    assert (bytes(file.cached), bytes(file.durable), len(file.unsynced)) == (b"new", b"old", 1)


def test_a_copy_keeps_unsynced_changes_and_shares_nothing() -> None:
    disk, file = disk_with(b"old")
    file.change(Write(0, b"new"))
    twin = disk.copy()
    disk.sync(file)
    assert twin.open("/file").read(3, 0) == b"new"
    assert contents_after_cuts(twin, CutMode.DROP) == {b"old", b"new"}


def test_the_same_seed_leaves_the_same_disk() -> None:
    disk, file = disk_with(bytes(9000))
    for offset in range(0, 9000, 700):
        file.change(Write(offset, b"x" * 600))
    first, second = (disk.power_cut(random.Random(7), CutMode.GARBLE) for _ in range(2))
    assert first.open("/file").durable == second.open("/file").durable


def test_contents_and_used_bytes_are_what_programs_see() -> None:
    disk, file = disk_with(b"12345")
    file.change(Truncate(3))
    disk.create("/folder/other").change(Write(0, b"67"))
    assert disk.contents() == {"/file": b"123", "/folder/other": b"67"}
    assert disk.used_bytes() == 5
