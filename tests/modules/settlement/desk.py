"""What the tests of settlement share: a market, the parts of batches by name, and a module that attaches consequences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from support.market import Market
from traco.kernel.codec import Count, Record, encode
from traco.kernel.errors import Rejected
from traco.kernel.instruction import Consequence, Event, PartyInstruction
from traco.kernel.module import Context, Module
from traco.kernel.receipt import Receipt
from traco.modules.settlement.messages import (
    Affirm,
    Allocation,
    Approval,
    Cancel,
    CreateBatch,
    IntoAccount,
    OwnHolding,
    Settle,
    SettlementInstruction,
    Withdraw,
    batch_id,
    terms_hash,
)
from traco.modules.settlement.state import Batch

LIFE_MS = 60_000
PRICE, LOT = 5_000, 10  # what most tests trade: ten bonds for fifty euro

Part = tuple[int, Allocation]
Consent = tuple[int, Approval]


class Call(PartyInstruction, frozen=True, tag="desk.call/1"):
    """Run one of the desk's calls: what another module might do, rightly or wrongly."""

    index: Count


class Mark(Consequence, frozen=True, tag="desk.mark/1"):
    """Leaves a fact."""

    number: Count


class Veto(Consequence, frozen=True, tag="desk.veto/1"):
    """Refuses."""


class Meddle(Consequence, frozen=True, tag="desk.meddle/1"):
    """Runs one of the desk's calls from within a settlement."""

    index: Count


class Marked(Event, frozen=True, tag="desk.marked/1"):
    """A consequence ran."""

    number: Count


@dataclass(eq=False)
class Vetoed(Rejected):
    """A consequence said no."""

    code: ClassVar[str] = "desk.vetoed"
    says: ClassVar[str] = "No."


class Desk(Module):
    """Stands for the modules that settle through batches."""

    name = "desk"
    prefix = 0x7E

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[Context], object]] = []
        self.instructions = {Call: self.call}
        self.consequences = {Mark: self.mark, Veto: self.veto, Meddle: self.call}
        self.events = (Marked,)
        self.errors = (Vetoed,)

    def call(self, context: Context, message: Call | Meddle) -> None:
        self.calls[message.index](context)

    def mark(self, context: Context, message: Mark) -> None:
        context.emit(Marked(message.number))

    def veto(self, context: Context, message: Veto) -> None:
        raise Vetoed


SLOW: dict[str, dict[str, Any]] = {"kernel": {"due_budget": 1}}  # one due item a block: the others come late


