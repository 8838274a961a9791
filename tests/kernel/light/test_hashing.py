"""Hashes and signed bytes are those of the engine: judged by what a real network hashed and signed."""

import pytest

from support.ledger import Key
from support.light_chain import REAL, REAL_CHAIN
from traco.kernel import crypto
from traco.kernel.light import address, header_hash, sign_bytes, validators_hash
from traco.kernel.merkle import EMPTY_ROOT


@pytest.mark.parametrize("height", REAL)
def test_the_hash_of_a_header_is_the_one_that_the_commit_names(height: int) -> None:
    signed = REAL[height].signed
    assert header_hash(signed.header) == signed.commit.block.hash


@pytest.mark.parametrize("height", REAL)
def test_the_hash_of_a_set_is_the_one_that_the_header_names(height: int) -> None:
    block = REAL[height]
    header = block.signed.header
    assert validators_hash(block.validators) == header.validators_hash
    assert validators_hash(block.next_validators) == header.next_validators_hash


@pytest.mark.parametrize("height", REAL)
def test_every_vote_of_a_real_commit_signs_these_bytes_also_for_no_block(height: int) -> None:
    block = REAL[height]
    for validator, vote in zip(block.validators, block.signed.commit.votes, strict=True):
        if vote is not None:
            assert vote.address == address(validator.key)
            message = sign_bytes(REAL_CHAIN, block.signed.commit, vote)
            crypto.verify(validator.key, message, b"\1" + vote.signature)


def test_the_recorded_commits_have_votes_of_all_kinds_rounds_and_changes_of_the_set() -> None:
    commits = [block.signed.commit for block in REAL.values()]
    votes = [vote for commit in commits for vote in commit.votes]
    assert {vote and vote.for_block for vote in votes} == {None, False, True}
    assert {commit.round > 0 for commit in commits} == {False, True}
    assert sum(block.validators != block.next_validators for block in REAL.values()) == 3


def test_the_first_header_has_no_block_before_it() -> None:
    assert REAL[1].signed.header.last_block.hash == b""


def test_an_address_is_the_beginning_of_the_hash_of_the_key_without_its_scheme() -> None:
    key = Key("ann").public
    assert len(address(key)) == 20
    assert address(key) == address(b"\2" + key[1:])


def test_the_empty_set_has_the_empty_root() -> None:
    assert validators_hash(()) == EMPTY_ROOT
