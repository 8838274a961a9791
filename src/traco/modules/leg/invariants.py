"""What must hold of legs and the batch holds made for them, whatever was executed."""

from collections.abc import Mapping
from typing import Final

from traco.kernel.batch_hold import BATCH_HOLD_TABLE, BatchHold
from traco.kernel.codec import Record
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, Table, prefix_end
from traco.modules.leg.state import LEGS, OWNER

_HOLDS: Final[Table[BatchHold]] = Table(KERNEL_PREFIX, BATCH_HOLD_TABLE, BatchHold)
_PREFIX_BYTES: Final = len(LEGS.prefix)


def touched(state: State, before: Mapping[bytes, Record | None], /) -> None:
    """``leg.held``: a leg is undecided if and only if a batch hold is open for it. Raises ``InvariantBroken``."""
    for key in before:
        if key.startswith((LEGS.prefix, _HOLDS.prefix)) and not _is_consistent(state, key[_PREFIX_BYTES:]):
            raise InvariantBroken("leg.held")


def whole_ledger(state: State, /) -> list[str]:
    """The same for every leg and every batch hold."""
    attempts: dict[bytes, None] = {}
    for prefix in (LEGS.prefix, _HOLDS.prefix):
        for key in state.range(prefix, prefix_end(prefix)):
            attempts[key[_PREFIX_BYTES:]] = None
    return [f"leg.held at {attempt.hex()}" for attempt in attempts if not _is_consistent(state, attempt)]


def _is_consistent(state: State, attempt: bytes) -> bool:
    hold = _HOLDS.get(state, attempt)
    return (hold is not None and hold.owner == OWNER) == (LEGS.get(state, attempt) is not None)
