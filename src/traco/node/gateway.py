"""The gateway of a member's node: takes signed transactions, answers for them, and tells what became of them.

    submit -> screened by verifier processes -> ready -> packed into an envelope -> outbox (durable: "received")
           -> engine -> block committed -> answers ("final", "rejected" or "refused")

An envelope is packed when the engine can take it, so that envelopes grow with the load and an idle ledger adds
no delay. A transaction is identified by its id: sent twice, it is ordered once and both senders get one answer.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel.block import Answer, EnvelopeAnswer
from traco.kernel.codec import ROOT, encode
from traco.kernel.errors import Duplicate, Failure
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import Screened
from traco.kernel.transaction import (
    Envelope,
    EnvelopeBody,
    Signature,
    envelope_id,
    envelope_signing_message,
)
from traco.node.outbox import Outbox
from traco.node.remembering import RememberingScreener

BATCH: Final = 512  # transactions handed to a verifier at once
AHEAD: Final = 24  # batches under verification: enough to keep the verifiers busy while a block is executed
ENVELOPE_OVERHEAD: Final = 512  # bytes of an envelope beside its transactions, generously
TRANSACTION_OVERHEAD: Final = 5  # bytes of a transaction's length in an envelope
MAX_READY: Final = 20_000  # screened transactions waiting for an envelope; beyond it submitters wait
REMEMBERED: Final = 200_000  # results kept for those who ask again; older ones are found in the store


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


class EnvelopeSigner(Protocol):
    """The node's key."""

    @property
    def public_key(self) -> bytes:
        """The public key, scheme byte first."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""
        ...


class ScreeningPool(Protocol):
    """Verifier processes, or anything that screens without blocking."""

    async def screen(self, batch: Sequence[bytes]) -> Sequence[Screened]:
        """One answer per transaction, in order."""
        ...


FindReceipt = Callable[[bytes], tuple[int, int, Failure | None] | None]


class Submission:
    """One caller's wait for several transactions, with one future for all of them."""

    __slots__ = ("_remaining", "done", "until_final")

    def __init__(self, until_final: bool) -> None:
        self.until_final = until_final
        self._remaining = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expect(self) -> None:
        """One more transaction to wait for."""
        self._remaining += 1

    def arrived(self) -> None:
        """One of them has come as far as this caller waits for."""
        self._remaining -= 1
        if self._remaining == 0 and not self.done.done():
            self.done.set_result(None)


class Entry:
    """A transaction on its way through the gateway."""

    __slots__ = ("raw", "result", "submissions")

    def __init__(self, raw: bytes, result: Result) -> None:
        self.raw = raw
        self.result = result
        self.submissions: list[Submission] = []


