"""How much one principal may ask: rates, requests at once, and turns in submitting.

All of it is bounded in memory, and nothing that one principal does makes another wait for more than what is on its way.
"""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from traco.node.api.problems import Problem

MOST_BUCKETS: Final = 10_000


class RateLimited(Problem):
    """More requests than allowed; ``Retry-After`` says when the next one would be taken."""

    def __init__(self, seconds: float) -> None:
        wait = max(1, math.ceil(seconds))
        super().__init__(
            429, "limit.rate", f"too many requests; the next one is taken in {wait} s",
            advice="Send several transactions in one batch, or wait.", headers={"Retry-After": str(wait)},
        )  # fmt: skip


class Rates:
    """A token bucket for each name: ``burst`` at once, then ``per_second``. The least recent names are forgotten.

    Who was forgotten has a full bucket again: the table must be larger than the number of those who ask at one time.
    """

    def __init__(self, per_second: int, burst: int, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._burst = burst
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when

    def take(self, name: str) -> None:
        """One request. Raises ``RateLimited``."""
        now = self._now()
        left, since = self._buckets.get(name, (float(self._burst), now))
        left = min(float(self._burst), left + (now - since) * self._per_second)
        if left < 1:
            raise RateLimited((1 - left) / self._per_second)
        self._buckets[name] = (left - 1, now)
        self._buckets.move_to_end(name)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)


class AtOnce:
    """How many of something are under way for each name, and in all."""

    def __init__(self, code: str, what: str, each: int, total: int) -> None:
        self._code, self._what = code, what
        self._each, self._total = each, total
        self._counts: dict[str, int] = {}
        self._sum = 0

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """One more for as long as the context lasts. Raises ``Problem`` (429)."""
        self.enter(name)
        try:
            yield
        finally:
            self.leave(name)

    def enter(self, name: str) -> None:
        """One more. Raises ``Problem`` (429)."""
        if self._counts.get(name, 0) >= self._each or self._sum >= self._total:
            raise Problem(
                429, self._code, f"too many {self._what} at once; the limit is {self._each}",
                advice="End some of them first.", headers={"Retry-After": "1"},
            )  # fmt: skip
        self._counts[name] = self._counts.get(name, 0) + 1
        self._sum += 1

    def leave(self, name: str) -> None:
        """One less."""
        self._counts[name] -= 1
        self._sum -= 1
        if not self._counts[name]:
            del self._counts[name]


class FairQueue:
    """Lets transactions into the node in turns: each principal has a bounded number on their way.

    Principals that wait are served one request each in rotation. One whose own limit is reached holds up nobody else.
    """

    def __init__(self, each: int, total: int, waiting: int) -> None:
        self._each, self._total, self._most_waiting = each, total, waiting
        self._on_way: dict[str, int] = {}
        self._sum = 0
        self._waiting: OrderedDict[str, deque[tuple[int, asyncio.Future[None]]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: str, count: int) -> AsyncIterator[None]:
        """Wait until ``count`` transactions of ``name`` may enter; they are on their way while the context lasts.

        Raises ``Problem`` (429) where too many requests of this principal wait already.
        """
        await self._enter(name, count)
        try:
            yield
        finally:
            self._leave(name, count)

    async def _enter(self, name: str, count: int) -> None:
        queue = self._waiting.get(name)
        if queue is None and not self._waiting and self._has_room(name, count):
            self._admit(name, count)
            return
        if queue is not None and len(queue) >= self._most_waiting:
            raise Problem(
                429, "limit.in_flight", "too many submissions wait for their turn already",
                advice="Wait for answers before sending more, or send larger batches.", headers={"Retry-After": "1"},
            )  # fmt: skip
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(name, deque()).append((count, turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(name, count)  # admitted in the moment it was given up
            else:
                self._forget(name, count, turn)
            raise

    def _forget(self, name: str, count: int, turn: "asyncio.Future[None]") -> None:
        queue = self._waiting.get(name)
        if queue is not None and (count, turn) in queue:  # else its turn came after it was given up
            queue.remove((count, turn))
            if not queue:
                del self._waiting[name]
        self._serve()

    def _has_room(self, name: str, count: int) -> bool:
        return self._fits_own(name, count) and (not self._sum or self._sum + count <= self._total)

    def _fits_own(self, name: str, count: int) -> bool:
        own = self._on_way.get(name, 0)
        return not own or own + count <= self._each

    def _admit(self, name: str, count: int) -> None:
        self._on_way[name] = self._on_way.get(name, 0) + count
        self._sum += count

    def _leave(self, name: str, count: int) -> None:
        self._on_way[name] -= count
        self._sum -= count
        if not self._on_way[name]:
            del self._on_way[name]
        self._serve()

    def _serve(self) -> None:
        """Let in who waits, one request of each principal in rotation, until nobody has room."""
        progress = True
        while progress:
            progress = False
            for name in list(self._waiting):
                queue = self._waiting[name]
                count, turn = queue[0]
                if not self._fits_own(name, count):
                    continue
                if not self._has_room(name, count):
                    return  # whose turn it is waits for room: nobody overtakes
                queue.popleft()
                if queue:
                    self._waiting.move_to_end(name)
                else:
                    del self._waiting[name]
                if not turn.done():
                    self._admit(name, count)
                    turn.set_result(None)
                progress = True
