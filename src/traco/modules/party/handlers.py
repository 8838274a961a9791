"""One method per instruction: authorise, check, change, emit."""

from traco.kernel.module import Context
from traco.modules.party import validity
from traco.modules.party.errors import (
    CouncilUnreachable,
    KeyTaken,
    KeyUnknown,
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