class Gateway:
    """Between submitters and the engine; lives in the ledger process and its event loop."""

    def __init__(
        self, engine: EmbeddedEngine, outbox: Outbox, pool: ScreeningPool, screener: RememberingScreener,
        network: bytes, member: bytes, signer: EnvelopeSigner, limits: KernelParameters, find: FindReceipt,
    ) -> None:  # fmt: skip
        self._engine, self._outbox, self._pool, self._screener = engine, outbox, pool, screener
        self._network, self._member, self._signer = network, member, signer
        self._limits, self._find = limits, find
        self._entries: dict[bytes, Entry] = {}  # on their way, by id
        self._ready: dict[bytes, bytes] = {}  # id -> transaction: screened, not yet in an envelope
        self._results: dict[bytes, Result] = {}
        self._packed: dict[bytes, tuple[bytes, ...]] = {}  # envelope id -> ids of its transactions
        self._done: list[bytes] = []  # envelopes that are committed, to be forgotten with the next write
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._slots = asyncio.Semaphore(AHEAD)

    def recover(self) -> int:
        """Offer again what the outbox holds; how many envelopes. Call before ``run``."""
        pending = self._outbox.pending()
        for identity, envelope in pending:
            if self._engine.offer(envelope) is not None:
                self._done.append(identity)  # committed before the crash, or its time has passed
        self._work.set()
        return len(pending)

    def result(self, identity: bytes) -> Result | None:
        """What is known of a transaction: on its way, remembered, or in the store."""
        entry = self._entries.get(identity)
        if entry is not None:
            return entry.result
        return self._results.get(identity) or self._stored(identity)

    async def submit(self, transactions: Sequence[bytes], until_final: bool = True) -> list[Result]:
        """Take transactions in; their results: final if asked for, else at least durable in the outbox.

        Refused ones are answered at once. Never raises for bad bytes.
        """
        submission = Submission(until_final)
        entered: list[Entry] = []
        for start in range(0, len(transactions), BATCH):
            batch = transactions[start : start + BATCH]
            await self._room.wait()
            async with self._slots:
                screened = await self._pool.screen(batch)
            entered += [
                self._enter(raw, answer, submission) for raw, answer in zip(batch, screened, strict=True)
            ]
            self._work.set()
        if any(entry.submissions for entry in entered):
            await submission.done
        return [entry.result for entry in entered]

    def _enter(self, raw: bytes, screened: Screened, submission: Submission) -> Entry:
        identity = screened.identity
        if screened.refusal is not None:
            return Entry(raw, Result(identity, Status.REFUSED, -1, -1, screened.refusal))
        known = self._results.get(identity)
        if known is not None:
            return Entry(raw, known)
        entry = self._entries.get(identity)
        if entry is None:
            self._screener.remember(raw, screened)
            self._ready[identity] = raw
            if len(self._ready) >= MAX_READY:
                self._room.clear()
            entry = self._entries[identity] = Entry(raw, Result(identity, Status.RECEIVED, -1, -1, None))
        entry.submissions.append(submission)
        submission.expect()
        return entry

    async def run(self) -> None:
        """Make blocks while there is work; returns when cancelled. Raises ``Halt`` when the node must stop."""
        while True:
            await self._await_work()
            await asyncio.sleep(0)  # whatever has arrived meanwhile goes into this envelope
            self._pack()
            if self._engine.wants_block():
                self._make_block()

    async def _await_work(self) -> None:
        """Sleep until something is submitted or an item falls due."""
        if self._ready or self._engine.wants_block():
            return
        self._work.clear()
        due = self._engine.next_due_ms()
        delay = None if due is None else max(0, due - self._engine.block_time_ms()) / 1000
        try:
            await asyncio.wait_for(self._work.wait(), delay)
        except TimeoutError:
            return

    def _pack(self) -> None:
        """Put what is ready into one envelope, make it durable, offer it to the engine."""
        if not self._ready:
            return
        identities = self._next_identities()
        transactions = tuple(self._ready.pop(identity) for identity in identities)
        if len(self._ready) < MAX_READY:
            self._room.set()
        valid_until = self._engine.block_time_ms() + self._limits.window_ms // 2
        body = EnvelopeBody(self._network, ROOT, self._member, valid_until, os.urandom(16), transactions)
        identity = envelope_id(body)
        key = self._signer.public_key
        signature = Signature(key, self._signer.sign(envelope_signing_message(identity, key)))
        envelope = encode(Envelope(body, signature))
        self._outbox.put([(identity, envelope)], self._done)
        self._done.clear()
        self._packed[identity] = identities
        for transaction in identities:
            self._arrive(transaction, final=False)
        failure = self._engine.offer(envelope)
        if failure is not None:
            self._conclude(EnvelopeAnswer(identity, -1, failure, ()), -1)

    def _next_identities(self) -> tuple[bytes, ...]:
        """The ids of the ready transactions that fit into one envelope, in order of arrival."""
        budget, chosen = self._limits.max_envelope_bytes - ENVELOPE_OVERHEAD, list[bytes]()
        for identity, raw in self._ready.items():
            budget -= len(raw) + TRANSACTION_OVERHEAD
            if chosen and (budget < 0 or len(chosen) >= self._limits.max_envelope_transactions):
                break
            chosen.append(identity)
        return tuple(chosen)

    def _make_block(self) -> None:
        finalized = self._engine.make_block()
        for answer in finalized.answers:
            self._conclude(answer, finalized.block.height)

    def _conclude(self, answer: EnvelopeAnswer, height: int) -> None:
        """Settle the transactions of one of our envelopes; envelopes recovered after a crash have nobody waiting."""
        self._done.append(answer.identity)
        identities = self._packed.pop(answer.identity, ())
        if answer.leaf < 0:
            for identity in identities:
                self._settle(Result(identity, Status.REFUSED, -1, -1, answer.failure))
            return
        for transaction in answer.transactions:
            self._settle(self._result_of(transaction, height))

    def _result_of(self, answer: Answer, height: int) -> Result:
        if answer.leaf >= 0:
            status = Status.FINAL if answer.failure is None else Status.REJECTED
            return Result(answer.identity, status, height, answer.leaf, answer.failure)
        if answer.failure is not None and answer.failure.code == Duplicate.code:
            stored = self._stored(answer.identity)  # ordered before: the answer is what became of it then
            if stored is not None:
                return stored
        return Result(answer.identity, Status.REFUSED, -1, -1, answer.failure)

    def _stored(self, identity: bytes) -> Result | None:
        place = self._find(identity)
        if place is None:
            return None
        height, leaf, failure = place
        return Result(identity, Status.FINAL if failure is None else Status.REJECTED, height, leaf, failure)

    def _settle(self, result: Result) -> None:
        if result.status is not Status.REFUSED:  # a refused id is not used up: it may come again and succeed
            if len(self._results) >= REMEMBERED:
                del self._results[next(iter(self._results))]
            self._results[result.identity] = result
        entry = self._entries.get(result.identity)
        if entry is not None:
            entry.result = result
            self._arrive(result.identity, final=True)

    def _arrive(self, identity: bytes, final: bool) -> None:
        """Tell those who wait for this; once final, nobody waits any more."""
        entry = self._entries[identity]
        waiting = []
        for submission in entry.submissions:
            if final or not submission.until_final:
                submission.arrived()
            else:
                waiting.append(submission)
        entry.submissions = waiting
        if final:
            del self._entries[identity]
