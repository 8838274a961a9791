"""A ledger of counters under the CometBFT adapter, over a store that survives: opened again, it is the node restarted."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec

from support.counters import ALICE, MEMBER, NODE, SOLO, Add, counter_genesis, counter_registry
from support.gateway import DirectPool
from support.ledger import START_MS, Key, Ledger
from support.memory_store import MemoryStore
from traco.engine.cometbft.abci.messages import (
    AbciParams,
    BlockParams,
    ConsensusParams,
    PublicKey,
    RequestCommit,
    RequestFinalizeBlock,
    RequestInitChain,
    RequestQuery,
    ResponseFinalizeBlock,
    ResponseQuery,
    Timestamp,
    ValidatorUpdate,
    VersionParams,
)
from traco.engine.cometbft.abci.ports import NoSnapshots, Snapshots
from traco.engine.cometbft.abci.wire import Message
from traco.engine.cometbft.adapter import ChainTerms, CometAdapter
from traco.kernel.application import Application, Finalized
from traco.kernel.genesis import Genesis, network_id
from traco.kernel.instruction import Instruction, KernelParameters
from traco.kernel.screening import DirectScreener
from traco.kernel.state import State
from traco.node.remembering import RememberingScreener

ROOM_BYTES = 1_000
VALIDATORS = tuple(sorted(Key(f"validator {number}").public for number in range(4)))
PEER = bytes(range(20))
LATER_PEER = bytes(20)
_TOTAL = counter_registry().queries["counter.total"]


def total(state: State, name: str) -> int:
    """A counter in a state."""
    found: int = _TOTAL.answer(state, _TOTAL.request(name))
    return found


def validators_of(state: State) -> tuple[tuple[bytes, int], ...]:
    """Validators as a counter has it: bit ``n`` of "set" leaves validator ``n + 1`` out; "power" adds to that of the first."""
    out = total(state, "set")
    return tuple(
        (key, 10 + (total(state, "power") if number == 0 else 0))
        for number, key in enumerate(VALIDATORS)
        if number == 0 or not out >> (number - 1) & 1
    )


def peers_of(state: State) -> frozenset[bytes]:
    """One peer from the beginning, another once the counter "peer" is not zero."""
    return frozenset((PEER, LATER_PEER)) if total(state, "peer") else frozenset((PEER,))


def terms_of(genesis: Genesis) -> ChainTerms:
    """What the engine's genesis must say."""
    return ChainTerms(
        "traco-" + network_id(genesis).hex()[:40], genesis.time_ms, genesis.protocol, ROOM_BYTES
    )


