"""Signatures on a transaction: as many as the policies need, and not one more."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.counters import ALICE, BOB, EITHER, PAIR, SOLO, Add, Odd, counter_ledger
from traco.kernel.authorisation import authorise
from traco.kernel.errors import PartyUnknown, Refused, SignatureMissing, SignatureSuperfluous
from traco.kernel.instruction import Instruction, PartyInstruction
from traco.kernel.module import Requirement
from traco.kernel.operations import SetParameters
from traco.kernel.state import State
from traco.kernel.statetree import StateTree

KEYS = tuple(bytes([1]) + bytes([number]) * 32 for number in range(5))
A, B, C = KEYS[:3]


class Table:
    """An authority that looks a requirement up by (party, tag) or party."""

    def __init__(self, policies: dict[Any, Requirement]) -> None:
        self._policies = policies

    def requirement(self, state: State, party: bytes, instruction: Instruction) -> Requirement | None:
        named = getattr(instruction, "name", "")
        return self._policies.get((party, named), self._policies.get(party))

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        return None

    def council(self, state: State) -> tuple[tuple[bytes, ...], int]:
        return (), 0


def policy(threshold: int, *keys: bytes) -> Requirement:
    return Requirement(frozenset(keys), threshold)


def check(policies: dict[Any, Requirement], instructions: list[Instruction], *signers: bytes) -> None:
    authorise(Table(policies), State(StateTree()), instructions, signers)


def accepts(
    policies: dict[Any, Requirement], instructions: list[Instruction], signers: tuple[bytes, ...]
) -> bool:
    try:
        check(policies, instructions, *signers)
    except Refused:
        return False
    return True


def add(party: bytes, name: str = "x") -> PartyInstruction:
    return Add(party, name, 1)


def test_one_signature_of_one_key_suffices() -> None:
    check({SOLO: policy(1, A)}, [add(SOLO)], A)


def test_a_missing_signature_is_counted() -> None:
    with pytest.raises(SignatureMissing) as caught:
        check({SOLO: policy(3, A, B, C)}, [add(SOLO)], A, C)
    assert (caught.value.party, caught.value.threshold, caught.value.found) == (SOLO, 3, 2)


def test_the_first_superfluous_signature_is_named() -> None:
    with pytest.raises(SignatureSuperfluous) as caught:
        check({SOLO: policy(1, A)}, [add(SOLO)], A, B, C)
    assert caught.value.key == B


def test_more_than_the_threshold_are_all_superfluous() -> None:
    with pytest.raises(SignatureSuperfluous):
        check({SOLO: policy(2, A, B, C)}, [add(SOLO)], A, B, C)


def test_an_unknown_party_is_named() -> None:
    with pytest.raises(PartyUnknown) as caught:
        check({SOLO: policy(1, A)}, [add(SOLO), add(PAIR)], A)
    assert caught.value.party == PAIR


def test_a_key_of_two_parties_signs_for_both() -> None:
    check({SOLO: policy(1, A), PAIR: policy(2, A, B)}, [add(SOLO), add(PAIR)], A, B)


def test_a_key_too_many_for_one_party_may_be_needed_by_another() -> None:
    check(
        {EITHER: policy(1, A, B), SOLO: policy(1, A), PAIR: policy(1, B)},
        [add(EITHER), add(SOLO), add(PAIR)],
        A,
        B,
    )


def test_each_instruction_has_its_own_threshold() -> None:
    policies = {(SOLO, "small"): policy(1, A, B), (SOLO, "large"): policy(2, A, B)}
    check(policies, [add(SOLO, "small"), add(SOLO, "large")], A, B)
    assert not accepts(policies, [add(SOLO, "small"), add(SOLO, "large")], (A,))
    assert not accepts(policies, [add(SOLO, "small")], (A, B))


def test_every_actor_of_an_instruction_signs() -> None:
    decision = SetParameters((SOLO, PAIR), "counter", b"x")
    policies = {SOLO: policy(1, A), PAIR: policy(1, B)}
    check(policies, [decision], A, B)
    assert not accepts(policies, [decision], (A,))


def test_a_threshold_below_one_counts_as_one() -> None:
    policies = {SOLO: policy(0, A)}
    assert not accepts(policies, [add(SOLO)], ())
    check(policies, [add(SOLO)], A)


def test_an_instruction_without_actors_cannot_be_authorised() -> None:
    with pytest.raises(PartyUnknown):
        check({SOLO: policy(1, A)}, [Odd(SOLO, "nobody")])


requirements = st.builds(
    lambda keys, threshold: policy(threshold, *keys),
    st.sets(st.sampled_from(KEYS), min_size=1),
    st.integers(1, 4),
)
PARTIES = (SOLO, PAIR, EITHER)


@given(
    st.tuples(requirements, requirements, requirements),
    st.lists(st.sampled_from(PARTIES), min_size=1, max_size=3),
)
def test_exactly_the_minimal_sufficient_sets_are_accepted(chosen: Any, parties: list[bytes]) -> None:
    policies = dict(zip(PARTIES, chosen, strict=True))
    instructions: list[Instruction] = [add(party) for party in parties]

    def suffices(signers: tuple[bytes, ...]) -> bool:
        return all(
            len(policies[party].keys.intersection(signers)) >= policies[party].threshold for party in parties
        )

    for size in range(len(KEYS) + 1):
        for signers in combinations(KEYS, size):
            without_one = [signers[:index] + signers[index + 1 :] for index in range(size)]
            minimal = suffices(signers) and not any(suffices(fewer) for fewer in without_one)
            assert accepts(policies, instructions, signers) == minimal


@pytest.mark.parametrize(
    ("party", "keys", "code"),
    [
        (SOLO, [ALICE], None),
        (SOLO, [], "transaction.signature_missing"),
        (SOLO, [BOB], "transaction.signature_missing"),
        (SOLO, [ALICE, BOB], "transaction.signature_superfluous"),
        (PAIR, [ALICE, BOB], None),
        (PAIR, [BOB], "transaction.signature_missing"),
        (EITHER, [BOB], None),
        (EITHER, [ALICE, BOB], "transaction.signature_superfluous"),
        (b"nobody".ljust(16), [ALICE], "transaction.party_unknown"),
    ],
)
def test_a_ledger_asks_its_authority(party: bytes, keys: list[Any], code: str | None) -> None:
    answer = counter_ledger().submit(Add(party, "x", 1), keys=keys)
    assert (answer.failure and answer.failure.code) == code
    assert (answer.leaf < 0) == (code is not None)
