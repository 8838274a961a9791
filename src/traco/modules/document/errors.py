"""Why an instruction about documents is rejected.

Rejected
├── a registration and its statement
│     RegistrantNotNamed, IdTaken, LimitExceeded, RoleRepeated, RoleUnspecified,
│     SellerIsBuyer, PartyNotActive, DateInvalid, CommitmentTaken, IndexFull,
│     AlreadyFinanced, StatementForeign, StatementContent, ServiceUnknown, StatementForged,
│     VersionsDisordered, VersionMissing
├── what a document is, and who may act on it
│     DocumentNotFound, NotRegistered, NotRegistrant, NotCounterparty, DocumentFinanced,
│     NotFinanced, KindDiffers, SupersedesItself, ConfirmedBefore, AmountExceeded,
│     AmountUndisclosed, DisputeOpen, DisputeNone, RoleNotFound, IdentifierDiffers
├── credit notes
│     CreditInvalid, NotSeller, CurrencyDiffers
├── what can be financed
│     KindNotFinanceable, DocumentDisputed, AmountZero
└── keys of the fingerprint service
      OperatorNeeded, ServiceKeyInvalid
"""

from dataclasses import dataclass
from typing import ClassVar, Final

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class RegistrantNotNamed(Rejected):
    """The registrant has no role in the document."""

    code: ClassVar[str] = "document.registrant_not_named"
    says: ClassVar[str] = "Party {party} has no role in the document."
    advice: ClassVar[str] = "Only a party that the document names may register it."
    party: bytes


@dataclass(eq=False)
class IdTaken(Rejected):
    """The registrant used this salt before."""

    code: ClassVar[str] = "document.id_taken"
    says: ClassVar[str] = "Document {document} is registered already."
    advice: ClassVar[str] = "Use a fresh salt for a new document."
    document: bytes


@dataclass(eq=False)
class LimitExceeded(Rejected):
    """More than a parameter of the module allows."""

    code: ClassVar[str] = "document.limit_exceeded"
    says: ClassVar[str] = "{what}: {count}, the limit is {limit}."
    advice: ClassVar[str] = "Leave out what is not needed."
    what: str
    count: int
    limit: int


@dataclass(eq=False)
class RoleRepeated(Rejected):
    """A role is given twice; each has one party."""

    code: ClassVar[str] = "document.role_repeated"
    says: ClassVar[str] = "The role {role} is given twice."
    advice: ClassVar[str] = "Give each role once; call further parties by a role of their own."
    role: str


@dataclass(eq=False)
class RoleUnspecified(Rejected):
    """A role needs a party or an identifier, and not both."""

    code: ClassVar[str] = "document.role_unspecified"
    says: ClassVar[str] = "The role {role} names neither or both of a party and an identifier."
    advice: ClassVar[str] = "Give the party if it is registered, else its identifier."
    role: str


@dataclass(eq=False)
class SellerIsBuyer(Rejected):
    """Nobody owes money to itself."""

    code: ClassVar[str] = "document.seller_is_buyer"
    says: ClassVar[str] = "Seller and buyer are the same."
    advice: ClassVar[str] = "Correct the roles."


@dataclass(eq=False)
class PartyNotActive(Rejected):
    """A named party is not registered, suspended or closed."""

    code: ClassVar[str] = "document.party_not_active"
    says: ClassVar[str] = "Party {party} is not an active party."
    advice: ClassVar[str] = "Name it by its public identifier, or have it registered."
    party: bytes


@dataclass(eq=False)
class DateInvalid(Rejected):
    """There is no such day."""

    code: ClassVar[str] = "document.date_invalid"
    says: ClassVar[str] = "{field} {value} is not a day of the calendar."
    advice: ClassVar[str] = "Correct the date."
    field: str
    value: str


@dataclass(eq=False)
class CommitmentTaken(Rejected):
    """Another party registered this content commitment: a statement seen on the ledger cannot be used again."""

    code: ClassVar[str] = "document.commitment_taken"
    says: ClassVar[str] = "Another party registered this content commitment."
    advice: ClassVar[str] = "Commit to your own file with a salt of your own, and have that fingerprinted."
    content_commitment: bytes


@dataclass(eq=False)
class IndexFull(Rejected):
    """The registrant has too many similar documents."""

    code: ClassVar[str] = "document.index_full"
    says: ClassVar[str] = "{limit} documents of this registrant share a {strength} fingerprint already."
    advice: ClassVar[str] = "Cancel those that are no longer needed, or amend instead of registering anew."
    strength: str
    limit: int


@dataclass(eq=False)
class AlreadyFinanced(Rejected):
    """The same document is financed already (DFIN)."""

    code: ClassVar[str] = "document.already_financed"
    says: ClassVar[str] = "The facts of this document are those of {financed}, which is financed already."
    advice: ClassVar[str] = "It cannot be financed again; ask the registrant of that document."
    financed: bytes


@dataclass(eq=False)
class StatementForeign(Rejected):
    """The statement was made for another network or ledger."""

    code: ClassVar[str] = "document.statement_foreign"
    says: ClassVar[str] = "The fingerprint statement was made for another network or ledger."
    advice: ClassVar[str] = "Ask the fingerprint service of this ledger."


