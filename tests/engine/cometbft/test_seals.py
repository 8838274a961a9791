"""Handovers of validators are found among the engine's headers, kept, and make seals that the founding set can judge."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from support.light_chain import FOUNDERS, LightChain, light_genesis, set_of
from traco.engine.cometbft.errors import EngineRefused
from traco.engine.cometbft.seals import HandoverStore, Seals
from traco.kernel.genesis import network_id
from traco.kernel.light import SignedHeader, ValidatorSet, chain_id, verify_evidence

CHAIN = chain_id(network_id(light_genesis()))
FIVE = {**FOUNDERS, "eve": 10}
OTHERS = {"ben": 10, "cas": 10, "dot": 10, "eve": 10}


class Engine:
    """Answers for a chain whose sets change at these heights: from there on that set signs."""

    def __init__(self, changes: Mapping[int, Mapping[str, int]], tip: int, **signing: Any) -> None:
        self._changes, self.tip, self._signing = {1: FOUNDERS, **changes}, tip, signing
        self._chain = LightChain(CHAIN)
        self.asked = 0

    def _set(self, height: int) -> Mapping[str, int]:
        return self._changes[max(each for each in self._changes if each <= height)]

    async def signed_header(self, height: int) -> SignedHeader | None:
        """The header and its commit, up to the tip."""
        self.asked += 1
        if not 1 <= height <= self.tip:
            return None
        header = self._chain.header(height, self._set(height), self._set(height + 1))
        return self._chain.signed(header, self._set(height), **self._signing)

    async def validators(self, height: int) -> ValidatorSet | None:
        """The set that signs a height."""
        await asyncio.sleep(0)
        return set_of(self._set(height)) if height <= self.tip + 1 else None


def seals_of(engine: Engine, path: Path) -> Seals:
    return Seals(engine, HandoverStore(path), set_of(FOUNDERS))


def proven(raw: bytes) -> tuple[int, int]:
    """The height that evidence proves under the founders, and how many handovers it has."""
    proof = verify_evidence(raw, CHAIN, set_of(FOUNDERS))
    return proof.height, proof.handovers


def test_a_seal_of_the_founding_set_needs_no_handover(tmp_path: Path) -> None:
    seals = seals_of(Engine({}, 10), tmp_path / "evidence.db")
    assert proven(asyncio.run(seals.evidence(9))) == (9, 0)


@pytest.mark.parametrize("tip", [4, 5, 6, 7, 30, 900])
def test_a_handover_is_found_wherever_it_was(tmp_path: Path, tip: int) -> None:
    seals = seals_of(Engine({4: FIVE}, tip), tmp_path / "evidence.db")
    assert proven(asyncio.run(seals.evidence(tip - 1))) == (tip - 1, 1)


def test_several_handovers_between_two_looks_are_all_found(tmp_path: Path) -> None:
    engine = Engine({7: FIVE, 8: OTHERS, 90: {**OTHERS, "fay": 10}}, 100)
    assert proven(asyncio.run(seals_of(engine, tmp_path / "evidence.db").evidence(99))) == (99, 3)


def test_a_set_that_came_back_between_two_looks_needs_no_handover(tmp_path: Path) -> None:
    engine = Engine({7: FIVE, 8: FOUNDERS}, 100)
    assert proven(asyncio.run(seals_of(engine, tmp_path / "evidence.db").evidence(99))) == (99, 0)


def test_handovers_are_kept_when_the_engine_has_pruned_their_blocks(tmp_path: Path) -> None:
    path = tmp_path / "evidence.db"
    engine = Engine({7: FIVE, 20: OTHERS}, 50)
    asyncio.run(seals_of(engine, path).follow(50))
    before = engine.asked
    assert proven(asyncio.run(seals_of(engine, path).evidence(49))) == (49, 2)
    assert engine.asked - before == 2  # the newest header alone, for the look and for the seal


def test_one_whose_signatures_only_the_engine_accepts_does_not_keep_seals_from_being_made(
    tmp_path: Path,
) -> None:
    engine = Engine({4: FIVE, 9: OTHERS}, 20, odd=["ben"], absent=["cas"])
    seals = seals_of(engine, tmp_path / "evidence.db")
    assert proven(asyncio.run(seals.evidence(2))) == (2, 0)
    assert proven(asyncio.run(seals.evidence(19))) == (19, 2)


def test_two_that_look_at_once_keep_a_handover_once(tmp_path: Path) -> None:
    async def both(seals: Seals) -> tuple[int, int]:
        raw, _ = await asyncio.gather(seals.evidence(19), seals.follow(20))
        return proven(raw)

    assert asyncio.run(both(seals_of(Engine({4: FIVE}, 20), tmp_path / "evidence.db"))) == (19, 1)


def test_a_block_that_the_engine_does_not_have_has_no_seal(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match=r"engine\.no_block"):
        asyncio.run(seals_of(Engine({}, 10), tmp_path / "evidence.db").evidence(10))


def test_an_engine_with_another_founding_set_is_refused(tmp_path: Path) -> None:
    engine = Engine({1: OTHERS}, 10)
    with pytest.raises(EngineRefused, match=r"engine\.(no_handover|no_block|commit_invalid)"):
        asyncio.run(seals_of(engine, tmp_path / "evidence.db").evidence(9))


def test_more_handovers_than_evidence_holds_are_a_refusal_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.kernel.light.evidence.MAX_HANDOVERS", 1)
    seals = seals_of(Engine({4: FIVE, 7: OTHERS}, 20), tmp_path / "evidence.db")
    with pytest.raises(EngineRefused, match=r"engine\.evidence_too_large"):
        asyncio.run(seals.evidence(19))
