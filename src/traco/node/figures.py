"""What the ledger process counts of itself, cheaply: plain numbers, once for each block, sent over the link when asked for.

The ledger process knows nothing of Prometheus or HTTP; the API process turns this into metrics and health.
"""

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from typing import Final

from traco.kernel.application import Finalized
from traco.kernel.codec import Record

BLOCK_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds in seconds of the histograms of blocks and commits; what is above the last has a place of its own."""

_MICRO: Final = 1_000_000


class Spread(Record, frozen=True):
    """A histogram: how many fell below each bound (not cumulated), the last above all; and their sum in microseconds."""

    counts: tuple[int, ...]
    sum_us: int


class Alarmed(Record, frozen=True):
    """The last alarm of the kernel since the start: its kind, the transaction, and when (ms, UTC)."""

    kind: str
    transaction: str
    time_ms: int


class Occupancy(Record, frozen=True):
    """How full the gateway is. ``oldest_ms``: how long the oldest transaction on its way has waited."""

    on_way: int
    ready: int
    ready_bytes: int
    outbox: int
    verifying: int
    oldest_ms: int
    is_full: bool


class EngineFigures(Record, frozen=True):
    """The engine of a cluster at one moment. ``height``: of its last block, when it answered last, ``silent_ms`` ago.

    ``power_reached``: voting power of this node and of those that the engine is connected to, of ``power`` in all.
    ``starts``: of its process since the ledger process started; ``failure``: why it cannot go on, empty while it can.
    ``empty_block_ms``: how long a network without work may take to its next block. ``settings_differ``: the engine runs by
    other parameters than the ledger has now. ``snapshot_problem``: why the last snapshot was not made, empty where it was.
    """

    is_running: bool
    failure: str
    starts: int
    silent_ms: int
    height: int
    is_catching_up: bool
    peers_wanted: int
    peers_present: int
    power: int
    power_reached: int
    empty_block_ms: int
    offered_again: int
    settings_differ: bool
    snapshot_problem: str


class Figures(Record, frozen=True):
    """Everything at one moment. ``idle_ms``: since the last block, or the start; times are in ms. ``engine``: of a cluster.

    ``stops_at``: the height of a block for which this software lacks the protocol; 0 where none is scheduled.
    """

    height: int
    block_time_ms: int
    now_ms: int
    started_ms: int
    idle_ms: int
    state_keys: int
    memory_bytes: int
    blocks: int
    envelopes: int
    recovered: int
    outcomes: tuple[tuple[str, int], ...]
    rejected: tuple[tuple[str, int], ...]
    refused: tuple[tuple[str, int], ...]
    alarms: tuple[tuple[str, int], ...]
    last_alarm: Alarmed | None
    block_seconds: Spread
    commit_seconds: Spread
    occupancy: Occupancy
    engine: EngineFigures | None = None
    stops_at: int = 0


class Histogram:
    """Counts durations by ``BLOCK_BOUNDS``."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BLOCK_BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """One more duration."""
        self._counts[bisect_left(BLOCK_BOUNDS, seconds)] += 1
        self._sum += seconds

    def spread(self) -> Spread:
        """What was counted."""
        return Spread(tuple(self._counts), round(self._sum * _MICRO))


class Meter:
    """Counts in the ledger process. ``clock`` is monotonic, in seconds; ``now_ms`` the machine's clock."""

    def __init__(
        self, now_ms: Callable[[], int] = lambda: time.time_ns() // _MICRO, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self.clock, self._now_ms = clock, now_ms
        self._started_ms = now_ms()
        self._last_block = clock()
        self._blocks = self._envelopes = self._final = 0
        self._rejected: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._alarms: Counter[str] = Counter()
        self._last_alarm: Alarmed | None = None
        self._block_seconds, self._commit_seconds = Histogram(), Histogram()

    def block(self, finalized: Finalized, seconds: float) -> None:
        """A block was committed, ``seconds`` after its making began."""
        self._blocks += 1
        self._last_block = self.clock()
        self._block_seconds.add(seconds)
        for answer in finalized.answers:
            self._envelopes += 1
            failed = [each for each in answer.transactions if each.failure is not None]
            self._final += len(answer.transactions) - len(failed)
            for each in failed:
                if each.failure is not None:
                    (self._rejected if each.leaf >= 0 else self._refused)[each.failure.code] += 1

    def commit(self, seconds: float) -> None:
        """A block was made durable."""
        self._commit_seconds.add(seconds)

    def refuse(self, code: str) -> None:
        """A transaction was refused before it reached a block."""
        self._refused[code] += 1

    def alarm(self, kind: str, identity: bytes) -> None:
        """The kernel raised an alarm."""
        self._alarms[kind] += 1
        self._last_alarm = Alarmed(kind, identity.hex(), self._now_ms())

    def figures(
        self, height: int, block_time_ms: int, state_keys: int, recovered: int, occupancy: Occupancy,
        engine: EngineFigures | None = None, stops_at: int = 0,
    ) -> Figures:  # fmt: skip
        """All of it now."""
        rejected, refused = sum(self._rejected.values()), sum(self._refused.values())
        return Figures(
            height=height, block_time_ms=block_time_ms, now_ms=self._now_ms(), started_ms=self._started_ms,
            idle_ms=int((self.clock() - self._last_block) * 1000), state_keys=state_keys, memory_bytes=memory_bytes(),
            blocks=self._blocks, envelopes=self._envelopes, recovered=recovered,
            outcomes=(("final", self._final), ("rejected", rejected), ("refused", refused)),
            rejected=tuple(sorted(self._rejected.items())), refused=tuple(sorted(self._refused.items())),
            alarms=tuple(sorted(self._alarms.items())), last_alarm=self._last_alarm,
            block_seconds=self._block_seconds.spread(), commit_seconds=self._commit_seconds.spread(),
            occupancy=occupancy, engine=engine, stops_at=stops_at,
        )  # fmt: skip


def memory_bytes(process: int | str = "self") -> int:
    """Memory of a process that is in use (resident), by its number; 0 where the system does not tell."""
    try:
        with open(f"/proc/{process}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
