"""The sender's side of many payloads at once: what waits for the same custodian goes to it in one call.

A call over TLS costs more than what is asked in it, and the custodian makes all that comes together durable in one step. What is asked
in the same turn of the loop goes together and at once; what comes while calls are under way goes when one of them is answered. Each has
its own answer, and leaves when its own time is over.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Final, NamedTuple

from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import (
    TOGETHER,
    TOGETHER_BYTES,
    AllSaid,
    Answer,
    Hold,
    HoldAll,
    Line,
    Refusal,
    Request,
)

AT_ONCE: Final = 2  # calls about a channel to one custodian: one is answered while the next is on its way
WAITING: Final = 512  # requests about a channel that wait for a custodian, at most
CALL_S: Final = 10.0  # for a call of several: those who asked have left by then


class _Waiting(NamedTuple):
    request: Hold
    answer: "asyncio.Future[Answer]"


class _Lane:
    """Of a custodian and a channel: in whose name one calls depends on the channel."""

    def __init__(self) -> None:
        self.running = 0
        self.is_starting = False
        self.waiting: deque[_Waiting] = deque()


class Gathering:
    """A ``Transport`` over ``line``. ``close`` it in the end."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._lanes: dict[tuple[bytes, bytes], _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    async def call(self, member: bytes, request: Request) -> Answer:
        """The answer of a member's node. Raises ``TransportFailed``, and what stops this node where the member is on it."""
        if not isinstance(request, Hold):
            return await self._alone(member, request)
        if self._is_closed:
            raise TransportFailed("custody.unreachable", "this node ends")
        key = (member, request.channel)
        lane = self._lanes.setdefault(key, _Lane())
        if len(lane.waiting) >= WAITING:
            raise TransportFailed("custody.busy", "too many payloads wait for that custodian here")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        lane.waiting.append(_Waiting(request, future))
        if lane.running < AT_ONCE and not lane.is_starting:
            lane.is_starting = True
            loop.call_soon(self._start, key, lane)
        return await future

    async def _alone(self, member: bytes, request: Request) -> Answer:
        answer = await self._line.call(member, request)
        if isinstance(answer, AllSaid):
            raise TransportFailed("custody.answer_wrong", "it answered more than was asked")
        return answer

    def _start(self, key: tuple[bytes, bytes], lane: _Lane) -> None:
        """Send what waits, as far as calls may be under way."""
        lane.is_starting = False
        while lane.running < AT_ONCE and (group := _next(lane.waiting)):
            lane.running += 1
            task = asyncio.create_task(self._send(key[0], group))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, key, lane, group))
            for each in group:
                each.answer.add_done_callback(partial(_leave, task, group))
        if not lane.running and self._lanes.get(key) is lane:
            del self._lanes[key]

    async def _send(self, member: bytes, group: Sequence[_Waiting]) -> None:
        try:
            async with asyncio.timeout(CALL_S):
                await self._answer(member, group)
        except TimeoutError:
            raise TransportFailed("custody.timeout", "it does not answer") from None

    def _ended(
        self, key: tuple[bytes, bytes], lane: _Lane, group: Sequence[_Waiting], task: "asyncio.Task[None]"
    ) -> None:
        """Nobody may wait for an answer that does not come any more."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        for each in group:
            if error is not None:
                _fail(each, error)
            else:
                each.answer.cancel()
        lane.running -= 1
        self._start(key, lane)

    async def _answer(self, member: bytes, group: Sequence[_Waiting]) -> None:
        if len(group) == 1:
            _tell(group[0], await self._alone(member, group[0].request))
            return
        said = await self._line.call(member, HoldAll(tuple(each.request for each in group)))
        if said == Refusal("custody.malformed"):  # a node of a release before this one
            await asyncio.gather(*(self._answer_one(member, each) for each in group))
            return
        if not isinstance(said, AllSaid) or len(said.answers) != len(group):
            raise TransportFailed("custody.answer_wrong", "it did not answer each request")
        for each, answer in zip(group, said.answers, strict=True):
            _tell(each, answer)

    async def _answer_one(self, member: bytes, waiting: _Waiting) -> None:
        try:
            _tell(waiting, await self._alone(member, waiting.request))
        except TransportFailed as failure:
            _fail(waiting, failure)

    def close(self) -> None:
        """Leave what is under way."""
        self._is_closed = True
        for lane in self._lanes.values():
            while lane.waiting:
                lane.waiting.popleft().answer.cancel()
        for task in self._tasks:
            task.cancel()


def _leave(task: "asyncio.Task[None]", group: Sequence[_Waiting], _: "asyncio.Future[Answer]") -> None:
    if all(each.answer.cancelled() for each in group):  # nobody waits for it any more
        task.cancel()


def _tell(waiting: _Waiting, answer: Answer) -> None:
    if not waiting.answer.done():  # who asked may have left
        waiting.answer.set_result(answer)


def _next(waiting: deque[_Waiting]) -> list[_Waiting]:
    """The oldest that go together; those whose senders have left are passed over."""
    group, size = list[_Waiting](), 0
    while waiting and len(group) < TOGETHER:
        if not waiting[0].answer.done():
            size += len(waiting[0].request.content)
            if group and size > TOGETHER_BYTES:
                break
            group.append(waiting[0])
        waiting.popleft()
    return group


def _fail(waiting: _Waiting, error: BaseException) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
