"""Requests, offers, reservations and receivables, from the request to settlement. What follows is in ``payments``.

With ``payments`` and ``recourse`` the only code that writes this module's keys. Who may act is the handlers' question.
"""

from typing import Final

from msgspec.structs import replace

from traco.kernel.codec import digest, encode
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.financing import state as stored
from traco.modules.financing.due_dates import end_of_day_ms
from traco.modules.financing.eligibility import Eligibility, Invoice
from traco.modules.financing.errors import (
    FinancingEnded,
    FinancingNotFound,
    OfferNotFound,
    ReceivableNotFound,
)
from traco.modules.financing.events import (
    DocumentFinanced,
    DocumentReserved,
    FinancingCancelled,
    FinancingExpired,
    OfferExpired,
    OfferWithdrawn,
    ReceivableIssued,
    ReceivableWithdrawn,
    ReservationEnded,
)
from traco.modules.financing.messages import (
    AcceptOffer,
    FinancingReleased,
    FinancingSettled,
)
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.financing.payments import Payments
from traco.modules.financing.ports import Documents, Holdings, Parties, Settlements
from traco.modules.financing.recourse import Recourses
from traco.modules.financing.state import (
    EXECUTOR,
    AppliedNote,
    Deal,
    Financing,
    FinancingStatus,
    Offer,
    OfferStatus,
    Payout,
    Present,
    Receivable,
    batch_salt,
    remainder_hold,
)
from traco.modules.holding.messages import InstrumentKind
from traco.modules.settlement.messages import (
    IntoAccount,
    OwnHolding,
    SettlementInstruction,
    batch_id,
)

REQUEST_EXPIRY: Final = "financing.request_expiry"
OFFER_EXPIRY: Final = "financing.offer_expiry"
OVERDUE: Final = "financing.overdue"
RECEIVABLE_LEG: Final = 0
CASH_LEG: Final = 1


