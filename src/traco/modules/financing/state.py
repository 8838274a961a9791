"""The records of this module and their keys.

financings    financing id -> ``Financing``; kept after its end, so that an id is never used again
by_document   document id, financing id -> presence
offers        financing id, offer id -> ``Offer``; kept after its end
receivables   document id -> ``Receivable``, from the first acceptance on
payouts       account -> ``Payout``
pools         document id, number (8 bytes) -> ``Pool``: cash paid but not paid out, by payment
deposits      document id, account -> ``Deposit``: for whom the pools are meant
notes         credit note id -> ``AppliedNote``
recourses     financing id -> ``Recourse``
demands       document id, account -> ``Demand``: the open demand for what that account holds
"""

from typing import Final, Literal

from traco.kernel.codec import (
    Amount,
    Count,
    Hash,
    Id,
    PositiveAmount,
    Record,
    TimeMs,
    digest,
)
from traco.kernel.state import Table

PREFIX: Final = 0x05
FINANCINGS: Final = 0x01
BY_DOCUMENT: Final = 0x02
OFFERS: Final = 0x03
RECEIVABLES: Final = 0x04
PAYOUTS: Final = 0x05
POOLS: Final = 0x06
DEPOSITS: Final = 0x07
NOTES: Final = 0x08
RECOURSES: Final = 0x09
DEMANDS: Final = 0x0A

EXECUTOR: Final = digest(b"traco/financing/executor/1")[:16]
"""The executor of the holds that this module makes: no party's id."""

FinancingStatus = Literal["requested", "reserved", "financed", "cancelled", "expired"]
OfferStatus = Literal["open", "accepted", "settled", "released", "withdrawn", "expired"]


class Deal(Record, frozen=True):
    """What was agreed: the accepted offer, the batch that settles it, and the lender's accounts."""

    offer: Id
    lender: Id
    batch: Id
    price: PositiveAmount
    recourse: bool
    cash_account: Id
    receivable_account: Id


class Financing(Record, frozen=True, tag=1):
    """A request and what became of it. ``face`` is the part of the receivable that changes hands.

    ``deal`` is there while reserved and once financed. ``recovered`` is the face that the seller bought back.
    """

    document: Id
    seller: Id
    face: PositiveAmount
    cash: Id
    terms: Hash
    expires_ms: TimeMs
    status: FinancingStatus
    deal: Deal | None
    recovered: Amount


class Offer(Record, frozen=True, tag=1):
    """A lender's offer (see ``MakeOffer``); ``price`` is the purchase price that came out."""

    lender: Id
    price: PositiveAmount
    recourse: bool
    accepts_unconfirmed: bool
    acknowledges: tuple[Id, ...]
    firm: bool
    valid_until_ms: TimeMs
    cash_account: Id
    receivable_account: Id
    status: OfferStatus


class Receivable(Record, frozen=True, tag=1):
    """The claim of whoever holds ``instrument`` against ``debtor``, from one document.

    ``total`` was issued and is ``paid``, ``diluted`` or unpaid. ``uncollected`` is paid, but neither paid out nor redeemed.
    ``financed`` is the sum of the faces that settled, ``reservation`` the one financing that is reserved.
    ``remainder`` is what of the first issue is held back until something settles. ``due_ms`` is the end of the due date.
    ``payments`` numbers the pools.
    """

    instrument: Id
    cash: Id
    seller: Id
    seller_account: Id
    debtor: Id
    total: PositiveAmount
    paid: Amount
    diluted: Amount
    uncollected: Amount
    financed: Amount
    reservation: Id | None
    remainder: Amount
    due_ms: TimeMs | None
    overdue: bool
    payments: Count

    @property
    def unpaid(self) -> int:
        """What the debtor still owes."""
        return self.total - self.paid - self.diluted

    @property
    def is_payable(self) -> bool:
        """Whether payments are taken: not while its first financing is only reserved."""
        return self.financed > 0 or self.reservation is None

    @property
    def is_discharged(self) -> bool:
        """Whether the debtor owes nothing more."""
        return self.unpaid == 0


class Payout(Record, frozen=True, tag=1):
    """Where redemptions of what an account holds are paid."""

    account: Id


class Pool(Record, frozen=True, tag=1):
    """Cash of one payment that is still to be collected; held where it was paid from under ``pool_hold``."""

    amount: PositiveAmount


class Deposit(Record, frozen=True, tag=1):
    """How much of the pools is meant for an account. Once nothing is unpaid, every holder takes its part of all."""

    amount: PositiveAmount


class AppliedNote(Record, frozen=True, tag=1):
    """A credit note that was taken into account for the receivable ``instrument``, by ``amount``."""

    instrument: Id
    amount: Amount


class Recourse(Record, frozen=True, tag=1):
    """A demand of the lender on the seller, to be met before ``due_ms``; afterwards in default.

    Until then ``amount`` of the receivable is held for the seller in the lender's account, under ``recourse_hold``.
    """

    amount: PositiveAmount
    due_ms: TimeMs
    defaulted: bool


class Demand(Record, frozen=True, tag=1):
    """Under which financing what an account holds of a receivable is demanded to be bought back, until the default."""

    financing: Id


class Present(Record, frozen=True, tag=1):
    """Says only that the key is there."""


financings: Final[Table[Financing]] = Table(PREFIX, FINANCINGS, Financing)
by_document: Final[Table[Present]] = Table(PREFIX, BY_DOCUMENT, Present)
offers: Final[Table[Offer]] = Table(PREFIX, OFFERS, Offer)
receivables: Final[Table[Receivable]] = Table(PREFIX, RECEIVABLES, Receivable)
payouts: Final[Table[Payout]] = Table(PREFIX, PAYOUTS, Payout)
pools: Final[Table[Pool]] = Table(PREFIX, POOLS, Pool)
deposits: Final[Table[Deposit]] = Table(PREFIX, DEPOSITS, Deposit)
notes: Final[Table[AppliedNote]] = Table(PREFIX, NOTES, AppliedNote)
recourses: Final[Table[Recourse]] = Table(PREFIX, RECOURSES, Recourse)
demands: Final[Table[Demand]] = Table(PREFIX, DEMANDS, Demand)


def number_part(number: int) -> bytes:
    """A payment's number as the last part of a key."""
    return number.to_bytes(8, "big")


def pool_hold(document: bytes, number: int) -> bytes:
    """The id (32 bytes) of the hold behind a pool."""
    return digest(b"traco/financing/pool/1", document, number_part(number))


def remainder_hold(instrument: bytes) -> bytes:
    """The id (32 bytes) of the hold on what is issued and not yet financed."""
    return digest(b"traco/financing/remainder/1", instrument)


def recourse_hold(financing: bytes) -> bytes:
    """The id (32 bytes) of the hold on what a lender demands to be bought back."""
    return digest(b"traco/financing/recourse/1", financing)


def batch_salt(financing: bytes, offer: bytes) -> bytes:
    """The salt (16 bytes) of the batch in which an accepted offer settles."""
    return digest(b"traco/financing/batch/1", financing, offer)[:16]
