"""The hashes of channels that everybody can check who is shown what they are of. Not what needs a key: `channels.sealing`.

copy hash        digest("traco/epoch-copy/1", wrapped copy)
key commitment   digest("traco/epoch-key/1", encode((network, channel, epoch, value derived from the key)))
blinded root     digest("traco/blinded/1", blind, app hash)
outcome          digest("traco/outcome/1", salt, transaction leaf, receipt);  a leaf of a Merkle tree (RFC 6962)
outcomes root    digest("traco/outcomes/1", number of leaves in 8 bytes, root of that tree)
point            digest("traco/point/1", encode((channel, generation, ordinal, digest of the point before, chain, blinded
                 root, outcomes root, leg results)))

The hash of a payload is ``signing.payload_hash``. The outcomes root has the number of leaves in it, so that a path proves for one index of one number of leaves only.
"""

from collections.abc import Sequence
from typing import Final

from traco.kernel.codec import Count, Hash, Record, digest, encode
from traco.kernel.merkle import leaf_hash, require, require_hash, root_of, verify_inclusion
from traco.kernel.receipt import Leaf
from traco.kernel.transaction import transaction_leaf
from traco.modules.channel.parts import ChannelId, LegResult, Number

COPY_TAG: Final = b"traco/epoch-copy/1"
KEY_TAG: Final = b"traco/epoch-key/1"
BLINDED_TAG: Final = b"traco/blinded/1"
OUTCOME_TAG: Final = b"traco/outcome/1"
OUTCOMES_TAG: Final = b"traco/outcomes/1"
POINT_TAG: Final = b"traco/point/1"

FIRST_DIGEST: Final = bytes(32)
"""Stands for the digest before a channel's first point."""


class PointSummary(Record, frozen=True):
    """What a point's digest covers. Nothing in it tells of content: the root is blinded, and outcomes are salted."""

    channel: ChannelId
    generation: Count
    ordinal: Number
    previous: Hash
    chain: Hash
    state: Hash  # blinded
    outcomes: Hash
    legs: tuple[LegResult, ...]


class OutcomeProof(Record, frozen=True):
    """Shows one outcome below an outcomes root, and nothing of the others but how many there are.

    ``tree`` is the Merkle root over all ``count`` of them.
    """

    salt: Hash
    index: Count
    count: Count
    tree: Hash
    path: tuple[Hash, ...]


def copy_hash(copy: bytes) -> bytes:
    """The hash (32 bytes) of a wrapped copy, as an offer names it."""
    return digest(COPY_TAG, copy)


def key_commitment(network: bytes, channel: bytes, epoch: int, derived: bytes) -> bytes:
    """What the root knows of an epoch's key; ``derived`` comes from the key for this purpose alone."""
    return digest(KEY_TAG, encode((network, channel, epoch, derived)))


def blinded(blind: bytes, root: bytes) -> bytes:
    """An app hash that nobody can compare with a guess who has not the ``blind`` (32 bytes)."""
    return digest(BLINDED_TAG, blind, root)


def outcome_hash(salt: bytes, leaf: Leaf) -> bytes:
    """The leaf hash of one outcome: of the salt (32 bytes), the transaction leaf and the receipt."""
    return leaf_hash(
        digest(OUTCOME_TAG, salt, transaction_leaf(leaf.identity, leaf.signatures), leaf.receipt)
    )


def outcomes_root(hashes: Sequence[bytes]) -> bytes:
    """The root over the leaf hashes of a point's outcomes, in order."""
    return _counted(len(hashes), root_of(hashes))


def point_digest(point: PointSummary) -> bytes:
    """What members attest of a point."""
    return digest(POINT_TAG, encode(point))


def verify_outcome(proof: OutcomeProof, leaf: Leaf, outcomes: bytes) -> None:
    """Check that ``leaf`` is the outcome at the proof's index below the outcomes root. Raises ``ProofInvalid`` otherwise.

    The parts are those of decoded records: their lengths are right already, except for the leaf's, which come apart.
    """
    require_hash(leaf.identity, "identity is not a hash")
    require_hash(leaf.signatures, "hash of signatures is not a hash")
    require(_counted(proof.count, proof.tree) == outcomes, "outcomes root differs")
    verify_inclusion(outcome_hash(proof.salt, leaf), proof.index, proof.count, proof.path, proof.tree)


def _counted(count: int, root: bytes) -> bytes:
    return digest(OUTCOMES_TAG, count.to_bytes(8, "big"), root)
