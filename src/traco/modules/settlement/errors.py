"""Why an instruction about a batch is rejected.

Rejected
├── BatchUnknown, BatchExists, BatchEnded, DeadlinePast, DeadlineWrong    the batch as a whole
├── LegsExceeded, SettlersWrong
├── TermsDiffer, NothingAffirmed, NothingWithdrawn, LegUnknown
├── AllocatedBefore, ApprovedBefore                                       a part was given before
├── NotSender, NotReceiver, WrongAccount, NotInControl                    a part is not this party's to give
├── EvidenceDiffers, PassThroughMismatch, PassThroughCycle, ChainTooLong  parts do not fit together
└── NotComplete, Irrevocable, BoundByModule, NotSettler, NotRequestor
"""

from dataclasses import dataclass
from typing import ClassVar

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class BatchUnknown(Rejected):
    """No such batch."""

    code: ClassVar[str] = "settlement.batch_unknown"
    says: ClassVar[str] = "There is no batch {batch}."
    advice: ClassVar[str] = "Check the id, or create the batch first."
    batch: bytes


@dataclass(eq=False)
class BatchExists(Rejected):
    """The requestor used this salt for a batch before, open or ended."""

    code: ClassVar[str] = "settlement.batch_exists"
    says: ClassVar[str] = "Batch {batch} exists already."
    advice: ClassVar[str] = "Use a fresh salt for a new batch."
    batch: bytes


@dataclass(eq=False)
class BatchEnded(Rejected):
    """A batch ends once: settled, cancelled or expired."""

    code: ClassVar[str] = "settlement.batch_ended"
    says: ClassVar[str] = "Batch {batch} is {status}."
    advice: ClassVar[str] = "Create a new batch."
    batch: bytes
    status: str


@dataclass(eq=False)
class DeadlinePast(Rejected):
    """Block time has reached the deadline; the batch is about to expire."""

    code: ClassVar[str] = "settlement.deadline_past"
    says: ClassVar[str] = "Batch {batch} had to settle before {deadline_ms} ms."
    advice: ClassVar[str] = "Create a new batch."
    batch: bytes
    deadline_ms: int


@dataclass(eq=False)
class DeadlineWrong(Rejected):
    """A deadline lies ahead, within the longest life of a batch."""

    code: ClassVar[str] = "settlement.deadline_wrong"
    says: ClassVar[str] = "The deadline must be after {time_ms} ms and within {limit_ms} ms from then."
    advice: ClassVar[str] = "Choose another deadline; take the time from the node."
    time_ms: int
    limit_ms: int


@dataclass(eq=False)
class LegsExceeded(Rejected):
    """A batch has a limited number of legs (parameter ``max_legs``)."""

    code: ClassVar[str] = "settlement.legs_exceeded"
    says: ClassVar[str] = "The batch has {found} legs, the limit is {limit}."
    advice: ClassVar[str] = "Net the legs, or split the batch."
    found: int
    limit: int


@dataclass(eq=False)
class SettlersWrong(Rejected):
    """A batch settles itself or names who may settle it, each once and within the limit (``max_settlers``)."""

    code: ClassVar[str] = "settlement.settlers_wrong"
    says: ClassVar[str] = (
        "A batch names 1 to {limit} different settlers, or none where it settles itself; here are {found}."
    )
    advice: ClassVar[str] = "Choose auto or settlers, not both."
    found: int
    limit: int


@dataclass(eq=False)
class TermsDiffer(Rejected):
    """The batch on the ledger is not the one that was affirmed."""

    code: ClassVar[str] = "settlement.terms_differ"
    says: ClassVar[str] = "The terms of batch {batch} are {terms}."
    advice: ClassVar[str] = "Look at the batch on the ledger before affirming it."
    batch: bytes
    terms: bytes


@dataclass(eq=False)
class NothingAffirmed(Rejected):
    """An affirmation without allocation and approval."""

    code: ClassVar[str] = "settlement.nothing_affirmed"
    says: ClassVar[str] = "The affirmation allocates and approves nothing."
    advice: ClassVar[str] = "Give at least one allocation or approval."


@dataclass(eq=False)
class NothingWithdrawn(Rejected):
    """The party gave nothing that it could take back."""

    code: ClassVar[str] = "settlement.nothing_withdrawn"
    says: ClassVar[str] = "Party {party} has given nothing for batch {batch}."
    advice: ClassVar[str] = "There is nothing to do."
    party: bytes
    batch: bytes


@dataclass(eq=False)
class LegUnknown(Rejected):
    """The batch has no leg with this index."""

    code: ClassVar[str] = "settlement.leg_unknown"
    says: ClassVar[str] = "The batch has {size} legs; there is no leg {leg}, counted from 0."
    advice: ClassVar[str] = "Count legs from 0, in the order of the batch."
    leg: int
    size: int


@dataclass(eq=False)
class AllocatedBefore(Rejected):
    """A leg is allocated once."""

    code: ClassVar[str] = "settlement.allocated_before"
    says: ClassVar[str] = "Leg {leg} is allocated already."
    advice: ClassVar[str] = "Withdraw first to allocate it otherwise."
    leg: int


@dataclass(eq=False)
class ApprovedBefore(Rejected):
    """A leg is approved once."""

    code: ClassVar[str] = "settlement.approved_before"
    says: ClassVar[str] = "Leg {leg} is approved already."
    advice: ClassVar[str] = "Withdraw first to approve it otherwise."
    leg: int


@dataclass(eq=False)
class NotSender(Rejected):
    """Only the sender of a leg passes through or settles outside."""

    code: ClassVar[str] = "settlement.not_sender"
    says: ClassVar[str] = "Party {party} is not the sender of leg {leg}."
    advice: ClassVar[str] = "The sender must allocate it."
    party: bytes
    leg: int


