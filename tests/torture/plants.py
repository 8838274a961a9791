"""Known faults, to be planted one at a time in a process that tests the torture itself."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import apsw

from torture.plants_business import (
    discharge_overpaid,
    mark_lost_at_release,
    one_approval_is_enough,
    remainder_to_the_smallest,
    removed_key_signs,
)
from traco.kernel.execution import Execution
from traco.kernel.module import Context
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock, LoadedLedger
from traco.kernel.used_ids import UsedIds
from traco.modules.holding.encumbrances import Encumbrances
from traco.modules.holding.events import HoldEnd
from traco.modules.holding.state import OpenHold
from traco.node.gateway import Gateway
from traco.node.outbox import Outbox
from traco.storage import ledger_store
from traco.storage.database import open_writer as original_open_writer
from traco.storage.ledger_store import LedgerStore


class Plant(NamedTuple):
    """A fault and how to plant it. ``in_processes``: it shows only under another hash seed, in another process."""

    says: str
    planted: Callable[[], AbstractContextManager[object]]
    in_processes: bool = False


def synchronous_off() -> AbstractContextManager[object]:
    """The store does not sync what it commits."""

    def open_writer(path: str, vfs: str | None, durable: bool, checkpoint_pages: int) -> apsw.Connection:
        connection = original_open_writer(path, vfs, durable, checkpoint_pages)
        connection.pragma("synchronous", "OFF")
        return connection

    return patch.object(ledger_store, "open_writer", open_writer)


def outbox_without_fsync() -> AbstractContextManager[object]:
    """The outbox does not sync what it keeps."""
    original = Outbox.__init__

    def opened(self: Outbox, path: Path, vfs: str | None = None) -> None:
        original(self, path, vfs)
        self._connection.execute("PRAGMA synchronous=OFF")

    return patch.object(Outbox, "__init__", opened)


def commit_split() -> AbstractContextManager[object]:
    """A block's state and its record become durable in two transactions."""
    original = LedgerStore._write_block

    def write_block(self: LedgerStore, block: CommittedBlock, tree: StateTree) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("BEGIN IMMEDIATE")
        original(self, block, tree)

    return patch.object(LedgerStore, "_write_block", write_block)


def set_iteration() -> AbstractContextManager[object]:
    """The events of a transaction come in the order of a set."""
    original = Execution.emit

    def emit(self: Execution, event: Any) -> None:
        original(self, event)
        self.events[:] = list(set(self.events))

    return patch.object(Execution, "emit", emit)


def replay_skipped() -> AbstractContextManager[object]:
    """Nobody asks whether an id was used up."""
    return patch.object(UsedIds, "contains", lambda self, identity, valid_until: False)


def hold_released_twice() -> AbstractContextManager[object]:
    """What a hold set aside returns, and the hold stays; the checks of a transaction are off, or they would see it."""

    def release_hold(self: Encumbrances, context: Context, hold: bytes) -> None:
        record: OpenHold = self.hold_of(context.state, hold)
        for _ in range(2):
            self._book.credit(context, record.instrument, record.account, record.amount)
        self._end_hold(context, hold, record, 0, HoldEnd.RELEASED)

    return patch.object(Encumbrances, "release_hold", release_hold)


@contextmanager
def hold_released_twice_unchecked() -> Iterator[None]:
    """The same fault where no invariant of a transaction is checked."""
    with (
        hold_released_twice(),
        patch("traco.kernel.execution.Executor._check_invariants", lambda self, start: None),
    ):
        yield


def early_acknowledgement() -> AbstractContextManager[object]:
    """A transaction is acknowledged before the outbox has it."""
    original = Gateway._pack

    async def run(self: Gateway) -> None:
        while True:
            await self._await_work()
            for key in self._next_keys():
                self._entries[key].make_durable()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            original(self)
            if self._engine.wants_block():
                self._make_block()

    return patch.object(Gateway, "run", run)


def used_id_lost() -> AbstractContextManager[object]:
    """One of the used ids of the last block is not there after a restart."""
    original = LedgerStore.load

    def load(self: LedgerStore) -> LoadedLedger | None:
        loaded = original(self)
        return None if loaded is None else loaded._replace(used=list(loaded.used)[:-1])

    return patch.object(LedgerStore, "load", load)


def abandoned_block_stays() -> AbstractContextManager[object]:
    """A block that was finalized and then replaced by another is not taken out of the tree."""
    return patch.object(StateTree, "revert", lambda self: None)


PLANTS: dict[str, Plant] = {
    "synchronous_off": Plant("the store does not sync", synchronous_off),
    "outbox_without_fsync": Plant("the outbox does not sync", outbox_without_fsync),
    "commit_split": Plant("a block is committed in two parts", commit_split),
    "set_iteration": Plant("events in the order of a set", set_iteration, in_processes=True),
    "replay_skipped": Plant("used ids are not looked at", replay_skipped),
    "hold_released_twice": Plant("a hold is released twice", hold_released_twice),
    "hold_released_twice_unchecked": Plant("the same, invariants off", hold_released_twice_unchecked),
    "early_acknowledgement": Plant("acknowledged before it is durable", early_acknowledgement),
    "used_id_lost": Plant("a used id is lost at a restart", used_id_lost),
    "abandoned_block_stays": Plant("a replaced block leaves traces", abandoned_block_stays),
    "discharge_overpaid": Plant("who is paid last gets a unit too much", discharge_overpaid),
    "remainder_to_the_smallest": Plant("what division leaves goes to others", remainder_to_the_smallest),
    "mark_lost_at_release": Plant("a release makes a financed invoice free", mark_lost_at_release),
    "removed_key_signs": Plant("a removed key still signs", removed_key_signs),
    "one_approval_is_enough": Plant("a proposal runs with one approval", one_approval_is_enough),
}
