"""Random documents: the same few facts registered by many, confirmed, disputed, replaced, taken back."""

from hashlib import sha256
from typing import Any

from support.ledger import Key
from torture.actions import NOBODY, ODD, Weighted, party
from torture.model_document import DAYS, SERVICE, VERSION
from torture.requests import Desk
from traco.kernel.codec import ROOT
from traco.kernel.instruction import Instruction
from traco.modules.document import messages as m
from traco.modules.document.statement import (
    Fingerprints,
    FingerprintStatement,
    SignedStatement,
    statement_message,
)

FACTS = 30
FILES = 60
ROLES = ("seller", "buyer", "payee")


def _digest(*values: object) -> bytes:
    return sha256(repr(values).encode()).digest()


def statement(desk: Desk, facts: int, commitment: bytes) -> SignedStatement:
    """What the fingerprint service says; rarely something that does not fit, or not said by it."""
    network = desk.world.network if desk.rng.random() > ODD / 8 else b"\x66" * 32
    scheme, version = VERSION if desk.rng.random() > ODD / 8 else (1, 2)
    prints = Fingerprints(
        scheme,
        version,
        _digest("exact", facts),
        (_digest("strong", facts // 2),),
        (_digest("weak", facts // 3),),
    )
    service = Key(SERVICE if desk.rng.random() > ODD / 8 else "another service")
    content = commitment if desk.rng.random() > ODD / 8 else b"\x65" * 32
    said = FingerprintStatement(network, ROOT, service.public, content, (prints,))
    if desk.rng.random() < ODD / 8:
        return SignedStatement(said, b"\x01" + bytes(64))
    return SignedStatement(said, service.sign(statement_message(said)))


def named_parties(desk: Desk, registrant: bytes) -> tuple[m.NamedParty, ...]:
    """Two or three roles, the registrant mostly among them; some are known by an identifier only."""
    roles = list(ROLES[: desk.rng.choice((2, 2, 3))])
    if desk.rng.random() < ODD / 4:
        roles.append(roles[0])
    found = []
    for role in roles:
        if desk.rng.random() < 0.15:
            identifier = m.PublicIdentifier("0088", f"{desk.rng.randrange(5)}")
            found.append(m.NamedParty(role, None, identifier))
        else:
            found.append(m.NamedParty(role, party(desk)))
    if desk.rng.random() > ODD / 2:
        place = desk.rng.choice((0, 0, 1))
        found[place] = m.NamedParty(roles[place], registrant)
    return tuple(found)


def register(desk: Desk) -> tuple[Instruction, ...]:
    """A registration: of new facts, of known ones, of an amendment, of a credit note."""
    registrant, facts = party(desk), desk.rng.randrange(FACTS)
    kind = desk.rng.choice((m.INVOICE, m.INVOICE, m.INVOICE, m.CREDIT_NOTE))
    commitment = _digest("file", registrant if desk.rng.random() > ODD else 0, desk.rng.randrange(FILES))
    payable = m.Payable(desk.rng.choice(("EUR", "EUR", "USD")), desk.rng.randint(0, 9_000))
    references: tuple[m.DocumentReference, ...] = ()
    if desk.books.documents and desk.rng.random() < (0.6 if kind == m.CREDIT_NOTE else ODD):
        document, row = chosen(desk)
        relation = desk.rng.choice((m.CREDITS, m.CREDITS, "order"))
        references = (m.DocumentReference(relation, document),)
        registrant = row["registrant"] if desk.rng.random() > 2 * ODD else registrant
    amends = None
    if desk.books.documents and desk.rng.random() < 0.15:
        amends, row = chosen(desk)
        registrant = row["registrant"] if desk.rng.random() > ODD else registrant
    date = desk.rng.choice(DAYS) if desk.rng.random() < ODD / 4 else "2026-03-01"
    return (
        m.RegisterDocument(
            registrant, desk.salt(), kind, "en16931", commitment, statement(desk, facts, commitment),
            named_parties(desk, registrant), payable if desk.rng.random() > ODD else None, date, None, references,
            amends,
        ),
    )  # fmt: skip


def chosen(desk: Desk) -> tuple[bytes, dict[str, Any]]:
    """A document, mostly one that stands; sometimes none."""
    still = [key for key, row in desk.books.documents.items() if row["status"] == "registered"]
    found = still if still and desk.rng.random() > ODD else list(desk.books.documents)
    if not found or desk.rng.random() < ODD / 4:
        return NOBODY, {
            "registrant": party(desk),
            "roles": (m.NamedParty("buyer", party(desk)),),
            "payable": None,
        }
    document = desk.rng.choice(found)
    return document, desk.books.documents[document]


def counterparty(desk: Desk, row: dict[str, Any]) -> bytes:
    """Somebody named in a document, mostly."""
    others = [each.party for each in row["roles"] if each.party is not None]
    found: bytes = desk.rng.choice(others) if others and desk.rng.random() > ODD else party(desk)
    return found


def confirm(desk: Desk) -> tuple[Instruction, ...]:
    """A confirmation, whole or of a part."""
    document, row = chosen(desk)
    whole = 1_000 if row["payable"] is None else row["payable"].amount
    part = desk.rng.choice((None, max(1, whole // 2), max(1, whole), whole + 1))
    return (m.ConfirmDocument(counterparty(desk, row), document, part),)


def dispute(desk: Desk) -> tuple[Instruction, ...]:
    """A dispute, perhaps the second."""
    document, row = chosen(desk)
    return (m.DisputeDocument(counterparty(desk, row), document, "torture"),)


def withdraw_dispute(desk: Desk) -> tuple[Instruction, ...]:
    """The end of a dispute, perhaps of none."""
    disputed = [key for key, row in desk.books.documents.items() if row["disputes"]]
    document, row = chosen(desk)
    if disputed and desk.rng.random() > ODD:
        document = desk.rng.choice(disputed)
        row = desk.books.documents[document]
        return (m.WithdrawDispute(desk.rng.choice(row["disputes"]), document),)
    return (m.WithdrawDispute(counterparty(desk, row), document),)


def cancel(desk: Desk) -> tuple[Instruction, ...]:
    """A document taken back."""
    document, row = chosen(desk)
    return (
        m.CancelDocument(row["registrant"] if desk.rng.random() > ODD else party(desk), document, "torture"),
    )


def supersede(desk: Desk) -> tuple[Instruction, ...]:
    """A document in the place of another, mostly of the same party."""
    document, row = chosen(desk)
    same = [key for key, other in desk.books.documents.items() if other["registrant"] == row["registrant"]]
    successor = desk.rng.choice(same) if same and desk.rng.random() > ODD else chosen(desk)[0]
    return (m.SupersedeDocument(row["registrant"], document, successor),)


DOCUMENTS: Weighted = {
    "register document": (12, register), "confirm document": (6, confirm), "dispute document": (3, dispute),
    "withdraw dispute": (2, withdraw_dispute), "cancel document": (2, cancel), "supersede document": (2, supersede),
}  # fmt: skip
