"""The relay answers what a light client asks, from gateways that may be away or lie."""

import asyncio
import base64
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from support.light_chain import FOUNDERS, LightChain, Powers, set_of
from traco.engine.cometbft import relay as subject
from traco.engine.cometbft.errors import EngineError, EngineGone, EngineRefused
from traco.engine.cometbft.proven import commit_document
from traco.engine.cometbft.relay import Relay, RelayServer
from traco.engine.cometbft.relayed import read_parameters
from traco.kernel.light import SignedHeader

CHAIN: Final = "traco-1"
MADE: Final = LightChain(CHAIN)
AT_7: Final = MADE.block(7).signed
NEWER: Final[Powers] = {"ann": 10, "eve": 10, "fay": 10}


class Gateway:
    """Answers with its name and what it was asked, or with an error."""

    def __init__(
        self, answer: Any = "answer", error: EngineError | None = None, url: str = "http://gateway"
    ) -> None:
        self.url = url
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


def relay_of(*gateways: Gateway) -> Relay:
    return Relay(gateways, CHAIN, set_of(FOUNDERS))


def ask(relay: Relay, method: str, **parameters: str) -> Any:
    return asyncio.run(relay.ask(method, parameters))


def commit(signed: SignedHeader) -> Any:
    """As an engine answers."""
    return commit_document(signed)


def changed(signed: SignedHeader, **changes: Any) -> Any:
    """An answer whose header says something else than was signed."""
    document = commit(signed)
    document["signed_header"]["header"].update(changes)
    return document


def test_a_commit_that_proves_itself_is_asked_of_one_gateway() -> None:
    first, second = Gateway(commit(AT_7)), Gateway()
    assert ask(relay_of(first, second), "commit", height="7") == commit(AT_7)
    assert (first.asked, second.asked) == ([("commit", {"height": "7"})], [])


@pytest.mark.parametrize(
    "lie",
    [
        changed(AT_7, app_hash="AB" * 32),
        changed(AT_7, time="yesterday"),
        commit(MADE.block(8).signed),
        commit(LightChain("traco-2").block(7).signed),
        commit(MADE.block(7, forged=("ann", "ben")).signed),
        commit(MADE.block(7, absent=("ann", "ben")).signed),
        {"signed_header": None},
        {},
        [],
    ],
)
def test_a_gateway_whose_commit_proves_nothing_is_named_and_asked_last_from_then_on(
    lie: Any, caplog: pytest.LogCaptureFixture
) -> None:
    liar, honest = Gateway(lie, url="http://liar"), Gateway(commit(AT_7))
    relay = relay_of(liar, honest)
    for _ in range(2):
        assert ask(relay, "commit", height="7") == commit(AT_7)
    assert (len(liar.asked), len(honest.asked)) == (1, 2)
    assert ["http://liar gives a commit for" in message for message in caplog.messages] == [True]


def test_where_no_commit_proves_itself_none_is_handed_on() -> None:
    with pytest.raises(EngineGone, match=r"relay\.no_proof"):
        ask(relay_of(Gateway(changed(AT_7, app_hash="AB" * 32))), "commit", height="7")


class Later(Gateway):
    """Knows a commit of validators that came later, and who they are, ``per_page`` at a time."""

    def __init__(self, validators: Powers, per_page: int = 2) -> None:
        super().__init__()
        entries = [
            {"pub_key": {"type": "tendermint/PubKeyEd25519", "value": base64.b64encode(each.key[1:]).decode()},
             "voting_power": str(each.power)}
            for each in set_of(validators)
        ]  # fmt: skip
        self.pages = [entries[first : first + per_page] for first in range(0, len(entries), per_page)]
        self.total = str(len(entries))

    async def ask(self, method: str, parameters: Mapping[str, str]) -> Any:
        """A commit, or one page of the set."""
        self.asked.append((method, dict(parameters)))
        if method == "commit":
            return commit(MADE.block(9, NEWER).signed)
        return {"validators": self.pages[int(parameters["page"]) - 1], "total": self.total}


