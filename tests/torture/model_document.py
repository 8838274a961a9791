"""The model of documents: who registered which facts, who stands by them, who disputes them."""

from typing import Any

from support.ledger import Key
from torture.model import Books, Handler, require
from traco.kernel.codec import derive_id
from traco.modules.document import messages as m

SERVICE = "fingerprint service"
MAX_SIMILAR, MAX_INHERITED, MAX_CREDIT_NOTES = 16, 32, 64
VERSION = (1, 1)
DAYS = ("2026-02-30", "2026-04-31")  # not in any calendar; the actions use no other wrong ones


def known(books: Books, document: bytes) -> dict[str, Any]:
    """The document, whatever became of it."""
    found = books.documents.get(document)
    require(found is not None, "document.not_found")
    assert found is not None
    return found


def standing(books: Books, document: bytes) -> dict[str, Any]:
    """The document, which stands."""
    found = known(books, document)
    require(found["status"] == "registered", "document.not_registered")
    return found


def own(books: Books, party: bytes, document: bytes) -> dict[str, Any]:
    """A standing document of the party."""
    require(known(books, document)["registrant"] == party, "document.not_registrant")
    require(standing(books, document)["financing"] is None, "document.financed")
    return books.documents[document]


def in_role(row: dict[str, Any], role: str) -> bytes | None:
    """Who has a role, if it is a registered party."""
    return next((named.party for named in row["roles"] if named.role == role), None)


def parts(row: dict[str, Any]) -> list[tuple[str, bytes]]:
    """What a document is found by."""
    found: list[tuple[str, bytes]] = []
    for prints in (*row["stated"], *row["inherited"]):
        found.append(("exact", prints.exact))
        found += [("strong", each) for each in prints.strong] + [("weak", each) for each in prints.weak]
    return list(dict.fromkeys(found))


def financed_twin(books: Books, found_by: tuple[Any, ...]) -> bytes | None:
    """The financed document with the same facts."""
    for prints in found_by:
        same = sorted(
            (row["registrant"], document)
            for document, row in books.documents.items()
            if row["financing"] is not None and ("exact", prints.exact) in parts(row)
        )
        if same:
            return same[0][1]
    return None


def register(books: Books, message: m.RegisterDocument, time_ms: int) -> None:
    """A document is registered, perhaps as a duplicate, perhaps in the place of another."""
    require(any(named.party == message.party for named in message.roles), "document.registrant_not_named")
    document = derive_id("document", message.party, message.salt)
    require(document not in books.documents, "document.id_taken")
    _check_form(message)
    for named in message.roles:
        active = named.party is None or books.parties.get(named.party, {}).get("status") == "active"
        require(active, "document.party_not_active")
    _check_statement(books, message)
    owners = [
        row["registrant"]
        for row in books.documents.values()
        if row["commitment"] == message.content_commitment
    ]
    require(not owners or owners[-1] == message.party, "document.commitment_taken")
    if message.amends is not None:
        require(own(books, message.party, message.amends)["kind"] == message.kind, "document.kind_differs")
    credited = _check_references(books, message)
    stated = message.statement.statement.fingerprints
    require(financed_twin(books, stated) is None, "document.already_financed")
    duplicate_of = _own_exact(books, message, stated[0].exact)
    row = {
        "registrant": message.party, "kind": message.kind, "roles": message.roles, "payable": message.payable,
        "commitment": message.content_commitment, "stated": stated, "inherited": (), "credits": credited,
        "status": "registered" if duplicate_of is None else "duplicate", "duplicate_of": duplicate_of,
        "confirmations": (), "disputes": (), "indexed": False, "due_date": message.due_date, "financing": None,
    }  # fmt: skip
    books.documents[document] = row
    if duplicate_of is None:
        if message.amends is not None:
            _inherit(books, message.amends, row)
        _index(books, row)


def _check_form(message: m.RegisterDocument) -> None:
    seen: dict[str, m.NamedParty] = {}
    for named in message.roles:
        require(named.role not in seen, "document.role_repeated")
        require((named.party is None) != (named.identifier is None), "document.role_unspecified")
        seen[named.role] = named
    seller, buyer = seen.get("seller"), seen.get("buyer")
    if seller is not None and buyer is not None:
        same = (seller.party, seller.identifier) == (buyer.party, buyer.identifier)
        require(not same, "document.seller_is_buyer")
    require(message.issue_date not in DAYS and message.due_date not in DAYS, "document.date_invalid")
    credited = sum(reference.relation == "credits" for reference in message.references)
    require(credited <= (message.kind == "credit_note"), "document.credit_invalid")
    require(not credited or message.payable is not None, "document.amount_undisclosed")


