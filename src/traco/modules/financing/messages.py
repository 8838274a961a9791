"""The instructions of this module and the consequences it attaches to batches. ``party`` acts and signs.

Amounts are in the smallest unit of the invoice's currency, which is also that of the cash and of the receivable.
"""

from typing import Annotated, Final

import msgspec

from traco.kernel.codec import (
    Amount,
    Code,
    Hash,
    Id,
    PositiveAmount,
    RatePpm,
    Record,
    Reference,
    Salt,
    TimeMs,
    derive_id,
)
from traco.kernel.instruction import Consequence, PartyInstruction

MOST_ACKNOWLEDGED: Final = 64
_ONE_MILLION: Final = 1_000_000


class FixedPrice(Record, frozen=True, tag="price"):
    """The purchase price itself."""

    price: PositiveAmount


class Discount(Record, frozen=True, tag="discount"):
    """Parts per million of the face, for the whole term. The discount is rounded down, in the seller's favour."""

    discount_ppm: RatePpm


Price = FixedPrice | Discount


class RequestFinancing(PartyInstruction, frozen=True, tag="financing.request/1"):
    """The seller of an invoice asks for financing of ``face`` out of its payable amount; the id is ``financing_id``.

    ``cash`` is the instrument to be paid in, ``terms`` the hash of the agreement that offers are made under. Refused:
    not the seller, the buyer not registered, not financeable or disputed, already financed, above what is left, cash
    of another currency or decimals, an expiry past or too far ahead. It binds nobody.
    """

    document: Id
    face: PositiveAmount
    cash: Id
    terms: Hash
    expires_ms: TimeMs
    salt: Salt


class CancelFinancing(PartyInstruction, frozen=True, tag="financing.cancel/1"):
    """The seller takes back a request, or one that is reserved: then the batch is cancelled too. Refused once settled."""

    financing: Id
    reason: Code


class MakeOffer(PartyInstruction, frozen=True, tag="financing.offer/1"):
    """A lender offers to buy what a request asks for; the id is ``offer_id``.

    ``cash``, ``face`` and ``terms`` repeat the request, so that the lender is bound to what it saw; ``content_commitment``
    is that of the file the lender checked. ``acknowledges`` names financed documents that match in part: each must be
    named. ``recourse``: see the README. ``firm``: the acceptance settles at once with the lender's accounts given here;
    otherwise it reserves, and the lender affirms the batch before its deadline.
    Refused: request not open, other terms, price above the face or zero, content differs, a financed partial match not
    acknowledged, an unconfirmed document where ``accepts_unconfirmed`` is false, validity past or too far ahead,
    accounts that are not the lender's to use.
    """

    financing: Id
    cash: Id
    face: PositiveAmount
    price: Price
    terms: Hash
    recourse: bool
    accepts_unconfirmed: bool
    acknowledges: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MOST_ACKNOWLEDGED)]
    content_commitment: Hash
    firm: bool
    valid_until_ms: TimeMs
    cash_account: Id
    receivable_account: Id
    salt: Salt

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The cash instrument and the price."""
        return self.cash, price_of(self.price, self.face)


class WithdrawOffer(PartyInstruction, frozen=True, tag="financing.withdraw_offer/1"):
    """The lender takes back an offer that was not accepted."""

    financing: Id
    offer: Id


class AcceptOffer(PartyInstruction, frozen=True, tag="financing.accept/1"):
    """The seller accepts an offer: the document is reserved and one batch holds both legs.

    ``cash`` and ``price`` repeat what the seller is to receive into ``cash_account``; the receivable leaves
    ``receivable_account``. This is the seller's affirmation of the batch too. Refused as a request is, and: reserved by
    another acceptance, offer ended, and whatever the settlement and holding modules refuse.
    """

    financing: Id
    offer: Id
    cash: Id
    price: PositiveAmount
    cash_account: Id
    receivable_account: Id

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The cash instrument and the price."""
        return self.cash, self.price


