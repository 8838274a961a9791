"""Each invariant, shown ringing: state is damaged behind the keeper's back, by a transaction and for the audit."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from support.founding import ALL_ROLES, Founding, founding, lei
from support.ledger import Key
from support.probe import Note, ProbeModule
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.party import state as stored
from traco.modules.party.messages import BeginRecovery
from traco.modules.party.state import (
    Identifier,
    KeyOwner,
    Membership,
    Owner,
    PartyKey,
    Policy,
)

NEW = Key("new")
SHARED = Identifier("x", "1")

Damage = Callable[[State, bytes, bytes], None]


def _rewrite(state: State, party: bytes, **fields: Any) -> None:
    record = stored.parties.get(state, party)
    assert record is not None
    stored.parties.put(state, 5, 10, replace(record, **fields), party)


def _close(state: State, party: bytes) -> None:
    _rewrite(state, party, status="closed")


DAMAGES: dict[str, tuple[str, Damage]] = {
    "a key is not indexed": (
        "party.keys_indexed", lambda s, seller, _: stored.keys.delete(s, Key("seller").public),
    ),
    "a key is indexed for another": (
        "party.keys_indexed",
        lambda s, seller, bank: _rewrite(s, seller, keys=(PartyKey(Key("bank").public, ALL_ROLES),)),
    ),
    "a key in force is indexed as reserved": (
        "party.key_index", lambda s, seller, _: stored.keys.put(s, KeyOwner(seller, True), Key("seller").public),
    ),
    "an indexed key is not the party's": (
        "party.key_index", lambda s, seller, _: stored.keys.put(s, KeyOwner(seller, False), Key("x").public),
    ),
    "a key is reserved without a recovery": (
        "party.key_index", lambda s, _, bank: stored.keys.put(s, KeyOwner(bank, True), Key("x").public),
    ),
    "a key is indexed for nobody": (
        "party.key_index", lambda s, *_: stored.keys.put(s, KeyOwner(b"?" * 16, False), Key("x").public),
    ),
    "the lei is not indexed": (
        "party.lei_indexed", lambda s, *_: stored.leis.delete(s, lei(1).encode()),
    ),
    "an indexed lei is not the party's": (
        "party.lei_index", lambda s, seller, _: stored.leis.put(s, Owner(seller), lei(2).encode()),
    ),
    "an lei is indexed for nobody": (
        "party.lei_index", lambda s, *_: stored.leis.put(s, Owner(b"?" * 16), lei(2).encode()),
    ),
    "an identifier is not indexed": (
        "party.identifiers_indexed",
        lambda s, seller, _: stored.identifiers.delete(s, stored.identifier_part(SHARED), seller),
    ),
    "a node is not indexed": (
        "party.nodes_indexed", lambda s, *_: stored.nodes.delete(s, Key("bank node").public),
    ),
    "an indexed node is not the member's": (
        "party.node_index", lambda s, _, bank: stored.nodes.put(s, Owner(bank), Key("x").public),
    ),
    "a node is indexed for a party that is no member": (
        "party.node_index", lambda s, seller, _: stored.nodes.put(s, Owner(seller), Key("x").public),
    ),
    "a node is indexed for nobody": (
        "party.node_index", lambda s, *_: stored.nodes.put(s, Owner(b"?" * 16), Key("x").public),
    ),
    "a member lost a node": (
        "party.node_index",
        lambda s, _, bank: _lose_node(s, bank),
    ),
    "nobody can sign": (
        "party.thresholds_reachable",
        lambda s, seller, _: _rewrite(s, seller, keys=(PartyKey(Key("seller").public, ("administer",)),)),
    ),
    "nobody can administer": (
        "party.thresholds_reachable", lambda s, seller, _: _rewrite(s, seller, policy=Policy(2)),
    ),
    "a closed party kept an identifier": (
        "party.identifiers_indexed", lambda s, seller, _: _close(s, seller),
    ),
    "a closed member kept a key": (
        "party.key_index",
        lambda s, _, bank: _close_keeping_key(s, bank),
    ),
    "a recovery's key is not reserved": (
        "party.recovery_keys",
        lambda s, seller, _: _free_reserved_key(s, seller),
    ),
    "a recovery could not be administered": (
        "party.recovery_keys", lambda s, seller, _: _touch_recovery(s, seller, policy=Policy(2)),
    ),
    "a recovery is for nobody": (
        "party.recovery_keys",
        lambda s, *_: stored.recoveries.put(s, stored.Recovery(b"b" * 16, (), Policy(), 1), b"?" * 16),
    ),
}  # fmt: skip


def _lose_node(state: State, member: bytes) -> None:
    _rewrite(state, member, membership=Membership(()))
    stored.nodes.put(state, Owner(member), Key("bank node").public)


def _close_keeping_key(state: State, member: bytes) -> None:
    _close(state, member)
    stored.keys.put(state, KeyOwner(member, False), Key("bank").public)


def _free_reserved_key(state: State, party: bytes) -> None:
    stored.keys.delete(state, NEW.public)
    _touch_recovery(state, party)


def _touch_recovery(state: State, party: bytes, **fields: Any) -> None:
    recovery = stored.recoveries.get(state, party)
    assert recovery is not None
    stored.recoveries.put(state, replace(recovery, **fields), party)


class Saboteur(ProbeModule):
    """A module with a bug: its note damages the parties."""

    damage: Damage | None = None
    ids: tuple[bytes, bytes] = (b"", b"")

    def _nothing(self, context: Context, message: Any) -> None:
        if self.damage is not None:
            self.damage(context.state, *self.ids)


def prepared(saboteur: Saboteur) -> Founding:
    f = founding(["bank"], [saboteur])
    seller = f.register("seller", identifiers=(Identifier("0199", lei(1)), SHARED))
    recovery = BeginRecovery(f.ids["bank"], seller, (PartyKey(NEW.public, ALL_ROLES),))
    f.ledger.succeed(recovery, keys=[Key("bank")])
    saboteur.ids = (seller, f.ids["bank"])
    return f


# a deleted entry of an index that is not unique is left to the audit
AUDIT_ONLY = ("an identifier is not indexed",)


@pytest.mark.parametrize("case", [case for case in DAMAGES if case not in AUDIT_ONLY])
def test_a_transaction_that_breaks_an_invariant_is_a_fault(case: str) -> None:
    name, damage = DAMAGES[case]
    saboteur = Saboteur()
    f = prepared(saboteur)
    saboteur.damage = damage
    assert f.ledger.reject(Note(saboteur.ids[0]), keys=[Key("seller")]) == "kernel.fault"
    assert [str(alarm[1]) for alarm in f.ledger.alarms] == [
        f"kernel.invariant: The invariant {name} does not hold."
    ]
    assert f.ledger.check_invariants() == []


@pytest.mark.parametrize("case", list(DAMAGES))
def test_the_audit_finds_what_is_broken(case: str) -> None:
    name, damage = DAMAGES[case]
    saboteur = Saboteur()
    f = prepared(saboteur)
    damage(f.ledger.application.state, *saboteur.ids)
    assert any(violation.startswith(f"{name} at 01") for violation in f.ledger.check_invariants())


def test_a_transaction_that_keeps_the_invariants_rings_nothing() -> None:
    saboteur = Saboteur()
    f = prepared(saboteur)
    saboteur.damage = lambda state, seller, _: _rewrite(state, seller, reason="touched")
    f.ledger.succeed(Note(saboteur.ids[0]), keys=[Key("seller")])
    assert f.ledger.alarms == []
