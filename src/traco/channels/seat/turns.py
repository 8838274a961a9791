"""Channels are executed in turns: each as far as its payloads are here, up to some points, and then the next one, or several at once.

A turn ends before the step does of which it is a part. So what a step does beside it (reading the root, voids, snapshots,
erasing, resting) never meets a channel that is being executed; what the API asks may.
"""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Final

from traco.channels.executing.errors import ExecutingError, GenerationStale
from traco.channels.executing.registry_view import RootState
from traco.channels.seat.book import Book
from traco.channels.seat.errors import ExecutorAway, KeyMissing
from traco.channels.seat.ports import Executors
from traco.channels.seat.replicas import Replicas
from traco.channels.seat.snapshotting import Snapshots
from traco.kernel.errors import LedgerError

POINTS: Final = (
    16  # of a channel executed in one step: where one process does it all, nobody is answered meanwhile
)


class Turns:
    """Of all channels of a node. ``problems``: why channels cannot go on; ``executed`` is told each channel that went on."""

    def __init__(
        self, executors: Executors, book: Book, replicas: Replicas, snapshots: Snapshots | None,
        problems: MutableMapping[bytes, LedgerError], executed: Callable[[bytes], None],
    ) -> None:  # fmt: skip
        self._book = book
        self._replicas = replicas
        self._snapshots = snapshots
        self._problems = problems
        self._at_once = executors.at_once
        self._executed = executed

    async def take(self, root: RootState) -> bool:
        """One for each channel that has something to execute; whether any went on. Raises ``Halt``."""
        channels = dict.fromkeys((*self._book.with_outdated(), *self._book.unexecuted()))
        if self._at_once > 1:
            return await self._take_at_once(list(channels), root)
        moved = False
        for channel in channels:
            moved = await self._turn(channel, root) or moved
            # others that ask this node need not wait until all channels had their turn
            await asyncio.sleep(0)
        return moved

    async def _take_at_once(self, channels: list[bytes], root: RootState) -> bool:
        limit = asyncio.Semaphore(self._at_once)

        async def limited(channel: bytes) -> bool:
            async with limit:
                return await self._turn(channel, root)

        # none may go on behind this step, so the others are waited for also where one stops the node
        moved = False
        for outcome in await asyncio.gather(*map(limited, channels), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
            moved = outcome or moved
        return moved

    async def _turn(self, channel: bytes, root: RootState) -> bool:
        try:
            with self._replicas.holding(channel):
                moved = await self._go_on(channel, root)
            self._problems.pop(channel, None)
        except GenerationStale as stale:
            self._go_back(channel, stale.number)
            return True
        except ExecutorAway as away:
            self._begin_again(channel, away)
            return False
        except (ExecutingError, KeyMissing) as error:
            self._problems[channel] = error
            return False
        return moved

    async def _go_on(self, channel: bytes, root: RootState) -> bool:
        """Execute the next points of a channel, as far as their payloads are here."""
        hosted, moved = self._replicas.host(channel), False
        hosted.renew()  # digests contain those before them
        for _ in range(POINTS):
            point = hosted.next_point()
            if point is None:
                break
            contents = hosted.contents(point)
            if contents is None:
                break
            await hosted.execute(point, contents, root)
            self._executed(channel)
            moved = True
        if moved and self._snapshots is not None:
            self._snapshots.grown(channel, hosted, root)
        return moved

    def _go_back(self, channel: bytes, number: int) -> None:
        """Have a channel executed again without an entry that is void."""
        changed = self._book.point_with(channel, number)
        try:
            self._replicas.go_back(channel, 1 if changed is None else changed.context.ordinal)
        except ExecutingError as error:  # nothing that it could be executed from is here
            self._problems[channel] = error

    def _begin_again(self, channel: bytes, away: ExecutorAway) -> None:
        """Go on as after a crash: a result may be in the book whose point its file does not have."""
        self._replicas.close(channel)
        self._problems[channel] = away
        try:
            self._replicas.host(channel)
        except ExecutingError as error:
            self._problems[channel] = error
            return
        if self._book.executed_to(channel) == self._book.cursor(channel).ordinal:
            del self._problems[channel]  # it was committed, and nobody could be told
