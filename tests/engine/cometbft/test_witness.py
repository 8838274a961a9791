"""Evidence for a snapshot's height: given from a node's seals, and believed only if the founding validators lead to it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.light_chain import FOUNDERS, LightChain, set_of
from traco.engine.cometbft.relay import trust_of
from traco.engine.cometbft.seals import HandoverStore, Seals
from traco.engine.cometbft.witness import SealWitness
from traco.kernel.light import LightInvalid, SignedHeader, ValidatorSet, header_hash

CHAIN = "traco-test"
LATER = {"ann": 10, "ben": 10, "cas": 10, "eve": 10}


class Engine:
    """Has the blocks of a chain on which Eve took Dot's place after block 4."""

    def __init__(self) -> None:
        chain = LightChain(CHAIN)
        self.blocks = {height: chain.block(height) for height in range(1, 4)}
        self.blocks[4] = chain.block(4, FOUNDERS, LATER)
        self.blocks |= {height: chain.block(height, LATER) for height in range(5, 9)}

    async def signed_header(self, height: int) -> SignedHeader | None:
        found = self.blocks.get(height)
        return None if found is None else found.signed

    async def validators(self, height: int) -> ValidatorSet | None:
        found = self.blocks.get(height)
        return None if found is None else found.validators


class Node:
    """A node's seals and the witness over them."""

    def __init__(self, folder: Path, engine: Engine) -> None:
        self.store = HandoverStore(folder / "evidence.db")
        self.seals = Seals(engine, self.store, set_of(FOUNDERS))
        self.witness = SealWitness(self.seals, CHAIN, set_of(FOUNDERS))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    engine = Engine()
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    made = Node(tmp_path / "old", engine), Node(tmp_path / "new", engine)
    yield made
    for node in made:
        node.store.close()


def test_evidence_of_one_node_is_believed_by_another_and_its_handovers_kept(nodes: tuple[Node, Node]) -> None:
    old, new = nodes
    evidence = asyncio.run(old.witness.evidence(6))
    app_hash = Engine().blocks[7].signed.header.app_hash
    new.witness.verify(evidence, 6, app_hash)
    new.witness.adopt(evidence)
    assert new.seals.handovers == old.seals.handovers
    assert len(new.seals.handovers) == 1
    assert asyncio.run(new.witness.evidence(7)) == asyncio.run(old.witness.evidence(7))


def test_evidence_of_another_height_or_app_hash_is_refused(nodes: tuple[Node, Node]) -> None:
    old, new = nodes
    evidence = asyncio.run(old.witness.evidence(6))
    app_hash = Engine().blocks[7].signed.header.app_hash
    for raw, height, wanted in (
        (evidence, 5, app_hash),
        (evidence, 6, bytes(32)),
        (evidence[:-1], 6, app_hash),
    ):
        with pytest.raises(LightInvalid):
            new.witness.verify(raw, height, wanted)


def test_evidence_before_any_handover_brings_none(nodes: tuple[Node, Node]) -> None:
    old, new = nodes
    new.witness.adopt(asyncio.run(old.witness.evidence(2)))
    assert new.seals.handovers == ()


def test_a_light_client_begins_at_the_header_that_evidence_ends_with(nodes: tuple[Node, Node]) -> None:
    old, _ = nodes
    evidence = asyncio.run(old.witness.evidence(6))
    trust = trust_of(evidence, CHAIN, set_of(FOUNDERS))
    assert trust == (7, header_hash(Engine().blocks[7].signed.header))
    with pytest.raises(LightInvalid):
        trust_of(evidence, CHAIN, set_of(LATER))