class Keeper:
    """The financings of one ledger. Without state of its own: what it reads and writes is in the given state."""

    def __init__(
        self, parties: Parties, holdings: Holdings, settlements: Settlements, documents: Documents
    ) -> None:
        self._holdings = holdings
        self._settlements = settlements
        self._documents = documents
        self.eligibility = Eligibility(parties, documents, holdings)
        self.recourses = Recourses(holdings)
        self.payments = Payments(holdings, documents, self.recourses)

    # reads

    def get(self, state: State, financing: bytes) -> Financing | None:
        """The financing with this id, or None."""
        return stored.financings.get(state, financing)

    def require(self, state: State, financing: bytes) -> Financing:
        """The financing with this id. Raises ``FinancingNotFound``."""
        found = stored.financings.get(state, financing)
        if found is None:
            raise FinancingNotFound(financing)
        return found

    def require_offer(self, state: State, financing: bytes, offer: bytes) -> Offer:
        """The offer on a request. Raises ``OfferNotFound``."""
        found = stored.offers.get(state, financing, offer)
        if found is None:
            raise OfferNotFound(offer)
        return found

    def offer(self, state: State, financing: bytes, offer: bytes) -> Offer | None:
        """The offer on a request, open or ended, or None."""
        return stored.offers.get(state, financing, offer)

    def receivable(self, state: State, document: bytes) -> Receivable | None:
        """The receivable issued from a document, or None."""
        return stored.receivables.get(state, document)

    def require_payable(self, state: State, document: bytes) -> Receivable:
        """The receivable, once payments are taken. Raises ``ReceivableNotFound``."""
        found = stored.receivables.get(state, document)
        if found is None or not found.is_payable:
            raise ReceivableNotFound(document)
        return found

    # requests and offers

    def add_request(self, context: Context, financing: bytes, record: Financing) -> None:
        """Write a new request, and have it expire."""
        stored.financings.put(context.state, record, financing)
        stored.by_document.put(context.state, Present(), record.document, financing)
        context.schedule(record.expires_ms, REQUEST_EXPIRY, financing)

    def add_offer(self, context: Context, financing: bytes, offer: bytes, record: Offer) -> None:
        """Write a new offer, and have it expire."""
        stored.offers.put(context.state, record, financing, offer)
        context.schedule(record.valid_until_ms, OFFER_EXPIRY, financing + offer)

    def withdraw_offer(self, context: Context, financing: bytes, offer: bytes, record: Offer) -> None:
        """End an open offer by its lender's will."""
        self._end_offer(context, financing, offer, record, "withdrawn")
        context.emit(OfferWithdrawn(financing, offer))

    def cancel(self, context: Context, financing: bytes, reason: str) -> None:
        """End a request; one that is reserved loses its batch first. One whose time is over then expires instead."""
        record = self.require(context.state, financing)
        if record.deal is not None:
            self._settlements.cancel(context, record.deal.batch, reason)
            record = self.require(context.state, financing)
        if record.status == "requested":
            self._end_request(context, financing, record, "cancelled")
            context.emit(FinancingCancelled(financing, reason))

    def expire_request(self, context: Context, financing: bytes) -> None:
        """The due item of a request: it ends, if it is open; one that is reserved waits for its batch."""
        record = self.require(context.state, financing)
        if record.status == "requested":
            self._end_request(context, financing, record, "expired")
            context.emit(FinancingExpired(financing))

    def expire_offer(self, context: Context, key: bytes) -> None:
        """The due item of an offer: it ends, if it is open."""
        financing, offer = key[:16], key[16:]
        record = self.require_offer(context.state, financing, offer)
        if record.status == "open":
            self._end_offer(context, financing, offer, record, "expired")
            context.emit(OfferExpired(financing, offer))

    # reservation and its two ends

    def reserve(
        self, context: Context, message: AcceptOffer, record: Financing, offer: Offer, invoice: Invoice
    ) -> None:
        """Issue the receivable where there is none, reserve it and settle both legs in a batch, or wait for the lender.

        All checks of documents and terms are done. Raises what the holding and settlement modules raise.
        """
        state, financing = context.state, message.financing
        receivable = stored.receivables.get(state, record.document)
        if receivable is None:
            receivable = self._issue(context, message, record, invoice)
        deadline_ms = context.block.time_ms + context.parameters(FinancingParameters).reservation_ms
        salt = batch_salt(financing, message.offer)
        batch = batch_id(record.seller, salt)
        deal = Deal(
            message.offer, offer.lender, batch, offer.price, offer.recourse, offer.cash_account,
            offer.receivable_account,
        )  # fmt: skip
        stored.financings.put(state, replace(record, status="reserved", deal=deal), financing)
        stored.receivables.put(state, replace(receivable, reservation=financing), record.document)
        self._end_offer(context, financing, message.offer, offer, "accepted")
        self._default_payout(state, record.seller, message.receivable_account, message.cash_account)
        context.emit(DocumentReserved(financing, message.offer, record.document, batch, deadline_ms))
        legs = (
            SettlementInstruction(record.seller, offer.lender, receivable.instrument, record.face, financing),
            SettlementInstruction(offer.lender, record.seller, record.cash, offer.price, financing),
        )
        self._settlements.create(
            context, record.seller, legs, (), True, deadline_ms, (encode(FinancingSettled(financing)),),
            (encode(FinancingReleased(financing)),), salt,
        )  # fmt: skip
        self._settlements.affirm(
            context, record.seller, batch, ((RECEIVABLE_LEG, OwnHolding(message.receivable_account)),),
            ((CASH_LEG, IntoAccount(message.cash_account)),),
        )  # fmt: skip
        if offer.firm:
            self._settlements.affirm(
                context, offer.lender, batch, ((CASH_LEG, OwnHolding(offer.cash_account)),),
                ((RECEIVABLE_LEG, IntoAccount(offer.receivable_account)),),
            )  # fmt: skip

    def settled(self, context: Context, message: FinancingSettled) -> None:
        """The consequence of settlement. Vetoes by what ``Eligibility`` raises, so that nothing settles then."""
        state, financing = context.state, message.financing
        record = self.require(state, financing)
        if record.status != "reserved" or record.deal is None:
            raise FinancingEnded(financing, record.status)
        deal, document = record.deal, record.document
        receivable = self._receivable(state, document)
        offer = self.require_offer(state, financing, deal.offer)
        invoice = self.eligibility.require(state, document)
        self.eligibility.check_offer(state, document, offer)
        if not invoice.marked:
            self._documents.mark_financed(context, document, financing)
        financed = self._activate(context, document, receivable, invoice, record.face)
        stored.financings.put(state, replace(record, status="financed"), financing)
        stored.offers.put(state, replace(offer, status="settled"), financing, deal.offer)
        context.unschedule(record.expires_ms, REQUEST_EXPIRY, financing)
        self._default_payout(state, deal.lender, deal.receivable_account, deal.cash_account)
        context.emit(DocumentFinanced(financing, document, deal.lender, record.face, deal.price, financed))

    def released(self, context: Context, message: FinancingReleased) -> None:
        """The consequence of a batch that ended without settling. Never refuses."""
        state, financing = context.state, message.financing
        record = self.require(state, financing)
        if record.deal is None or record.status != "reserved":
            return
        offer = self.require_offer(state, financing, record.deal.offer)
        stored.offers.put(state, replace(offer, status="released"), financing, record.deal.offer)
        is_open = context.block.time_ms < record.expires_ms
        status: FinancingStatus = "requested" if is_open else "expired"
        stored.financings.put(state, replace(record, status=status, deal=None), financing)
        context.emit(ReservationEnded(financing, record.document))
        if not is_open:
            context.emit(FinancingExpired(financing))
        freed = replace(self._receivable(state, record.document), reservation=None)
        stored.receivables.put(state, freed, record.document)
        if freed.financed == 0:
            self._withdraw(context, record.document, freed, financing)

    def _issue(
        self, context: Context, message: AcceptOffer, record: Financing, invoice: Invoice
    ) -> Receivable:
        """Create and issue the receivable; what is not sold by this financing is held back until it settles."""
        state, document, total = context.state, record.document, invoice.total
        terms = digest(b"traco/financing/receivable/1", encode((document, *invoice[:-1])))
        cash = self._holdings.require_open_instrument(state, record.cash)
        code = "REC/" + batch_salt(message.financing, message.offer).hex()
        instrument = self._holdings.create_instrument(
            context, record.seller, code, InstrumentKind.RECEIVABLE, decimals=cash.decimals, terms=terms,
            currency=invoice.currency, cap=total,
        )  # fmt: skip
        account, remainder = message.receivable_account, total - record.face
        self._holdings.issue(context, instrument, account, total, document)
        if remainder:
            self._holdings.hold(
                context, remainder_hold(instrument), account, instrument, remainder, EXECUTOR, 0, document
            )
        for note in self._documents.credit_notes_of(state, document):
            stored.notes.put(state, AppliedNote(instrument, note.payable.amount), note.document)
        context.emit(ReceivableIssued(document, instrument, invoice.debtor, total))
        return Receivable(
            instrument, record.cash, record.seller, account, invoice.debtor, total, 0, 0, 0, 0, None, remainder,
            None, False, 0,
        )  # fmt: skip

    def _activate(
        self, context: Context, document: bytes, receivable: Receivable, invoice: Invoice, face: int
    ) -> int:
        """Count a settled financing; with the first one the seller gets the remainder, and the due date counts."""
        due_ms = receivable.due_ms
        if receivable.remainder:
            self._holdings.release_hold(context, remainder_hold(receivable.instrument))
        if receivable.financed == 0 and invoice.due_date is not None:
            zone_minutes = context.parameters(FinancingParameters).zone_minutes
            due_ms = end_of_day_ms(invoice.due_date, zone_minutes)
            context.schedule(due_ms, OVERDUE, document)
        financed = receivable.financed + face
        active = replace(receivable, financed=financed, reservation=None, remainder=0, due_ms=due_ms)
        stored.receivables.put(context.state, active, document)
        return financed

    def _withdraw(self, context: Context, document: bytes, receivable: Receivable, financing: bytes) -> None:
        """Redeem a receivable of which nothing was sold.

        Where an authority attached some of it in the meantime, it stays, and the document counts as financed.
        """
        state, instrument, account = context.state, receivable.instrument, receivable.seller_account
        if receivable.remainder:
            self._holdings.release_hold(context, remainder_hold(instrument))
        if self._holdings.holding(state, instrument, account).available == receivable.total:
            self._holdings.redeem(context, instrument, account, receivable.total, document)
            stored.receivables.delete(state, document)
            context.emit(ReceivableWithdrawn(document, instrument))
            return
        stored.receivables.put(state, replace(receivable, remainder=0), document)
        found = self._documents.get(state, document)
        unmarked = self._documents.already_financed_exact(state, document) is None
        if found is not None and found.status == "registered" and unmarked:
            self._documents.mark_financed(context, document, financing)

    def _receivable(self, state: State, document: bytes) -> Receivable:
        found = stored.receivables.get(state, document)
        if found is None:
            raise ReceivableNotFound(document)
        return found

    def _default_payout(self, state: State, party: bytes, account: bytes, cash_account: bytes) -> None:
        """Where nothing else was said, redemptions go where the price was paid from or to.

        As with ``SetPayout`` only if the party controls both ways: an owner must not lead cash past a servicer.
        """
        controlled = self._holdings.controls_debit(state, account, party) and self._holdings.controls_credit(
            state, cash_account, party
        )
        if controlled and account != cash_account and stored.payouts.get(state, account) is None:
            stored.payouts.put(state, Payout(cash_account), account)

    def _end_request(
        self, context: Context, financing: bytes, record: Financing, status: FinancingStatus
    ) -> None:
        stored.financings.put(context.state, replace(record, status=status), financing)
        context.unschedule(record.expires_ms, REQUEST_EXPIRY, financing)

    def _end_offer(
        self, context: Context, financing: bytes, offer: bytes, record: Offer, status: OfferStatus
    ) -> None:
        stored.offers.put(context.state, replace(record, status=status), financing, offer)
        context.unschedule(record.valid_until_ms, OFFER_EXPIRY, financing + offer)
