"""Electronic invoices of the demonstration: read, registered, and what the ledger said of each."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from traco.client.results import NodeProblem, TransactionFailed, TransactionResult
from traco.demo.cast import Cast, Organisation
from traco.modules.document.messages import BUYER, SELLER, NamedParty
from traco.services.doc.fingerprint import rule_of
from traco.services.doc.invoice import (
    Invoice,
    InvoiceUnreadable,
    TradeParty,
    not_financeable_because,
    warnings,
)
from traco.services.doc.normalise import normal_text
from traco.services.doc.reader import read_invoice
from traco.services.doc.registration import Registration, prepare

MAX_FILES: Final = 500
MAX_BYTES: Final = 10 * 1024 * 1024  # of one file, as the reader allows
LARGEST: Final = 2**60  # smallest units; more cash than this is not issued here
SUFFIX: Final = ".xml"
OTHER_PAYEE: Final = "invoice.names_other_payee"
TOO_LARGE: Final = "too large for the cash of this demonstration"

# What a code means for the one who reads the table.
WORDS: Final[Mapping[str, str]] = {
    OTHER_PAYEE: "names another payee, not financed here",
    "invoice.marked_factored": "says that it is assigned already",
    "invoice.corrects_another": "corrects an earlier invoice",
    "invoice.credit_note": "a credit note cannot be financed",
    "invoice.not_a_claim": "not a claim, cannot be financed",
    "invoice.nothing_payable": "nothing payable, cannot be financed",
}


class Paper(NamedTuple):
    """A file, its reading, who is who, and its registration. ``unreadable`` says why there is nothing else."""

    path: Path
    content: bytes
    invoice: Invoice | None
    seller: Organisation | None
    buyer: Organisation | None
    registration: Registration | None
    outcome: str
    notes: tuple[str, ...]

    @property
    def financeable(self) -> bool:
        """Whether a bank would look at it: registered unique, a claim, and not assigned to another payee already."""
        if self.outcome != "unique" or self.invoice is None:
            return False
        if OTHER_PAYEE in warnings(self.invoice) or self.invoice.payable_amount > LARGEST:
            return False
        return not_financeable_because(self.invoice) is None

    @property
    def registered(self) -> bool:
        """Whether it is on the ledger: it could be read, and the rules accepted it."""
        return self.registration is not None


class Importer:
    """Imports files, in order of their names; remembers invoices by number, so that credit notes find theirs."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._documents: dict[tuple[str, str], bytes] = {}
        self.credited: dict[bytes, int] = {}  # by document, what its credit notes take off, in smallest units
        self.registered: list[str] = []

    def files(self, paths: Sequence[Path], progress: Callable[[int, int], None]) -> list[Paper]:
        """Import files in this order; ``progress`` gets how many are done, and of how many."""
        found: list[Paper] = []
        for path in paths:
            found.append(self.file(path))
            progress(len(found), len(paths))
        return found

    def file(self, path: Path) -> Paper:
        """Import one file; what cannot be read or is refused is reported, not raised."""
        try:
            with path.open("rb") as opened:
                content = opened.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise InvoiceUnreadable(
                    "invoice.too_large", "the file has more than 10 MiB; leave out embedded attachments."
                )
            invoice = read_invoice(content)
        except (InvoiceUnreadable, OSError) as error:
            reason = error.detail if isinstance(error, InvoiceUnreadable) else error.strerror or str(error)
            return Paper(path, b"", None, None, None, None, "unreadable", (reason,))
        try:
            seller, buyer = self._organisation(invoice.seller), self._organisation(invoice.buyer)
            return self.submit(path, content, invoice, seller, buyer)
        except InvoiceUnreadable as error:  # a name of nothing but punctuation has no normal form
            return Paper(path, content, None, None, None, None, "unreadable", (error.detail,))
        except (TransactionFailed, NodeProblem) as failed:
            return Paper(path, content, invoice, None, None, None, "refused", (failed.code,))

    def _organisation(self, trader: TradeParty) -> Organisation:
        organisation, new = self._cast.named(trader)
        if new:
            self.registered.append(organisation.name)
        return organisation

    def submit(
        self, path: Path, content: bytes, invoice: Invoice, seller: Organisation, buyer: Organisation
    ) -> Paper:  # fmt: skip
        """Register a file that was read, on behalf of its seller."""
        roles = (NamedParty(SELLER, seller.id), NamedParty(BUYER, buyer.id))
        credited = [self._documents.get((normal_text(seller.name), one.number)) for one in invoice.preceding]
        known = next((document for document in credited if document is not None), None)
        registration = prepare(
            self._cast.client, seller.id, content, invoice, roles, os.urandom(32), os.urandom(16),
            known if invoice.kind == "credit_note" else None,
        )  # fmt: skip
        notes = _notes(invoice)
        try:
            result = seller.party.transact(registration.message)
        except TransactionFailed as failed:
            failure = failed.result.failure
            code = failure.code if failure else failed.result.status
            return Paper(path, content, invoice, seller, buyer, None, "refused", (code, *notes))
        outcome, matched = outcome_of(result)
        if outcome == "unique" and known is not None:
            self.credited[known] = self.credited.get(known, 0) + invoice.payable_amount
        if outcome == "unique":
            self._documents.setdefault((normal_text(seller.name), invoice.number), registration.document)
        return Paper(path, content, invoice, seller, buyer, registration, outcome, (*matched, *notes))


def invoice_files(folder: Path) -> list[Path]:
    """The XML files of a folder by name, at most ``MAX_FILES``. Raises ``OSError``."""
    found = (path for path in folder.iterdir() if path.suffix.lower() == SUFFIX and path.is_file())
    return sorted(found)[:MAX_FILES]


def outcome_of(result: TransactionResult) -> tuple[str, tuple[str, ...]]:
    """Unique or duplicate, and what agreed with which strength, from the events of a registration."""
    registered = result.events_of("document.registered/1")[0]
    outcome = "unique" if registered["outcome"] == "REGU" else "duplicate"
    matches = [event["match"] for event in result.events_of("document.matched/1")]
    return outcome, tuple(_match_text(match) for match in matches[:2])


def _match_text(match: Mapping[str, Any]) -> str:
    positions: Iterable[int] = match["positions"]
    strength = str(match["strength"])
    agreed = sorted({rule_of(strength, position) for position in positions})
    if strength == "exact":
        return "number, date, amount and parties agree"
    more = f", and {len(agreed) - 1} more rules" if len(agreed) > 1 else ""
    return f"{strength} match: {agreed[0].replace('+', ', ')}{more}"


def _notes(invoice: Invoice) -> tuple[str, ...]:
    """In words, what a lender should know of an invoice."""
    codes = [*warnings(invoice), not_financeable_because(invoice)]
    too_large = (TOO_LARGE,) if invoice.payable_amount > LARGEST else ()
    return (*(WORDS.get(code, code) for code in codes if code is not None), *too_large)
