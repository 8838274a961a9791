"""Requests that come at the same time share one durable write, outside of the event loop.

A sync costs the same for one payload and for many. While one group is written, the next gathers; what is more than the
queue takes is refused at once, so that a slow disk is felt by those who send and not by this node's memory.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Protocol

from traco.channels.custody.messages import Answer, Refusal
from traco.channels.custody.receiving import Asked
from traco.kernel.errors import LedgerError

LARGEST_GROUP: Final = 64
MAX_WAITING: Final = 128

Answering = Callable[[Sequence[Asked]], list[Answer]]


class Aside(Protocol):
    """Runs something that blocks, as ``asyncio.to_thread`` does."""

    def __call__(self, work: Answering, asked: Sequence[Asked], /) -> Awaitable[list[Answer]]:
        """What ``work`` returns for ``asked``."""


class GroupedCustodian:
    """Asks ``answering`` (``Custodian.answer``) for many at once, one group after the other.

    What that needs to know of the root is read in another thread.
    """

    def __init__(self, answering: Answering, aside: Aside = asyncio.to_thread) -> None:
        self._answering = answering
        self._aside = aside
        self._waiting = deque[tuple[Asked, asyncio.Future[Answer]]]()
        self._writer: asyncio.Task[None] | None = None

    async def answer(self, asked: Asked) -> Answer:
        """The answer to one request. Raises what stops the store (``CustodyStopped``)."""
        if len(self._waiting) >= MAX_WAITING:
            return Refusal("custody.busy")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        return await future

    async def _write(self) -> None:
        try:
            while self._waiting:
                count = min(LARGEST_GROUP, len(self._waiting))
                await self._answer_group([self._waiting.popleft() for _ in range(count)])
        finally:
            self._writer = None
            _leave(self._waiting)  # none, unless the writer was cancelled
            self._waiting.clear()

    async def _answer_group(self, group: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._aside(self._answering, [asked for asked, _ in group])
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():  # the one who asked may have left
                    future.set_result(answer)
        except LedgerError as error:
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
        finally:
            _leave(group)


def _leave(group: Iterable[tuple[Asked, asyncio.Future[Answer]]]) -> None:
    # nobody may wait for an answer that does not come any more
    for _, future in group:
        if not future.done():
            future.cancel()
