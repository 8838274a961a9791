"""The replicated state machine behind the ABCI 2.0 calls. Every engine drives this same object.

    info, init_chain                     at start
    check_tx                             for each envelope offered to this node
    prepare_proposal, process_proposal   when a block is proposed
    finalize_block, commit               when a block is decided; finalize may be repeated, commit makes it durable
    query                                on committed state

Only ``commit`` and ``init_chain`` make anything durable. An exception other than ``Halt`` is a bug of this class: the
node must stop on either.
"""

from collections.abc import Sequence
from typing import NamedTuple

from traco.kernel.block import BlockExecution, EnvelopeAnswer, check_envelope
from traco.kernel.codec import ROOT
from traco.kernel.errors import Failure, Halt, Refused
from traco.kernel.execution import Alarm
from traco.kernel.founding import found
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import protocol_at
from traco.kernel.registry import Registry
from traco.kernel.replica import Info, Replica
from traco.kernel.screening import DirectScreener, Screener
from traco.kernel.store import CommittedBlock, Store

__all__ = ["Application", "Finalized", "Info"]  # who drives the application finds what it answers here too


class Finalized(NamedTuple):
    """The result of a block: an answer per envelope, and the block as the store will get it."""

    answers: tuple[EnvelopeAnswer, ...]
    block: CommittedBlock


class Application(Replica):
    """One ledger of one network, over one store, as an engine sees it."""

    def __init__(
        self, genesis: Genesis, registry: Registry, store: Store, alarm: Alarm,
        screener: Screener | None = None, ledger: bytes = ROOT,
    ) -> None:  # fmt: skip
        parameters = Parameters({m.name: m.parameters for m in registry.modules if m.parameters is not None})
        super().__init__(genesis, registry, parameters, store, alarm, ledger)
        limits = genesis.kernel_parameters()
        self._screener: Screener = screener or DirectScreener(registry.body, limits)

    def init_chain(self) -> bytes:
        """Found the ledger from its genesis and make block 0 durable; the app hash. Only on an empty store."""
        if self._info.app_hash:
            raise Halt("the ledger was founded before")
        context = BlockContext(self.network, self.ledger, 0, self._genesis.time_ms, self._genesis.protocol)
        found(self._genesis, self.registry, self._parameters, self._state, context)
        return self._found(context)

    def check_tx(self, raw: bytes, time_ms: int) -> Failure | None:
        """Whether an envelope may be offered to the engine at this time; why not, if not. Does not execute it."""
        screened = self._screener.screen_envelope(raw)
        if screened.envelope is None:
            return screened.refusal
        block = BlockContext(self.network, self.ledger, self._info.height + 1, time_ms, 0)
        try:
            check_envelope(
                screened.envelope, screened.identity, block, self._limits().window_ms, self.registry.authority,
                self._state, self._used,
            )  # fmt: skip
        except Refused as refused:
            return refused.failure()
        return None

    def prepare_proposal(self, envelopes: Sequence[bytes], max_bytes: int, time_ms: int) -> tuple[bytes, ...]:
        """The envelopes to propose, in order: acceptable ones, each once, within the block's size."""
        budget = min(max_bytes, self._limits().max_block_bytes)
        chosen: dict[bytes, None] = {}
        for raw in envelopes:
            if len(raw) <= budget and raw not in chosen and self.check_tx(raw, time_ms) is None:
                chosen[raw] = None
                budget -= len(raw)
        return tuple(chosen)

    def process_proposal(self, envelopes: Sequence[bytes], time_ms: int) -> bool:
        """Whether a proposed block may be voted for: the size, and every envelope acceptable and there once."""
        if sum(len(raw) for raw in envelopes) > self._limits().max_block_bytes:
            return False
        if len(dict.fromkeys(envelopes)) != len(envelopes):
            return False
        return time_ms >= self._info.time_ms and all(self.check_tx(raw, time_ms) is None for raw in envelopes)

    def _limits(self) -> KernelParameters:
        return self._parameters.get(self._state, KernelParameters)

    def finalize_block(self, height: int, time_ms: int, envelopes: Sequence[bytes]) -> Finalized:
        """Execute the decided block ``height`` on the last committed state. Nothing is durable until ``commit``."""
        self._begin(height, time_ms)
        protocol = protocol_at(self._state, height)
        context = BlockContext(self.network, self.ledger, height, time_ms, protocol)
        execution = BlockExecution(
            self.registry, self._parameters, self._state, context, self._used, self._screener, self._alarm
        )
        answers = execution.run(envelopes)
        self._pending = self._block(height, context, tuple(envelopes), execution.executed())
        return Finalized(answers, self._pending)
