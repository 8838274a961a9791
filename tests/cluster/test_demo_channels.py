"""The demonstration of confidential channels, run as users run it: five nodes, every claim checked, nothing left running."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from traco.cli.problems import ExitCode
from traco.demo.channel_story import STEPS
from traco.demo.channel_world import NAMES
from traco.node.running import holder

ROOT = Path(__file__).parents[2]
TIMEOUT = 900


def command(directory: Path) -> list[str]:
    return [sys.executable, "-m", "traco.cli", "demo-channels", "--dir", str(directory)]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A process inherits that Ctrl-C is ignored, as it is for what a script runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_it_shows_every_step_and_ends_with_zero(tmp_path: Path) -> None:
    directory = tmp_path / "demo-channels"
    done = subprocess.run(
        command(directory), capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "")
    steps = [line for line in done.stdout.splitlines() if f"/{STEPS}  " in line[:8]]
    assert [int(line[:2]) for line in steps] == list(range(1, STEPS + 1))
    assert [holder(directory / name) for name in NAMES] == [None] * len(NAMES)


@pytest.mark.slow
def test_nothing_goes_on_running_after_an_interruption(tmp_path: Path, interruptible: None) -> None:
    directory = tmp_path / "demo-channels"
    with subprocess.Popen(
        command(directory), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as story:
        assert story.stdout is not None
        begun = next(line for line in story.stdout if line.startswith(f" 2/{STEPS}"))
        story.send_signal(signal.SIGINT)  # while the nodes are being started
        _, said = story.communicate(timeout=TIMEOUT)
    assert "nodes start" in begun
    assert (story.returncode, said) == (ExitCode.INTERRUPTED, "")
    assert [holder(directory / name) for name in NAMES] == [None] * len(NAMES)
