"""The keeper: a ledger process that was killed is started again; one that ended by itself, or was told to, ends the keeper."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

# stands in for `traco node start`: after `keep` it is the ledger process, and does what the n-th line of `plan` says
SCRIPT = """
import os, signal, sys
from pathlib import Path
from traco.node import keeper
from traco.node.configuration import LogConfig

directory = Path(sys.argv[1])
keeper.PAUSES_SECONDS = (float(sys.argv[2]),)
secret = "asked for once"
exec(sys.argv[3])
tell = keeper.keep(directory, LogConfig())
with (directory / "starts").open("a") as file:
    file.write(f"{os.getpid()} {os.getppid()} {os.getpgid(0)} {secret}\\n")
plan = (directory / "plan").read_text().splitlines()
step = plan[min(len((directory / "starts").read_text().splitlines()), len(plan)) - 1]
exec(step)
"""
STAY = "print('up', flush=True); signal.pause()"
WAIT = "signal.signal(15, lambda *_: sys.exit(0)); " + STAY
KILLED = "os.kill(os.getpid(), 9)"


class Kept:
    """A keeper over a plan. ``pause`` in seconds before it starts a ledger process again; ``before`` is done first."""

    def __init__(
        self, directory: Path, plan: tuple[str, ...], pause: float, notify: str = "", before: str = ""
    ) -> None:
        self.directory = directory
        (directory / "plan").write_text("\n".join(plan))
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(directory), str(pause), before], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "NOTIFY_SOCKET": notify, "PYTHONWARNINGS": "error"},
            start_new_session=True,
        )  # fmt: skip

    def line(self) -> str:
        """The next line that a ledger process printed."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def starts(self) -> list[list[str]]:
        return [line.split(" ", 3) for line in (self.directory / "starts").read_text().splitlines()]

    def ledger(self) -> int:
        """The ledger process of the moment."""
        return int(self.starts()[-1][0])

    def log(self) -> str:
        path = self.directory / "node.log"
        return path.read_text() if path.exists() else ""

    def end(self) -> int:
        """Wait for the keeper; its exit code."""
        return self.process.wait(20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


Make = Callable[..., Kept]


@pytest.fixture
def keep(tmp_path: Path) -> Iterator[Make]:
    with ExitStack() as stack:

        def make(*plan: str, pause: float = 0.0, notify: str = "", before: str = "") -> Kept:
            kept = Kept(tmp_path, plan, pause, notify, before)
            stack.callback(kept.close)
            return kept

        yield make


@pytest.mark.parametrize("code", [0, 1, 7])
def test_a_ledger_process_that_ends_by_itself_ends_the_keeper_with_its_code(keep: Make, code: int) -> None:
    kept = keep(f"sys.exit({code})")
    assert kept.end() == code
    assert (len(kept.starts()), kept.log()) == (1, "")


def test_an_error_of_the_ledger_process_is_its_own_to_tell(keep: Make) -> None:
    kept = keep("raise ValueError('told')")
    assert kept.process.communicate(timeout=120)[1].count("ValueError: told") == 1
    assert kept.end() == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_ledger_process_that_was_killed_is_started_again(keep: Make, number: int) -> None:
    kept = keep(
        f"signal.signal(6, signal.SIG_DFL); os.kill(os.getpid(), {int(number)})", KILLED, "sys.exit(3)"
    )
    assert kept.end() == 3
    assert len(kept.starts()) == 3
    assert f"the ledger process was killed ({signal.Signals(number).name})" in kept.log()


def test_what_was_asked_for_once_is_there_at_each_start(keep: Make) -> None:
    kept = keep(KILLED, "sys.exit(0)")
    kept.end()
    assert [start[3] for start in kept.starts()] == ["asked for once"] * 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_the_keeper_is_told_the_ledger_process_is_told(keep: Make, number: int) -> None:
    kept = keep(f"signal.signal({int(number)}, lambda *_: (print('told', flush=True), sys.exit(0))); " + STAY)
    assert kept.line() == "up\n"
    kept.process.send_signal(number)
    assert kept.line() == "told\n"
    assert kept.end() == 0


def test_a_key_pressed_in_the_terminal_reaches_the_ledger_process_once(keep: Make) -> None:
    # waited for while blocked: a handler could run right before `pause`, which then waits for ever
    kept = keep(
        "signal.signal(2, lambda *_: None); signal.pthread_sigmask(signal.SIG_BLOCK, {2}); print('up', flush=True); "
        "signal.sigwait({2}); print('told', flush=True); "
        "signal.sigtimedwait({2}, 0.3) and print('told', flush=True); sys.exit(0)"
    )
    assert kept.line() == "up\n"
    os.killpg(kept.process.pid, signal.SIGINT)  # the terminal tells the whole group of the keeper
    kept.end()
    assert kept.process.communicate()[0] == "told\n"


def test_a_ledger_process_that_was_told_to_stop_ends_the_keeper(keep: Make) -> None:
    kept = keep(WAIT)
    assert kept.line() == "up\n"
    os.kill(kept.ledger(), signal.SIGTERM)  # as `traco node stop` does
    assert (kept.end(), len(kept.starts())) == (0, 1)


def test_a_ledger_process_that_is_not_ready_for_a_stop_is_not_started_again_either(keep: Make) -> None:
    kept = keep(STAY)
    assert kept.line() == "up\n"
    os.kill(kept.ledger(), signal.SIGTERM)
    assert (kept.end(), len(kept.starts())) == (128 + signal.SIGTERM, 1)


def test_a_keeper_that_is_told_to_stop_in_a_pause_starts_nothing(keep: Make) -> None:
    kept = keep("print('killed', flush=True); " + KILLED, "sys.exit(0)", pause=3_600)
    assert kept.line() == "killed\n"
    while not kept.log():
        pass
    kept.process.terminate()
    kept.end()
    assert len(kept.starts()) == 1


def test_a_keeper_that_is_told_to_stop_right_before_it_starts_another_one_ends(keep: Make) -> None:
    told = (
        "keeper.gc.freeze = lambda: (directory / 'starts').exists() and os.kill(os.getpid(), signal.SIGTERM)"
    )
    kept = keep(KILLED, STAY, before=told)
    assert kept.end() == 128 + signal.SIGTERM


def test_a_keeper_that_is_killed_leaves_no_ledger_process(keep: Make) -> None:
    kept = keep("signal.signal(15, lambda *_: (print('in order', flush=True), sys.exit(0))); " + STAY)
    assert kept.line() == "up\n"
    kept.process.kill()
    assert kept.line() == "in order\n"


def test_the_ledger_process_has_a_group_of_its_own_and_the_keeper_as_parent(keep: Make) -> None:
    kept = keep("sys.exit(0)")
    kept.end()
    [[pid, parent, group, _]] = kept.starts()
    assert (int(parent), group) == (kept.process.pid, pid)


def test_the_service_manager_hears_from_the_keeper_alone(keep: Make, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        manager.bind(str(path))
        manager.settimeout(20)
        kept = keep("tell('READY=1'); " + WAIT, notify=str(path))
        state, ancillary, _, _ = manager.recvmsg(100, socket.CMSG_SPACE(12))
        sender = int.from_bytes(ancillary[0][2][:4], sys.byteorder)
        assert (state, sender) == (b"READY=1", kept.process.pid)
        assert kept.line() == "up\n"
        kept.process.terminate()
        assert kept.end() == 0


def test_a_state_that_nobody_hears_does_no_harm(keep: Make) -> None:
    kept = keep("tell('READY=1'); sys.exit(4)", notify="nowhere")
    assert kept.end() == 4


LEAVES_ONE_BEHIND = """
import subprocess, time
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
(directory / "left").write_text(str(left.pid))
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_ledger_process_left_behind_is_ended_before_the_next_one_starts(keep: Make) -> None:
    kept = keep(f"exec({LEAVES_ONE_BEHIND!r})", WAIT)
    assert kept.line() == "up\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((kept.directory / "left").read_text()), 0)
