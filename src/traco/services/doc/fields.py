"""Rules that both syntaxes of EN 16931 share: amounts with their currency, type codes, identifiers, addresses."""

from collections.abc import Iterable
from typing import Final

from traco.services.doc.amounts import minor_units
from traco.services.doc.invoice import KINDS, InvoiceKind, InvoiceUnreadable
from traco.services.doc.markup import Element, local_name, value

ASSIGNED: Final = "ASSIGNED"
COMPANY: Final = "COMPANY"
TAX: Final = "TAX"
VAT: Final = "VAT"

MAXIMUM_IDENTIFIERS: Final = 32


def amount(element: Element, currency: str) -> int:
    """An amount in smallest units; a currency on it must be the document's (`invoice.currency_mixed`)."""
    stated = element.attributes.get("currencyID", currency).strip()
    if stated != currency:
        raise InvoiceUnreadable(
            "invoice.currency_mixed",
            f"{local_name(element.name)} is in {stated[:10]!r} but the invoice in {currency}; ask for a correction.",
        )
    return minor_units(value(element), currency)


def kind(type_code: str) -> tuple[str, InvoiceKind]:
    """The type code and the kind it means; `invoice.type_unknown` for one outside EN 16931."""
    if type_code not in KINDS:
        raise InvoiceUnreadable(
            "invoice.type_unknown",
            f"the type code {type_code[:10]!r} is not one of EN 16931 (380 is an invoice, 381 a credit note).",
        )
    return type_code, KINDS[type_code]


def scheme(element: Element, without: str) -> str:
    """The scheme of an identifier (ISO 6523), or `without` where it names none."""
    return element.attributes.get("schemeID", "").strip()[:32] or without


def identifiers(found: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Sorted, each once, empty ones left out; more than 32 are refused."""
    unique = sorted({pair for pair in found if pair[1]})
    if len(unique) > MAXIMUM_IDENTIFIERS:
        raise InvoiceUnreadable(
            "invoice.too_complex",
            f"a party has {len(unique)} identifiers, {MAXIMUM_IDENTIFIERS} are allowed.",
        )
    return tuple(unique)


def endpoint(element: Element | None) -> tuple[str, str] | None:
    """The electronic address (BT-34, BT-49) with its scheme, or None."""
    if element is None or not value(element):
        return None
    return scheme(element, ""), value(element)