@dataclass(eq=False)
class StatementContent(Rejected):
    """The statement was made for another content."""

    code: ClassVar[str] = "document.statement_content"
    says: ClassVar[str] = "The fingerprint statement is for the content commitment {content_commitment}."
    advice: ClassVar[str] = "Have this document's own content commitment fingerprinted."
    content_commitment: bytes


@dataclass(eq=False)
class ServiceUnknown(Rejected):
    """The signer is no fingerprint service of this ledger."""

    code: ClassVar[str] = "document.service_unknown"
    says: ClassVar[str] = "The key {key} is not an active key of the fingerprint service."
    advice: ClassVar[str] = "See the query document.fingerprint_keys."
    key: bytes


@dataclass(eq=False)
class StatementForged(Rejected):
    """The service's signature does not hold."""

    code: ClassVar[str] = "document.statement_forged"
    says: ClassVar[str] = "The signature on the fingerprint statement does not verify."
    advice: ClassVar[str] = "Pass the statement on as the service signed it."


@dataclass(eq=False)
class VersionsDisordered(Rejected):
    """Key versions are not in strictly descending order."""

    code: ClassVar[str] = "document.versions_disordered"
    says: ClassVar[str] = "The statement's (scheme, key version) pairs are not strictly descending."
    advice: ClassVar[str] = "Pass the statement on as the service made it."


@dataclass(eq=False)
class VersionMissing(Rejected):
    """The statement lacks a key version that every statement must carry."""

    code: ClassVar[str] = "document.version_missing"
    says: ClassVar[str] = (
        "The statement has no fingerprints of scheme {scheme} under key version {key_version}."
    )
    advice: ClassVar[str] = "Ask the fingerprint service for a new statement."
    scheme: int
    key_version: int


@dataclass(eq=False)
class DocumentNotFound(Rejected):
    """No such document."""

    code: ClassVar[str] = "document.not_found"
    says: ClassVar[str] = "No document {document} is registered."
    advice: ClassVar[str] = "Check the id."
    document: bytes


@dataclass(eq=False)
class NotRegistered(Rejected):
    """The document is a duplicate, superseded or cancelled."""

    code: ClassVar[str] = "document.not_registered"
    says: ClassVar[str] = "Document {document} is {status}."
    advice: ClassVar[str] = "Act on the document that stands for it."
    document: bytes
    status: str


@dataclass(eq=False)
class NotRegistrant(Rejected):
    """Only the registrant may do this."""

    code: ClassVar[str] = "document.not_registrant"
    says: ClassVar[str] = "Party {party} did not register the document."
    advice: ClassVar[str] = "Ask the registrant."
    party: bytes


@dataclass(eq=False)
class NotCounterparty(Rejected):
    """Only a named counterparty confirms or disputes."""

    code: ClassVar[str] = "document.not_counterparty"
    says: ClassVar[str] = "Party {party} is no counterparty named in the document."
    advice: ClassVar[str] = "Ask the registrant to name the party in its role."
    party: bytes


@dataclass(eq=False)
class DocumentFinanced(Rejected):
    """A financed document stays as it is."""

    code: ClassVar[str] = "document.financed"
    says: ClassVar[str] = "Document {document} is financed."
    advice: ClassVar[str] = "Discharge or cancel the financing first."
    document: bytes


@dataclass(eq=False)
class NotFinanced(Rejected):
    """The document is not marked as financed."""

    code: ClassVar[str] = "document.not_financed"
    says: ClassVar[str] = "Document {document} is not marked as financed."
    document: bytes


@dataclass(eq=False)
class KindDiffers(Rejected):
    """A document is replaced by one of its kind only."""

    code: ClassVar[str] = "document.kind_differs"
    says: ClassVar[str] = "The documents are of the kinds {kind} and {other}."
    advice: ClassVar[str] = "Register the successor as {kind}."
    kind: str
    other: str


@dataclass(eq=False)
class SupersedesItself(Rejected):
    """A document cannot replace itself."""

    code: ClassVar[str] = "document.supersedes_itself"
    says: ClassVar[str] = "Document {document} cannot supersede itself."
    advice: ClassVar[str] = "Name its successor."
    document: bytes


@dataclass(eq=False)
class ConfirmedBefore(Rejected):
    """A confirmation is raised, never repeated or lowered."""

    code: ClassVar[str] = "document.confirmed_before"
    says: ClassVar[str] = "The party confirmed as much or more before."
    advice: ClassVar[str] = "Dispute the document if it is wrong."


@dataclass(eq=False)
class AmountExceeded(Rejected):
    """No more than the payable amount can be confirmed."""

    code: ClassVar[str] = "document.amount_exceeded"
    says: ClassVar[str] = "{amount} is more than the payable amount {payable}."
    advice: ClassVar[str] = "Confirm at most the payable amount."
    amount: int
    payable: int


@dataclass(eq=False)
class AmountUndisclosed(Rejected):
    """The document does not disclose its amount."""

    code: ClassVar[str] = "document.amount_undisclosed"
    says: ClassVar[str] = "Document {document} does not disclose its payable amount."
    advice: ClassVar[str] = "Amend it with the amount, or confirm it in full."
    document: bytes


