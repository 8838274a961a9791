"""What a ledger process answers to those who verify: signed headers of its engine, proofs of its state."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from support.counters import ALICE, SOLO, Add, counter_ledger
from support.light_chain import LightChain
from traco.engine.cometbft.errors import EngineGone, EngineRefused
from traco.kernel.light import LightBlock, SignedHeader, ValidatorSet
from traco.kernel.stateproof import StateProof, verify_presence
from traco.node.light import LedgerLight, LightUnavailable

CHAIN = LightChain("traco-test")


class Headers:
    """An engine that has some blocks."""

    def __init__(self, last: int, *, is_gone: bool = False) -> None:
        self._last, self._is_gone = last, is_gone

    async def signed_header(self, height: int) -> SignedHeader | None:
        if self._is_gone:
            raise EngineGone("engine.gone", "it is being started")
        return CHAIN.block(height).signed if height <= self._last else None

    async def validators(self, height: int) -> ValidatorSet | None:
        return CHAIN.block(height).validators if height <= self._last + 1 else None

    async def relayed(self, method: str, parameters: Mapping[str, str]) -> Any:
        if self._is_gone:
            raise EngineGone("engine.gone", "it is being started")
        return {"method": method, **parameters}


def light(headers: Headers | None) -> LedgerLight:
    return LedgerLight(counter_ledger().application, headers)


def block(headers: Headers | None, height: int) -> LightBlock | None:
    return asyncio.run(light(headers).light_block(height))


def test_a_header_comes_with_its_validators_and_the_next_ones() -> None:
    assert block(Headers(5), 5) == CHAIN.block(5)


def test_a_block_that_the_engine_does_not_have_is_none() -> None:
    assert block(Headers(5), 6) is None


def test_without_an_engine_that_signs_there_are_no_headers() -> None:
    assert block(None, 5) is None


def test_an_engine_that_is_being_started_is_told_apart_from_one_without_the_block() -> None:
    with pytest.raises(LightUnavailable):
        block(Headers(5, is_gone=True), 5)


def test_what_joining_engines_ask_is_handed_on() -> None:
    answer = asyncio.run(light(Headers(5)).relayed("commit", {"height": "5"}))
    assert answer == {"method": "commit", "height": "5"}


@pytest.mark.parametrize("headers", [None, Headers(5)], ids=["no engine", "unknown method"])
def test_nothing_else_is_handed_on(headers: Headers | None) -> None:
    with pytest.raises(EngineRefused):
        asyncio.run(light(headers).relayed("dial_peers" if headers else "commit", {}))


def test_an_engine_that_is_being_started_hands_nothing_on() -> None:
    with pytest.raises(LightUnavailable):
        asyncio.run(light(Headers(5, is_gone=True)).relayed("commit", {"height": "5"}))


def test_keys_are_proven_under_the_root_of_the_state() -> None:
    ledger = counter_ledger()
    ledger.run_block([ledger.transaction([Add(SOLO, "a", 1)], ALICE)])
    key = next(iter(ledger.application.tree.range(b"")))
    proofs = LedgerLight(ledger.application, None).prove((key,))
    (found,) = proofs.keys
    proof = StateProof(
        found.slot, found.leaf_key, found.next_key, found.value_hash, found.siblings, found.slot_count, found.first_empty
    )  # fmt: skip
    assert found.value is not None
    verify_presence(proof, key, found.value, proofs.state_root)
    assert proofs.state_root == ledger.store.blocks[-1].state_root
