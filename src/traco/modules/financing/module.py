"""The module of financing: its declarations in one place."""

from traco.kernel.module import Module
from traco.modules.financing import errors, events, messages
from traco.modules.financing.handlers import Handlers
from traco.modules.financing.invariants import Invariants
from traco.modules.financing.keeper import OFFER_EXPIRY, OVERDUE, REQUEST_EXPIRY, Keeper
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.financing.ports import Documents, Holdings, Parties, Settlements
from traco.modules.financing.queries import Queries
from traco.modules.financing.recourse import RECOURSE_DUE
from traco.modules.financing.state import PREFIX


class FinancingModule(Module):
    """Financing of invoices and the life of the receivables issued from them. ``keeper`` is for other modules."""

    name = "financing"
    prefix = PREFIX

    def __init__(
        self, parties: Parties, holdings: Holdings, settlements: Settlements, documents: Documents
    ) -> None:
        super().__init__()
        self.keeper = Keeper(parties, holdings, settlements, documents)
        handlers = Handlers(self.keeper, holdings)
        invariants = Invariants(holdings, documents)
        self.instructions = {
            messages.RequestFinancing: handlers.request,
            messages.CancelFinancing: handlers.cancel,
            messages.MakeOffer: handlers.offer,
            messages.WithdrawOffer: handlers.withdraw_offer,
            messages.AcceptOffer: handlers.accept,
            messages.Pay: handlers.pay,
            messages.SetPayout: handlers.set_payout,
            messages.Collect: handlers.collect,
            messages.Dilute: handlers.dilute,
            messages.DemandRecourse: handlers.demand_recourse,
            messages.PayRecourse: handlers.pay_recourse,
        }
        self.consequences = {
            messages.FinancingSettled: self.keeper.settled,
            messages.FinancingReleased: self.keeper.released,
        }
        self.events = events.EVENTS
        self.errors = errors.ERRORS
        self.queries = Queries(self.keeper, documents).declared()
        self.due = {
            REQUEST_EXPIRY: self.keeper.expire_request,
            OFFER_EXPIRY: self.keeper.expire_offer,
            OVERDUE: self.keeper.payments.mark_overdue,
            RECOURSE_DUE: self.keeper.recourses.fall_due,
        }
        self.invariants = (invariants.touched,)
        self.ledger_invariants = (invariants.whole_ledger,)
        self.parameters = FinancingParameters()