@dataclass(eq=False)
class DisputeOpen(Rejected):
    """The party's own dispute is open."""

    code: ClassVar[str] = "document.dispute_open"
    says: ClassVar[str] = "Party {party} has an open dispute on the document."
    advice: ClassVar[str] = "Withdraw it first."
    party: bytes


@dataclass(eq=False)
class DisputeNone(Rejected):
    """There is no dispute to withdraw."""

    code: ClassVar[str] = "document.dispute_none"
    says: ClassVar[str] = "Party {party} has no open dispute on the document."
    party: bytes


@dataclass(eq=False)
class RoleNotFound(Rejected):
    """The document has no such role without a registered party."""

    code: ClassVar[str] = "document.role_not_found"
    says: ClassVar[str] = "The document has no role {role} that waits for a party."
    advice: ClassVar[str] = "See its roles by the query document.get."
    role: str


@dataclass(eq=False)
class IdentifierDiffers(Rejected):
    """The party does not have the identifier that the document gives."""

    code: ClassVar[str] = "document.identifier_differs"
    says: ClassVar[str] = "Party {party} does not have the identifier given for the role {role}."
    advice: ClassVar[str] = "Have the identifier registered with the party, or name another party."
    party: bytes
    role: str


@dataclass(eq=False)
class CreditInvalid(Rejected):
    """Only a credit note credits, one invoice."""

    code: ClassVar[str] = "document.credit_invalid"
    says: ClassVar[str] = "Only a credit note refers with `credits`, and to one invoice."
    advice: ClassVar[str] = "Use another relation, or one credit note for each invoice."


@dataclass(eq=False)
class NotSeller(Rejected):
    """Only the seller reduces what it is owed."""

    code: ClassVar[str] = "document.not_seller"
    says: ClassVar[str] = "Party {party} is not the seller of the invoice."
    advice: ClassVar[str] = "The seller of the invoice registers the credit note."
    party: bytes


@dataclass(eq=False)
class CurrencyDiffers(Rejected):
    """A credit note has the currency of its invoice."""

    code: ClassVar[str] = "document.currency_differs"
    says: ClassVar[str] = "The invoice is in {invoice}, the credit note in {credit_note}."
    advice: ClassVar[str] = "Correct the currency."
    invoice: str
    credit_note: str


@dataclass(eq=False)
class KindNotFinanceable(Rejected):
    """Only invoices are financed."""

    code: ClassVar[str] = "document.kind_not_financeable"
    says: ClassVar[str] = "A document of the kind {kind} cannot be financed."
    advice: ClassVar[str] = "Finance the invoice."
    kind: str


@dataclass(eq=False)
class DocumentDisputed(Rejected):
    """The document is disputed."""

    code: ClassVar[str] = "document.disputed"
    says: ClassVar[str] = "Document {document} is disputed by {party}."
    advice: ClassVar[str] = "Settle the dispute and have it withdrawn."
    document: bytes
    party: bytes


@dataclass(eq=False)
class AmountZero(Rejected):
    """Nothing is payable."""

    code: ClassVar[str] = "document.amount_zero"
    says: ClassVar[str] = "The payable amount of {document} is zero."
    advice: ClassVar[str] = "There is nothing to finance."
    document: bytes


@dataclass(eq=False)
class OperatorNeeded(Rejected):
    """Only a registry operator sets the keys of the fingerprint service."""

    code: ClassVar[str] = "document.operator_needed"
    says: ClassVar[str] = "Party {party} is no registry operator."
    advice: ClassVar[str] = "The council grants the role registry_operator."
    party: bytes


@dataclass(eq=False)
class ServiceKeyInvalid(Rejected):
    """These bytes are not a public key."""

    code: ClassVar[str] = "document.service_key_invalid"
    says: ClassVar[str] = "The key cannot be used ({reason})."
    advice: ClassVar[str] = "Pass the public key with its scheme byte."
    reason: str


ERRORS: Final[tuple[type[Rejected], ...]] = (
    RegistrantNotNamed,
    IdTaken,
    LimitExceeded,
    RoleRepeated,
    RoleUnspecified,
    SellerIsBuyer,
    PartyNotActive,
    DateInvalid,
    CommitmentTaken,
    IndexFull,
    AlreadyFinanced,
    StatementForeign,
    StatementContent,
    ServiceUnknown,
    StatementForged,
    VersionsDisordered,
    VersionMissing,
    DocumentNotFound,
    NotRegistered,
    NotRegistrant,
    NotCounterparty,
    DocumentFinanced,
    NotFinanced,
    KindDiffers,
    SupersedesItself,
    ConfirmedBefore,
    AmountExceeded,
    AmountUndisclosed,
    DisputeOpen,
    DisputeNone,
    RoleNotFound,
    IdentifierDiffers,
    CreditInvalid,
    NotSeller,
    CurrencyDiffers,
    KindNotFinanceable,
    DocumentDisputed,
    AmountZero,
    OperatorNeeded,
    ServiceKeyInvalid,
)
