"""The instructions about documents and the words they use. No content of a document is ever part of one.

Who may act is said with each; the signatures of the acting party are the kernel's matter.
"""

from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.codec import (
    Amount,
    Code,
    CurrencyCode,
    Hash,
    Id,
    IsoDate,
    PositiveAmount,
    PublicKey,
    Record,
    Salt,
    derive_id,
)
from traco.kernel.instruction import PartyInstruction
from traco.modules.document.statement import (
    MAX_FINGERPRINTS,
    KeyVersion,
    SchemeVersion,
    SignedStatement,
    Strength,
)

INVOICE: Final = "invoice"
CREDIT_NOTE: Final = "credit_note"

SELLER: Final = "seller"
BUYER: Final = "buyer"

CREDITS: Final = "credits"
"""The relation of a credit note to the invoice that it reduces. Other relations are recorded without effect."""

REGISTRY_OPERATOR: Final = "registry_operator"
"""The party role that sets the keys of the fingerprint service."""

DocumentStatus = Literal["registered", "duplicate", "superseded", "cancelled"]

IdentifierValue = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[!-~]([ -~]*[!-~])?\Z")]
"""Printable ASCII without a space at either end."""


class PublicIdentifier(Record, frozen=True):
    """A public identifier of an organisation: ``scheme`` is a code of ISO 6523, such as 0199 for LEIs."""

    scheme: Code
    value: IdentifierValue


class NamedParty(Record, frozen=True):
    """Who has a role (``seller``, ``buyer``, ``payee``, ``issuer``, ...) in a document.

    At registration either a registered ``party`` or the ``identifier`` of one that is not; one that was named later
    (``document.name_party/1``) has both.
    """

    role: Code
    party: Id | None = None
    identifier: PublicIdentifier | None = None


class Payable(Record, frozen=True):
    """The payable amount of a document, in the smallest unit of its currency (ISO 4217)."""

    currency: CurrencyCode
    amount: Amount


class DocumentReference(Record, frozen=True):
    """Another registered document, and what it is to this one; ``credits`` is the one relation with an effect."""

    relation: Code
    document: Id


class Match(Record, frozen=True):
    """A registered document with fingerprints in common.

    ``strength`` is the strongest at which both agree, ``positions`` (ascending) which fingerprints of that strength do.
    ``financed`` says whether that document is marked as financed now.
    """

    document: Id
    registrant: Id
    strength: Strength
    positions: Annotated[tuple[int, ...], msgspec.Meta(min_length=1, max_length=MAX_FINGERPRINTS)]
    financed: bool


class Matches(Record, frozen=True):
    """What was found: financed documents first, then the strongest. ``truncated``: there is more than is listed."""

    found: tuple[Match, ...]
    truncated: bool


class CreditNote(Record, frozen=True):
    """A registered credit note against an invoice, in the invoice's currency and its smallest unit."""

    document: Id
    payable: Payable


class RegisterDocument(PartyInstruction, frozen=True, tag="document.register/1"):
    """A party named in a document registers it; its id is ``document_id(party, salt)``.

    ``content_commitment`` is the salted hash of the file, ``statement`` the fingerprint service's signed statement
    over it. ``payable`` is given where the amount is disclosed. ``amends`` marks an amendment: the document named
    there, of the same registrant and kind and not financed, is superseded. A credit note refers with ``credits`` to
    the invoice that it reduces, which only that invoice's seller may do.
    The same facts registered before by the same party give a registered duplicate; by another, both are told; a
    financed one refuses the registration.
    """

    salt: Salt
    kind: Code
    schema: Code
    content_commitment: Hash
    statement: SignedStatement
    roles: Annotated[tuple[NamedParty, ...], msgspec.Meta(min_length=1, max_length=32)]
    payable: Payable | None = None
    issue_date: IsoDate | None = None
    due_date: IsoDate | None = None
    references: Annotated[tuple[DocumentReference, ...], msgspec.Meta(max_length=32)] = ()
    amends: Id | None = None


class ConfirmDocument(PartyInstruction, frozen=True, tag="document.confirm/1"):
    """The buyer, or another named party that is not the registrant, confirms a document.

    ``amount`` (smallest unit) confirms that much of the payable amount, none of it left out where it is not given. A
    confirmation can be raised later, never lowered; who disagrees afterwards disputes.
    """

    document: Id
    amount: PositiveAmount | None = None


class DisputeDocument(PartyInstruction, frozen=True, tag="document.dispute/1"):
    """A named party other than the registrant disputes a document. One dispute of a party is open at a time."""

    document: Id
    reason: Code


class WithdrawDispute(PartyInstruction, frozen=True, tag="document.withdraw_dispute/1"):
    """A party takes its own dispute back."""

    document: Id


class CancelDocument(PartyInstruction, frozen=True, tag="document.cancel/1"):
    """The registrant cancels a document that is not financed. The same facts may then be registered anew."""

    document: Id
    reason: Code


class SupersedeDocument(PartyInstruction, frozen=True, tag="document.supersede/1"):
    """The registrant declares that ``document`` is replaced by ``successor``, both its own, of one kind, not financed.

    The successor takes over the fingerprints of what it replaces, so that both keep matching. A credit note's
    relation to its invoice is not taken over: the successor has its own.
    """

    document: Id
    successor: Id


class NameParty(PartyInstruction, frozen=True, tag="document.name_party/1"):
    """The registrant links a role known by an identifier to ``subject``, a registered party with that identifier."""

    document: Id
    role: Code
    subject: Id


class SetFingerprintKey(PartyInstruction, frozen=True, tag="document.set_fingerprint_key/1"):
    """A registry operator admits, changes or retires a signing key of the fingerprint service.

    From now on every statement, by whichever key it is signed, must carry fingerprints under (``scheme``,
    ``from_version``) and may carry them under other versions too. After a rotation of the secret key the service
    states both versions; ``from_version`` is raised only when nothing registered under the old version alone needs
    to be found any more.
    """

    key: PublicKey
    scheme: SchemeVersion
    from_version: KeyVersion
    active: bool = True


def document_id(party: bytes, salt: bytes) -> bytes:
    """The id of the document that ``party`` registers with ``salt``."""
    return derive_id("document", party, salt)
