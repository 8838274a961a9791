"""Makes and ends what legs hold: the only code that writes this module's keys.

All checks but who may run when a leg is held. Its decision is unconditional: nothing that happens in between stops it.
"""

from collections.abc import Iterator

from traco.kernel.batch_hold import EDGE, BatchHold, BatchHolds, Movement
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.leg.errors import NotHeld
from traco.modules.leg.events import LegDecided, LegHeld
from traco.modules.leg.messages import LegContent
from traco.modules.leg.ports import Entering, Holdings
from traco.modules.leg.state import LEGS, OWNER, OpenLeg


class Keeper:
    """Legs from their hold to the decision."""

    def __init__(self, holdings: Holdings) -> None:
        self._holds = BatchHolds(holdings)

    def get(self, state: State, attempt: bytes) -> OpenLeg | None:
        """The leg that is held for an attempt, or None."""
        return LEGS.get(state, attempt)

    def held(self, state: State, attempt: bytes) -> BatchHold | None:
        """What it moves, or None."""
        found = self._holds.get(state, attempt)
        return found if found is not None and found.owner == OWNER else None

    def page(self, state: State, after: bytes, limit: int) -> list[tuple[bytes, OpenLeg]]:
        """Up to ``limit`` undecided legs in order of attempts, behind ``after`` (empty: from the first)."""
        return LEGS.scan(state, after=after, limit=limit)

    def hold(self, context: Context, leg: Entering, content: LegContent) -> None:
        """Set everything aside. Raises ``BatchHoldExists`` and the holding module's refusals."""
        self._holds.make(context, leg.attempt, OWNER, tuple(movements_of(content)))
        LEGS.put(context.state, OpenLeg(leg.terms, leg.commitment, context.block.time_ms), leg.attempt)
        context.emit(LegHeld(leg.attempt, leg.terms))

    def execute(self, context: Context, attempt: bytes) -> None:
        """The decision COMMIT. Raises ``NotHeld``, which can only be where this ledger differs from others' replicas."""
        if LEGS.get(context.state, attempt) is None:
            raise NotHeld(attempt)
        self._holds.execute(context, attempt)
        self._end(context, attempt, committed=True, held=True)

    def release(self, context: Context, attempt: bytes) -> None:
        """The decision ABORT. A leg that was refused holds nothing, and nothing is released."""
        held = LEGS.get(context.state, attempt) is not None
        if held:
            self._holds.release(context, attempt)
        self._end(context, attempt, committed=False, held=held)

    def _end(self, context: Context, attempt: bytes, *, committed: bool, held: bool) -> None:
        LEGS.delete(context.state, attempt)
        context.emit(LegDecided(attempt, committed, held))


def movements_of(content: LegContent) -> Iterator[Movement]:
    """What a batch hold moves for a leg: within, out, in."""
    yield from content.movements
    for out in content.exports:
        yield Movement(out.instrument, out.account, EDGE, out.amount, out.reference)
    for into in content.imports:
        yield Movement(into.instrument, EDGE, into.account, into.amount, into.reference)
