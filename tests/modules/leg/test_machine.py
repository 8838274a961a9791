"""Random legs and what happens around them, compared after every step with a model of dictionaries."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modules.leg.desk import CAP, Market
from traco.kernel.batch_hold import Movement
from traco.kernel.instruction import Instruction
from traco.modules.holding.messages import Attach, Redeem, Transfer, attachment_id
from traco.modules.holding.state import Holding
from traco.modules.leg.messages import Export, Import, LegContent

TRADERS = ("seller", "buyer")
AMOUNT = st.integers(1, 700)
TRADER = st.sampled_from(TRADERS)
PICK = st.integers(0, 20)
WITHIN = st.lists(st.tuples(TRADER, TRADER, AMOUNT), max_size=3)
OVER = st.lists(st.tuples(TRADER, AMOUNT), max_size=2)
LARGE = st.lists(st.tuples(TRADER, st.integers(1, CAP)), max_size=2)


class Model:
    """What ought to be: rows by trader, the legs, and the orders of the court in the order they were made."""

    def __init__(self) -> None:
        self.available = {"seller": 1_000, "buyer": 0}
        self.attached = dict.fromkeys(TRADERS, 0)
        self.awaited: list[list[str | int]] = []
        self.outstanding = 1_000
        self.legs: dict[int, list[tuple[str, str, int]]] = {}  # "" is beyond the ledger

    def pending(self) -> int:
        """What undecided legs will issue."""
        return sum(amount for leg in self.legs.values() for sender, _, amount in leg if not sender)

    def arrive(self, name: str, amount: int) -> None:
        """Orders take first."""
        for order in self.awaited:
            if order[0] == name:
                taken = min(amount, int(order[1]))
                order[1] = int(order[1]) - taken
                self.attached[name] += taken
                amount -= taken
        self.available[name] += amount

    def row(self, name: str) -> Holding:
        """The holding of a trader."""
        moves = [move for leg in self.legs.values() for move in leg]
        return Holding(
            self.available[name], 0, 0, self.attached[name],
            sum(amount for sender, _, amount in moves if sender == name),
            sum(amount for _, receiver, amount in moves if receiver == name),
            sum(int(order[1]) for order in self.awaited if order[0] == name),
        )  # fmt: skip

    def can_hold(self, moves: list[tuple[str, str, int]]) -> bool:
        """Whether all of them can be set aside, one after the other."""
        left, pending = dict(self.available), self.pending()
        for sender, receiver, amount in moves:
            if sender == receiver:
                return False
            if sender:
                left[sender] -= amount
                if left[sender] < 0:
                    return False
            else:
                pending += amount
                if self.outstanding + pending > CAP:
                    return False
        return bool(moves)


class LegMachine(RuleBasedStateMachine):
    """Each rule asks for something, allowed or not; the model says which, and what follows."""

    @initialize()
    def set_up(self) -> None:
        self.market = Market()
        self.model = Model()
        self.number = 0
        self.courts: list[bytes] = []

    def submit(self, names: str, message: Instruction, allowed: bool) -> bool:
        """Submit in a block of its own; it succeeds if and only if it is allowed."""
        keys = sorted((self.market.founding.keys[name] for name in names.split()), key=lambda key: key.public)
        answer = self.market.ledger.submit(message, keys=keys)
        assert (answer.failure is None) == allowed, answer.failure
        return allowed

    @rule(
        within=WITHIN, out=OVER, into=st.one_of(OVER, LARGE), signs=st.sampled_from(("seller", "seller buyer")),
        tell=st.sampled_from(("truth", "truth", "nothing", "lie")), operator=st.booleans(),
    )  # fmt: skip
    def hold(
        self, within: list[tuple[str, str, int]], out: list[tuple[str, int]], into: list[tuple[str, int]],
        signs: str, tell: str, operator: bool,
    ) -> None:  # fmt: skip
        market, accounts = self.market, self.market.accounts
        names = f"{signs} issuer" if operator else signs
        content = LegContent(
            tuple(Movement(market.bond, accounts[a], accounts[b], n, b"") for a, b, n in within),
            tuple(Export(market.bond, accounts[a], n) for a, n in out),
            tuple(Import(market.bond, accounts[a], n) for a, n in into),
        )
        net = sum(n for _, n in into) - sum(n for _, n in out)
        edge = {"truth": net, "nothing": None, "lie": net + 1}[tell]
        moves = [*within, *((a, "", n) for a, n in out), *(("", a, n) for a, n in into)]
        debited = {sender for sender, _, _ in moves if sender}
        crosses = bool(out or into)
        allowed = (
            self.model.can_hold(moves)
            and debited <= set(names.split())
            and (tell != "lie")
            and (not crosses or tell == "truth" or operator)
        )
        self.number += 1
        if self.submit(names, market.enter(names, content, self.number, edge), allowed):
            for sender, _, amount in moves:
                if sender:
                    self.model.available[sender] -= amount
            self.model.legs[self.number] = moves

    @precondition(lambda self: self.model.legs)
    @rule(pick=PICK, commit=st.booleans())
    def decide(self, pick: int, commit: bool) -> None:
        number = list(self.model.legs)[pick % len(self.model.legs)]
        self.submit("court", self.market.decide(commit, number), True)
        for sender, receiver, amount in self.model.legs.pop(number):
            if not commit and sender:
                self.model.arrive(sender, amount)
            if commit and receiver:
                self.model.arrive(receiver, amount)
            if commit:
                self.model.outstanding += amount * ((not sender) - (not receiver))

    @rule(number=st.integers(900, 902))
    def commit_what_was_never_held(self, number: int) -> None:
        self.submit("court", self.market.decide(True, number), False)

    @rule(sender=TRADER, amount=AMOUNT)
    def pay(self, sender: str, amount: int) -> None:
        receiver = TRADERS[sender == "seller"]
        message = Transfer(
            self.market.ids[sender], self.market.bond, self.market.accounts[sender],
            self.market.accounts[receiver], amount, b"",
        )  # fmt: skip
        if self.submit(sender, message, self.model.available[sender] >= amount):
            self.model.available[sender] -= amount
            self.model.arrive(receiver, amount)

    @rule(name=TRADER, amount=st.one_of(AMOUNT, st.integers(1, CAP)))
    def issue(self, name: str, amount: int) -> None:
        room = CAP - self.model.outstanding - self.model.pending()
        if self.submit("issuer", self.market.issue(name, amount), amount <= room):
            self.model.outstanding += amount
            self.model.arrive(name, amount)

    @rule(name=TRADER, amount=AMOUNT)
    def redeem(self, name: str, amount: int) -> None:
        ids, account = self.market.ids, self.market.accounts[name]
        message = Redeem(ids["issuer"], ids[name], self.market.bond, account, amount, b"")
        if self.submit(f"issuer {name}", message, self.model.available[name] >= amount):
            self.model.available[name] -= amount
            self.model.outstanding -= amount

    @precondition(lambda self: len(self.courts) < 4)
    @rule(name=TRADER, amount=AMOUNT)
    def freeze(self, name: str, amount: int) -> None:
        court, salt = self.market.ids["court"], self.market.ledger.salt()
        message = Attach(court, self.market.accounts[name], self.market.bond, amount, bytes(32), salt)
        self.submit("court", message, True)
        self.courts.append(attachment_id(court, salt))
        found = min(amount, self.model.available[name])
        self.model.available[name] -= found
        self.model.attached[name] += found
        self.model.awaited.append([name, amount - found])

    @invariant()
    def as_the_model_says(self) -> None:
        if not hasattr(self, "market"):
            return
        for name in TRADERS:
            assert self.market.held(name) == self.model.row(name)
        assert self.market.supply().outstanding == self.model.outstanding
        assert self.market.ledger.check_invariants() == []
        assert self.market.ledger.alarms == []


TestLegs = LegMachine.TestCase
TestLegs.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
