"""Reads and changes parties. The only code that writes this module's keys; every change keeps the indexes in step."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.operations import CouncilNeeded
from traco.kernel.state import State
from traco.modules.party.errors import KeyTaken, LeiTaken, NodeTaken, PartyExists
from traco.modules.party.judged import Judged
from traco.modules.party.state import (
    Council,
    Identifier,
    KeyOwner,
    KeyRole,
    Membership,
    Owner,
    Party,
    PartyKey,
    Policy,
    Recovery,
    Status,
    councils,
    identifier_part,
    identifiers,
    keys,
    lei_of,
    leis,
    nodes,
    parties,
    recoveries,
)

_NODES_PER_PAGE: Final = 64


class Keeper(Judged):
    """The parties of one ledger. Without state of its own: what it reads and writes is in the given state."""

    # reads

    def get(self, state: State, party: bytes) -> Party | None:
        """The party with this id, or None."""
        return parties.get(state, party)

    def is_member(self, state: State, party: bytes) -> bool:
        """Whether the party is an active member."""
        found = parties.get(state, party)
        return found is not None and found.status == "active" and found.membership is not None

    def party_of_key(self, state: State, key: bytes) -> bytes | None:
        """The id of the party that has this public key now, or None. It may be suspended."""
        owner = keys.get(state, key)
        return None if owner is None or owner.reserved else owner.party

    def party_by_lei(self, state: State, lei: str) -> bytes | None:
        """The id of the one party with this LEI that is not closed, or None."""
        owner = leis.get(state, lei.encode())
        return None if owner is None else owner.party

    def parties_by_identifier(self, state: State, identifier: Identifier, limit: int) -> tuple[bytes, ...]:
        """The ids of up to ``limit`` parties that are not closed and have this identifier, ascending."""
        found = identifiers.scan(state, identifier_part(identifier), limit=limit)
        return tuple(owner.party for _, owner in found)

    def as_of(self, state: State, height: int, party: bytes) -> Party | None:
        """The party as committed by block ``height``; None if it did not exist or is beyond the horizon."""
        return parties.as_of(state, height, party)

    def key_roles_as_of(self, state: State, height: int, party: bytes, key: bytes) -> tuple[KeyRole, ...]:
        """What ``key`` might do for ``party`` as of block ``height``; empty if it was not the party's key."""
        found = parties.as_of(state, height, party)
        held = () if found is None else found.keys
        return next((entry.roles for entry in held if entry.key == key), ())

    def page(self, state: State, after: bytes, limit: int) -> list[tuple[bytes, Party]]:
        """Up to ``limit`` parties in order of ids, behind the id ``after`` (empty: from the first)."""
        return parties.scan(state, after=after, limit=limit)

    def recovery(self, state: State, party: bytes) -> Recovery | None:
        """The recovery that waits for this party, or None."""
        return recoveries.get(state, party)

    def council(self, state: State) -> Council:
        """The council; without members, and out of reach, before one was founded."""
        found = councils.get(state)
        return Council((), 1) if found is None else found

    def require_council(self, state: State, acting: Sequence[bytes]) -> None:
        """The acting parties are different council members and enough of them. Raises ``CouncilNeeded``."""
        council = self.council(state)
        found = sum(member in acting for member in council.members)
        if found < council.threshold or found != len(acting):
            raise CouncilNeeded(council.threshold, found)

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        """The active member whose node has this key, or None."""
        owner = nodes.get(state, key)
        return owner.party if owner is not None and self.is_member(state, owner.party) else None

    def has_node(self, state: State) -> bool:
        """Whether some active member has a node, so that anything can be submitted."""
        after, page = b"", [(b"", Owner(b""))]
        while page:
            page = nodes.scan(state, after=after, limit=_NODES_PER_PAGE)
            if any(self.is_member(state, owner.party) for _, owner in page):
                return True
            after = page[-1][0] if page else b""
        return False

    # changes

    def add(self, context: Context, party: bytes, record: Party) -> None:
        """Write a new party and its index entries. Raises ``PartyExists``, ``KeyTaken``, ``LeiTaken``."""
        state = context.state
        if parties.get(state, party) is not None:
            raise PartyExists(party)
        self._claim_keys(state, party, record.keys, reserved=False)
        lei = lei_of(record)
        if lei is not None:
            holder = leis.get(state, lei)
            if holder is not None:
                raise LeiTaken(lei.decode(), holder.party)
            leis.put(state, Owner(party), lei)
        for identifier in record.identifiers:
            identifiers.put(state, Owner(party), identifier_part(identifier), party)
        self._write(context, party, record)

    def set_keys(
        self, context: Context, party: bytes, new_keys: tuple[PartyKey, ...], policy: Policy
    ) -> None:
        """Replace a party's keys and policy; keys that it had stay its own. Raises ``KeyTaken``."""
        state, record = context.state, self.require(context.state, party)
        self._release_keys(state, record.keys)
        self._claim_keys(state, party, new_keys, reserved=False)
        self._write(context, party, replace(record, keys=new_keys, policy=policy))

    def set_status(self, context: Context, party: bytes, status: Status, reason: str) -> None:
        """Change a party's status. Closing frees its keys, nodes and identifiers for others."""
        state, record = context.state, self.require(context.state, party)
        if status == "closed":
            self._release_keys(state, record.keys)
            lei = lei_of(record)
            if lei is not None:
                leis.delete(state, lei)
            for identifier in record.identifiers:
                identifiers.delete(state, identifier_part(identifier), party)
            if record.membership is not None:
                for key in record.membership.nodes:
                    nodes.delete(state, key)
        self._write(context, party, replace(record, status=status, reason=reason))

    def set_roles(self, context: Context, party: bytes, roles: Sequence[str]) -> None:
        """Replace a party's capabilities."""
        record = self.require(context.state, party)
        self._write(context, party, replace(record, roles=tuple(sorted(roles))))

    def set_nodes(self, context: Context, party: bytes, node_keys: Sequence[bytes]) -> None:
        """Replace a member's node keys. Raises ``NodeTaken``."""
        state, record = context.state, self.require(context.state, party)
        for key in () if record.membership is None else record.membership.nodes:
            nodes.delete(state, key)
        for key in node_keys:
            if nodes.get(state, key) is not None:
                raise NodeTaken(key)
            nodes.put(state, Owner(party), key)
        self._write(context, party, replace(record, membership=Membership(tuple(sorted(node_keys)))))

    def set_council(self, context: Context, council: Council) -> None:
        """Replace the council."""
        horizon = context.kernel_parameters().history_horizon
        councils.put(context.state, context.block.height, horizon, council)

    def open_recovery(self, context: Context, party: bytes, recovery: Recovery) -> None:
        """Write a recovery and reserve its keys. Raises ``KeyTaken``."""
        self._claim_keys(context.state, party, recovery.keys, reserved=True)
        recoveries.put(context.state, recovery, party)

    def end_recovery(self, context: Context, party: bytes) -> Recovery | None:
        """Remove the recovery that waits for the party and free its keys; returns it, or None if none waits."""
        recovery = recoveries.get(context.state, party)
        if recovery is not None:
            self._release_keys(context.state, recovery.keys)
            recoveries.delete(context.state, party)
        return recovery

    def _write(self, context: Context, party: bytes, record: Party) -> None:
        horizon = context.kernel_parameters().history_horizon
        parties.put(context.state, context.block.height, horizon, record, party)

    def _claim_keys(
        self, state: State, party: bytes, claimed: tuple[PartyKey, ...], *, reserved: bool
    ) -> None:
        for entry in claimed:
            if keys.get(state, entry.key) is not None:
                raise KeyTaken(entry.key)
            keys.put(state, KeyOwner(party, reserved), entry.key)

    def _release_keys(self, state: State, released: tuple[PartyKey, ...]) -> None:
        for entry in released:
            keys.delete(state, entry.key)
