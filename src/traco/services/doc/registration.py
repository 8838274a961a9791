"""Puts an invoice on the ledger: from a file and its reading to the instruction that registers it.

The content never leaves its owner. What goes out is a salted commitment and, to the fingerprint service only,
the normalised fields.
"""

from typing import Any, NamedTuple, Protocol

from traco.client.forms import from_form
from traco.modules.document.messages import (
    CREDIT_NOTE,
    CREDITS,
    INVOICE,
    DocumentReference,
    NamedParty,
    Payable,
    RegisterDocument,
    document_id,
)
from traco.modules.document.statement import SignedStatement
from traco.services.doc.content import commit_content
from traco.services.doc.invoice import Invoice, InvoiceKind
from traco.services.doc.normalise import InvoiceFields, fields_of


class AsksFingerprints(Protocol):
    """A client of the fingerprint service's node."""

    def fingerprints(
        self, caller: str, fields: InvoiceFields, content_commitment: bytes, *, register: bool
    ) -> dict[str, Any]:
        """The service's signed statement, as a form."""
        ...


class Registration(NamedTuple):
    """What registers a document: the instruction, the document's id, and the salt that opens the commitment.

    Keep ``content_salt`` with the file: whoever is to check the file against the ledger needs both.
    """

    message: RegisterDocument
    document: bytes
    content_salt: bytes


def prepare(
    service: AsksFingerprints, registrant: bytes, content: bytes, invoice: Invoice, roles: tuple[NamedParty, ...],
    content_salt: bytes, salt: bytes, credited: bytes | None = None,
) -> Registration:  # fmt: skip
    """Commit to the file, have its fields keyed, and build the instruction for ``registrant``.

    ``roles`` say who is who on the ledger; ``credited`` is the document that a credit note reduces; the salts have 32 and
    16 random bytes. Raises what the service's client raises, and ``FormInvalid`` for a strange answer.
    """
    commitment = commit_content(content, content_salt)
    statement = keyed(service, registrant, fields_of(invoice), commitment, register=True)
    payable = Payable(invoice.currency, invoice.payable_amount) if invoice.payable_amount >= 0 else None
    message = RegisterDocument(
        registrant, salt, kind_of(invoice), invoice.syntax.value, commitment, statement, roles,
        payable, invoice.issue_date, invoice.due_date,
        () if credited is None else (DocumentReference(CREDITS, credited),),
    )  # fmt: skip
    return Registration(message, document_id(registrant, salt), content_salt)


def kind_of(invoice: Invoice) -> str:
    """The kind under which a document is registered: only ``invoice`` can be financed."""
    if invoice.kind is InvoiceKind.CREDIT_NOTE:
        return CREDIT_NOTE
    return InvoiceKind.NOT_A_CLAIM.value if invoice.kind is InvoiceKind.NOT_A_CLAIM else INVOICE


def keyed(
    service: AsksFingerprints, caller: bytes, fields: InvoiceFields, commitment: bytes, *, register: bool
) -> SignedStatement:
    """The service's statement over normalised fields. Checking a file asks for the same as registering it."""
    statement: SignedStatement = from_form(
        SignedStatement, service.fingerprints(caller.hex(), fields, commitment, register=register)
    )
    return statement
