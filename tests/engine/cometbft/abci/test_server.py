"""The socket server: order, pipelining, filters during long blocks, limits, ends of connections and of the node."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from support.comet_driver import EngineGone, Wire
from support.gateway import until
from traco.engine.cometbft.abci.messages import (
    RequestCheckTx,
    RequestCommit,
    RequestEcho,
    RequestFinalizeBlock,
    RequestFlush,
    RequestQuery,
    ResponseCheckTx,
    ResponseCommit,
    ResponseEcho,
    ResponseFinalizeBlock,
    ResponseFlush,
    ResponseQuery,
    encode_request,
)
from traco.engine.cometbft.abci.server import MAX_CONNECTIONS, AbciServer
from traco.engine.cometbft.abci.wire import Message
from traco.kernel.errors import Halt


class Scripted:
    """Answers with what it was asked. A block waits for ``gate``, or occupies the ledger's whole loop until ``free`` is set."""

    def __init__(self) -> None:
        self.batches: list[list[Message]] = []
        self.gate = asyncio.Event()
        self.busy: threading.Event | None = None
        self.error: BaseException | None = None
        self.begun = threading.Event()
        self.cancelled = 0

    def answer_at_once(self, request: Message) -> Message | None:
        """Queries."""
        return ResponseQuery(log=request.path) if isinstance(request, RequestQuery) else None

    async def answer(self, requests: Sequence[Message]) -> list[Message]:
        """All else."""
        self.batches.append(list(requests))
        return [await self._answer(request) for request in requests]

    async def _answer(self, request: Message) -> Message:
        if isinstance(request, RequestCheckTx):
            return ResponseCheckTx(data=request.tx)
        if isinstance(request, RequestFinalizeBlock):
            self.begun.set()
            if self.busy is not None:
                assert self.busy.wait(20)
            else:
                await self._wait()
            return ResponseFinalizeBlock(app_hash=request.hash)
        if self.error is not None:
            raise self.error
        return ResponseCommit(len(self.batches))

    async def _wait(self) -> None:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


class Served:
    """A server over a scripted handler, and connections to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.handler = Scripted()
        self.halts: list[BaseException] = []
        self._wires: list[Wire] = []

    async def begin(self, **limits: int) -> None:
        """Listen."""
        self.server = AbciServer(self.path, self.handler, self.halts.append, **limits)
        await self.server.start()

    async def dial(self, random: Random | None = None) -> Wire:
        """Another connection."""
        self._wires.append(await Wire.dial(self.path, random))
        return self._wires[-1]

    async def end(self) -> None:
        """The server stops, and everybody's connection ends."""
        await self.server.stop()
        for wire in self._wires:
            await wire.close()


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "abci"


Scenario = Callable[[Served], Coroutine[Any, Any, None]]


def serve(path: Path, scenario: Scenario, **limits: int) -> Served:
    served = Served(path)

    async def work() -> None:
        await served.begin(**limits)
        try:
            await scenario(served)
        finally:
            await served.end()

    asyncio.run(asyncio.wait_for(work(), 120))
    return served


CHECKS = tuple(RequestCheckTx(b"%d" % number) for number in range(300))
CHECKED = [ResponseCheckTx(data=b"%d" % number) for number in range(300)]


