"""Why an instruction about financing is rejected.

Rejected
├── an id
│     FinancingExists, OfferExists, FinancingNotFound, OfferNotFound, ReceivableNotFound
├── who may act
│     NotSeller, NotLender, NotDebtor, SelfFinanced, AccountForeign, AccountNotControlled
├── what can be financed
│     AlreadyFinanced, AmountExceeded, DocumentReserved, DocumentDisputed, Unconfirmed,
│     PartialUnacknowledged, PartyMissing, CashMismatch, NothingPayable
├── requests and offers
│     ValidityWrong, FinancingEnded, FinancingExpired, OfferEnded, OfferExpired, TermsDiffer,
│     PriceWrong, CommitmentDiffers
├── payment
│     Overpaid, TooManyHolders, NothingToCollect, NoteNotApplicable, NoteApplied, DilutionExceeded
└── recourse
      WithoutRecourse, RecourseEarly, RecourseOpen, RecourseNone, RecourseExceeded, RecourseAmount
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class FinancingExists(Rejected):
    """The seller used this salt for a request before."""

    code: ClassVar[str] = "financing.exists"
    says: ClassVar[str] = "Financing {financing} exists already."
    advice: ClassVar[str] = "Use a fresh salt for a new request."
    financing: bytes


@dataclass(eq=False)
class OfferExists(Rejected):
    """The lender used this salt for an offer on this request before."""

    code: ClassVar[str] = "financing.offer_exists"
    says: ClassVar[str] = "Offer {offer} exists already."
    advice: ClassVar[str] = "Use a fresh salt for a new offer."
    offer: bytes


@dataclass(eq=False)
class FinancingNotFound(Rejected):
    """No such financing."""

    code: ClassVar[str] = "financing.not_found"
    says: ClassVar[str] = "There is no financing {financing}."
    advice: ClassVar[str] = "Check the id."
    financing: bytes


@dataclass(eq=False)
class OfferNotFound(Rejected):
    """No such offer on this request."""

    code: ClassVar[str] = "financing.offer_not_found"
    says: ClassVar[str] = "There is no offer {offer} on this request."
    advice: ClassVar[str] = "Check the ids of request and offer."
    offer: bytes


@dataclass(eq=False)
class ReceivableNotFound(Rejected):
    """No receivable was issued from this document, or nothing of it is financed yet."""

    code: ClassVar[str] = "financing.receivable_not_found"
    says: ClassVar[str] = "Document {document} has no financed receivable."
    advice: ClassVar[str] = (
        "Have a financing of it settle first; an invoice that nobody financed is paid outside."
    )
    document: bytes


@dataclass(eq=False)
class NotSeller(Rejected):
    """Only the seller of the invoice may do this."""

    code: ClassVar[str] = "financing.not_seller"
    says: ClassVar[str] = "Party {party} is not the seller."
    advice: ClassVar[str] = "The seller must act; a later holder sells by transfer or settlement."
    party: bytes


@dataclass(eq=False)
class NotLender(Rejected):
    """Only the lender of this offer or financing may do this."""

    code: ClassVar[str] = "financing.not_lender"
    says: ClassVar[str] = "Party {party} is not the lender."
    advice: ClassVar[str] = "The lender must act."
    party: bytes


@dataclass(eq=False)
class NotDebtor(Rejected):
    """Only the buyer of the invoice pays it here."""

    code: ClassVar[str] = "financing.not_debtor"
    says: ClassVar[str] = "Party {party} is not the debtor."
    advice: ClassVar[str] = "The buyer must act."
    party: bytes


@dataclass(eq=False)
class SelfFinanced(Rejected):
    """The seller does not finance itself."""

    code: ClassVar[str] = "financing.self_financed"
    says: ClassVar[str] = "Party {party} is the seller of this invoice."
    advice: ClassVar[str] = "Another party must offer."
    party: bytes


@dataclass(eq=False)
class AccountForeign(Rejected):
    """The account is not the acting party's."""

    code: ClassVar[str] = "financing.account_foreign"
    says: ClassVar[str] = "Account {account} is not owned by party {party}."
    advice: ClassVar[str] = "Name an account of the party itself."
    account: bytes
    party: bytes


