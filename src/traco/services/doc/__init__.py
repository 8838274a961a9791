"""TracoDoc, as far as it exists: electronic invoices read, normalised, committed to and fingerprinted, off the ledger.

The names below are the public ones; the other modules of the package are for themselves.
"""

from traco.services.doc.content import ContentMismatch, check_content, commit_content
from traco.services.doc.fingerprint import (
    FingerprintKey,
    fingerprints_of,
    rule_of,
)
from traco.services.doc.invoice import (
    Invoice,
    InvoiceKind,
    InvoiceUnreadable,
    PrecedingInvoice,
    Syntax,
    TradeParty,
    not_financeable_because,
    warnings,
)
from traco.services.doc.normalise import InvoiceFields, check_normal, fields_of, normalise_fields
from traco.services.doc.reader import read_invoice
from traco.services.doc.service import (
    Fingerprinter,
    FingerprintRefused,
    FingerprintService,
    RateLimit,
    RequestLog,
)

__all__ = [
    "ContentMismatch",
    "FingerprintKey",
    "FingerprintRefused",
    "FingerprintService",
    "Fingerprinter",
    "Invoice",
    "InvoiceFields",
    "InvoiceKind",
    "InvoiceUnreadable",
    "PrecedingInvoice",
    "RateLimit",
    "RequestLog",
    "Syntax",
    "TradeParty",
    "check_content",
    "check_normal",
    "commit_content",
    "fields_of",
    "fingerprints_of",
    "normalise_fields",
    "not_financeable_because",
    "read_invoice",
    "rule_of",
    "warnings",
]
