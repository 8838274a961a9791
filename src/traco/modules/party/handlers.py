"""One method per instruction: authorise, check, change, emit."""

from traco.kernel.module import Context
from traco.modules.party import validity
from traco.modules.party.errors import (
    CouncilUnreachable,
    KeyTaken,
    KeyUnknown,
    LastNode,
    NodeNotOwn,
    NodeTaken,
    NotMember,
    NotParent,
    NotSponsor,
    PartyClosed,
    RecoveryNone,
    RecoveryOpen,
    RoleHeld,
    RoleNotHeld,
    StatusUnchanged,
)
from traco.modules.party.events import (
    KeysChanged,
    NodeRegistered,
    NodeRetired,
    PartyRegistered,
    RecoveryBegun,
    RecoveryEnded,
    RoleGranted,
    RoleRevoked,
    StatusSet,
)
from traco.modules.party.keeper import Keeper
from traco.modules.party.messages import (
    BeginRecovery,
    CancelRecovery,
    ChangeKeys,
    DecideStatus,
    GrantRole,
    RegisterNode,
    RegisterParty,
    RetireNode,
    RevokeRole,
    SetStatus,
    party_id,
)
from traco.modules.party.parameters import PartyParameters
from traco.modules.party.state import Membership, Party, PartyKey, Recovery, Status

RECOVERY_DUE = "party.recovery"


