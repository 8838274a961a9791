"""How far a transaction has come, and who waits for it. Belongs to the gateway."""

import asyncio
from enum import StrEnum
from typing import NamedTuple

from traco.kernel.errors import Failure, Halt


class Status(StrEnum):
    """How far a transaction has come. The last three do not change any more."""

    RECEIVED = "received"  # in the outbox: it will be ordered even if the node is killed now
    ORDERED = "ordered"  # in a proposed block (distributed engines only)
    FINAL = "final"
    REJECTED = "rejected"  # ordered, executed, and the rules said no: it has a receipt
    REFUSED = "refused"  # never executed: no receipt; ``expired`` in the refusal's code says that its time had passed


class Result(NamedTuple):
    """What the gateway knows about a transaction. ``height`` and ``leaf`` are -1 before there is a receipt."""

    identity: bytes
    status: Status
    height: int
    leaf: int
    failure: Failure | None


class GatewayStopped(Halt):
    """The gateway makes no more blocks; what it acknowledged is in the outbox, the rest was never taken."""


class Submission:
    """One caller's wait for several transactions, with one future for all of them.

    It expects itself, too: call ``arrived`` once after the last transaction has entered. ``since`` is when it came, by the
    meter's clock; ``request`` the correlation id of the request that it came with.
    """

    __slots__ = ("_remaining", "done", "request", "since", "until_final")

    def __init__(self, until_final: bool, since: float = 0.0, request: str = "") -> None:
        self.until_final, self.since, self.request = until_final, since, request
        self._remaining = 1
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expect(self) -> None:
        """One more transaction to wait for."""
        self._remaining += 1

    def arrived(self) -> None:
        """One of them has come as far as this caller waits for."""
        self._remaining -= 1
        if self._remaining == 0 and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: Exception) -> None:
        """There will be no answer any more."""
        if not self.done.done():
            self.done.set_exception(error)
            self.done.exception()  # a caller that went away never asks for it


class Entry:
    """A transaction on its way through the gateway. ``durable`` once it is in the outbox."""

    __slots__ = ("_waiting", "durable", "request", "result", "since")

    def __init__(self, result: Result, since: float = 0.0, request: str = "") -> None:
        self.result, self.since, self.request = result, since, request
        self.durable = False
        self._waiting: list[Submission] = []

    def await_by(self, submission: Submission) -> None:
        """Let a caller wait, unless the transaction has come as far already."""
        if submission.until_final or not self.durable:
            submission.expect()
            self._waiting.append(submission)

    def make_durable(self) -> None:
        """It is in the outbox: tell those who wait for that."""
        self.durable = True
        still = []
        for submission in self._waiting:
            if submission.until_final:
                still.append(submission)
            else:
                submission.arrived()
        self._waiting = still

    def settle(self, result: Result) -> None:
        """It has its last result: tell everybody."""
        self.result = result
        for submission in self._waiting:
            submission.arrived()
        self._waiting = []

    def fail(self, error: Exception) -> None:
        """There will be no result any more."""
        for submission in self._waiting:
            submission.fail(error)
