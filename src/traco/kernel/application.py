"""The replicated state machine behind the ABCI 2.0 calls. Every engine drives this same object.

    info, init_chain                     at start
    check_tx                             for each envelope offered to this node
    prepare_proposal, process_proposal   when a block is proposed
    finalize_block, commit               when a block is decided; finalize may be repeated, commit makes it durable
    query                                on committed state

Only ``commit`` and ``init_chain`` make anything durable. An exception other than ``Halt`` is a bug of this class: the
node must stop on either.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from traco.kernel.block import BlockExecution, EnvelopeAnswer, Executed, check_envelope
from traco.kernel.codec import ROOT, Record
from traco.kernel.due import next_due_ms
from traco.kernel.errors import Failure, Halt, Refused
from traco.kernel.execution import Alarm
from traco.kernel.founding import found
from traco.kernel.genesis import Genesis, network_id, write_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.merkle import Frontier
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import protocol_at
from traco.kernel.receipt import (
    BlockRecord,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)
from traco.kernel.registry import Registry
from traco.kernel.screening import DirectScreener, Screener
from traco.kernel.state import State
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, Store
from traco.kernel.used_ids import UsedIds


class Info(NamedTuple):
    """Where the committed ledger stands; height 0 with an empty app hash before the founding."""

    height: int
    time_ms: int
    app_hash: bytes


class Finalized(NamedTuple):
    """The result of a block: an answer per envelope, and the block as the store will get it."""

    answers: tuple[EnvelopeAnswer, ...]
    block: CommittedBlock


class Application:
    """One ledger (the root, or a channel) of one network, over one store."""

    def __init__(
        self, genesis: Genesis, registry: Registry, store: Store, alarm: Alarm,
        screener: Screener | None = None, ledger: bytes = ROOT,
    ) -> None:  # fmt: skip
        self.network = network_id(genesis)
        self.ledger = ledger
        self.registry = registry
        self._genesis = genesis
        self._store = store
        self._alarm = alarm
        self._parameters = Parameters(
            {m.name: m.parameters for m in registry.modules if m.parameters is not None}
        )
        limits = genesis.kernel_parameters()
        self._screener: Screener = screener or DirectScreener(registry.body, limits)
        self._pending: Finalized | None = None
        self._begun = False  # a block was begun and not committed; it may have ended in an exception
        self._undo: Callable[[], None] | None = None
        self._load()

    def reload(self) -> Info:
        """Go on from what the store has now, because its content was replaced; the block in progress is given up.

        Raises ``Halt`` where that does not have its app hash.
        """
        self._pending, self._undo, self._begun = None, None, False
        self._load()
        return self._info

    def _load(self) -> None:
        loaded = self._store.load()
        self._used = UsedIds()
        if loaded is None:
            self._tree, self._history = StateTree(), Frontier()
            self._info = Info(0, 0, b"")
        else:
            self._tree, self._history = loaded.tree, loaded.history
            self._info = Info(loaded.height, loaded.time_ms, loaded.app_hash)
            self._used.load(loaded.used)
            self._used.inherit(loaded.inherited)
            if app_hash(self._tree.root(), self._history.root(), self._history.size) != loaded.app_hash:
                raise Halt("the stored state does not have the stored app hash; restore a backup or rebuild")
        self._state = State(self._tree)

    @property
    def state(self) -> State:
        """The committed state, for reads between blocks."""
        return self._state

    @property
    def tree(self) -> StateTree:
        """The committed tree, for proofs between blocks."""
        return self._tree

    @property
    def parameters(self) -> Parameters:
        """Typed access to the parameters in the state."""
        return self._parameters

    def info(self) -> Info:
        """Where the committed ledger stands."""
        return self._info

    def init_chain(self) -> bytes:
        """Found the ledger from its genesis and make block 0 durable; the app hash. Only on an empty store."""
        if self._info.app_hash:
            raise Halt("the ledger was founded before")
        context = BlockContext(self.network, self.ledger, 0, self._genesis.time_ms, self._genesis.protocol)
        found(self._genesis, self.registry, self._parameters, self._state, context)
        block = self._block(context, (), Executed())
        self._store.found(write_genesis(self._genesis), block, self._tree)
        self._info = Info(0, context.time_ms, block.app_hash)
        return block.app_hash

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

    def next_due_ms(self) -> int | None:
        """When the next due item falls due; an engine makes a block then."""
        return next_due_ms(self._state)

    def finalize_block(self, height: int, time_ms: int, envelopes: Sequence[bytes]) -> Finalized:
        """Execute the decided block ``height`` on the last committed state. Nothing is durable until ``commit``."""
        self._abandon()
        if height != self._info.height + 1:
            raise Halt(f"block {height} was decided, but block {self._info.height + 1} is next")
        if time_ms < self._info.time_ms:
            raise Halt(
                f"block {height} is at {time_ms} ms, before its predecessor at {self._info.time_ms} ms"
            )
        self._begun = True
        protocol = protocol_at(self._state, height)
        context = BlockContext(self.network, self.ledger, height, time_ms, protocol)
        execution = BlockExecution(
            self.registry, self._parameters, self._state, context, self._used, self._screener, self._alarm
        )
        answers = execution.run(envelopes)
        block = self._block(context, tuple(envelopes), execution.executed())
        self._pending = Finalized(answers, block)
        return self._pending

    def _block(
        self, context: BlockContext, envelopes: tuple[bytes, ...], executed: Executed
    ) -> CommittedBlock:
        """Put the changes into the tree and the block into the history; keep how to undo both."""
        changes = self._state.changes()
        old_history = self._history
        touched = self._tree.apply(changes)
        self._state.reset(committed=True)
        state_root = self._tree.root()
        record, record_hash = None, b""
        if executed.leaves:
            record = BlockRecord(
                context.height, context.time_ms, transactions_root(executed.leaves),
                receipts_root(executed.leaves), state_root, len(executed.leaves),
            )  # fmt: skip
            record_hash = block_leaf_hash(record)
            self._history = Frontier.decode(old_history.size, old_history.encode())
            self._history.append(record_hash)

        def undo() -> None:
            self._tree.revert()
            self._history = old_history

        self._undo = undo
        root, size = self._history.root(), self._history.size
        return CommittedBlock(
            context.height, context.time_ms, context.protocol, app_hash(state_root, root, size), state_root, root, size,
            record, record_hash, envelopes, executed.leaves, executed.refusals, self._used.pending(),
            changes, touched,
        )  # fmt: skip

    def _abandon(self) -> None:
        """Return to the last committed state: finalize may be repeated, with the same block or another."""
        if not self._begun:
            return  # what was decoded of the last commit stays
        if self._pending is not None and self._undo is not None:
            self._undo()
        self._pending = None
        self._used.abandon()
        self._state.reset(committed=False)
        self._begun = False

    def commit(self) -> Info:
        """Make the finalized block durable. Raises ``Halt`` when the store cannot."""
        if self._pending is None:
            raise Halt("commit without a finalized block")
        block = self._pending.block
        self._store.commit(block, self._tree)
        self._used.commit(block.time_ms)
        self._info = Info(block.height, block.time_ms, block.app_hash)
        self._pending, self._begun = None, False
        return self._info

    def query(self, name: str, request: Record) -> Any:
        """The answer of a module's query on committed state. Raises ``Rejected`` or ``KeyError`` (no such query)."""
        return self.registry.queries[name].answer(self._state, request)
