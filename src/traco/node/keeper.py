"""The outermost process of a cluster node: starts the ledger process, and starts it again when it was killed.

    keeper ── ledger process (process group of its own) ── engine, API, projector, verifiers

A ledger process that ends by itself, in order or by ``Halt``, ends the keeper with its exit code; so does one that was told
to stop. The ledger process is forked, so that the passphrase, asked for once, never leaves memory. If the keeper itself is
killed, the system tells the ledger process to stop.
"""

import ctypes
import gc
import logging
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from traco.node.configuration import LogConfig
from traco.node.logs import log_to
from traco.node.service import name_process, tell_service_manager

PAUSES_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Pauses before a ledger process that was killed is started again; the last one from then on."""
STEADY_SECONDS: Final = 10.0  # one that lived so long begins with the first pause again
CLEAR_SECONDS: Final = 5.0  # for the processes of one that was killed to be gone
LOOK_SECONDS: Final = 0.02

_TOLD_TO_STOP: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""A ledger process that such a signal ended was told to; it is not started again."""
_PASSED: Final = (signal.SIGTERM, signal.SIGINT)
_SET_PARENT_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG, prctl(2)
_SET_CHILD_SUBREAPER: Final = 36  # PR_SET_CHILD_SUBREAPER: whom the ledger process leaves behind becomes ours
_MAX_STATE_BYTES: Final = 4_096

log = logging.getLogger("traco.keeper")

Tell = Callable[[str], None]


class Ended(NamedTuple):
    """How a ledger process ended: its number, the signal that killed it (0: none), else its exit code."""

    process: int
    killed_by: int
    code: int


def keep(directory: Path, config: LogConfig) -> Tell:
    """Go on as the ledger process of a keeper. Returns in the ledger process only, once for each that is started.

    What is returned tells the service manager a state, such as ``READY=1``, through the keeper, which alone it listens to.
    In the keeper this ends with ``SystemExit``. To be called before there are threads.
    """
    keeper = _Keeper(lambda text: _report(directory, config, text))
    told = keeper.run()
    if told is None:
        raise SystemExit(keeper.code)
    return told


def _report(directory: Path, config: LogConfig, text: str) -> None:
    """An entry in node.log, which several processes write."""
    with suppress(OSError), closing(log_to(directory, config)) as handler:
        log.error("%s", text)
        logging.getLogger().removeHandler(handler)


class _Keeper:
    """The keeper's life. ``report`` is told why a ledger process is started again."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._child = 0
        self._stopped_by = 0
        self.code = 0

    def run(self) -> Tell | None:
        """In a ledger process, what tells the service manager; None in the keeper, when it is to end."""
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        with near, far:
            before = signal.set_wakeup_fd(far.fileno(), warn_on_full_buffer=False)
            handlers = {number: signal.signal(number, self._pass_on) for number in _PASSED}
            handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
            try:
                return self._keep(near)
            finally:  # in the ledger process too: it is as if there had been no keeper
                signal.set_wakeup_fd(before)
                for number, handler in handlers.items():
                    signal.signal(number, handler)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED)

    def _pass_on(self, number: int, _: object) -> None:
        """Tell the ledger process what the keeper was told."""
        self._stopped_by = number
        if self._child:
            with suppress(ProcessLookupError):
                os.kill(self._child, number)

    def _keep(self, wake: socket.socket) -> Tell | None:
        failures = 0
        while True:
            begun = time.monotonic()
            states, told = os.pipe()
            if self._fork() == 0:
                os.close(states)
                return lambda state: _write(told, state)
            os.close(told)
            with open(states, "rb", 0) as reading:
                ended = self._watch(wake, reading.fileno())
            self.code = ended.code
            if ended.killed_by == 0 or ended.killed_by in _TOLD_TO_STOP or self._stopped_by:
                return None
            failures = 0 if time.monotonic() - begun >= STEADY_SECONDS else failures
            pause = PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)]
            failures += 1
            name = signal.Signals(ended.killed_by).name
            _clear_group(ended.process)
            self._report(f"the ledger process was killed ({name}); starting it again in {pause:.1f} s")
            if self._pause(wake, pause):
                return None

    def _fork(self) -> int:
        """The ledger process, as a child that hears of the keeper's end; 0 in the child itself."""
        gc.freeze()  # else the collector would copy what both share
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        # a signal in between waits until it is known to whom it is passed on, or the ledger process listens itself
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED)
        self._child = os.fork()
        if self._child == 0:
            _become_ledger_process(parent)
        else:
            name_process("traco-keeper")
            with suppress(OSError, AttributeError):
                ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            if self._stopped_by:  # told after the pause, when there was nobody yet to pass it on to
                os.kill(self._child, self._stopped_by)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED)
        return self._child

    def _watch(self, wake: socket.socket, states: int) -> Ended:
        """Wait for the end of the ledger process; meanwhile, tell the service manager what it wants told."""
        listening = [wake.fileno(), states]
        while True:
            readable, _, _ = select.select(listening, [], [])
            if states in readable:
                state = os.read(states, _MAX_STATE_BYTES).decode()
                if state:
                    with suppress(OSError):  # nobody listens any more
                        tell_service_manager(state)
                else:
                    listening.remove(states)
            if wake.fileno() in readable:
                _drain(wake)
                status = _reap(self._child)
                if status is not None:
                    child, self._child = self._child, 0
                    return _ended(child, status)

    def _pause(self, wake: socket.socket, seconds: float) -> bool:
        """Wait; whether the keeper was told to stop meanwhile."""
        deadline = time.monotonic() + seconds
        while not self._stopped_by and (left := deadline - time.monotonic()) > 0:
            if select.select([wake], [], [], left)[0]:
                _drain(wake)
        return bool(self._stopped_by)


def _become_ledger_process(parent: int) -> None:
    os.setpgid(0, 0)  # so that Ctrl-C reaches the keeper alone, which passes it on once
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        _leave()


def _leave() -> NoReturn:
    """End at once: the keeper ended before it could be watched."""
    os._exit(128 + signal.SIGTERM)


def _write(told: int, state: str) -> None:
    with suppress(OSError):  # the keeper is gone, and the service manager with it
        os.write(told, state.encode())


def _drain(wake: socket.socket) -> None:
    with suppress(BlockingIOError):
        wake.recv(_MAX_STATE_BYTES)


def _ended(child: int, status: int) -> Ended:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        return Ended(child, number, 128 + number)
    return Ended(child, 0, os.WEXITSTATUS(status))


def _reap(child: int) -> int | None:
    """Collect everybody who has ended; the status of ``child`` if it is among them."""
    status = None
    with suppress(ChildProcessError):
        while True:
            found, ended = os.waitpid(-1, os.WNOHANG)
            if not found:
                break
            if found == child:
                status = ended
    return status


def _clear_group(leader: int) -> None:
    """End what a killed ledger process left behind, such as the API process, which has the sockets that the next one needs."""
    deadline = time.monotonic() + CLEAR_SECONDS
    with suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(leader, signal.SIGKILL)
            _reap(0)
            time.sleep(LOOK_SECONDS)
