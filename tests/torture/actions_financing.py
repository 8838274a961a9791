"""Random financing: invoices that mostly can be financed, duplicates of them, offers, reservations, payments, recourse."""

from typing import Any

from torture.actions import NOBODY, ODD, Weighted, account, controller, party, reference
from torture.actions_claims import part
from torture.actions_document import statement
from torture.actions_settlement import affirmation
from torture.model import Table
from torture.model_document import in_role
from torture.model_financing import credit_notes, unpaid
from torture.model_holding import owned
from torture.model_payments import collectable
from torture.requests import Desk
from traco.kernel.codec import derive_id
from traco.kernel.instruction import Instruction
from traco.modules.document import messages as documents
from traco.modules.financing import messages as m
from traco.modules.holding import messages as holding

FACTS = range(30, 180)  # below are those of ``actions_document``
LIVES_MS = (200, 5_000, 60_000, 600_000, 600_000, 86_400_000, 91 * 86_400_000)
TERMS = b"\x07" * 32
Chosen = tuple[bytes, dict[str, Any]]


def is_odd(desk: Desk) -> bool:
    """Whether something is to be wrong, rarely: a request has many parts that may be."""
    return desk.rng.random() < ODD / 3


def cash(desk: Desk) -> bytes:
    """The money that invoices are paid in, mostly."""
    euro = derive_id("instrument", desk.world.ids["central"], b"EUR")
    return desk.rng.choice([*desk.books.instruments, NOBODY]) if is_odd(desk) else euro


def account_of(desk: Desk, owner: bytes, rich: bool = False) -> bytes:
    """An open account that the owner controls, mostly; ``rich``: the one with most money."""
    euro = derive_id("instrument", desk.world.ids["central"], b"EUR")
    rows = desk.books.accounts.items()
    found = [key for key, row in rows if row["owner"] == row["debit"] == owner and not row["closed"]]
    if not found or is_odd(desk):
        return account(desk)
    if rich and desk.rng.random() < 0.8:
        return max(found, key=lambda key: (desk.books.available.get((euro, key), 0), key))
    return desk.rng.choice(found)


def trader(desk: Desk, other: bytes = NOBODY) -> bytes:
    """An active party, mostly one that has money and is not the ``other``."""
    euro = derive_id("instrument", desk.world.ids["central"], b"EUR")
    owners = [
        desk.books.accounts[key]["owner"]
        for (instrument, key), amount in desk.books.available.items()
        if instrument == euro and amount > 1_000
    ]
    parties = desk.books.parties
    active = [each for each in owners if parties[each]["status"] == "active" and each != other]
    return desk.rng.choice(active) if active and not is_odd(desk) else party(desk)


def chosen(desk: Desk, table: Table, *fitting: bytes) -> Chosen | None:
    """A fitting row, later ones more often, rarely any other; None where there is none."""
    found = list(table) if is_odd(desk) else list(fitting)
    if not found:
        return None
    key = desk.rng.choice(found[-8:] if desk.rng.random() < 0.7 else found)
    return key, table[key]


def by(desk: Desk, wanted: bytes | None) -> bytes:
    """The party that ought to act, mostly."""
    return party(desk) if wanted is None or is_odd(desk) else wanted


# documents


def invoice(desk: Desk) -> tuple[Instruction, ...]:
    """An invoice of new facts, mostly confirmed by its buyer."""
    return _invoice(desk, trader(desk), desk.rng.choice(FACTS))


def _invoice(desk: Desk, seller: bytes, facts: int) -> tuple[Instruction, ...]:
    commitment, salt, buyer = desk.rng.randbytes(32), desk.salt(), trader(desk, seller)
    roles = (documents.NamedParty("seller", seller), documents.NamedParty("buyer", buyer))
    due = desk.rng.choice((*desk.world.due_dates, None))
    registered = documents.RegisterDocument(
        seller, salt, documents.INVOICE, "en16931", commitment, statement(desk, facts, commitment), roles,
        documents.Payable("EUR", desk.rng.choice((3, 100, 6_000, desk.rng.randint(1, 9_000)))), "2026-03-01", due,
    )  # fmt: skip
    document = documents.document_id(seller, salt)
    if desk.rng.random() < 0.15:
        return (registered,)
    return registered, documents.ConfirmDocument(buyer, document)


def twin(desk: Desk) -> tuple[Instruction, ...]:
    """The facts of a document that somebody asked to finance, again: by the same seller or by another."""
    rows = [row for row in desk.books.financings.values() if row["document"] in desk.books.documents]
    if not rows:
        return invoice(desk)
    row = desk.rng.choice(rows[-8:])
    stated = desk.books.documents[row["document"]]["stated"]
    facts = next(
        (each for each in FACTS if statement(desk, each, TERMS).statement.fingerprints == stated), 30
    )
    return _invoice(desk, row["seller"] if desk.rng.random() < 0.4 else trader(desk), facts)


