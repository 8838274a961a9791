"""The instructions of this module, and what batches are made of. Amounts are in the instrument's smallest unit.

The words are those of daml-finance: an allocation is the sender's consent and says where the value comes from, an approval
is the receiver's consent and says where it goes.
"""

from typing import Annotated, Final

import msgspec

from traco.kernel.codec import (
    Code,
    Hash,
    Id,
    PositiveAmount,
    Record,
    Reference,
    Salt,
    TimeMs,
    derive_id,
    digest,
    encode,
)
from traco.kernel.instruction import PartyInstruction

MOST_LEGS: Final = 128  # of any ledger; the parameter ``max_legs`` may be lower
MOST_SETTLERS: Final = 32

LegIndex = Annotated[int, msgspec.Meta(ge=0, lt=MOST_LEGS)]


class SettlementInstruction(Record, frozen=True):
    """One leg of a batch: ``sender`` owes ``amount`` of ``instrument`` to ``receiver`` (both are parties)."""

    sender: Id
    receiver: Id
    instrument: Id
    amount: PositiveAmount
    reference: Reference = b""


class OwnHolding(Record, frozen=True, tag="own"):
    """The value comes from an account of the sender, where it is held for the batch from now on."""

    account: Id


class PassThrough(Record, frozen=True, tag="pass"):
    """The value is what the sender receives by leg ``leg`` of the same batch, whole: a custodian passes it on."""

    leg: LegIndex


class OutsideProof(Record, frozen=True, tag="outside"):
    """The sender settles this leg outside the ledger; ``evidence`` is the hash of what shows it.

    It counts only with the receiver's ``TakenOutside`` of the same evidence: the ledger itself cannot judge it.
    """

    evidence: Hash


Allocation = OwnHolding | PassThrough | OutsideProof


class IntoAccount(Record, frozen=True, tag="into"):
    """The value goes into an account of the receiver."""

    account: Id


class PassedOn(Record, frozen=True, tag="passed"):
    """The value goes on by leg ``leg`` of the same batch, whose allocation is ``PassThrough`` of this one."""

    leg: LegIndex


class TakenOutside(Record, frozen=True, tag="taken"):
    """The receiver attests that it has what ``evidence`` (a hash) shows, outside the ledger."""

    evidence: Hash


Approval = IntoAccount | PassedOn | TakenOutside

Legs = Annotated[tuple[SettlementInstruction, ...], msgspec.Meta(min_length=1, max_length=MOST_LEGS)]
Settlers = Annotated[tuple[Id, ...], msgspec.Meta(max_length=MOST_SETTLERS)]
Allocations = Annotated[tuple[tuple[LegIndex, Allocation], ...], msgspec.Meta(max_length=MOST_LEGS)]
Approvals = Annotated[tuple[tuple[LegIndex, Approval], ...], msgspec.Meta(max_length=MOST_LEGS)]


class CreateBatch(PartyInstruction, frozen=True, tag="settlement.create_batch/1"):
    """Put legs on the ledger that settle all or none. ``party`` is the requestor; the id is ``batch_id(party, salt)``.

    ``auto``: it settles itself with the affirmation that completes it; else any one of ``settlers`` settles it. It
    expires at ``deadline_ms``. Creating binds nobody else. Refused: id in use, too many legs, an unknown or inactive
    party, an unknown or closed instrument, both or neither of ``auto`` and ``settlers``, a deadline past or too far ahead.
    """

    legs: Legs
    settlers: Settlers
    auto: bool
    deadline_ms: TimeMs
    salt: Salt


class Affirm(PartyInstruction, frozen=True, tag="settlement.affirm/1"):
    """Give all of a party's allocations and approvals for a batch at once, each with the index of its leg.

    ``terms`` is ``terms_hash`` of the batch: whoever affirms before the batch is on the ledger is bound to what it was
    shown, not to whatever gets that id. A policy's bands of amounts do not apply to it (a batch may move several
    instruments): the rule without a band decides. Refused: batch ended or past its deadline, other terms, a part that was
    given before or is not this party's to give, an account that does not fit, value that is not available, a chain of
    pass-throughs that does not fit together, is too long or runs in a circle.
    """

    batch: Id
    terms: Hash
    allocations: Allocations
    approvals: Approvals


class Withdraw(PartyInstruction, frozen=True, tag="settlement.withdraw/1"):
    """Take back all allocations and approvals that are this party's to give; what they held is available again.

    Refused once the batch is complete (from then on it is irrevocable until its deadline), and
    where a module made it and value would leave it.
    """

    batch: Id


class Settle(PartyInstruction, frozen=True, tag="settlement.settle/1"):
    """Settle a complete batch, by one of its settlers. All legs and consequences happen, or none of them."""

    batch: Id


class Cancel(PartyInstruction, frozen=True, tag="settlement.cancel/1"):
    """End a batch that has not settled, by its requestor. Everything held for it is released."""

    batch: Id
    reason: Code


def batch_id(requestor: bytes, salt: bytes) -> bytes:
    """The id (16 bytes) of the batch that ``requestor`` creates with ``salt``."""
    return derive_id("batch", requestor, salt)


def terms_hash(
    legs: tuple[SettlementInstruction, ...],
    settlers: tuple[bytes, ...],
    auto: bool,
    deadline_ms: int,
    on_settle: tuple[bytes, ...] = (),
    on_release: tuple[bytes, ...] = (),
) -> bytes:
    """What an affirmation commits to (32 bytes): the legs in their order, who may settle, until when, and what follows.

    The consequences belong to it because a batch of the same legs without them is another deal: one whose delivery is not
    recorded by the module that should.
    """
    content = (legs, settlers, auto, deadline_ms, on_settle, on_release)
    return digest(b"traco/settlement/terms/1", encode(content))
