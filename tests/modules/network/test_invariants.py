"""Each invariant, shown ringing: state is damaged behind the keeper's back, by a transaction and for the audit."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from modules.network.desk import Desk, Node
from support.ledger import Key
from support.probe import Note, ProbeModule
from traco.kernel.state import State
from traco.modules.network import state as stored
from traco.modules.network.state import Census, ConsensusUse, NodeOf, ValidatorSet

A, B = Node("a"), Node("b")
GONE = Key("gone consensus").public

Damage = Callable[[State], None]


def _rewrite(state: State, node: Node, **fields: Any) -> None:
    record = stored.nodes.get(state, node.key)
    assert record is not None
    stored.nodes.put(state, 5, 10, replace(record, **fields), node.key)


def _set(state: State, change: Callable[[dict[bytes, int]], object]) -> None:
    found = stored.validator_sets.get(state)
    assert found is not None
    powers = dict(found.validators)
    change(powers)
    stored.validator_sets.put(state, ValidatorSet(tuple(sorted(powers.items()))))


def _unsorted(state: State) -> None:
    found = stored.validator_sets.get(state)
    assert found is not None
    stored.validator_sets.put(state, ValidatorSet(tuple(reversed(found.validators))))


def _record(state: State, node: Node) -> Any:
    return stored.nodes.get(state, node.key)


def _vanish(state: State) -> None:
    stored.nodes.delete(state, 5, 10, A.key)


DAMAGES: dict[str, tuple[str, Damage]] = {
    "a node stands under another key": (
        "network.node_indexed", lambda s: stored.nodes.put(s, 5, 10, _record(s, A), Node("new").key),
    ),
    "a consensus key is not indexed for its node": (
        "network.consensus_index", lambda s: stored.consensus_keys.put(s, ConsensusUse(B.key, False), A.consensus),
    ),
    "a consensus key in use is retired": (
        "network.consensus_index", lambda s: stored.consensus_keys.put(s, ConsensusUse(A.key, True), A.consensus),
    ),
    "a consensus key is indexed for nobody": (
        "network.consensus_index", lambda s: stored.consensus_keys.put(s, ConsensusUse(b"\x01" * 33, False), b"\x01" * 33),
    ),
    "a node has another consensus key than is indexed": (
        "network.node_indexed", lambda s: _rewrite(s, A, consensus=Key("x").public),
    ),
    "a peer id is indexed for another node": (
        "network.peer_index", lambda s: stored.peers.put(s, NodeOf(B.key), A.peer),
    ),
    "a peer id is indexed for nobody": (
        "network.peer_index", lambda s: stored.peers.put(s, NodeOf(Node("x").key), bytes(20)),
    ),
    "a node has another peer id than is indexed": (
        "network.node_indexed", lambda s: _rewrite(s, A, peer=bytes(20)),
    ),
    "an observer has power": ("network.node_indexed", lambda s: _rewrite(s, A, role="observer")),
    "a validator has none": ("network.node_indexed", lambda s: _rewrite(s, A, power=0)),
    "a validator has another power than the engine is told": (
        "network.node_indexed", lambda s: _rewrite(s, A, power=2),
    ),
    "the engine is told another power": (
        "network.validator_set", lambda s: _set(s, lambda powers: powers.update({A.consensus: 2})),
    ),
    "the engine is told of a validator that is none": (
        "network.validator_set", lambda s: _set(s, lambda powers: powers.update({Key("x").public: 1})),
    ),
    "the engine is told of a key that is retired": (
        "network.validator_set", lambda s: _set(s, lambda powers: powers.update({GONE: 1})),
    ),
    "the validators are out of order": ("network.validator_set", _unsorted),
    "a node is gone and its indexes are not": (
        "network.consensus_index", _vanish,
    ),
}  # fmt: skip

# what an audit cannot see, because it sees no past; a transaction can
REVERSALS: dict[str, tuple[str, Damage]] = {
    "a retired key is free again": (
        "network.consensus_retired", lambda s: stored.consensus_keys.delete(s, GONE),
    ),
    "a retired key is another's": (
        "network.consensus_retired", lambda s: stored.consensus_keys.put(s, ConsensusUse(A.key, True), GONE),
    ),
    "there are no validators any more": (
        "network.validators_gone", stored.validator_sets.delete,
    ),
    "the revision stays behind a change": (
        "network.revision", lambda s: stored.censuses.put(s, Census(4, 1)),
    ),
    "the census is gone": ("network.revision", stored.censuses.delete),
    "a validator keeps its power and the engine is told nothing": (
        "network.validator_set", lambda s: _set(s, lambda powers: powers.pop(A.consensus)),
    ),
    "a node lost its peer id": ("network.node_indexed", lambda s: stored.peers.delete(s, A.peer)),
}  # fmt: skip


class Vandal(ProbeModule):
    """A probe whose note does damage."""

    def __init__(self, damage: Damage) -> None:
        super().__init__()
        self.instructions[Note] = lambda context, message: damage(context.state)  # type: ignore[index]


def damaged(damage: Damage) -> Desk:
    """A ledger on which a note does the damage; one consensus key is retired."""
    desk = Desk(modules=[Vandal(damage)])
    desk.admit("gone")
    desk.govern(desk.removal("gone"))
    return desk


@pytest.mark.parametrize("name", [*DAMAGES, *REVERSALS])
def test_a_transaction_that_breaks_it_is_a_fault(name: str) -> None:
    invariant, damage = {**DAMAGES, **REVERSALS}[name]
    desk = damaged(damage)
    before = desk.ledger.application.info()
    assert desk.deny("a", Note(desk.ids["a"])) == "kernel.fault"
    assert [str(error).split()[3] for _, error in desk.ledger.alarms] == [invariant]
    assert desk.ledger.check_invariants() == []
    assert before.height + 1 == desk.ledger.application.info().height


@pytest.mark.parametrize("name", DAMAGES)
def test_an_audit_finds_it(name: str) -> None:
    desk = damaged(lambda state: None)
    DAMAGES[name][1](desk.state)
    assert any(found.startswith("network.") for found in desk.ledger.check_invariants())


def test_an_audit_counts_the_nodes() -> None:
    desk = Desk()
    stored.censuses.put(desk.state, Census(5, 9))
    assert desk.ledger.check_invariants() == ["network.census: 4 nodes, Census(nodes=5, revision=9) counted"]


def test_an_audit_of_an_empty_register_finds_nothing() -> None:
    assert Desk(protocol=1).ledger.check_invariants() == []
    assert Desk(sections={}).ledger.check_invariants() == []