class Pay(PartyInstruction, frozen=True, tag="financing.pay/1"):
    """The debtor pays ``amount`` of an invoice out of its ``account``: in full or short, early or overdue.

    As much of the receivable is redeemed, pro rata among all who hold it now, and each holder is paid. Refused: not the
    debtor, not yet financed, more than is unpaid, other cash, account not controlled or short of cash, a
    short payment to more holders than the limit.
    """

    document: Id
    cash: Id
    amount: PositiveAmount
    account: Id
    reference: Reference

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The cash instrument and the amount."""
        return self.cash, self.amount


class SetPayout(PartyInstruction, frozen=True, tag="financing.set_payout/1"):
    """Whoever controls debits of ``account`` says where redemptions of receivables in it are paid; None: into it."""

    account: Id
    payout: Id | None


class Collect(PartyInstruction, frozen=True, tag="financing.collect/1"):
    """A holder takes what was paid for its receivable but could not be paid out, into ``cash_account``.

    The receivable in ``account`` is redeemed as far as it is available by now. ``source`` is the account for which it was
    set aside: the same one, or one that the receivable has left since. Whoever takes over an encumbered receivable collects
    in the same transaction: what is left behind is divided again by the next payment. Refused: account not controlled,
    nothing there.
    """

    document: Id
    account: Id
    source: Id
    cash_account: Id


class Dilute(PartyInstruction, frozen=True, tag="financing.dilute/1"):
    """The seller brings a credit note to bear on a financed invoice: the debtor owes that much less.

    The seller bears it: its own part of the receivable goes first; for the remainder it pays the other holders, out of
    ``account``, as the debtor would have. At most ``amount`` is paid. Refused: not the seller, not a registered credit
    note against the invoice, applied before, more cash needed than ``amount``, and what refuses a payment.
    """

    document: Id
    note: Id
    cash: Id
    amount: Amount
    account: Id

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The cash instrument and the most that is paid."""
        return self.cash, self.amount


class DemandRecourse(PartyInstruction, frozen=True, tag="financing.demand_recourse/1"):
    """A lender with recourse demands that the seller buys back ``amount`` (face) of an overdue receivable.

    As much of the receivable is held in the lender's account until the demand is met, paid by the debtor, or in default.
    Refused: without recourse, not the lender, not overdue for long enough, a demand open under this financing or on
    this account, more than the lender financed and still has available.
    """

    financing: Id
    amount: PositiveAmount


class PayRecourse(PartyInstruction, frozen=True, tag="financing.pay_recourse/1"):
    """The seller meets a demand: ``amount`` of cash to the lender, as much of the receivable back, or neither.

    ``amount`` is what was demanded, less what the debtor paid since. A default can be made good too, as far as the lender
    still has the receivable.
    """

    financing: Id
    cash: Id
    amount: PositiveAmount
    cash_account: Id
    receivable_account: Id

    def amount_at_risk(self) -> tuple[bytes, int]:
        """The cash instrument and the amount."""
        return self.cash, self.amount


class FinancingSettled(Consequence, frozen=True, tag="financing.settled/1"):
    """The batch of a reserved financing settles: the document is financed. May veto."""

    financing: Id


class FinancingReleased(Consequence, frozen=True, tag="financing.released/1"):
    """The batch of a reserved financing ended without settling: the reservation ends."""

    financing: Id


def price_of(price: Price, face: int) -> int:
    """The purchase price of ``face``: given, or the face less the discount, which is rounded down."""
    if isinstance(price, FixedPrice):
        return price.price
    return face - face * price.discount_ppm // _ONE_MILLION


def financing_id(seller: bytes, salt: bytes) -> bytes:
    """The id (16 bytes) of the financing that ``seller`` requests with ``salt``."""
    return derive_id("financing", seller, salt)


def offer_id(lender: bytes, salt: bytes) -> bytes:
    """The id (16 bytes) of the offer that ``lender`` makes with ``salt``."""
    return derive_id("offer", lender, salt)
