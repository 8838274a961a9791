"""Random sequences of everything that happens to receivables, against a naive model of dicts that knows no kernel.

Three invoices of the same parties, of which two have the same facts. Lenders finance parts, receivables pass on, get
encumbered and freed, the buyer pays, the seller dilutes, holders collect.
"""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from modules.document.desk import Facts
from modules.financing.desk import CASH, Desk
from traco.kernel.instruction import Instruction
from traco.modules.document.messages import ConfirmDocument
from traco.modules.financing.messages import financing_id
from traco.modules.holding.messages import ReleaseHold

TOTAL = 100
TRADERS = ("seller", "bank", "rival", "fund")
DOCUMENTS = st.integers(0, 2)
NAMES = st.sampled_from(TRADERS)
AMOUNTS = st.integers(1, TOTAL + 5)


class Claim:
    """What the model knows of one invoice."""

    def __init__(self) -> None:
        self.financed = 0
        self.unpaid = TOTAL
        self.owned = dict.fromkeys(TRADERS, 0)
        self.held: list[tuple[str, int, bytes]] = []  # holder, amount, hold
        self.aside = dict.fromkeys(TRADERS, 0)

    def free(self, name: str) -> int:
        return self.owned[name] - sum(amount for holder, amount, _ in self.held if holder == name)

    def shares(self, amount: int, order: dict[str, bytes]) -> dict[str, int]:
        """Largest remainder by hand: one unit at a time to who is owed the largest fraction."""
        names = sorted(TRADERS, key=lambda name: order[name])
        weights = {name: max(0, self.owned[name] - self.aside[name]) for name in names}
        total = sum(weights.values())
        parts = {name: weights[name] * amount // total for name in names}
        while sum(parts.values()) < amount:
            behind = max(names, key=lambda name: weights[name] * amount - parts[name] * total)
            parts[behind] += 1
        return parts


class Market(RuleBasedStateMachine):
    """The ledger and the model, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        first = self.desk.invoice(TOTAL)
        other = self.desk.invoice(TOTAL, Facts("9", "2026-01-01", "EUR 5", "s", "b"))
        twin = self.desk.register("rival", amount=TOTAL)
        self.desk.do("buyer", ConfirmDocument(self.desk.ids["buyer"], twin))
        self.documents = [first, twin, other]
        self.claims = [Claim() for _ in self.documents]
        self.cash = {"seller": 0, "buyer": CASH, "bank": CASH, "rival": CASH, "fund": CASH}
        self.notes = 0

    def expect(self, name: str, allowed: bool, *messages: Instruction) -> bool:
        """Submit; it succeeds exactly where the model says so."""
        answer = self.desk.ledger.submit(*messages, keys=[self.desk.founding.keys[name]])
        assert (answer.failure is None) == allowed, answer.failure
        assert answer.failure is None or answer.failure.code != "kernel.fault"
        return allowed

    def can_finance(self, index: int, face: int) -> bool:
        claim, twin = self.claims[index], self.claims[1 - index] if index < 2 else None
        if twin is not None and twin.financed:
            return False
        return 0 < face <= min(TOTAL - claim.financed, claim.unpaid)

    @rule(index=DOCUMENTS, face=AMOUNTS, lender=st.sampled_from(TRADERS[1:]))
    def finance(self, index: int, face: int, lender: str) -> None:
        claim, document = self.claims[index], self.documents[index]
        if not self.expect("seller", self.can_finance(index, face), message := self.desk.ask(document, face)):
            return
        financing = financing_id(message.party, message.salt)
        offer = self.desk.offer(financing, lender, face)
        if claim.financed == 0:
            claim.owned["seller"] = TOTAL
        allowed = claim.free("seller") >= face
        if self.expect("seller", allowed, self.desk.acceptance(financing, offer)):
            claim.financed += face
            self.move(claim, "seller", lender, face)
            self.cash[lender] -= face
            self.cash["seller"] += face

    def move(self, claim: Claim, sender: str, receiver: str, amount: int) -> None:
        claim.owned[sender] -= amount
        claim.owned[receiver] += amount

    @rule(index=DOCUMENTS, sender=NAMES, receiver=NAMES, amount=AMOUNTS)
    def transfer(self, index: int, sender: str, receiver: str, amount: int) -> None:
        claim = self.claims[index]
        if not claim.financed or sender == receiver:
            return
        message = self.desk.transfer(self.documents[index], sender, receiver, amount)
        if self.expect(sender, claim.free(sender) >= amount, message):
            self.move(claim, sender, receiver, amount)

    @rule(index=DOCUMENTS, name=NAMES, amount=AMOUNTS)
    def encumber(self, index: int, name: str, amount: int) -> None:
        claim = self.claims[index]
        if claim.financed and claim.free(name) >= amount:
            claim.held.append(
                (name, amount, self.desk.encumber(self.documents[index], name, amount, "buyer"))
            )

    @rule(index=DOCUMENTS)
    def set_free(self, index: int) -> None:
        claim = self.claims[index]
        if claim.held:
            _, _, hold = claim.held.pop()
            self.desk.do("buyer", ReleaseHold(self.desk.ids["buyer"], hold))

    @rule(index=DOCUMENTS, amount=AMOUNTS)
    def pay(self, index: int, amount: int) -> None:
        claim = self.claims[index]
        allowed = claim.financed > 0 and amount <= claim.unpaid
        if self.expect("buyer", allowed, self.desk.payment(self.documents[index], amount)):
            self.distribute(claim, amount)
            claim.unpaid -= amount
            self.cash["buyer"] -= amount

    def distribute(self, claim: Claim, amount: int) -> None:
        again, left = 0, amount
        for name, aside in claim.aside.items():  # what was set aside for units that left is divided again
            again += max(0, aside - claim.owned[name])
            claim.aside[name] = min(aside, claim.owned[name])
        for name, part in claim.shares(amount + again, self.desk.accounts).items():
            now = min(part, left, claim.free(name))
            left -= now
            claim.owned[name] -= now
            self.cash[name] += now
            claim.aside[name] += part - now

    @rule(index=DOCUMENTS, amount=st.integers(1, 30))
    def dilute(self, index: int, amount: int) -> None:
        claim, document = self.claims[index], self.documents[index]
        if not claim.financed or not claim.unpaid:
            return
        self.notes += 1
        note = self.desk.credit(document, amount, f"C{self.notes}")
        amount = min(amount, claim.unpaid)
        own = min(amount, claim.free("seller"), max(0, claim.owned["seller"] - claim.aside["seller"]))
        allowed = amount - own <= self.cash["seller"]
        if self.expect("seller", allowed, self.desk.dilution(document, note, TOTAL)):
            claim.owned["seller"] -= own
            if amount > own:
                self.cash["seller"] -= amount - own
                self.distribute(claim, amount - own)
            claim.unpaid -= amount

    @rule(index=DOCUMENTS, name=NAMES, source=NAMES)
    def collect(self, index: int, name: str, source: str) -> None:
        claim, desk = self.claims[index], self.desk
        if not claim.unpaid:
            entitled = sum(claim.owned.values())
        elif name == source:
            entitled = claim.aside[name]
        else:
            entitled = max(0, claim.aside[source] - claim.owned[source])
        amount = min(entitled, claim.free(name))
        message = desk.collection(self.documents[index], name, source=desk.accounts[source])
        if self.expect(name, amount > 0, message):
            claim.owned[name] -= amount
            claim.aside[source] = max(0, claim.aside[source] - amount)
            self.cash[name] += amount

    @invariant()
    def everybody_has_what_the_model_says(self) -> None:
        keeper, desk = self.desk.holding.keeper, self.desk
        for document, claim in zip(self.documents, self.claims, strict=True):
            if claim.financed:
                record = desk.receivable(document)
                assert desk.claims(document, " ".join(TRADERS)) == list(claim.owned.values())
                assert (record.unpaid, record.financed) == (claim.unpaid, claim.financed)
        rows = {name: keeper.holding(desk.state, desk.cash, desk.accounts[name]) for name in self.cash}
        assert {name: row.available for name, row in rows.items()} == self.cash

    def teardown(self) -> None:
        assert self.desk.ledger.check_invariants() == []
        assert self.desk.ledger.alarms == []


def test_the_ledger_agrees_with_the_model() -> None:
    run_state_machine_as_test(
        Market, settings=settings(max_examples=80, stateful_step_count=25, deadline=None)
    )


@pytest.mark.parametrize("steps", [1, 2])
def test_the_model_divides_as_the_rule_says(steps: int) -> None:
    claim = Claim()
    claim.owned = {"seller": 1, "bank": 1, "rival": 1, "fund": 0}
    order = {name: bytes((number,)) for number, name in enumerate(TRADERS)}
    assert list(claim.shares(steps, order).values()) == [1] * steps + [0] * (4 - steps)
