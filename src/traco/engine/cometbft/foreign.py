"""Signatures in envelopes of other nodes: checked once, in verifier processes, and as early as possible.

    envelope seen (check, proposal) -> ``begin``: in the background, as far as there is room
    block decided                   -> ``complete``: what is still missing, before the block is executed

The answers are left in the memory of the application's screener, which then finds every one of them.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from traco.engine.cometbft.abci.ports import ScreeningMemory, ScreeningPool

BATCH: Final = 128
"""Transactions handed to a verifier at once: few enough for several verifiers to share an envelope."""

AHEAD: Final = 8_192
"""Transactions under verification before their block is decided; a decided block must not wait long behind them."""


class ForeignScreening:
    """Lives in the ledger's event loop."""

    def __init__(self, pool: ScreeningPool, memory: ScreeningMemory) -> None:
        self._pool = pool
        self._memory = memory
        self._under_way: dict[bytes, asyncio.Task[None]] = {}

    def begin(self, transactions: Sequence[bytes]) -> None:
        """Have transactions screened, unless there are many on their way already."""
        if len(self._under_way) + len(transactions) <= AHEAD:
            self._start(transactions)

    async def complete(self, transactions: Sequence[bytes]) -> None:
        """Return when all of them are screened. Raises what the pool raises."""
        self._start(transactions)
        tasks = {self._under_way[raw] for raw in transactions if raw in self._under_way}
        if tasks:
            await asyncio.wait(tasks)  # not gather: when the engine goes, what others wait for goes on
        for task in tasks:
            task.result()

    def _start(self, transactions: Iterable[bytes]) -> None:
        unknown = dict.fromkeys(raw for raw in transactions if raw not in self._under_way)
        missing = self._memory.missing(unknown)
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            task = asyncio.get_running_loop().create_task(self._screen(batch), name="traco-foreign")
            task.add_done_callback(_look)
            self._under_way.update(dict.fromkeys(batch, task))

    async def _screen(self, batch: Sequence[bytes]) -> None:
        try:
            for raw, screened in zip(batch, await self._pool.screen(batch), strict=True):
                self._memory.remember(raw, screened)
        finally:
            for raw in batch:
                del self._under_way[raw]


def _look(task: "asyncio.Task[None]") -> None:
    """A failure is raised in ``complete``; where nobody waits, the pool tells the node by itself."""
    if not task.cancelled():
        task.exception()
