"""Records of this module and their keys.

    BATCHES   batch id -> ``Batch``; kept after its end, without its content, so that an id is never used again

An own holding allocated to leg ``i`` of batch ``b`` is held by the holding module under the id ``hold_id(b, i)``.
"""

from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.codec import Hash, Id, Record, TimeMs
from traco.kernel.state import Table
from traco.modules.settlement.messages import MOST_LEGS, Allocation, Approval, SettlementInstruction

PREFIX: Final = 0x03

Release = Literal["cancelled", "expired"]
Status = Literal["open", "settled"] | Release


class Batch(Record, frozen=True, tag=1):
    """A batch. ``allocations`` and ``approvals`` have an entry for each leg, None where it is not given yet.

    ``on_settle`` and ``on_release`` are encoded consequences that the module which made the batch attached. Once ended, it
    keeps requestor, status, deadline, terms and size only; its content is in the receipts.
    """

    requestor: Id
    status: Status
    deadline_ms: TimeMs
    terms: Hash
    size: Annotated[int, msgspec.Meta(ge=1, le=MOST_LEGS)]
    auto: bool
    settlers: tuple[Id, ...]
    legs: tuple[SettlementInstruction, ...]
    allocations: tuple[Allocation | None, ...]
    approvals: tuple[Approval | None, ...]
    on_settle: tuple[bytes, ...]
    on_release: tuple[bytes, ...]

    @property
    def complete(self) -> bool:
        """Whether it is open and all legs are allocated and approved."""
        return self.status == "open" and None not in self.allocations and None not in self.approvals


BATCHES: Final[Table[Batch]] = Table(PREFIX, 0x01, Batch)


def hold_id(batch: bytes, leg: int) -> bytes:
    """The id (32 bytes) of the hold for a leg. Ids made by hashing do not meet it."""
    return batch + leg.to_bytes(16, "big")
