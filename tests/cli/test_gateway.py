"""``traco gateway``, and ``--verify``: what people see of gateways that do not say what validators signed."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from support.command_line import CommandLine
from support.light_chain import edited, with_header
from support.light_gateways import Crossroads, SignedChain
from support.replicas import ACCOUNTS, ANN, EUR, Replicas, ann, replicas
from support.scripted_node import ScriptedNode, _Unsleeping, connect
from traco.cli.problems import ExitCode
from traco.client.sdk import LedgerClient
from traco.client.trust import Trust
from traco.kernel.codec import encode

URLS = "https://a, https://b"
Command = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with replicas(tmp_path_factory.mktemp("cli") / "box") as opened:
        yield opened


@pytest.fixture
def place(made: Replicas, monkeypatch: pytest.MonkeyPatch) -> Replicas:
    """The gateways; the command reaches them as the first member, with its clock theirs."""
    for gateway in made.gateways:
        gateway.behind, gateway.is_down = 0, False
        gateway.answers.clear()
    roads = Crossroads(*made.gateways)

    def connected(*values: Any, access: Any, **options: Any) -> LedgerClient:
        return LedgerClient(*values, access=ann(), wire=_Unsleeping(roads), **options)

    monkeypatch.setattr("traco.cli.session.LedgerClient", connected)
    monkeypatch.setattr("traco.cli.session.Trust", partial(Trust, clock_ms=made.box.now_ms))
    return made


@pytest.fixture
def asked(traco: CommandLine, place: Replicas) -> Command:
    return lambda *words: traco(*words, "--url", URLS, "--json")


def test_gateways_that_agree_are_fine(asked: Command) -> None:
    printed = asked("gateway", "check")
    assert printed.code == 0
    assert [(each["url"], each["fault"]) for each in printed.document["gateways"]] == [
        ("https://a", None), ("https://b", None),
    ]  # fmt: skip


def test_people_see_a_table(traco: CommandLine, place: Replicas) -> None:
    printed = traco("gateway", "check", "--url", URLS)
    assert (printed.code, printed.out.count("as the others")) == (0, 2)


def test_a_gateway_that_alters_has_its_own_exit_code(asked: Command, place: Replicas) -> None:
    height = place.box.height
    block = edited(place.box.chain.block(height), lambda it: with_header(it, app_hash=bytes(32)))
    place.gateways[1].line_up(f"/v1/light/blocks/{height}", httpx.Response(200, content=encode(block)))
    printed = asked("gateway", "check")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NODE, "gateway.alters")
    assert printed.document["gateways"][1]["fault"]["code"] == "gateway.alters"


def test_a_fork_is_kept_below_the_home(asked: Command, traco: CommandLine, place: Replicas) -> None:
    height, chain = place.box.height, place.box.chain
    twin = SignedChain(chain.terms, {height: {"app_hash": bytes(32)}}, chain.chain).block(height)
    place.gateways[1].line_up(f"/v1/light/blocks/{height}", httpx.Response(200, content=encode(twin)))
    printed = asked("gateway", "check")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NODE, "network.fork")
    assert len(list((traco.home / "trust").glob("fork-*.proof"))) == 1


def test_what_is_shown_is_proven(asked: Command, place: Replicas) -> None:
    lie = httpx.Response(200, json={"height": 1, "answer": None})
    place.gateways[0].line_up("/v1/queries/holding.instrument", lie)
    assert asked("instrument", "show", EUR.hex(), "--verify").document["code"] == "EUR"


def test_an_account_is_shown_with_proven_holdings(asked: Command) -> None:
    shown = asked("holding", "show", ACCOUNTS[0].hex(), "--verify").document
    assert [row["code"] for row in shown["holdings"]] == ["EUR"]
    assert shown["holdings"] == asked("holding", "show", ACCOUNTS[0].hex()).document["holdings"]


def test_a_party_is_shown_by_its_proof(asked: Command) -> None:
    assert asked("party", "show", ANN.hex(), "--verify").document["name"] == "ann"


def test_a_transaction_is_shown_by_its_receipt(asked: Command, place: Replicas) -> None:
    identity = place.box.order(place.box.transfer(5)).identity
    place.gateways[0].behind = 3
    shown = asked("tx", "show", identity.hex(), "--verify").document
    assert (shown["status"], shown["events"][0]["amount"]) == ("final", 5)


def test_a_gateway_that_is_down_is_not_the_end(asked: Command, place: Replicas) -> None:
    place.gateways[0].is_down = True
    assert asked("instrument", "show", EUR.hex()).code == 0


def test_a_network_without_validators_is_said_so(traco: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("traco.cli.session.LedgerClient", lambda *_, **__: connect(ScriptedNode()))
    printed = traco("gateway", "check", "--json")
    assert printed.problem["code"] == "client.no_validators"
