"""The totals of instruments: room under the cap, and what issues and redemptions make of them. Not for holdings."""

from msgspec.structs import replace

from traco.kernel.codec import MAX_AMOUNT
from traco.kernel.state import State
from traco.modules.holding.errors import InstrumentUnknown, SupplyExceeded
from traco.modules.holding.state import PENDING, SUPPLIES, Pending, Supply


def pending_of(state: State, instrument: bytes) -> int:
    """What undecided batch holds will issue of the instrument."""
    found = PENDING.get(state, instrument)
    return 0 if found is None else found.amount


def require_room(state: State, instrument: bytes, amount: int) -> None:
    """Raises ``SupplyExceeded`` where the cap leaves no room for so much more, and ``InstrumentUnknown``."""
    supply = _supply(state, instrument)
    room = supply.cap - supply.outstanding - pending_of(state, instrument)
    if amount > room:
        raise SupplyExceeded(instrument, room)


def add_pending(state: State, instrument: bytes, change: int) -> None:
    """Change what undecided batch holds will issue."""
    amount = pending_of(state, instrument) + change
    if amount:
        PENDING.put(state, Pending(amount), instrument)
    else:
        PENDING.delete(state, instrument)


def add_issue(state: State, instrument: bytes, amount: int) -> None:
    """Count an issue; there is room for it."""
    SUPPLIES.put(state, _after_issue(_supply(state, instrument), amount), instrument)


def add_redemption(state: State, instrument: bytes, amount: int) -> None:
    """Count a redemption."""
    supply = _supply(state, instrument)
    reduced = replace(supply, redeemed=supply.redeemed + amount, outstanding=supply.outstanding - amount)
    SUPPLIES.put(state, reduced, instrument)


def _supply(state: State, instrument: bytes) -> Supply:
    found = SUPPLIES.get(state, instrument)
    if found is None:
        raise InstrumentUnknown(instrument)
    return found


def _after_issue(supply: Supply, amount: int) -> Supply:
    """The totals after an issue; what was redeemed is carried out of both where ``issued`` would not fit an amount."""
    outstanding = supply.outstanding + amount
    if supply.issued + amount > MAX_AMOUNT:
        return Supply(outstanding, 0, outstanding, supply.cap, supply.carries + 1)
    return Supply(supply.issued + amount, supply.redeemed, outstanding, supply.cap, supply.carries)
