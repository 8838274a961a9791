"""Of a commit that a gateway hands on, an engine that joins gets what its signatures prove, in the engine's own form."""

from typing import Any

import msgspec
import pytest

from support.light_chain import FOUNDERS, REAL, REAL_CHAIN, LightChain, set_of
from traco.engine.cometbft.answers import read_signed_header
from traco.engine.cometbft.proven import commit_document, proven
from traco.kernel.light import LightInvalid, SignedHeader

CHAIN = "traco-1"
SET = set_of(FOUNDERS)


def block(**signing: Any) -> SignedHeader:
    return LightChain(CHAIN).block(7, **signing).signed


def present(signed: SignedHeader) -> list[bool]:
    return [vote is not None for vote in signed.commit.votes]


def test_what_proves_itself_is_written_as_it_was_read() -> None:
    for signed in (block(), block(absent=("cas",))):
        document = commit_document(proven(signed, SET, CHAIN))
        assert read_signed_header(document["signed_header"]) == signed
        assert document["canonical"] is True


def test_what_a_real_network_signed_is_written_as_it_was_read() -> None:
    for real in REAL.values():
        kept = proven(real.signed, real.validators, REAL_CHAIN)
        assert kept.header == real.signed.header
        assert read_signed_header(commit_document(kept)["signed_header"]) == kept


@pytest.mark.parametrize("signing", [{"forged": ("ben",)}, {"against": ("ben",)}])
def test_a_vote_that_counts_for_nothing_is_left_out(signing: dict[str, Any]) -> None:
    kept = proven(block(**signing), SET, CHAIN)
    assert sorted(present(kept)) == [False, True, True, True]
    assert proven(kept, SET, CHAIN) == kept


@pytest.mark.parametrize(
    ("signing", "code"),
    [
        ({"forged": ("ann", "ben")}, "light.power"),
        ({"against": ("ann", "ben")}, "light.power"),
        ({"absent": ("ann", "ben")}, "light.power"),
    ],
)
def test_too_few_good_votes_prove_nothing(signing: dict[str, Any], code: str) -> None:
    with pytest.raises(LightInvalid, match=code):
        proven(block(**signing), SET, CHAIN)


def test_another_chain_set_or_form_proves_nothing() -> None:
    for signed, validators, chain in (
        (block(), SET, "traco-2"),
        (block(), set_of({"ann": 10, "ben": 10, "cas": 10}), CHAIN),
        (
            msgspec.structs.replace(block(), header=msgspec.structs.replace(block().header, height=8)),
            SET,
            CHAIN,
        ),
        (
            msgspec.structs.replace(block(), header=msgspec.structs.replace(block().header, proposer=b"")),
            SET,
            CHAIN,
        ),
    ):
        with pytest.raises(LightInvalid):
            proven(signed, validators, chain)
