"""The engine's answers become records or errors with a code; an idle connection that it closed is no error."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from traco.engine.cometbft.errors import EngineBusy, EngineError, EngineGone, EngineRefused, KnownTransaction
from traco.engine.cometbft.home import MIN_TRANSACTION_LIMIT
from traco.engine.cometbft.rpc import PAGE, CheckAnswer, EngineClient

KEY = {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(bytes(32)).decode()}
Reply = Callable[[str, dict[str, Any]], Any]


class Engine:
    """Answers requests on a unix socket. ``hang_up``: how many connections end after one answer, unannounced."""

    def __init__(self, reply: Reply) -> None:
        self.reply, self.asked, self.hang_up = reply, list[tuple[str, dict[str, Any]]](), 0
        self.raw: bytes | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(
                    int(line[15:])
                    for line in head.lower().split(b"\r\n")
                    if line.startswith(b"content-length:")
                )
                request = _request(head, await reader.readexactly(length))
                self.asked.append((request["method"], request["params"]))
                content = self._content(request)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(content), content))
                await writer.drain()
                if self.hang_up:
                    self.hang_up -= 1
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    def _content(self, request: dict[str, Any]) -> bytes:
        if self.raw is not None:
            return self.raw
        return json.dumps(
            {"jsonrpc": "2.0", "id": 1, **self.reply(request["method"], request["params"])}
        ).encode()


def _request(head: bytes, body: bytes) -> dict[str, Any]:
    """A call in JSON, or one by its own address with a form."""
    path = head.split(b" ")[1].decode()
    if path == "/":
        called: dict[str, Any] = json.loads(body)
        return called
    return {"method": path[1:], "params": dict(parse_qsl(body.decode()))}


def result(value: Any) -> Reply:
    return lambda method, parameters: {"result": value}


def error(said: str) -> Reply:
    return lambda method, parameters: {"error": {"code": -32603, "message": "Internal error", "data": said}}


def ask(tmp_path: Path, engine: Engine, question: Callable[[EngineClient], Awaitable[Any]]) -> Any:
    async def story() -> Any:
        server = await asyncio.start_unix_server(engine.serve, tmp_path / "rpc")
        client = EngineClient(tmp_path / "rpc")
        try:
            async with server:
                return await question(client)
        finally:
            await client.aclose()

    return asyncio.run(story())


def test_an_envelope_travels_as_hex_in_a_form_and_the_applications_word_comes_back(tmp_path: Path) -> None:
    engine = Engine(result({"code": 3, "data": "", "log": "transaction.expired", "hash": "AB"}))
    assert ask(tmp_path, engine, lambda client: client.broadcast(b"\0\xff")) == CheckAnswer(
        3, "transaction.expired"
    )
    assert engine.asked == [("broadcast_tx_sync", {"tx": "0x00ff"})]


def test_an_envelope_too_long_for_a_form_travels_as_base64(tmp_path: Path) -> None:
    engine, envelope = Engine(result({"code": 0, "log": ""})), bytes(MIN_TRANSACTION_LIMIT + 1)
    ask(tmp_path, engine, lambda client: client.broadcast(envelope))
    assert engine.asked == [("broadcast_tx_sync", {"tx": base64.b64encode(envelope).decode()})]


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("tx already exists in cache", KnownTransaction),
        ("mempool is full: number of txs 5 (max: 5), total txs bytes 1 (max: 9)", EngineBusy),
        ("mempool is still rechecking after a new committed block, so it is considered as full", EngineBusy),
        ("endpoint is closed while node is catching up", EngineBusy),
        ("broadcast confirmation not received: context canceled", EngineBusy),
        ("appConn mempool: read unix: EOF", EngineBusy),
        ("Internal error: CheckTx request for tx AB failed: client has stopped", EngineBusy),
        ("Tx too large. Max size is 1, but got 2", EngineRefused),
    ],
)
def test_why_an_envelope_was_not_taken_is_told_apart(
    tmp_path: Path, said: str, kind: type[EngineError]
) -> None:
    with pytest.raises(kind):
        ask(tmp_path, Engine(error(said)), lambda client: client.broadcast(b"x"))


@pytest.mark.parametrize(
    "said",
    [
        "height 9 must be less than or equal to the current blockchain height 8",
        "height 1 is not available, lowest height is 5",
        "could not find validator set for height #9",
    ],
)
def test_a_height_that_the_engine_does_not_have_is_none(tmp_path: Path, said: str) -> None:
    async def all_three(client: EngineClient) -> list[Any]:
        return [await client.signed_header(9), await client.validators(9), await client.consensus_params(9)]

    assert ask(tmp_path, Engine(error(said)), all_three) == [None] * 3


def test_a_header_that_was_pruned_is_none(tmp_path: Path) -> None:
    assert ask(tmp_path, Engine(result(None)), lambda client: client.signed_header(2)) is None


def test_another_error_about_a_height_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match="height must be greater than 0"):
        ask(
            tmp_path,
            Engine(error("height must be greater than 0, but got 0")),
            lambda client: client.signed_header(0),
        )


@pytest.mark.parametrize("count", [1, PAGE, PAGE + 1, 2 * PAGE + 5])
def test_all_pages_of_a_validator_set_are_read(tmp_path: Path, count: int) -> None:
    def reply(method: str, parameters: dict[str, Any]) -> Any:
        begin = (int(parameters["page"]) - 1) * int(parameters["per_page"])
        powers = [str(power) for power in range(count, 0, -1)][begin : begin + int(parameters["per_page"])]
        found = [{"address": "", "pub_key": KEY, "voting_power": power} for power in powers]
        return {
            "result": {
                "block_height": "5",
                "validators": found,
                "count": str(len(found)),
                "total": str(count),
            }
        }

    found = ask(tmp_path, Engine(reply), lambda client: client.validators(5))
    assert [each.power for each in found] == list(range(count, 0, -1))


def test_peers_are_dialled_once_and_not_for_ever(tmp_path: Path) -> None:
    engine = Engine(result({"log": ""}))
    ask(tmp_path, engine, lambda client: client.dial(("id@a:1",)))
    assert engine.asked == [
        ("dial_peers", {"peers": ["id@a:1"], "persistent": False, "unconditional": False, "private": False})
    ]


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"[]", b'{"jsonrpc": "2.0"}', b'{"error": 5}', b'{"error": {}}']
)
def test_an_answer_of_another_kind_is_refused(tmp_path: Path, raw: bytes) -> None:
    engine = Engine(result(None))
    engine.raw = raw
    with pytest.raises(EngineRefused) as refused:
        ask(tmp_path, engine, lambda client: client.status())
    assert refused.value.code == "engine.answer_unknown"


def test_a_document_that_lacks_something_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineRefused, match=r"engine\.answer_unknown"):
        ask(tmp_path, Engine(result({"node_info": {}})), lambda client: client.status())


def test_a_connection_that_the_engine_closed_meanwhile_is_made_again(tmp_path: Path) -> None:
    engine = Engine(result({"peers": []}))
    engine.hang_up = 2

    async def twice(client: EngineClient) -> Any:
        return await client.peers(), await client.peers(), await client.peers()

    assert ask(tmp_path, engine, twice) == ((), (), ())


def test_without_an_engine_there_is_no_connection(tmp_path: Path) -> None:
    async def story() -> None:
        client = EngineClient(tmp_path / "rpc")
        try:
            await client.status()
        finally:
            await client.aclose()

    with pytest.raises(EngineGone) as gone:
        asyncio.run(story())
    assert gone.value.code == "engine.gone"


def test_an_engine_that_does_not_answer_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def story() -> None:
        server = await asyncio.start_unix_server(silent, tmp_path / "rpc")
        client = EngineClient(tmp_path / "rpc", timeout_seconds=0.05)
        try:
            async with server:
                await client.status()
        finally:
            await client.aclose()

    with pytest.raises(EngineGone) as gone:
        asyncio.run(story())
    assert gone.value.code == "engine.silent"
