"""One process per data directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from traco.storage import DirectoryLock, MediumFailed, StoreLocked


def test_a_second_holder_is_refused_and_told_the_process(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path), pytest.raises(StoreLocked) as raised:
        DirectoryLock(tmp_path)
    assert (raised.value.code, raised.value.pid, raised.value.path) == (
        "storage.locked",
        os.getpid(),
        str(tmp_path),
    )
    assert f"process {os.getpid()}" in str(raised.value)


def test_a_released_directory_can_be_taken_again(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    lock.release()
    lock.release()
    with DirectoryLock(tmp_path):
        pass
    DirectoryLock(tmp_path).release()


def test_the_lock_of_a_killed_process_is_gone_and_its_longer_number_too(tmp_path: Path) -> None:
    code = (
        "import os, sys; from traco.storage import DirectoryLock;"
        "lock = DirectoryLock(sys.argv[1]); print(os.getpid(), flush=True); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=environment, capture_output=True, check=False
    )
    assert (killed.returncode, killed.stdout.strip()) == (-9, (tmp_path / "lock").read_bytes())
    (tmp_path / "lock").write_bytes(b"9" * 15)
    with DirectoryLock(tmp_path):
        assert (tmp_path / "lock").read_bytes() == str(os.getpid()).encode()


def test_another_process_is_refused(tmp_path: Path) -> None:
    code = (
        "import sys; from traco.storage import DirectoryLock, StoreLocked\n"
        "try: DirectoryLock(sys.argv[1])\n"
        "except StoreLocked as error: print(error.pid)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with DirectoryLock(tmp_path):
        other = subprocess.run(
            [sys.executable, "-c", code, tmp_path], env=environment, capture_output=True, check=True
        )
    assert int(other.stdout) == os.getpid()


def test_a_holder_that_has_not_written_its_number_yet_is_process_0(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path):
        (tmp_path / "lock").write_bytes(b"")
        with pytest.raises(StoreLocked) as raised:
            DirectoryLock(tmp_path)
    assert raised.value.pid == 0


def test_a_directory_that_is_not_there_is_an_io_error(tmp_path: Path) -> None:
    with pytest.raises(MediumFailed) as raised:
        DirectoryLock(tmp_path / "absent")
    assert raised.value.code == "storage.io_error"


def test_a_lock_file_that_cannot_be_written_is_an_io_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, content: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(MediumFailed) as raised:
        DirectoryLock(tmp_path)
    monkeypatch.undo()
    DirectoryLock(tmp_path).release()
    assert raised.value.reason == "No space left on device"
