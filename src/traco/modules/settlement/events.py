"""What happened to batches, as receipts and projections carry it. Each movement of value has its own event besides."""

from traco.kernel.codec import Code, Id, TimeMs
from traco.kernel.instruction import Event
from traco.modules.settlement.messages import LegIndex, SettlementInstruction
from traco.modules.settlement.state import Release


class BatchCreated(Event, frozen=True, tag="settlement.batch_created/1"):
    """Legs wait to be settled all or none."""

    batch: Id
    requestor: Id
    legs: tuple[SettlementInstruction, ...]
    deadline_ms: TimeMs


class Affirmed(Event, frozen=True, tag="settlement.affirmed/1"):
    """A party allocated and approved legs; ``complete`` says that nothing is missing any more."""

    batch: Id
    party: Id
    allocated: tuple[LegIndex, ...]
    approved: tuple[LegIndex, ...]
    complete: bool


class Withdrawn(Event, frozen=True, tag="settlement.withdrawn/1"):
    """A party took back its allocations and approvals."""

    batch: Id
    party: Id
    allocated: tuple[LegIndex, ...]
    approved: tuple[LegIndex, ...]


class BatchSettled(Event, frozen=True, tag="settlement.batch_settled/1"):
    """All legs are settled."""

    batch: Id


class BatchReleased(Event, frozen=True, tag="settlement.batch_released/1"):
    """The batch ended without settling anything."""

    batch: Id
    status: Release
    reason: Code
