"""Getting a payload back by its hash, from whichever custodian has it.

Custodians are asked one after the other, the next as soon as one fails, and also when one is slow: whoever is first with
the right bytes wins, and the others are left. Wrong bytes are told by the hash, and their giver is named.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from traco.channels.custody.errors import CustodianFailure, PayloadUnavailable, TransportFailed
from traco.channels.custody.messages import Fetch, Found, Refusal, Transport, known_code
from traco.channels.custody.tally import Tally
from traco.modules.channel.signing import payload_hash


class Sought(NamedTuple):
    """A payload as its entry names it."""

    channel: bytes
    hash: bytes
    size: int


class Fetched(NamedTuple):
    """The payload, who gave it, and who was asked before and failed, or gave something else."""

    content: bytes
    member: bytes
    failures: tuple[CustodianFailure, ...]


class Pace(NamedTuple):
    """How long to wait, in seconds, for one custodian, and before the next is asked too; how many at once.

    ``payloads`` are fetched at once, ``custodians`` are asked at once for each.
    """

    call: float = 10.0
    hedge: float = 0.5
    custodians: int = 3
    payloads: int = 8


PACE: Final = Pace()


class Fetcher:
    """Fetches payloads. One for a node, so that there are never more calls at once than ``pace`` allows."""

    def __init__(self, transport: Transport, pace: Pace = PACE, tally: Tally | None = None) -> None:
        """``tally`` is told how everybody answers who is not left before."""
        self._transport = transport
        self._pace = pace
        self._tally = tally or Tally()
        self._turns = asyncio.Semaphore(pace.payloads)

    async def fetch(self, sought: Sought, custodians: Sequence[bytes]) -> Fetched:
        """The payload from one of ``custodians``, who are asked in this order, each once.

        Those who signed for it should come first. Raises ``PayloadUnavailable`` when all have failed.
        """
        async with self._turns:
            race = _Race(self._transport, self._pace, sought, custodians, self._tally)
            try:
                return await race.run()
            finally:
                await race.end()


class _Race:
    """The calls for one payload."""

    def __init__(
        self, transport: Transport, pace: Pace, sought: Sought, custodians: Sequence[bytes], tally: Tally
    ) -> None:  # fmt: skip
        self._transport = transport
        self._pace = pace
        self._sought = sought
        self._tally = tally
        self._waiting = list(dict.fromkeys(custodians))
        self._running: dict[asyncio.Task[bytes | str], bytes] = {}
        self._failures: list[CustodianFailure] = []

    async def run(self) -> Fetched:
        self._start(1)
        while self._running:
            may_start = self._waiting and len(self._running) < self._pace.custodians
            done, _ = await asyncio.wait(
                self._running,
                timeout=self._pace.hedge if may_start else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            fetched = self._first([task for task in self._running if task in done])
            if fetched is not None:
                return fetched
            self._start(len(done) or 1)
        raise PayloadUnavailable(self._sought.hash, tuple(self._failures))

    def _start(self, count: int) -> None:
        free = self._pace.custodians - len(self._running)
        for _ in range(min(count, free, len(self._waiting))):
            member = self._waiting.pop(0)
            self._running[asyncio.create_task(self._ask(member))] = member

    def _first(self, done: Sequence[asyncio.Task[bytes | str]]) -> Fetched | None:
        """What the first of these tasks, by the order of asking, that succeeded brought; failures are noted."""
        for task in done:
            member, result = self._running.pop(task), task.result()
            if isinstance(result, bytes):
                return Fetched(result, member, tuple(self._failures))
            self._failures.append(CustodianFailure(member, result))
        return None

    async def _ask(self, member: bytes) -> bytes | str:
        """The payload, or the code of what came instead. Who is left because another was quicker is not counted."""
        result = await self._once(member)
        self._tally.note(member, "" if isinstance(result, bytes) else result)
        return result

    async def _once(self, member: bytes) -> bytes | str:
        sought = self._sought
        try:
            async with asyncio.timeout(self._pace.call):
                answer = await self._transport.call(member, Fetch(sought.channel, sought.hash))
        except TimeoutError:
            return "custody.timeout"
        except TransportFailed as failure:
            return failure.code
        if isinstance(answer, Refusal):
            return known_code(answer)
        if not isinstance(answer, Found):
            return "custody.answer_wrong"
        is_right = len(answer.content) == sought.size and payload_hash(answer.content) == sought.hash
        return answer.content if is_right else "custody.wrong_bytes"

    async def end(self) -> None:
        """Leave the calls that are still running."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
