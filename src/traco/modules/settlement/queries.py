"""Reads of batches on committed state."""

from collections.abc import Mapping

from traco.kernel.codec import Id, Record
from traco.kernel.module import Query
from traco.kernel.state import State
from traco.modules.settlement.keeper import Keeper
from traco.modules.settlement.state import Batch


class GetBatch(Record, frozen=True):
    """Asks for a batch."""

    batch: Id


class BatchView(Record, frozen=True):
    """A batch with its id, and whether it is complete (open, all legs allocated and approved)."""

    id: Id
    batch: Batch
    complete: bool


class Queries:
    """Answers from a keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def declared(self) -> Mapping[str, Query]:
        """The queries by name."""
        return {
            "settlement.batch": Query(
                GetBatch, self.batch, "A batch and what is given for it; its status once ended."
            )
        }

    def batch(self, state: State, request: GetBatch) -> BatchView | None:
        """The batch, or None."""
        found = self._keeper.get(state, request.batch)
        return None if found is None else BatchView(request.batch, found, found.complete)
