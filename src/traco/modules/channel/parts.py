"""What instructions, entries and records of channels are made of.

Members and vaults stand in ascending order of ids. A *place* is an index into the custodians of an epoch: its members,
then its vaults. An *ordinal* numbers the points of a channel, a *number* the entries of its stream, both from 1.
"""

from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec

from traco.kernel.codec import Code, Count, Hash, Id, Ledger, Record, SignatureBytes, TimeMs
from traco.kernel.transaction import Signature

MAX_MEMBERS: Final = 64
MAX_VAULTS: Final = 16
MAX_LEGS: Final = 16
MAX_RESULTS: Final = 256  # of legs in one point: what one vote has room for
MAX_MOVEMENTS: Final = 64
# Events that a list of words leaves room for at each point: each of its items may suspend a channel in the end. Words that
# there is no room for are not counted, and their member says them again: a list must not fail because it brings much about.
RESERVED_EVENTS: Final = 256
MAX_PAYLOAD_BYTES: Final = 262_144
MAX_COPY_BYTES: Final = 256
MAX_ROOT_LEG_BYTES: Final = 32_768
MAX_ROOT_SIGNATURES: Final = 32
ONE_DAY_MS: Final = 86_400_000

ChannelId = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
BoxKey = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]  # X25519
Certificate = Annotated[bytes, msgspec.Meta(max_length=1_024)]  # X.509, DER; empty where others cannot call
SeatAddress = Annotated[str, msgspec.Meta(max_length=256)]  # an https URL, or empty
Epoch = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
Number = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
Place = Annotated[int, msgspec.Meta(ge=0, lt=MAX_MEMBERS + MAX_VAULTS)]
PayloadBytes = Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_PAYLOAD_BYTES)]
PayloadSize = Annotated[int, msgspec.Meta(ge=1, le=MAX_PAYLOAD_BYTES)]
Votes = Annotated[int, msgspec.Meta(ge=1, le=MAX_MEMBERS)]
Wait = Annotated[int, msgspec.Meta(ge=1_000, le=90 * ONE_DAY_MS)]
SignedAmount = Annotated[int, msgspec.Meta(ge=-(2**63) + 1, le=2**63 - 1)]

Status = Literal["opening", "open", "suspended", "closed"]


class Limits(Record, frozen=True):
    """How long a channel waits for what, in ms of block time, and how much it takes at once.

    ``accept_ms``: for members to accept an epoch. ``answer_ms``: for the bytes of a missing payload. ``resume_ms``: after a
    suspension until the council may act. ``attempt_ms``: the longest a settlement across channels may stay undecided.
    ``decision_blocks``: blocks after its ordering before a deadline counts. ``retention_ms``: how long payloads are kept.
    """

    max_payload_bytes: PayloadSize = 63_488  # a padded size that fits into a root transaction of 65,536 bytes
    accept_ms: Wait = 10 * 60_000
    answer_ms: Wait = 10 * 60_000
    resume_ms: Wait = ONE_DAY_MS
    attempt_ms: Wait = 10 * 60_000
    decision_blocks: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    retention_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] = 0  # 0: for ever


class Terms(Record, frozen=True):
    """Who takes part in a channel, and what it trusts.

    At most ``faults`` (b) members are faulty; a point is confirmed by ``policy`` (m) of the members, and a payload is
    ordered with ``custody`` (k) receipts of other organisations than its sender's. ``modules`` names those of the ledger
    that run inside. The adjudicator, if any, may resume or end a suspended channel.
    """

    members: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=MAX_MEMBERS)]
    vaults: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MAX_VAULTS)]
    faults: Annotated[int, msgspec.Meta(ge=0, lt=MAX_MEMBERS)]
    policy: Votes
    custody: Votes
    adjudicator: Id | None
    modules: Annotated[tuple[Code, ...], msgspec.Meta(min_length=1, max_length=16)]
    limits: Limits = Limits()

    def custodians(self) -> tuple[bytes, ...]:
        """The organisations that receipts are counted of, by place."""
        return self.members + self.vaults


class EpochKey(Record, frozen=True):
    """What the root knows of an epoch's key: a commitment, and the hash of each member's wrapped copy, in their order."""

    commitment: Hash
    copies: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=MAX_MEMBERS)]


class Receipt(Record, frozen=True):
    """A custodian's signature that it holds a payload durably (see ``signing.custody_message``)."""

    place: Place
    signature: SignatureBytes


class Held(Record, frozen=True, tag="held"):
    """A payload that custodians hold: ``order_by`` is when their receipts end."""

    hash: Hash
    size: PayloadSize
    order_by: TimeMs
    receipts: Annotated[tuple[Receipt, ...], msgspec.Meta(min_length=1, max_length=MAX_MEMBERS + MAX_VAULTS)]


class Shown(Record, frozen=True, tag="shown"):
    """A payload on the root itself, where receipts could not be had: ciphertext, which nothing can erase."""

    content: PayloadBytes


class Payload(Record, frozen=True):
    """A payload as the stream names it. ``shown`` holds its bytes where the root carries them."""

    hash: Hash
    size: PayloadSize
    submitter: Id
    shown: PayloadBytes | None


class EdgeMovement(Record, frozen=True):
    """What a leg takes into its ledger (positive) or out of it, of an instrument with a public edge; smallest unit."""

    instrument: Id
    amount: SignedAmount


class LegTerms(Record, frozen=True):
    """One leg as all parties to a settlement see it: where, a salted commitment to its movements, whose attestation it
    needs beside the policy's, and what crosses the ledger's public edge. ``ledger`` is a channel, or empty for the root.
    """

    ledger: Ledger
    commitment: Hash
    attesters: Annotated[tuple[Id, ...], msgspec.Meta(max_length=MAX_MEMBERS)]
    edges: Annotated[tuple[EdgeMovement, ...], msgspec.Meta(max_length=MAX_MOVEMENTS)] = ()


class SettlementTerms(Record, frozen=True):
    """What settles together or not at all. Its id is what allocations and approvals sign (``signing.terms_id``)."""

    salt: Hash
    deadline_ms: TimeMs
    legs: Annotated[tuple[LegTerms, ...], msgspec.Meta(min_length=2, max_length=MAX_LEGS)]


class SealedLeg(Record, frozen=True, tag="sealed"):
    """The sealed transaction of one leg, and the signature of the seat that sealed it (``signing.leg_message``)."""

    epoch: Epoch
    submitter: Id
    payload: Held | Shown
    signature: SignatureBytes


class RootLeg(Record, frozen=True, tag="root"):
    """The leg on the root, in the open: its one instruction, encoded as an array of one, and the signatures of those who
    act in it, in ascending order of keys (``signing.root_leg_message``). They are good for these terms and no others.
    """

    instructions: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_ROOT_LEG_BYTES)]
    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(min_length=1, max_length=MAX_ROOT_SIGNATURES)]


class LegResult(Record, frozen=True):
    """What became of a leg in its channel: held, or refused there."""

    attempt: Hash
    held: bool


class Attested(Record, frozen=True):
    """A member's word on one point: what executing the stream up to it gives."""

    channel: ChannelId
    generation: Count
    ordinal: Number
    digest: Hash
    legs: Annotated[tuple[LegResult, ...], msgspec.Meta(max_length=MAX_RESULTS)] = ()


def is_ascending(ids: tuple[bytes, ...]) -> bool:
    """Whether each stands once, in ascending order."""
    return all(earlier < later for earlier, later in pairwise(ids))
