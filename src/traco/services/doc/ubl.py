"""EN 16931 in UBL 2.1: Invoice and CreditNote (CEN/TS 16931-3-2). Not for lines, taxes or schema validation."""

from typing import Final

from traco.services.doc import fields
from traco.services.doc.amounts import check_currency
from traco.services.doc.dates import xsd_date
from traco.services.doc.invoice import (
    Invoice,
    InvoiceKind,
    InvoiceUnreadable,
    PrecedingInvoice,
    Syntax,
    TradeParty,
)
from traco.services.doc.markup import Element, optional, optional_value, required, required_value, value

_URN: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
_CAC: Final = f"{{{_URN}CommonAggregateComponents-2}}"
_CBC: Final = f"{{{_URN}CommonBasicComponents-2}}"
_EXT: Final = f"{{{_URN}CommonExtensionComponents-2}}"

INVOICE: Final = f"{{{_URN}Invoice-2}}Invoice"
CREDIT_NOTE: Final = f"{{{_URN}CreditNote-2}}CreditNote"
SKIPPED: Final = frozenset(
    {
        f"{_CAC}InvoiceLine",
        f"{_CAC}CreditNoteLine",
        f"{_CAC}AdditionalDocumentReference",
        f"{_CAC}Signature",
        f"{_EXT}UBLExtensions",
    }
)
"""Repeated or bulky parts that say nothing about who owes what to whom."""

# BT-90, the SEPA creditor reference, stands among the identifiers of seller or payee, but CII has it elsewhere.
_SEPA: Final = "SEPA"


def read(root: Element) -> Invoice:
    """The invoice or credit note under a UBL root. Raises InvoiceUnreadable."""
    is_credit_note = root.name == CREDIT_NOTE
    type_code, kind = _type(root, is_credit_note)
    currency = required_value(root, f"{_CBC}DocumentCurrencyCode")
    check_currency(currency)
    totals = required(root, f"{_CAC}LegalMonetaryTotal")
    due_date = _credit_note_due_date(root) if is_credit_note else optional_value(root, f"{_CBC}DueDate")
    return Invoice(
        syntax=Syntax.UBL_CREDIT_NOTE if is_credit_note else Syntax.UBL_INVOICE,
        type_code=type_code,
        kind=kind,
        number=required_value(root, f"{_CBC}ID"),
        issue_date=xsd_date(required_value(root, f"{_CBC}IssueDate")),
        due_date=xsd_date(due_date) if due_date else None,
        currency=currency,
        payable_amount=fields.amount(required(totals, f"{_CBC}PayableAmount"), currency),
        total_with_vat=fields.amount(required(totals, f"{_CBC}TaxInclusiveAmount"), currency),
        seller=_party(required(root, f"{_CAC}AccountingSupplierParty", f"{_CAC}Party")),
        buyer=_party(required(root, f"{_CAC}AccountingCustomerParty", f"{_CAC}Party")),
        payee=_payee(root),
        preceding=_preceding(root),
    )


def _type(root: Element, is_credit_note: bool) -> tuple[str, InvoiceKind]:
    own, other = f"{_CBC}InvoiceTypeCode", f"{_CBC}CreditNoteTypeCode"
    if is_credit_note:
        own, other = other, own
    if optional(root, other) is not None:
        raise InvoiceUnreadable(
            "invoice.field_invalid",
            "invoice and credit note are mixed up in one document; ask for a clean export.",
        )
    code, kind = fields.kind(required_value(root, own))
    # The other way round is read: an Invoice with a credit note's code is a credit note, which nobody can finance.
    if is_credit_note and kind is not InvoiceKind.CREDIT_NOTE:
        raise InvoiceUnreadable(
            "invoice.field_invalid",
            f"a credit note has the type code {code} of an invoice; ask for a correction.",
        )
    return code, kind


def _credit_note_due_date(root: Element) -> str | None:
    """BT-9 of a credit note stands in the payment means, once for all of them or once in each."""
    dates = {
        date
        for means in root.children
        if means.name == f"{_CAC}PaymentMeans" and (date := optional_value(means, f"{_CBC}PaymentDueDate"))
    }
    if len(dates) > 1:
        raise InvoiceUnreadable(
            "invoice.field_repeated", "there are several due dates; ask the sender which holds."
        )
    return dates.pop() if dates else None


def _party(party: Element) -> TradeParty:
    # BT-27 and BT-44 are the registered names; some senders fill in the trading name only.
    name = optional_value(party, f"{_CAC}PartyLegalEntity", f"{_CBC}RegistrationName")
    if name is None:
        name = required_value(party, f"{_CAC}PartyName", f"{_CBC}Name")
    endpoint = optional(party, f"{_CBC}EndpointID")
    return TradeParty(
        name=name,
        identifiers=fields.identifiers(_identified(party)),
        endpoint=fields.endpoint(endpoint),
    )


def _identified(party: Element) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for child in party.children:
        if child.name == f"{_CAC}PartyIdentification":
            element = required(child, f"{_CBC}ID")
            scheme = fields.scheme(element, fields.ASSIGNED)
            if scheme != _SEPA:
                found.append((scheme, value(element)))
        elif child.name == f"{_CAC}PartyTaxScheme":
            kind = optional_value(child, f"{_CAC}TaxScheme", f"{_CBC}ID")
            scheme = fields.VAT if kind is not None and kind.upper() == fields.VAT else fields.TAX
            found.append((scheme, optional_value(child, f"{_CBC}CompanyID") or ""))
    legal = optional(party, f"{_CAC}PartyLegalEntity")
    company = optional(legal, f"{_CBC}CompanyID") if legal is not None else None
    if company is not None:
        found.append((fields.scheme(company, fields.COMPANY), value(company)))
    return found


def _payee(root: Element) -> TradeParty | None:
    payee = optional(root, f"{_CAC}PayeeParty")
    if payee is None:
        return None
    # BT-59 stands in PartyName here: a payee's legal entity carries its registration number only.
    name = required_value(payee, f"{_CAC}PartyName", f"{_CBC}Name")
    return TradeParty(name=name, identifiers=fields.identifiers(_identified(payee)))


def _preceding(root: Element) -> tuple[PrecedingInvoice, ...]:
    found: list[PrecedingInvoice] = []
    for reference in root.children:
        if reference.name != f"{_CAC}BillingReference":
            continue
        document = optional(reference, f"{_CAC}InvoiceDocumentReference")
        if document is not None:
            date = optional_value(document, f"{_CBC}IssueDate")
            number = required_value(document, f"{_CBC}ID")
            found.append(PrecedingInvoice(number=number, issue_date=xsd_date(date) if date else None))
    return tuple(found)
