"""The embedded engine: orders envelopes on one machine, with the calls that a distributed engine makes.

    offer -> check_tx        make_block -> prepare_proposal, process_proposal, finalize_block, commit

What was offered and not committed when the process ends is not kept here: the gateway's outbox is durable and
offers it again. Because a block is decided and committed in one go, there is no decided block to replay after a crash.
"""

import time
from collections.abc import Callable

from traco.engine.embedded.checkpoint import CheckpointSigner, sign_checkpoint
from traco.engine.seam import Seal
from traco.kernel.application import Application, Finalized
from traco.kernel.errors import Failure, Halt, TooLarge
from traco.kernel.instruction import KernelParameters
from traco.kernel.seal import Checkpoint


class EmbeddedEngine:
    """Drives one application. ``now_ms`` is the machine's clock in ms, UTC; block time never goes back with it."""

    def __init__(self, application: Application, signer: CheckpointSigner, now_ms: Callable[[], int]) -> None:
        self._application = application
        self._signer = signer
        self._now_ms = now_ms
        self._waiting: dict[bytes, None] = {}
        self._dropped: list[tuple[bytes, Failure]] = []
        self.last_block_seconds = 0.0

    def start(self) -> None:
        """Found the ledger if that was not done. Call once, before anything else."""
        if not self._application.info().app_hash:
            self._application.init_chain()

    def block_time_ms(self) -> int:
        """The time that a block made now would have: the clock, but never before the last block."""
        return max(self._application.info().time_ms, self._now_ms())

    def limits(self) -> KernelParameters:
        """The limits in force after the last block."""
        return self._application.parameters.get(self._application.state, KernelParameters)

    def offer(self, envelope: bytes) -> Failure | None:
        """Take an envelope for one of the next blocks, or say why not. Offering it twice is offering it once."""
        failure = self._application.check_tx(envelope, self.block_time_ms())
        if failure is None:
            self._waiting[envelope] = None
        return failure

    def has_room(self) -> bool:
        """Always: a block is made as soon as an envelope is there."""
        return True

    def on_work(self, wake: Callable[[], None]) -> None:
        """Nothing happens here that the gateway did not do; it need not be woken."""

    def wants_block(self) -> bool:
        """Whether there is work: an envelope waits, or an item has fallen due."""
        if self._waiting:
            return True
        due = self._application.next_due_ms()
        return due is not None and due <= self.block_time_ms()

    def next_due_ms(self) -> int | None:
        """When the next item falls due, so that an idle engine knows how long it may sleep."""
        return self._application.next_due_ms()

    def make_block(self) -> Finalized:
        """Order what waits (as far as a block holds it), execute and commit it. Raises ``Halt``."""
        begun, time_ms = time.perf_counter(), self.block_time_ms()
        proposal = self._application.prepare_proposal(tuple(self._waiting), _MAX_BYTES, time_ms)
        if not self._application.process_proposal(proposal, time_ms):
            raise Halt("the application refuses the block that it prepared itself")
        finalized = self._application.finalize_block(self._application.info().height + 1, time_ms, proposal)
        self._application.commit()
        self._forget(proposal, time_ms)
        self.last_block_seconds = time.perf_counter() - begun
        return finalized

    def _forget(self, proposal: tuple[bytes, ...], time_ms: int) -> None:
        """Drop what was ordered, what is not acceptable any more, and what fits into no block."""
        for envelope in proposal:
            self._waiting.pop(envelope, None)
        limit = self.limits().max_block_bytes
        for envelope in tuple(self._waiting):
            failure = self._application.check_tx(envelope, time_ms)
            if failure is None and len(envelope) > limit:
                failure = TooLarge("the envelope", len(envelope), limit).failure()
            if failure is not None:
                del self._waiting[envelope]
                self._dropped.append((envelope, failure))

    def take_dropped(self) -> list[tuple[bytes, Failure]]:
        """The envelopes that were accepted and then not ordered, with the reasons; each is returned once."""
        dropped, self._dropped = self._dropped, []
        return dropped

    def seal(self) -> bytes:
        """A signed checkpoint of the last committed block. The same block always has the same seal."""
        info = self._application.info()
        checkpoint = Checkpoint(info.height, info.time_ms, info.app_hash)
        return sign_checkpoint(checkpoint, self._application.network, self._signer)

    async def sealed(self, height: int) -> Seal:
        """The seal of the last committed block, which is never below a ``height`` that was committed."""
        return Seal(self.seal(), self._application.info().height)


_MAX_BYTES = 2**31 - 1  # the application's own parameter limits a block on this engine
