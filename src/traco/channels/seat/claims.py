"""What a member says of its snapshot of a channel, and what of that can be known to be true before any piece of it comes.

    root         confirmed the digest of a point C, by name
    the claim    has what the digests of the snapshot's point Q and of all points up to C are of, each the one before of the next
    so           the digest of Q is right, and with it Q's blinded app hash
    the key      of the epoch in force behind Q gives the blind: so the app hash of the head is right
    the head     has the roots of that app hash: each piece leads to them, or is refused (``storage.copying``)

Only a member can do that; nobody else has the key, or is given a snapshot.
"""

from typing import Annotated, Final, NamedTuple

import msgspec

from traco.channels.executing.record import EPOCHS, PROGRESS, Progress
from traco.channels.sealing.blinding import Blinding
from traco.channels.sealing.keys import EpochSecret
from traco.kernel.codec import Codec, Record
from traco.kernel.instruction import KernelParameters
from traco.kernel.merkle import ProofInvalid
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import protocol_of
from traco.kernel.state import State
from traco.modules.channel.digests import PointSummary, point_digest
from traco.modules.channel.parts import Epoch
from traco.storage.copying.form import MAX_HEAD_BYTES, SnapshotHead, SnapshotRefused, Terms, decode_head
from traco.storage.copying.restoring import Restoring, verify_head

MAX_POINTS: Final = 1_024  # from the snapshot's to the confirmed one
MAX_CLAIM_BYTES: Final = 2 * MAX_HEAD_BYTES

OTHER_POINT: Final = "snapshot.other_point"
OLD_WINDOW: Final = "snapshot.old_window"


class Claim(Record, frozen=True, tag="seat.claim/1"):
    """The epoch in force behind the snapshot's point, what the digests from there to a confirmed point are of, the head."""

    epoch: Epoch
    points: Annotated[tuple[PointSummary, ...], msgspec.Meta(min_length=1, max_length=MAX_POINTS)]
    head: Annotated[bytes, msgspec.Meta(max_length=MAX_HEAD_BYTES)]


CLAIM: Final[Codec[Claim]] = Codec(Claim)
_ROOT_LIMITS: Final = Parameters({})


class Believed(NamedTuple):
    """A claim that is true: ``point`` is the snapshot's, ``digest`` is that of it."""

    epoch: int
    point: PointSummary
    digest: bytes
    head: SnapshotHead


def decode_claim(raw: bytes, channel: bytes, ordinal: int) -> Claim:
    """A claim about this point. Raises ``SnapshotRefused``."""
    try:
        claim = CLAIM.decode(raw)
    except ValueError as error:
        raise SnapshotRefused("snapshot.malformed", f"its claim cannot be read ({error})") from None
    before: PointSummary | None = None
    for number, point in enumerate(claim.points, ordinal):
        follows = before is None or point.previous == point_digest(before)
        if (point.channel, point.ordinal) != (channel, number) or not follows:
            raise SnapshotRefused(OTHER_POINT, f"its points do not follow each other from point {ordinal} on")
        before = point
    return claim


def require_confirmed(claim: Claim, confirmed: bytes | None) -> None:
    """Compare with the digest that the root confirmed of the claim's last point. Raises ``SnapshotRefused``."""
    if confirmed is None or point_digest(claim.points[-1]) != confirmed:
        raise SnapshotRefused(
            OTHER_POINT,
            f"the root has confirmed another digest of point {claim.points[-1].ordinal}, or none by name",
        )


def believe(claim: Claim, genesis: bytes, secret: EpochSecret) -> Believed:
    """What a claim shows whose last point is confirmed. Raises ``SnapshotRefused``."""
    point = claim.points[0]
    try:
        app_hash = decode_head(claim.head).app_hash()
    except ProofInvalid as error:
        raise SnapshotRefused("snapshot.malformed", f"its head cannot be read ({error})") from None
    if Blinding(secret, point.generation, point.ordinal).state_root(app_hash) != point.state:
        raise SnapshotRefused("snapshot.other_state", f"point {point.ordinal} has another app hash")
    head = verify_head(claim.head, genesis, app_hash, point.channel)
    if head.height != point.ordinal:
        raise SnapshotRefused(OTHER_POINT, f"it is of point {head.height}")
    return Believed(claim.epoch, point, point_digest(point), head)


def snapshot_terms(channel: State, root: State) -> Terms:
    """How much history counts in a channel: its protocol, and the longest validity window that the root knows of."""
    return Terms(protocol_of(channel).current, longest_window_ms(root))


def longest_window_ms(root: State) -> int:
    """For how long the root may have ids remembered, as far back as its state has its parameters."""
    windows = [kept.window_ms for kept in _ROOT_LIMITS.versions(root, KernelParameters)]
    return max(windows, default=KernelParameters().window_ms)


class ChannelRestoring(Restoring):
    """Makes a replica's file. ``progress`` and ``epoch`` are those of its state, once it is finished."""

    progress: Progress | None = None
    epoch: int = 0

    def _require_state(self, state: State) -> None:
        """Protocol and place in the stream are in the state; the window is the root's, and was judged before."""
        self.progress, found = PROGRESS.get(state), EPOCHS.get(state)
        if protocol_of(state).current != self.head.protocol or self.progress is None or found is None:
            raise SnapshotRefused("snapshot.untrue", "its state is not that of a channel in its protocol")
        self.epoch = found.epoch
