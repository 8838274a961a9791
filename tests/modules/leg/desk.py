"""A market with legs, and a desk that stands for whoever lets legs in and decides about them: here on the root itself."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from support.founding import founding
from support.ledger import Key
from support.market import keys_of
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import Hash, Id
from traco.kernel.instruction import Instruction, PartyInstruction
from traco.kernel.module import Context, Module
from traco.kernel.receipt import Receipt
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    account_id,
    instrument_id,
)
from traco.modules.holding.module import HoldingModule
from traco.modules.holding.ports import TransferCheck
from traco.modules.holding.state import Holding, Supply
from traco.modules.leg.entrance import Door
from traco.modules.leg.messages import Export, HoldLeg, Import, LegContent, leg_commitment
from traco.modules.leg.module import LegModule
from traco.modules.leg.ports import Entering
from traco.modules.party.module import PartyModule

MEMBERS = ("issuer", "seller", "buyer", "court")
ROLES = {"court": ("authority",)}
TERMS = b"t" * 32
SALT = b"s" * 32
CAP = 10_000


class Enter(Instruction, frozen=True, tag="desk.enter/1"):
    """Let a leg in: what the parties of the leg sign."""

    attempt: Hash
    terms: Hash
    commitment: Hash
    edges: tuple[tuple[Id, int], ...]
    leg: HoldLeg

    def actors(self) -> tuple[bytes, ...]:
        return self.leg.parties


class Decide(PartyInstruction, frozen=True, tag="desk.decide/1"):
    """Decide about an attempt."""

    attempt: Hash
    commit: bool


class Spoil(PartyInstruction, frozen=True, tag="desk.spoil/1"):
    """End what a leg holds behind the module's back."""

    attempt: Hash


class Desk(Module):
    """Lets legs in and decides about them."""

    name = "desk"
    prefix = 0x7E

    def __init__(self, leg: LegModule, door: Door) -> None:
        super().__init__()
        self._leg, self._door = leg, door
        self.instructions = {Enter: self.enter, Decide: self.decide, Spoil: self.spoil}

    def enter(self, context: Context, message: Enter) -> None:
        entering = Entering(message.attempt, message.terms, message.commitment, message.edges)
        with self._door.entering(entering):
            context.perform(message.leg)

    def decide(self, context: Context, message: Decide) -> None:
        keeper = self._leg.keeper
        (keeper.execute if message.commit else keeper.release)(context, message.attempt)

    def spoil(self, context: Context, message: Spoil) -> None:
        self._leg.keeper._holds.release(context, message.attempt)


class Market:
    """An issuer, two traders with an account each, and a court; by name."""

    def __init__(self, transfer_checks: Mapping[str, TransferCheck] | None = None, check: str = "") -> None:
        party = PartyModule()
        self.holding = HoldingModule(party.keeper, transfer_checks)
        self.door = Door()
        self.leg = LegModule(self.holding.keeper, self.door)
        modules = (self.holding, self.leg, Desk(self.leg, self.door))
        self.founding = founding(MEMBERS, modules, party=party, roles=ROLES, protocol=3)
        self.ledger, self.ids = self.founding.ledger, self.founding.ids
        self.bond = self.instrument("BOND", check)
        self.accounts = {name: self.account(name) for name in ("seller", "buyer")}
        self.do("issuer", self.issue("seller", 1_000))

    @property
    def state(self) -> Any:
        """The committed state."""
        return self.ledger.application.state

    def do(self, names: str, *messages: Instruction) -> Receipt:
        """Submit what the named parties sign; it must succeed."""
        return self.ledger.succeed(*messages, keys=keys_of(names))

    def refused(self, names: str, *messages: Instruction) -> str:
        """Submit what must be refused; the code."""
        return self.ledger.reject(*messages, keys=keys_of(names))

    def instrument(self, code: str, check: str = "") -> bytes:
        """A security of the issuer; its id."""
        issuer = self.ids["issuer"]
        self.do(
            "issuer",
            CreateInstrument(issuer, code, InstrumentKind.SECURITY, None, 2, TERMS, (issuer,), check, CAP),
        )
        return instrument_id(issuer, code)

    def account(
        self, owner: str, servicer: str = "", debit: DebitControl = DebitControl.OWNER,
        credit: CreditControl = CreditControl.OPEN,
    ) -> bytes:  # fmt: skip
        """An account; its id."""
        by, salt = self.ids[servicer or owner], self.ledger.salt()
        kind = AccountKind.CLIENT if servicer else AccountKind.OWN
        message = OpenAccount(by, self.ids[owner], kind, debit, credit, None, salt)
        self.ledger.succeed(
            message, keys=[Key(name) for name in self.ids if self.ids[name] in message.actors()]
        )
        return account_id(by, salt)

    def issue(self, name: str, amount: int) -> Issue:
        """An issue, not yet submitted."""
        return Issue(self.ids["issuer"], self.bond, self.accounts[name], amount, b"")

    def move(self, amount: int, sender: str = "seller", receiver: str = "buyer") -> Movement:
        """A movement of the bond."""
        return Movement(self.bond, self.accounts[sender], self.accounts[receiver], amount, b"leg")

    def out(self, amount: int, name: str = "seller") -> Export:
        """An export of the bond."""
        return Export(self.bond, self.accounts[name], amount, b"out")

    def into(self, amount: int, name: str = "buyer") -> Import:
        """An import of the bond."""
        return Import(self.bond, self.accounts[name], amount, b"in")

    def enter(
        self, names: str, content: LegContent, number: int = 1, edge: int | None = None, **other: Any
    ) -> Enter:
        """A leg of attempt ``number``. ``edge``: what of the bond the terms declare; ``other`` replaces fields."""
        parties = tuple(sorted(self.ids[name] for name in names.split()))
        edges = () if edge is None else ((self.bond, edge),)
        fields = {
            "attempt": attempt_of(number), "terms": TERMS, "commitment": leg_commitment(SALT, content), "edges": edges,
            "leg": HoldLeg(parties, TERMS, SALT, content), **other,
        }  # fmt: skip
        return Enter(**fields)

    def decide(self, commit: bool, number: int = 1) -> Decide:
        """A decision."""
        return Decide(self.ids["court"], attempt_of(number), commit)

    def held(self, name: str) -> Holding:
        """What a trader has of the bond."""
        return self.holding.keeper.holding(self.state, self.bond, self.accounts[name])

    def supply(self) -> Supply:
        """The totals of the bond."""
        found = self.holding.keeper.supply(self.state, self.bond)
        assert found is not None
        return found


def attempt_of(number: int) -> bytes:
    """The id of an attempt."""
    return sha256(b"attempt %d" % number).digest()
