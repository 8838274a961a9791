"""The sender's side: a payload goes to the channel's custodians, and receipts of enough other organisations come back.

Custodians are asked all at once. Each receipt is checked as the root will check it. One that refuses for a while, or does
not answer, is asked again a few times, after a growing and randomly varied pause. When there are enough receipts, the others
get a short time more: their receipts help against a key that is revoked meanwhile, and their nodes have the payload then.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from traco.channels.custody.errors import FINAL, CustodianFailure, ReceiptsMissing, TransportFailed
from traco.channels.custody.messages import Answer, Hold, Refusal, Signed, Transport, known_code
from traco.channels.custody.tally import Tally
from traco.kernel import crypto
from traco.modules.channel.parts import Receipt
from traco.modules.channel.signing import custody_message, payload_hash


class CustodianSeat(NamedTuple):
    """A custodian of the epoch: its place in the terms' custodians, and the node key of its seat on the root."""

    place: int
    member: bytes
    node: bytes


class Wanted(NamedTuple):
    """A payload of ``sender`` that ``needed`` other organisations are to hold until ``order_by``."""

    network: bytes
    channel: bytes
    epoch: int
    order_by: int
    sender: bytes
    content: bytes
    needed: int


class Patience(NamedTuple):
    """How long the sender waits for what, in seconds, and how often it asks one custodian."""

    call: float = 5.0
    attempts: int = 3
    pause: float = 0.2
    extra: float = 0.1


PATIENCE: Final = Patience()


async def collect_receipts(
    wanted: Wanted,
    custodians: tuple[CustodianSeat, ...],
    transport: Transport,
    draw: Callable[[], float],
    patience: Patience = PATIENCE,
    tally: Tally | None = None,
) -> tuple[Receipt, ...]:
    """Receipts of at least ``needed`` custodians other than the sender, in the order of their places.

    ``draw`` gives numbers from 0 to 1; ``tally`` is told how everybody answers. Raises ``ReceiptsMissing`` as soon as there cannot be enough.
    """
    asking = _Asking(wanted, transport, draw, patience, tally or Tally())
    tasks = {
        asyncio.create_task(asking.ask(seat)): seat for seat in custodians if seat.member != wanted.sender
    }
    try:
        results = await _gathered(set(tasks), wanted.needed, patience.extra)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    receipts = tuple(sorted((each for each in results if isinstance(each, Receipt)), key=_place))
    if len(receipts) >= wanted.needed:
        return receipts
    answered = {each.place for each in receipts}
    failed = {each.member: each for each in results if isinstance(each, CustodianFailure)}
    failures = tuple(
        failed.get(seat.member, CustodianFailure(seat.member, "custody.unanswered"))
        for seat in tasks.values()
        if seat.place not in answered
    )
    raise ReceiptsMissing(wanted.needed, receipts, failures)


Result = Receipt | CustodianFailure


async def _gathered(pending: set[asyncio.Task[Result]], needed: int, extra: float) -> list[Result]:
    """What was answered until there were enough receipts and a little longer, or until there cannot be enough."""
    results, found = list[Result](), 0
    while pending and found < needed <= found + len(pending):
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        results += [task.result() for task in done]
        found = sum(isinstance(each, Receipt) for each in results)
    if pending and found >= needed:
        done, pending = await asyncio.wait(pending, timeout=extra)
        results += [task.result() for task in done]
    return results


class _Asking:
    """Asks one custodian after the other for a receipt, each as often as patience allows."""

    def __init__(
        self, wanted: Wanted, transport: Transport, draw: Callable[[], float], patience: Patience, tally: Tally
    ) -> None:  # fmt: skip
        self._wanted = wanted
        self._hash = payload_hash(wanted.content)
        self._transport = transport
        self._draw = draw
        self._patience = patience
        self._tally = tally

    async def ask(self, seat: CustodianSeat) -> Result:
        """Its receipt, or why there is none."""
        wanted, code = self._wanted, "custody.unanswered"
        request = Hold(wanted.channel, seat.member, wanted.epoch, wanted.order_by, wanted.content)
        for attempt in range(self._patience.attempts):
            if attempt:
                await asyncio.sleep(self._patience.pause * 2 ** (attempt - 1) * (0.5 + self._draw()))
            result, may_ask_again = await self._once(seat, request)
            if isinstance(result, Receipt):
                return result
            code = result
            if not may_ask_again:
                break
        return CustodianFailure(seat.member, code)

    async def _once(self, seat: CustodianSeat, request: Hold) -> tuple[Receipt | str, bool]:
        """The receipt, or the code of what came instead and whether asking again may bring another."""
        code = "custody.unanswered"  # as long as it is left before it has answered
        try:
            async with asyncio.timeout(self._patience.call):
                answer = await self._transport.call(seat.member, request)
            judged = self._judged(seat, answer)
            code = "" if isinstance(judged, Receipt) else judged
            return judged, isinstance(answer, Refusal) and code not in FINAL
        except TimeoutError:
            code = "custody.timeout"
        except TransportFailed as failure:
            code = failure.code
        finally:
            self._tally.note(seat.member, code)
        return code, True

    def _judged(self, seat: CustodianSeat, answer: Answer) -> Receipt | str:
        """The receipt, or the code of what is wrong with the answer."""
        if isinstance(answer, Refusal):
            return known_code(answer)
        if not isinstance(answer, Signed):
            return "custody.answer_wrong"
        wanted = self._wanted
        message = custody_message(
            wanted.network, wanted.channel, seat.member, wanted.epoch, wanted.order_by, len(wanted.content), self._hash
        )  # fmt: skip
        if not crypto.is_valid(seat.node, message, answer.signature):
            return "custody.receipt_forged"
        return Receipt(seat.place, answer.signature)


def _place(receipt: Receipt) -> int:
    return receipt.place
