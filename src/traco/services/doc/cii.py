"""EN 16931 in UN/CEFACT Cross Industry Invoice D16B (CEN/TS 16931-3-3). Not for lines or schema validation."""

from typing import Final

from traco.services.doc import fields
from traco.services.doc.amounts import check_currency
from traco.services.doc.dates import format_102
from traco.services.doc.invoice import Invoice, InvoiceUnreadable, PrecedingInvoice, Syntax, TradeParty
from traco.services.doc.markup import Element, optional, optional_value, required, required_value, value

_URN: Final = "urn:un:unece:uncefact:data:standard:"
_RSM: Final = f"{{{_URN}CrossIndustryInvoice:100}}"
_RAM: Final = f"{{{_URN}ReusableAggregateBusinessInformationEntity:100}}"
_UDT: Final = f"{{{_URN}UnqualifiedDataType:100}}"
_QDT: Final = f"{{{_URN}QualifiedDataType:100}}"

INVOICE: Final = f"{_RSM}CrossIndustryInvoice"
SKIPPED: Final = frozenset(
    {
        f"{_RAM}IncludedSupplyChainTradeLineItem",
        f"{_RAM}AdditionalReferencedDocument",
    }
)
"""Repeated or bulky parts that say nothing about who owes what to whom."""

_TAX_SCHEMES: Final = {"VA": fields.VAT, "FC": fields.TAX}


def read(root: Element) -> Invoice:
    """The invoice or credit note under a CII root. Raises InvoiceUnreadable."""
    document = required(root, f"{_RSM}ExchangedDocument")
    transaction = required(root, f"{_RSM}SupplyChainTradeTransaction")
    agreement = required(transaction, f"{_RAM}ApplicableHeaderTradeAgreement")
    settlement = required(transaction, f"{_RAM}ApplicableHeaderTradeSettlement")
    totals = required(settlement, f"{_RAM}SpecifiedTradeSettlementHeaderMonetarySummation")
    type_code, kind = fields.kind(required_value(document, f"{_RAM}TypeCode"))
    currency = required_value(settlement, f"{_RAM}InvoiceCurrencyCode")
    check_currency(currency)
    payee = optional(settlement, f"{_RAM}PayeeTradeParty")
    return Invoice(
        syntax=Syntax.CII,
        type_code=type_code,
        kind=kind,
        number=required_value(document, f"{_RAM}ID"),
        issue_date=_date(required(document, f"{_RAM}IssueDateTime"), _UDT),
        due_date=_due_date(settlement),
        currency=currency,
        payable_amount=fields.amount(required(totals, f"{_RAM}DuePayableAmount"), currency),
        total_with_vat=fields.amount(required(totals, f"{_RAM}GrandTotalAmount"), currency),
        seller=_party(required(agreement, f"{_RAM}SellerTradeParty")),
        buyer=_party(required(agreement, f"{_RAM}BuyerTradeParty")),
        payee=_party(payee) if payee is not None else None,
        preceding=_preceding(settlement),
    )


def _date(holder: Element, namespace: str) -> str:
    element = required(holder, f"{namespace}DateTimeString")
    stated = element.attributes.get("format")
    if stated != "102":
        raise InvoiceUnreadable(
            "invoice.field_invalid",
            f"a date has the format {(stated or 'none')[:10]!r}; EN 16931 allows 102 only, year, month, day as 20150109.",
        )
    return format_102(value(element))


def _due_date(settlement: Element) -> str | None:
    """BT-9. Several payment terms are one too many for EN 16931, but harmless while they name one due date."""
    holders = [
        due
        for terms in settlement.children
        if terms.name == f"{_RAM}SpecifiedTradePaymentTerms"
        and (due := optional(terms, f"{_RAM}DueDateDateTime")) is not None
    ]
    dates = {_date(holder, _UDT) for holder in holders}
    if len(dates) > 1:
        raise InvoiceUnreadable(
            "invoice.field_repeated", "there are several due dates; ask the sender which holds."
        )
    return dates.pop() if dates else None


def _party(party: Element) -> TradeParty:
    # The registered name stands in Name; some senders fill in the trading name only (compare the UBL reader).
    name = optional_value(party, f"{_RAM}Name")
    if name is None:
        trading = optional_value(party, f"{_RAM}SpecifiedLegalOrganization", f"{_RAM}TradingBusinessName")
        name = trading or required_value(party, f"{_RAM}Name")
    address = optional(party, f"{_RAM}URIUniversalCommunication")
    uri = optional(address, f"{_RAM}URIID") if address is not None else None
    return TradeParty(
        name=name,
        identifiers=fields.identifiers(_identified(party)),
        endpoint=fields.endpoint(uri),
    )


def _identified(party: Element) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for child in party.children:
        if child.name in (f"{_RAM}ID", f"{_RAM}GlobalID"):
            found.append((fields.scheme(child, fields.ASSIGNED), value(child)))
        elif child.name == f"{_RAM}SpecifiedTaxRegistration":
            registration = optional(child, f"{_RAM}ID")
            if registration is not None:
                scheme = _TAX_SCHEMES.get(fields.scheme(registration, ""), fields.TAX)
                found.append((scheme, value(registration)))
    legal = optional(party, f"{_RAM}SpecifiedLegalOrganization")
    company = optional(legal, f"{_RAM}ID") if legal is not None else None
    if company is not None:
        found.append((fields.scheme(company, fields.COMPANY), value(company)))
    return found


def _preceding(settlement: Element) -> tuple[PrecedingInvoice, ...]:
    found: list[PrecedingInvoice] = []
    for reference in settlement.children:
        if reference.name != f"{_RAM}InvoiceReferencedDocument":
            continue
        issued = optional(reference, f"{_RAM}FormattedIssueDateTime")
        number = required_value(reference, f"{_RAM}IssuerAssignedID")
        found.append(
            PrecedingInvoice(number=number, issue_date=_date(issued, _QDT) if issued is not None else None)
        )
    return tuple(found)
