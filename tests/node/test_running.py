"""Who runs a node is said by whoever has its lock, and nobody else is ever signalled."""

import os
from pathlib import Path

import pytest

from traco.node import running
from traco.node.directory import NodeDirectoryError
from traco.node.running import holder, request_stop, wait_stopped
from traco.storage import DirectoryLock
from traco.storage.lock import LOCK_FILE


def test_a_directory_that_nobody_ever_ran_has_no_holder(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert request_stop(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_process_with_the_lock_is_the_holder(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None


@pytest.mark.parametrize("content", [str(os.getpid()), "1", "999999999", "", "0", "x"])
def test_a_number_that_was_left_over_names_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK_FILE).write_text(content)
    assert holder(tmp_path) is None
    assert request_stop(tmp_path) is None


def test_the_lock_of_one_directory_does_not_speak_for_another(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / LOCK_FILE).write_text(str(os.getpid()))
    with DirectoryLock(tmp_path):
        assert holder(other) is None


def test_where_the_system_does_not_tell_the_lock_itself_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "_has_open", lambda pid, path: None)
    with DirectoryLock(tmp_path):
        assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None


def test_a_process_that_does_not_stop_is_named(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path), pytest.raises(NodeDirectoryError) as caught:
        wait_stopped(tmp_path, os.getpid(), 0.0)
    assert caught.value.code == "node.not_stopping"
    assert str(os.getpid()) in str(caught.value)


def test_a_process_that_stopped_is_not_waited_for(tmp_path: Path) -> None:
    wait_stopped(tmp_path, os.getpid())
