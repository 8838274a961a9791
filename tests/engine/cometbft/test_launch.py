"""What becomes the engine ends with its parent, and does not begin where that has ended already."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from traco.engine.cometbft import launch

GET_TIMER_SLACK = 30  # PR_GET_TIMERSLACK, prctl(2)
BESIDE = (sys.executable, "-I", "-S", str(launch.__file__))


def run(parent: int, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*BESIDE, str(parent), *command], capture_output=True, text=True, check=False)


def test_it_becomes_the_program() -> None:
    done = run(os.getpid(), sys.executable, "-c", "import sys; print(sys.argv[1:])", "--home", "a b")
    assert (done.returncode, done.stdout) == (0, "['--home', 'a b']\n")


def test_its_timers_may_wait_for_each_other() -> None:
    asking = f"import ctypes; print(ctypes.CDLL(None).prctl({GET_TIMER_SLACK}, 0, 0, 0, 0))"
    done = run(os.getpid(), sys.executable, "-c", asking)
    assert done.stdout == f"{launch.TIMER_SLACK_NS}\n"


def test_without_the_parent_it_does_not_begin() -> None:
    done = run(1 if os.getpid() != 1 else 2, sys.executable, "-c", "print('begun')")
    assert (done.returncode, done.stdout) == (launch.PARENT_GONE, "")


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    done = run(os.getpid(), str(tmp_path / "cometbft"))
    assert done.returncode == launch.NOT_STARTED
    assert done.stderr == f"ERROR: {tmp_path / 'cometbft'} cannot be started: No such file or directory\n"


def test_the_wish_to_end_with_the_parent_is_made_before_the_parent_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[str] = []

    def look() -> int:
        done.append("look")
        return -1

    monkeypatch.setattr(launch, "end_with_parent", lambda: done.append("wish"))
    monkeypatch.setattr(os, "getppid", look)
    assert launch.launch(5, "program", []) == launch.PARENT_GONE
    assert done == ["wish", "look"]
