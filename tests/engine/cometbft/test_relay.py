"""The relay answers what a light client asks, from gateways that may be away or lie."""

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from traco.engine.cometbft.errors import EngineError, EngineGone, EngineRefused
from traco.engine.cometbft.relay import Relay, RelayServer
from traco.engine.cometbft.relayed import read_parameters


class Gateway:
    """Answers with its name and what it was asked, or with an error."""

    def __init__(self, answer: Any = "answer", error: EngineError | None = None) -> None:
        self.answer, self.error = answer, error
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def ask(self, method: str, parameters: Mapping[str, str]) -> Any:
        """As a gateway."""
        self.asked.append((method, dict(parameters)))
        if self.error is not None:
            raise self.error
        return self.answer


GONE = EngineGone("engine.gone", "no gateway")
ABSENT = EngineRefused(
    "engine.refused", "height 9 must be less than or equal to the current blockchain height 7"
)


def test_a_commit_is_asked_of_one_gateway() -> None:
    first, second = Gateway("a"), Gateway("b")
    assert asyncio.run(Relay([first, second]).ask("commit", {"height": "7"})) == "a"
    assert (first.asked, second.asked) == ([("commit", {"height": "7"})], [])


def test_validators_are_confirmed_by_a_second_gateway() -> None:
    assert asyncio.run(Relay([Gateway("a"), Gateway("a")]).ask("validators", {"height": "7"})) == "a"
    with pytest.raises(EngineRefused, match="lies"):
        asyncio.run(Relay([Gateway("a"), Gateway("b")]).ask("validators", {"height": "7"}))


def test_a_gateway_that_lies_is_outvoted_by_two_others_and_asked_last_from_then_on() -> None:
    liar, second, third = Gateway("lie"), Gateway("a"), Gateway("a")
    relay = Relay([liar, second, third])
    for _ in range(3):
        assert asyncio.run(relay.ask("validators", {"height": "7"})) == "a"
    assert asyncio.run(relay.ask("commit", {"height": "7"})) == "a"
    assert len(liar.asked) == 1


def test_where_there_is_one_gateway_only_it_is_believed() -> None:
    assert asyncio.run(Relay([Gateway("a")]).ask("validators", {})) == "a"
    assert asyncio.run(Relay([Gateway(error=GONE), Gateway("a")]).ask("validators", {})) == "a"


def test_a_gateway_that_does_not_answer_is_asked_last_from_then_on() -> None:
    away, here = Gateway(error=GONE), Gateway("a")
    relay = Relay([away, here])
    for _ in range(3):
        assert asyncio.run(relay.ask("commit", {"height": "7"})) == "a"
    assert (len(away.asked), len(here.asked)) == (1, 3)


def test_where_no_gateway_answers_the_last_error_is_told() -> None:
    with pytest.raises(EngineRefused, match="must be less than"):
        asyncio.run(Relay([Gateway(error=GONE), Gateway(error=ABSENT)]).ask("commit", {}))
    with pytest.raises(ValueError, match="source"):
        Relay([])


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("broadcast_tx_sync", {}),
        ("dial_peers", {}),
        ("commit", {"tx": "1"}),
        ("commit", {"height": "-1"}),
        ("commit", {"height": "1e3"}),
        ("commit", {"height": "9" * 19}),
        ("validators", {"height": ["1"]}),
    ],
)
def test_nothing_else_is_relayed(method: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(EngineRefused, match=r"relay\.unknown"):
        read_parameters(method, parameters)


def test_parameters_come_as_the_engine_writes_them() -> None:
    given = {"height": "12", "page": 1, "per_page": 100}
    assert read_parameters("validators", given) == {"height": "12", "page": "1", "per_page": "100"}
    assert read_parameters("commit", {"height": None}) == {}


async def _served(gateway: Gateway, *bodies: bytes) -> list[Any]:
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:
        path = Path(folder) / "relay.sock"
        server = RelayServer(Relay([gateway]), path)
        await server.start()
        try:
            transport = httpx.AsyncHTTPTransport(uds=str(path))
            async with httpx.AsyncClient(
                transport=transport, base_url="http://relay", trust_env=False
            ) as client:
                return [(await client.post("/", content=body)).json() for body in bodies]
        finally:
            await server.stop()
            assert not path.exists()


def test_calls_over_the_socket_are_answered_with_their_number() -> None:
    call = b'{"jsonrpc":"2.0","id":5,"method":"commit","params":{"height":"7"}}'
    (answer,) = asyncio.run(_served(Gateway({"signed_header": 1}), call))
    assert answer == {"jsonrpc": "2.0", "id": 5, "result": {"signed_header": 1}}


def test_the_engines_words_about_a_height_reach_the_light_client() -> None:
    call = b'{"jsonrpc":"2.0","id":6,"method":"commit","params":{"height":"9"}}'
    (answer,) = asyncio.run(_served(Gateway(error=ABSENT), call))
    assert (answer["id"], answer["error"]["data"]) == (6, ABSENT.text)


def test_what_is_no_call_is_refused() -> None:
    answers = asyncio.run(
        _served(Gateway(), b"", b"{}", b"[1]", b'{"id":1,"method":"commit","params":[1]}', b" " * 5_000)
    )
    assert [answer["error"]["code"] for answer in answers] == [-32_600] * 5
