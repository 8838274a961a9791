"""Whole networks of nodes, driven as CometBFT drives them from a seed: crashes between any two calls, bad proposals, replay.

All nodes must say the same of every block at every repetition; and the same as the embedded engine, given the same envelopes.
"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from random import Random

import pytest

from support.comet_driver import (
    Chain,
    Decided,
    DirectLine,
    DrivenEngine,
    EngineKilled,
    Line,
    SocketLine,
    founding,
)
from support.comet_node import ROOM_BYTES, VALIDATORS, CometNode, Submitter
from support.counters import counter_genesis, counter_registry
from support.gateway import SEAL_SIGNER
from support.memory_store import MemoryStore
from traco.engine.cometbft.abci.messages import Timestamp
from traco.engine.cometbft.abci.server import AbciServer
from traco.engine.embedded.engine import EmbeddedEngine
from traco.kernel.application import Application

COUNTERS = ("a", "b", "set", "power", "peer")
MAX_TX_BYTES = 6_000


def ms(time: Timestamp) -> int:
    return time.seconds * 1_000 + time.nanos // 1_000_000


class Driven:
    """One node: its ledger, its engine, and the socket between them, if there is one."""

    def __init__(self, chain: Chain, socket: Path | None, random: Random) -> None:
        self.node = CometNode()
        self.engine = DrivenEngine(chain)
        self.running = False
        self._socket, self._random = socket, random
        self._server: AbciServer | None = None
        self.halts: list[BaseException] = []

    async def start(self) -> None:
        """Start what does not run, and bring it to the height of the chain."""
        line: Line = DirectLine(self.node.adapter)
        if self._socket is not None:
            if self._server is None:
                self._server = AbciServer(self._socket, self.node.adapter, self.halts.append)
                await self._server.start()
            line = await SocketLine.dial(self._socket, self._random)
        self.running = True
        await self.engine.start(line)
        while self.engine.stored < self.engine.chain.height:
            await self.engine.follow()

    async def crash(self, ledger_too: bool) -> None:
        """The engine is gone, perhaps with the ledger's process."""
        self.running = False
        await self.engine.kill()
        if ledger_too:
            await self.stop()
            self.node.restart()

    async def stop(self) -> None:
        """The socket server ends."""
        if self._server is not None:
            await self._server.stop()
            self._server = None


