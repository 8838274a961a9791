"""What is hashed of a point, and how one outcome is shown."""

from typing import Any

import msgspec
import pytest

from support.sealed import CHANNEL, seed
from traco.kernel.merkle import ProofInvalid, inclusion_path, root_of
from traco.kernel.receipt import NO_SIGNATURES, Leaf
from traco.modules.channel.digests import (
    FIRST_DIGEST,
    OutcomeProof,
    PointSummary,
    blinded,
    outcome_hash,
    outcomes_root,
    point_digest,
    verify_outcome,
)
from traco.modules.channel.parts import LegResult

SUMMARY = PointSummary(
    CHANNEL, 0, 1, FIRST_DIGEST, seed("chain"), seed("state"), seed("outcomes"), (LegResult(seed("attempt"), True),)
)  # fmt: skip
LEAVES = [Leaf(seed(f"id {number}"), NO_SIGNATURES, b"receipt %d" % number) for number in range(6)]
SALTS = [seed(f"salt {number}") for number in range(6)]
HASHES = [outcome_hash(salt, leaf) for salt, leaf in zip(SALTS, LEAVES, strict=True)]
ROOT = outcomes_root(HASHES)
PROOF = OutcomeProof(SALTS[4], 4, 6, root_of(HASHES), inclusion_path(HASHES, 4))


@pytest.mark.parametrize(
    ("field", "value"),
    [("channel", seed("other")), ("generation", 1), ("ordinal", 2), ("previous", seed("other")), ("chain", seed("other")),
     ("state", seed("other")), ("outcomes", seed("other")), ("legs", ()), ("legs", (LegResult(seed("attempt"), False),)),
     ("legs", (LegResult(seed("other"), True),))],
)  # fmt: skip
def test_a_digest_covers_every_part_of_a_point(field: str, value: Any) -> None:
    changed = msgspec.structs.replace(SUMMARY, **{field: value})
    assert point_digest(changed) != point_digest(SUMMARY)


def test_a_blinded_root_depends_on_blind_and_root() -> None:
    found = {blinded(seed(blind), seed(root)) for blind in ("a", "b") for root in ("c", "d")}
    assert len(found) == 4


def test_a_genuine_proof_passes() -> None:
    verify_outcome(PROOF, LEAVES[4], ROOT)


@pytest.mark.parametrize(
    ("field", "value"),
    [("salt", SALTS[3]), ("index", 5), ("index", 3), ("index", 6), ("count", 5), ("count", 7), ("count", 0),
     ("tree", seed("other")), ("path", ()), ("path", (seed("other"), *PROOF.path[1:])), ("path", (*PROOF.path, seed("more")))],
)  # fmt: skip
def test_a_proof_with_another_part_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ProofInvalid):
        verify_outcome(msgspec.structs.replace(PROOF, **{field: value}), LEAVES[4], ROOT)


@pytest.mark.parametrize(
    "leaf",
    [LEAVES[4]._replace(identity=seed("other")), LEAVES[4]._replace(signatures=seed("other")),
     LEAVES[4]._replace(receipt=b"other"), LEAVES[4]._replace(identity=b""),
     LEAVES[4]._replace(identity=LEAVES[4].identity + NO_SIGNATURES[:1], signatures=NO_SIGNATURES[1:])],
)  # fmt: skip
def test_another_outcome_is_refused(leaf: Leaf) -> None:
    with pytest.raises(ProofInvalid):
        verify_outcome(PROOF, leaf, ROOT)


@pytest.mark.parametrize("root", [seed("other"), b"", root_of(HASHES)])
def test_another_root_is_refused(root: bytes) -> None:
    with pytest.raises(ProofInvalid):
        verify_outcome(PROOF, LEAVES[4], root)


def test_an_inner_node_is_no_outcome() -> None:
    """Leaves and nodes are hashed apart, so no proof can claim one for the other."""
    inner = root_of(HASHES[:2])
    assert inner not in HASHES
    assert outcomes_root([inner]) != outcomes_root(HASHES[:2])
