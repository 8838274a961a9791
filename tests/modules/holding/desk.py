"""What the tests of holdings share: a small market of parties, and a desk that stands for the modules built on holdings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from support.founding import founding
from support.ledger import Key
from traco.kernel.batch_hold import BatchHolds, Movement
from traco.kernel.codec import Count, Hash
from traco.kernel.instruction import Event, Instruction, PartyInstruction
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
    Transfer,
    account_id,
    instrument_id,
)
from traco.modules.holding.module import HoldingModule
from traco.modules.holding.ports import TransferCheck
from traco.modules.holding.state import Holding
from traco.modules.party.module import PartyModule

TERMS = b"\x07" * 32
MEMBERS = ("central", "bank", "dealer", "court", "registry")
ROLES = {"central": ("cash_operator",), "court": ("authority",), "registry": ("authority",)}


class Make(PartyInstruction, frozen=True, tag="desk.make/1"):
    """Make a batch hold."""

    hold: Hash
    movements: tuple[Movement, ...]


class Decide(PartyInstruction, frozen=True, tag="desk.decide/1"):
    """Execute or release a batch hold."""

    hold: Hash
    commit: bool


class Call(PartyInstruction, frozen=True, tag="desk.call/1"):
    """Run one of the desk's calls: what another module might do, rightly or wrongly."""

    index: Count


class Desk(Module):
    """Stands for a settlement module, and for any other that uses the keeper."""

    name = "desk"
    prefix = 0x7E

    def __init__(self, holding: HoldingModule) -> None:
        super().__init__()
        self.batches = BatchHolds(holding.keeper)
        self.calls: list[Callable[[Context], object]] = []
        self.instructions = {Make: self.make, Decide: self.decide, Call: self.call}

    def make(self, context: Context, message: Make) -> None:
        self.batches.make(context, message.hold, self.name, message.movements)

    def decide(self, context: Context, message: Decide) -> None:
        (self.batches.execute if message.commit else self.batches.release)(context, message.hold)

    def call(self, context: Context, message: Call) -> None:
        self.calls[message.index](context)


class Market:
    """Five members (one issues cash, two are authorities) and the ways tests act for them, by name."""

    def __init__(
        self,
        transfer_checks: Mapping[str, TransferCheck] | None = None,
        parameters: dict[str, Any] | None = None,
        sections: dict[str, dict[str, Any]] | None = None,
        kernel: dict[str, Any] | None = None,
    ) -> None:
        party = PartyModule()
        self.module = HoldingModule(party.keeper, transfer_checks)
        self.keeper = self.module.keeper
        self.desk = Desk(self.module)
        self.founding = founding(
            MEMBERS, [self.module, self.desk], party=party, roles=ROLES,
            parameters={"holding": parameters or {}, "kernel": kernel or {}}, sections=sections,
        )  # fmt: skip
        self.ledger = self.founding.ledger
        self.ids = self.founding.ids
        self.cash = b""
        self.expected_alarms = 0

    @property
    def state(self) -> Any:
        """The committed state."""
        return self.ledger.application.state

    def keys(self, names: str) -> list[Key]:
        """The keys of the named parties."""
        return [Key(name) for name in names.split()]

    def do(self, names: str, *messages: Instruction) -> Receipt:
        """Submit what the named parties sign; it must succeed."""
        return self.ledger.succeed(*messages, keys=self.keys(names))

    def refused(self, names: str, *messages: Instruction) -> str:
        """Submit what must be refused; the code."""
        return self.ledger.reject(*messages, keys=self.keys(names))

    def wire(self, name: str, *messages: Instruction) -> bytes:
        """A signed transaction, not yet submitted."""
        return self.ledger.transaction(messages, *self.keys(name))

    def call(self, action: Callable[[Context], object]) -> Receipt:
        """Have the desk run ``action`` in a transaction of its own; it must succeed."""
        return self.do("bank", self._call(action))

    def call_refused(self, action: Callable[[Context], object]) -> str:
        """As ``call``; the code of its refusal."""
        return self.refused("bank", self._call(action))

    def faults(self, action: Callable[[Context], object]) -> bool:
        """Whether ``action`` ends as a fault of the ledger's code: alarmed, and nothing applied."""
        alarms = len(self.ledger.alarms)
        faulted = self.call_refused(action) == "kernel.fault"
        self.expected_alarms += 1
        return faulted and len(self.ledger.alarms) == alarms + 1

    def _call(self, action: Callable[[Context], object]) -> Call:
        self.desk.calls.append(action)
        return Call(self.ids["bank"], len(self.desk.calls) - 1)

    def create(
        self, issuer: str, code: str, kind: InstrumentKind = InstrumentKind.SECURITY, **fields: Any
    ) -> bytes:
        """An instrument whose issuer is its operator."""
        fields = {"currency": None, "decimals": 2, "operators": (self.ids[issuer],), **fields}
        self.do(issuer, CreateInstrument(self.ids[issuer], code, kind, terms=TERMS, **fields))
        return instrument_id(self.ids[issuer], code)

    def create_cash(self) -> bytes:
        """The cash of the market, issued by the central party."""
        self.cash = self.create("central", "EUR", InstrumentKind.CASH, currency="EUR")
        return self.cash

    def open(
        self, owner: str, servicer: str = "", kind: AccountKind = AccountKind.OWN,
        debit: DebitControl = DebitControl.OWNER, credit: CreditControl = CreditControl.OPEN,
        parent: bytes | None = None,
    ) -> bytes:  # fmt: skip
        """An account of ``owner``, serviced by itself unless said otherwise."""
        servicer = servicer or owner
        salt = self.ledger.salt()
        message = OpenAccount(self.ids[servicer], self.ids[owner], kind, debit, credit, parent, salt)
        self.ledger.succeed(
            message, keys=[Key(name) for name in self.ids if self.ids[name] in message.actors()]
        )
        return account_id(self.ids[servicer], salt)

    def funded(self, owner: str, amount: int, **fields: Any) -> bytes:
        """An account of ``owner`` with cash in it."""
        account = self.open(owner, **fields)
        self.fund(account, amount)
        return account

    def fund(self, account: bytes, amount: int) -> None:
        """Issue cash into an account."""
        self.do("central", Issue(self.ids["central"], self.cash, account, amount, b""))

    def pay(self, payer: str, sender: bytes, receiver: bytes, amount: int) -> Transfer:
        """A transfer of cash, not yet submitted."""
        return Transfer(self.ids[payer], self.cash, sender, receiver, amount, b"")

    def holding(self, account: bytes, instrument: bytes = b"") -> Holding:
        """The committed holding of cash, or of another instrument."""
        return self.keeper.holding(self.state, instrument or self.cash, account)

    def available(self, account: bytes) -> int:
        """Cash available in an account."""
        return self.holding(account).available

    def batch(self, *movements: tuple[bytes, bytes, int], number: int = 1) -> Make:
        """A batch hold of cash movements (sender, receiver, amount)."""
        made = tuple(
            Movement(self.cash, sender, receiver, amount, b"batch") for sender, receiver, amount in movements
        )
        return Make(self.ids["bank"], number.to_bytes(32, "big"), made)

    def decide(self, commit: bool, number: int = 1) -> Decide:
        """The decision about a batch hold."""
        return Decide(self.ids["bank"], number.to_bytes(32, "big"), commit)


def events_of(receipt: Receipt, kind: type[Event]) -> Sequence[Any]:
    """The events of one kind in a receipt."""
    return [event for event in receipt.events if isinstance(event, kind)]
