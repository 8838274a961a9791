"""The gateway of a member's node: takes signed transactions, answers for them, and tells what became of them.

    submit -> screened by verifier processes -> ready -> packed into an envelope -> outbox (durable: "received")
           -> engine -> block committed -> answers ("final", "rejected" or "refused")

An envelope is packed when the engine can take it, so that envelopes grow with the load and an idle ledger adds
no delay. A transaction is identified by its id: sent twice, it is ordered once and both senders get one answer.
Inside, the hash of its signatures belongs to its key as well: whoever knows a body can sign it with a key that does not
count, and the refusal of that must not become the answer to the rightful sender.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from traco.engine.seam import Engine
from traco.kernel.application import Finalized
from traco.kernel.block import Answer, EnvelopeAnswer
from traco.kernel.codec import ROOT, Codec, encode
from traco.kernel.errors import Duplicate, Expired, Failure, NodeUnknown, TooFarAhead, TooLarge
from traco.kernel.instruction import ENVELOPE_OVERHEAD
from traco.kernel.screening import Screened
from traco.kernel.transaction import (
    Envelope,
    EnvelopeBody,
    Signature,
    envelope_id,
    envelope_signing_message,
)
from traco.node.figures import Meter, Occupancy
from traco.node.logs import REQUEST
from traco.node.outbox import Outbox
from traco.node.remembering import RememberingScreener
from traco.node.submission import Entry, GatewayStopped, Result, Status, Submission
from traco.node.tracing import NO_TRACES

__all__ = ["EnvelopeSigner", "FindReceipt", "Gateway", "GatewayStopped", "Result", "ScreeningPool", "Status"]

BATCH: Final = 512  # transactions handed to a verifier at once
TURNS: Final = 40  # of the event loop, at most, before a busy gateway packs
FULL: Final = 4_000  # ready transactions that fill an envelope of ordinary ones
AHEAD: Final = 24  # batches under verification: enough to keep the verifiers busy while a block is executed
TRANSACTION_OVERHEAD: Final = 5  # bytes of a transaction's length in an envelope
MAX_READY: Final = 20_000  # screened transactions waiting for an envelope; beyond it submitters wait
MAX_READY_BYTES: Final = 33_554_432  # the same limit in bytes, for large transactions
REMEMBERED: Final = 200_000  # results kept for those who ask again; older ones are found in the store
ROOM_S: Final = 0.5  # between looks for room in an engine that makes no blocks
LONGEST_SLEEP_S: Final = 60.0  # the machine's clock may be set while we sleep until something falls due

_ENVELOPE: Final[Codec[Envelope]] = Codec(Envelope)
_MAY_BE_ORDERED: Final = (Duplicate.code, Expired.code, TooFarAhead.code, TooLarge.code, NodeUnknown.code)
"""Refusals of a transaction, or of its envelope, that say nothing about whether it was ordered before."""
_IDENTITY: Final = 32  # bytes of an id, the first part of a key


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
"""Height, leaf and failure of a transaction or envelope by its id, as committed; None where there is none."""


class Gateway:
    """Between submitters and the engine; lives in the ledger process and its event loop."""

    def __init__(
        self, engine: Engine, outbox: Outbox, pool: ScreeningPool, screener: RememberingScreener,
        network: bytes, member: bytes, signer: EnvelopeSigner, find: FindReceipt, meter: Meter | None = None,
    ) -> None:  # fmt: skip
        self._engine, self._outbox, self._pool, self._screener = engine, outbox, pool, screener
        self._network, self._member, self._signer = network, member, signer
        self._find = find
        self._meter = meter or Meter()
        self.tracer = NO_TRACES
        self._entries: dict[bytes, Entry] = {}  # on their way, by id and hash of signatures
        self._received: dict[bytes, Entry] = {}  # those in the outbox, by id
        self._ready: dict[bytes, bytes] = {}  # key -> transaction: screened, not yet in an envelope
        self._ready_bytes = 0
        # ordered, because a plain dict finds its oldest entry by walking over all that were deleted before it
        self._results: OrderedDict[bytes, Result] = OrderedDict()
        self._packed: dict[bytes, tuple[bytes, ...]] = {}  # envelope id -> keys of its transactions
        self._done: list[bytes] = []  # envelopes that are committed, to be forgotten with the next write
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._slots = asyncio.Semaphore(AHEAD)
        self._verifying = 0  # transactions that verifiers have
        self._stopped = False
        self._height = -1  # of the last block that was made here
        self._made = asyncio.Event()  # replaced with every block
        self._busy = False  # the last envelope was a large one
        engine.on_work(self._work.set)

    def recover(self) -> int:
        """Offer again what the outbox holds; how many envelopes. Call before ``run``. Raises ``OutboxFailed``."""
        pending = self._outbox.pending()
        for identity, raw in pending:
            if self._find(identity) is not None:  # committed before the crash
                self._done.append(identity)
                continue
            transactions = _ENVELOPE.trusted(raw).body.transactions
            keys = tuple(map(_key, self._screener.screen(transactions)))
            for key in keys:
                entry = self._entries.setdefault(key, Entry(_received(key), self._meter.clock()))
                self._make_durable(key, entry)
            self._packed[identity] = keys
            self._offer(identity, raw)
        return len(pending)

    def result(self, identity: bytes) -> Result | None:
        """What is known of a transaction on its way, or not long ago; older ones are in the store, for all to read."""
        entry = self._received.get(identity)
        return self._results.get(identity) if entry is None else entry.result

    def occupancy(self) -> Occupancy:
        """How much is on its way, and how long the oldest of it has waited."""
        oldest = next(iter(self._entries.values()), None)
        waited = 0.0 if oldest is None else self._meter.clock() - oldest.since
        return Occupancy(
            on_way=len(self._entries), ready=len(self._ready), ready_bytes=self._ready_bytes, outbox=len(self._packed),
            verifying=self._verifying, oldest_ms=int(waited * 1000), is_full=not self._room.is_set(),
        )  # fmt: skip

    def request_of(self, identity: bytes) -> str:
        """The correlation id of the request that brought a transaction which is on its way, if it is known."""
        entry = self._received.get(identity)
        return "" if entry is None else entry.request

    async def next_block(self, after: int) -> int:
        """Wait until a block above a height was made; the height of the newest. Raises ``GatewayStopped``."""
        while self._height <= after:
            self._require_running()
            await self._made.wait()
        return self._height

    def _tell_height(self, height: int) -> None:
        self._height = height
        made, self._made = self._made, asyncio.Event()
        made.set()

    async def submit(self, transactions: Sequence[bytes], until_final: bool = True) -> list[Result]:
        """Take transactions in; their results: final if asked for, else at least durable in the outbox.

        Refused ones are answered at once. Never raises for bad bytes; ``GatewayStopped`` when the node stops.
        """
        submission = Submission(until_final, self._meter.clock(), REQUEST.get())
        entered: list[Entry] = []
        for start in range(0, len(transactions), BATCH):
            batch = transactions[start : start + BATCH]
            async with self._slots:
                await self._room.wait()
                self._require_running()
                self._verifying += len(batch)
                try:
                    screened = await self._pool.screen(batch)
                finally:
                    self._verifying -= len(batch)
            self._require_running()
            entered += [
                self._enter(raw, answer, submission) for raw, answer in zip(batch, screened, strict=True)
            ]
            self._set_room()
            self._work.set()
        submission.arrived()
        await submission.done
        return [entry.result for entry in entered]

    def _enter(self, raw: bytes, screened: Screened, submission: Submission) -> Entry:
        identity = screened.identity
        if screened.refusal is not None:
            self._meter.refuse(screened.refusal.code)
            return Entry(Result(identity, Status.REFUSED, -1, -1, screened.refusal))
        known = self._results.get(identity)
        if known is not None:
            return Entry(known)
        key = _key(screened)
        entry = self._entries.get(key)
        if entry is None:
            self._screener.remember(raw, screened)
            self._ready[key] = raw
            self._ready_bytes += len(raw)
            entry = self._entries[key] = Entry(_received(key), submission.since, submission.request)
        entry.await_by(submission)
        return entry

    def _set_room(self) -> None:
        if len(self._ready) < MAX_READY and self._ready_bytes < MAX_READY_BYTES:
            self._room.set()
        else:
            self._room.clear()

    async def run(self) -> None:
        """Make blocks while there is work; returns when cancelled. Raises ``Halt`` when the node must stop."""
        try:
            while True:
                await self._await_work()
                await self._gather()
                self._pack()
                if self._engine.wants_block():
                    self._make_block()
                self._take_dropped()
        except asyncio.CancelledError:
            self._forget_done()
            raise
        finally:
            self._stop()

    def _forget_done(self) -> None:
        """After an orderly stop there is nothing to recover."""
        if self._done:
            self._outbox.put([], self._done)
            self._done.clear()

    async def _gather(self) -> None:
        """Let what has arrived meanwhile come in: it goes into this envelope.

        Answers of the verifiers that came during a block need several turns of the loop to be entered. Large envelopes
        cost less per transaction; an idle ledger waits for one turn only.
        """
        for _ in range(TURNS if self._busy else 1):
            await asyncio.sleep(0)
            if len(self._ready) >= FULL:
                return

    def _stop(self) -> None:
        """Tell everybody who waits that there will be no answer."""
        self._stopped = True
        self._room.set()
        self._made.set()
        for entry in self._entries.values():
            entry.fail(_stopping())

    def _require_running(self) -> None:
        if self._stopped:
            raise _stopping()

    async def _await_work(self) -> None:
        """Sleep until something is submitted or an item falls due."""
        if (self._ready and self._engine.has_room()) or self._engine.wants_block():
            return
        self._work.clear()
        due = self._engine.next_due_ms()
        delay = None
        if due is not None:
            delay = min(LONGEST_SLEEP_S, max(0, due - self._engine.block_time_ms()) / 1000)
        if self._ready:
            delay = ROOM_S  # what waits for room may get it by waiting alone
        try:
            # not wait_for: in Python 3.11 it swallows a cancellation that comes together with work
            async with asyncio.timeout(delay):
                await self._work.wait()
        except TimeoutError:
            return

    def _pack(self) -> None:
        """Put what is ready into one envelope, make it durable, offer it to the engine."""
        if not self._ready or not self._engine.has_room():
            return
        keys = self._next_keys()
        self._busy = len(keys) >= BATCH
        transactions = tuple(self._ready.pop(key) for key in keys)
        self._ready_bytes -= sum(map(len, transactions))
        self._set_room()
        self._send(keys, transactions)

    def _next_keys(self) -> tuple[bytes, ...]:
        """The keys of the ready transactions that fit into one envelope, in order of arrival."""
        limits = self._engine.limits()
        budget, chosen = limits.max_envelope_bytes - ENVELOPE_OVERHEAD, list[bytes]()
        for key, raw in self._ready.items():
            budget -= len(raw) + TRANSACTION_OVERHEAD
            if chosen and (budget < 0 or len(chosen) >= limits.max_envelope_transactions):
                break
            chosen.append(key)
        return tuple(chosen)

    def _send(self, keys: tuple[bytes, ...], transactions: tuple[bytes, ...]) -> None:
        """An envelope of its own for these transactions: durable first, then offered."""
        self._send_all([(keys, transactions)])

    def _send_all(self, parts: Sequence[tuple[tuple[bytes, ...], tuple[bytes, ...]]]) -> None:
        """An envelope for each part, all made durable in one step; then offered."""
        made = [(keys, *self._seal(transactions)) for keys, transactions in parts]
        self._outbox.put([(identity, raw) for _, identity, raw in made], self._done)
        self._done.clear()
        for keys, identity, _ in made:
            self._packed[identity] = keys
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None:
                    self._make_durable(key, entry)
        for _, identity, raw in made:
            self._offer(identity, raw)

    def _seal(self, transactions: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        """A signed envelope of these transactions: its id and its bytes."""
        valid_until = self._engine.block_time_ms() + self._engine.limits().window_ms // 2
        body = EnvelopeBody(self._network, ROOT, self._member, valid_until, os.urandom(16), transactions)
        identity = envelope_id(body)
        public = self._signer.public_key
        signature = Signature(public, self._signer.sign(envelope_signing_message(identity, public)))
        return identity, encode(Envelope(body, signature))

    def _make_durable(self, key: bytes, entry: Entry) -> None:
        self._received[key[:_IDENTITY]] = entry
        entry.make_durable()

    def _offer(self, identity: bytes, raw: bytes) -> None:
        failure = self._engine.offer(raw)
        if failure is not None:
            self._not_ordered(identity, raw, failure)

    def _not_ordered(self, identity: bytes, raw: bytes, failure: Failure) -> None:
        """An envelope is not executed. Where that is no fault of its transactions, they get another one.

        So where its time has passed, where this node has another key by now, and where limits were lowered.
        """
        keys = self._packed.get(identity)
        if keys is None:
            return  # another member's gateway answers for it
        envelope = _ENVELOPE.trusted(raw)
        outlived_key = failure.code == NodeUnknown.code and envelope.signature.key != self._signer.public_key
        too_large = failure.code == TooLarge.code and len(keys) > 1
        if failure.code != Expired.code and not outlived_key and not too_large:
            self._conclude(EnvelopeAnswer(identity, -1, failure, ()), -1)
            return
        del self._packed[identity]
        self._done.append(identity)  # forgotten in the same step that keeps the new ones
        size = (len(keys) + 1) // 2 if too_large else len(keys)
        transactions = envelope.body.transactions
        starts = range(0, len(keys), size)
        self._send_all([(keys[at : at + size], transactions[at : at + size]) for at in starts])

    def _make_block(self) -> None:
        finalized = self._engine.make_block()
        seconds = self._engine.last_block_seconds
        self._meter.block(finalized, seconds)
        if self.tracer is not NO_TRACES:
            self.tracer.block(finalized.block.height, seconds, self._requests_in(finalized))
        self._tell_height(finalized.block.height)
        for answer, raw in zip(finalized.answers, finalized.block.envelopes, strict=True):
            if answer.leaf < 0 and answer.failure is not None:
                self._not_ordered(answer.identity, raw, answer.failure)
            else:
                self._conclude(answer, finalized.block.height)

    def _take_dropped(self) -> None:
        for raw, failure in self._engine.take_dropped():
            self._not_ordered(envelope_id(_ENVELOPE.trusted(raw).body), raw, failure)

    def _requests_in(self, finalized: Finalized) -> list[str]:
        """The correlation ids of the requests whose transactions a block has, each once."""
        keys = (key for answer in finalized.answers for key in self._packed.get(answer.identity, ()))
        entries = (self._entries.get(key) for key in keys)
        return list(dict.fromkeys(entry.request for entry in entries if entry is not None and entry.request))

    def _conclude(self, answer: EnvelopeAnswer, height: int) -> None:
        """Settle the transactions of an envelope, if it is one of ours."""
        keys = self._packed.pop(answer.identity, None)
        if keys is None:
            return  # another member's gateway answers for it
        self._done.append(answer.identity)
        if answer.leaf < 0:
            for key in keys:
                self._settle(key, self._refused(Answer(key[:_IDENTITY], -1, answer.failure)))
            return
        for key, transaction in zip(keys, answer.transactions, strict=True):
            self._settle(key, self._result_of(transaction, height))

    def _result_of(self, answer: Answer, height: int) -> Result:
        if answer.leaf < 0:
            return self._refused(answer)
        status = Status.FINAL if answer.failure is None else Status.REJECTED
        return Result(answer.identity, status, height, answer.leaf, answer.failure)

    def _refused(self, answer: Answer) -> Result:
        """A refusal; unless the transaction was ordered before, then the answer is what became of it at that time.

        It may have come in an envelope of another node, before this one was refused, or before limits were lowered.
        """
        if answer.failure is not None and answer.failure.code in _MAY_BE_ORDERED:
            place = self._find(answer.identity)
            if place is not None:
                height, leaf, failure = place
                status = Status.FINAL if failure is None else Status.REJECTED
                return Result(answer.identity, status, height, leaf, failure)
        return Result(answer.identity, Status.REFUSED, -1, -1, answer.failure)

    def _settle(self, key: bytes, result: Result) -> None:
        if result.status is not Status.REFUSED:  # a refused id is not used up: it may come again and succeed
            if len(self._results) >= REMEMBERED:
                self._results.popitem(last=False)
            self._results[result.identity] = result
        entry = self._entries.pop(key, None)
        if entry is None:
            return  # it was in two envelopes of the outbox
        if self._received.get(result.identity) is entry:
            del self._received[result.identity]
        entry.settle(result)


def _key(screened: Screened) -> bytes:
    return screened.identity + screened.signatures


def _received(key: bytes) -> Result:
    return Result(key[:_IDENTITY], Status.RECEIVED, -1, -1, None)


def _stopping() -> GatewayStopped:
    return GatewayStopped(
        "the node is stopping; send it again when the node is up: what was ordered is not ordered twice"
    )
