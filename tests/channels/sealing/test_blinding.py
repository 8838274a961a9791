"""Digests that cannot be guessed, and the proof of one outcome."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sealed import SECRET, seed
from traco.channels.sealing.blinding import Blinding
from traco.channels.sealing.keys import EpochSecret
from traco.kernel.merkle import EMPTY_ROOT, ProofInvalid, root_of
from traco.kernel.receipt import NO_SIGNATURES, Leaf
from traco.modules.channel.digests import outcome_hash, outcomes_root, verify_outcome

BLINDING = Blinding(SECRET, 1, 5)


def leaves(count: int) -> list[Leaf]:
    return [Leaf(seed(f"transaction {each}"), NO_SIGNATURES, b"receipt %d" % each) for each in range(count)]


@given(st.integers(1, 40), st.data())
def test_every_outcome_of_a_point_can_be_shown(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count - 1))
    verify_outcome(
        BLINDING.prove(leaves(count), index), leaves(count)[index], BLINDING.outcomes_root(leaves(count))
    )


def test_a_point_without_outcomes_has_a_root_and_no_proof() -> None:
    assert BLINDING.outcomes_root([]) == outcomes_root([])
    assert BLINDING.outcomes_root([]) != EMPTY_ROOT
    with pytest.raises(ValueError):
        BLINDING.prove([], 0)


def test_a_proof_holds_for_its_own_outcome_only() -> None:
    proof, root = BLINDING.prove(leaves(5), 2), BLINDING.outcomes_root(leaves(5))
    for other in (0, 1, 3, 4):
        with pytest.raises(ProofInvalid):
            verify_outcome(proof, leaves(5)[other], root)


def test_a_proof_tells_nothing_of_its_neighbours_but_salted_hashes() -> None:
    shown = b"".join(BLINDING.prove(leaves(4), 2).path)
    for leaf in leaves(4):
        assert leaf.identity not in shown
        assert outcome_hash(bytes(32), leaf) not in shown


def test_each_outcome_has_a_salt_of_its_own() -> None:
    salts = {BLINDING.prove(leaves(8), index).salt for index in range(8)}
    assert len(salts) == 8


def test_the_same_content_has_other_digests_in_another_generation_point_or_epoch() -> None:
    others = [
        BLINDING,
        Blinding(SECRET, 2, 5),
        Blinding(SECRET, 1, 6),
        Blinding(EpochSecret(seed("another")), 1, 5),
    ]
    assert len({each.state_root(bytes(32)) for each in others}) == 4
    assert len({each.outcomes_root(leaves(3)) for each in others}) == 4


def test_a_blinded_root_is_none_that_follows_from_the_state_alone() -> None:
    assert BLINDING.state_root(seed("app hash")) != seed("app hash")
    assert BLINDING.outcomes_root(leaves(1)) not in {
        root_of([outcome_hash(bytes(32), leaves(1)[0])]),
        outcomes_root([outcome_hash(bytes(32), leaves(1)[0])]),
    }
