"""Plays CometBFT to an ABCI application, deterministically from a seed: what it calls, in which order, and how it recovers.

    Chain          the blocks that a network has decided; its nodes follow it
    DrivenEngine   one node's engine: its stores survive a crash, the rest does not
    Line           how it reaches the application: through a socket (split frames, four connections) or directly

After ``handshake`` in CometBFT's ``consensus/replay.go`` (table of heights of application, block store and state) and ``applyBlock`` in
``state/execution.go``. Between any two steps ``crash_in`` steps ahead, the engine is killed (``EngineKilled``).
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

from traco.engine.cometbft.abci.frames import FrameReader
from traco.engine.cometbft.abci.messages import (
    REQUESTS,
    BlockParams,
    CheckTxType,
    ConsensusParams,
    PublicKey,
    RequestCheckTx,
    RequestCommit,
    RequestEcho,
    RequestFinalizeBlock,
    RequestFlush,
    RequestInfo,
    RequestInitChain,
    RequestPrepareProposal,
    RequestProcessProposal,
    ResponseCheckTx,
    ResponseEcho,
    ResponseException,
    ResponseFinalizeBlock,
    ResponseFlush,
    ResponseInfo,
    ResponseInitChain,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    Timestamp,
    ValidatorUpdate,
    Verdict,
    VersionParams,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from traco.engine.cometbft.abci.server import Handler
from traco.engine.cometbft.abci.wire import Message, read_varint
from traco.kernel.light.protobuf import varint

CONNECTIONS = ("query", "snapshot", "mempool", "consensus")  # in the order in which the engine dials
ANSWERS = {
    name.replace("Request", "Response"): kind for name, kind in ((k.__name__, k) for k in REQUESTS.values())
}


class EngineKilled(Exception):
    """The planned crash."""


class EngineGone(Exception):
    """The application closed the connection, or answered with an exception: the engine exits."""


class Line(Protocol):
    """The four connections to an application."""

    async def call(self, connection: str, requests: Sequence[Message]) -> list[Message]:
        """Requests sent together, and their answers. Raises ``EngineGone``."""

    async def close(self) -> None:
        """End all connections."""


class DirectLine:
    """Calls the handler in the same loop; every message goes through the codec."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def call(self, connection: str, requests: Sequence[Message]) -> list[Message]:
        """See ``Line``."""
        sent = [decode_request(_payload(encode_request(request))) for request in requests]
        if all(isinstance(request, RequestEcho) for request in sent):  # the server's own
            return [ResponseEcho(request.message) for request in sent if isinstance(request, RequestEcho)]
        answers = await self._handler.answer(sent)
        return [decode_response(_payload(encode_response(answer))) for answer in answers]

    async def close(self) -> None:
        """See ``Line``."""


class Wire:
    """One connection, as the engine has it. ``random`` splits what is sent at places of its own."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, random: Random | None = None
    ) -> None:
        self._reader, self.writer, self._random = reader, writer, random
        self._frames = FrameReader()
        self._received: list[bytes] = []

    @classmethod
    async def dial(cls, path: Path, random: Random | None = None) -> "Wire":
        """A new connection to a server."""
        return cls(*await asyncio.open_unix_connection(path), random)

    async def send(self, *requests: Message) -> None:
        """Write requests."""
        await self.send_bytes(b"".join(map(encode_request, requests)))

    async def send_bytes(self, raw: bytes) -> None:
        """Write bytes, in pieces if there is a source of chance. Raises ``EngineGone``."""
        start = 0
        while start < len(raw):
            stop = (
                len(raw)
                if self._random is None
                else start + self._random.choice((1, 2, 7, 100, 5_000, 100_000))
            )
            self.writer.write(raw[start:stop])
            try:
                await self.writer.drain()
            except ConnectionError:
                raise EngineGone("the application closed the connection") from None
            if self._random is not None and self._random.randrange(3) == 0:
                await asyncio.sleep(0)
            start = stop

    async def receive(self) -> Message:
        """The next answer. Raises ``EngineGone`` where the connection ends, or an exception is answered."""
        while not self._received:
            try:
                data = await self._reader.read(65_536)
            except ConnectionError:
                data = b""
            if not data:
                raise EngineGone("the application closed the connection")
            self._received += self._frames.feed(data)
        answer = decode_response(self._received.pop(0))
        if isinstance(answer, ResponseException):
            raise EngineGone(answer.error)
        return answer

    async def call(self, *requests: Message) -> list[Message]:
        """Send requests and a flush; their answers, of the right kinds, without the flush's."""
        await self.send(*requests, RequestFlush())
        answers = [await self.receive() for _ in requests]
        assert [ANSWERS[type(answer).__name__] for answer in answers] == [
            type(request) for request in requests
        ]
        assert await self.receive() == ResponseFlush()
        return answers

    async def close(self) -> None:
        """End it, with what the other side did not take."""
        self.writer.close()
        if self.writer.transport.get_write_buffer_size():
            self.writer.transport.abort()


