"""A process beside the ledger that the supervisor keeps: started with one connection, ended by closing it.

Both of them, the projector and the channels' process, may fail at any time; the ledger goes on and they are started again.
"""

import asyncio
import multiprocessing
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from logging import Logger
from multiprocessing.process import BaseProcess
from typing import Any, Final, NamedTuple

from traco.node.configuration import NodeConfig
from traco.node.verifiers import leave_signals_to_parent

PAUSES_SECONDS: Final = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Pauses before a process that ended is started again; the last one from then on."""

STEADY_SECONDS: Final = 60.0  # one that lived so long begins with the first pause again
STOP_SECONDS: Final = 5.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

# Objects before the collector looks at the youngest, and how often it goes on to older ones. With Python's own numbers it
# walked hundreds of thousands of results and records, none of them garbage, several times a second.
COLLECTOR: Final = (50_000, 20, 100)


class ApiSettings(NamedTuple):
    """What the API process is given; it travels over a pipe, never on a command line."""

    directory: str
    passphrase: str
    config: NodeConfig
    node: bytes  # the node's public key


class ProjectorSettings(NamedTuple):
    """What the projector is given; it travels over a pipe, never on a command line."""

    directory: str
    config: NodeConfig


class ChannelsSettings(NamedTuple):
    """What the channels' process is given; it travels over a pipe, never on a command line."""

    directory: str
    passphrase: str
    config: NodeConfig


def heed_parent_only() -> None:
    """In the new process, first of all: signals go to the supervisor, which closes the connection."""
    leave_signals_to_parent()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def begin(what: str, *given: Any) -> None:
    """In the new process: import what it is there for, ``module:function``, and do it."""
    module, _, function = what.partition(":")
    getattr(import_module(module), function)(*given)


@asynccontextmanager
async def child(what: str, settings: Any, name: str) -> AsyncIterator[tuple[socket.socket, BaseProcess]]:
    """A new process that does ``what(connection, settings)`` (``begin``), with the other end of its connection.

    It has ended when the context is left, so that its exit code is known. Raises ``OSError``.
    """
    near, far = socket.socketpair()
    with near:
        with far:
            process = multiprocessing.get_context("spawn").Process(
                target=begin, args=(what, far, settings), name=name, daemon=True
            )
            # a signal to all processes must not meet it before it has learnt to leave signals to the supervisor
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            yield near, process
        finally:
            near.close()
            await asyncio.to_thread(_end, process)


async def keep(life: Callable[[], Awaitable[int | None]], what: str, log: Logger) -> None:
    """Have one ``life`` after the other, with pauses that grow while they are short; for ever.

    A life gives its exit code; one that ended with 0 wanted to begin again and is no failure.
    """
    loop = asyncio.get_running_loop()
    failures = 0
    while True:
        begun = loop.time()
        try:
            code = await life()
        except OSError as error:
            log.error("%s cannot be started: %s", what, error)
            code = None
        failures = 0 if code == 0 or loop.time() - begun >= STEADY_SECONDS else failures
        pause = PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)]
        failures += 1
        log.error("%s ended with code %s; starting it again in %.0f s", what, code, pause)
        await asyncio.sleep(pause)


def _end(process: BaseProcess) -> None:
    """Wait for a process whose connection is closed, which tells it to end; not for ever."""
    process.join(STOP_SECONDS)
    if process.is_alive():
        process.kill()  # what it acknowledged is on the disk, what it had not committed is done again
        process.join()
