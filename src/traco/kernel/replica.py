"""One ledger's replicated state machine, whoever drives it: state, tree, history and used ids over one store.

The root is driven by an engine (``application``), a channel by its stream (``traco.channels.executing``). Only ``commit``
and the founding make anything durable. An exception other than ``Halt`` is a bug: the node must stop on either.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from traco.kernel.block import Executed
from traco.kernel.codec import Record
from traco.kernel.due import next_due_ms
from traco.kernel.errors import Halt
from traco.kernel.execution import Alarm
from traco.kernel.genesis import Genesis, network_id, write_genesis
from traco.kernel.merkle import Frontier
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.receipt import (
    BlockRecord,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, Store
from traco.kernel.used_ids import UsedIds


class Info(NamedTuple):
    """Where the committed ledger stands; height 0 with an empty app hash before the founding."""

    height: int
    time_ms: int
    app_hash: bytes


class Replica:
    """The state of one ledger (the root, or a channel) of one network, and how a block of it becomes durable.

    A block is begun, put together (``_block``) and committed; whatever was begun and not committed is given up before the next.
    """

    def __init__(
        self, genesis: Genesis, registry: Registry, parameters: Parameters, store: Store, alarm: Alarm,
        ledger: bytes,
    ) -> None:  # fmt: skip
        self.network = network_id(genesis)
        self.ledger = ledger
        self.registry = registry
        self._genesis = genesis
        self._store = store
        self._alarm = alarm
        self._parameters = parameters
        self._pending: CommittedBlock | None = None
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
    def history(self) -> Frontier:
        """The edge of the committed history log."""
        return self._history

    @property
    def parameters(self) -> Parameters:
        """Typed access to the parameters in force."""
        return self._parameters

    def info(self) -> Info:
        """Where the committed ledger stands."""
        return self._info

    def next_due_ms(self) -> int | None:
        """When the next due item falls due: who drives the ledger has a block made then."""
        return next_due_ms(self._state)

    def query(self, name: str, request: Record) -> Any:
        """The answer of a module's query on committed state. Raises ``Rejected`` or ``KeyError`` (no such query)."""
        return self.registry.queries[name].answer(self._state, request)

    def commit(self) -> Info:
        """Make the finalized block durable. Raises ``Halt`` when the store cannot."""
        block = self._pending
        if block is None:
            raise Halt("commit without a finalized block")
        self._store.commit(block, self._tree)
        self._used.commit(block.time_ms)
        self._info = Info(block.height, block.time_ms, block.app_hash)
        self._pending, self._begun = None, False
        return self._info

    def _found(self, context: BlockContext) -> bytes:
        """Make what the state has now durable as block 0; the app hash."""
        block = self._block(0, context, (), Executed())
        self._store.found(write_genesis(self._genesis), block, self._tree)
        self._info = Info(0, context.time_ms, block.app_hash)
        return block.app_hash

    def _begin(self, height: int, time_ms: int) -> None:
        """Give up what was begun, and begin a block. Raises ``Halt`` for one that cannot follow the last committed."""
        self._abandon()
        if height != self._info.height + 1:
            raise Halt(f"block {height} was decided, but block {self._info.height + 1} is next")
        if time_ms < self._info.time_ms:
            raise Halt(
                f"block {height} is at {time_ms} ms, before its predecessor at {self._info.time_ms} ms"
            )
        self._begun = True

    def _block(
        self, height: int, context: BlockContext, content: tuple[bytes, ...], executed: Executed
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
                height, context.time_ms, transactions_root(executed.leaves),
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
            height, context.time_ms, context.protocol, app_hash(state_root, root, size), state_root, root, size,
            record, record_hash, content, executed.leaves, executed.refusals, self._used.pending(),
            changes, touched,
        )  # fmt: skip

    def _abandon(self) -> None:
        """Return to the last committed state: a block may be executed again, the same or another."""
        if not self._begun:
            return  # what was decoded of the last commit stays
        if self._pending is not None and self._undo is not None:
            self._undo()
        self._pending = None
        self._used.abandon()
        self._state.reset(committed=False)
        self._begun = False
