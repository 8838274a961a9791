"""What must hold of batches and the holds made for them, whatever was executed.

A transaction is checked on the batches that it wrote; audits and simulations check all of them with the same rule.
"""

from collections.abc import Mapping
from typing import Final

from traco.kernel.codec import Record
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, prefix_end
from traco.modules.holding.encumbrance_errors import HoldUnknown
from traco.modules.settlement.messages import OwnHolding
from traco.modules.settlement.ports import Hold, Holds
from traco.modules.settlement.state import BATCHES, Batch, hold_id

_PREFIX_BYTES: Final = len(BATCHES.prefix)


class Invariants:
    """The rules, over the holds of the holding module."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    def touched(self, state: State, before: Mapping[bytes, Record | None], /) -> None:
        """Check the batches that a transaction wrote. Raises ``InvariantBroken``."""
        for key in before:
            if key.startswith(BATCHES.prefix):
                broken = self.broken_at(state, key[_PREFIX_BYTES:])
                if broken is not None:
                    raise InvariantBroken(broken)

    def whole_ledger(self, state: State, /) -> list[str]:
        """Every violation in the whole state, with the batch it was found at."""
        found = []
        for key in state.range(BATCHES.prefix, prefix_end(BATCHES.prefix)):
            broken = self.broken_at(state, key[_PREFIX_BYTES:])
            if broken is not None:
                found.append(f"{broken} at {key.hex()}")
        return found

    def broken_at(self, state: State, batch: bytes) -> str | None:
        """The name of what is wrong with a batch, or None.

        ``settlement.kept``: a batch never disappears. ``settlement.shape``: an open batch has a part for each leg, an
        ended one has no content. ``settlement.holds``: an allocation of an own holding has its one hold, of that amount
        and for this batch; nothing else has one.
        """
        record = BATCHES.get(state, batch)
        if record is None:
            return "settlement.kept"
        size = record.size if record.status == "open" else 0
        parts = (len(record.legs), len(record.allocations), len(record.approvals))
        if parts != (size, size, size):
            return "settlement.shape"
        for leg in range(record.size):
            if not _held_as_allocated(record, batch, leg, self._hold(state, batch, leg)):
                return "settlement.holds"
        return None

    def _hold(self, state: State, batch: bytes, leg: int) -> Hold | None:
        try:
            return self._holds.hold_of(state, hold_id(batch, leg))
        except HoldUnknown:
            return None


def _held_as_allocated(record: Batch, batch: bytes, leg: int, hold: Hold | None) -> bool:
    allocation = record.allocations[leg] if record.status == "open" else None
    if hold is None or not isinstance(allocation, OwnHolding):
        return hold is None and not isinstance(allocation, OwnHolding)
    owed = record.legs[leg]
    return (hold.account, hold.instrument, hold.amount, hold.executor) == (
        allocation.account, owed.instrument, owed.amount, batch,
    )  # fmt: skip
