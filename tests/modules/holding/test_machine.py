"""A random life of a market, compared after every step with a model of dictionaries that knows nothing of the kernel."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modules.holding.desk import Market
from traco.kernel.batch_hold import Movement
from traco.kernel.instruction import Instruction
from traco.modules.holding import messages as m
from traco.modules.holding.messages import CreditControl, DebitControl, attachment_id, hold_id, pledge_id
from traco.modules.holding.state import Holding

PARTIES = ("bank", "dealer", "court")
RIGHT = "whoever may"  # most attempts are by the right party, some by any
PARTY = st.sampled_from(PARTIES)
ACTOR = st.sampled_from((RIGHT, RIGHT, RIGHT, *PARTIES))
AMOUNT = st.integers(1, 120)
PART = st.integers(1, 40)
PICK = st.integers(0, 50)
BLOCK_MS = 1_000


class Model:
    """What ought to be: available amounts, and encumbrances as plain lists."""

    def __init__(self) -> None:
        self.accounts: dict[bytes, dict[str, Any]] = {}
        self.available: dict[tuple[bytes, bytes], int] = {}
        self.outstanding: dict[bytes, int] = {}
        self.holds: dict[bytes, dict[str, Any]] = {}
        self.pledges: dict[bytes, dict[str, Any]] = {}
        self.attachments: dict[bytes, dict[str, Any]] = {}  # in the order they were made
        self.batches: dict[bytes, list[Movement]] = {}

    def usable(self, account: bytes) -> bool:
        return not self.accounts[account]["closed"]

    def debits(self, account: bytes, party: str) -> bool:
        return bool(self.accounts[account]["debit"] == party)

    def owns(self, account: bytes, party: str) -> bool:
        return bool(self.accounts[account]["parties"][0] == party)

    def credits(self, account: bytes, party: str) -> bool:
        return self.accounts[account]["credit"] in (None, party)

    def has(self, instrument: bytes, account: bytes, amount: int) -> bool:
        return self.available.get((instrument, account), 0) >= amount

    def take(self, instrument: bytes, account: bytes, amount: int) -> None:
        self.available[instrument, account] -= amount

    def arrive(self, instrument: bytes, account: bytes, amount: int) -> None:
        for order in self.attachments.values():
            if (order["instrument"], order["account"]) == (instrument, account):
                given = min(amount, order["amount"] - order["found"])
                order["found"] += given
                amount -= given
        self.available[instrument, account] = self.available.get((instrument, account), 0) + amount

    def expire(self, time_ms: int) -> None:
        due = sorted((hold["expires"], key) for key, hold in self.holds.items() if hold["expires"] <= time_ms)
        for _, key in due:
            hold = self.holds.pop(key)
            self.arrive(hold["instrument"], hold["account"], hold["amount"])

    def holding(self, instrument: bytes, account: bytes) -> Holding:
        def total(records: Any, field: str) -> int:
            return sum(
                record[field]
                for record in records
                if (record["instrument"], record["account"]) == (instrument, account)
            )

        moves = [move for batch in self.batches.values() for move in batch if move.instrument == instrument]
        found = total(self.attachments.values(), "found")
        return Holding(
            available=self.available.get((instrument, account), 0),
            held=total(self.holds.values(), "amount"),
            pledged=total(self.pledges.values(), "amount"),
            attached=found,
            bucket=sum(move.amount for move in moves if move.sender == account),
            incoming=sum(move.amount for move in moves if move.receiver == account),
            awaited=total(self.attachments.values(), "amount") - found,
        )

    def rows(self, account: bytes) -> int:
        empty = Holding(0, 0, 0, 0, 0, 0, 0)
        return sum(self.holding(instrument, account) != empty for instrument in self.outstanding)


class HoldingMachine(RuleBasedStateMachine):
    """Each rule asks for something, allowed or not; the model says which, and what follows."""

    def __init__(self) -> None:
        super().__init__()
        self.market = Market({"test.odd": lambda *arguments: "test.odd" if arguments[4] % 2 else ""})
        self.ids = self.market.ids
        self.model = Model()

    @initialize()
    def set_up(self) -> None:
        market = self.market
        cash = market.create_cash()
        bond = market.create("central", "BOND", transfer_check="test.odd")
        self.model.outstanding = {cash: 0, bond: 0}
        for owner, servicer, debit, credit in (
            ("bank", "bank", "owner", "open"),
            ("dealer", "dealer", "owner", "open"),
            ("court", "court", "owner", "owner"),
            ("dealer", "bank", "servicer", "open"),
        ):
            self.add_account(owner, servicer, DebitControl(debit), CreditControl(credit))

        for account in list(self.model.accounts):
            for instrument in (cash, bond):
                self.market.call(
                    lambda context, of=instrument, to=account: self.market.keeper.issue(
                        context, of, to, 300, b""
                    )  # type: ignore[misc]
                )
                self.model.outstanding[instrument] += 300
                self.model.arrive(instrument, account, 300)

    def add_account(self, owner: str, servicer: str, debit: DebitControl, credit: CreditControl) -> None:
        account = self.market.open(owner, servicer=servicer, debit=debit, credit=credit)
        self.model.accounts[account] = {
            "closed": False,
            "parties": (owner, servicer),
            "debit": owner if debit is DebitControl.OWNER else servicer,
            "credit": {"open": None, "owner": owner, "servicer": servicer}[credit.value],
        }
        self.model.expire(self.market.ledger.time_ms)

    def instrument(self, pick: int) -> bytes:
        return list(self.model.outstanding)[pick % 2]

    def account(self, pick: int) -> bytes:
        return list(self.model.accounts)[pick % len(self.model.accounts)]

    def submit(self, names: str, message: Instruction, condition: Any) -> bool:
        """Submit in a block of its own; whether it succeeded, which must be what ``condition`` says at that time."""
        self.model.expire(self.market.ledger.time_ms + BLOCK_MS)
        expected = bool(condition())
        answer = self.market.ledger.submit(message, keys=self.market.keys(names))
        assert (answer.failure is None) == expected, answer.failure
        return expected

    def controller(self, party: str, account: bytes) -> str:
        """The party that acts: the one that controls debits of the account where it is to be the right one."""
        return str(self.model.accounts[account]["debit"]) if party == RIGHT else party

    def passable(self, instrument: bytes, sender: bytes, receiver: bytes, amount: int) -> bool:
        checked = instrument == self.instrument(1)
        return sender != receiver and self.model.usable(receiver) and not (checked and amount % 2)

    @rule(to=PICK, of=PICK, amount=AMOUNT)
    def issue(self, to: int, of: int, amount: int) -> None:
        account, instrument = self.account(to), self.instrument(of)
        message = m.Issue(self.ids["central"], instrument, account, amount, b"")
        if self.submit(
            "central", message, lambda: self.model.usable(account) and self.model.credits(account, "central")
        ):
            self.model.arrive(instrument, account, amount)
            self.model.outstanding[instrument] += amount

    @rule(holder=ACTOR, source=PICK, of=PICK, amount=AMOUNT)
    def redeem(self, holder: str, source: int, of: int, amount: int) -> None:
        account, instrument, model = self.account(source), self.instrument(of), self.model
        holder = self.controller(holder, account)
        message = m.Redeem(self.ids["central"], self.ids[holder], instrument, account, amount, b"")
        if self.submit(
            f"central {holder}",
            message,
            lambda: (
                model.usable(account)
                and model.debits(account, holder)
                and model.has(instrument, account, amount)
            ),
        ):
            model.take(instrument, account, amount)
            model.outstanding[instrument] -= amount

    @rule(party=ACTOR, source=PICK, to=PICK, of=PICK, amount=AMOUNT)
    def transfer(self, party: str, source: int, to: int, of: int, amount: int) -> None:
        sender, receiver, instrument = self.account(source), self.account(to), self.instrument(of)
        model, party = self.model, self.controller(party, sender)
        message = m.Transfer(self.ids[party], instrument, sender, receiver, amount, b"")
        if self.submit(
            party,
            message,
            lambda: (
                model.usable(sender)
                and model.debits(sender, party)
                and model.credits(receiver, party)
                and self.passable(instrument, sender, receiver, amount)
                and model.has(instrument, sender, amount)
            ),
        ):
            model.take(instrument, sender, amount)
            model.arrive(instrument, receiver, amount)

    @rule(party=ACTOR, source=PICK, of=PICK, amount=AMOUNT, executor=PARTY, life=st.integers(0, 40_000))
    def hold(self, party: str, source: int, of: int, amount: int, executor: str, life: int) -> None:
        account, instrument, model, salt = self.account(source), self.instrument(of), self.model, self.salt()
        expires, party = self.market.ledger.time_ms + life, self.controller(party, account)
        message = m.Hold(self.ids[party], account, instrument, amount, self.ids[executor], expires, b"", salt)
        if self.submit(
            party,
            message,
            lambda: (
                model.usable(account)
                and model.debits(account, party)
                and life > BLOCK_MS
                and not model.debits(account, executor)
                and not model.debits(account, executor)
                and not model.owns(account, executor)
                and model.has(instrument, account, amount)
            ),
        ):
            model.take(instrument, account, amount)
            model.holds[hold_id(self.ids[party], salt)] = {
                "instrument": instrument, "account": account, "amount": amount, "executor": executor,
                "expires": expires,
            }  # fmt: skip

    @precondition(lambda self: self.model.holds)
    @rule(party=ACTOR, pick=PICK, to=PICK, amount=PART, final=st.booleans(), exactly=st.booleans())
    def execute_hold(self, party: str, pick: int, to: int, amount: int, final: bool, exactly: bool) -> None:
        key, hold = self.picked(self.model.holds, pick)
        receiver, model = self.account(to), self.model
        amount = hold["amount"] if exactly else amount
        party = hold["executor"] if party == RIGHT else party
        message = m.ExecuteHold(self.ids[party], key, hold["instrument"], receiver, amount, final, b"")
        if self.submit(
            party,
            message,
            lambda: (
                key in model.holds
                and hold["executor"] == party
                and amount <= hold["amount"]
                and model.credits(receiver, party)
                and self.passable(hold["instrument"], hold["account"], receiver, amount)
            ),
        ):
            hold["amount"] -= amount
            model.arrive(hold["instrument"], receiver, amount)
            if final or hold["amount"] == 0:
                del model.holds[key]
                model.arrive(hold["instrument"], hold["account"], hold["amount"])

    @precondition(lambda self: self.model.holds)
    @rule(party=ACTOR, pick=PICK)
    def release_hold(self, party: str, pick: int) -> None:
        key, hold = self.picked(self.model.holds, pick)
        party = hold["executor"] if party == RIGHT else party
        message = m.ReleaseHold(self.ids[party], key)
        if self.submit(party, message, lambda: key in self.model.holds and hold["executor"] == party):
            del self.model.holds[key]
            self.model.arrive(hold["instrument"], hold["account"], hold["amount"])

    @rule(party=ACTOR, source=PICK, of=PICK, amount=AMOUNT, pledgee=PARTY)
    def pledge(self, party: str, source: int, of: int, amount: int, pledgee: str) -> None:
        account, instrument, model, salt = self.account(source), self.instrument(of), self.model, self.salt()
        party = self.controller(party, account)
        message = m.Pledge(self.ids[party], account, instrument, amount, self.ids[pledgee], b"", salt)
        if self.submit(
            party,
            message,
            lambda: (
                model.usable(account)
                and model.debits(account, party)
                and model.has(instrument, account, amount)
            ),
        ):
            model.take(instrument, account, amount)
            model.pledges[pledge_id(self.ids[party], salt)] = {
                "instrument": instrument, "account": account, "amount": amount, "pledgee": pledgee,
            }  # fmt: skip

    @precondition(lambda self: self.model.pledges)
    @rule(party=ACTOR, pick=PICK, to=PICK, amount=PART, execute=st.booleans())
    def end_pledge(self, party: str, pick: int, to: int, amount: int, execute: bool) -> None:
        key, pledge = self.picked(self.model.pledges, pick)
        receiver, model, instrument = self.account(to), self.model, pledge["instrument"]
        party = pledge["pledgee"] if party == RIGHT else party
        identity = self.ids[party]
        message = (
            m.ExecutePledge(identity, key, instrument, receiver, amount, b"")
            if execute
            else m.ReleasePledge(identity, key, instrument, amount)
        )
        if self.submit(
            party,
            message,
            lambda: (
                key in model.pledges
                and pledge["pledgee"] == party
                and amount <= pledge["amount"]
                and (
                    not execute
                    or (
                        model.credits(receiver, party)
                        and self.passable(instrument, pledge["account"], receiver, amount)
                    )
                )
            ),
        ):
            pledge["amount"] -= amount
            if pledge["amount"] == 0:
                del model.pledges[key]
            model.arrive(instrument, receiver if execute else pledge["account"], amount)

    @rule(party=ACTOR, source=PICK, of=PICK, amount=AMOUNT)
    def attach(self, party: str, source: int, of: int, amount: int) -> None:
        account, instrument, model, salt = self.account(source), self.instrument(of), self.model, self.salt()
        party = "court" if party == RIGHT else party
        message = m.Attach(self.ids[party], account, instrument, amount, b"o" * 32, salt)
        waiting = sum(order["found"] < order["amount"] for order in model.attachments.values())
        if waiting < 10 and self.submit(party, message, lambda: party == "court" and model.usable(account)):
            found = min(amount, model.available.get((instrument, account), 0))
            model.available[instrument, account] = model.available.get((instrument, account), 0) - found
            model.attachments[attachment_id(self.ids[party], salt)] = {
                "instrument": instrument, "account": account, "amount": amount, "found": found,
            }  # fmt: skip

    @precondition(lambda self: self.model.attachments)
    @rule(party=ACTOR, pick=PICK)
    def lift_attachment(self, party: str, pick: int) -> None:
        key, order = self.picked(self.model.attachments, pick)
        party = "court" if party == RIGHT else party
        message = m.LiftAttachment(self.ids[party], key)
        if self.submit(party, message, lambda: party == "court" and key in self.model.attachments):
            del self.model.attachments[key]
            self.model.arrive(order["instrument"], order["account"], order["found"])

    @precondition(lambda self: self.model.attachments)
    @rule(party=ACTOR, pick=PICK, to=PICK, amount=PART)
    def execute_attachment(self, party: str, pick: int, to: int, amount: int) -> None:
        key, order = self.picked(self.model.attachments, pick)
        receiver, model = self.account(to), self.model
        party = "court" if party == RIGHT else party
        message = m.ExecuteAttachment(self.ids[party], key, order["instrument"], receiver, amount, b"")
        if self.submit(
            party,
            message,
            lambda: (
                party == "court"
                and key in model.attachments
                and amount <= order["found"]
                and receiver != order["account"]
                and model.usable(receiver)
            ),
        ):
            order["amount"] -= amount
            order["found"] -= amount
            if order["amount"] == 0:
                del model.attachments[key]
            model.arrive(order["instrument"], receiver, amount)

    @rule(legs=st.lists(st.tuples(PICK, PICK, PICK, AMOUNT), min_size=1, max_size=3))
    def make_batch(self, legs: list[tuple[int, int, int, int]]) -> None:
        model = self.model
        key = self.salt() * 2
        movements = [
            Movement(self.instrument(of), self.account(source), self.account(to), amount, b"")
            for of, source, to, amount in legs
        ]

        def possible() -> bool:
            needed: dict[tuple[bytes, bytes], int] = {}
            for move in movements:
                place = (move.instrument, move.sender)
                needed[place] = needed.get(place, 0) + move.amount
            return all(
                model.usable(move.sender)
                and self.passable(move.instrument, move.sender, move.receiver, move.amount)
                for move in movements
            ) and all(model.has(*place, amount) for place, amount in needed.items())

        make = self.market.batch()
        message = type(make)(make.party, key, tuple(movements))
        if self.submit("bank", message, possible):
            model.batches[key] = movements
            for move in movements:
                model.take(move.instrument, move.sender, move.amount)

    @precondition(lambda self: self.model.batches)
    @rule(pick=PICK, commit=st.booleans())
    def decide_batch(self, pick: int, commit: bool) -> None:
        keys = list(self.model.batches)
        key = keys[pick % len(keys)]
        decide = self.market.decide(commit)
        message = type(decide)(decide.party, key, commit)
        if self.submit("bank", message, lambda: key in self.model.batches):
            for move in self.model.batches.pop(key):
                self.model.arrive(move.instrument, move.receiver if commit else move.sender, move.amount)

    @rule(party=ACTOR, pick=PICK)
    def close_account(self, party: str, pick: int) -> None:
        account, model = self.account(pick), self.model
        party = model.accounts[account]["parties"][0] if party == RIGHT else party
        message = m.CloseAccount(self.ids[party], account)
        if self.submit(
            party,
            message,
            lambda: (
                model.usable(account)
                and party in model.accounts[account]["parties"]
                and model.rows(account) == 0
            ),
        ):
            model.accounts[account]["closed"] = True
            owner, servicer = model.accounts[account]["parties"]
            self.add_account(owner, servicer, DebitControl.OWNER, CreditControl.OPEN)

    @rule(after_ms=st.integers(1, 8_000))
    def wait(self, after_ms: int) -> None:
        self.market.ledger.run_block(after_ms=after_ms)
        self.model.expire(self.market.ledger.time_ms)

    def salt(self) -> bytes:
        return self.market.ledger.salt()

    def picked(self, records: dict[bytes, dict[str, Any]], pick: int) -> tuple[bytes, dict[str, Any]]:
        """One of the open records, which may expire before the next block."""
        key = list(records)[pick % len(records)]
        return key, records[key]

    @invariant()
    def the_ledger_agrees_with_the_model(self) -> None:
        keeper, state = self.market.keeper, self.market.state
        for instrument, outstanding in self.model.outstanding.items():
            assert keeper.outstanding(state, instrument) == outstanding
            for account in self.model.accounts:
                assert keeper.holding(state, instrument, account) == self.model.holding(instrument, account)
        assert self.market.ledger.check_invariants() == []
        assert self.market.ledger.alarms == []


TestHoldingMachine = HoldingMachine.TestCase
TestHoldingMachine.settings = settings(stateful_step_count=40)
