"""Files for one reader: never half written, never readable by others, never overwritten unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import traco
from traco.client.private_file import FileChanged, NotPrivate, TooLarge, read_private, replace_private

CRASH = """
import os, sys
from pathlib import Path
from traco.client.private_file import replace_private

def crash(*arguments):
    os._exit(9)

def rename_then_crash(*arguments, rename=os.replace):
    rename(*arguments)
    os._exit(9)

moment = sys.argv[2]
if moment == "before sync":
    os.fsync = crash
elif moment == "before rename":
    os.replace = crash
else:
    os.replace = rename_then_crash
replace_private(Path(sys.argv[1]), b"new", b"old")
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def crash_while_replacing(path: Path, moment: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(Path(traco.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-c", CRASH, str(path), moment], env=environment, check=False
    ).returncode


def test_what_was_written_is_read(path: Path) -> None:
    replace_private(path, b"content", None)
    assert read_private(path, 7) == b"content"


def test_only_the_owner_can_read_it_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        replace_private(path, b"content", None)
    finally:
        os.umask(before)
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert modes == {"secret": "0o600", "secret.lock": "0o600"}


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601, 0o644])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    replace_private(path, b"content", None)
    path.chmod(mode)
    with pytest.raises(NotPrivate):
        read_private(path, 100)
    with pytest.raises(NotPrivate):
        replace_private(path, b"new", b"content")


def test_a_file_of_mode_0400_can_be_read(path: Path) -> None:
    replace_private(path, b"content", None)
    path.chmod(0o400)
    assert read_private(path, 100) == b"content"


def test_a_pipe_is_refused_without_waiting(path: Path) -> None:
    os.mkfifo(path, 0o600)
    with pytest.raises(OSError, match="no regular file"):
        read_private(path, 100)


def test_a_directory_is_refused(path: Path) -> None:
    path.mkdir(0o700)
    with pytest.raises(OSError, match="no regular file"):
        read_private(path, 100)


def test_a_file_beyond_the_limit_is_refused(path: Path) -> None:
    replace_private(path, b"content", None)
    with pytest.raises(TooLarge):
        read_private(path, 6)


def test_a_missing_file_is_named_as_such(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_private(path, 100)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, lambda path: path.symlink_to("nowhere")])
def test_a_new_file_never_replaces_anything(path: Path, make: object) -> None:
    assert callable(make)
    make(path)
    with pytest.raises(FileExistsError):
        replace_private(path, b"content", None)


@pytest.mark.parametrize("current", [b"other", b"ol", b"old and more"])
def test_a_file_that_changed_since_is_not_overwritten(path: Path, current: bytes) -> None:
    replace_private(path, current, None)
    with pytest.raises(FileChanged):
        replace_private(path, b"new", b"old")
    assert read_private(path, 100) == current


def test_a_file_that_was_removed_is_not_made_again(path: Path) -> None:
    with pytest.raises(FileChanged):
        replace_private(path, b"new", b"old")
    assert path.exists() is False


@pytest.mark.parametrize(
    ("moment", "expected"), [("before sync", b"old"), ("before rename", b"old"), ("after rename", b"new")]
)
def test_a_crash_leaves_the_old_content_or_the_new(path: Path, moment: str, expected: bytes) -> None:
    replace_private(path, b"old", None)
    assert crash_while_replacing(path, moment) == 9
    assert read_private(path, 100) == expected


def test_what_a_crash_left_behind_is_cleared_by_the_next_write(path: Path) -> None:
    replace_private(path, b"old", None)
    crash_while_replacing(path, "before rename")
    replace_private(path, b"newer", b"old")
    assert sorted(file.name for file in path.parent.iterdir()) == ["secret", "secret.lock"]


def test_a_failed_write_leaves_the_old_content_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    replace_private(path, b"old", None)
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        replace_private(path, b"new", b"old")
    assert (read_private(path, 100), sorted(file.name for file in path.parent.iterdir())) == (
        b"old",
        ["secret", "secret.lock"],
    )


def test_file_and_directory_are_synced_in_this_order(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    sync, rename = os.fsync, os.replace

    def noted_sync(descriptor: int) -> None:
        steps.append("directory" if os.fstat(descriptor).st_mode & 0o040000 else "file")
        sync(descriptor)

    def noted_rename(source: Path, target: Path) -> None:
        steps.append("rename")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_rename)
    replace_private(path, b"content", None)
    assert steps == ["file", "rename", "directory"]