def test_validators_that_came_later_are_asked_for_once_and_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "PAGE", 2)
    gateways = [Later(NEWER) for _ in range(2)]
    relay = relay_of(*gateways)
    for _ in range(2):
        assert ask(relay, "commit", height="9") == commit(MADE.block(9, NEWER).signed)
    pages = [("validators", {"height": "9", "page": page, "per_page": "2"}) for page in ("1", "2")]
    assert [each for each in gateways[1].asked if each[0] == "validators"] == pages


def test_a_commit_of_other_validators_than_its_header_names_proves_nothing() -> None:
    with pytest.raises(EngineGone, match=r"relay\.no_proof"):
        ask(relay_of(Later(FOUNDERS)), "commit", height="9")


@pytest.mark.parametrize("answer", [{"validators": [], "total": "0"}, {"validators": [1], "total": "1"}, 7])
def test_a_set_that_cannot_be_read_proves_nothing(answer: Any) -> None:
    class Unclear(Later):
        async def ask(self, method: str, parameters: Mapping[str, str]) -> Any:
            return await super().ask(method, parameters) if method == "commit" else answer

    with pytest.raises(EngineGone, match=r"relay\.no_proof"):
        ask(relay_of(Unclear(NEWER)), "commit", height="9")


@pytest.mark.parametrize("method", ["validators", "consensus_params"])
def test_sets_and_parameters_are_confirmed_by_a_second_gateway(method: str) -> None:
    assert ask(relay_of(Gateway("a"), Gateway("a")), method, height="7") == "a"
    with pytest.raises(EngineRefused, match="lies"):
        ask(relay_of(Gateway("a"), Gateway("b")), method, height="7")


def test_a_gateway_that_lies_is_outvoted_by_two_others_named_and_asked_last_from_then_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    liar, second, third = Gateway("lie", url="http://liar"), Gateway("a"), Gateway("a")
    relay = relay_of(liar, second, third)
    for _ in range(3):
        assert ask(relay, "validators", height="7") == "a"
    assert len(liar.asked) == 1
    assert ["http://liar gives other validators" in message for message in caplog.messages] == [True]


def test_where_there_is_one_gateway_only_it_is_believed() -> None:
    assert ask(relay_of(Gateway("a")), "validators") == "a"
    assert ask(relay_of(Gateway(error=GONE), Gateway("a")), "validators") == "a"


def test_a_gateway_that_does_not_answer_is_asked_last_from_then_on() -> None:
    away, here = Gateway(error=GONE), Gateway(commit(AT_7))
    relay = relay_of(away, here)
    for _ in range(3):
        assert ask(relay, "commit", height="7") == commit(AT_7)
    assert (len(away.asked), len(here.asked)) == (1, 3)


def test_where_no_gateway_answers_the_last_error_is_told() -> None:
    with pytest.raises(EngineRefused, match="must be less than"):
        ask(relay_of(Gateway(error=GONE), Gateway(error=ABSENT)), "commit")
    with pytest.raises(ValueError, match="source"):
        relay_of()


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
        server = RelayServer(relay_of(gateway), path)
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
    call = b'{"jsonrpc":"2.0","id":5,"method":"consensus_params","params":{"height":"7"}}'
    (answer,) = asyncio.run(_served(Gateway({"block_height": 7}), call))
    assert answer == {"jsonrpc": "2.0", "id": 5, "result": {"block_height": 7}}


def test_the_engines_words_about_a_height_reach_the_light_client() -> None:
    call = b'{"jsonrpc":"2.0","id":6,"method":"commit","params":{"height":"9"}}'
    (answer,) = asyncio.run(_served(Gateway(error=ABSENT), call))
    assert (answer["id"], answer["error"]["data"]) == (6, ABSENT.text)


def test_what_is_no_call_is_refused() -> None:
    answers = asyncio.run(
        _served(Gateway(), b"", b"{}", b"[1]", b'{"id":1,"method":"commit","params":[1]}', b" " * 5_000)
    )
    assert [answer["error"]["code"] for answer in answers] == [-32_600] * 5