class CometNode:
    """Application, screening and adapter of one node. ``restart`` forgets all but the store."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        self.genesis = counter_genesis() if genesis is None else genesis
        self.terms = terms_of(self.genesis)
        self.store = MemoryStore()
        self.retain = 0
        self.snapshots: Snapshots = NoSnapshots()
        self.blocks: list[Finalized] = []  # as told by the adapter, over all restarts
        self.restart()

    def restart(self) -> None:
        """The process was killed and starts again."""
        registry = counter_registry()
        direct = DirectScreener(registry.body, self.genesis.kernel_parameters())
        self.pool = DirectPool(direct)
        self.screener = RememberingScreener(direct)
        self.application = Application(
            self.genesis, registry, self.store, lambda kind, _, error: None, self.screener
        )
        self.adapter = CometAdapter(
            self.application, self.terms, self.pool, self.screener, validators=validators_of, peers=peers_of,
            on_block=self._committed, retain_height=lambda height: self.retain, bootstrap_peers=frozenset({b"b" * 20}),
            snapshots=self.snapshots,
        )  # fmt: skip

    def _committed(self, finalized: Finalized, seconds: float) -> None:
        assert seconds >= 0
        self.blocks.append(finalized)


class Submitter:
    """Signs envelopes of additions to counters, with a time that it is told."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        self._ledger = Ledger(
            counter_genesis() if genesis is None else genesis, counter_registry(), MEMBER, NODE
        )

    def at(self, time_ms: int) -> "Submitter":
        """From this block time on."""
        self._ledger.time_ms = time_ms
        return self

    def envelope(self, *names: str, amount: int = 1) -> bytes:
        """One transaction for each counter."""
        return self.of([self._ledger.transaction([Add(SOLO, name, amount)], ALICE) for name in names])

    def transaction(self, instructions: Sequence[Instruction], *keys: Key) -> bytes:
        """A transaction of its own."""
        return self._ledger.transaction(instructions, *keys)

    def of(self, transactions: Sequence[bytes]) -> bytes:
        """An envelope of these transactions."""
        return self._ledger.envelope(transactions)

    def garbage(self, random: Random) -> bytes:
        """What no honest node proposes: noise, an altered envelope, one of a foreign node, an empty one."""
        envelope = self.envelope("a")
        choices = (
            random.randbytes(random.randrange(200)),
            envelope[:-1] + bytes([envelope[-1] ^ 1]),
            envelope + b"\0",
            Ledger(counter_genesis(), counter_registry(), MEMBER, Key("nobody")).envelope(
                [random.randbytes(9)]
            ),
            self.of([]),
        )
        return random.choice(choices)


def at(time_ms: int, nanos: int = 0) -> Timestamp:
    """A time as the engine has it."""
    return Timestamp(time_ms // 1_000, time_ms % 1_000 * 1_000_000 + nanos)


class Desk:
    """A node, asked call by call, and somebody who signs."""

    def __init__(self) -> None:
        self.node = CometNode()
        self.submitter = Submitter().at(START_MS)

    def ask(self, request: Message) -> Any:
        """One call."""
        return self.ask_all(request)[0]

    def ask_all(self, *requests: Message) -> list[Any]:
        """Calls in one batch; what they began in the background ends too."""

        async def work() -> list[Message]:
            answers = await self.node.adapter.answer(requests)
            await asyncio.gather(
                *(task for task in asyncio.all_tasks() if task.get_name() == "traco-foreign")
            )
            return answers

        return asyncio.run(asyncio.wait_for(work(), 120))

    def genesis(self, **changes: Any) -> RequestInitChain:
        """The engine's genesis as this ledger wants it, but for the changes."""
        request = RequestInitChain(
            at(START_MS), self.node.terms.chain_id,
            ConsensusParams(BlockParams(KernelParameters().max_block_bytes + ROOM_BYTES, -1), b"", b"", VersionParams(1), AbciParams(), b""),
            tuple(ValidatorUpdate(PublicKey(key[1:]), 10) for key in reversed(VALIDATORS)), b"{}", 1,
        )  # fmt: skip
        return msgspec.structs.replace(request, **changes)

    def finalize(self, *txs: bytes, height: int = 0, time_ms: int = 0) -> ResponseFinalizeBlock:
        """Execute the next block, or the one of that height."""
        info = self.node.application.info()
        time_ms = time_ms or info.time_ms + 1
        answer: ResponseFinalizeBlock = self.ask(
            RequestFinalizeBlock(txs, height=height or info.height + 1, time=at(time_ms))
        )
        return answer

    def run_block(self, *txs: bytes, time_ms: int = 0) -> ResponseFinalizeBlock:
        """Execute and commit the next block."""
        answer = self.finalize(*txs, time_ms=time_ms)
        self.ask(RequestCommit())
        return answer

    def total(self, name: str) -> int:
        """A counter, as committed."""
        return total(self.node.application.state, name)

    def filtered(self, peer: bytes) -> int:
        """The code of the filter's answer."""
        answer = self.node.adapter.answer_at_once(RequestQuery(path="/p2p/filter/id/" + peer.hex()))
        assert isinstance(answer, ResponseQuery)
        return answer.code
