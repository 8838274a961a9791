"""What happened to financings and receivables, as receipts and projections carry it. Movements of value have their own."""

from typing import Final

from traco.kernel.codec import Amount, Code, Hash, Id, PositiveAmount, Reference, TimeMs
from traco.kernel.instruction import Event


class FinancingRequested(Event, frozen=True, tag="financing.requested/1"):
    """The seller of an invoice asks for financing."""

    financing: Id
    document: Id
    seller: Id
    face: PositiveAmount
    cash: Id
    terms: Hash
    expires_ms: TimeMs


class FinancingCancelled(Event, frozen=True, tag="financing.cancelled/1"):
    """The seller took back a request."""

    financing: Id
    reason: Code


class FinancingExpired(Event, frozen=True, tag="financing.expired/1"):
    """A request ended because its time was over."""

    financing: Id


class OfferMade(Event, frozen=True, tag="financing.offered/1"):
    """A lender offers a price for what is requested."""

    financing: Id
    offer: Id
    lender: Id
    price: PositiveAmount
    recourse: bool
    firm: bool
    valid_until_ms: TimeMs


class OfferWithdrawn(Event, frozen=True, tag="financing.offer_withdrawn/1"):
    """A lender took back an offer."""

    financing: Id
    offer: Id


class OfferExpired(Event, frozen=True, tag="financing.offer_expired/1"):
    """An offer ended because its time was over."""

    financing: Id
    offer: Id


class ReceivableIssued(Event, frozen=True, tag="financing.receivable_issued/1"):
    """A receivable was issued from a document, all of it to the seller."""

    document: Id
    instrument: Id
    debtor: Id
    total: PositiveAmount


class ReceivableWithdrawn(Event, frozen=True, tag="financing.receivable_withdrawn/1"):
    """A receivable was redeemed from the seller, because nothing of it was financed."""

    document: Id
    instrument: Id


class DocumentReserved(Event, frozen=True, tag="financing.reserved/1"):
    """The seller accepted an offer: until ``deadline_ms`` nobody else's can be accepted."""

    financing: Id
    offer: Id
    document: Id
    batch: Id
    deadline_ms: TimeMs


class ReservationEnded(Event, frozen=True, tag="financing.reservation_ended/1"):
    """A reservation ended without settlement: the batch was cancelled, or its deadline passed."""

    financing: Id
    document: Id


class DocumentFinanced(Event, frozen=True, tag="financing.financed/1"):
    """A financing settled: ``financed`` of the document's receivable are financed by now."""

    financing: Id
    document: Id
    lender: Id
    face: PositiveAmount
    price: PositiveAmount
    financed: PositiveAmount


class InvoicePaid(Event, frozen=True, tag="financing.paid/1"):
    """The debtor paid; ``unpaid`` is left."""

    document: Id
    amount: PositiveAmount
    unpaid: Amount
    reference: Reference


class ReceivableRedeemed(Event, frozen=True, tag="financing.redeemed/1"):
    """A holder was paid, and as much of its receivable redeemed."""

    document: Id
    account: Id
    payout: Id
    amount: PositiveAmount


class PaymentSetAside(Event, frozen=True, tag="financing.set_aside/1"):
    """A holder's part could not be paid out and waits to be collected; without an account, it is for all holders."""

    document: Id
    account: Id | None
    amount: PositiveAmount


class InvoiceOverdue(Event, frozen=True, tag="financing.overdue/1"):
    """The due date is over and ``unpaid`` is left."""

    document: Id
    unpaid: PositiveAmount


class InvoiceDiluted(Event, frozen=True, tag="financing.diluted/1"):
    """A credit note reduced what the debtor owes by ``amount``, of which the seller paid ``made_good`` to others."""

    document: Id
    note: Id
    amount: PositiveAmount
    made_good: Amount
    unpaid: Amount


class InvoiceDischarged(Event, frozen=True, tag="financing.discharged/1"):
    """The debtor owes nothing more. The document counts as financed for good."""

    document: Id


class PayoutSet(Event, frozen=True, tag="financing.payout_set/1"):
    """Redemptions of what an account holds are paid to ``payout``; None: into the account itself."""

    account: Id
    payout: Id | None


class RecourseDemanded(Event, frozen=True, tag="financing.recourse_demanded/1"):
    """A lender demands that the seller buys back, before ``due_ms``."""

    financing: Id
    amount: PositiveAmount
    due_ms: TimeMs


class RecourseSettled(Event, frozen=True, tag="financing.recourse_settled/1"):
    """The seller bought back ``amount`` of what was demanded."""

    financing: Id
    amount: PositiveAmount


class RecourseDefaulted(Event, frozen=True, tag="financing.recourse_defaulted/1"):
    """A demand was not met in time: the seller is in default with ``amount``."""

    financing: Id
    amount: PositiveAmount


class RecourseLapsed(Event, frozen=True, tag="financing.recourse_lapsed/1"):
    """A demand ended because the lender has nothing of the receivable left."""

    financing: Id


EVENTS: Final[tuple[type[Event], ...]] = (
    FinancingRequested,
    FinancingCancelled,
    FinancingExpired,
    OfferMade,
    OfferWithdrawn,
    OfferExpired,
    ReceivableIssued,
    ReceivableWithdrawn,
    DocumentReserved,
    ReservationEnded,
    DocumentFinanced,
    InvoicePaid,
    ReceivableRedeemed,
    PaymentSetAside,
    InvoiceOverdue,
    InvoiceDiluted,
    InvoiceDischarged,
    PayoutSet,
    RecourseDemanded,
    RecourseSettled,
    RecourseDefaulted,
    RecourseLapsed,
)
