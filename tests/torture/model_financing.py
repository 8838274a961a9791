"""The model of financing up to settlement: requests, offers, reservations, the receivable. What follows is in ``model_payments``."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from torture.model import Books, Handler, require
from torture.model_document import financed_twin, in_role, parts, standing
from torture.model_holding import (
    arrive,
    controls_credit,
    end_hold,
    open_account,
    open_instrument,
    place_hold,
    retire,
)
from torture.model_settlement import affirm, release
from torture.model_settlement import create as create_batch
from traco.kernel.codec import derive_id, digest, encode
from traco.modules.document.messages import INVOICE
from traco.modules.financing import messages as m
from traco.modules.settlement import messages as settlement

REQUEST_EXPIRY, OFFER_EXPIRY = "financing.request_expiry", "financing.offer_expiry"
EXECUTOR = digest(b"traco/financing/executor/1")[:16]
MILLION = 1_000_000


class Deal(NamedTuple):
    """What was agreed."""

    offer: bytes
    lender: bytes
    batch: bytes
    price: int
    recourse: bool
    cash_account: bytes
    receivable_account: bytes


class Invoice(NamedTuple):
    """What matters of a document that can be financed."""

    seller: bytes
    debtor: bytes
    currency: str
    total: int
    commitment: bytes


def remainder_hold(instrument: bytes) -> bytes:
    """The id of the hold on what is issued and not yet financed."""
    return digest(b"traco/financing/remainder/1", instrument)


def unpaid(row: dict[str, Any]) -> int:
    """What the debtor of a receivable still owes."""
    found: int = row["total"] - row["paid"] - row["diluted"]
    return found


def credit_notes(books: Books, document: bytes) -> dict[bytes, int]:
    """The registered credit notes against an invoice, with their amounts."""
    return {
        key: row["payable"].amount
        for key, row in books.documents.items()
        if row["indexed"] and row["credits"] == document
    }


def financeable(books: Books, document: bytes) -> Invoice:
    """The invoice, if it can be financed."""
    row = books.documents.get(document, {"stated": (), "inherited": ()})
    twin = financed_twin(books, (*row["stated"], *row["inherited"]))
    require(twin in (None, document), "financing.already_financed")
    row = standing(books, document)
    if twin is None:
        require(row["kind"] == INVOICE, "document.kind_not_financeable")
    require(not row["disputes"], "document.disputed" if twin is None else "financing.disputed")
    if twin is None:
        require(row["payable"] is not None, "document.amount_undisclosed")
        require(row["payable"].amount > 0, "document.amount_zero")
    seller, debtor = in_role(row, "seller"), in_role(row, "buyer")
    require(seller is not None and debtor is not None, "financing.party_missing")
    assert seller is not None
    assert debtor is not None
    books.require_active(debtor)
    issued = books.receivables.get(document)
    whole = row["payable"].amount - sum(credit_notes(books, document).values())
    total: int = whole if issued is None else issued["total"]
    require(total > 0, "financing.nothing_payable")
    return Invoice(seller, debtor, row["payable"].currency, total, row["commitment"])


def check_room(books: Books, document: bytes, total: int, face: int) -> None:
    """Whether the face fits into what is not financed and not paid."""
    row = books.receivables.get(document)
    room = total if row is None else min(row["total"] - row["financed"], unpaid(row))
    require(room > 0, "financing.already_financed")
    require(face <= room, "financing.amount_exceeded")


def check_cash(books: Books, document: bytes, currency: str, cash: bytes) -> None:
    """Whether the cash pays the document; the actions use currencies of two decimals only."""
    found, issued = open_instrument(books, cash), books.receivables.get(document)
    fits = (found["kind"], found["currency"], found["decimals"]) == ("cash", currency, 2)
    require(fits and (issued is None or issued["cash"] == cash), "financing.cash_mismatch")


def check_offer(books: Books, document: bytes, unconfirmed: bool, acknowledges: tuple[bytes, ...]) -> None:
    """Whether an offer covers what the document is."""
    row = books.documents[document]
    buyer = in_role(row, "buyer")
    full = row["payable"].amount
    stood_by = any(party == buyer and part in (None, full) for party, part in row["confirmations"])
    require(unconfirmed or (stood_by and buyer not in row["disputes"]), "financing.unconfirmed")
    own = parts(row)
    for other, found in books.documents.items():
        if other != document and found["financing"] is not None:
            shared = [part[0] for part in parts(found) if part in own]
            partial = bool(shared) and "exact" not in shared
            require(not partial or other in acknowledges, "financing.partial_unacknowledged")


def check_unreserved(books: Books, document: bytes) -> None:
    """Neither the document nor one with the same facts is reserved."""
    facts = [part for part in parts(books.documents[document]) if part[0] == "exact"]
    for other, row in books.documents.items():
        found = row["indexed"] or row["financing"] is not None
        alike = found and any(part in facts for part in parts(row))
        reserved = other in books.receivables and books.receivables[other]["reservation"] is not None
        require(not reserved or not (alike or other == document), "financing.reserved")


def known(books: Books, financing: bytes) -> dict[str, Any]:
    """The financing, whatever became of it."""
    found = books.financings.get(financing)
    require(found is not None, "financing.not_found")
    assert found is not None
    return found


def own(books: Books, financing: bytes, party: bytes) -> dict[str, Any]:
    """The financing, which this seller requested."""
    require(known(books, financing)["seller"] == party, "financing.not_seller")
    return books.financings[financing]


def requested(books: Books, financing: bytes, time_ms: int) -> dict[str, Any]:
    """The request, which is open."""
    row = known(books, financing)
    require(row["status"] != "reserved", "financing.reserved")
    require(row["status"] == "requested", "financing.not_open")
    require(time_ms < row["expires"], "financing.request_expired")
    return row


def check_validity(books: Books, until_ms: int, time_ms: int) -> None:
    """Whether a request or an offer may live until then."""
    longest = books.limit("financing", "max_life_ms")
    require(time_ms < until_ms <= time_ms + longest, "financing.validity")


def check_owner(books: Books, accounts: tuple[bytes, ...], party: bytes) -> None:
    """Whether the accounts are open and the party's."""
    for account in accounts:
        require(open_account(books, account)["owner"] == party, "financing.account_foreign")


