"""An executor, ``traco-executor``: has the replicas of some channels, and executes what the seats' process hands it.

``python -m traco.node.channels.executor``, its standard input the socket that joins both. It ends when that closes. It has no keys, and
decides nothing: what it was not told to commit is as if it had not been executed.
"""

import fcntl
import logging
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from traco.channels.executing.composition import Compositions
from traco.channels.executing.errors import ExecutingError, RootBehind
from traco.channels.executing.registry_view import RegistryView
from traco.channels.seat.executing import OwnProcess, OwnReplica
from traco.kernel.errors import Halt, LedgerError
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.state import State
from traco.node.channels.alarm import report_alarm
from traco.node.channels.execution import (
    BEGIN,
    HEAD,
    REQUEST,
    Answer,
    Begin,
    Close,
    Commit,
    Done,
    Execute,
    Executed,
    Request,
    Stopped,
    failed,
    framed,
    given,
)
from traco.node.channels.stores import EXECUTORS_LOCK, ChannelStores
from traco.node.child import heed_parent_only
from traco.node.directory import LEDGER_FILE, read_genesis
from traco.node.logs import log_to
from traco.node.service import name_process
from traco.storage import SnapshotReader

NAME: Final = "traco-executor"

log = logging.getLogger("traco.channels")


class Reading(NamedTuple):
    """The root as of a block."""

    height: int
    state: State


class Executor:
    """Answers requests over a node's directory. ``close`` it in the end."""

    def __init__(self, directory: Path) -> None:
        genesis = parse_genesis(read_genesis(directory))
        network = network_id(genesis)
        self._root = SnapshotReader(directory / LEDGER_FILE, network)
        compositions = Compositions(RegistryView(), genesis.kernel_parameters())
        self._process = OwnProcess(genesis, compositions, ChannelStores(directory, network), report_alarm)
        self._replicas: dict[bytes, OwnReplica] = {}
        self._answers: dict[type[Request], Callable[..., Answer]] = {
            Execute: self._execute,
            Commit: self._commit,
            Close: self._close,
        }

    def answer(self, request: Request) -> Answer:
        """The answer to one request."""
        try:
            return self._answers[type(request)](request)
        except ExecutingError as error:
            return failed(error)
        except Halt as error:
            return Stopped(str(error))

    def _execute(self, request: Execute) -> Executed:
        replica = self._replicas.get(request.channel)
        if replica is None:
            replica = self._replicas[request.channel] = self._process.open(request.channel)
        point, contents = given(request)
        snapshot = self._root.snapshot()
        if snapshot is None:
            raise RootBehind(-1, point.context.height - 1)
        # newer than what the seat has read, perhaps: a point reads the root as of the block before its own
        with snapshot:
            executed = replica.execute(point, contents, Reading(snapshot.height, State(snapshot)))
        return Executed(executed, replica.next_due_ms())

    def _commit(self, request: Commit) -> Done:
        replica = self._replicas.get(request.channel)
        if replica is None:
            raise Halt(f"a commit of channel {request.channel.hex()}, of which nothing was executed")
        replica.commit()
        return Done()

    def _close(self, request: Close) -> Done:
        replica = self._replicas.pop(request.channel, None)
        if replica is not None:
            replica.close()
        return Done()

    def close(self) -> None:
        """Close all files."""
        with ExitStack() as closing:
            closing.callback(self._root.close)
            for replica in self._replicas.values():
                closing.callback(replica.close)


def main() -> int:
    """The life of the process; its exit code."""
    heed_parent_only()
    name_process(NAME)
    connection = socket.socket(fileno=os.dup(0))
    with connection, connection.makefile("rb") as stream:
        first = _read(stream)
        if first is None:
            return 0
        begin = BEGIN.trusted(first)
        handler = log_to(Path(begin.directory), begin.log)
        try:
            _live(connection, stream, begin)
        except (LedgerError, OSError) as error:
            log.error("an executor of channels ends: %s", error)
            return 1
        except BaseException as error:
            log.critical("an executor of channels ends: %r", error, exc_info=error)
            raise
        finally:
            handler.close()
    return 0


def _live(connection: socket.socket, stream: BinaryIO, begin: Begin) -> None:
    """Until the seats' process closes the connection, or is gone."""
    directory = Path(begin.directory)
    requests: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    with ExitStack() as closing:
        # who comes after the seats' process waits until this is let go
        lock = os.open(directory / EXECUTORS_LOCK, os.O_RDWR | os.O_CLOEXEC)
        closing.callback(os.close, lock)
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if os.getppid() != begin.parent:
            return  # it ended before, so the next one may be at work
        executor = Executor(directory)
        closing.callback(executor.close)
        # read beside the work, so that who sends never waits for that
        threading.Thread(target=_take, args=(stream, requests), daemon=True).start()
        while (raw := requests.get()) is not None:
            answer = framed(executor.answer(REQUEST.trusted(raw)))
            try:
                connection.sendall(answer)
            except ConnectionError:
                return


def _take(stream: BinaryIO, requests: "queue.SimpleQueue[bytes | None]") -> None:
    try:
        with suppress(OSError):
            while (raw := _read(stream)) is not None:
                requests.put(raw)
    finally:
        requests.put(None)


def _read(stream: BinaryIO) -> bytes | None:
    """The next message; None where the other side is gone, also in the middle of one."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    raw = stream.read(size)
    return raw if len(raw) == size else None


if __name__ == "__main__":
    sys.exit(main())
