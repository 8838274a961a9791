"""What the tests of documents share: a few parties, a fingerprint service, and an instruction that marks as financed."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from msgspec.structs import replace

from support.founding import founding
from support.ledger import Key
from traco.kernel.codec import Code, Id
from traco.kernel.instruction import Event, Instruction, PartyInstruction
from traco.kernel.module import Context, Module
from traco.kernel.receipt import Receipt
from traco.kernel.state import State
from traco.modules.document.events import DocumentMatched, DocumentRegistered
from traco.modules.document.messages import (
    DocumentReference,
    Match,
    NamedParty,
    Payable,
    RegisterDocument,
    document_id,
)
from traco.modules.document.module import DocumentModule
from traco.modules.document.state import Document
from traco.modules.document.statement import (
    Fingerprints,
    FingerprintStatement,
    SignedStatement,
    statement_message,
)
from traco.modules.party.module import PartyModule

MEMBERS = ("operator", "seller", "buyer", "agent")
SERVICE = Key("fingerprint service")
FINANCING = b"financing".ljust(16, b"\0")
STRONG = ("DASB", "NASB", "NDSB", "NDAB", "NDAS")
WEAK = ("NS", "NDA", "NAB", "NDB")


class Facts(NamedTuple):
    """What identifies an invoice: number, date, amount, seller and buyer as written in it."""

    N: str = "17"
    D: str = "2026-03-01"
    A: str = "EUR 1000"
    S: str = "example seller"
    B: str = "example buyer"


def fingerprints(facts: Facts, version: int = 1, scheme: int = 1) -> Fingerprints:
    """The fingerprints of an invoice under a key of the service, by the rules of the service."""

    def keyed(names: str) -> bytes:
        values = [(name, getattr(facts, name)) for name in names]
        return sha256(repr((scheme, version, values)).encode()).digest()

    return Fingerprints(scheme, version, keyed("NDASB"), tuple(map(keyed, STRONG)), tuple(map(keyed, WEAK)))


class Mark(PartyInstruction, frozen=True, tag="desk.mark/1"):
    """Have a document marked as financed."""

    document: Id
    financing: Id = FINANCING


class Unmark(PartyInstruction, frozen=True, tag="desk.unmark/1"):
    """Have a document no longer marked as financed."""

    document: Id


class Damage(PartyInstruction, frozen=True, tag="desk.damage/1"):
    """Write the state behind the keeper's back."""

    what: Code


class Damaged(Event, frozen=True, tag="desk.damaged/1"):
    """Nothing; a registry needs an event of every module that can be told apart."""


class DeskModule(Module):
    """What financing will do to documents, and what nobody should."""

    name = "desk"
    prefix = 0x7D

    def __init__(self, documents: DocumentModule) -> None:
        super().__init__()
        self.damages: dict[str, Callable[[State], None]] = {}
        self.instructions = {Mark: self._mark, Unmark: self._unmark, Damage: self._damage}
        self.events = (Damaged,)
        self._keeper = documents.keeper

    def _mark(self, context: Context, message: Mark) -> None:
        self._keeper.mark_financed(context, message.document, message.financing)

    def _unmark(self, context: Context, message: Unmark) -> None:
        self._keeper.unmark_financed(context, message.document)

    def _damage(self, context: Context, message: Damage) -> None:
        self.damages[message.what](context.state)