def _check_statement(books: Books, message: m.RegisterDocument) -> None:
    statement = message.statement.statement
    require((statement.network, statement.ledger) == (books.network, b""), "document.statement_foreign")
    require(statement.content_commitment == message.content_commitment, "document.statement_content")
    require(statement.service == Key(SERVICE).public, "document.service_unknown")
    # the actions spoil a signature by making it all zeros
    require(any(message.statement.signature[1:]), "document.statement_forged")
    versions = [(prints.scheme, prints.key_version) for prints in statement.fingerprints]
    require(VERSION in versions, "document.version_missing")


def _check_references(books: Books, message: m.RegisterDocument) -> bytes | None:
    credited = None
    for reference in message.references:
        invoice = known(books, reference.document)
        if reference.relation == "credits":
            standing(books, reference.document)
            seller = in_role(invoice, "seller") or invoice["registrant"]
            require(message.party == seller, "document.not_seller")
            owed, credit = invoice["payable"], message.payable
            agreed = owed is None or credit is None or owed.currency == credit.currency
            require(agreed, "document.currency_differs")
            credited = reference.document
    return credited


def _own_exact(books: Books, message: m.RegisterDocument, exact: bytes) -> bytes | None:
    same = sorted(
        document
        for document, row in books.documents.items()
        if row["indexed"] and row["registrant"] == message.party and ("exact", exact) in parts(row)
    )
    return next((document for document in same if document != message.amends), None)


def _inherit(books: Books, document: bytes, successor: dict[str, Any]) -> None:
    old = books.documents[document]
    old["status"], old["indexed"] = "superseded", False
    taken = (*successor["inherited"], *old["stated"], *old["inherited"])
    distinct = tuple(dict.fromkeys(each for each in taken if each not in successor["stated"]))
    require(len(distinct) <= MAX_INHERITED, "document.limit_exceeded")
    successor["inherited"] = distinct


def _index(books: Books, row: dict[str, Any]) -> None:
    for part in parts(row):
        alike = sum(
            other["indexed"] and other["registrant"] == row["registrant"] and part in parts(other)
            for other in books.documents.values()
        )
        require(alike < MAX_SIMILAR, "document.index_full")
    if row["credits"] is not None:
        notes = sum(
            other["indexed"] and other["credits"] == row["credits"] for other in books.documents.values()
        )
        require(notes < MAX_CREDIT_NOTES, "document.limit_exceeded")
    row["indexed"] = True


def _require_counterparty(row: dict[str, Any], party: bytes, *, buyer_too: bool) -> None:
    if buyer_too and in_role(row, "buyer") == party:
        return
    named = any(each.party == party for each in row["roles"])
    require(named and party != row["registrant"], "document.not_counterparty")


def confirm(books: Books, message: m.ConfirmDocument, time_ms: int) -> None:
    """A counterparty stands by a document."""
    row = standing(books, message.document)
    _require_counterparty(row, message.party, buyer_too=True)
    require(message.party not in row["disputes"], "document.dispute_open")
    if message.amount is not None:
        require(row["payable"] is not None, "document.amount_undisclosed")
        require(message.amount <= row["payable"].amount, "document.amount_exceeded")
    for party, before in row["confirmations"]:
        if party == message.party:
            raised = before is not None and (message.amount is None or message.amount > before)
            require(raised, "document.confirmed_before")
    others = tuple(pair for pair in row["confirmations"] if pair[0] != message.party)
    row["confirmations"] = (*others, (message.party, message.amount))


def dispute(books: Books, message: m.DisputeDocument, time_ms: int) -> None:
    """A counterparty disputes a document."""
    row = standing(books, message.document)
    _require_counterparty(row, message.party, buyer_too=False)
    require(message.party not in row["disputes"], "document.dispute_open")
    row["disputes"] = (*row["disputes"], message.party)


def withdraw_dispute(books: Books, message: m.WithdrawDispute, time_ms: int) -> None:
    """A dispute ends."""
    row = standing(books, message.document)
    require(message.party in row["disputes"], "document.dispute_none")
    row["disputes"] = tuple(party for party in row["disputes"] if party != message.party)


def cancel(books: Books, message: m.CancelDocument, time_ms: int) -> None:
    """The registrant takes a document back."""
    row = own(books, message.party, message.document)
    row["status"], row["indexed"] = "cancelled", False


def supersede(books: Books, message: m.SupersedeDocument, time_ms: int) -> None:
    """One document takes the place of another."""
    require(message.document != message.successor, "document.supersedes_itself")
    old, new = own(books, message.party, message.document), own(books, message.party, message.successor)
    require(old["kind"] == new["kind"], "document.kind_differs")
    new["indexed"] = False
    _inherit(books, message.document, new)
    _index(books, new)


DOCUMENT_HANDLERS: dict[type[Any], Handler] = {
    m.RegisterDocument: register, m.ConfirmDocument: confirm, m.DisputeDocument: dispute,
    m.WithdrawDispute: withdraw_dispute, m.CancelDocument: cancel, m.SupersedeDocument: supersede,
}  # fmt: skip
