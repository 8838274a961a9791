"""Bytes of a file to an Invoice, whichever of the two syntaxes it is in."""

from typing import Final

from traco.services.doc import cii, ubl
from traco.services.doc.invoice import Invoice, InvoiceUnreadable
from traco.services.doc.markup import local_name, parse

_READERS: Final = {ubl.INVOICE: ubl.read, ubl.CREDIT_NOTE: ubl.read, cii.INVOICE: cii.read}
_SKIPPED: Final = ubl.SKIPPED | cii.SKIPPED


def read_invoice(content: bytes) -> Invoice:
    """Read an electronic invoice or credit note of EN 16931: UBL 2.1, or UN/CEFACT CII D16B.

    Never fetches, expands or executes anything. Whatever the bytes, the only error is InvoiceUnreadable.
    """
    root = parse(content, _SKIPPED)
    reader = _READERS.get(root.name)
    if reader is None:
        raise InvoiceUnreadable(
            "invoice.unknown_syntax",
            f"{local_name(root.name)[:40]!r} is not an invoice that is read here; UBL 2.1 Invoice and CreditNote and "
            "UN/CEFACT CrossIndustryInvoice (D16B) are.",
        )
    return reader(root)
