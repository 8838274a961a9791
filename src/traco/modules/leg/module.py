"""The module of legs: its declarations in one place."""

from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.module import Module
from traco.modules.leg import errors, events, invariants, messages
from traco.modules.leg.handlers import Handlers
from traco.modules.leg.keeper import Keeper
from traco.modules.leg.ports import Entrance, Holdings
from traco.modules.leg.queries import Queries
from traco.modules.leg.state import PREFIX


class LegModule(Module):
    """Legs of settlements across ledgers, from protocol 3 on. ``keeper`` is for who decides.

    ``entrance`` says which leg enters: none but that one can be held.
    """

    name = "leg"
    prefix = PREFIX
    since_protocol = 3
    watches = (KERNEL_PREFIX,)  # batch holds

    def __init__(self, holdings: Holdings, entrance: Entrance) -> None:
        super().__init__()
        self.keeper = Keeper(holdings)
        handlers = Handlers(self.keeper, holdings, entrance)
        self.instructions = {messages.HoldLeg: handlers.hold}
        self.events = (events.LegHeld, events.LegDecided)
        self.errors = errors.ERRORS
        self.queries = Queries(self.keeper).declared()
        self.invariants = (invariants.touched,)
        self.ledger_invariants = (invariants.whole_ledger,)