def credit_note(desk: Desk) -> tuple[Instruction, ...]:
    """A credit note against a receivable, mostly brought to bear at once."""
    found = _receivable(desk)
    if found is None:
        return invoice(desk)
    document, row = found
    commitment, salt, seller = desk.rng.randbytes(32), desk.salt(), by(desk, row["seller"])
    payable = documents.Payable("EUR", part(desk, max(1, unpaid(row) // desk.rng.choice((1, 4)))))
    registered = documents.RegisterDocument(
        seller, salt, documents.CREDIT_NOTE, "en16931", commitment,
        statement(desk, desk.rng.randrange(1_000, 9_000), commitment),
        (documents.NamedParty("seller", seller), documents.NamedParty("buyer", row["debtor"])), payable, "2026-03-01",
        None, (documents.DocumentReference(documents.CREDITS, document),),
    )  # fmt: skip
    if desk.rng.random() < 0.3:
        return (registered,)
    return registered, _dilution(desk, document, row, documents.document_id(seller, salt))


# requests and offers


def _document(desk: Desk) -> Chosen | None:
    """An invoice that stands, often one that is financed in part."""
    books = desk.books
    fitting = [
        key
        for key, row in books.documents.items()
        if row["status"] == "registered" and row["kind"] == documents.INVOICE and in_role(row, "buyer") and row["payable"]
    ]  # fmt: skip
    shared = [
        key
        for key in fitting
        if key in books.receivables
        and 0 < books.receivables[key]["financed"] < books.receivables[key]["total"]
    ]
    return chosen(desk, books.documents, *(shared if shared and desk.rng.random() < 0.5 else fitting))


def _request(desk: Desk, document: bytes, row: dict[str, Any]) -> m.RequestFinancing:
    issued = desk.books.receivables.get(document)
    if issued is not None:
        room = min(issued["total"] - issued["financed"], unpaid(issued))
    elif row["payable"] is not None:
        room = row["payable"].amount - sum(credit_notes(desk.books, document).values())
    else:
        room = 100
    seller = by(desk, in_role(row, "seller"))
    face = room + 1 if is_odd(desk) else part(desk, max(1, room // desk.rng.choice((1, 3))))
    expires = desk.time_ms + desk.rng.choice(LIVES_MS)
    return m.RequestFinancing(seller, document, max(1, face), cash(desk), TERMS, expires, desk.salt())


def _offer(desk: Desk, financing: bytes, row: dict[str, Any], firm: bool) -> m.MakeOffer:
    lender, rng = trader(desk, row["seller"]), desk.rng
    face = row["face"] if not is_odd(desk) else row["face"] + 1
    price: m.Price = m.Discount(rng.choice((0, 20_000, 333_333, rng.randint(0, 999_999))))
    if rng.random() < 0.3:
        price = m.FixedPrice(max(1, face - rng.choice((-1, 0, 1, face // 2))))
    document = desk.books.documents.get(row["document"])
    commitment = TERMS if document is None or is_odd(desk) else document["commitment"]
    financed = [key for key, each in desk.books.documents.items() if each["financing"] is not None][:64]
    return m.MakeOffer(
        lender, financing, row["cash"] if not is_odd(desk) else NOBODY, face, price,
        row["terms"] if not is_odd(desk) else b"\x08" * 32, rng.random() < 0.6, rng.random() < 0.6,
        tuple(financed) if rng.random() < 0.6 else (), commitment, firm, desk.time_ms + rng.choice(LIVES_MS),
        account_of(desk, lender, rich=True), account_of(desk, lender), desk.salt(),
    )  # fmt: skip


def _acceptance(desk: Desk, financing: bytes, row: dict[str, Any], key: bytes, price: int) -> m.AcceptOffer:
    seller = by(desk, row["seller"])
    price += is_odd(desk)
    paid, given = account_of(desk, seller), account_of(desk, seller)
    issued = desk.books.receivables.get(row["document"])
    if issued is not None and not is_odd(desk):
        given = issued["seller_account"]
    return m.AcceptOffer(seller, financing, key, row["cash"], price, paid, given)


def _open_request(desk: Desk) -> Chosen | None:
    rows = desk.books.financings.items()
    fitting = [key for key, row in rows if row["status"] == "requested" and row["expires"] > desk.time_ms]
    return chosen(desk, desk.books.financings, *fitting)


def request(desk: Desk) -> tuple[Instruction, ...]:
    """A request for financing."""
    found = _document(desk)
    if found is None:
        return invoice(desk)
    asked = _request(desk, *found)
    return (asked, asked) if is_odd(desk) else (asked,)


def offer(desk: Desk) -> tuple[Instruction, ...]:
    """An offer on a request, firm or not."""
    found = _open_request(desk)
    if found is None:
        return request(desk)
    made = _offer(desk, *found, desk.rng.random() < 0.4)
    if is_odd(desk):
        return (made, made) if desk.rng.random() < 0.5 else (_offer(desk, NOBODY, found[1], firm=True),)
    return (made,)


def withdraw_offer(desk: Desk) -> tuple[Instruction, ...]:
    """An offer taken back."""
    still = [key for key, row in desk.books.offers.items() if row["status"] == "open"]
    found = chosen(desk, desk.books.offers, *still)
    if found is None:
        return offer(desk)
    key, row = found
    return (m.WithdrawOffer(by(desk, row["lender"]), key[:16], key[16:] if not is_odd(desk) else NOBODY),)


def accept(desk: Desk) -> tuple[Instruction, ...]:
    """An offer accepted: it settles at once, or reserves."""
    open_requests = [key for key, row in desk.books.financings.items() if row["status"] == "requested"]
    rows = desk.books.offers.items()
    still = [key for key, row in rows if row["status"] == "open" and key[:16] in open_requests]
    found = chosen(desk, desk.books.offers, *still)
    if found is None:
        return offer(desk)
    key, row = found
    financing = key[:16]
    return (_acceptance(desk, financing, desk.books.financings[financing], key[16:], row["price"]),)


def finance(desk: Desk) -> tuple[Instruction, ...]:
    """Request, offer and acceptance in one transaction."""
    found = _document(desk)
    if found is None:
        return invoice(desk)
    asked = _request(desk, *found)
    financing = m.financing_id(asked.party, asked.salt)
    row = {
        "face": asked.face, "cash": asked.cash, "terms": asked.terms, "document": asked.document, "seller": asked.party,
    }  # fmt: skip
    made = _offer(desk, financing, row, firm=desk.rng.random() < 0.7)
    price = m.price_of(made.price, made.face)
    accepted = _acceptance(desk, financing, row, m.offer_id(made.party, made.salt), max(1, price))
    return asked, made, accepted


def affirm_reservation(desk: Desk) -> tuple[Instruction, ...]:
    """The lender affirms a reservation, mostly in whole."""
    reserved = [key for key, row in desk.books.financings.items() if row["deal"] is not None]
    still = [key for key in reserved if desk.books.financings[key]["status"] == "reserved"]
    found = chosen(desk, {key: desk.books.financings[key] for key in reserved}, *still)
    if found is None:
        return accept(desk)
    deal = found[1]["deal"]
    batch = desk.books.batches[deal.batch]
    return (affirmation(desk, by(desk, deal.lender), deal.batch, batch["terms"], batch["legs"]),)


def cancel(desk: Desk) -> tuple[Instruction, ...]:
    """A request taken back, reserved or not."""
    rows = desk.books.financings.items()
    reserved = [key for key, row in rows if row["status"] == "reserved"]
    asked = [key for key, row in rows if row["status"] == "requested"]
    found = chosen(desk, desk.books.financings, *(reserved or asked))
    return (m.CancelFinancing(by(desk, found[1]["seller"]), found[0], "torture"),) if found else request(desk)


# payment


def _receivable(desk: Desk) -> Chosen | None:
    rows = desk.books.receivables.items()
    open_ones = [key for key, row in rows if row["financed"] and unpaid(row)]
    return chosen(desk, desk.books.receivables, *open_ones)


def pay(desk: Desk) -> tuple[Instruction, ...]:
    """A payment by the debtor: short, in full, or too much."""
    found = _receivable(desk)
    if found is None:
        return finance(desk)
    document, row = found
    debtor, amount = by(desk, row["debtor"]), part(desk, unpaid(row))
    money = row["cash"] if not is_odd(desk) else NOBODY
    paid_from = account_of(desk, debtor, rich=True)
    return (m.Pay(debtor, document, money, amount, paid_from, reference(desk)),)


def _holders(desk: Desk, row: dict[str, Any]) -> list[bytes]:
    return [key for key in desk.books.accounts if owned(desk.books, row["instrument"], key)]


def move(desk: Desk) -> tuple[Instruction, ...]:
    """Part of a receivable to somebody else, who may collect in the same transaction; or it is held or pledged."""
    found = _receivable(desk)
    if found is None or not (holders := _holders(desk, found[1])):
        return finance(desk)
    document, row = found
    sender, instrument = desk.rng.choice(holders), row["instrument"]
    amount = part(desk, max(1, desk.books.available.get((instrument, sender), 0)))
    holder = controller(desk, sender)
    kind = desk.rng.randrange(4)
    if kind == 0:
        expires = desk.time_ms + desk.rng.choice(LIVES_MS)
        return (holding.Hold(holder, sender, instrument, amount, party(desk), expires, b"", desk.salt()),)
    if kind == 1:
        return (holding.Pledge(holder, sender, instrument, amount, party(desk), b"", desk.salt()),)
    receiver = desk.rng.choice(holders) if desk.rng.random() < 0.5 else account_of(desk, trader(desk))
    moved = holding.Transfer(holder, instrument, sender, receiver, amount, b"")
    if kind == 2:
        return (moved,)
    return moved, m.Collect(controller(desk, receiver), document, receiver, sender, receiver)


def set_payout(desk: Desk) -> tuple[Instruction, ...]:
    """Where redemptions go."""
    found = account(desk)
    owner = controller(desk, found)
    payout = desk.rng.choice((None, account_of(desk, owner), account(desk)))
    return (m.SetPayout(owner, found, payout),)


def collect(desk: Desk) -> tuple[Instruction, ...]:
    """What was set aside for a holder is taken, perhaps by somebody else, who has the receivable now."""
    rows = desk.books.receivables.items()
    uncollected = [key for key, row in rows if row["uncollected"]]
    found = chosen(desk, desk.books.receivables, *uncollected)
    if found is None:
        return pay(desk)
    document, row = found
    sources = [key[16:] for key in desk.books.deposits if key[:16] == document] or _holders(desk, row)
    source = desk.rng.choice(sources) if sources else account(desk)
    takers = [key for key in _holders(desk, row) if collectable(desk.books, document, key, source)]
    taker = desk.rng.choice(takers) if takers and not is_odd(desk) else account(desk)
    into = account_of(desk, controller(desk, taker)) if desk.rng.random() < 0.5 else taker
    return (m.Collect(controller(desk, taker), document, taker, source, into),)


def _dilution(desk: Desk, document: bytes, row: dict[str, Any], note: bytes) -> m.Dilute:
    seller = by(desk, row["seller"])
    most = 9_000 if desk.rng.random() > ODD else desk.rng.randrange(10)
    return m.Dilute(seller, document, note, row["cash"], most, account_of(desk, seller, rich=True))


def dilute(desk: Desk) -> tuple[Instruction, ...]:
    """A credit note that may have been brought to bear before."""
    noted = [key for key in desk.books.receivables if credit_notes(desk.books, key)]
    found = chosen(desk, desk.books.receivables, *noted)
    if found is None:
        return credit_note(desk)
    document, row = found
    notes = list(credit_notes(desk.books, document)) or [NOBODY]
    return (_dilution(desk, document, row, desk.rng.choice(notes)),)


# recourse


def demand(desk: Desk) -> tuple[Instruction, ...]:
    """A lender demands that the seller buys back."""
    rows = desk.books.financings.items()
    financed = [key for key, row in rows if row["status"] == "financed"]
    late = [
        key
        for key in financed
        if desk.books.financings[key]["deal"].recourse
        and desk.books.receivables[desk.books.financings[key]["document"]]["overdue"]
    ]
    found = chosen(desk, {key: desk.books.financings[key] for key in financed}, *late)
    if found is None:
        return finance(desk)
    key, row = found
    deal = row["deal"]
    there = desk.books.receivables[row["document"]]["instrument"], deal.receivable_account
    amount = part(desk, max(1, min(row["face"], desk.books.available.get(there, 0))))
    return (m.DemandRecourse(by(desk, deal.lender), key, amount),)


def pay_recourse(desk: Desk) -> tuple[Instruction, ...]:
    """The seller meets a demand, or makes a default good."""
    found = chosen(desk, desk.books.recourses, *desk.books.recourses)
    if found is None:
        return demand(desk)
    key, recourse = found
    row = desk.books.financings[key]
    seller, amount = by(desk, row["seller"]), recourse["amount"] + is_odd(desk)
    if recourse["defaulted"] and desk.rng.random() < 0.7:
        there = desk.books.receivables[row["document"]]["instrument"], row["deal"].receivable_account
        amount = max(1, min(amount, desk.books.available.get(there, 0)))
    paid_from, into = account_of(desk, seller, rich=True), account_of(desk, seller)
    return (m.PayRecourse(seller, key, row["cash"], amount, paid_from, into),)


FINANCING: Weighted = {
    "invoice": (6, invoice), "twin invoice": (3, twin), "credit note": (3, credit_note), "request financing": (4, request),
    "offer": (5, offer), "withdraw offer": (1, withdraw_offer), "accept offer": (5, accept), "finance at once": (6, finance),
    "affirm reservation": (4, affirm_reservation), "cancel financing": (2, cancel), "pay": (8, pay),
    "move receivable": (6, move), "set payout": (2, set_payout), "collect": (4, collect), "dilute": (2, dilute),
    "demand recourse": (3, demand), "pay recourse": (3, pay_recourse),
}  # fmt: skip
