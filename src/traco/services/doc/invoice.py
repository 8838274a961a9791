"""What is read from an electronic invoice, whatever its syntax, and the one error reading may end in.

Not for the lines, the taxes or the notes of an invoice: the ledger never needs them, so they are not kept.

Errors:

    ValueError
    └── InvoiceUnreadable          stable code, and a text for people: what happened, what to do
"""

import enum
from typing import Final

import msgspec


class InvoiceUnreadable(ValueError):
    """A file or a set of retyped fields that is not an invoice this project can read.

    `code` is stable (`invoice.not_xml`, `invoice.field_missing`, ...). `detail` is for people; it names
    elements, but repeats no more than a short piece of what the file said.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Syntax(enum.StrEnum):
    """The two syntaxes of EN 16931 (CEN/TS 16931-2); UBL has a document of its own for credit notes."""

    UBL_INVOICE = "ubl.invoice"
    UBL_CREDIT_NOTE = "ubl.credit_note"
    CII = "cii"


class InvoiceKind(enum.StrEnum):
    """What a document does, read from its type code (BT-3, UNTDID 1001)."""

    INVOICE = "invoice"
    CORRECTED_INVOICE = "corrected_invoice"
    SELF_BILLED_INVOICE = "self_billed_invoice"
    FACTORED_INVOICE = "factored_invoice"
    PREPAYMENT_INVOICE = "prepayment_invoice"
    DEBIT_NOTE = "debit_note"
    CREDIT_NOTE = "credit_note"
    NOT_A_CLAIM = "not_a_claim"


# UNTDID 1001 as EN 16931-1 restricts it for BT-3 (with the later code-list releases of the European Commission).
_SPECIAL_KINDS: Final[dict[str, InvoiceKind]] = {
    **dict.fromkeys(("384", "471", "472", "473"), InvoiceKind.CORRECTED_INVOICE),
    **dict.fromkeys(("389", "500", "501"), InvoiceKind.SELF_BILLED_INVOICE),
    **dict.fromkeys(("393",), InvoiceKind.FACTORED_INVOICE),
    **dict.fromkeys(("386",), InvoiceKind.PREPAYMENT_INVOICE),
    **dict.fromkeys(("80", "84", "383"), InvoiceKind.DEBIT_NOTE),
    **dict.fromkeys(("325", "751"), InvoiceKind.NOT_A_CLAIM),
    **dict.fromkeys(
        ("81", "83", "261", "262", "296", "308", "381", "396", "420", "458", "502", "503", "532"),
        InvoiceKind.CREDIT_NOTE,
    ),
}
_PLAIN_INVOICES: Final = (
    "71 82 102 130 202 203 204 211 218 219 295 326 331 380 382 385 387 388 390 394 395 456 457 480 527 553 575 "
    "623 633 780 817 870 875 876 877 935"
)
KINDS: Final[dict[str, InvoiceKind]] = {
    **dict.fromkeys(_PLAIN_INVOICES.split(), InvoiceKind.INVOICE),
    **_SPECIAL_KINDS,
}
"""Type code to kind; a code that is not here is refused, because its sign would be a guess."""


class TradeParty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seller, buyer or payee, as the invoice names it.

    `identifiers` are sorted (scheme, value) pairs. A scheme is a four-digit ISO 6523 code (0199 LEI, 0088 GLN),
    `VAT` (BT-31, BT-48), `TAX` (BT-32), `COMPANY` for a legal registration number without a scheme (BT-30,
    BT-47), or `ASSIGNED` for a number that one of the two gave the other, without a scheme (BT-29, BT-46).
    `endpoint` is the electronic address (BT-34, BT-49) with its scheme, empty where none is given.
    """

    name: str
    identifiers: tuple[tuple[str, str], ...] = ()
    endpoint: tuple[str, str] | None = None


class PrecedingInvoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An earlier invoice this one corrects or credits (BG-3)."""

    number: str
    issue_date: str | None = None


class Invoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The head of an invoice or credit note by EN 16931.

    Dates are ISO 8601 calendar dates. Amounts are in the currency's smallest unit by ISO 4217 and may be zero or
    negative, as the standard allows (prepaid, or correcting); `payable_amount` is BT-115, `total_with_vat` BT-112.
    A credit note has positive amounts that reduce what is owed.
    """

    syntax: Syntax
    type_code: str
    kind: InvoiceKind
    number: str
    issue_date: str
    due_date: str | None
    currency: str
    payable_amount: int
    total_with_vat: int
    seller: TradeParty
    buyer: TradeParty
    payee: TradeParty | None = None
    preceding: tuple[PrecedingInvoice, ...] = ()


def not_financeable_because(invoice: Invoice) -> str | None:
    """The stable code of the reason why nobody can finance this document, or None where there is no such reason."""
    if invoice.kind is InvoiceKind.CREDIT_NOTE:
        return "invoice.credit_note"
    if invoice.kind is InvoiceKind.NOT_A_CLAIM:
        return "invoice.not_a_claim"
    if invoice.payable_amount <= 0:
        return "invoice.nothing_payable"
    return None


def warnings(invoice: Invoice) -> tuple[str, ...]:
    """Codes of what a lender should look at before financing, in a fixed order.

    `invoice.names_other_payee`: the money is to go to somebody else than the seller, often a factor who already
    owns the claim. `invoice.marked_factored`: the document says that it was assigned. `invoice.corrects_another`:
    an earlier invoice for the same delivery exists.
    """
    found: list[str] = []
    if invoice.payee is not None and not _same_party(invoice.payee, invoice.seller):
        found.append("invoice.names_other_payee")
    if invoice.kind is InvoiceKind.FACTORED_INVOICE or invoice.type_code in ("472", "473", "501"):
        found.append("invoice.marked_factored")
    if invoice.kind is InvoiceKind.CORRECTED_INVOICE:
        found.append("invoice.corrects_another")
    return tuple(found)


def _same_party(one: TradeParty, other: TradeParty) -> bool:
    return one.name.casefold() == other.name.casefold()
