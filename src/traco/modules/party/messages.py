"""The instructions about parties, their keys, nodes, roles and status.

Policy classes: ``sponsor`` (a member acting for parties that it vouches for), ``administer`` (a party changing its own
keys, policy or nodes), ``govern`` (the council), ``approve`` (any one key).
"""

from typing import Annotated, ClassVar

import msgspec

from traco.kernel.codec import Code, Hash, Id, Label, PublicKey, Salt, derive_id
from traco.kernel.instruction import Instruction, PartyInstruction
from traco.modules.party.state import (
    CountryCode,
    Identifier,
    PartyKey,
    PartyKind,
    Policy,
    Status,
)

PartyKeys = Annotated[tuple[PartyKey, ...], msgspec.Meta(max_length=64)]
PublicKeys = Annotated[tuple[PublicKey, ...], msgspec.Meta(max_length=64)]
CouncilMembers = Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=128)]


class RegisterParty(PartyInstruction, frozen=True, tag="party.register/1"):
    """A member (``party``) vouches for a new party, whose id is ``party_id(member, salt)``.

    An organisation has a name; a branch has a name and a ``parent`` organisation of the same member; a person has
    only a 32-byte ``commitment``. Refused for a sponsor that is no active member, fields that do not belong to the
    kind, an identifier that cannot be right, an LEI or a key that another party has, limits, unreachable thresholds.
    """

    policy_class: ClassVar[str] = "sponsor"

    salt: Salt
    kind: PartyKind
    keys: PartyKeys
    name: Label | None = None
    country: CountryCode | None = None
    commitment: Hash | None = None
    parent: Id | None = None
    identifiers: Annotated[tuple[Identifier, ...], msgspec.Meta(max_length=32)] = ()
    policy: Policy = Policy()


class ChangeKeys(PartyInstruction, frozen=True, tag="party.change_keys/1"):
    """A party changes its own keys, their roles and its policy, all at once.

    ``add`` brings new keys, ``change`` gives keys it has other roles, ``remove`` takes keys away, ``policy`` replaces
    the policy where given. Afterwards there must be enough keys for every threshold. Ends a recovery that waits:
    the keys are evidently not lost.
    """

    policy_class: ClassVar[str] = "administer"

    add: PartyKeys = ()
    change: PartyKeys = ()
    remove: PublicKeys = ()
    policy: Policy | None = None


class BeginRecovery(PartyInstruction, frozen=True, tag="party.begin_recovery/1"):
    """The vouching member (``party``) asks for new keys for ``subject``, which lost all of its own.

    They come into force after the parameter ``recovery_delay_ms``, unless any one old key cancels before.
    """

    policy_class: ClassVar[str] = "sponsor"

    subject: Id
    keys: PartyKeys
    policy: Policy = Policy()


class CancelRecovery(PartyInstruction, frozen=True, tag="party.cancel_recovery/1"):
    """The subject itself, with any one of its keys and even while suspended, or its sponsor ends a recovery."""

    policy_class: ClassVar[str] = "approve"

    subject: Id


class SetStatus(PartyInstruction, frozen=True, tag="party.set_status/1"):
    """The vouching member (``party``) suspends, reactivates or closes ``subject``. Closed is final.

    A closed party's keys and identifiers may be used by others again. Members have their status from the council.
    """

    policy_class: ClassVar[str] = "sponsor"

    subject: Id
    status: Status
    reason: Code


class CouncilInstruction(Instruction, frozen=True):
    """An instruction of the council: ``parties`` are different members of it, at least its threshold."""

    policy_class: ClassVar[str] = "govern"

    parties: CouncilMembers

    def actors(self) -> tuple[bytes, ...]:
        """The council members that act."""
        return self.parties


class DecideStatus(CouncilInstruction, frozen=True, tag="party.decide_status/1"):
    """The council suspends, reactivates or closes a member; enough of the council must stay active."""

    subject: Id
    status: Status
    reason: Code


class GrantRole(CouncilInstruction, frozen=True, tag="party.grant_role/1"):
    """The council gives ``subject`` a capability, such as ``cash_operator``, ``registry_operator``, ``authority``."""

    subject: Id
    role: Code


class RevokeRole(CouncilInstruction, frozen=True, tag="party.revoke_role/1"):
    """The council takes a capability back."""

    subject: Id
    role: Code


class RegisterNode(PartyInstruction, frozen=True, tag="party.register_node/1"):
    """A member (``party``) registers the key of a node of its own, which may then submit envelopes."""

    policy_class: ClassVar[str] = "administer"

    key: PublicKey


class RetireNode(PartyInstruction, frozen=True, tag="party.retire_node/1"):
    """A member (``party``) takes a node key out of use."""

    policy_class: ClassVar[str] = "administer"

    key: PublicKey


def party_id(sponsor: bytes, salt: bytes) -> bytes:
    """The id of the party that ``sponsor`` registers with ``salt``."""
    return derive_id("party", sponsor, salt)
