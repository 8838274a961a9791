"""Snapshots appear on the shelf whole, and leave it whole."""

from pathlib import Path

import pytest

from traco.storage.copying.form import SnapshotRefused
from traco.storage.copying.shelf import HEAD_FILE, Shelf, piece_file


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "snapshots", kept=2)


def put(shelf: Shelf, height: int) -> None:
    with shelf.making(height) as folder:
        (folder / HEAD_FILE).write_bytes(b"head %d" % height)
        (folder / piece_file(0)).write_bytes(b"piece %d" % height)


def names(shelf: Shelf) -> list[str]:
    return sorted(path.name for path in shelf.folder.iterdir())


def test_the_newest_are_kept(shelf: Shelf) -> None:
    for height in (9, 10, 100):
        put(shelf, height)
    assert shelf.heights() == [100, 10]
    assert (shelf.head(10), shelf.piece(100, 0), shelf.piece(100, 1), shelf.head(9)) == (
        b"head 10", b"piece 100", None, None,
    )  # fmt: skip


def test_one_that_failed_while_being_made_is_gone(shelf: Shelf) -> None:
    with pytest.raises(FileNotFoundError), shelf.making(3) as folder:
        (folder / "missing" / HEAD_FILE).write_bytes(b"head")
    assert names(shelf) == []


def test_there_is_one_of_a_height(shelf: Shelf) -> None:
    put(shelf, 3)
    with pytest.raises(SnapshotRefused, match=r"snapshot\.exists"):
        put(shelf, 3)
    assert names(shelf) == ["3"]


def test_those_above_what_the_ledger_reaches_are_removed(shelf: Shelf) -> None:
    for height in (5, 6):
        put(shelf, height)
    shelf.prune(above=5)
    assert names(shelf) == ["5"]


def test_one_that_came_from_elsewhere_is_kept_like_others(shelf: Shelf) -> None:
    for height in (5, 6):
        put(shelf, height)
    received = shelf.folder / "received"
    received.mkdir()
    (received / HEAD_FILE).write_bytes(b"head 7")
    shelf.receive(7, received)
    assert (shelf.heights(), shelf.head(7)) == ([7, 6], b"head 7")
    received.mkdir()
    shelf.receive(7, received)  # there is one already
    assert shelf.head(7) == b"head 7"


def test_what_is_unfinished_is_cleared(shelf: Shelf) -> None:
    shelf.clear()
    put(shelf, 5)
    (shelf.folder / "6.making").mkdir()
    (shelf.folder / "aside.db").touch()
    shelf.clear()
    assert names(shelf) == ["5"]


def test_a_shelf_without_a_folder_is_empty(shelf: Shelf) -> None:
    assert (shelf.heights(), shelf.heads(), shelf.edges()) == ([], [], [])
