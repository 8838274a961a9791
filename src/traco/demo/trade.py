"""Financing one invoice: the bank's own checks, the offer, the settlement, and attempts to finance it again."""

import json
import os
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple

from traco.client.results import TransactionFailed, TransactionResult
from traco.demo.cast import Cast, Organisation
from traco.demo.papers import Paper, outcome_of
from traco.demo.stage import DemoFailed, expect
from traco.modules.document.messages import BUYER, SELLER, NamedParty, RegisterDocument, document_id
from traco.modules.financing.messages import (
    AcceptOffer,
    Discount,
    MakeOffer,
    RequestFinancing,
    financing_id,
    offer_id,
    price_of,
)
from traco.services.doc.amounts import EXPONENTS
from traco.services.doc.content import check_content, commit_content
from traco.services.doc.normalise import InvoiceFields, fields_of, normalise_fields
from traco.services.doc.reader import read_invoice
from traco.services.doc.registration import Registration, keyed

DISCOUNT_PPM: Final = 15_000  # 1.5 per cent of the face, for the whole term
TERMS: Final = sha256(b"Example receivables purchase agreement, version 1").digest()
OFFER_MS: Final = 3_600_000


class Deal(NamedTuple):
    """An invoice being financed by a bank: ids, and the price in smallest units."""

    paper: Paper
    bank: Organisation
    financing: bytes
    offer: bytes
    face: int
    price: int
    currency: str

    @property
    def document(self) -> bytes:
        """The id of the invoice on the ledger."""
        return registered(self.paper).document


def bank_checks(cast: Cast, bank: Organisation, paper: Paper) -> int:
    """What the bank's own software does with the file and salt it was given; how many fingerprints agreed.

    The salted commitment must be that on the ledger; and the fingerprint service, asked without registering, must key
    the fields that the bank reads in the file to the fingerprints on the ledger.
    """
    registration = registered(paper)
    on_ledger = cast.client.query("document.get", document=registration.document)["record"]
    commitment = bytes.fromhex(on_ledger["content_commitment"])
    check_content(commitment, paper.content, registration.content_salt)
    fields = fields_of(read_invoice(paper.content))
    statement = keyed(cast.client, bank.id, fields, commitment, register=False)
    expect(
        statement.statement.fingerprints == registration.message.statement.statement.fingerprints,
        "the file that the bank was given has the fingerprints that are on the ledger",
    )
    return sum(1 + len(prints.strong) + len(prints.weak) for prints in statement.statement.fingerprints)


def request(cast: Cast, paper: Paper, face: int) -> bytes:
    """The seller asks for financing of ``face`` (smallest units); the financing's id. Raises ``TransactionFailed``."""
    invoice, seller, registration = paper.invoice, paper.seller, registered(paper)
    if invoice is None or seller is None:
        raise DemoFailed("an unreadable file cannot be financed")
    salt = os.urandom(16)
    expires = cast.client.status().time_ms + OFFER_MS
    seller.party.transact(
        RequestFinancing(
            seller.id, registration.document, face, cast.cash(invoice.currency), TERMS, expires, salt
        )
    )
    return financing_id(seller.id, salt)


def offer(
    cast: Cast, bank: Organisation, paper: Paper, financing: bytes, face: int, *, unconfirmed: bool = False
) -> Deal:
    """The bank's firm offer with recourse: its acceptance settles at once. Raises ``TransactionFailed``.

    ``unconfirmed``: also where the buyer has not confirmed. Partial matches that are financed are not acknowledged.
    """
    invoice, registration = paper.invoice, registered(paper)
    if invoice is None:
        raise DemoFailed("an unreadable file cannot be financed")
    salt, price = os.urandom(16), Discount(DISCOUNT_PPM)
    bank.party.transact(
        MakeOffer(
            bank.id, financing, cast.cash(invoice.currency), face, price, TERMS, True, unconfirmed, (),
            registration.message.content_commitment, True, cast.client.status().time_ms + OFFER_MS // 2,
            bank.account, bank.account, salt,
        )
    )  # fmt: skip
    return Deal(
        paper, bank, financing, offer_id(bank.id, salt), face, price_of(price, face), invoice.currency
    )