@dataclass(eq=False)
class AccountNotControlled(Rejected):
    """Debits of the account, or credits to it, need another party."""

    code: ClassVar[str] = "financing.account_not_controlled"
    says: ClassVar[str] = "Party {party} does not control account {account} for this."
    advice: ClassVar[str] = "Use an account that the party controls."
    account: bytes
    party: bytes


@dataclass(eq=False)
class AlreadyFinanced(Rejected):
    """The facts of the document are financed already (DFIN)."""

    code: ClassVar[str] = "financing.already_financed"
    says: ClassVar[str] = "Document {document} is financed already: {financed} has the same facts."
    advice: ClassVar[str] = "It cannot be financed again."
    document: bytes
    financed: bytes


@dataclass(eq=False)
class AmountExceeded(Rejected):
    """Together the financings would exceed the payable amount."""

    code: ClassVar[str] = "financing.amount_exceeded"
    says: ClassVar[str] = "The face {face} exceeds the {room} that can still be financed."
    advice: ClassVar[str] = "Ask for that much at most."
    face: int
    room: int


@dataclass(eq=False)
class DocumentReserved(Rejected):
    """Another acceptance has reserved the document, or one with the same facts."""

    code: ClassVar[str] = "financing.reserved"
    says: ClassVar[str] = "Document {document} is reserved by financing {financing}."
    advice: ClassVar[str] = "Wait until it settles or its deadline passes."
    document: bytes
    financing: bytes


@dataclass(eq=False)
class DocumentDisputed(Rejected):
    """A dispute on the document is open."""

    code: ClassVar[str] = "financing.disputed"
    says: ClassVar[str] = "Document {document} is disputed."
    advice: ClassVar[str] = "Have the dispute withdrawn first."
    document: bytes


@dataclass(eq=False)
class Unconfirmed(Rejected):
    """The buyer has not confirmed the document in full, and the offer does not accept that."""

    code: ClassVar[str] = "financing.unconfirmed"
    says: ClassVar[str] = "Document {document} is not confirmed by its buyer."
    advice: ClassVar[str] = "Have it confirmed, or make an offer that accepts it unconfirmed."
    document: bytes


@dataclass(eq=False)
class PartialUnacknowledged(Rejected):
    """A financed document agrees in part, and the offer does not acknowledge it."""

    code: ClassVar[str] = "financing.partial_unacknowledged"
    says: ClassVar[str] = "The financed document {match} agrees with this one in part."
    advice: ClassVar[str] = "Look at it; if it is another trade, make an offer that acknowledges it."
    match: bytes


@dataclass(eq=False)
class PartyMissing(Rejected):
    """The invoice names its seller or its buyer by an identifier only."""

    code: ClassVar[str] = "financing.party_missing"
    says: ClassVar[str] = "The {role} of document {document} is not a registered party."
    advice: ClassVar[str] = "Register the party and name it (document.name_party)."
    document: bytes
    role: str


@dataclass(eq=False)
class CashMismatch(Rejected):
    """The instrument is not cash in the currency of the document, in its smallest unit."""

    code: ClassVar[str] = "financing.cash_mismatch"
    says: ClassVar[str] = (
        "Instrument {cash} is not the cash in question: {currency} with {decimals} decimals."
    )
    advice: ClassVar[str] = "Name an instrument of cash in that currency."
    cash: bytes
    currency: str
    decimals: int


@dataclass(eq=False)
class NothingPayable(Rejected):
    """Credit notes leave nothing of the invoice."""

    code: ClassVar[str] = "financing.nothing_payable"
    says: ClassVar[str] = "Credit notes leave nothing payable of document {document}."
    advice: ClassVar[str] = "There is nothing to finance."
    document: bytes


