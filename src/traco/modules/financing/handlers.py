"""One method per instruction: authorise, check, change, emit. The keeper changes, and emits what it changed."""

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.financing import messages
from traco.modules.financing.errors import (
    AccountForeign,
    AccountNotControlled,
    CommitmentDiffers,
    DocumentReserved,
    FinancingEnded,
    FinancingExists,
    FinancingExpired,
    NotDebtor,
    NotLender,
    NotSeller,
    OfferEnded,
    OfferExists,
    OfferExpired,
    Overpaid,
    PriceWrong,
    SelfFinanced,
    TermsDiffer,
    ValidityWrong,
    WithoutRecourse,
)
from traco.modules.financing.events import FinancingRequested, OfferMade
from traco.modules.financing.keeper import Keeper
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.financing.ports import Holdings
from traco.modules.financing.state import Deal, Financing, Offer


class Handlers:
    """The rules of this module's instructions. ``keeper`` writes, ``holdings`` knows whose accounts they are."""

    def __init__(self, keeper: Keeper, holdings: Holdings) -> None:
        self._keeper = keeper
        self._holdings = holdings
        self._eligibility = keeper.eligibility

    def request(self, context: Context, message: messages.RequestFinancing) -> None:
        """Ask for financing of an invoice of the acting party."""
        # authorise
        state, document = context.state, message.document
        invoice = self._eligibility.require(state, document)
        if invoice.seller != message.party:
            raise NotSeller(message.party)
        # check
        financing = messages.financing_id(message.party, message.salt)
        if self._keeper.get(state, financing) is not None:
            raise FinancingExists(financing)
        self._eligibility.check_room(state, document, invoice.total, message.face)
        self._eligibility.check_cash(state, document, invoice.currency, message.cash)
        _check_validity(context, message.expires_ms)
        # change
        record = Financing(
            document, message.party, message.face, message.cash, message.terms, message.expires_ms,
            "requested", None, 0,
        )  # fmt: skip
        self._keeper.add_request(context, financing, record)
        # emit
        context.emit(
            FinancingRequested(
                financing,
                document,
                message.party,
                message.face,
                message.cash,
                message.terms,
                message.expires_ms,
            )
        )

    def cancel(self, context: Context, message: messages.CancelFinancing) -> None:
        """Take back a request of the acting party."""
        # authorise
        record = self._require_sellers(context.state, message.financing, message.party)
        # check
        if record.status not in ("requested", "reserved"):
            raise FinancingEnded(message.financing, record.status)
        # change, emit
        self._keeper.cancel(context, message.financing, message.reason)

    def offer(self, context: Context, message: messages.MakeOffer) -> None:
        """Offer to finance what is requested."""
        # authorise: anyone but the seller may lend
        state = context.state
        record = self._require_requested(context, message.financing)
        if message.party == record.seller:
            raise SelfFinanced(message.party)
        for account in (message.cash_account, message.receivable_account):
            self._require_owner(state, account, message.party)
        # check
        offer = messages.offer_id(message.party, message.salt)
        if self._keeper.offer(state, message.financing, offer) is not None:
            raise OfferExists(offer)
        _check_terms(message, record)
        price = messages.price_of(message.price, message.face)
        if not 1 <= price <= message.face:
            raise PriceWrong(price, message.face)
        _check_validity(context, message.valid_until_ms)
        made = Offer(
            message.party, price, message.recourse, message.accepts_unconfirmed, message.acknowledges,
            message.firm, message.valid_until_ms, message.cash_account, message.receivable_account, "open",
        )  # fmt: skip
        invoice = self._eligibility.require(state, record.document)
        if invoice.content_commitment != message.content_commitment:
            raise CommitmentDiffers(record.document)
        self._eligibility.check_room(state, record.document, invoice.total, record.face)
        self._eligibility.check_offer(state, record.document, made)
        # change
        self._keeper.add_offer(context, message.financing, offer, made)
        # emit
        context.emit(
            OfferMade(
                message.financing, offer, message.party, price, message.recourse, message.firm,
                message.valid_until_ms,
            )
        )  # fmt: skip

    def withdraw_offer(self, context: Context, message: messages.WithdrawOffer) -> None:
        """Take back an offer of the acting party."""
        # authorise
        record = self._keeper.require_offer(context.state, message.financing, message.offer)
        if record.lender != message.party:
            raise NotLender(message.party)
        # check
        if record.status != "open":
            raise OfferEnded(message.offer, record.status)
        # change, emit
        self._keeper.withdraw_offer(context, message.financing, message.offer, record)

    def accept(self, context: Context, message: messages.AcceptOffer) -> None:
        """Accept an offer: reserve, and settle at once where the offer is firm."""
        # authorise
        state = context.state
        record = self._require_requested(context, message.financing)
        if record.seller != message.party:
            raise NotSeller(message.party)
        for account in (message.cash_account, message.receivable_account):
            self._require_owner(state, account, message.party)
        self._require_credit(state, message.receivable_account, message.party)
        # check
        offer = self._keeper.require_offer(state, message.financing, message.offer)
        if offer.status != "open":
            raise OfferEnded(message.offer, offer.status)
        if context.block.time_ms >= offer.valid_until_ms:
            raise OfferExpired(message.offer, offer.valid_until_ms)
        if message.cash != record.cash:
            raise TermsDiffer("cash")
        if message.price != offer.price:
            raise TermsDiffer("price")
        document = record.document
        invoice = self._eligibility.require(state, document)
        self._eligibility.check_unreserved(state, document)
        self._eligibility.check_room(state, document, invoice.total, record.face)
        self._eligibility.check_cash(state, document, invoice.currency, record.cash)
        self._eligibility.check_offer(state, document, offer)
        # change, emit
        self._keeper.reserve(context, message, record, offer, invoice)

    def pay(self, context: Context, message: messages.Pay) -> None:
        """Pay an invoice."""
        # authorise
        receivable = self._keeper.require_payable(context.state, message.document)
        if receivable.debtor != message.party:
            raise NotDebtor(message.party)
        self._require_debit(context.state, message.account, message.party)
        # check
        if message.cash != receivable.cash:
            raise TermsDiffer("cash")
        if message.amount > receivable.unpaid:
            raise Overpaid(receivable.unpaid)
        # change, emit
        self._keeper.payments.pay(
            context, message.document, receivable, message.party, message.account, message.amount,
            message.reference,
        )  # fmt: skip

    def set_payout(self, context: Context, message: messages.SetPayout) -> None:
        """Say where redemptions are paid."""
        # authorise
        state = context.state
        self._require_debit(state, message.account, message.party)
        if message.payout is not None:
            self._holdings.require_open_account(state, message.payout)
            self._require_credit(state, message.payout, message.party)
        # change, emit
        self._keeper.payments.set_payout(context, message.account, message.payout)

    def collect(self, context: Context, message: messages.Collect) -> None:
        """Take what was set aside."""
        # authorise
        receivable = self._keeper.require_payable(context.state, message.document)
        self._require_debit(context.state, message.account, message.party)
        self._require_credit(context.state, message.cash_account, message.party)
        # check, change, emit
        self._keeper.payments.collect(
            context, message.document, receivable, message.account, message.source, message.cash_account
        )

    def dilute(self, context: Context, message: messages.Dilute) -> None:
        """Bring a credit note to bear."""
        # authorise
        receivable = self._keeper.require_payable(context.state, message.document)
        if receivable.seller != message.party:
            raise NotSeller(message.party)
        self._require_debit(context.state, message.account, message.party)
        # check
        if message.cash != receivable.cash:
            raise TermsDiffer("cash")
        # change, emit
        self._keeper.payments.dilute(
            context, message.document, receivable, message.note, message.amount, message.account
        )

    def demand_recourse(self, context: Context, message: messages.DemandRecourse) -> None:
        """Demand that the seller buys back."""
        # authorise
        state = context.state
        record, deal = self._require_financed(state, message.financing)
        if deal.lender != message.party:
            raise NotLender(message.party)
        self._require_debit(state, deal.receivable_account, message.party)
        # check
        if not deal.recourse:
            raise WithoutRecourse(message.financing)
        receivable = self._keeper.require_payable(state, record.document)
        # change, emit
        self._keeper.recourses.demand(context, message.financing, record, deal, receivable, message.amount)

    def pay_recourse(self, context: Context, message: messages.PayRecourse) -> None:
        """Buy back what a lender demanded."""
        # authorise
        state = context.state
        self._require_sellers(state, message.financing, message.party)
        record, deal = self._require_financed(state, message.financing)
        self._require_debit(state, message.cash_account, message.party)
        self._require_owner(state, message.receivable_account, message.party)
        # check
        if message.cash != record.cash:
            raise TermsDiffer("cash")
        receivable = self._keeper.require_payable(state, record.document)
        payout = self._keeper.payments.payout_of(state, deal.receivable_account)
        found = self._holdings.account(state, payout)
        if found is None or found.closed:  # a lender must not bring the seller into default by closing it
            payout = deal.receivable_account
        # change, emit
        self._keeper.recourses.meet(context, message, record, deal, receivable, payout)

    # parts

    def _require_sellers(self, state: State, financing: bytes, party: bytes) -> Financing:
        record = self._keeper.require(state, financing)
        if record.seller != party:
            raise NotSeller(party)
        return record

    def _require_requested(self, context: Context, financing: bytes) -> Financing:
        record = self._keeper.require(context.state, financing)
        if record.status == "reserved":
            raise DocumentReserved(record.document, financing)
        if record.status != "requested":
            raise FinancingEnded(financing, record.status)
        if context.block.time_ms >= record.expires_ms:
            raise FinancingExpired(financing, record.expires_ms)
        return record

    def _require_financed(self, state: State, financing: bytes) -> tuple[Financing, Deal]:
        record = self._keeper.require(state, financing)
        if record.status != "financed" or record.deal is None:
            raise FinancingEnded(financing, record.status)
        return record, record.deal

    def _require_owner(self, state: State, account: bytes, party: bytes) -> None:
        if self._holdings.require_open_account(state, account).owner != party:
            raise AccountForeign(account, party)

    def _require_debit(self, state: State, account: bytes, party: bytes) -> None:
        if not self._holdings.controls_debit(state, account, party):
            raise AccountNotControlled(account, party)

    def _require_credit(self, state: State, account: bytes, party: bytes) -> None:
        if not self._holdings.controls_credit(state, account, party):
            raise AccountNotControlled(account, party)


def _check_validity(context: Context, until_ms: int) -> None:
    """Now is before ``until_ms``, which is within the longest life of requests and offers."""
    time_ms, limit_ms = context.block.time_ms, context.parameters(FinancingParameters).max_life_ms
    if not time_ms < until_ms <= time_ms + limit_ms:
        raise ValidityWrong(time_ms, limit_ms)


def _check_terms(message: messages.MakeOffer, record: Financing) -> None:
    """The offer repeats the request."""
    if message.cash != record.cash:
        raise TermsDiffer("cash")
    if message.face != record.face:
        raise TermsDiffer("face")
    if message.terms != record.terms:
        raise TermsDiffer("terms")