class Floor(Market):
    """A market with the desk. ``seller`` delivers bonds, ``buyer`` pays, unless a test says otherwise."""

    def __init__(self, **options: Any) -> None:
        self.desk = Desk()
        super().__init__(extra=lambda market: (self.desk,), **options)
        self.keeper = self.settlement.keeper

    # batches

    def leg(
        self, sender: str, receiver: str, instrument: bytes, amount: int, reference: bytes = b""
    ) -> SettlementInstruction:
        """A leg between named parties."""
        return SettlementInstruction(self.ids[sender], self.ids[receiver], instrument, amount, reference)

    def dvp(self, amount: int = LOT, price: int = PRICE) -> tuple[SettlementInstruction, ...]:
        """Bonds from the seller to the buyer (leg 0) against cash (leg 1)."""
        return (
            self.leg("seller", "buyer", self.bond, amount, b"bonds"),
            self.leg("buyer", "seller", self.cash, price, b"price"),
        )

    def request(
        self, legs: Sequence[SettlementInstruction] | None = None, *, by: str = "seller", settlers: str | None = None,
        life_ms: int = LIFE_MS, salt: bytes = b"", **fields: Any,
    ) -> CreateBatch:  # fmt: skip
        """The instruction for a batch: settled by itself unless settlers are named."""
        named = tuple(self.ids[name] for name in (settlers or "").split())
        values: dict[str, Any] = {
            "party": self.ids[by], "legs": self.dvp() if legs is None else tuple(legs), "settlers": named,
            "auto": settlers is None, "deadline_ms": self.time_ms + life_ms, "salt": salt or self.ledger.salt(),
            **fields,
        }  # fmt: skip
        return CreateBatch(**values)

    def create(
        self, legs: Sequence[SettlementInstruction] | None = None, *, by: str = "seller", **fields: Any
    ) -> bytes:
        """Create a batch; its id."""
        message = self.request(legs, by=by, **fields)
        self.do(by, message)
        return batch_id(message.party, message.salt)

    def batch(self, batch: bytes) -> Batch:
        """The batch as committed."""
        found = self.keeper.get(self.state, batch)
        assert found is not None
        return found

    def at_deadline(self, batch: bytes, late_ms: int, names: str, *messages: PartyInstruction) -> str | None:
        """Submit in the block that comes ``late_ms`` after the deadline, while the ledger (with a due budget of one)
        is busy with another batch; the code, None if it succeeds."""
        deadline_ms = self.batch(batch).deadline_ms
        self.do("court", self.request(by="court", deadline_ms=deadline_ms - 1))
        wire = self.wire(names, *messages)
        (answer,) = self.ledger.run_block([wire], after_ms=deadline_ms + late_ms - self.time_ms)
        return None if answer.failure is None else answer.failure.code

    # parts

    def own(self, leg: int, name: str, account: bytes = b"") -> Part:
        """The allocation of a holding."""
        return (leg, OwnHolding(account or self.accounts[name]))

    def into(self, leg: int, name: str, account: bytes = b"") -> Consent:
        """The approval of an account."""
        return (leg, IntoAccount(account or self.accounts[name]))

    def affirmation(
        self, name: str, batch: bytes, allocations: Sequence[Part] = (), approvals: Sequence[Consent] = (),
        terms: bytes = b"",
    ) -> Affirm:  # fmt: skip
        """The instruction of a party for a batch on the ledger."""
        agreed = terms or self.batch(batch).terms
        return Affirm(self.ids[name], batch, agreed, tuple(allocations), tuple(approvals))

    def affirm(
        self, name: str, batch: bytes, allocations: Sequence[Part] = (), approvals: Sequence[Consent] = ()
    ) -> Receipt:
        """A party affirms; it must succeed."""
        return self.do(name, self.affirmation(name, batch, allocations, approvals))

    def affirm_refused(
        self, name: str, batch: bytes, allocations: Sequence[Part] = (), approvals: Sequence[Consent] = ()
    ) -> str:
        """A party affirms in vain; the code."""
        return self.refused(name, self.affirmation(name, batch, allocations, approvals))

    def seller_affirms(self, batch: bytes) -> Receipt:
        """The seller's parts of ``dvp``."""
        return self.affirm("seller", batch, [self.own(0, "seller")], [self.into(1, "seller")])

    def buyer_affirms(self, batch: bytes) -> Receipt:
        """The buyer's parts of ``dvp``."""
        return self.affirm("buyer", batch, [self.own(1, "buyer")], [self.into(0, "buyer")])

    def completed(self, **fields: Any) -> bytes:
        """A complete ``dvp`` that the bank may settle; its id."""
        batch = self.create(**{"settlers": "bank", **fields})
        self.seller_affirms(batch)
        self.buyer_affirms(batch)
        return batch

    # the other instructions

    def settle(self, batch: bytes, name: str = "bank") -> Settle:
        return Settle(self.ids[name], batch)

    def withdraw(self, batch: bytes, name: str) -> Withdraw:
        return Withdraw(self.ids[name], batch)

    def cancel(self, batch: bytes, name: str = "seller", reason: str = "no-deal") -> Cancel:
        return Cancel(self.ids[name], batch, reason)

    # another module

    def call(self, action: Callable[[Context], object]) -> Receipt:
        """Have the desk run ``action`` in a transaction of its own; it must succeed."""
        return self.do("bank", self.call_of(action))

    def call_refused(self, action: Callable[[Context], object]) -> str:
        """As ``call``; the code of its refusal."""
        return self.refused("bank", self.call_of(action))

    def call_of(self, action: Callable[[Context], object]) -> Call:
        self.desk.calls.append(action)
        return Call(self.ids["bank"], len(self.desk.calls) - 1)

    def meddle(self, action: Callable[[Context], object]) -> bytes:
        """A consequence that runs ``action``, encoded."""
        self.desk.calls.append(action)
        return encode(Meddle(len(self.desk.calls) - 1))

    def create_with(
        self,
        on_settle: Sequence[Record | bytes] = (),
        on_release: Sequence[Record | bytes] = (),
        settlers: str | None = None,
    ) -> bytes:
        """A ``dvp`` of the seller that the desk created, with consequences; its id."""
        message = self.request(settlers=settlers)
        self.call(
            lambda context: self.keeper.create(
                context, message.party, message.legs, message.settlers, message.auto, message.deadline_ms,
                _encoded(on_settle), _encoded(on_release), message.salt,
            )
        )  # fmt: skip
        return batch_id(message.party, message.salt)

    # results

    def untouched(self) -> None:
        """Nothing moved and nothing is held."""
        assert self.positions() == [(1_000, 0), (0, 0), (0, 0), (1_000_000, 0)]

    def settled(self) -> None:
        """Exactly one ``dvp`` moved, and nothing is held."""
        assert self.positions() == [(1_000 - LOT, 0), (LOT, 0), (PRICE, 0), (1_000_000 - PRICE, 0)]

    def positions(self) -> list[tuple[int, int]]:
        """(available, encumbered): bonds of seller and buyer, cash of seller and buyer."""
        return self.balances(self.bond, "seller buyer") + self.balances(self.cash, "seller buyer")


def terms_of(message: CreateBatch) -> bytes:
    """The terms that affirmations of a batch not yet created commit to."""
    return terms_hash(message.legs, message.settlers, message.auto, message.deadline_ms)


def events_of(receipt: Receipt, kind: type[Event]) -> list[Any]:
    """The events of one kind in a receipt."""
    return [event for event in receipt.events if isinstance(event, kind)]


def _encoded(consequences: Sequence[Record | bytes]) -> tuple[bytes, ...]:
    return tuple(item if isinstance(item, bytes) else encode(item) for item in consequences)
