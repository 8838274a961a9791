"""The module of settlement: its declarations in one place."""

from traco.kernel.module import Module
from traco.modules.settlement import errors, events, messages
from traco.modules.settlement.handlers import Handlers
from traco.modules.settlement.invariants import Invariants
from traco.modules.settlement.keeper import EXPIRY, Keeper
from traco.modules.settlement.parameters import SettlementParameters
from traco.modules.settlement.ports import Holdings, Parties
from traco.modules.settlement.queries import Queries
from traco.modules.settlement.state import PREFIX


class SettlementModule(Module):
    """Batches that settle all or none, over the given parties and holdings. ``keeper`` is for other modules."""

    name = "settlement"
    prefix = PREFIX

    def __init__(self, parties: Parties, holdings: Holdings) -> None:
        super().__init__()
        self.keeper = Keeper(parties, holdings)
        handlers = Handlers(self.keeper)
        invariants = Invariants(holdings.encumbrances)
        self.instructions = {
            messages.CreateBatch: handlers.create_batch,
            messages.Affirm: handlers.affirm,
            messages.Withdraw: handlers.withdraw,
            messages.Settle: handlers.settle,
            messages.Cancel: handlers.cancel,
        }
        self.events = (
            events.BatchCreated, events.Affirmed, events.Withdrawn, events.BatchSettled, events.BatchReleased,
        )  # fmt: skip
        self.errors = errors.ERRORS
        self.queries = Queries(self.keeper).declared()
        self.due = {EXPIRY: self.keeper.expire}
        self.invariants = (invariants.touched,)
        self.ledger_invariants = (invariants.whole_ledger,)
        self.parameters = SettlementParameters()
