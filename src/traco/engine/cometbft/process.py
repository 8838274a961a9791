"""The CometBFT process: started, watched, started again, and stopped in order.

    ledger process ── engine (process group of its own; killed by the system when the ledger process ends)

Its output is read line by line, handed on for ``engine.log`` and searched for what CometBFT says only there: after a consensus
failure it stays alive and looks healthy. What it ends with says nothing: a lost application is exit code 0.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from traco.engine.cometbft import launch
from traco.engine.cometbft.errors import EngineFailed
from traco.engine.cometbft.exclusion import ValidatorLock, lock_validator
from traco.engine.cometbft.home import read_keys, require_signing_state
from traco.engine.cometbft.symptoms import explained, fatal, plain
from traco.kernel.light import address

PAUSES_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
"""Pauses before an engine that ended is started again; the last one from then on."""

MAX_EXITS: Final = 5
EXITS_WITHIN_SECONDS: Final = 60.0
"""An engine that ends so often in this time, while the ledger gets no further, is given up."""

STOP_SECONDS: Final = 10.0
LAST_WORDS_SECONDS: Final = 2.0  # for the output of an engine that has ended
MAX_LINE_BYTES: Final = 16_384
LAST_LINES: Final = 50
_PIPE_BYTES: Final = 1_048_576  # so that the engine can go on writing while the ledger executes a long block
_READ_BYTES: Final = 65_536
_PASSED: Final = (
    "PATH", "HOME", "TMPDIR", "TZ", "LANG", "GOGC", "GOMEMLIMIT", "GOMAXPROCS", "GODEBUG", "GOTRACEBACK",
)  # fmt: skip
"""What the engine gets of the environment: neither secrets, nor the variables by which it would let itself be tuned."""
_CRASH_POINT: Final = "FAIL_TEST_INDEX"  # the engine ends there; for tests, which want it to happen once

log = logging.getLogger("traco.engine")


class EngineWatch(NamedTuple):
    """Who is told what. ``write_line``: a line of output. ``on_failure``: the engine cannot go on, and why; said once.

    ``height``: where the ledger stands; an engine that ends again and again without progress of it is given up.
    """

    write_line: Callable[[str], None]
    on_failure: Callable[[EngineFailed], None]
    height: Callable[[], int]


class EngineProcess:
    """Keeps one engine running between ``start`` and ``stop``. All of it happens in one event loop."""

    def __init__(
        self, program: Path, home: Path, rpc_socket: Path, watch: EngineWatch, environment: Mapping[str, str] | None = None
    ) -> None:  # fmt: skip
        self._program, self._home = program.absolute(), home.absolute()  # the engine works in its home
        self._rpc_socket, self._watch = rpc_socket, watch
        self._environment = os.environ if environment is None else environment
        self._process: Process | None = None
        self._lock: ValidatorLock | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[EngineFailed] | None = None
        self._stopping = asyncio.Event()
        self._restarting = False
        self._exits: deque[float] = deque(maxlen=MAX_EXITS)
        self._height_at_exit = -1
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.starts = 0

    @property
    def is_running(self) -> bool:
        """Whether an engine process lives at the moment."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """The engine's process, where there is one."""
        return self._process.pid if self._process is not None and self.is_running else None

    @property
    def failure(self) -> EngineFailed | None:
        """Why the engine cannot go on, once that is so."""
        return self._failed.result() if self._failed is not None and self._failed.done() else None

    async def start(self) -> None:
        """Take the validator key's lock and begin to keep the engine running.

        Raises ``EngineKeysInvalid``, ``KeyInUse``, ``EngineError``.
        """
        keys = read_keys(self._home)
        require_signing_state(self._home)
        self._lock = await lock_validator(address(keys.consensus))
        self._failed = asyncio.get_running_loop().create_future()
        self._stopping.clear()
        self._keeper = asyncio.create_task(self._keep(self._lock), name="traco-engine")
        self._keeper.add_done_callback(self._keeping_ended)

    async def failed(self) -> NoReturn:
        """Wait until the engine cannot go on. Raises ``EngineFailed``."""
        if self._failed is None:
            raise RuntimeError("the engine was not started")
        raise await asyncio.shield(self._failed)

    async def stop(self) -> None:
        """End the engine (SIGTERM, then kill) and release the key. The ABCI server must stay up until this returns."""
        self._stopping.set()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await self._end()
            await asyncio.wait((keeper,), timeout=LAST_WORDS_SECONDS)
            keeper.cancel()
            await asyncio.wait((keeper,))
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    async def restart(self, reason: str) -> None:
        """End the engine in order; it is started again at once, with what ``write_home`` wrote meanwhile."""
        log.info("restarting the engine: %s", reason)
        self._restarting = self.is_running
        await self._end()

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            log.warning("the engine does not stop; killing it")
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _keep(self, lock: ValidatorLock) -> None:
        """Start engines, one after the other, until it is told to stop or one says that it cannot go on."""
        while not self._stopping.is_set():
            try:
                code = await self._one_life(lock)
            except OSError as error:
                self._fail(
                    "engine.cannot_start", f"{self._program}: {error.strerror}; run: traco engine install"
                )
                return
            if self._stopping.is_set() or self.failure is not None:
                return
            if self._restarting:
                self._restarting = False
                continue
            pause = self._judge_exit()
            if pause is None:
                return
            log.error("the engine ended with code %s; starting it again in %.1f s", code, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    def _keeping_ended(self, keeper: asyncio.Task[None]) -> None:
        """Nothing is expected to fail there; if it does, the node must not go on without an engine."""
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            self._fail("engine.not_watched", f"the engine is not watched any more: {error!r}")

    async def _one_life(self, lock: ValidatorLock) -> int:
        """The life of one engine process; its exit code."""
        self._rpc_socket.unlink(missing_ok=True)  # an engine does not listen where a file is in its way
        arguments = (str(os.getpid()), str(self._program), "start", "--home", str(self._home))
        near, far = os.pipe()
        with open(near, "rb", 0) as output:
            _widen(near)
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-I", "-S", "-B", str(launch.__file__), *arguments,
                    stdin=DEVNULL, stdout=far, stderr=STDOUT, cwd=self._home, env=self._passed(),
                    start_new_session=True, pass_fds=(lock.fileno(),),
                )  # fmt: skip
            finally:
                os.close(far)
            self._process = process
            self.starts += 1
            try:
                await self._read(output)
                return await process.wait()
            except BaseException:
                if process.returncode is None:
                    process.kill()
                raise

    def _passed(self) -> dict[str, str]:
        passed = {name: self._environment[name] for name in _PASSED if name in self._environment}
        if self.starts == 0 and _CRASH_POINT in self._environment:
            passed[_CRASH_POINT] = self._environment[_CRASH_POINT]
        return passed

    async def _read(self, output: FileIO) -> None:
        """Hand on every line until the output ends; what is too long for a line is cut."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), output
        )
        try:
            await self._read_lines(reader)
        finally:
            transport.close()

    async def _read_lines(self, reader: asyncio.StreamReader) -> None:
        rest, is_cut = (
            b"",
            False,
        )  # what comes behind a cut is no line: strangers may have chosen how it begins
        while chunk := await reader.read(_READ_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if not is_cut:
                    self._take_line(line)
                is_cut = False
            if len(rest) > MAX_LINE_BYTES:
                if not is_cut:
                    self._take_line(rest)
                rest, is_cut = b"", True
        if rest and not is_cut:
            self._take_line(rest)

    def _take_line(self, raw: bytes) -> None:
        line = plain(raw[:MAX_LINE_BYTES].decode("utf-8", "replace"))
        self._last_lines.append(line)
        self._watch.write_line(line)
        # an engine that is told to end may fail over files that it has just closed
        if not self._stopping.is_set() and not self._restarting and (found := fatal(line)):
            self._fail(*found)

    def _judge_exit(self) -> float | None:
        """The pause before the next start, or None if there is to be none."""
        height, now = self._watch.height(), asyncio.get_running_loop().time()
        if height > self._height_at_exit:
            self._exits.clear()
        self._height_at_exit = height
        self._exits.append(now)
        if len(self._exits) == MAX_EXITS and now - self._exits[0] < EXITS_WITHIN_SECONDS:
            code, text = explained(list(self._last_lines))
            self._fail(code, f"the engine ended {MAX_EXITS} times within a minute; it said last: {text}")
            return None
        return PAUSES_SECONDS[min(len(self._exits) - 1, len(PAUSES_SECONDS) - 1)]

    def _fail(self, code: str, text: str) -> None:
        if self._failed is None or self._failed.done():
            return
        failure = EngineFailed(code, text)
        log.critical("the engine cannot go on: %s", failure)
        self._failed.set_result(failure)
        self._watch.on_failure(failure)


def _widen(pipe: int) -> None:
    """Give a pipe more room where the system allows it."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
