"""The module of parties: its declarations in one place."""

from collections.abc import Mapping
from typing import Any

from traco.kernel.module import Context, Module
from traco.modules.party import errors, events, genesis, invariants, messages
from traco.modules.party.admission import ActiveActors
from traco.modules.party.authority import PartyAuthority
from traco.modules.party.handlers import RECOVERY_DUE, Handlers
from traco.modules.party.keeper import Keeper
from traco.modules.party.parameters import PartyParameters
from traco.modules.party.queries import Queries
from traco.modules.party.state import PREFIX


class PartyModule(Module):
    """Parties, members, nodes, council. ``keeper`` is for other modules' ports, ``authority`` for the kernel.

    ``founders`` reads names and ids out of the module's object in the genesis, for modules founded behind it.
    """

    name = "party"
    prefix = PREFIX

    def __init__(self) -> None:
        super().__init__()
        self.keeper = Keeper()
        self.authority = PartyAuthority(self.keeper)
        self.founders = genesis.founding_members
        handlers = Handlers(self.keeper)
        self.instructions = {
            messages.RegisterParty: handlers.register,
            messages.ChangeKeys: handlers.change_keys,
            messages.BeginRecovery: handlers.begin_recovery,
            messages.CancelRecovery: handlers.cancel_recovery,
            messages.SetStatus: handlers.set_status,
            messages.DecideStatus: handlers.decide_status,
            messages.GrantRole: handlers.grant_role,
            messages.RevokeRole: handlers.revoke_role,
            messages.RegisterNode: handlers.register_node,
            messages.RetireNode: handlers.retire_node,
        }
        self.events = (
            events.PartyRegistered, events.KeysChanged, events.RecoveryBegun, events.RecoveryEnded,
            events.StatusSet, events.RoleGranted, events.RoleRevoked, events.NodeRegistered, events.NodeRetired,
        )  # fmt: skip
        self.errors = (
            errors.PartyNotFound, errors.PartyExists, errors.PartySuspended, errors.PartyClosed, errors.NotMember,
            errors.NotSponsor, errors.NotParent, errors.KindMismatch, errors.IdentifierWrong,
            errors.IdentifierRepeated, errors.LeiTaken, errors.KeyWrong, errors.KeyTaken, errors.KeyUnknown,
            errors.KeyRepeated, errors.LimitExceeded, errors.PolicyUnreachable, errors.RuleUnreachable,
            errors.RecoveryOpen, errors.RecoveryNone, errors.StatusUnchanged, errors.CouncilUnreachable,
            errors.RoleHeld, errors.RoleNotHeld, errors.NodeTaken, errors.NodeNotOwn, errors.LastNode,
        )  # fmt: skip
        self.queries = Queries(self.keeper).declared()
        self.due = {RECOVERY_DUE: handlers.complete_recovery}
        self.admission = (ActiveActors(self.keeper),)
        self.invariants = (invariants.touched,)
        self.ledger_invariants = (invariants.whole_ledger,)
        self.parameters = PartyParameters()

    def genesis(self, context: Context, section: Mapping[str, Any]) -> None:
        """Write the founding members and the council (see ``genesis.py`` for the format)."""
        genesis.found(self.keeper, context, section)