class Handlers:
    """The rules of this module's instructions. ``keeper`` writes."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def register(self, context: Context, message: RegisterParty) -> None:
        """Register a party that the acting member vouches for."""
        # authorise
        self._require_member(context, message.party)
        # check
        identity = party_id(message.party, message.salt)
        validity.check_kind(message)
        self._check_parent(context, message)
        limits = context.parameters(PartyParameters)
        validity.check_identifiers(message.identifiers, limits)
        keys = self._checked_keys(message.keys)
        validity.check_authority(keys, message.policy, limits)
        # change
        record = Party(
            message.kind, message.party, "active", "", message.name, message.country, message.commitment,
            message.parent, message.identifiers, keys, message.policy, (), None,
        )  # fmt: skip
        self._keeper.add(context, identity, record)
        # emit
        context.emit(PartyRegistered(identity, message.party, message.kind))

    def change_keys(self, context: Context, message: ChangeKeys) -> None:
        """Change the acting party's own keys and policy."""
        # authorise: the kernel checked the administering keys of the party itself
        # check
        record = self._keeper.require(context.state, message.party)
        named = [entry.key for entry in message.add + message.change]
        validity.check_distinct([*named, *message.remove])
        held = {entry.key: entry for entry in record.keys}
        for key in [*(entry.key for entry in message.change), *message.remove]:
            if key not in held:
                raise KeyUnknown(key)
        for entry in message.add:
            validity.check_key(entry.key)
            if entry.key in held:
                raise KeyTaken(entry.key)
        held.update({entry.key: entry for entry in message.add + message.change})
        keys = validity.ordered([entry for key, entry in held.items() if key not in message.remove])
        policy = record.policy if message.policy is None else message.policy
        validity.check_authority(keys, policy, context.parameters(PartyParameters))
        # change
        self._end_recovery(context, message.party)
        self._keeper.set_keys(context, message.party, keys, policy)
        # emit
        context.emit(KeysChanged(message.party, keys, policy))

    def begin_recovery(self, context: Context, message: BeginRecovery) -> None:
        """Let new keys of a party that lost all of its own come into force after the delay."""
        # authorise
        self._require_member(context, message.party)
        self._require_sponsored(context, message.party, message.subject)
        # check
        waiting = self._keeper.recovery(context.state, message.subject)
        if waiting is not None:
            raise RecoveryOpen(message.subject, waiting.due_ms)
        limits = context.parameters(PartyParameters)
        keys = self._checked_keys(message.keys)
        validity.check_authority(keys, message.policy, limits)
        # change
        due_ms = context.block.time_ms + limits.recovery_delay_ms
        self._keeper.open_recovery(
            context, message.subject, Recovery(message.party, keys, message.policy, due_ms)
        )
        context.schedule(due_ms, RECOVERY_DUE, message.subject)
        # emit
        context.emit(RecoveryBegun(message.subject, message.party, due_ms))

    def cancel_recovery(self, context: Context, message: CancelRecovery) -> None:
        """End a recovery before its keys are in force."""
        # authorise
        subject = self._keeper.require(context.state, message.subject)
        if message.party not in (message.subject, subject.sponsor):
            raise NotSponsor(message.party, message.subject)
        # check, change, emit
        if not self._end_recovery(context, message.subject):
            raise RecoveryNone(message.subject)

    def complete_recovery(self, context: Context, key: bytes) -> None:
        """The delay of a recovery is over: the new keys replace the old, if the sponsor is still an active member."""
        recovery = self._keeper.end_recovery(context, key)
        if recovery is None:
            return
        completed = self._keeper.is_member(context.state, recovery.sponsor)
        if completed:
            self._keeper.set_keys(context, key, recovery.keys, recovery.policy)
            context.emit(KeysChanged(key, recovery.keys, recovery.policy))
        context.emit(RecoveryEnded(key, completed))

    def set_status(self, context: Context, message: SetStatus) -> None:
        """Suspend, reactivate or close a party that the acting member vouches for."""
        # authorise
        self._require_member(context, message.party)
        record = self._require_sponsored(context, message.party, message.subject)
        # check, change, emit
        self._set_status(context, message.subject, record, message.status, message.reason)

    def decide_status(self, context: Context, message: DecideStatus) -> None:
        """Suspend, reactivate or close a member by decision of the council."""
        # authorise
        self._keeper.require_council(context.state, message.parties)
        # check
        record = self._keeper.require(context.state, message.subject)
        if record.membership is None:
            raise NotMember(message.subject)
        if message.status != "active":
            self._check_council_stays(context, message.subject)
        # change, emit
        self._set_status(context, message.subject, record, message.status, message.reason)
        self._check_node_stays(context)

    def grant_role(self, context: Context, message: GrantRole) -> None:
        """Give a party a capability by decision of the council."""
        # authorise
        self._keeper.require_council(context.state, message.parties)
        # check
        record = self._keeper.require_active(context.state, message.subject)
        if message.role in record.roles:
            raise RoleHeld(message.subject, message.role)
        # change
        self._keeper.set_roles(context, message.subject, (*record.roles, message.role))
        # emit
        context.emit(RoleGranted(message.subject, message.role))

    def revoke_role(self, context: Context, message: RevokeRole) -> None:
        """Take a capability back by decision of the council, whatever the party's status."""
        # authorise
        self._keeper.require_council(context.state, message.parties)
        # check
        record = self._keeper.require(context.state, message.subject)
        if message.role not in record.roles:
            raise RoleNotHeld(message.subject, message.role)
        # change
        roles = tuple(role for role in record.roles if role != message.role)
        self._keeper.set_roles(context, message.subject, roles)
        # emit
        context.emit(RoleRevoked(message.subject, message.role))

    def register_node(self, context: Context, message: RegisterNode) -> None:
        """Register a node key of the acting member."""
        # authorise
        membership = self._require_member(context, message.party)
        # check
        validity.check_key(message.key)
        if message.key in membership.nodes:
            raise NodeTaken(message.key)
        nodes = (*membership.nodes, message.key)
        validity.check_nodes(nodes, context.parameters(PartyParameters))
        # change
        self._keeper.set_nodes(context, message.party, nodes)
        # emit
        context.emit(NodeRegistered(message.party, message.key))

    def retire_node(self, context: Context, message: RetireNode) -> None:
        """Take a node key of the acting member out of use."""
        # authorise
        membership = self._require_member(context, message.party)
        # check
        if message.key not in membership.nodes:
            raise NodeNotOwn(message.party, message.key)
        # change
        nodes = tuple(key for key in membership.nodes if key != message.key)
        self._keeper.set_nodes(context, message.party, nodes)
        self._check_node_stays(context)
        # emit
        context.emit(NodeRetired(message.party, message.key))

    def _require_member(self, context: Context, party: bytes) -> Membership:
        """The membership of an active member. Admission checks the status too: a proposal may run later."""
        record = self._keeper.require_active(context.state, party)
        if record.membership is None:
            raise NotMember(party)
        return record.membership

    def _require_sponsored(self, context: Context, sponsor: bytes, subject: bytes) -> Party:
        """The open party that ``sponsor`` vouches for; not itself, because nobody vouches for itself."""
        record = self._keeper.require(context.state, subject)
        if record.sponsor != sponsor or subject == sponsor:
            raise NotSponsor(sponsor, subject)
        if record.status == "closed":
            raise PartyClosed(subject, record.reason)
        return record

    def _check_parent(self, context: Context, message: RegisterParty) -> None:
        if message.parent is None:
            return
        parent = self._keeper.require_active(context.state, message.parent)
        if parent.kind != "organisation" or parent.sponsor != message.party:
            raise NotParent(message.parent)

    def _checked_keys(self, given: tuple[PartyKey, ...]) -> tuple[PartyKey, ...]:
        validity.check_distinct([entry.key for entry in given])
        for entry in given:
            validity.check_key(entry.key)
        return validity.ordered(given)

    def _set_status(
        self, context: Context, subject: bytes, record: Party, status: Status, reason: str
    ) -> None:
        if record.status == "closed":
            raise PartyClosed(subject, record.reason)
        if record.status == status:
            raise StatusUnchanged(subject, status)
        if status == "closed":
            self._end_recovery(context, subject)
        self._keeper.set_status(context, subject, status, reason)
        context.emit(StatusSet(subject, status, reason))

    def _check_council_stays(self, context: Context, leaving: bytes) -> None:
        """Enough active council members remain to decide, for one to reactivate the others."""
        council = self._keeper.council(context.state)
        active = sum(
            member != leaving and self._keeper.is_active(context.state, member) for member in council.members
        )
        if active < council.threshold:
            raise CouncilUnreachable(council.threshold, active)

    def _check_node_stays(self, context: Context) -> None:
        """After the change something can still be submitted; else the ledger would have stopped for good."""
        if not self._keeper.has_node(context.state):
            raise LastNode

    def _end_recovery(self, context: Context, party: bytes) -> bool:
        """End a recovery that waits, without effect on the keys; whether there was one."""
        recovery = self._keeper.end_recovery(context, party)
        if recovery is None:
            return False
        context.unschedule(recovery.due_ms, RECOVERY_DUE, party)
        context.emit(RecoveryEnded(party, completed=False))
        return True