def request(books: Books, message: m.RequestFinancing, time_ms: int) -> None:
    """A seller asks."""
    invoice = financeable(books, message.document)
    require(invoice.seller == message.party, "financing.not_seller")
    financing = derive_id("financing", message.party, message.salt)
    require(financing not in books.financings, "financing.exists")
    check_room(books, message.document, invoice.total, message.face)
    check_cash(books, message.document, invoice.currency, message.cash)
    check_validity(books, message.expires_ms, time_ms)
    books.financings[financing] = {
        "document": message.document, "seller": message.party, "face": message.face, "cash": message.cash,
        "terms": message.terms, "expires": message.expires_ms, "status": "requested", "deal": None, "recovered": 0,
        "waits": True,
    }  # fmt: skip


def cancel(books: Books, message: m.CancelFinancing, time_ms: int) -> None:
    """The seller takes back."""
    row = own(books, message.financing, message.party)
    require(row["status"] in ("requested", "reserved"), "financing.not_open")
    if row["deal"] is not None:
        release(books, row["deal"].batch, "cancelled")
    if row["status"] == "requested":
        row["status"], row["waits"] = "cancelled", False


def offer(books: Books, message: m.MakeOffer, time_ms: int) -> None:
    """A lender offers."""
    row = requested(books, message.financing, time_ms)
    require(message.party != row["seller"], "financing.self_financed")
    check_owner(books, (message.cash_account, message.receivable_account), message.party)
    key = message.financing + derive_id("offer", message.party, message.salt)
    require(key not in books.offers, "financing.offer_exists")
    agreed = (message.cash, message.face, message.terms) == (row["cash"], row["face"], row["terms"])
    require(agreed, "financing.terms_differ")
    if isinstance(message.price, m.FixedPrice):
        price = message.price.price
    else:  # rounded up, in the seller's favour
        price = -(-message.face * (MILLION - message.price.discount_ppm) // MILLION)
    require(1 <= price <= message.face, "financing.price")
    check_validity(books, message.valid_until_ms, time_ms)
    invoice = financeable(books, row["document"])
    require(invoice.commitment == message.content_commitment, "financing.commitment_differs")
    check_room(books, row["document"], invoice.total, row["face"])
    check_offer(books, row["document"], message.accepts_unconfirmed, message.acknowledges)
    books.offers[key] = {
        "lender": message.party, "price": price, "recourse": message.recourse, "firm": message.firm,
        "unconfirmed": message.accepts_unconfirmed, "acknowledges": message.acknowledges,
        "valid_until": message.valid_until_ms, "cash_account": message.cash_account,
        "receivable_account": message.receivable_account, "status": "open",
    }  # fmt: skip


def withdraw_offer(books: Books, message: m.WithdrawOffer, time_ms: int) -> None:
    """A lender takes back."""
    row = books.offers.get(message.financing + message.offer)
    require(row is not None, "financing.offer_not_found")
    assert row is not None
    require(row["lender"] == message.party, "financing.not_lender")
    require(row["status"] == "open", "financing.offer_ended")
    row["status"] = "withdrawn"


def accept(books: Books, message: m.AcceptOffer, time_ms: int) -> None:
    """The seller accepts."""
    row = requested(books, message.financing, time_ms)
    require(row["seller"] == message.party, "financing.not_seller")
    check_owner(books, (message.cash_account, message.receivable_account), message.party)
    controlled = controls_credit(books, message.receivable_account, message.party)
    require(controlled, "financing.account_not_controlled")
    found = books.offers.get(message.financing + message.offer)
    require(found is not None, "financing.offer_not_found")
    assert found is not None
    require(found["status"] == "open", "financing.offer_ended")
    require(time_ms < found["valid_until"], "financing.offer_expired")
    agreed = (message.cash, message.price) == (row["cash"], found["price"])
    require(agreed, "financing.terms_differ")
    invoice = financeable(books, row["document"])
    check_unreserved(books, row["document"])
    check_room(books, row["document"], invoice.total, row["face"])
    check_cash(books, row["document"], invoice.currency, row["cash"])
    check_offer(books, row["document"], found["unconfirmed"], found["acknowledges"])
    _reserve(books, message, row, found, invoice, time_ms)


def _reserve(
    books: Books, message: m.AcceptOffer, row: dict[str, Any], found: dict[str, Any], invoice: Invoice,
    time_ms: int,
) -> None:  # fmt: skip
    seller, lender, financing, document = message.party, found["lender"], message.financing, row["document"]
    salt = digest(b"traco/financing/batch/1", financing, message.offer)[:16]
    if document not in books.receivables:
        _issue(books, message, row, invoice, salt, time_ms)
    receivable = books.receivables[document]
    batch = derive_id("batch", seller, salt)
    row["status"], receivable["reservation"], found["status"] = "reserved", financing, "accepted"
    row["deal"] = Deal(
        message.offer, lender, batch, found["price"], found["recourse"], found["cash_account"],
        found["receivable_account"],
    )  # fmt: skip
    _default_payout(books, seller, message.receivable_account, message.cash_account)
    legs = (
        settlement.SettlementInstruction(seller, lender, receivable["instrument"], row["face"], financing),
        settlement.SettlementInstruction(lender, seller, row["cash"], found["price"], financing),
    )
    deadline = time_ms + books.limit("financing", "reservation_ms")
    create_batch(books, settlement.CreateBatch(seller, legs, (), True, deadline, salt), time_ms)
    follow = [(encode(kind(financing)),) for kind in (m.FinancingSettled, m.FinancingReleased)]
    terms = settlement.terms_hash(legs, (), True, deadline, *follow)
    books.batches[batch].update(terms=terms, financing=financing)
    own_part = settlement.OwnHolding(message.receivable_account), settlement.IntoAccount(message.cash_account)
    affirm(
        books,
        settlement.Affirm(seller, batch, terms, ((0, own_part[0]),), ((1, own_part[1]),)),
        time_ms,
    )
    if found["firm"]:
        paid, taken = found["cash_account"], found["receivable_account"]
        lenders = settlement.Affirm(
            lender, batch, terms, ((1, settlement.OwnHolding(paid)),), ((0, settlement.IntoAccount(taken)),)
        )
        affirm(books, lenders, time_ms)


def _issue(
    books: Books, message: m.AcceptOffer, row: dict[str, Any], invoice: Invoice, salt: bytes, time_ms: int
) -> None:
    instrument = derive_id("instrument", message.party, b"REC/" + salt.hex().encode())
    total, remainder, account = invoice.total, invoice.total - row["face"], message.receivable_account
    books.instruments[instrument] = {
        "issuer": message.party, "operators": (), "closed": False, "cap": total, "issued": total, "redeemed": 0,
        "kind": "receivable", "currency": invoice.currency, "decimals": 2,
    }  # fmt: skip
    arrive(books, instrument, account, total)
    if remainder:
        held = {
            "account": account, "instrument": instrument, "amount": remainder, "executor": EXECUTOR, "expires": 0,
        }  # fmt: skip
        place_hold(books, remainder_hold(instrument), held, time_ms)
    for note, amount in credit_notes(books, row["document"]).items():
        books.notes[note] = {"instrument": instrument, "amount": amount}
    books.receivables[row["document"]] = {
        "instrument": instrument, "cash": row["cash"], "seller": message.party, "seller_account": account,
        "debtor": invoice.debtor, "total": total, "paid": 0, "diluted": 0, "uncollected": 0, "financed": 0,
        "reservation": None, "remainder": remainder, "due": None, "overdue": False, "waits": False, "payments": 0,
    }  # fmt: skip


def _default_payout(books: Books, party: bytes, account: bytes, cash_account: bytes) -> None:
    controlled = books.accounts[account]["debit"] == party and controls_credit(books, cash_account, party)
    if controlled and account != cash_account and account not in books.payouts:
        books.payouts[account] = {"account": cash_account}


def settled(books: Books, financing: bytes) -> None:
    """The batch of a reservation settles, unless the document may not be financed any more."""
    row = books.financings[financing]
    deal, document = row["deal"], row["document"]
    found, receivable = books.offers[financing + deal.offer], books.receivables[document]
    financeable(books, document)
    check_offer(books, document, found["unconfirmed"], found["acknowledges"])
    if books.documents[document]["financing"] is None:
        books.documents[document]["financing"] = financing
    if receivable["remainder"]:
        end_hold(books, remainder_hold(receivable["instrument"]))
    day = books.documents[document]["due_date"]
    if receivable["financed"] == 0 and day is not None:
        receivable["due"], receivable["waits"] = (
            end_of_day(day, books.limit("financing", "zone_minutes")),
            True,
        )
    receivable["financed"] += row["face"]
    receivable["reservation"], receivable["remainder"] = None, 0
    row["status"], row["waits"], found["status"] = "financed", False, "settled"
    _default_payout(books, deal.lender, deal.receivable_account, deal.cash_account)


def end_of_day(day: str, zone_minutes: int) -> int:
    """The time at which a day is over in a zone."""
    morrow = date.fromisoformat(day) + timedelta(days=1)
    midnight = datetime(morrow.year, morrow.month, morrow.day, tzinfo=UTC)
    return int(midnight.timestamp()) * 1_000 - zone_minutes * 60_000


def released(books: Books, financing: bytes) -> None:
    """The batch of a reservation ended without settling."""
    row = books.financings[financing]
    document = row["document"]
    receivable = books.receivables[document]
    books.offers[financing + row["deal"].offer]["status"] = "released"
    row["status"] = "requested" if books.time_ms < row["expires"] else "expired"
    row["deal"], receivable["reservation"] = None, None
    if receivable["financed"]:
        return
    instrument, account, total = receivable["instrument"], receivable["seller_account"], receivable["total"]
    if receivable["remainder"]:
        end_hold(books, remainder_hold(instrument))
        receivable["remainder"] = 0
    if books.available[instrument, account] == total:
        retire(books, instrument, account, total)
        del books.receivables[document]
        return
    found = books.documents[document]  # some of it was attached: it stays, and counts as financed
    twin = financed_twin(books, (*found["stated"], *found["inherited"]))
    if found["status"] == "registered" and twin is None:
        found["financing"] = financing


def expire_request(books: Books, financing: bytes) -> None:
    """A request's time is over; one that is reserved waits for its batch."""
    row = books.financings[financing]
    row["waits"] = False
    if row["status"] == "requested":
        row["status"] = "expired"


def expire_offer(books: Books, key: bytes) -> None:
    """An offer's time is over."""
    books.offers[key]["status"] = "expired"


def requests_due(books: Books) -> list[tuple[int, str, bytes]]:
    """The ends of requests and offers to come."""
    asked = [(row["expires"], REQUEST_EXPIRY, key) for key, row in books.financings.items() if row["waits"]]
    offered = books.offers.items()
    return asked + [
        (row["valid_until"], OFFER_EXPIRY, key) for key, row in offered if row["status"] == "open"
    ]


FINANCING_HANDLERS: dict[type[Any], Handler] = {
    m.RequestFinancing: request, m.CancelFinancing: cancel, m.MakeOffer: offer, m.WithdrawOffer: withdraw_offer,
    m.AcceptOffer: accept,
}  # fmt: skip
