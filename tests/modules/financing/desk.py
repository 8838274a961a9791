"""What the tests of financing share: a small market with all modules, and ways to act in it by name.

Everybody has one key, ``Key(name)``, and one account for everything. ``operator`` issues cash and registers fingerprint keys,
``court`` may attach; ``seller``, ``buyer``, ``bank``, ``rival`` and ``fund`` trade.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from modules.document.desk import SERVICE, Facts, fingerprints
from support.founding import founding
from support.ledger import Key
from traco.kernel.codec import Count
from traco.kernel.instruction import Event, Instruction, PartyInstruction
from traco.kernel.module import Context, Module
from traco.kernel.receipt import Receipt
from traco.kernel.state import State
from traco.modules.document.messages import (
    ConfirmDocument,
    DocumentReference,
    NamedParty,
    Payable,
    RegisterDocument,
    document_id,
)
from traco.modules.document.module import DocumentModule
from traco.modules.document.statement import (
    FingerprintStatement,
    SignedStatement,
    statement_message,
)
from traco.modules.financing.messages import (
    AcceptOffer,
    Collect,
    DemandRecourse,
    Dilute,
    Discount,
    FixedPrice,
    MakeOffer,
    Pay,
    PayRecourse,
    Price,
    RequestFinancing,
    SetPayout,
    financing_id,
    offer_id,
)
from traco.modules.financing.module import FinancingModule
from traco.modules.financing.queries import (
    CollectableQuery,
    DocumentQuery,
    FinancingQuery,
)
from traco.modules.financing.state import Financing, Offer, Receivable
from traco.modules.holding.messages import CreateInstrument, Hold, Issue, OpenAccount, Transfer
from traco.modules.holding.module import HoldingModule
from traco.modules.holding.ports import TransferCheck
from traco.modules.holding.state import (
    AccountKind,
    CreditControl,
    DebitControl,
    InstrumentKind,
    account_id,
    hold_id,
    instrument_id,
)
from traco.modules.party.module import PartyModule
from traco.modules.settlement.messages import Affirm, IntoAccount, OwnHolding
from traco.modules.settlement.module import SettlementModule

MEMBERS = ("operator", "court", "seller", "buyer", "bank", "rival", "fund")
ROLES = {"operator": ("cash_operator", "registry_operator"), "court": ("authority",)}
TERMS = b"\x07" * 32
CASH = 100_000
TWO_PERCENT = Discount(20_000)
DAY_MS = 86_400_000
DUE_DATE = "2026-10-01"  # ten days after the founding of a test ledger, and a little more
DUE_MS = 1_790_899_200_000  # 2026-10-02T00:00:00Z


class Call(PartyInstruction, frozen=True, tag="desk.call/1"):
    """Run one of the desk's calls: what another module might do, rightly or wrongly."""

    index: Count


class DeskModule(Module):
    """Does to the ledger what no instruction does; also the home of a transfer check that refuses some receivers."""

    name = "desk"
    prefix = 0x7D

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[Context], object]] = []
        self.barred: list[bytes] = []
        self.instructions = {Call: lambda context, message: self.calls[message.index](context)}

    def check(self, context: Context, instrument: bytes, sender: bytes, receiver: bytes, amount: int) -> str:
        return "barred" if receiver in self.barred else ""