@dataclass(eq=False)
class NotReceiver(Rejected):
    """Only the receiver of a leg passes on, attests what it has outside, or takes into an account open to anybody."""

    code: ClassVar[str] = "settlement.not_receiver"
    says: ClassVar[str] = "Party {party} is not the receiver of leg {leg}."
    advice: ClassVar[str] = "The receiver must approve it."
    party: bytes
    leg: int


@dataclass(eq=False)
class WrongAccount(Rejected):
    """Value comes from an account of the sender and goes into one of the receiver."""

    code: ClassVar[str] = "settlement.wrong_account"
    says: ClassVar[str] = "Account {account} does not belong to the party that leg {leg} needs it of."
    advice: ClassVar[str] = (
        "Name an account whose owner is the leg's sender (allocation) or receiver (approval)."
    )
    account: bytes
    leg: int


@dataclass(eq=False)
class NotInControl(Rejected):
    """Whoever allocates controls the account's debits; whoever approves, its credits."""

    code: ClassVar[str] = "settlement.not_in_control"
    says: ClassVar[str] = "Party {party} may not dispose of account {account} for leg {leg}."
    advice: ClassVar[str] = "The party that controls the account's debits or credits must give this part."
    party: bytes
    account: bytes
    leg: int


@dataclass(eq=False)
class EvidenceDiffers(Rejected):
    """A leg settles outside only where sender and receiver name the same evidence."""

    code: ClassVar[str] = "settlement.evidence_differs"
    says: ClassVar[str] = "Sender and receiver of leg {leg} do not agree on a settlement outside the ledger."
    advice: ClassVar[str] = "Both must give the same hash of the evidence, or settle on the ledger."
    leg: int


@dataclass(eq=False)
class PassThroughMismatch(Rejected):
    """A leg passes on one other leg whole: the same party between, instrument and amount, said on both sides."""

    code: ClassVar[str] = "settlement.pass_through_mismatch"
    says: ClassVar[str] = "Leg {leg} cannot pass on what leg {source} brings."
    advice: ClassVar[str] = (
        "Receiver, instrument and amount of the one must be sender, instrument and amount of the other, "
        "approved as passed on to exactly that leg."
    )
    source: int
    leg: int


@dataclass(eq=False)
class PassThroughCycle(Rejected):
    """A circle of legs that pass on to each other would move nothing."""

    code: ClassVar[str] = "settlement.pass_through_cycle"
    says: ClassVar[str] = "Leg {leg} would be fed by itself."
    advice: ClassVar[str] = "A chain must begin with an own holding."
    leg: int


@dataclass(eq=False)
class ChainTooLong(Rejected):
    """A chain of pass-throughs has a limited number of legs (parameter ``max_chain``)."""

    code: ClassVar[str] = "settlement.chain_too_long"
    says: ClassVar[str] = "The chain that ends in leg {leg} has more than {limit} legs."
    advice: ClassVar[str] = "Settle it through fewer custodians."
    leg: int
    limit: int


@dataclass(eq=False)
class NotComplete(Rejected):
    """A batch settles when all its legs are allocated and approved."""

    code: ClassVar[str] = "settlement.not_complete"
    says: ClassVar[str] = "{missing} allocations and approvals of batch {batch} are missing."
    advice: ClassVar[str] = "The parties must affirm it first."
    batch: bytes
    missing: int


@dataclass(eq=False)
class Irrevocable(Rejected):
    """What was given for a batch cannot be withdrawn while the batch is complete and its deadline ahead."""

    code: ClassVar[str] = "settlement.irrevocable"
    says: ClassVar[str] = "Batch {batch} is complete; nothing can be withdrawn before {deadline_ms} ms."
    advice: ClassVar[str] = "Ask a settler to settle, or the requestor to cancel it."
    batch: bytes
    deadline_ms: int


@dataclass(eq=False)
class BoundByModule(Rejected):
    """A module made the batch and learns how it ends; parts that were withdrawn would end it behind its back."""

    code: ClassVar[str] = "settlement.bound_by_module"
    says: ClassVar[str] = (
        "No value can be withdrawn from batch {batch}: a module made it and must learn how it ends."
    )
    advice: ClassVar[str] = "Cancel it, or what it settles; or wait for its deadline."
    batch: bytes


@dataclass(eq=False)
class NotSettler(Rejected):
    """Only the settlers that the batch names settle it."""

    code: ClassVar[str] = "settlement.not_settler"
    says: ClassVar[str] = "Party {party} is not a settler of batch {batch}."
    advice: ClassVar[str] = "A settler named in the batch must settle it."
    party: bytes
    batch: bytes


@dataclass(eq=False)
class NotRequestor(Rejected):
    """Only the requestor cancels a batch."""

    code: ClassVar[str] = "settlement.not_requestor"
    says: ClassVar[str] = "Party {party} did not create batch {batch}."
    advice: ClassVar[str] = "Withdraw your own part, or ask the requestor to cancel."
    party: bytes
    batch: bytes


ERRORS: tuple[type[Rejected], ...] = (
    BatchUnknown, BatchExists, BatchEnded, DeadlinePast, DeadlineWrong, LegsExceeded, SettlersWrong, TermsDiffer,
    NothingAffirmed, NothingWithdrawn, LegUnknown, AllocatedBefore, ApprovedBefore, NotSender, NotReceiver,
    WrongAccount, NotInControl, EvidenceDiffers, PassThroughMismatch, PassThroughCycle, ChainTooLong, NotComplete,
    Irrevocable, BoundByModule, NotSettler, NotRequestor,
)  # fmt: skip
