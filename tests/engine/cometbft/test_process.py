"""The engine's process: output handed on, started again with pauses, given up when that does not help, never left behind."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from traco.engine.cometbft import process as subject
from traco.engine.cometbft.errors import EngineFailed, EngineKeysInvalid, KeyInUse
from traco.engine.cometbft.exclusion import ValidatorLock
from traco.engine.cometbft.home import create_keys
from traco.engine.cometbft.process import (
    MAX_EXITS,
    MAX_LINE_BYTES,
    EngineProcess,
    EngineWatch,
)
from traco.kernel.light import address

# what stands in for the engine does at its n-th start what the n-th line of `plan` says, and then as its last line
PROGRAM = """#!{python} -IS
import os, pathlib, signal, sys
assert sys.argv[1:3] == ["start", "--home"], sys.argv
home = pathlib.Path(sys.argv[3])
starts = home / "starts"
with starts.open("a") as file:
    file.write(f"{{os.getpid()}} {{os.getpgid(0)}} {{os.getcwd()}} {{os.environ.get('FAIL_TEST_INDEX', '-')}}\\n")
plan = (home / "plan").read_text().splitlines()
step = plan[min(len(starts.read_text().splitlines()), len(plan)) - 1]
exec(step)
"""
STAY = "print('up', flush=True); signal.pause()"


class Stage:
    """An engine process over a program of the test, and what it was told."""

    def __init__(self, folder: Path, *plan: str) -> None:
        self.home, self.program = folder / "engine", folder / "program"
        self.keys = create_keys(self.home)
        (self.home / "plan").write_text("\n".join(plan))
        self.program.write_text(PROGRAM.format(python=sys.executable))
        self.program.chmod(0o700)
        self.height = 0
        self.lines: list[str] = []
        self.failures: list[EngineFailed] = []
        self.socket = folder / "rpc"
        self.process = self.make()

    def make(self, **environment: str) -> EngineProcess:
        watch = EngineWatch(self._hear, self.failures.append, lambda: self.height)
        return EngineProcess(self.program, self.home, self.socket, watch, {**os.environ, **environment})

    def _hear(self, line: str) -> None:
        self.lines.append(line)

    def starts(self) -> list[list[str]]:
        path = self.home / "starts"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    async def until(self, holds: Callable[[], bool]) -> None:
        """Let others run until something holds, or the engine has failed."""
        async with asyncio.timeout(20):
            while not holds() and self.process.failure is None:
                await asyncio.sleep(0)


def play(stage: Stage, story: Callable[[Stage], Awaitable[Any]]) -> None:
    async def whole() -> None:
        try:
            await story(stage)
        finally:
            await stage.process.stop()

    asyncio.run(whole())


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PAUSES_SECONDS", (0.0,))


def test_every_line_is_handed_on_without_colours(tmp_path: Path) -> None:
    stage = Stage(
        tmp_path, r"print('\x1b[31mred\x1b[0m'); print('ä' * 3); sys.stderr.write('both\n'); " + STAY
    )

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: len(stage.lines) == 4)
        assert sorted(stage.lines) == ["both", "red", "up", "äää"]

    play(stage, story)


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    stage = Stage(tmp_path, f"print('x' * {MAX_LINE_BYTES * 12}); " + STAY)

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines[-1:] == ["up"])
        # what is behind the cut is not taken for a line: a stranger may have written it
        assert stage.lines == ["x" * MAX_LINE_BYTES, "up"]

    play(stage, story)


def test_a_fault_in_watching_the_engine_does_not_leave_the_node_without_one(tmp_path: Path) -> None:
    def write_line(_: str) -> None:
        raise ValueError("a bug")

    async def story(stage: Stage) -> None:
        stage.process._watch = stage.process._watch._replace(write_line=write_line)
        await stage.process.start()
        with pytest.raises(EngineFailed, match="not watched"):
            await asyncio.wait_for(stage.process.failed(), 120)

    play(Stage(tmp_path, STAY), story)


def test_an_engine_runs_in_its_home_and_in_a_group_of_its_own(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        [[pid, group, folder, _]] = stage.starts()
        assert int(pid) == stage.process.pid == int(group)
        assert folder == str(stage.home)
        assert int(group) != os.getpgid(0)

    play(Stage(tmp_path, STAY), story)


def test_paths_may_be_relative_to_where_the_node_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path, STAY)
    monkeypatch.chdir(tmp_path)
    stage.home, stage.program = Path("engine"), Path("program")
    stage.process = stage.make()

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        assert len(stage.starts()) == 1

    play(stage, story)


def test_the_environment_brings_neither_secrets_nor_settings(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "print(sorted(os.environ), flush=True); " + STAY)
    stage.process = stage.make(
        TRACO_PASSPHRASE="secret", CMT_RPC_UNSAFE="true", CMTHOME="elsewhere", GOGC="50"
    )

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines[-1:] == ["up"])
        assert "GOGC" in stage.lines[0]
        assert "TRACO" not in stage.lines[0]
        assert "CMT" not in stage.lines[0]

    play(stage, story)


def test_an_engine_that_ends_is_started_again_whatever_its_exit_code(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        assert (len(stage.starts()), stage.process.starts, stage.failures) == (4, 4, [])

    play(Stage(tmp_path, "sys.exit(0)", "sys.exit(2)", "os.kill(os.getpid(), 9)", STAY), story)


def test_a_crash_point_is_for_the_first_start_only(tmp_path: Path) -> None:
    stage = Stage(tmp_path, "sys.exit(1)", STAY)
    stage.process = stage.make(FAIL_TEST_INDEX="3")

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        assert [line[-1] for line in stage.starts()] == ["3", "-"]

    play(stage, story)


def test_a_socket_left_behind_is_removed_before_a_start(tmp_path: Path) -> None:
    stage = Stage(tmp_path, STAY)
    stage.socket.write_text("left")

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        assert not stage.socket.exists()

    play(stage, story)


def test_an_engine_that_keeps_ending_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.process.start()
        with pytest.raises(EngineFailed) as failed:
            async with asyncio.timeout(20):
                await stage.process.failed()
        assert failed.value.code == "engine.port_in_use"
        assert "address already in use" in str(failed.value)
        assert stage.failures == [failed.value]
        assert len(stage.starts()) == MAX_EXITS

    play(Stage(tmp_path, "print('ERROR: failed to listen: address already in use'); sys.exit(1)"), story)


def test_an_engine_that_makes_progress_is_started_again_without_end(tmp_path: Path) -> None:
    stage = Stage(tmp_path, *["print('once', flush=True); sys.exit(0)"] * 12, STAY)
    hear = stage._hear

    def progress(line: str) -> None:
        stage.height += 1
        hear(line)

    stage._hear = progress  # type: ignore[method-assign]
    stage.process = stage.make()

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines[-1:] == ["up"])
        assert (stage.process.starts, stage.failures) == (13, [])

    play(stage, story)


def test_a_consensus_failure_is_reported_though_the_engine_lives(tmp_path: Path) -> None:
    line = 'E[2026-11-21|15:57:51.960] CONSENSUS FAILURE!!! module=consensus err="wrong Block.Header.AppHash.  Expected AA, got BB"'

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: False)
        assert stage.process.is_running
        assert stage.process.failure is not None
        assert stage.process.failure.code == "engine.diverged"
        assert "Expected AA, got BB" in stage.process.failure.text

    play(Stage(tmp_path, f"print({line!r}); print({line!r}); " + STAY), story)


def test_an_engine_that_cannot_go_on_is_not_started_again(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: False)
        await stage.until(lambda: not stage.process.is_running)
        assert len(stage.starts()) == 1
        assert [failure.code for failure in stage.failures] == ["engine.blocks_lost"]

    play(Stage(tmp_path, "print('panic: app block height (7) is higher than core (3)'); sys.exit(2)"), story)


def test_a_program_that_is_not_there_is_no_reason_to_wait(tmp_path: Path) -> None:
    stage = Stage(tmp_path, STAY)
    stage.program.unlink()

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: False)
        assert [failure.code for failure in stage.failures] == ["engine.cannot_start"]

    play(stage, story)


def test_stopping_asks_and_the_engine_ends_in_order(tmp_path: Path) -> None:
    polite = "signal.signal(15, lambda *_: (print('in order', flush=True), sys.exit(0))); " + STAY

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        await stage.process.stop()
        assert stage.lines == ["up", "in order"]
        assert (stage.process.is_running, stage.process.pid) == (False, None)
        await stage.process.stop()  # once more is harmless

    play(Stage(tmp_path, polite), story)


def test_an_engine_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "STOP_SECONDS", 0.05)

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        await stage.process.stop()
        assert not stage.process.is_running

    play(Stage(tmp_path, "signal.signal(15, signal.SIG_IGN); " + STAY), story)


def test_stopping_ends_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PAUSES_SECONDS", (3_600.0,))

    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["end"] and not stage.process.is_running)
        async with asyncio.timeout(5):
            await stage.process.stop()
        assert len(stage.starts()) == 1

    play(Stage(tmp_path, "print('end'); sys.exit(0)"), story)


def test_a_restart_is_no_sign_of_illness(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.process.start()
        for count in range(1, 2 * MAX_EXITS):
            await stage.until(lambda count=count: len(stage.lines) == count)  # type: ignore[misc]
            await stage.process.restart("for a test")
        await stage.until(lambda: len(stage.lines) == 2 * MAX_EXITS)
        assert stage.failures == []

    play(Stage(tmp_path, STAY), story)


def test_what_an_engine_says_while_it_ends_in_order_is_no_failure(tmp_path: Path) -> None:
    noisy = (
        "signal.signal(15, lambda *_: (print('CONSENSUS FAILURE!!! err=closed', flush=True), sys.exit(0))); "
        + STAY
    )

    async def story(stage: Stage) -> None:
        await stage.process.start()
        for count in (1, 3):
            await stage.until(lambda count=count: len(stage.lines) == count)  # type: ignore[misc]
            await stage.process.restart("for a test")
        await stage.until(lambda: len(stage.lines) == 5)
        await stage.process.stop()
        assert stage.failures == []
        assert len(stage.lines) == 6

    play(Stage(tmp_path, noisy), story)


def test_it_can_be_started_after_it_was_stopped(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        for count in (1, 2):
            await stage.process.start()
            await stage.until(lambda count=count: len(stage.lines) == count)  # type: ignore[misc]
            await stage.process.stop()
        assert len(stage.starts()) == 2

    play(Stage(tmp_path, STAY), story)


def test_two_engines_with_one_key_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traco.engine.cometbft.exclusion.PATIENCE_SECONDS", 0.0)

    async def story(stage: Stage) -> None:
        with pytest.raises(KeyInUse, match=address(stage.keys.consensus).hex()):
            await stage.process.start()
        assert stage.starts() == []

    stage = Stage(tmp_path, STAY)
    other = ValidatorLock(address(stage.keys.consensus))
    play(stage, story)
    other.release()


def test_the_key_stays_taken_as_long_as_the_engine_lives(tmp_path: Path) -> None:
    async def story(stage: Stage) -> None:
        await stage.process.start()
        await stage.until(lambda: stage.lines == ["up"])
        lock = stage.process._lock
        assert lock is not None
        lock.release()  # as if the ledger process had died
        with pytest.raises(KeyInUse):
            ValidatorLock(address(stage.keys.consensus))
        await stage.process.stop()
        ValidatorLock(address(stage.keys.consensus)).release()

    play(Stage(tmp_path, STAY), story)


@pytest.mark.parametrize("damage", ["chmod", "state"])
def test_an_engine_does_not_start_on_keys_that_are_not_well(tmp_path: Path, damage: str) -> None:
    stage = Stage(tmp_path, STAY)
    if damage == "chmod":
        (stage.home / "config" / "priv_validator_key.json").chmod(0o644)
    else:
        (stage.home / "data" / "priv_validator_state.json").unlink()

    async def story(stage: Stage) -> None:
        with pytest.raises(EngineKeysInvalid):
            await stage.process.start()
        assert stage.starts() == []

    play(stage, story)


def test_waiting_for_a_failure_needs_a_start(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        asyncio.run(Stage(tmp_path, STAY).process.failed())
