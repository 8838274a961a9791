"""CometBFT as the gateway sees it: envelopes are broadcast until they are in a block; blocks come when they are decided.

    offer -> broadcast, again after silence -> ordered by the network -> committed here -> make_block hands it out

An accepted envelope may still be dropped by the engine's pool, and its node may be catching up or being started again. So
one is offered until our own commit has it, or until its time has passed; then the gateway packs its transactions anew.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from traco.engine.cometbft.errors import EngineBusy, EngineError, EngineGone, EngineRefused, KnownTransaction
from traco.engine.seam import Seal
from traco.kernel.application import Application, Finalized
from traco.kernel.errors import Duplicate, Expired, Failure, Halt, TooFarAhead, TooLarge
from traco.kernel.instruction import KernelParameters

IN_FLIGHT: Final = 4
"""Envelopes of this node on their way. More make envelopes smaller, fewer make a transaction wait for a whole round."""

MOST: Final = 64  # envelopes on their way in a network that makes no blocks; beyond it submitters wait
STALLED_S: Final = 1.0  # without a block: longer than rounds take that have to be repeated
SILENCE_S: Final = 2.0  # an envelope that was accepted and is in no block for so long is offered again
BUSY_S: Final = 0.2  # before the next attempt where the engine takes nothing, or is not there
SEAL_S: Final = 10.0  # longer than an idle network takes to its next block
STALE_BLOCKS: Final = (
    20  # a seal so much older than the last block is made anew even if nobody needs a newer one
)

Broadcast = Callable[[bytes], Awaitable[None]]
"""Hands an envelope to the engine. Raises ``EngineError``."""

SealOf = Callable[[int], Awaitable[bytes]]
"""The evidence for the app hash after a block, whose successor is committed. Raises ``EngineError``."""


class CometEngine:
    """One node's engine. ``committed`` is told of every block by the adapter; ``run`` works until it is cancelled."""

    def __init__(
        self, application: Application, broadcast: Broadcast, seal_of: SealOf, clock: Callable[[], float] = time.monotonic
    ) -> None:  # fmt: skip
        self._application = application
        self._broadcast, self._seal_of, self._clock = broadcast, seal_of, clock
        self._offered: dict[bytes, asyncio.Task[None] | None] = {}  # those without a task wait for ``run``
        self._dropped: list[tuple[bytes, Failure]] = []
        self._blocks: deque[tuple[Finalized, float]] = deque()
        self._running = False
        self._wake: Callable[[], None] = lambda: None
        self._grown = asyncio.Event()  # replaced with every block
        self._last_block = clock()
        self._seal = Seal(b"", 0)
        self._sealing = asyncio.Lock()
        self.last_block_seconds = 0.0
        self.resent = 0

    def on_work(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` with every block, and when an envelope will not be ordered."""
        self._wake = wake

    def limits(self) -> KernelParameters:
        """The limits in force after the last block."""
        return self._application.parameters.get(self._application.state, KernelParameters)

    def block_time_ms(self) -> int:
        """The time of the last block: block time is agreed by the validators, and this machine's clock is not asked."""
        return self._application.info().time_ms

    def offer(self, envelope: bytes) -> Failure | None:
        """Take an envelope for one of the next blocks, or say why not. Offering it twice is offering it once."""
        failure = self._judge(envelope)
        if failure is None and envelope not in self._offered:
            self._offered[envelope] = self._begin(envelope) if self._running else None
        return failure

    def _judge(self, envelope: bytes) -> Failure | None:
        """Why an envelope cannot be ordered, if it cannot."""
        failure = self._application.check_tx(envelope, self.block_time_ms())
        if failure is not None:
            # made when this ledger was further on, before it was restored or went back: it may be in a block to come
            return None if failure.code == TooFarAhead.code else failure
        limit = self.limits().max_envelope_bytes
        return TooLarge("the envelope", len(envelope), limit).failure() if len(envelope) > limit else None

    def has_room(self) -> bool:
        """Whether another envelope would help; more at a time are only smaller ones.

        In a network that makes no blocks, more are taken all the same: so that what is submitted becomes durable.
        """
        waiting = len(self._offered)
        return waiting < IN_FLIGHT or (waiting < MOST and self._clock() - self._last_block > STALLED_S)

    def wants_block(self) -> bool:
        """Whether a committed block waits to be handed out."""
        return bool(self._blocks)

    def make_block(self) -> Finalized:
        """The next committed block."""
        finalized, self.last_block_seconds = self._blocks.popleft()
        return finalized

    def next_due_ms(self) -> int | None:
        """None: the network makes blocks by itself, also empty ones, in which items fall due."""
        return None

    def take_dropped(self) -> list[tuple[bytes, Failure]]:
        """The envelopes that will not be ordered, with the reasons; each is returned once."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def committed(self, finalized: Finalized, seconds: float) -> None:
        """A block was committed; executing and committing took ``seconds``."""
        for envelope in finalized.block.envelopes:
            self._end(envelope)
        self._blocks.append((finalized, seconds))
        self._last_block = self._clock()
        grown, self._grown = self._grown, asyncio.Event()
        grown.set()
        self._wake()

    async def run(self) -> None:
        """Offer what waits until cancelled. Raises ``Halt`` when an envelope of our own cannot ever be ordered."""
        self._running = True
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for envelope, task in self._offered.items():
            if task is None:
                self._offered[envelope] = self._begin(envelope)
        try:
            await self._failed
        finally:
            self._running = False
            tasks = [task for task in self._offered.values() if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, envelope: bytes) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(self._keep_offering(envelope), name="traco-offer")
        task.add_done_callback(partial(self._offering_ended))
        return task

    def _offering_ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)

    def _end(self, envelope: bytes) -> None:
        task = self._offered.pop(envelope, None)
        if task is not None:
            task.cancel()

    async def _keep_offering(self, envelope: bytes) -> None:
        """Broadcast until the envelope is committed, which cancels this, or not acceptable any more."""
        while True:
            await asyncio.sleep(await self._attempt(envelope))
            failure = self._judge(envelope)
            if failure is not None and failure.code not in (Expired.code, Duplicate.code):
                # the state may be that after a block which has this envelope and is not committed yet
                await self._grown.wait()
                failure = self._judge(envelope)
            # used up: it is in a block that is decided and about to be committed, which will end this
            if failure is not None and failure.code != Duplicate.code:
                self._offered.pop(envelope, None)
                self._dropped.append((envelope, failure))
                self._wake()
                return
            self.resent += 1

    async def _attempt(self, envelope: bytes) -> float:
        """Broadcast once; how long to wait before the next time. Raises ``Halt``."""
        try:
            await self._broadcast(envelope)
        except KnownTransaction:
            pass
        except (EngineBusy, EngineGone):
            return BUSY_S
        except EngineRefused as error:
            raise Halt(f"the engine never takes an envelope that this node made: {error}") from error
        return SILENCE_S

    async def sealed(self, height: int) -> Seal:
        """The newest seal that is at hand, at best of ``height`` or above; waits seconds at most.

        The app hash after a block is in the header of the next one; so a seal of the last block comes with the next.
        """
        try:
            async with asyncio.timeout(SEAL_S):
                while 0 < height and self._application.info().height <= height:
                    await self._grown.wait()
        except TimeoutError:
            return self._seal
        async with self._sealing:
            newest = self._application.info().height - 1
            wanted = max(height, newest - STALE_BLOCKS, 1)
            if newest > 0 and self._seal.height < wanted:
                try:
                    self._seal = Seal(await self._seal_of(newest), newest)
                except EngineError:
                    return self._seal  # the engine is being started again; what is at hand is still true
        return self._seal
