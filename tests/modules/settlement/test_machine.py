"""Any sequence of batches, affirmations, ends and transfers does what a model of plain numbers does, refusals included."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from modules.settlement.desk import Floor, terms_of
from support.market import CASH, keys_of
from traco.kernel.instruction import Instruction
from traco.modules.holding.messages import Transfer
from traco.modules.settlement.messages import (
    Allocation,
    Approval,
    IntoAccount,
    OutsideProof,
    OwnHolding,
    PassedOn,
    PassThrough,
    SettlementInstruction,
    TakenOutside,
    batch_id,
)

NAMES = ("seller", "buyer", "bank", "custodian")
FUNDS = 1_000  # of bonds and of cash, for each
EVIDENCE = b"e" * 32
LIFE_MS = 60_000

name = st.sampled_from(NAMES)
asset = st.sampled_from(("bond", "cash"))
amount = st.sampled_from((1, 400, 600))  # the larger ones: enough for a batch or two only
Leg = tuple[str, str, str, int]


@dataclass
class Known:
    """A batch in the model: which parts are given, as words."""

    requestor: str
    legs: list[Leg]
    auto: bool
    deadline_ms: int
    terms: bytes
    status: str = "open"
    allocations: dict[int, str] = field(default_factory=dict)  # leg: own, pass, outside
    approvals: dict[int, str] = field(default_factory=dict)  # leg: into, passed, taken

    @property
    def complete(self) -> bool:
        return len(self.allocations) == len(self.approvals) == len(self.legs)


class SettlementMachine(RuleBasedStateMachine):
    """Batches come in three shapes: any legs, a chain through the custodian, one leg settled outside."""

    batches = Bundle("batches")

    @initialize()
    def start(self) -> None:
        self.floor = Floor()
        for party in NAMES:
            if party == "seller":
                self.floor.issue(self.floor.cash, party, FUNDS)
                continue
            self.floor.issue(self.floor.bond, party, FUNDS)
            self.floor.do(party, self.transfer_of(party, "rival", "cash", CASH - FUNDS))
        self.free = {(party, what): FUNDS for party in NAMES for what in ("bond", "cash")}
        self.model: dict[bytes, Known] = {}
        self.shapes: dict[bytes, dict[int, str]] = {}
        self.total = {what: self.sum_of(what) for what in ("bond", "cash")}

    # what is expected

    def sum_of(self, what: str) -> int:
        held = sum(known.legs[leg][3] for known in self.model.values() for leg in self.holds(known, what))
        return held + sum(free for (_, of), free in self.free.items() if of == what)

    def holds(self, known: Known, what: str) -> list[int]:
        if known.status != "open":
            return []
        return [
            leg for leg, kind in known.allocations.items() if kind == "own" and known.legs[leg][2] == what
        ]

    def release(self, known: Known, legs: list[int]) -> None:
        for leg in legs:
            if known.allocations.pop(leg) == "own":
                sender, _, what, count = known.legs[leg]
                self.free[sender, what] += count

    def end(self, known: Known, status: str) -> None:
        self.release(known, list(known.allocations))
        known.status = status

    def settle_now(self, known: Known) -> None:
        for leg, kind in known.allocations.items():
            if kind == "own":
                receiver, last = known.legs[leg][1], leg
                while known.approvals[last] == "passed":
                    last += 1
                    receiver = known.legs[last][1]
                self.free[receiver, known.legs[leg][2]] += known.legs[leg][3]
        known.allocations.clear()
        known.status = "settled"

    def submit(self, names: str, *messages: Instruction) -> str | None:
        answer = self.floor.ledger.submit(*messages, keys=keys_of(names))
        self.expire()
        return None if answer.failure is None else answer.failure.code

    def expire(self) -> None:
        for known in self.model.values():
            if known.status == "open" and known.deadline_ms <= self.floor.time_ms:
                self.end(known, "expired")

    def ends_next(self, known: Known) -> bool:
        """Whether the block in which the next transaction runs expires the batch first."""
        return known.status == "open" and known.deadline_ms <= self.floor.time_ms + 1_000

    # what happens

    @rule(
        target=batches, requestor=name, legs=st.lists(st.tuples(name, name, asset, amount), min_size=1, max_size=3),
        shape=st.sampled_from(("any", "chain", "chain", "outside")), auto=st.booleans(),
    )  # fmt: skip
    def create(self, requestor: str, legs: list[Leg], shape: str, auto: bool) -> bytes:
        if shape == "chain":
            (sender, receiver, what, count), rest = legs[0], legs[1:]
            legs = [(sender, "custodian", what, count), ("custodian", receiver, what, count), *rest]
        floor = self.floor
        made = tuple(
            SettlementInstruction(floor.ids[sender], floor.ids[receiver], getattr(floor, what), count)
            for sender, receiver, what, count in legs
        )
        message = floor.request(made, by=requestor, settlers=None if auto else "rival", life_ms=LIFE_MS)
        assert self.submit(requestor, message) is None
        batch = batch_id(message.party, message.salt)
        known = Known(requestor, legs, auto, message.deadline_ms, terms_of(message))
        self.model[batch] = known
        self.shapes[batch] = {"chain": {0: "passed", 1: "pass"}, "outside": {0: "outside"}}.get(shape, {})
        return batch

    @rule(batch=batches, parties=st.permutations(NAMES))
    def affirm_by_all(self, batch: bytes, parties: list[str]) -> None:
        for party in parties:
            self.affirm(batch, party, both=True)

    @rule(batch=batches, party=name, both=st.booleans())
    def affirm(self, batch: bytes, party: str, both: bool) -> None:
        known, floor, shape = self.model[batch], self.floor, self.shapes[batch]
        passing, outside = shape.get(1) == "pass", shape.get(0) == "outside"
        allocations, approvals = {}, {}
        for leg, (sender, receiver, _, _) in enumerate(known.legs):
            if sender == party:
                allocations[leg] = (
                    "pass" if passing and leg == 1 else "outside" if outside and leg == 0 else "own"
                )
            if receiver == party and both:
                approvals[leg] = (
                    "passed" if passing and leg == 0 else "taken" if outside and leg == 0 else "into"
                )
        account = floor.accounts[party]
        given: dict[str, Allocation] = {
            "own": OwnHolding(account),
            "pass": PassThrough(0),
            "outside": OutsideProof(EVIDENCE),
        }
        taken: dict[str, Approval] = {
            "into": IntoAccount(account),
            "passed": PassedOn(1),
            "taken": TakenOutside(EVIDENCE),
        }
        message = floor.affirmation(
            party, batch, [(leg, given[kind]) for leg, kind in allocations.items()],
            [(leg, taken[kind]) for leg, kind in approvals.items()], known.terms,
        )  # fmt: skip
        expected = self.affirmed(known, party, allocations, approvals)
        assert self.submit(party, message) == expected

    def affirmed(
        self, known: Known, party: str, allocations: dict[int, str], approvals: dict[int, str]
    ) -> str | None:
        if known.status != "open" or self.ends_next(known):
            return "settlement.batch_ended"
        if not allocations and not approvals:
            return "settlement.nothing_affirmed"
        if known.allocations.keys() & allocations.keys():
            return "settlement.allocated_before"
        if known.approvals.keys() & approvals.keys():
            return "settlement.approved_before"
        need: dict[str, int] = {}
        for leg, kind in allocations.items():
            _, _, what, count = known.legs[leg]
            need[what] = need.get(what, 0) + (count if kind == "own" else 0)
        if any(self.free[party, what] < count for what, count in need.items()):
            return "holding.insufficient"
        after = known.allocations | allocations
        complete = len(after) == len(known.approvals | approvals) == len(known.legs)
        if complete and known.auto and self.same_account(known, after, known.approvals | approvals):
            return "holding.same_account"
        for what, count in need.items():
            self.free[party, what] -= count
        known.allocations.update(allocations)
        known.approvals.update(approvals)
        if known.complete and known.auto:
            self.settle_now(known)
        return None

    def same_account(self, known: Known, allocations: dict[int, str], approvals: dict[int, str]) -> bool:
        """Whether a movement would begin and end in one account, for everybody here has one only."""
        for leg, kind in allocations.items():
            last = leg + 1 if approvals[leg] == "passed" else leg
            if kind == "own" and known.legs[leg][0] == known.legs[last][1]:
                return True
        return False

    @rule(batch=batches, party=name)
    def withdraw(self, batch: bytes, party: str) -> None:
        known = self.model[batch]
        expected = None
        gave = [leg for leg in known.allocations if known.legs[leg][0] == party]
        took = [leg for leg in known.approvals if known.legs[leg][1] == party]
        if known.status != "open" or self.ends_next(known):
            expected = "settlement.batch_ended"
        elif known.complete:
            expected = "settlement.irrevocable"
        elif not gave and not took:
            expected = "settlement.nothing_withdrawn"
        else:
            self.release(known, gave)
            for leg in took:
                del known.approvals[leg]
        assert self.submit(party, self.floor.withdraw(batch, party)) == expected

    @rule(batch=batches, settler=st.sampled_from(("rival", "rival", "seller")))
    def settle(self, batch: bytes, settler: str) -> None:
        known = self.model[batch]
        expected = None
        if known.status != "open" or self.ends_next(known):
            expected = "settlement.batch_ended"
        elif known.auto or settler != "rival":
            expected = "settlement.not_settler"
        elif not known.complete:
            expected = "settlement.not_complete"
        elif self.same_account(known, known.allocations, known.approvals):
            expected = "holding.same_account"
        else:
            self.settle_now(known)
        assert self.submit(settler, self.floor.settle(batch, settler)) == expected

    @rule(batch=batches, party=name)
    def cancel(self, batch: bytes, party: str) -> None:
        known = self.model[batch]
        expected = None
        if known.status != "open" or self.ends_next(known):
            expected = "settlement.batch_ended"
        elif party != known.requestor:
            expected = "settlement.not_requestor"
        else:
            self.end(known, "cancelled")
        assert self.submit(party, self.floor.cancel(batch, party)) == expected

    @rule(sender=name, receiver=name, what=asset, count=amount)
    def transfer(self, sender: str, receiver: str, what: str, count: int) -> None:
        for known in self.model.values():
            if self.ends_next(known):
                self.end(known, "expired")
        expected = None
        if sender == receiver:
            expected = "holding.same_account"
        elif self.free[sender, what] < count:
            expected = "holding.insufficient"
        else:
            self.free[sender, what] -= count
            self.free[receiver, what] += count
        assert self.submit(sender, self.transfer_of(sender, receiver, what, count)) == expected

    def transfer_of(self, sender: str, receiver: str, what: str, count: int) -> Transfer:
        floor, accounts = self.floor, self.floor.accounts
        return Transfer(
            floor.ids[sender], getattr(floor, what), accounts[sender], accounts[receiver], count, b""
        )

    @rule(finished=consumes(batches), after_ms=st.sampled_from((1_000, 1_000, LIFE_MS)))
    def wait(self, finished: bytes, after_ms: int) -> None:
        """Time passes; what consumed the batch is that no later rule looks at it."""
        self.floor.ledger.run_block(after_ms=after_ms)
        self.expire()

    # what always holds

    @invariant()
    def everything_is_as_modelled(self) -> None:
        floor = self.floor
        for (party, what), free in self.free.items():
            row = floor.held(party, getattr(floor, what))
            held = sum(
                known.legs[leg][3]
                for known in self.model.values()
                for leg in self.holds(known, what)
                if known.legs[leg][0] == party
            )
            assert (row.available, row.held) == (free, held)
        for batch, known in self.model.items():
            record = floor.batch(batch)
            assert (record.status, record.complete) == (
                known.status,
                known.status == "open" and known.complete,
            )

    @invariant()
    def nothing_is_created_or_lost(self) -> None:
        assert {what: self.sum_of(what) for what in ("bond", "cash")} == self.total
        self.floor.check()


TestSettlement = SettlementMachine.TestCase
TestSettlement.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