def test_answers_come_in_the_order_of_requests_whoever_gives_them(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial()
        await wire.send(
            RequestEcho("1"),
            CHECKS[2],
            RequestQuery(path="3"),
            RequestFlush(),
            RequestCommit(),
            RequestEcho("6"),
        )
        answers = [await wire.receive() for _ in range(6)]
        assert answers == [
            ResponseEcho("1"), CHECKED[2], ResponseQuery(log="3"), ResponseFlush(), ResponseCommit(1), ResponseEcho("6"),
        ]  # fmt: skip

    serve(path, scenario)


@pytest.mark.parametrize("seed", range(4))
def test_frames_may_be_split_anywhere_and_pipelined(path: Path, seed: int) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial(Random(seed))
        assert await wire.call(*CHECKS) == CHECKED

    assert len(serve(path, scenario).handler.batches) <= 300


def test_messages_longer_than_the_socket_holds_are_answered_in_order(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial()
        long = [bytes([number]) * 1_500_000 for number in range(3)]
        found = await wire.call(*map(RequestCheckTx, long), RequestFlush())
        assert found == [*(ResponseCheckTx(data=each) for each in long), ResponseFlush()]

    serve(path, scenario)


def test_what_is_in_the_buffer_goes_to_the_ledger_in_one_batch(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial()
        assert await wire.call(*CHECKS) == CHECKED
        assert served.handler.batches == [list(CHECKS)]

    serve(path, scenario)


def test_what_comes_while_the_ledger_works_waits_and_goes_together(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial()
        await wire.send(RequestFinalizeBlock(hash=b"h"))
        await until_begun(served)
        await wire.send(*CHECKS[:3], RequestQuery(path="q"))
        other = await served.dial()
        assert await other.call(RequestQuery(path="other")) == [ResponseQuery(log="other")]
        served.handler.gate.set()
        answers = [await wire.receive() for _ in range(5)]
        assert answers == [ResponseFinalizeBlock(app_hash=b"h"), *CHECKED[:3], ResponseQuery(log="q")]
        assert served.handler.batches[1] == list(CHECKS[:3])

    serve(path, scenario)


async def until_begun(served: Served) -> None:
    """Until a block is being executed; other connections are used meanwhile to let threads turn."""
    probe = await served.dial()
    while not served.handler.begun.is_set():
        await probe.call(RequestEcho("?"))


def flooding(wire: Wire) -> "asyncio.Task[None]":
    """40 MB of requests on their way."""
    return asyncio.create_task(wire.send(*(RequestCheckTx(bytes(100_000)) for _ in range(400))))


def test_a_peer_filter_is_answered_while_a_block_occupies_the_whole_ledger(path: Path) -> None:
    """Everything in the ledger's loop stands still until the filter has been answered to a thread of the engine's."""

    async def scenario(served: Served) -> None:
        free = served.handler.busy = threading.Event()
        answered: list[Message] = []

        async def ask() -> None:
            filtering = await Wire.dial(path)
            answered.extend(await filtering.call(RequestQuery(path="/p2p/filter/id/aa")))
            await filtering.close()
            free.set()

        def engine() -> None:
            assert served.handler.begun.wait(20)
            asyncio.run(ask())

        consensus = await served.dial()
        thread = threading.Thread(target=engine)
        thread.start()
        assert await consensus.call(RequestFinalizeBlock(hash=b"x")) == [ResponseFinalizeBlock(app_hash=b"x")]
        await asyncio.to_thread(thread.join)
        assert answered == [ResponseQuery(log="/p2p/filter/id/aa")]

    serve(path, scenario)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x03\xaa\x01\x00", "unknown field 21"),
        (b"\x03\x0a\x01\x0a", "ends in the middle"),
        (b"\xff" * 11, "more than ten bytes"),
        (b"\xff\xff\x7f", "2097151 bytes is announced"),
    ],
)
def test_what_is_not_abci_is_answered_by_an_exception_and_the_end(path: Path, raw: bytes, why: str) -> None:
    async def scenario(served: Served) -> None:
        wire, other = await served.dial(), await served.dial()
        await wire.send_bytes(raw)
        with pytest.raises(EngineGone, match=why):
            await wire.receive()
        with pytest.raises(EngineGone, match="closed"):
            await wire.receive()
        assert await other.call(RequestEcho("still there")) == [ResponseEcho("still there")]

    assert serve(path, scenario, max_frame_bytes=1_000_000).halts == []


def test_what_was_asked_before_the_violation_is_still_answered(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial()
        await wire.send_bytes(encode_request(CHECKS[0]))
        assert await wire.receive() == CHECKED[0]
        await wire.send(RequestFinalizeBlock(hash=b"h"))
        await until_begun(served)
        await wire.send_bytes(b"\x03\xaa\x01\x00")
        served.handler.gate.set()
        assert await wire.receive() == ResponseFinalizeBlock(app_hash=b"h")
        with pytest.raises(EngineGone, match="unknown field 21"):
            await wire.receive()

    serve(path, scenario)


def test_a_connection_that_floods_is_not_read_until_the_ledger_is_through(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial()
        await wire.send(RequestFinalizeBlock(hash=b"h"))
        await until_begun(served)
        flood = flooding(wire)
        probe = await served.dial()
        for _ in range(200):
            await probe.call(RequestEcho("?"))
        assert not flood.done()  # 40 MB do not fit into 1 MB here and what the sockets hold
        served.handler.gate.set()
        assert await wire.receive() == ResponseFinalizeBlock(app_hash=b"h")
        for _ in range(400):
            assert await wire.receive() == ResponseCheckTx(data=bytes(100_000))
        await flood

    serve(path, scenario, max_waiting_bytes=1_000_000)


def test_an_engine_that_does_not_read_its_answers_is_not_answered_further(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire, probe = await served.dial(), await served.dial()
        flood = flooding(wire)
        for _ in range(300):
            await probe.call(RequestEcho("?"))
        assert sum(map(len, served.handler.batches)) < 400
        for _ in range(400):
            assert await wire.receive() == ResponseCheckTx(data=bytes(100_000))
        await flood

    serve(path, scenario, max_waiting_bytes=1_000_000)


def test_a_halt_is_told_once_ends_all_connections_and_nothing_is_answered_after_it(path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.handler.error = Halt("planted")
        first, second = await served.dial(), await served.dial()
        await second.call(RequestEcho("here"))
        await second.send(RequestFinalizeBlock())
        await until_begun(served)
        await first.send(RequestCommit())
        for wire in (first, second):
            with pytest.raises(EngineGone):
                await wire.receive()
        later = await served.dial()
        with pytest.raises(EngineGone):
            await later.call(RequestEcho("?"))

    served = serve(path, scenario)
    assert [str(error) for error in served.halts] == ["planted"]
    assert served.handler.cancelled == 1


def test_a_bug_in_the_application_is_a_halt_too(path: Path) -> None:
    async def scenario(served: Served) -> None:
        served.handler.error = ZeroDivisionError()
        with pytest.raises(EngineGone):
            await (await served.dial()).call(RequestCommit())

    assert [type(error) for error in serve(path, scenario).halts] == [ZeroDivisionError]


def test_when_the_engine_has_gone_its_unfinished_call_ends_before_the_next_engine_is_answered(
    path: Path,
) -> None:
    async def scenario(served: Served) -> None:
        gone = await served.dial()
        await gone.send(RequestFinalizeBlock(hash=b"old"))
        await until_begun(served)
        await gone.close()
        following = await served.dial()
        assert await following.call(RequestCommit()) == [ResponseCommit(2)]
        await until(lambda: served.handler.cancelled == 1)
        served.handler.gate.set()
        assert await following.call(RequestFinalizeBlock(hash=b"new")) == [
            ResponseFinalizeBlock(app_hash=b"new")
        ]

    assert serve(path, scenario).halts == []


def test_connections_beyond_the_limit_are_closed(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wires = [await served.dial() for _ in range(MAX_CONNECTIONS)]
        for wire in wires:
            await wire.call(RequestEcho("?"))
        with pytest.raises(EngineGone):
            await (await served.dial()).call(RequestEcho("?"))
        await wires[0].close()
        for wire in wires[1:]:
            assert await wire.call(RequestEcho("?")) == [ResponseEcho("?")]

    serve(path, scenario)


def test_stopping_ends_what_is_being_answered_and_removes_the_socket(path: Path) -> None:
    async def scenario(served: Served) -> None:
        wire = await served.dial()
        await wire.send(RequestFinalizeBlock())
        await until_begun(served)

    served = serve(path, scenario)
    assert served.handler.cancelled == 1
    assert served.halts == []
    assert not path.exists()


def test_a_socket_that_cannot_be_made_is_an_error_of_the_start(tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(OSError):
            await AbciServer(tmp_path / "no folder" / "abci", Scripted(), print).start()

    asyncio.run(work())
