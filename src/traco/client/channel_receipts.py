"""The receipt of one transaction in a confidential channel, for somebody outside it: judged by the founding genesis alone.

    transaction, outcome, events
      └─ salted, below the outcomes root of a point of the channel
           └─ whose digest, perhaps by way of those of later points, is what the channel's members attest alike
                └─ as the root says in the event ``channel.confirmed``, which a finality receipt proves

It discloses that transaction, and how many outcomes its point has; of others nothing, and nothing of the channel's state.
What it proves assumes what the root's receipt does, and that no more members of the channel are faulty than its terms say.

    ReceiptInvalid (kernel.finality)    ``channel_receipt.malformed``, ``.mismatch``, ``.path``, ``.chain``, ``.not_confirmed``; and whatever
                                        is wrong with the root's receipt
"""

from typing import Annotated, Final, NamedTuple, NoReturn

import msgspec

from traco.kernel.codec import Codec, Record, encode
from traco.kernel.finality import (
    MAX_RECEIPT_BYTES,
    Outcome,
    ReceiptInvalid,
    Verified,
    judge_outcome,
    verify_receipt,
)
from traco.kernel.merkle import ProofInvalid
from traco.kernel.receipt import Leaf
from traco.modules.channel.digests import OutcomeProof, PointSummary, point_digest, verify_outcome
from traco.modules.channel.events import Confirmed

MAX_POINTS: Final = 1_024
MAX_BYTES: Final = 2 * MAX_RECEIPT_BYTES

_CONFIRMED: Final = str(Confirmed.__struct_config__.tag)
_TAG: Final = "traco.channel-receipt/1"


class ChannelReceipt(Record, frozen=True, tag=_TAG):
    """The file. ``points``: the one of the outcome, and those behind it up to the one that ``confirmation`` is about."""

    transaction: bytes  # as signed
    receipt: bytes  # the encoded outcome and events
    proof: OutcomeProof
    points: Annotated[tuple[PointSummary, ...], msgspec.Meta(min_length=1, max_length=MAX_POINTS)]
    confirmation: bytes  # a finality receipt of the root


class VerifiedInChannel(NamedTuple):
    """What a valid file proves: what became of a transaction at a point of a channel, and the root's word on that."""

    channel: bytes
    ordinal: int
    outcome: Outcome
    root: Verified


_FILE: Final[Codec[ChannelReceipt]] = Codec(ChannelReceipt)
_BEGINNING: Final = encode((_TAG, *[None] * len(ChannelReceipt.__struct_fields__)))[: 2 + len(_TAG)]


def make_channel_receipt(
    transaction: bytes, receipt: bytes, proof: OutcomeProof, points: tuple[PointSummary, ...], confirmation: bytes
) -> bytes:  # fmt: skip
    """The file. Whether its parts fit together is what ``verify_channel_receipt`` says."""
    return encode(ChannelReceipt(transaction, receipt, proof, points, confirmation))


def is_channel_receipt(raw: bytes) -> bool:
    """Whether a file is meant to be one: by how it begins."""
    return raw.startswith(_BEGINNING)


def verify_channel_receipt(raw: bytes, genesis: bytes) -> VerifiedInChannel:
    """What the file proves under the genesis document. Raises ``ReceiptInvalid``, never anything else."""
    if len(raw) > MAX_BYTES:
        _fail("malformed", f"{len(raw)} bytes, the limit is {MAX_BYTES}")
    try:
        file = _FILE.decode(raw)
    except ValueError as error:
        _fail("malformed", str(error))
    root = verify_receipt(file.confirmation, genesis)
    outcome = judge_outcome(file.transaction, file.receipt, root.network)
    first = file.points[0]
    if outcome.body.ledger != first.channel:
        _fail("mismatch", "the transaction is of another ledger than the point")
    try:
        verify_outcome(file.proof, Leaf(outcome.identity, outcome.signatures, file.receipt), first.outcomes)
    except ProofInvalid as error:
        _fail("path", f"the outcome is not where the path says: {error.reason}")
    _require_confirmed(root, file.points[-1], _chained(file.points))
    return VerifiedInChannel(first.channel, first.ordinal, outcome, root)


def _chained(points: tuple[PointSummary, ...]) -> bytes:
    """The digest of the last of these points, each of which contains the digest of the one before."""
    digest, before = point_digest(points[0]), points[0]
    for point in points[1:]:
        follows = point.channel == before.channel and point.ordinal == before.ordinal + 1
        if not follows or point.previous != digest:
            _fail("chain", f"point {point.ordinal} does not follow point {before.ordinal}")
        digest, before = point_digest(point), point
    return digest


def _require_confirmed(root: Verified, point: PointSummary, digest: bytes) -> None:
    wanted = encode((_CONFIRMED, point.channel, point.ordinal, digest))
    # as bytes: values of different types can be equal
    if root.receipt.failure is not None or wanted not in map(encode, root.receipt.events):
        _fail(
            "not_confirmed",
            f"the root does not say that point {point.ordinal} was confirmed with this digest",
        )


def _fail(code: str, reason: str) -> NoReturn:
    raise ReceiptInvalid(f"channel_receipt.{code}", reason)
