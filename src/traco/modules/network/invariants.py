"""What must hold of nodes and their indexes, whatever was executed.

A transaction is checked on the keys that it wrote; audits and simulations check the whole ledger with the same rules. The
limits on shares are none of these: see README.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final

from traco.kernel.codec import Record
from traco.kernel.errors import InvariantBroken
from traco.kernel.state import State, Table
from traco.modules.network import state as stored
from traco.modules.network.state import Census, ConsensusUse, NodeOf, NodeRecord, ValidatorSet

_PREFIX_BYTES: Final = 2  # of a key of this module: its own and the table's


def node_consistent(state: State, key: bytes, record: NodeRecord) -> bool:
    """Whether a node stands under its key, its indexes name it, and its power fits its role and the set of validators."""
    use, peer = stored.consensus_keys.get(state, record.consensus), stored.peers.get(state, record.peer)
    found = stored.validator_sets.get(state)
    powers = {} if found is None else dict(found.validators)
    return (
        record.key == key
        and use == ConsensusUse(key, retired=False)
        and peer == NodeOf(key)
        and (record.role == "validator") == (record.power > 0)
        and powers.get(record.consensus, 0) == record.power
    )


def consensus_consistent(state: State, consensus: bytes, use: ConsensusUse) -> bool:
    """Whether a consensus key in use is that of its node, and a retired one of none: not even of the node that had it."""
    record = stored.nodes.get(state, use.node)
    return (record is not None and record.consensus == consensus) != use.retired


def peer_consistent(state: State, peer: bytes, entry: NodeOf) -> bool:
    """Whether an entry of the index of peer ids names a node that has the id."""
    record = stored.nodes.get(state, entry.node)
    return record is not None and record.peer == peer


def set_consistent(state: State, _: bytes, found: ValidatorSet) -> bool:
    """Whether the validators stand in ascending order, at least one, each a node with this power."""
    keys = [consensus for consensus, _ in found.validators]
    if not keys or len(keys) > stored.MAX_VALIDATORS or any(a >= b for a, b in pairwise(keys)):
        return False
    return all(_has_power(state, consensus, power) for consensus, power in found.validators)


def _has_power(state: State, consensus: bytes, power: int) -> bool:
    use = stored.consensus_keys.get(state, consensus)
    record = None if use is None or use.retired else stored.nodes.get(state, use.node)
    return record is not None and record.consensus == consensus and record.power == power > 0


_CHECKS: Final[dict[int, tuple[Table[Any] | Any, Callable[[State, bytes, Any], bool], str]]] = {
    stored.NODES: (stored.nodes, node_consistent, "network.node_indexed"),
    stored.CONSENSUS: (stored.consensus_keys, consensus_consistent, "network.consensus_index"),
    stored.PEERS: (stored.peers, peer_consistent, "network.peer_index"),
    stored.VALIDATORS: (stored.validator_sets, set_consistent, "network.validator_set"),
}


def _broken_at(state: State, key: bytes) -> str | None:
    """The name of what is wrong with the record now at a key of this module, or None."""
    table, rest = key[1], key[_PREFIX_BYTES:]
    if table not in _CHECKS:
        return None
    records, check, name = _CHECKS[table]
    record = records.get(state, rest) if rest else records.get(state)
    return None if record is None or check(state, rest, record) else name


def touched(state: State, before: Mapping[bytes, Record | None], /) -> None:
    """Check the keys of this module that a transaction wrote. Raises ``InvariantBroken``."""
    for key, held in before.items():
        if key[0] == stored.PREFIX:
            broken = _broken_at(state, key) or _broken_behind(state, key, held)
            if broken is not None:
                raise InvariantBroken(broken)


def _broken_behind(state: State, key: bytes, held: Record | None) -> str | None:
    """What is wrong with what a record was replaced by: keys come back, the set is gone, an index lost a node."""
    now = state.current(key)
    if isinstance(held, ConsensusUse):
        if not isinstance(now, ConsensusUse) or (held.retired and now != held):
            return "network.consensus_retired"
    elif isinstance(held, ValidatorSet):
        return "network.validators_gone" if now is None else _left_behind(state, held)
    elif isinstance(held, NodeOf):
        record = stored.nodes.get(state, held.node)
        lost = record is not None and stored.peers.get(state, record.peer) != held
        return "network.node_indexed" if lost else None
    elif isinstance(held, Census):
        if not isinstance(now, Census) or now.revision <= held.revision:
            return "network.revision"
    elif key[1] == stored.NODES and held is not None:
        return _index_left(state, held)
    return None


def _index_left(state: State, held: Any) -> str | None:
    """An index that still names what a node no longer has, or a node that is gone. ``held``: its version before."""
    record: NodeRecord = held.record
    use, peer = stored.consensus_keys.get(state, record.consensus), stored.peers.get(state, record.peer)
    if use is None or not consensus_consistent(state, record.consensus, use):
        return "network.consensus_index"
    return None if peer is None or peer_consistent(state, record.peer, peer) else "network.peer_index"


def _left_behind(state: State, held: ValidatorSet) -> str | None:
    """A node that kept its power when it left the set."""
    found = stored.validator_sets.get(state)
    powers = {} if found is None else dict(found.validators)
    for consensus, _ in held.validators:
        if consensus not in powers and not _is_without_power(state, consensus):
            return "network.validator_set"
    return None


def _is_without_power(state: State, consensus: bytes) -> bool:
    use = stored.consensus_keys.get(state, consensus)
    record = None if use is None or use.retired else stored.nodes.get(state, use.node)
    return record is None or record.consensus != consensus or record.power == 0


def whole_ledger(state: State, /) -> list[str]:
    """Every violation in the whole state, with the key it was found at."""
    found, counted = [], 0
    for table in _CHECKS:
        for key in state.range(bytes((stored.PREFIX, table)), bytes((stored.PREFIX, table + 1))):
            counted += table == stored.NODES
            broken = _broken_at(state, key)
            if broken is not None:
                found.append(f"{broken} at {key.hex()}")
    census = stored.censuses.get(state)
    if counted != (0 if census is None else census.nodes):
        found.append(f"network.census: {counted} nodes, {census} counted")
    return found
