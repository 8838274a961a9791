"""The folder of sockets: private, short, gone at the end; what a crash left is removed by the next one, and nothing else."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from traco.engine.cometbft import runtime as subject
from traco.engine.cometbft.errors import EngineError
from traco.engine.cometbft.runtime import PREFIX, RuntimeDirectory

HOLD = """
import sys
import tempfile
from traco.engine.cometbft.runtime import RuntimeDirectory
runtime = RuntimeDirectory()
runtime.rpc_socket.touch()
print(runtime.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(subject, "MAX_SOCKET_PATH", 200)
    return tmp_path


def test_it_is_private_and_removed_at_the_end(place: Path) -> None:
    with RuntimeDirectory() as runtime:
        assert runtime.path.parent == place
        assert runtime.path.stat().st_mode & 0o777 == 0o700
        runtime.rpc_socket.write_text("left by the engine")
    assert list(place.iterdir()) == []


def test_a_path_that_is_too_long_for_a_socket_is_not_taken(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = place / ("x" * 200)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with RuntimeDirectory() as runtime:
        assert runtime.path.parent == place
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with pytest.raises(EngineError, match=r"engine\.no_runtime_directory"):
        RuntimeDirectory()
    assert list(long.iterdir()) == []


def test_the_usual_path_is_short_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with RuntimeDirectory() as runtime:
        assert len(os.fsencode(runtime.abci_socket)) < 100


def test_what_a_crash_left_is_removed_and_what_is_in_use_is_not(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": tempfile.gettempdir(), "XDG_RUNTIME_DIR": ""},
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        held = Path(holder.stdout.readline().strip())
        monkeypatch.setattr(subject, "STALE_SECONDS", -1.0)
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(held.parent))
        with RuntimeDirectory():
            assert held.exists()
        holder.kill()
        holder.wait()
        with RuntimeDirectory():
            assert not held.exists()


def test_a_new_folder_is_left_to_who_just_made_it(place: Path) -> None:
    (place / f"{PREFIX}new").mkdir()
    with RuntimeDirectory():
        assert (place / f"{PREFIX}new").exists()


def test_a_folder_with_something_else_in_it_stays(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "STALE_SECONDS", -1.0)
    other = place / f"{PREFIX}other"
    other.mkdir()
    (other / "important").touch()
    with RuntimeDirectory():
        assert (other / "important").exists()
