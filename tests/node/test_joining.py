"""A node that joins trusts what the founding validators vouch for, and lets its engine ask gateways through a relay."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from support.light_chain import FOUNDERS, LightChain, light_genesis
from traco.engine.cometbft.errors import EngineGone, EngineRefused
from traco.kernel.genesis import network_id
from traco.kernel.light import chain_id, header_hash, make_evidence
from traco.node import joining as subject
from traco.node.configuration import EngineConfig
from traco.node.joining import GatewaySource, Joining

GENESIS = light_genesis()
CHAIN = chain_id(network_id(GENESIS))
LAST = LightChain(CHAIN).block(9).signed
SEAL = make_evidence((), LAST)
ENGINE = "/v1/light/engine/"


def gateway(answer: Callable[[httpx.Request], httpx.Response]) -> GatewaySource:
    return GatewaySource("http://gateway", transport=httpx.MockTransport(answer))


def ask(answer: Callable[[httpx.Request], httpx.Response]) -> Any:
    return asyncio.run(gateway(answer).ask("commit", {"height": "7"}))


def test_a_gateway_is_asked_for_what_its_engine_says() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.url.path, dict(request.url.params)) == (f"{ENGINE}commit", {"height": "7"})
        return httpx.Response(200, json={"signed_header": 1})

    assert ask(answer) == {"signed_header": 1}


def test_the_engines_refusal_reaches_whoever_asked() -> None:
    with pytest.raises(EngineRefused, match="must be less than"):
        ask(lambda _: httpx.Response(404, json={"detail": "height 7 must be less than or equal to 3"}))
    with pytest.raises(EngineRefused, match="no such thing"):
        ask(lambda _: httpx.Response(404, content=b"<html>"))


def away(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("away", request=request)


@pytest.mark.parametrize(
    "answer",
    [
        away,
        lambda _: httpx.Response(503),
        lambda _: httpx.Response(429),
        lambda _: httpx.Response(200, content=b"x"),
    ],
)
def test_a_gateway_that_does_not_answer_as_one_is_gone(
    answer: Callable[[httpx.Request], httpx.Response],
) -> None:
    with pytest.raises(EngineGone):
        ask(answer)


class Newcomer:
    """A node at its founding."""

    def __init__(self, folder: Path, *, state_sync: bool = True, ca_file: str | None = None) -> None:
        self.height = self.first_height = 0
        application: Any = SimpleNamespace(
            network=network_id(GENESIS), info=lambda: SimpleNamespace(height=self.height), state=None
        )
        store: Any = SimpleNamespace(first_height=self.first_height)
        seals: Any = SimpleNamespace()
        config = EngineConfig(state_sync=state_sync, ca_file=ca_file)
        self.joining = Joining(folder, GENESIS, application, store, seals, config)


def test_only_a_node_that_wants_to_and_has_no_block_joins_by_a_snapshot(tmp_path: Path) -> None:
    newcomer = Newcomer(tmp_path)
    assert newcomer.joining.wants_to_join()
    newcomer.height = 1
    assert not newcomer.joining.wants_to_join()
    assert not Newcomer(tmp_path, state_sync=False).joining.wants_to_join()


def sources(monkeypatch: pytest.MonkeyPatch, **answers: bytes | None) -> None:
    """Gateways by the first part of their address: the seal that each gives, None where it does not answer."""

    def made(url: str, ca_file: object = None) -> GatewaySource:
        seal = answers[url.removeprefix("http://")]

        def answer(request: httpx.Request) -> httpx.Response:
            if seal is None:
                return away(request)
            if request.url.path == "/v1/light/seal":
                return httpx.Response(200, content=seal)
            return httpx.Response(200, json={"asked": request.url.path})

        return GatewaySource(url, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(subject, "GatewaySource", made)


async def begin(joining: Joining, *gateways: str) -> tuple[Any, Any]:
    """What the engine is told, and what it is answered through the relay."""
    with tempfile.TemporaryDirectory(prefix="join-") as folder:
        told = await joining.begin(Path(folder), gateways)
        if told is None:
            return None, None
        transport = httpx.AsyncHTTPTransport(uds=told.rpc_servers[0].removeprefix("unix://"))
        async with httpx.AsyncClient(transport=transport, base_url="http://relay", trust_env=False) as client:
            call = {"jsonrpc": "2.0", "id": 1, "method": "consensus_params", "params": {"height": "8"}}
            answer = (await client.post("/", json=call)).json()
        await joining.end()
        return told, answer


def test_the_engine_begins_at_a_header_that_the_founders_vouch_for_and_asks_through_the_relay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources(monkeypatch, one=SEAL)
    told, answer = asyncio.run(begin(Newcomer(tmp_path).joining, "http://one", ""))
    assert (told.trust_height, told.trust_hash) == (9, header_hash(LAST.header))
    assert len(told.rpc_servers) == 2
    assert answer["result"] == {"asked": f"{ENGINE}consensus_params"}


def test_gateways_that_are_away_or_forge_seals_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged = make_evidence((), LightChain(CHAIN).block(9, forged=tuple(FOUNDERS)).signed)
    sources(monkeypatch, one=None, two=forged, three=SEAL)
    told, _ = asyncio.run(begin(Newcomer(tmp_path).joining, "http://one", "http://two", "http://three"))
    assert told.trust_hash == header_hash(LAST.header)


def test_the_newest_of_the_gateways_seals_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources(monkeypatch, one=make_evidence((), LightChain(CHAIN).block(5).signed), two=SEAL)
    told, _ = asyncio.run(begin(Newcomer(tmp_path).joining, "http://one", "http://two"))
    assert told.trust_height == 9


def test_where_no_gateway_is_known_a_node_begins_with_the_first_block(tmp_path: Path) -> None:
    assert asyncio.run(begin(Newcomer(tmp_path).joining, "")) == (None, None)


@pytest.mark.parametrize(("configured", "expected"), [(None, None), ("ca.pem", "node/ca.pem")])
def test_gateways_are_believed_by_the_authorities_that_the_configuration_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: str | None, expected: str | None
) -> None:
    given: list[Path | None] = []

    def made(url: str, ca_file: Path | None = None) -> GatewaySource:
        given.append(ca_file)
        return GatewaySource(url, transport=httpx.MockTransport(lambda _: httpx.Response(200, content=SEAL)))

    monkeypatch.setattr(subject, "GatewaySource", made)
    asyncio.run(begin(Newcomer(tmp_path / "node", ca_file=configured).joining, "https://one"))
    assert given == [None if expected is None else tmp_path / expected]