def accept(cast: Cast, deal: Deal) -> TransactionResult:
    """The seller accepts: one batch moves the receivable to the bank and the cash to the seller, or neither."""
    seller = deal.paper.seller
    if seller is None:
        raise DemoFailed("an unreadable file cannot be financed")
    return seller.party.transact(
        AcceptOffer(
            seller.id,
            deal.financing,
            deal.offer,
            cast.cash(deal.currency),
            deal.price,
            seller.account,
            seller.account,
        )
    )


def refused(attempt: TransactionFailed) -> str:
    """The code with which the ledger said no."""
    failure = attempt.result.failure
    return failure.code if failure else attempt.result.status


def retyped_variants(paper: Paper) -> list[tuple[str, InvoiceFields]]:
    """The financed invoice as somebody might enter it again: retyped in other forms, and with one fact changed."""
    if paper.invoice is None:
        raise DemoFailed("an unreadable file cannot be retyped")
    invoice = paper.invoice
    decimals = EXPONENTS[invoice.currency]
    whole, part = divmod(invoice.payable_amount, 10**decimals)
    year, month, day = invoice.issue_date.split("-")
    as_typed = {
        "number": invoice.number, "issue_date": invoice.issue_date, "currency": invoice.currency,
        "amount": f"{whole}.{part:0{decimals}}" if decimals else str(whole),
        "seller": invoice.seller.name, "buyer": invoice.buyer.name,
    }  # fmt: skip
    changes = {
        "case and spaces": {
            "seller": f"  {invoice.seller.name.upper()} ",
            "buyer": invoice.buyer.name.lower(),
        },
        "punctuation and leading zeros": {"number": _respelled(invoice.number)},
        "another date format": {"issue_date": f"{int(day)} {MONTHS[int(month) - 1]} {year}"},
        "another number": {"number": invoice.number + "9"},
    }
    return [(name, normalise_fields({**as_typed, **change})) for name, change in changes.items()]


MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _respelled(number: str) -> str:
    """The same number with other punctuation, and zeros in front where it begins with digits."""
    spaced = number.replace("-", " / ") if "-" in number else f"{number[:2]}.{number[2:]}"
    return f"00{spaced}" if number[:1].isdigit() else spaced


def register_again(cast: Cast, paper: Paper, fields: InvoiceFields) -> tuple[str, tuple[str, ...], bytes]:
    """Try to register the facts again, under another commitment; what became of it, what matched, and the document."""
    seller, buyer, registration = paper.seller, paper.buyer, registered(paper)
    if seller is None or buyer is None:
        raise DemoFailed("an unreadable file cannot be registered again")
    salt = os.urandom(16)
    commitment = commit_content(json.dumps(str(fields)).encode(), os.urandom(32))
    statement = keyed(cast.client, seller.id, fields, commitment, register=True)
    original = registration.message
    message = RegisterDocument(
        seller.id, salt, original.kind, original.schema, commitment, statement,
        (NamedParty(SELLER, seller.id), NamedParty(BUYER, buyer.id)), original.payable, original.issue_date,
        original.due_date,
    )  # fmt: skip
    try:
        outcome, matched = outcome_of(seller.party.transact(message))
    except TransactionFailed as failed:
        return f"refused: {refused(failed)}", (), b""
    return f"registered, {outcome}", matched, document_id(seller.id, salt)


def other_syntax(paper: Paper, papers: Iterable[Paper]) -> Paper | None:
    """Another imported file that is the same invoice in another syntax, if there is one."""
    if paper.invoice is None:
        return None
    mine = fields_of(paper.invoice)
    for other in papers:
        if other.invoice is None or not other.registered or other.invoice.syntax == paper.invoice.syntax:
            continue
        if _same_facts(fields_of(other.invoice), mine):
            return other
    return None


def _same_facts(one: InvoiceFields, other: InvoiceFields) -> bool:
    names = ("number", "issue_date", "amount", "currency", "seller", "buyer")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def registered(paper: Paper) -> Registration:
    """The registration of a paper that was registered. Raises ``DemoFailed`` for another."""
    if paper.registration is None:
        raise DemoFailed(f"{paper.path.name} is not registered")
    return paper.registration