class Desk:
    """A ledger of all modules."""

    def __init__(self, **parameters: Any) -> None:
        party = PartyModule()
        self.desk = DeskModule()
        checks: dict[str, TransferCheck] = {"desk.check": self.desk.check}
        self.holding = HoldingModule(party.keeper, checks)
        self.settlement = SettlementModule(party.keeper, self.holding.keeper)
        self.document = DocumentModule(party.keeper)
        self.financing = FinancingModule(
            party.keeper, self.holding.keeper, self.settlement.keeper, self.document.keeper
        )
        modules = (self.holding, self.settlement, self.document, self.financing, self.desk)
        operator = Key("operator")
        keys = [{"key": SERVICE.public.hex(), "scheme": 1, "from_version": 1}]
        self.founding = founding(
            MEMBERS, modules, party=party, roles=ROLES, parameters={"financing": parameters},
            sections={"document": {"fingerprint_keys": keys}},
        )  # fmt: skip
        self.ledger = self.founding.ledger
        self.ids = dict(self.founding.ids)
        self.operator = operator
        self.expected_alarms = 0
        self.accounts: dict[str, bytes] = {}
        self.cash = self.create_cash("EUR", "EUR")
        self._open_and_fund()

    # acting

    @property
    def state(self) -> State:
        """The committed state."""
        return self.ledger.application.state

    def do(self, name: str, *messages: Instruction) -> Receipt:
        """A transaction of one party that succeeds."""
        return self.ledger.succeed(*messages, keys=[Key(name)])

    def refuse(self, name: str, *messages: Instruction) -> str:
        """A transaction of one party that is rejected; the code."""
        return self.ledger.reject(*messages, keys=[Key(name)])

    def call(self, action: Callable[[Context], object]) -> Receipt:
        """Have the desk run ``action`` in a transaction of its own; it must succeed."""
        return self.do("operator", self._call(action))

    def faults(self, action: Callable[[Context], object]) -> bool:
        """Whether ``action`` ends as an alarmed fault of the ledger's code."""
        alarms = len(self.ledger.alarms)
        code = self.refuse("operator", self._call(action))
        self.expected_alarms += 1
        return code == "kernel.fault" and len(self.ledger.alarms) == alarms + 1

    def wait_until(self, time_ms: int) -> None:
        """An empty block at that time."""
        self.ledger.run_block(after_ms=time_ms - self.ledger.time_ms)

    def _call(self, action: Callable[[Context], object]) -> Call:
        self.desk.calls.append(action)
        return Call(self.ids["operator"], len(self.desk.calls) - 1)

    # making the market

    def create_cash(
        self, code: str, currency: str, decimals: int = 2, transfer_check: str = "", kind: str = "cash"
    ) -> bytes:
        operator = self.ids["operator"]
        self.do(
            "operator",
            CreateInstrument(
                operator, code, InstrumentKind(kind), currency, decimals, TERMS, (operator,), transfer_check
            ),
        )
        return instrument_id(operator, code)

    def open(
        self, owner: str, servicer: str = "", credit: CreditControl = CreditControl.OPEN,
        debit: DebitControl = DebitControl.OWNER, kind: AccountKind = AccountKind.OWN,
    ) -> bytes:  # fmt: skip
        """One more account of a party."""
        by, salt = servicer or owner, self.ledger.salt()
        message = OpenAccount(self.ids[by], self.ids[owner], kind, debit, credit, None, salt)
        self.ledger.succeed(
            message, keys=[Key(name) for name in self.ids if self.ids[name] in message.actors()]
        )
        return account_id(self.ids[by], salt)

    def fund(self, account: bytes, amount: int, cash: bytes = b"") -> None:
        """Issue cash."""
        self.do("operator", Issue(self.ids["operator"], cash or self.cash, account, amount, b""))

    def _open_and_fund(self) -> None:
        wires = []
        for name in MEMBERS:
            party, salt = self.ids[name], self.ledger.salt()
            opening = OpenAccount(
                party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
            )
            wires.append(self.ledger.transaction([opening], Key(name)))
            self.accounts[name] = account_id(party, salt)
        self.ledger.run_block(wires)
        for name in ("buyer", "bank", "rival", "fund"):
            self.fund(self.accounts[name], CASH)

    # documents

    def registration(
        self, name: str = "seller", facts: Facts | None = None, amount: int | None = 1_000, **fields: Any
    ) -> RegisterDocument:
        """An invoice of the seller to the buyer that ``name`` registers."""
        salt = self.ledger.salt()
        commitment = sha256(b"file" + salt).digest()
        made = FingerprintStatement(
            self.ledger.application.network,
            b"",
            SERVICE.public,
            commitment,
            (fingerprints(facts or Facts()),),
        )
        roles = [NamedParty("seller", self.ids["seller"]), NamedParty("buyer", self.ids["buyer"])]
        if name not in ("seller", "buyer"):
            roles.append(NamedParty("issuer", self.ids[name]))
        given: dict[str, Any] = {
            "roles": tuple(roles), "due_date": DUE_DATE,
            "payable": None if amount is None else Payable("EUR", amount), **fields,
        }  # fmt: skip
        kind = given.pop("kind", "invoice")
        return RegisterDocument(
            self.ids[name], salt, kind, "en16931-ubl", commitment,
            SignedStatement(made, SERVICE.sign(statement_message(made))), **given,
        )  # fmt: skip

    def register(self, name: str = "seller", facts: Facts | None = None, **fields: Any) -> bytes:
        """As ``registration``, executed; the document's id."""
        message = self.registration(name, facts, **fields)
        self.do(name, message)
        return document_id(message.party, message.salt)

    def credit(self, invoice: bytes, amount: int, number: str = "C1") -> bytes:
        """A credit note against an invoice."""
        references = (DocumentReference("credits", invoice),)
        return self.register(
            "seller", Facts(N=number), amount=amount, kind="credit_note", references=references
        )

    def invoice(self, amount: int = 1_000, facts: Facts | None = None, **fields: Any) -> bytes:
        """An invoice that the seller registered and the buyer confirmed."""
        document = self.register("seller", facts, amount=amount, **fields)
        self.do("buyer", ConfirmDocument(self.ids["buyer"], document))
        return document

    # financing

    def ask(self, document: bytes, face: int = 1_000, **fields: Any) -> RequestFinancing:
        """A request of the seller, not yet submitted."""
        given = {
            "party": self.ids["seller"], "document": document, "face": face, "cash": self.cash, "terms": TERMS,
            "expires_ms": self.ledger.time_ms + 30 * DAY_MS, "salt": self.ledger.salt(), **fields,
        }  # fmt: skip
        return RequestFinancing(**given)

    def request(self, document: bytes, face: int = 1_000, **fields: Any) -> bytes:
        """As ``ask``, executed; the financing's id."""
        message = self.ask(document, face, **fields)
        self.do("seller", message)
        return financing_id(message.party, message.salt)

    def bid(
        self, financing: bytes, lender: str = "bank", price: int | Price = TWO_PERCENT, **fields: Any
    ) -> MakeOffer:
        """A firm offer of the lender at 2 % discount, not yet submitted."""
        record = self.get(financing)
        document = self.document.keeper.require(self.state, record.document)
        given = {
            "party": self.ids[lender], "financing": financing, "cash": record.cash, "face": record.face,
            "price": FixedPrice(price) if isinstance(price, int) else price, "terms": record.terms,
            "recourse": False, "accepts_unconfirmed": False, "acknowledges": (),
            "content_commitment": document.content_commitment, "firm": True,
            "valid_until_ms": self.ledger.time_ms + 10 * DAY_MS, "cash_account": self.accounts[lender],
            "receivable_account": self.accounts[lender], "salt": self.ledger.salt(), **fields,
        }  # fmt: skip
        return MakeOffer(**given)

    def offer(
        self, financing: bytes, lender: str = "bank", price: int | Price = TWO_PERCENT, **fields: Any
    ) -> bytes:
        """As ``bid``, executed; the offer's id."""
        message = self.bid(financing, lender, price, **fields)
        self.do(lender, message)
        return offer_id(message.party, message.salt)

    def acceptance(self, financing: bytes, offer: bytes, **fields: Any) -> AcceptOffer:
        """The seller's acceptance, not yet submitted."""
        given = {
            "party": self.ids["seller"], "financing": financing, "offer": offer, "cash": self.cash,
            "price": self.get_offer(financing, offer).price, "cash_account": self.accounts["seller"],
            "receivable_account": self.accounts["seller"], **fields,
        }  # fmt: skip
        return AcceptOffer(**given)

    def accept(self, financing: bytes, offer: bytes, **fields: Any) -> Receipt:
        """As ``acceptance``, executed."""
        return self.do("seller", self.acceptance(financing, offer, **fields))

    def finance(
        self,
        document: bytes,
        face: int = 1_000,
        lender: str = "bank",
        price: int | Price = TWO_PERCENT,
        **fields: Any,
    ) -> bytes:
        """Request, firm offer and acceptance; the financing's id."""
        financing = self.request(document, face)
        self.accept(financing, self.offer(financing, lender, price, **fields))
        return financing

    def reserve(self, document: bytes, face: int = 1_000, lender: str = "bank", **fields: Any) -> bytes:
        """Request, an offer that is not firm, and acceptance; the financing's id."""
        financing = self.request(document, face)
        self.accept(financing, self.offer(financing, lender, firm=False, **fields))
        return financing

    def affirmation(self, financing: bytes, lender: str = "bank", account: bytes = b"") -> Affirm:
        """The lender's affirmation of the batch of a reserved financing."""
        deal = self.get(financing).deal
        assert deal is not None
        batch = self.settlement.keeper.get(self.state, deal.batch)
        assert batch is not None
        account = account or self.accounts[lender]
        return Affirm(
            self.ids[lender],
            deal.batch,
            batch.terms,
            ((1, OwnHolding(account)),),
            ((0, IntoAccount(account)),),
        )

    def payment(self, document: bytes, amount: int, **fields: Any) -> Pay:
        """A payment of the buyer, not yet submitted."""
        given = {
            "party": self.ids["buyer"], "document": document, "cash": self.cash, "amount": amount,
            "account": self.accounts["buyer"], "reference": b"pay", **fields,
        }  # fmt: skip
        return Pay(**given)

    def pay(self, document: bytes, amount: int, **fields: Any) -> Receipt:
        """As ``payment``, executed."""
        return self.do("buyer", self.payment(document, amount, **fields))

    def dilution(self, document: bytes, note: bytes, most: int, **fields: Any) -> Dilute:
        """A credit note brought to bear by the seller, not yet submitted."""
        given = {
            "party": self.ids["seller"], "document": document, "note": note, "cash": self.cash, "amount": most,
            "account": self.accounts["seller"], **fields,
        }  # fmt: skip
        return Dilute(**given)

    def demand(self, financing: bytes, amount: int, lender: str = "bank") -> DemandRecourse:
        """A demand of the lender, not yet submitted."""
        return DemandRecourse(self.ids[lender], financing, amount)

    def buy_back(self, financing: bytes, amount: int, **fields: Any) -> PayRecourse:
        """The seller's answer to a demand, not yet submitted."""
        given = {
            "party": self.ids["seller"], "financing": financing, "cash": self.cash, "amount": amount,
            "cash_account": self.accounts["seller"], "receivable_account": self.accounts["seller"], **fields,
        }  # fmt: skip
        return PayRecourse(**given)

    def collection(self, document: bytes, name: str, **fields: Any) -> Collect:
        """A holder's collection of what was set aside for it, not yet submitted."""
        account = self.accounts[name]
        given = {
            "party": self.ids[name], "document": document, "account": account, "source": account,
            "cash_account": account, **fields,
        }  # fmt: skip
        return Collect(**given)

    def payout(self, name: str, payout: bytes | None, account: bytes = b"") -> SetPayout:
        """A party's word on where it is paid, not yet submitted."""
        return SetPayout(self.ids[name], account or self.accounts[name], payout)

    def transfer(self, document: bytes, sender: str, receiver: str, amount: int) -> Transfer:
        """A transfer of the receivable, not yet submitted."""
        instrument = self.receivable(document).instrument
        return Transfer(
            self.ids[sender], instrument, self.accounts[sender], self.accounts[receiver], amount, b""
        )

    def encumber(self, document: bytes, name: str, amount: int, executor: str = "rival") -> bytes:
        """Hold some of a receivable for an executor; the hold's id."""
        instrument, salt = self.receivable(document).instrument, self.ledger.salt()
        self.do(
            name,
            Hold(
                self.ids[name],
                self.accounts[name],
                instrument,
                amount,
                self.ids[executor],
                DUE_MS * 2,
                b"",
                salt,
            ),
        )
        return hold_id(self.ids[name], salt)

    # looking

    def get(self, financing: bytes) -> Financing:
        """The financing as committed."""
        found = self.ledger.query("financing.get", FinancingQuery(financing))
        assert found is not None
        record: Financing = found.record
        return record

    def get_offer(self, financing: bytes, offer: bytes) -> Offer:
        """The offer as committed."""
        return self.financing.keeper.require_offer(self.state, financing, offer)

    def receivable(self, document: bytes) -> Receivable:
        """The receivable as committed."""
        found = self.financing.keeper.receivable(self.state, document)
        assert found is not None
        return found

    def status(self, document: bytes) -> str:
        """REGU, REDU or DFIN."""
        found = self.ledger.query("financing.status", DocumentQuery(document))
        assert found is not None
        return str(found.status)

    def collectable(self, document: bytes, account: str, source: str = "") -> int:
        """What a party may collect."""
        query = CollectableQuery(document, self.accounts[account], self.accounts[source or account])
        amount: int = self.ledger.query("financing.collectable", query)
        return amount

    def money(self, names: str) -> list[int]:
        """Cash available to the named parties, less what they were funded with."""
        keeper = self.holding.keeper
        return [
            keeper.holding(self.state, self.cash, self.accounts[name]).available
            - (CASH if name in ("buyer", "bank", "rival", "fund") else 0)
            for name in names.split()
        ]

    def claims(self, document: bytes, names: str) -> list[int]:
        """What of the receivable the named parties own."""
        instrument = self.receivable(document).instrument
        return [
            self.holding.keeper.holding(self.state, instrument, self.accounts[name]).owned
            for name in names.split()
        ]


def events_of(receipt: Receipt, kind: type[Event]) -> Sequence[Any]:
    """The events of one kind in a receipt."""
    return [event for event in receipt.events if isinstance(event, kind)]
