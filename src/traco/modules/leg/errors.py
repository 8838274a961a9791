"""Why a leg is refused.

Rejected
├── Outside                                    no input names a leg
├── TermsDiffer, CommitmentDiffers             it is not the leg that the terms speak of
├── PartiesWrong, NothingMoved                 its form
├── NotInControl, OperatorMissing, EdgeDiffers somebody who must agree did not, or the root was told otherwise
└── NotHeld                                    a decision finds nothing
"""

from dataclasses import dataclass
from typing import ClassVar

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class Outside(Rejected):
    """A leg is held only by the input that an attempt ordered for it."""

    code: ClassVar[str] = "leg.outside"
    says: ClassVar[str] = "A leg cannot be held by a transaction of its own."
    advice: ClassVar[str] = "Submit it as a leg of an attempt."


@dataclass(eq=False)
class TermsDiffer(Rejected):
    """The parties signed other terms than those the attempt is about."""

    code: ClassVar[str] = "leg.terms_differ"
    says: ClassVar[str] = "The attempt is about the terms {terms}."
    advice: ClassVar[str] = "Sign the leg for the terms that are attempted."
    terms: bytes


@dataclass(eq=False)
class CommitmentDiffers(Rejected):
    """Salt and movements do not give the commitment in the terms."""

    code: ClassVar[str] = "leg.commitment_differs"
    says: ClassVar[str] = "The terms commit to another leg: {commitment}."
    advice: ClassVar[str] = "Agree on the movements and their salt first; the terms name their hash."
    commitment: bytes


@dataclass(eq=False)
class PartiesWrong(Rejected):
    """The acting parties stand once each, in ascending order."""

    code: ClassVar[str] = "leg.parties_wrong"
    says: ClassVar[str] = "The acting parties are not in ascending order, or one stands twice."
    advice: ClassVar[str] = "Sort them by id."


@dataclass(eq=False)
class NothingMoved(Rejected):
    """A leg moves something."""

    code: ClassVar[str] = "leg.nothing_moved"
    says: ClassVar[str] = "The leg moves nothing."
    advice: ClassVar[str] = "Leave this ledger out of the terms."


@dataclass(eq=False)
class NotInControl(Rejected):
    """Nobody who acts may dispose of an account."""

    code: ClassVar[str] = "leg.not_in_control"
    says: ClassVar[str] = "None of the acting parties may dispose of account {account}."
    advice: ClassVar[str] = "Whoever controls its debits (or credits, where it receives) must sign too."
    account: bytes


@dataclass(eq=False)
class OperatorMissing(Rejected):
    """What crosses the ledger's edge is on its public edge, without a check on transfers, or an operator agrees."""

    code: ClassVar[str] = "leg.operator_missing"
    says: ClassVar[str] = "No operator of instrument {instrument} agrees that it crosses the ledger's edge."
    advice: ClassVar[str] = (
        "Have an operator sign; or declare the edge in the terms, if its transfers are not checked."
    )
    instrument: bytes


@dataclass(eq=False)
class EdgeDiffers(Rejected):
    """What crosses the public edge is what the terms told the root."""

    code: ClassVar[str] = "leg.edge_differs"
    says: ClassVar[str] = (
        "The leg moves {found} of instrument {instrument} over the edge, the terms say {declared}."
    )
    advice: ClassVar[str] = "Declare in the terms what the leg imports less what it exports."
    instrument: bytes
    found: int
    declared: int


@dataclass(eq=False)
class NotHeld(Rejected):
    """A settlement was committed that this ledger holds nothing for."""

    code: ClassVar[str] = "leg.not_held"
    says: ClassVar[str] = "Attempt {attempt} is committed, but its leg is not held here."
    advice: ClassVar[str] = (
        "This ledger differs from what its members attested: compare with another replica."
    )
    attempt: bytes


ERRORS = (
    Outside, TermsDiffer, CommitmentDiffers, PartiesWrong, NothingMoved, NotInControl, OperatorMissing,
    EdgeDiffers, NotHeld,
)  # fmt: skip
