"""Receipts of a channel under a seal of the tests' network, made from any parts: a verdict depends on those parts alone."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from independent.forging import NETWORK, SALT, TIME_MS, SigningKey, body_of, outcome_of, sealed, signed
from support.counters import ALICE, SOLO, Add
from traco.channels.sealing.blinding import Blinding
from traco.channels.sealing.keys import EpochSecret
from traco.client.channel_receipts import make_channel_receipt
from traco.kernel.codec import encode
from traco.kernel.receipt import Leaf, Receipt
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import Body, signatures_hash, transaction_id
from traco.modules.channel.digests import FIRST_DIGEST, OutcomeProof, PointSummary, point_digest
from traco.modules.channel.parts import LegResult

CHANNEL: Final = b"\x07" * 32
BLINDING: Final = Blinding(EpochSecret(b"e" * 32), 0, 2)
CONFIRMED: Final = "channel.confirmed/1"


class Paid(NamedTuple):
    """A transaction of a ledger as signed, and its leaf."""

    raw: bytes
    leaf: Leaf


def paid(amount: int = 300, ledger: bytes = CHANNEL, network: bytes = NETWORK) -> Paid:
    """One that succeeded."""
    message = Add(SOLO, "b", amount)
    body = encode(Body(network, ledger, TIME_MS + 60_000, SALT, (message,)))
    signatures = signed(body, SigningKey(ALICE))
    outcome = encode(Receipt(transaction_id(body), None, (("counter.added/1", "b", amount),)))
    leaf = Leaf(transaction_id(body), signatures_hash(signatures), outcome)
    return Paid(encode_transaction(body, signatures), leaf)


def leaves_around(leaf: Leaf, index: int, count: int) -> list[Leaf]:
    """The leaves of a point, one of them given."""
    others = [Leaf(bytes([number]) * 32, bytes(32), b"other %d" % number) for number in range(count)]
    return [*others[:index], leaf, *others[index + 1 :]]


def points_over(
    outcomes: bytes, later: int = 0, legs: tuple[LegResult, ...] = ()
) -> tuple[PointSummary, ...]:
    """A point with these outcomes, and later ones that contain it."""
    points = [PointSummary(CHANNEL, 0, 2, FIRST_DIGEST, b"c" * 32, b"s" * 32, outcomes, legs)]
    for ordinal in range(3, 3 + later):
        points.append(
            PointSummary(CHANNEL, 0, ordinal, point_digest(points[-1]), b"c" * 32, b"s" * 32, bytes(32), legs)
        )
    return tuple(points)


def saying(*events: Any, failure: bytes = b"\xc0") -> bytes:
    """A root's receipt with these events."""
    body = body_of()
    return sealed(body, outcome_of(body, encode(tuple(events)), failure))


def confirming(points: Sequence[PointSummary]) -> bytes:
    """The root's receipt that says that the last of these points was confirmed, among other things."""
    last = points[-1]
    said = [CONFIRMED, last.channel, last.ordinal, point_digest(last)]
    return saying(["counter.added/1", "b", 1], [CONFIRMED, b"\x08" * 32, 5, bytes(32)], said)


class Scene(NamedTuple):
    """The parts of a file that holds."""

    paid: Paid
    proof: OutcomeProof
    points: tuple[PointSummary, ...]
    confirmation: bytes

    def file(self, **changes: Any) -> bytes:
        """It, with other parts."""
        scene = self._replace(**changes)
        return make_channel_receipt(
            scene.paid.raw, scene.paid.leaf.receipt, scene.proof, scene.points, scene.confirmation
        )


def scene(
    index: int = 2, count: int = 5, later: int = 0, what: Paid | None = None, legs: tuple[LegResult, ...] = ()
) -> Scene:
    """The ``index``-th of ``count`` outcomes of a point; the root confirmed one that is ``later`` behind it."""
    payment = what or paid()
    leaves = leaves_around(payment.leaf, index, count)
    points = points_over(BLINDING.outcomes_root(leaves), later, legs)
    return Scene(payment, BLINDING.prove(leaves, index), points, confirming(points))
