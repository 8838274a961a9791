"""An invoice is read or ``InvoiceUnreadable``; nothing is expanded, and its amounts are exactly what stands in the file.

If broken: a file that a supplier sent stops the importer or fills its memory, or a bank finances an amount that nobody invoiced.
"""

from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec

from fuzz.claims import require
from fuzz.mutation import of_markup
from traco.services.doc import cii, ubl
from traco.services.doc.amounts import EXPONENTS
from traco.services.doc.invoice import (
    Invoice,
    InvoiceKind,
    InvoiceUnreadable,
    not_financeable_because,
    warnings,
)
from traco.services.doc.markup import Element, parse
from traco.services.doc.normalise import check_normal, fields_of
from traco.services.doc.reader import read_invoice

_SKIPPED: Final = ubl.SKIPPED | cii.SKIPPED
_PAYABLE: Final = frozenset(("PayableAmount", "DuePayableAmount"))
mutate = of_markup


def check(raw: bytes, _folder: Path) -> None:
    """Read, judge, and bring into normal form."""
    try:
        invoice = read_invoice(raw)
    except InvoiceUnreadable as error:
        require(error.code.startswith("invoice."), error.code)
        return
    elements = list(_elements(parse(raw, _SKIPPED)))
    assert sum(len(element.text) for element in elements) <= len(raw), "something was expanded"
    _check_amount(invoice, elements)
    assert msgspec.convert(msgspec.to_builtins(invoice), Invoice) == invoice
    assert (not_financeable_because(invoice) is None) <= (invoice.kind is not InvoiceKind.CREDIT_NOTE)
    warnings(invoice)
    try:
        check_normal(fields_of(invoice))
    except InvoiceUnreadable as error:
        require(error.code != "invoice.not_normal", "what was normalised is not normal")


def _elements(root: Element) -> list[Element]:
    found = [root]
    for element in found:
        found += element.children
    return found


def _check_amount(invoice: Invoice, elements: list[Element]) -> None:
    stated = {
        Fraction(element.text.strip(" \t\r\n"))
        for element in elements
        if element.name.rpartition("}")[2] in _PAYABLE
    }
    assert Fraction(invoice.payable_amount, 10 ** EXPONENTS[invoice.currency]) in stated, (
        "another amount than stated"
    )
