"""What happened to parties, as receipts and projections carry it."""

from traco.kernel.codec import Code, Id, PublicKey, TimeMs
from traco.kernel.instruction import Event
from traco.modules.party.state import PartyKey, PartyKind, Policy, Status


class PartyRegistered(Event, frozen=True, tag="party.registered/1"):
    """A member vouches for a new party."""

    party: Id
    sponsor: Id
    kind: PartyKind


class KeysChanged(Event, frozen=True, tag="party.keys_changed/1"):
    """The keys and the policy of a party from now on, all of them."""

    party: Id
    keys: tuple[PartyKey, ...]
    policy: Policy


class RecoveryBegun(Event, frozen=True, tag="party.recovery_begun/1"):
    """New keys of a party come into force at ``due_ms`` unless cancelled before."""

    party: Id
    sponsor: Id
    due_ms: TimeMs


class RecoveryEnded(Event, frozen=True, tag="party.recovery_ended/1"):
    """A recovery is over; ``completed`` says that the new keys are in force."""

    party: Id
    completed: bool


class StatusSet(Event, frozen=True, tag="party.status_set/1"):
    """A party is active, suspended or closed from now on."""

    party: Id
    status: Status
    reason: Code


class RoleGranted(Event, frozen=True, tag="party.role_granted/1"):
    """A party has a capability from now on."""

    party: Id
    role: Code


class RoleRevoked(Event, frozen=True, tag="party.role_revoked/1"):
    """A party no longer has a capability."""

    party: Id
    role: Code


class NodeRegistered(Event, frozen=True, tag="party.node_registered/1"):
    """A member's node may submit envelopes from now on."""

    member: Id
    key: PublicKey


class NodeRetired(Event, frozen=True, tag="party.node_retired/1"):
    """A node key is no longer in use."""

    member: Id
    key: PublicKey
