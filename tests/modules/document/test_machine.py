"""Documents against a naive model of dictionaries, over arbitrary sequences of instructions by arbitrary parties.

The model knows nothing of fingerprints or indexes: it compares the facts themselves.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modules.document.desk import STRONG, WEAK, Desk, Facts, Mark, Unmark, registered, reported
from support.ledger import Key
from traco.kernel.instruction import Instruction
from traco.modules.document.messages import (
    CancelDocument,
    ConfirmDocument,
    DisputeDocument,
    SupersedeDocument,
    WithdrawDispute,
)

NAMES = ("seller", "buyer", "agent")
names = st.sampled_from(NAMES)
all_facts = st.builds(Facts, *(st.sampled_from("ab") for _ in range(5)))
picks = st.integers(0, 30)
amounts = st.sampled_from([None, 500, 1_000])
RULES = (("exact", ("NDASB",)), ("strong", STRONG), ("weak", WEAK))


@dataclass
class Modelled:
    """What the model knows of a document. ``facts``: its own and those of what it supersedes."""

    registrant: str
    facts: list[Facts]
    status: str = "registered"
    financed: bool = False
    confirmed: dict[str, int | None] = field(default_factory=dict)
    disputed: set[str] = field(default_factory=set)

    def is_confirmed(self) -> bool:
        whole = self.confirmed.get("buyer", 0) in (None, 1_000)
        return self.status == "registered" and whole and "buyer" not in self.disputed


def agreement(one: list[Facts], other: list[Facts]) -> tuple[str, tuple[int, ...]] | None:
    """The strongest agreement between two lists of facts, and which rules of that strength hold."""
    for strength, rules in RULES:
        positions = tuple(
            position
            for position, names_of in enumerate(rules)
            if any(all(getattr(a, n) == getattr(b, n) for n in names_of) for a in one for b in other)
        )
        if positions:
            return strength, positions
    return None


class Documents(RuleBasedStateMachine):
    """Registers, confirms, disputes, cancels, supersedes, marks; compares everything that can be asked."""

    @initialize()
    def found(self) -> None:
        self.desk = Desk()
        self.model: dict[bytes, Modelled] = {}
        self.order: list[bytes] = []

    def _pick(self, pick: int) -> bytes:
        return self.order[pick % len(self.order)]

    def _try(self, name: str, message: Instruction, code: str | None) -> None:
        answer = self.desk.ledger.submit(message, keys=[Key(name)])
        assert (None if answer.failure is None else answer.failure.code) == code

    def _matches(
        self, facts: list[Facts], besides: tuple[bytes | None, ...]
    ) -> dict[bytes, tuple[str, tuple[int, ...], bool]]:
        found = {}
        for document, known in self.model.items():
            agreed = agreement(facts, known.facts)
            if known.status == "registered" and document not in besides and agreed is not None:
                found[document] = (*agreed, known.financed)
        return found

    def _financed_with(self, facts: list[Facts]) -> bool:
        return any(known.financed and set(known.facts) & set(facts) for known in self.model.values())

    def _own(self, name: str, document: bytes) -> str | None:
        known = self.model[document]
        if known.registrant != name:
            return "document.not_registrant"
        if known.status != "registered":
            return "document.not_registered"
        return "document.financed" if known.financed else None

    @rule(name=names, facts=all_facts, amends=st.none() | picks)
    def register(self, name: str, facts: Facts, amends: int | None) -> None:
        amended = self._pick(amends) if amends is not None and self.order else None
        message = self.desk.registration(name, facts, amends=amended)
        code = None if amended is None else self._own(name, amended)
        if code is None and self._financed_with([facts]):
            code = "document.already_financed"
        if code is not None:
            self._try(name, message, code)
            return
        receipt = self.desk.do(name, message)
        event = registered(receipt)
        expected = self._matches([facts], (amended,))
        assert {m.document: (m.strength, m.positions, m.financed) for m in reported(receipt)} == expected
        twins: list[bytes | None] = [
            document
            for document, known in self.model.items()
            if known.status == "registered" and known.registrant == name and facts in known.facts
            and document != amended
        ]  # fmt: skip
        assert [event.duplicate_of] == (twins or [None])
        made = Modelled(name, [facts], "duplicate" if twins else "registered")
        if amended is not None and not twins:
            made.facts += self.model[amended].facts
            self.model[amended].status = "superseded"
        self.model[event.document] = made
        self.order.append(event.document)

    @precondition(lambda self: self.order)
    @rule(name=names, pick=picks, amount=amounts)
    def confirm(self, name: str, pick: int, amount: int | None) -> None:
        document = self._pick(pick)
        known = self.model[document]
        code = self._counterparty(name, known, buyer_too=True)
        if code is None and name in known.disputed:
            code = "document.dispute_open"
        before = known.confirmed.get(name, 0)
        if code is None and (before is None or (amount is not None and amount <= before)):
            code = "document.confirmed_before"
        self._try(name, ConfirmDocument(self.desk.ids[name], document, amount), code)
        if code is None:
            known.confirmed[name] = amount

    @precondition(lambda self: self.order)
    @rule(name=names, pick=picks)
    def dispute(self, name: str, pick: int) -> None:
        document = self._pick(pick)
        known = self.model[document]
        code = self._counterparty(name, known, buyer_too=False)
        if code is None and name in known.disputed:
            code = "document.dispute_open"
        self._try(name, DisputeDocument(self.desk.ids[name], document, "test"), code)
        if code is None:
            known.disputed.add(name)

    @precondition(lambda self: self.order)
    @rule(name=names, pick=picks)
    def withdraw(self, name: str, pick: int) -> None:
        document = self._pick(pick)
        known = self.model[document]
        code = "document.not_registered" if known.status != "registered" else None
        if code is None and name not in known.disputed:
            code = "document.dispute_none"
        self._try(name, WithdrawDispute(self.desk.ids[name], document), code)
        if code is None:
            known.disputed.remove(name)

    @precondition(lambda self: self.order)
    @rule(name=names, pick=picks)
    def cancel(self, name: str, pick: int) -> None:
        document = self._pick(pick)
        code = self._own(name, document)
        self._try(name, CancelDocument(self.desk.ids[name], document, "test"), code)
        if code is None:
            self.model[document].status = "cancelled"

    @precondition(lambda self: self.order)
    @rule(name=names, pick=picks, successor=picks)
    def supersede(self, name: str, pick: int, successor: int) -> None:
        old, new = self._pick(pick), self._pick(successor)
        code = "document.supersedes_itself" if old == new else self._own(name, old) or self._own(name, new)
        self._try(name, SupersedeDocument(self.desk.ids[name], old, new), code)
        if code is None:
            self.model[old].status = "superseded"
            self.model[new].facts += self.model[old].facts

    @precondition(lambda self: self.order)
    @rule(pick=picks)
    def mark(self, pick: int) -> None:
        document = self._pick(pick)
        known = self.model[document]
        code = "document.not_registered" if known.status != "registered" else None
        if code is None and self._financed_with(known.facts):
            code = "document.already_financed"
        self._try("operator", Mark(self.desk.ids["operator"], document), code)
        known.financed |= code is None

    @precondition(lambda self: self.order)
    @rule(pick=picks)
    def unmark(self, pick: int) -> None:
        document = self._pick(pick)
        code = None if self.model[document].financed else "document.not_financed"
        self._try("operator", Unmark(self.desk.ids["operator"], document), code)
        self.model[document].financed = False

    @invariant()
    def agree(self) -> None:
        desk = self.desk
        for document, known in self.model.items():
            record = desk.get(document)
            assert (record.status, record.financing is not None) == (known.status, known.financed)
            assert desk.keeper.is_confirmed(desk.state, document) == known.is_confirmed()
            assert desk.keeper.is_disputed(desk.state, document) == bool(known.disputed)
            found = desk.keeper.all_matches(desk.state, document)
            listed = {m.document: (m.strength, m.positions, m.financed) for m in found.found}
            assert listed == self._matches(known.facts, (document,))
            assert found.truncated is False
            financed = desk.keeper.already_financed_exact(desk.state, document)
            assert (financed is not None) == self._financed_with(known.facts)

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            assert self.desk.ledger.check_invariants() == []
            assert self.desk.ledger.alarms == []

    @staticmethod
    def _counterparty(name: str, known: Modelled, *, buyer_too: bool) -> str | None:
        if known.status != "registered":
            return "document.not_registered"
        if buyer_too and name == "buyer":
            return None
        if name == known.registrant or name == "agent":
            return "document.not_counterparty"
        return None


TestDocuments = Documents.TestCase
TestDocuments.settings = settings(max_examples=25, stateful_step_count=25)