@dataclass(eq=False)
class ValidityWrong(Rejected):
    """A request or an offer must end later than now, and within a limit."""

    code: ClassVar[str] = "financing.validity"
    says: ClassVar[str] = "The validity must end after {time_ms} ms and within {limit_ms} ms from then."
    advice: ClassVar[str] = "Choose another time; take it from the node."
    time_ms: int
    limit_ms: int


@dataclass(eq=False)
class FinancingEnded(Rejected):
    """The request is not in the state that this needs."""

    code: ClassVar[str] = "financing.not_open"
    says: ClassVar[str] = "Financing {financing} is {status}."
    advice: ClassVar[str] = "Make a new request."
    financing: bytes
    status: str


@dataclass(eq=False)
class FinancingExpired(Rejected):
    """The request's time is over."""

    code: ClassVar[str] = "financing.request_expired"
    says: ClassVar[str] = "Financing {financing} was open until {expires_ms} ms."
    advice: ClassVar[str] = "Make a new request."
    financing: bytes
    expires_ms: int


@dataclass(eq=False)
class OfferEnded(Rejected):
    """The offer is not open."""

    code: ClassVar[str] = "financing.offer_ended"
    says: ClassVar[str] = "Offer {offer} is {status}."
    advice: ClassVar[str] = "Ask the lender for a new offer."
    offer: bytes
    status: str


@dataclass(eq=False)
class OfferExpired(Rejected):
    """The offer's time is over."""

    code: ClassVar[str] = "financing.offer_expired"
    says: ClassVar[str] = "Offer {offer} was valid until {valid_until_ms} ms."
    advice: ClassVar[str] = "Ask the lender for a new offer."
    offer: bytes
    valid_until_ms: int


@dataclass(eq=False)
class TermsDiffer(Rejected):
    """What the message repeats is not what it refers to."""

    code: ClassVar[str] = "financing.terms_differ"
    says: ClassVar[str] = "The {what} is not that of the request or offer."
    advice: ClassVar[str] = "Read the request or offer again before signing."
    what: str


@dataclass(eq=False)
class PriceWrong(Rejected):
    """A price is above zero and at most the face."""

    code: ClassVar[str] = "financing.price"
    says: ClassVar[str] = "The price {price} is not between 1 and the face {face}."
    advice: ClassVar[str] = "Correct price or discount."
    price: int
    face: int


@dataclass(eq=False)
class CommitmentDiffers(Rejected):
    """The file that the lender checked is not the one registered."""

    code: ClassVar[str] = "financing.commitment_differs"
    says: ClassVar[str] = "The content commitment is not that of document {document}."
    advice: ClassVar[str] = "Check the file and its salt against the registration."
    document: bytes


@dataclass(eq=False)
class Overpaid(Rejected):
    """More than is unpaid."""

    code: ClassVar[str] = "financing.overpaid"
    says: ClassVar[str] = "Only {unpaid} of it is unpaid."
    advice: ClassVar[str] = "Pay that much at most."
    unpaid: int


@dataclass(eq=False)
class TooManyHolders(Rejected):
    """A short payment can be divided among a limited number of holders."""

    code: ClassVar[str] = "financing.too_many_holders"
    says: ClassVar[str] = "The receivable has more than {limit} holders."
    advice: ClassVar[str] = "Pay in full: then each holder collects its part."
    limit: int


@dataclass(eq=False)
class NothingToCollect(Rejected):
    """Nothing is set aside that this account could take now."""

    code: ClassVar[str] = "financing.nothing_to_collect"
    says: ClassVar[str] = "There is nothing to collect for account {account}."
    advice: ClassVar[str] = (
        "Free the receivable from what encumbers it, or name the account it was set aside for."
    )
    account: bytes


