"""Each invariant, shown ringing: state is damaged behind the keeper's back, by a transaction and for the audit."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from modules.document.desk import FINANCING, Damage, Desk, Facts, fingerprints
from traco.kernel.state import State
from traco.modules.document import state as stored
from traco.modules.document.messages import NamedParty
from traco.modules.document.state import (
    IndexEntry,
    Present,
    Registrant,
    fingerprint_part,
)

STRANGER = b"?" * 16
EXACT = fingerprint_part("exact", fingerprints(Facts()).exact)
WEAK = fingerprint_part("weak", fingerprints(Facts()).weak[3])
OTHER = fingerprint_part("weak", b"\x09" * 32)


class Scene:
    """A ledger with an invoice, its credit note, and a twin of the invoice by another party."""

    def __init__(self) -> None:
        self.desk = Desk()
        self.seller, self.agent = self.desk.ids["seller"], self.desk.ids["agent"]
        self.invoice = self.desk.register()
        self.note = self.desk.credit(self.invoice, "C1")
        self.twin = self.desk.register("agent")

    def rewrite(self, state: State, document: bytes, **fields: Any) -> None:
        """Change fields of a document's record."""
        record = stored.documents.get(state, document)
        assert record is not None
        stored.documents.put(state, replace(record, **fields), document)

    def finance(self, state: State, document: bytes, registrant: bytes) -> None:
        """Mark a document as financed, index and all, whatever else is financed."""
        self.rewrite(state, document, financing=FINANCING)
        found_by = stored.prints.get(state, document)
        assert found_by is not None
        for part, position in stored.index_parts(found_by.all()).items():
            stored.financed.put(state, IndexEntry(position), part, registrant, document)

    def finance_both(self, state: State) -> None:
        """Mark the invoice and its twin as financed."""
        self.finance(state, self.invoice, self.seller)
        self.finance(state, self.twin, self.agent)

    def give_away(self, state: State) -> None:
        """Let the invoice's commitment belong to another, in a transaction that writes the invoice too."""
        record = self.desk.get(self.invoice)
        stored.commitments.put(state, Registrant(self.agent), record.content_commitment)
        self.rewrite(state, self.invoice, roles=record.roles[::-1])

    def cancel_listed(self, state: State) -> None:
        """Cancel the credit note in everything but the list of its invoice."""
        found_by = stored.prints.get(state, self.note)
        assert found_by is not None
        for part in stored.index_parts(found_by.all()):
            stored.index.delete(state, part, self.seller, self.note)
        self.rewrite(state, self.note, status="cancelled")


Change = Callable[[Scene, State], None]
DAMAGES: dict[str, tuple[str, Change]] = {
    "fingerprints lost": ("document.prints_kept", lambda s, t: stored.prints.delete(t, s.invoice)),
    "a document lost": ("document.exists", lambda s, t: stored.documents.delete(t, s.invoice)),
    "a duplicate of nothing": ("document.duplicate_points", lambda s, t: s.rewrite(t, s.twin, status="duplicate")),
    "registered and a duplicate": (
        "document.duplicate_points", lambda s, t: s.rewrite(t, s.twin, duplicate_of=s.invoice)
    ),
    "superseded by nothing": ("document.successor_points", lambda s, t: s.rewrite(t, s.twin, status="superseded")),
    "registered and superseded": (
        "document.successor_points", lambda s, t: s.rewrite(t, s.twin, superseded_by=s.invoice)
    ),
    "financed and cancelled": (
        "document.financed_stands", lambda s, t: s.rewrite(t, s.twin, status="cancelled", financing=FINANCING)
    ),
    "cancelled and still found": ("document.indexed", lambda s, t: s.rewrite(t, s.twin, status="cancelled")),
    "an exact fingerprint not found": (
        "document.indexed", lambda s, t: stored.index.delete(t, EXACT, s.seller, s.invoice)
    ),
    "a weak fingerprint not found": (
        "document.indexed", lambda s, t: stored.index.delete(t, WEAK, s.seller, s.invoice)
    ),
    "a fingerprint at another position": (
        "document.indexed", lambda s, t: stored.index.put(t, IndexEntry(7), WEAK, s.seller, s.invoice)
    ),
    "found by what it has not": (
        "document.stray_entry", lambda s, t: stored.index.put(t, IndexEntry(0), OTHER, s.seller, s.invoice)
    ),
    "found under another registrant": (
        "document.stray_entry", lambda s, t: stored.index.put(t, IndexEntry(0), EXACT, s.agent, s.invoice)
    ),
    "an entry of no document": (
        "document.exists", lambda s, t: stored.index.put(t, IndexEntry(0), EXACT, s.seller, STRANGER)
    ),
    "financed and not found": (
        "document.financed_indexed", lambda s, t: s.rewrite(t, s.invoice, financing=FINANCING)
    ),
    "found as financed and not financed": (
        "document.financed_indexed", lambda s, t: stored.financed.put(t, IndexEntry(0), EXACT, s.seller, s.invoice)
    ),
    "financed by what it has not": (
        "document.stray_entry", lambda s, t: stored.financed.put(t, IndexEntry(0), OTHER, s.seller, s.invoice)
    ),
    "the same facts financed twice": ("document.financed_once", lambda s, t: s.finance_both(t)),
    "a commitment of another": (
        "document.commitment_owned", lambda s, t: s.give_away(t)
    ),
    "a credit note not listed": (
        "document.credit_listed", lambda s, t: stored.credited.delete(t, s.invoice, s.note)
    ),
    "a cancelled credit note listed": (
        "document.credit_listed", lambda s, t: s.cancel_listed(t)
    ),
    "a credit of another invoice listed": (
        "document.stray_credit", lambda s, t: stored.credited.put(t, Present(), s.twin, s.note)
    ),
    "a party not listed": ("document.party_listed", lambda s, t: stored.parties.delete(t, s.seller, s.invoice)),
    "a party named and not listed": (
        "document.party_listed",
        lambda s, t: s.rewrite(t, s.invoice, roles=(*s.desk.get(s.invoice).roles, NamedParty("payee", s.agent))),
    ),
    "a listed party that is not named": (
        "document.stray_party", lambda s, t: stored.parties.put(t, Present(), s.agent, s.invoice)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_a_transaction_that_breaks_an_invariant_is_a_fault(case: str) -> None:
    name, change = DAMAGES[case]
    scene = Scene()
    desk = scene.desk
    desk.desk.damages[case.replace(" ", "-")] = lambda state: change(scene, state)
    code = desk.refuse("operator", Damage(desk.ids["operator"], case.replace(" ", "-")))
    assert code == "kernel.fault"
    assert [str(error) for _, error in desk.ledger.alarms] == [
        f"kernel.invariant: The invariant {name} does not hold."
    ]
    assert desk.ledger.check_invariants() == []


@pytest.mark.parametrize("case", DAMAGES)
def test_an_audit_finds_the_damage(case: str) -> None:
    name, change = DAMAGES[case]
    scene = Scene()
    change(scene, scene.desk.state)
    assert name in [found.split(" at ")[0] for found in scene.desk.ledger.check_invariants()]


def test_an_undamaged_ledger_is_silent() -> None:
    scene = Scene()
    scene.desk.mark(scene.invoice)
    assert scene.desk.ledger.check_invariants() == []
