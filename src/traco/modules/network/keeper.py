"""Reads and changes the network's nodes. The only code that writes this module's keys; every change keeps the indexes in
step. Engine and node ask ``validators`` and ``peers`` after every block.
"""

from typing import Final

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.network.errors import (
    ConsensusKeyUsed,
    LastValidator,
    NodeExists,
    NodeUnknown,
    PeerTaken,
    TooManyNodes,
    TooManyValidators,
)
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.state import (
    MAX_VALIDATORS,
    Census,
    ConsensusUse,
    NodeOf,
    NodeRecord,
    ValidatorSet,
    censuses,
    consensus_keys,
    nodes,
    peers,
    validator_sets,
)

_NODES_PER_PAGE: Final = 256
_NOBODY: Final = Census(0, 0)


class Keeper:
    """The nodes of one network. Without state of its own: what it reads and writes is in the given state."""

    # reads

    def validators(self, state: State) -> tuple[tuple[bytes, int], ...]:
        """Who orders from the next height but one on: consensus keys (33 bytes), ascending, each with its power.

        One look-up, whatever their number. Empty where there never was a validator.
        """
        found = validator_sets.get(state)
        return () if found is None else found.validators

    def peers(self, state: State) -> dict[bytes, NodeRecord]:
        """All admitted nodes by peer id (20 bytes). Reads them all: see ``revision`` for when that is of use."""
        return {record.peer: record for _, record in self._all(state)}

    def revision(self, state: State) -> int:
        """A number that grows with every change of any node: while it is the same, so are the nodes."""
        return self.census(state).revision

    def node(self, state: State, key: bytes) -> NodeRecord | None:
        """The admitted node with this node key, or None."""
        return nodes.get(state, key)

    def require(self, state: State, key: bytes) -> NodeRecord:
        """The admitted node with this node key. Raises ``NodeUnknown``."""
        found = nodes.get(state, key)
        if found is None:
            raise NodeUnknown(key)
        return found

    def as_of(self, state: State, height: int, key: bytes) -> NodeRecord | None:
        """The node as committed by block ``height``; None if it was not admitted then, or beyond the horizon."""
        return nodes.as_of(state, height, key)

    def page(self, state: State, after: bytes, limit: int) -> list[tuple[bytes, NodeRecord]]:
        """Up to ``limit`` admitted nodes in order of node keys, behind the key ``after`` (empty: from the first)."""
        return nodes.scan(state, after=after, limit=limit)

    def node_of_consensus(self, state: State, consensus: bytes) -> NodeRecord | None:
        """The admitted node with this consensus key, or None."""
        use = consensus_keys.get(state, consensus)
        return None if use is None or use.retired else nodes.get(state, use.node)

    def validator_nodes(self, state: State) -> list[NodeRecord]:
        """The records of all validators, in order of consensus keys."""
        found = [self.node_of_consensus(state, consensus) for consensus, _ in self.validators(state)]
        return [record for record in found if record is not None]

    def census(self, state: State) -> Census:
        """How many nodes are admitted, and the number of the last change."""
        return censuses.get(state) or _NOBODY

    def _all(self, state: State) -> list[tuple[bytes, NodeRecord]]:
        found: list[tuple[bytes, NodeRecord]] = []
        page = self.page(state, b"", _NODES_PER_PAGE)
        while page:
            found += page
            page = self.page(state, page[-1][0], _NODES_PER_PAGE) if len(page) == _NODES_PER_PAGE else []
        return found

    # changes

    def admit(self, context: Context, record: NodeRecord) -> None:
        """Write a new node. Raises ``NodeExists``, ``TooManyNodes``, ``ConsensusKeyUsed``, ``PeerTaken``, and, of a
        validator, ``TooManyValidators``.
        """
        state = context.state
        limit = context.parameters(NetworkParameters).max_nodes
        if nodes.get(state, record.key) is not None:
            raise NodeExists(record.key)
        if self.census(state).nodes >= limit:
            raise TooManyNodes(limit)
        self._claim_consensus(state, record)
        self._claim_peer(state, record)
        self._write(context, record)
        self._set_validators(state, None, record)
        self._count(state, 1)

    def replace(self, context: Context, before: NodeRecord, after: NodeRecord) -> None:
        """Put ``after`` in the place of ``before``, the node's present record; any field may differ.

        Raises ``NodeExists``, ``ConsensusKeyUsed``, ``PeerTaken``, ``TooManyValidators``, ``LastValidator``.
        """
        state = context.state
        if after.key != before.key and nodes.get(state, after.key) is not None:
            raise NodeExists(after.key)
        if after.consensus != before.consensus:
            self._retire_consensus(state, before)
            self._claim_consensus(state, after)
        else:
            consensus_keys.put(state, ConsensusUse(after.key, retired=False), after.consensus)
        peers.delete(state, before.peer)
        self._claim_peer(state, after)
        if after.key != before.key:
            nodes.delete(state, context.block.height, self._horizon(context), before.key)
        self._write(context, after)
        self._set_validators(state, before, after)
        self._count(state, 0)

    def remove(self, context: Context, record: NodeRecord) -> None:
        """Take a node out. Its consensus key is retired for ever. Raises ``LastValidator``."""
        state = context.state
        self._retire_consensus(state, record)
        peers.delete(state, record.peer)
        nodes.delete(state, context.block.height, self._horizon(context), record.key)
        self._set_validators(state, record, None)
        self._count(state, -1)

    def _write(self, context: Context, record: NodeRecord) -> None:
        nodes.put(context.state, context.block.height, self._horizon(context), record, record.key)

    def _horizon(self, context: Context) -> int:
        return context.kernel_parameters().history_horizon

    def _claim_consensus(self, state: State, record: NodeRecord) -> None:
        if consensus_keys.get(state, record.consensus) is not None:
            raise ConsensusKeyUsed(record.consensus)
        consensus_keys.put(state, ConsensusUse(record.key, retired=False), record.consensus)

    def _retire_consensus(self, state: State, record: NodeRecord) -> None:
        consensus_keys.put(state, ConsensusUse(record.key, retired=True), record.consensus)

    def _claim_peer(self, state: State, record: NodeRecord) -> None:
        if peers.get(state, record.peer) is not None:
            raise PeerTaken(record.peer)
        peers.put(state, NodeOf(record.key), record.peer)

    def _set_validators(self, state: State, before: NodeRecord | None, after: NodeRecord | None) -> None:
        """Bring the set of validators in step with a node that was ``before`` and is ``after`` now."""
        powers = dict(self.validators(state))
        if before is not None:
            powers.pop(before.consensus, None)
        if after is not None and after.power:
            powers[after.consensus] = after.power
        now = tuple(sorted(powers.items()))
        if now == self.validators(state):
            return
        if not now:
            raise LastValidator
        if len(now) > MAX_VALIDATORS:
            raise TooManyValidators(MAX_VALIDATORS)
        validator_sets.put(state, ValidatorSet(now))

    def _count(self, state: State, change: int) -> None:
        census = self.census(state)
        censuses.put(state, Census(census.nodes + change, census.revision + 1))