class SocketLine:
    """Four connections to a server's socket."""

    def __init__(self, wires: dict[str, Wire]) -> None:
        self.wires = wires

    @classmethod
    async def dial(cls, path: Path, random: Random) -> "SocketLine":
        """Connect as the engine does."""
        return cls({name: await Wire.dial(path, random) for name in CONNECTIONS})

    async def call(self, connection: str, requests: Sequence[Message]) -> list[Message]:
        """See ``Line``."""
        return await self.wires[connection].call(*requests)

    async def close(self) -> None:
        """See ``Line``."""
        for wire in self.wires.values():
            await wire.close()


class Decided(NamedTuple):
    """A decided block."""

    height: int
    time: Timestamp
    txs: tuple[bytes, ...]


class Founding(NamedTuple):
    """The engine's genesis."""

    chain_id: str
    time: Timestamp
    params: ConsensusParams
    validators: tuple[ValidatorUpdate, ...]


def founding(
    chain_id: str, time_ms: int, protocol: int, max_bytes: int, validators: Sequence[tuple[bytes, int]]
) -> Founding:
    """An engine's genesis; validators by 33-byte keys."""
    params = ConsensusParams(block=BlockParams(max_bytes, -1), version=VersionParams(protocol))
    updates = tuple(ValidatorUpdate(PublicKey(key[1:]), power) for key, power in validators)
    return Founding(chain_id, Timestamp(time_ms // 1_000, time_ms % 1_000 * 1_000_000), params, updates)


class Chain:
    """What a network has decided so far, and what its honest nodes agreed on: app hash and results after each block."""

    def __init__(self, genesis: Founding) -> None:
        self.genesis = genesis
        self.blocks: list[Decided] = []
        self.agreed: dict[int, ResponseFinalizeBlock] = {}

    @property
    def height(self) -> int:
        """Of the last decided block."""
        return len(self.blocks)

    def next_time(self, random: Random) -> Timestamp:
        """Later than the last block by less than a second, in nanoseconds; the first block has the founding's."""
        if not self.blocks:
            return self.genesis.time
        last = self.blocks[-1].time
        nanos = last.seconds * 10**9 + last.nanos + 1 + random.randrange(10**9)
        return Timestamp(nanos // 10**9, nanos % 10**9)

    def agree(self, height: int, answer: ResponseFinalizeBlock) -> None:
        """Every node must say the same of a block, at every repetition. Logs are not compared, as in the engine."""
        results = tuple((result.code, result.data) for result in answer.tx_results)
        known = self.agreed.setdefault(height, answer)
        assert results == tuple((result.code, result.data) for result in known.tx_results)
        assert (answer.app_hash, answer.validator_updates, answer.consensus_param_updates) == (
            known.app_hash, known.validator_updates, known.consensus_param_updates,
        )  # fmt: skip


class DrivenEngine:
    """The engine of one node. ``stored``, ``state`` and what belongs to them survive ``kill``; ``pool`` does not."""

    def __init__(self, chain: Chain) -> None:
        self.chain = chain
        self.stored = 0  # height of the block store
        self.state = 0  # height of the state
        self.app_hash = b""
        self.validators = {update.pub_key.ed25519: update.power for update in chain.genesis.validators}
        self.saved: dict[int, ResponseFinalizeBlock] = {}
        self.pool: dict[bytes, None] = {}
        self.crash_in = -1  # steps until it is killed; negative: never
        self._line: Line | None = None

    def _step(self) -> None:
        if self.crash_in == 0:
            self.crash_in = -1
            raise EngineKilled
        self.crash_in -= self.crash_in > 0

    async def _call(self, connection: str, *requests: Message) -> list[Message]:
        if self._line is None:
            raise EngineGone("not started")
        self._step()
        answers = await self._line.call(connection, requests)
        self._step()
        return answers

    async def kill(self) -> None:
        """All that is not stored is gone."""
        self.pool.clear()
        if self._line is not None:
            await self._line.close()
        self._line = None

    async def start(self, line: Line) -> None:
        """Connect, and bring the application to where the stores are."""
        self._line = line
        await self._call("query", RequestEcho("hello"))
        (info,) = await self._call("query", RequestInfo("0.39.4", 11, 8, "2.0.0"))
        assert isinstance(info, ResponseInfo)
        app, app_hash = info.last_block_height, info.last_block_app_hash
        if app == 0:
            app_hash = await self._init_chain()
        assert app <= self.stored, "the application is ahead of the block store"
        assert self.state <= self.stored <= self.state + 1
        if self.stored == 0:
            assert app_hash == self.app_hash
            return
        if self.stored == self.state:
            for height in range(app + 1, self.stored + 1):
                app_hash = await self._replay(height)
            assert app_hash == self.app_hash
        elif app == self.stored:  # it was committed, but the engine did not write that down
            self._save_state(self.saved[self.stored])
        else:
            for height in range(app + 1, self.stored):
                await self._replay(height)
            await self._apply(self.chain.blocks[self.stored - 1])

    async def _init_chain(self) -> bytes:
        genesis = self.chain.genesis
        request = RequestInitChain(
            genesis.time, genesis.chain_id, genesis.params, genesis.validators, b"{}", 1
        )
        (answer,) = await self._call("consensus", request)
        assert isinstance(answer, ResponseInitChain)
        assert answer.app_hash
        if self.state == 0:
            self.app_hash = answer.app_hash
        return answer.app_hash

    async def _replay(self, height: int) -> bytes:
        """Execute a block that the engine itself has behind it."""
        answer = await self._finalize(self.chain.blocks[height - 1])
        await self._call("consensus", RequestCommit())
        return answer.app_hash

    async def _finalize(self, block: Decided) -> ResponseFinalizeBlock:
        request = RequestFinalizeBlock(
            block.txs, b"", (), b"", block.height, block.time, bytes(32), bytes(20)
        )
        (answer,) = await self._call("consensus", request)
        assert isinstance(answer, ResponseFinalizeBlock)
        assert len(answer.tx_results) == len(block.txs)
        self.chain.agree(block.height, answer)
        return answer

    async def follow(self) -> None:
        """Take the next decided block of the chain."""
        block = self.chain.blocks[self.stored]
        assert self.stored == self.state
        self._step()
        self.stored = block.height
        self._step()
        await self._apply(block)

    async def _apply(self, block: Decided) -> None:
        answer = await self._finalize(block)
        self.saved[block.height] = answer
        await self._call("mempool")
        await self._call("consensus", RequestCommit())
        self._save_state(answer)
        self._step()
        for tx in block.txs:
            self.pool.pop(tx, None)
        await self.check(*self.pool, kind=CheckTxType.RECHECK)

    def _save_state(self, answer: ResponseFinalizeBlock) -> None:
        for update in answer.validator_updates:
            key = update.pub_key.ed25519
            assert update.power > 0 or key in self.validators, "a validator is removed that is none"
            self.validators[key] = update.power
            if update.power == 0:
                del self.validators[key]
        assert self.validators
        self.state, self.app_hash = self.stored, answer.app_hash

    async def check(self, *txs: bytes, kind: CheckTxType = CheckTxType.NEW) -> list[int]:
        """Offer transactions to the pool, or ask again about them; the codes."""
        answers = await self._call("mempool", *(RequestCheckTx(tx, kind) for tx in txs))
        codes = [answer.code for answer in answers if isinstance(answer, ResponseCheckTx)]
        for tx, code in zip(txs, codes, strict=True):
            if code == 0:
                self.pool[tx] = None
            else:
                self.pool.pop(tx, None)
        return codes

    async def propose(self, time: Timestamp, max_bytes: int) -> tuple[bytes, ...]:
        """What this node proposes next, from its pool."""
        reaped, size = list[bytes](), 0
        for tx in self.pool:
            size += size_in_block(tx)
            if size > max_bytes:
                break
            reaped.append(tx)
        request = RequestPrepareProposal(
            max_bytes, tuple(reaped), b"", (), self.state + 1, time, bytes(32), bytes(20)
        )
        (answer,) = await self._call("consensus", request)
        assert isinstance(answer, ResponsePrepareProposal)
        assert sum(map(size_in_block, answer.txs)) <= max_bytes
        return answer.txs

    async def judges(self, block: Decided) -> bool:
        """Whether this node votes for a proposal."""
        request = RequestProcessProposal(
            block.txs, b"", (), b"", block.height, block.time, bytes(32), bytes(20)
        )
        (answer,) = await self._call("consensus", request)
        assert isinstance(answer, ResponseProcessProposal)
        assert answer.status is not Verdict.UNKNOWN
        return answer.status is Verdict.ACCEPT


def size_in_block(tx: bytes) -> int:
    """The bytes that a transaction takes in the engine's block."""
    return 1 + len(varint(len(tx))) + len(tx)


def _payload(frame: bytes) -> bytes:
    size, start = read_varint(frame, 0)
    assert size == len(frame) - start
    return frame[start:]
