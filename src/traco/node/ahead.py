"""Signature checks ahead of a re-execution, in processes of their own: the executing process only picks up the answers.

    blocks, read a second time -> batches to the processes -> answers in order -> the screener that the application asks

Every answer is matched by the exact bytes that it is about. What was not screened ahead is screened by the asking process
itself, so the result never depends on this; only the time does.
"""

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import apsw
import msgspec

from traco.kernel.codec import Codec
from traco.kernel.errors import Halt, LedgerError
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener, Screened, ScreenedEnvelope, Screener
from traco.kernel.transaction import Envelope
from traco.modules.composition import compose
from traco.node.own_screener import make_screener
from traco.storage.database import open_reader
from traco.storage.errors import halting

AHEAD: Final = 32
"""How many envelopes may be screened before they are asked for."""

_ENVELOPE: Final[Codec[Envelope]] = Codec(Envelope)
_ENVELOPES: Final = msgspec.msgpack.Decoder(tuple[bytes, ...])
_BLOCKS_AT_ONCE: Final = 64

Batch = tuple[bytes, ...]
_ANY: Final[Batch] = ()  # no envelope is empty
_Waiting = tuple[Batch, "Future[list[Screened]]"]

_screeners: list[DirectScreener] = []  # the one of this verifier process


def processes_for_verifying() -> int:
    """One fewer than the machine has cores, because the executing process keeps one busy; at least one."""
    return max(1, (os.cpu_count() or 1) - 1)


def _begin(limits: KernelParameters) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the executing process ends this one
    _screeners.append(make_screener(limits))


def _screen(batch: Batch) -> list[Screened]:
    return _screeners[0].screen(batch)


class AheadScreener:
    """What the application asks. Made by ``screening_ahead``."""

    def __init__(self, direct: Screener, waiting: "queue.Queue[_Waiting | None]") -> None:
        self._direct = direct
        self._waiting = waiting
        self._ended = False
        self.missed = 0  # transactions that were not screened ahead

    def screen(self, transactions: Sequence[bytes]) -> Sequence[Screened]:
        """One answer per transaction, in order. Raises ``Halt`` where a verifier process ended."""
        asked = tuple(transactions)
        while not self._ended:
            found = self._waiting.get()
            if found is None:
                self._ended = True
            elif (
                found[0] == asked
            ):  # one that was refused as a whole is never asked for, and passed over here
                try:
                    return found[1].result()
                except BrokenProcessPool:
                    raise Halt(
                        "a verifier process ended; try again, with more memory if it was killed"
                    ) from None
        self.missed += len(asked)
        return self._direct.screen(asked)

    def screen_envelope(self, raw: bytes) -> ScreenedEnvelope:
        """The answer for an envelope, without its transactions."""
        return self._direct.screen_envelope(raw)


@contextlib.contextmanager
def screening_ahead(
    limits: KernelParameters, blocks: Callable[[], Iterable[Sequence[bytes]]], processes: int
) -> Iterator[AheadScreener]:
    """Screen what ``blocks`` gives (the envelopes of each block, read by a thread of its own) in ``processes``."""
    waiting: queue.Queue[_Waiting | None] = queue.Queue(AHEAD)
    stopping = threading.Event()
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (limits,))
    screener = AheadScreener(DirectScreener(compose().body, limits), waiting)
    feeding = threading.Thread(
        target=_feed, args=(blocks, pool, waiting, stopping), name="traco-ahead", daemon=True
    )
    try:
        feeding.start()
        yield screener
    finally:
        stopping.set()
        while feeding.is_alive():
            with contextlib.suppress(queue.Empty):
                waiting.get_nowait()  # it may wait for room
            feeding.join(0.01)
        pool.shutdown(wait=True, cancel_futures=True)


def _feed(
    blocks: Callable[[], Iterable[Sequence[bytes]]], pool: ProcessPoolExecutor,
    waiting: "queue.Queue[_Waiting | None]", stopping: threading.Event,
) -> None:  # fmt: skip
    # Whatever is wrong with the source is found, and said, by the one who executes it; here it only ends the reading.
    try:
        with contextlib.suppress(LedgerError, OSError, ValueError), closing(_batches(blocks)) as batches:
            for batch in batches:
                if stopping.is_set():
                    break
                waiting.put((batch, pool.submit(_screen, batch)))
    except BrokenProcessPool as error:
        failed: Future[list[Screened]] = Future()
        failed.set_exception(error)
        waiting.put((_ANY, failed))
    finally:
        if not stopping.is_set():
            waiting.put(None)


def _batches(blocks: Callable[[], Iterable[Sequence[bytes]]]) -> Generator[Batch, None, None]:
    for envelopes in blocks():
        for raw in envelopes:
            yield _ENVELOPE.trusted(raw).body.transactions


def stored_envelopes(path: Path) -> Iterator[tuple[bytes, ...]]:
    """The envelopes of each block above the founding, in order, read a few blocks at a time."""
    height = 0
    with halting(str(path)), closing(open_reader(str(path), None)) as connection:
        while rows := _rows(connection, height):
            for _, envelopes in rows:
                yield _ENVELOPES.decode(envelopes)
            height = rows[-1][0]


def _rows(connection: apsw.Connection, after: int) -> list[Any]:
    return connection.execute(
        "SELECT height, envelopes FROM blocks WHERE height > ? ORDER BY height LIMIT ?",
        (after, _BLOCKS_AT_ONCE),
    ).fetchall()


def stored_ahead(
    path: Path, limits: KernelParameters, processes: int
) -> contextlib.AbstractContextManager[AheadScreener]:
    """As ``screening_ahead``, for the blocks of the store at ``path``."""
    return screening_ahead(limits, partial(stored_envelopes, path), processes)