class Simulation:
    """A few nodes, one chain, one source of chance."""

    def __init__(self, seed: int, sockets: list[Path] | None = None, nodes: int = 3) -> None:
        self.random = Random(seed)
        genesis = counter_genesis()
        terms = CometNode().terms
        limit = genesis.kernel_parameters().max_block_bytes + ROOM_BYTES
        powers = [(key, 10) for key in VALIDATORS]
        self.chain = Chain(founding(terms.chain_id, terms.time_ms, terms.protocol, limit, powers))
        self.nodes = [
            Driven(self.chain, None if sockets is None else sockets[number], self.random)
            for number in range(nodes)
        ]
        self.submitter = Submitter()
        self.crashes = self.refused = 0

    async def run(self, rounds: int) -> None:
        """Rounds of offering, proposing, deciding and crashing; in the end everybody has everything."""
        for _ in range(rounds):
            await self._everywhere_up()
            await self._offer()
            await self._plan_crash()
            await self._round()
        for driven in self.nodes:
            driven.engine.crash_in = -1
        await self._everywhere_up()
        for driven in self.nodes:
            await driven.engine.kill()
            await driven.stop()

    async def _everywhere_up(self) -> None:
        for driven in self.nodes:
            while not driven.running:
                await self._survive(driven, driven.start())

    async def _survive(self, driven: Driven, work: Awaitable[None]) -> None:
        try:
            await work
        except EngineKilled:
            self.crashes += 1
            await driven.crash(ledger_too=self.random.randrange(2) == 0)

    async def _plan_crash(self) -> None:
        if self.random.randrange(2) == 0:
            self.random.choice(self.nodes).engine.crash_in = self.random.randrange(24)

    async def _offer(self) -> None:
        last = self.chain.blocks[-1].time if self.chain.blocks else self.chain.genesis.time
        for _ in range(self.random.randrange(4)):
            names = self.random.choices(COUNTERS, k=self.random.randrange(1, 5))
            envelope = self.submitter.at(ms(last)).envelope(*names)
            for driven in self.random.sample(self.nodes, self.random.randrange(1, len(self.nodes) + 1)):
                if driven.running:
                    await self._survive(driven, self._check(driven, envelope))

    async def _check(self, driven: Driven, envelope: bytes) -> None:
        assert await driven.engine.check(envelope) == [0]

    async def _round(self) -> None:
        """Proposals until one is accepted, also by those who must refuse some."""
        time = self.chain.next_time(self.random)
        proposer = self.random.choice(self.nodes)
        proposed: list[tuple[bytes, ...]] = []

        async def propose() -> None:
            proposed.append(await proposer.engine.propose(time, MAX_TX_BYTES))

        if proposer.running:
            await self._survive(proposer, propose())
        if not proposed:
            return
        if self.random.randrange(3) == 0:
            await self._judged(Decided(self.chain.height + 1, time, self._spoilt(proposed[0])), False)
        block = Decided(self.chain.height + 1, time, proposed[0])
        if await self._judged(block, True):
            self.chain.blocks.append(block)
            for driven in self.nodes:
                if driven.running:
                    await self._survive(driven, driven.engine.follow())

    def _spoilt(self, txs: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """What a dishonest proposer makes of a proposal."""
        garbage = self.submitter.garbage(self.random)
        if txs and self.random.randrange(2) == 0:
            garbage = self.random.choice(txs)  # twice
        if self.chain.blocks and self.random.randrange(3) == 0:
            earlier = [tx for block in self.chain.blocks for tx in block.txs]
            garbage = self.random.choice(earlier) if earlier else garbage
        place = self.random.randrange(len(txs) + 1)
        return (*txs[:place], garbage, *txs[place:])

    async def _judged(self, block: Decided, honest: bool) -> bool:
        """Every node that is up judges alike; whether any did."""
        verdicts: list[bool] = []

        async def judge(driven: Driven) -> None:
            verdicts.append(await driven.engine.judges(block))

        for driven in self.nodes:
            if driven.running:
                await self._survive(driven, judge(driven))
        assert set(verdicts) <= {honest}
        self.refused += not honest
        return bool(verdicts)

    def check(self) -> None:
        """The same blocks on every node, each told once per execution; nothing halted."""
        hashes = [self.chain.agreed[block.height].app_hash for block in self.chain.blocks]
        for driven in self.nodes:
            assert [block.app_hash for block in driven.node.store.blocks[1:]] == hashes
            assert driven.engine.state == driven.engine.stored == self.chain.height
            assert [told.block.height for told in driven.node.blocks] == list(range(1, self.chain.height + 1))
            assert driven.halts == []

    def check_embedded(self) -> None:
        """The embedded engine, offered the same envelopes at the same times, ends in the same app hashes."""
        now = [0]
        genesis = counter_genesis()
        application = Application(genesis, counter_registry(), MemoryStore(), lambda kind, _, error: None)
        engine = EmbeddedEngine(application, SEAL_SIGNER, lambda: now[0])
        engine.start()
        for block in self.chain.blocks:
            now[0] = ms(block.time)
            assert [engine.offer(tx) for tx in block.txs] == [None] * len(block.txs)
            finalized = engine.make_block()
            assert finalized.block.envelopes == block.txs
            assert finalized.block.app_hash == self.chain.agreed[block.height].app_hash


def simulate(seed: int, rounds: int, sockets: list[Path] | None = None) -> Simulation:
    simulation = Simulation(seed, sockets)
    asyncio.run(asyncio.wait_for(simulation.run(rounds), 120))
    simulation.check()
    simulation.check_embedded()
    return simulation


@pytest.mark.parametrize("seed", range(12))
def test_nodes_agree_whatever_crashes_between_which_calls(seed: int) -> None:
    simulation = simulate(seed, 40)
    assert simulation.chain.height > 10
    assert simulation.crashes > 0
    assert simulation.refused > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_same_holds_over_sockets_with_split_frames(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("s")
    simulation = simulate(seed, 15, [folder / str(number) for number in range(3)])
    assert simulation.chain.height > 3


STEPS = 40  # of a start and three blocks, with one envelope in each; see the test


async def three_blocks(crash_in: int, ledger_too: bool) -> tuple[Driven, bool]:
    """Start, three blocks; killed after so many steps, and started again. The node, and whether it was killed."""
    genesis, submitter = counter_genesis(), Submitter()
    terms, powers = CometNode().terms, [(key, 10) for key in VALIDATORS]
    limit = genesis.kernel_parameters().max_block_bytes + ROOM_BYTES
    chain = Chain(founding(terms.chain_id, terms.time_ms, terms.protocol, limit, powers))
    random = Random(1)
    driven = Driven(chain, None, random)
    for height in (1, 2, 3):
        time = chain.next_time(random)
        chain.blocks.append(Decided(height, time, (submitter.at(ms(time)).envelope("a", "set", "peer"),)))
    driven.engine.crash_in = crash_in
    killed = False
    while not driven.running:
        try:
            await driven.start()
        except EngineKilled:
            assert not killed
            killed = True
            await driven.crash(ledger_too)
    return driven, killed


@pytest.mark.parametrize("ledger_too", [False, True], ids=["engine", "engine and ledger"])
def test_killed_between_any_two_steps_a_node_ends_where_it_would_have_ended(ledger_too: bool) -> None:
    whole, killed = asyncio.run(three_blocks(-1, ledger_too))
    assert not killed
    for crash_in in range(STEPS):
        driven, killed = asyncio.run(three_blocks(crash_in, ledger_too))
        assert killed == (crash_in < STEPS - 1)
        assert [block.app_hash for block in driven.node.store.blocks] == [
            block.app_hash for block in whole.node.store.blocks
        ]
        assert driven.engine.validators == whole.engine.validators
        assert driven.engine.state == 3
        assert [told.block.height for told in driven.node.blocks] == [1, 2, 3]