@dataclass(eq=False)
class NoteNotApplicable(Rejected):
    """Not a registered credit note against this invoice."""

    code: ClassVar[str] = "financing.note_not_applicable"
    says: ClassVar[str] = "{note} is not a registered credit note against this invoice."
    advice: ClassVar[str] = "Register it with a reference that credits the invoice."
    note: bytes


@dataclass(eq=False)
class NoteApplied(Rejected):
    """The credit note was taken into account before."""

    code: ClassVar[str] = "financing.note_applied"
    says: ClassVar[str] = "The credit note {note} was applied before."
    advice: ClassVar[str] = "Each counts once."
    note: bytes


@dataclass(eq=False)
class DilutionExceeded(Rejected):
    """The holders are to be paid more than the seller allows."""

    code: ClassVar[str] = "financing.dilution_exceeded"
    says: ClassVar[str] = "Making good takes {needed}, only {allowed} is allowed."
    advice: ClassVar[str] = "Allow that much."
    needed: int
    allowed: int


@dataclass(eq=False)
class WithoutRecourse(Rejected):
    """The financing was agreed without recourse."""

    code: ClassVar[str] = "financing.without_recourse"
    says: ClassVar[str] = "Financing {financing} is without recourse."
    advice: ClassVar[str] = "The debtor alone is liable."
    financing: bytes


@dataclass(eq=False)
class RecourseEarly(Rejected):
    """Recourse is for receivables that have been overdue for some days."""

    code: ClassVar[str] = "financing.recourse_early"
    says: ClassVar[str] = "Recourse is possible from {from_ms} ms, if it is unpaid then."
    advice: ClassVar[str] = "Wait; a receivable without a due date is never overdue."
    from_ms: int


@dataclass(eq=False)
class RecourseOpen(Rejected):
    """A demand of this financing, or for what the same account holds, is open."""

    code: ClassVar[str] = "financing.recourse_open"
    says: ClassVar[str] = "A demand under financing {financing} is open."
    advice: ClassVar[str] = "Have it met first."
    financing: bytes


@dataclass(eq=False)
class RecourseNone(Rejected):
    """No demand of this financing is open."""

    code: ClassVar[str] = "financing.recourse_none"
    says: ClassVar[str] = "No demand under financing {financing} is open."
    advice: ClassVar[str] = "The lender must demand first."
    financing: bytes


@dataclass(eq=False)
class RecourseExceeded(Rejected):
    """More than the lender financed, or still has available."""

    code: ClassVar[str] = "financing.recourse_exceeded"
    says: ClassVar[str] = "Recourse is for {limit} at most."
    advice: ClassVar[str] = "Demand that much at most."
    limit: int


@dataclass(eq=False)
class RecourseAmount(Rejected):
    """A demand is met whole, less what the debtor paid; a default as far as the lender still has the receivable."""

    code: ClassVar[str] = "financing.recourse_amount"
    says: ClassVar[str] = "The demand takes {amount}."
    advice: ClassVar[str] = "Pay exactly that."
    amount: int


ERRORS: Final[tuple[type[Rejected], ...]] = (
    FinancingExists,
    OfferExists,
    FinancingNotFound,
    OfferNotFound,
    ReceivableNotFound,
    NotSeller,
    NotLender,
    NotDebtor,
    SelfFinanced,
    AccountForeign,
    AccountNotControlled,
    AlreadyFinanced,
    AmountExceeded,
    DocumentReserved,
    DocumentDisputed,
    Unconfirmed,
    PartialUnacknowledged,
    PartyMissing,
    CashMismatch,
    NothingPayable,
    ValidityWrong,
    FinancingEnded,
    FinancingExpired,
    OfferEnded,
    OfferExpired,
    TermsDiffer,
    PriceWrong,
    CommitmentDiffers,
    Overpaid,
    TooManyHolders,
    NothingToCollect,
    NoteNotApplicable,
    NoteApplied,
    DilutionExceeded,
    WithoutRecourse,
    RecourseEarly,
    RecourseOpen,
    RecourseNone,
    RecourseExceeded,
    RecourseAmount,
)
