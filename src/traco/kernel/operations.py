"""The kernel's own instructions: propose and approve, parameters, upgrades.

``propose`` puts an operation of one party on the ledger, where it waits for enough of that party's keys: a checker may
act the next day. The operation runs in the transaction whose approval completes it.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import msgspec

from traco.kernel.codec import (
    Code,
    Count,
    Hash,
    Height,
    Id,
    PublicKey,
    Record,
    Salt,
    TimeMs,
    digest,
)
from traco.kernel.errors import Rejected
from traco.kernel.instruction import Event, Instruction, PartyInstruction

PROPOSAL_TABLE: Final = 0x06
MAX_OPERATION_BYTES: Final = 32_768
MAX_LIFE_MS: Final = 30 * 86_400_000
EXPIRY: Final = "kernel.proposal_expiry"

Operation = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_OPERATION_BYTES)]
Parties = Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=128)]


class Propose(PartyInstruction, frozen=True, tag="kernel.propose/1"):
    """Put an operation on the ledger to be approved by more keys of the same party.

    ``operation`` is the encoded array of instructions, all acted by ``party`` alone. One signature of any key that counts
    for them suffices. The proposal lapses at ``expires_ms``, at most 30 days ahead.
    """

    policy_class: ClassVar[str] = "approve"

    operation: Operation
    expires_ms: TimeMs
    salt: Salt


class Approve(PartyInstruction, frozen=True, tag="kernel.approve/1"):
    """Approve a proposal with the key that signs this transaction. The approval that completes it runs it."""

    policy_class: ClassVar[str] = "approve"

    proposal: Hash


class Withdraw(PartyInstruction, frozen=True, tag="kernel.withdraw/1"):
    """Take back a proposal of one's own party."""

    policy_class: ClassVar[str] = "approve"

    proposal: Hash


class SetParameters(Instruction, frozen=True, tag="kernel.set_parameters/1"):
    """Replace the parameters of the kernel or of a module; ``parties`` are council members, enough of them.

    ``record`` is the whole parameters record of ``owner``, encoded.
    """

    policy_class: ClassVar[str] = "govern"

    parties: Parties
    owner: Code
    record: Operation

    def actors(self) -> tuple[bytes, ...]:
        """The council members."""
        return self.parties


class ScheduleUpgrade(Instruction, frozen=True, tag="kernel.schedule_upgrade/1"):
    """Have the ledger run ``protocol`` from block ``height`` on; replaces an upgrade scheduled before."""

    policy_class: ClassVar[str] = "govern"

    parties: Parties
    protocol: Count
    height: Height

    def actors(self) -> tuple[bytes, ...]:
        """The council members."""
        return self.parties


class Proposal(Record, frozen=True, tag=1):
    """An operation that waits for approvals."""

    party: Id
    operation: Operation
    expires_ms: TimeMs
    approvals: tuple[PublicKey, ...]  # in the order given


class Proposed(Event, frozen=True, tag="kernel.proposed/1"):
    """An operation waits for approvals."""

    proposal: Hash
    party: Id
    expires_ms: TimeMs


class Approved(Event, frozen=True, tag="kernel.approved/1"):
    """Keys approved a proposal; ``complete`` says that it ran."""

    proposal: Hash
    party: Id
    keys: tuple[PublicKey, ...]
    complete: bool


class ProposalEnded(Event, frozen=True, tag="kernel.proposal_ended/1"):
    """A proposal was withdrawn or has lapsed."""

    proposal: Hash
    party: Id
    lapsed: bool


class ParametersSet(Event, frozen=True, tag="kernel.parameters_set/1"):
    """The parameters of ``owner`` were replaced."""

    owner: Code
    record: Operation


class UpgradeScheduled(Event, frozen=True, tag="kernel.upgrade_scheduled/1"):
    """The ledger will run ``protocol`` from ``height`` on."""

    protocol: Count
    height: Height


@dataclass(eq=False)
class ProposalUnknown(Rejected):
    """No such proposal of this party is open."""

    code: ClassVar[str] = "kernel.proposal_unknown"
    says: ClassVar[str] = "No proposal {proposal} of this party is open."
    advice: ClassVar[str] = "It ran, was withdrawn or has lapsed; propose it anew."
    proposal: bytes


@dataclass(eq=False)
class ProposalForeign(Rejected):
    """A proposed operation may be acted by the proposing party alone."""

    code: ClassVar[str] = "kernel.proposal_foreign"
    says: ClassVar[str] = "The operation is acted by another party than {party}, or is itself a proposal."
    advice: ClassVar[str] = (
        "Propose only operations of your own party; use a settlement batch between parties."
    )
    party: bytes


@dataclass(eq=False)
class ProposalLife(Rejected):
    """The expiry of a proposal is past or too far ahead."""

    code: ClassVar[str] = "kernel.proposal_life"
    says: ClassVar[str] = "A proposal must lapse after {time_ms} ms and within {limit_ms} ms from then."
    advice: ClassVar[str] = "Choose another expiry; take the time from the node."
    time_ms: int
    limit_ms: int


@dataclass(eq=False)
class ApprovedBefore(Rejected):
    """None of the keys that signed adds an approval."""

    code: ClassVar[str] = "kernel.approved_before"
    says: ClassVar[str] = "The keys that signed have approved {proposal} before, or do not count for it."
    advice: ClassVar[str] = "Another key of the party must approve."
    proposal: bytes


@dataclass(eq=False)
class CouncilNeeded(Rejected):
    """The acting parties are not enough different council members."""

    code: ClassVar[str] = "kernel.council_needed"
    says: ClassVar[str] = "{threshold} different members of the council must act together; {found} do."
    advice: ClassVar[str] = "Collect more signatures of council members."
    threshold: int
    found: int


@dataclass(eq=False)
class ParametersInvalid(Rejected):
    """Not a parameters record of that owner."""

    code: ClassVar[str] = "kernel.parameters_invalid"
    says: ClassVar[str] = "The record is not a canonical parameters record of {owner}."
    advice: ClassVar[str] = "See the reference of parameters for names and bounds."
    owner: str


@dataclass(eq=False)
class UpgradeInvalid(Rejected):
    """An upgrade must come later and go to the next protocol."""

    code: ClassVar[str] = "kernel.upgrade_invalid"
    says: ClassVar[str] = "An upgrade must go to protocol {protocol} at a height above {height}."
    advice: ClassVar[str] = "Choose the next protocol and a later height."
    protocol: int
    height: int


def proposal_id(network: bytes, party: bytes, salt: bytes, operation: bytes) -> bytes:
    """The id of a proposal (32 bytes): its maker knows it before it is ordered.

    It names the operation, so that an approval on its way cannot meet another one put under the same salt.
    """
    return digest(b"traco/proposal/1", network, party, salt, operation)