class Desk:
    """A ledger of documents. Members act by name; each has one key."""

    def __init__(self, section: dict[str, Any] | None = None, **parameters: Any) -> None:
        party = PartyModule()
        self.module = DocumentModule(party.keeper)
        self.desk = DeskModule(self.module)
        keys = [{"key": SERVICE.public.hex(), "scheme": 1, "from_version": 1}]
        self.founding = founding(
            MEMBERS, (self.module, self.desk), party=party, roles={"operator": ("registry_operator",)},
            parameters={"document": parameters},
            sections={"document": {"fingerprint_keys": keys} if section is None else section},
        )  # fmt: skip
        self.ledger = self.founding.ledger
        self.keeper = self.module.keeper
        self.ids = dict(self.founding.ids)
        self.expected_alarms = 0

    @property
    def state(self) -> State:
        """The committed state."""
        return self.ledger.application.state

    def join(self, name: str, **fields: Any) -> bytes:
        """Register another organisation with one key; its id."""
        self.ids[name] = self.founding.register(name, "operator", **fields)
        return self.ids[name]

    def do(self, name: str, *messages: Instruction) -> Receipt:
        """A transaction of one party that succeeds."""
        return self.ledger.succeed(*messages, keys=[Key(name)])

    def refuse(self, name: str, *messages: Instruction) -> str:
        """A transaction of one party that is rejected; the code."""
        return self.ledger.reject(*messages, keys=[Key(name)])

    def statement(
        self, facts: Facts, commitment: bytes, versions: tuple[int, ...] = (1,), **changes: Any
    ) -> SignedStatement:
        """What the service answers for these facts; ``changes`` to the statement are made before it signs."""
        made = FingerprintStatement(
            self.ledger.application.network, b"", SERVICE.public, commitment,
            tuple(fingerprints(facts, version) for version in versions),
        )  # fmt: skip
        made = replace(made, **changes)
        return SignedStatement(made, SERVICE.sign(statement_message(made)))

    def registration(
        self, name: str, facts: Facts | None = None, versions: tuple[int, ...] = (1,), **fields: Any
    ) -> RegisterDocument:
        """An invoice of the seller to the buyer, registered by ``name``, in the role ``issuer`` unless it has one."""
        salt = self.ledger.salt()
        commitment = fields.pop("content_commitment", sha256(b"file" + salt).digest())
        roles = [NamedParty("seller", self.ids["seller"]), NamedParty("buyer", self.ids["buyer"])]
        if name not in ("seller", "buyer"):
            roles.append(NamedParty("issuer", self.ids[name]))
        given = {
            "statement": self.statement(Facts() if facts is None else facts, commitment, versions),
            "roles": tuple(roles), "payable": Payable("EUR", 1_000), **fields,
        }  # fmt: skip
        kind = given.pop("kind", "invoice")
        return RegisterDocument(self.ids[name], salt, kind, "en16931-ubl", commitment, **given)

    def register(self, name: str = "seller", facts: Facts | None = None, **fields: Any) -> bytes:
        """As ``registration``, executed; the document's id."""
        message = self.registration(name, facts, **fields)
        self.do(name, message)
        return document_id(message.party, message.salt)

    def credit(
        self, invoice: bytes, number: str, amount: int = 100, name: str = "seller", **fields: Any
    ) -> bytes:
        """A credit note of the seller against an invoice; its id."""
        return self.register(name, Facts(N=number), **self.credit_fields(invoice, amount), **fields)

    @staticmethod
    def credit_fields(invoice: bytes, amount: int = 100, currency: str = "EUR") -> dict[str, Any]:
        """What makes a registration a credit note against an invoice."""
        return {
            "kind": "credit_note", "payable": Payable(currency, amount),
            "references": (DocumentReference("credits", invoice),),
        }  # fmt: skip

    def get(self, document: bytes) -> Document:
        """The document as committed."""
        return self.keeper.require(self.state, document)

    def mark(self, document: bytes) -> None:
        """Mark a document as financed."""
        self.do("operator", Mark(self.ids["operator"], document))


def registered(receipt: Receipt) -> DocumentRegistered:
    """The one registration that a receipt reports."""
    (event,) = [event for event in receipt.events if isinstance(event, DocumentRegistered)]
    return event


def reported(receipt: Receipt) -> list[Match]:
    """The matches that a receipt reports, in order."""
    return [event.match for event in receipt.events if isinstance(event, DocumentMatched)]
