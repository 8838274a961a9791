"""Batch holds: value set aside for a settlement whose decision comes later, executed or released without conditions.

All checks run when the hold is made, and the credit is reserved then. Executing or releasing is unconditional: no
hook, pause, freeze, suspension or expiry of a key stops it. Each batch hold ends exactly once.
"""

from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from traco.kernel.codec import Code, Id, PositiveAmount, Record, Reference
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.errors import Rejected
from traco.kernel.module import Context
from traco.kernel.state import State, Table

BATCH_HOLD_TABLE: Final = 0x04
EDGE: Final[bytes] = bytes(16)
"""Stands in a movement for what lies beyond the ledger: as sender where the amount comes in, as receiver where it goes out."""


class Movement(Record, frozen=True):
    """A reserved movement: from an account's bucket to an account, in the instrument's smallest unit.

    One of the two may be ``EDGE``: what comes in is issued, and what goes out redeemed, when the hold is executed.
    """

    instrument: Id
    sender: Id
    receiver: Id
    amount: PositiveAmount
    reference: Reference


class BatchHold(Record, frozen=True, tag=1):
    """What a settlement holds. ``owner`` names the module that decides about it."""

    owner: Code
    movements: tuple[Movement, ...]


class Buckets(Protocol):
    """What the module that keeps holdings must do, unconditionally, for each movement."""

    def reserve(self, context: Context, movement: Movement) -> None:
        """Run every check, take the amount out of the sender's available holding, and reserve the credit."""

    def execute(self, context: Context, movement: Movement) -> None:
        """Credit the receiver with what was reserved. Never refuses."""

    def release(self, context: Context, movement: Movement) -> None:
        """Give the sender back what was reserved. Never refuses."""


@dataclass(eq=False)
class BatchHoldExists(Rejected):
    """A batch hold with this id is open."""

    code: ClassVar[str] = "batch_hold.exists"
    says: ClassVar[str] = "A batch hold {hold} is open already."
    advice: ClassVar[str] = "Decide it first."
    hold: bytes


@dataclass(eq=False)
class BatchHoldEnded(Rejected):
    """No batch hold with this id is open."""

    code: ClassVar[str] = "batch_hold.ended"
    says: ClassVar[str] = "No batch hold {hold} is open."
    advice: ClassVar[str] = "It was executed or released before, or never made."
    hold: bytes


class BatchHolds:
    """Makes and ends batch holds over the buckets of one holding module."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._table: Table[BatchHold] = Table(KERNEL_PREFIX, BATCH_HOLD_TABLE, BatchHold)

    def get(self, state: State, hold: bytes) -> BatchHold | None:
        """The open hold, or None."""
        return self._table.get(state, hold)

    def make(self, context: Context, hold: bytes, owner: str, movements: tuple[Movement, ...]) -> None:
        """Reserve all movements or raise ``Rejected``; ``hold`` is a 32-byte id chosen by the owner."""
        if self._table.get(context.state, hold) is not None:
            raise BatchHoldExists(hold)
        for movement in movements:
            self._buckets.reserve(context, movement)
        self._table.put(context.state, BatchHold(owner, movements), hold)

    def execute(self, context: Context, hold: bytes) -> None:
        """Apply the decision COMMIT: every reserved credit is made. Raises ``BatchHoldEnded``."""
        for movement in self._end(context, hold).movements:
            self._buckets.execute(context, movement)

    def release(self, context: Context, hold: bytes) -> None:
        """Apply the decision ABORT: every amount returns to its sender. Raises ``BatchHoldEnded``."""
        for movement in self._end(context, hold).movements:
            self._buckets.release(context, movement)

    def _end(self, context: Context, hold: bytes) -> BatchHold:
        found = self._table.get(context.state, hold)
        if found is None:
            raise BatchHoldEnded(hold)
        self._table.delete(context.state, hold)
        return found
