"""Takes a snapshot every so many blocks, beside the node and without holding it up.

    committed(height)   on the ledger's event loop, between two blocks: the state is held fast; all nodes at the same heights
    a thread            sets the state aside, in one statement of SQLite that does not need the interpreter
    a process           of low priority makes the pieces of that; a node that stops or dies takes it along

A snapshot that cannot be made is no reason to stop: ``problem`` says what happened, and the next interval tries again.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, NamedTuple

from traco.kernel.errors import LedgerError
from traco.storage.copying.form import Terms
from traco.storage.copying.shelf import Shelf
from traco.storage.copying.taking import Pinned, remove_aside, write_snapshot

ASIDE_FILE: Final = "aside.db"
NICENESS: Final = 10
"""A tenth of a core where everything is busy: at the lowest priority a snapshot of a busy node took many minutes."""

log = logging.getLogger("traco.snapshots")


class _Order(NamedTuple):
    """What the process is given."""

    ledger: str
    folder: str
    height: int
    terms: Terms
    kept: int
    parent: int


class SnapshotTaker:
    """Takes snapshots of one ledger onto one shelf, one at a time."""

    def __init__(self, ledger: Path, shelf: Shelf, interval: int, terms: Callable[[], Terms]) -> None:
        """``interval`` in blocks; 0 for none. ``terms`` are those of the last committed height."""
        self._ledger = ledger
        self._shelf = shelf
        self._interval = interval
        self._terms = terms
        self._task: asyncio.Task[None] | None = None
        self._process: BaseProcess | None = None
        self.problem = ""

    def committed(self, height: int) -> None:
        """Block ``height`` was committed, and the next one is not begun. Never raises."""
        if self._interval and height % self._interval == 0:
            self.take()

    def take(self) -> None:
        """Begin a snapshot of the last committed height, unless one is being taken. Never raises."""
        if self._task is not None and not self._task.done():
            log.info("the snapshot before is not complete yet; this one is left out")
            return
        try:
            self._shelf.folder.mkdir(mode=0o700, exist_ok=True)
            aside = self._shelf.folder / ASIDE_FILE
            remove_aside(aside)
            pinned = Pinned(self._ledger, aside)
        except (LedgerError, OSError) as error:
            self._say(f"no snapshot was taken: {error}")
            return
        self._task = asyncio.get_running_loop().create_task(self._make(pinned, aside), name="traco-snapshot")

    async def finished(self) -> None:
        """Return when no snapshot is being taken."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def stop(self) -> None:
        """Give up what is being taken."""
        if self._task is None or self._task.done():
            return
        if self._process is not None:
            self._process.kill()
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _make(self, pinned: Pinned, aside: Path) -> None:
        begun = asyncio.get_running_loop().time()
        try:
            try:
                terms = self._terms()
                await asyncio.to_thread(pinned.set_aside)
            finally:
                pinned.close()
            order = _Order(
                str(self._ledger),
                str(self._shelf.folder),
                pinned.height,
                terms,
                self._shelf.kept,
                os.getpid(),
            )
            problem = await self._run(order)
        except (LedgerError, OSError) as error:
            problem = str(error)
        finally:
            remove_aside(aside)
        if problem:
            self._say(f"the snapshot of block {pinned.height} was not made: {problem}")
        else:
            self.problem = ""
            seconds = asyncio.get_running_loop().time() - begun
            log.info("the snapshot of block %d was made in %.1f s", pinned.height, seconds)

    async def _run(self, order: _Order) -> str:
        """Have the process make it; what was wrong, or nothing."""
        near, far = multiprocessing.Pipe(duplex=False)
        with near:
            with far:
                process = multiprocessing.get_context("spawn").Process(
                    target=_make_snapshot, args=(far, order), name="traco-snapshot", daemon=True
                )
                process.start()
            self._process = process
            try:
                await asyncio.to_thread(process.join)
                return str(near.recv())
            except EOFError:  # it said nothing
                return f"its process ended with code {process.exitcode}"
            finally:
                self._process = None

    def _say(self, problem: str) -> None:
        self.problem = problem
        log.warning("%s", problem)


def _make_snapshot(answer: Connection, order: _Order) -> None:
    """The life of the process."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # the ledger process ends it
    os.nice(NICENESS)
    folder = Path(order.folder)
    try:
        write_snapshot(
            Path(order.ledger), folder / ASIDE_FILE, order.height, order.terms, Shelf(folder, order.kept),
            goes_on=lambda: os.getppid() == order.parent,
        )  # fmt: skip
    except (LedgerError, OSError) as error:
        answer.send(str(error))
    else:
        answer.send("")
