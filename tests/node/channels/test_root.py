"""The root as channels see it: its blocks' events, a time that is not behind, seats, and answers to what is submitted."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from support.channel_town import make_members
from traco.channels.seat.ports import RootUnavailable
from traco.kernel.errors import Failure
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, SealTerms, network_id, parse_genesis
from traco.modules.channel.keeper import Keeper
from traco.modules.composition import compose
from traco.node.channels.root import NodeRoot, RootFacts
from traco.node.link import LedgerGone
from traco.node.submission import Result, Status
from traco.storage import SnapshotReader

LATER_MS = 10**13


class Link:
    """Answers submissions with what it was given."""

    def __init__(self, *answers: Any) -> None:
        self._answers = iter(answers)

    async def submit(self, transactions: tuple[bytes, ...], until_final: bool) -> list[Result]:
        assert until_final
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return [Result(bytes(32), Status.FINAL if answer is None else Status.REJECTED, 1, 0, answer)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("root") / "node"
    make_members(made)
    return made


def opened(directory: Path, link: Any = None, **changes: Any) -> Iterator[NodeRoot]:
    genesis = parse_genesis((directory / "genesis.json").read_bytes())
    reader = SnapshotReader(directory / "ledger.db", network_id(genesis))
    yield NodeRoot(reader, compose(), replace(genesis, **changes), link, lambda: LATER_MS)
    reader.close()


@pytest.fixture
def root(directory: Path) -> Iterator[NodeRoot]:
    yield from opened(directory)


def test_where_one_node_makes_blocks_its_clock_is_the_time(root: NodeRoot) -> None:
    assert root.is_founded
    with root.reading() as found:
        assert (found.height, found.time_ms) == (0, LATER_MS)


def test_where_validators_agree_the_time_is_that_of_the_last_block(directory: Path) -> None:
    for root in opened(directory, seal=SealTerms(SIGNED_BY_VALIDATORS, "")):
        with root.reading() as found:
            assert found.time_ms < LATER_MS


def test_a_custodian_is_told_the_same(root: NodeRoot) -> None:
    facts = RootFacts(root, Keeper())
    assert (facts.time_ms, facts.max_order_ahead_ms) == (LATER_MS, 3_600_000)
    assert facts.standing(b"7" * 32) is None
    assert facts.network == network_id(root.genesis)


def test_the_founding_is_no_news_and_there_are_no_seats(root: NodeRoot) -> None:
    assert list(root.blocks(0, 64)) == []
    assert root.peers() == {}
    assert root.seats_changed is False


def test_answers_are_codes_and_refusals_are_counted(directory: Path) -> None:
    async def scene(root: NodeRoot) -> list[str]:
        return [(await root.submit(b"one")).code, (await root.submit(b"two")).code]

    for root in opened(directory, Link(Failure("channel.not_open", ()), None)):
        assert asyncio.run(scene(root)) == ["channel.not_open", ""]
        assert root.refusals == 1


def test_a_ledger_process_that_is_gone_leaves_the_outcome_open(directory: Path) -> None:
    for root in opened(directory, Link(LedgerGone())):
        with pytest.raises(RootUnavailable):
            asyncio.run(root.submit(b"one"))


def test_after_a_start_what_was_read_before_it_is_no_block_to_wait_for(root: NodeRoot) -> None:
    assert list(root.blocks(7, 64)) == []
    assert root.read_height == 7
