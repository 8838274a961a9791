"""Tokens: where they may go, when they are made, and when they are renewed."""

from typing import Any

import httpx
import pytest

from support.scripted_node import NETWORK, NOW_MS, KeySigner, ScriptedNode, connect, problem, status
from traco.client.access import parse_token, verify_token
from traco.client.credentials import Access, Tokens, check_address
from traco.client.results import AccessDenied, AddressRefused, ClientError

NODE = KeySigner("node").public_key
ACCESS = Access(b"p" * 16, KeySigner("p"), "read")
LATER_MS = NOW_MS + 13 * 60_000
LOCAL = "http://127.0.0.1:7470"


@pytest.mark.parametrize(
    "url",
    ["https://node.example", "https://192.0.2.7:8443", "http://127.0.0.1:7470", "http://127.8.8.8", "http://[::1]:7470",
     "http://localhost", "HTTPS://node.example"],
)  # fmt: skip
def test_a_token_goes_over_tls_or_stays_on_this_machine(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    "url",
    ["http://node.example", "http://192.0.2.7", "http://[2001:db8::1]", "http://localhost.example", "http://127.0.0.1.example",
     "http://2130706433", "http://127.0.0.1@node.example", "HTTP://node.example"],
)  # fmt: skip
def test_a_token_goes_nowhere_in_the_clear(url: str) -> None:
    with pytest.raises(AddressRefused, match=r"client\.insecure_address"):
        connect(ScriptedNode(), url=url, access=ACCESS)


@pytest.mark.parametrize("url", ["", "node", "ftp://node", "http://", "http://[::1", "//node"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(AddressRefused, match=r"client\.address_invalid"):
        check_address(url)


def test_a_token_is_current_until_a_fifth_of_its_life_is_left() -> None:
    tokens = Tokens(Access(b"p" * 16, KeySigner("p"), life_ms=1_000))
    assert tokens.current(5_000) is None
    made = tokens.renew(NETWORK, NODE, 5_000)
    assert tokens.current(5_799) == made
    assert tokens.current(5_800) is None


def lined_up(**changes: Any) -> ScriptedNode:
    node = ScriptedNode()
    node.line_up("/v1/status", httpx.Response(200, json=status(node=NODE.hex(), **changes)))
    node.line_up("/v1/blocks/1", httpx.Response(200, json={}))
    return node


def tokens_of(node: ScriptedNode) -> list[str]:
    sent = node.authorizations("/v1/blocks/1")
    return [text.removeprefix("Bearer ") for text in sent if text is not None]


def test_a_request_has_a_token_for_this_node_by_its_clock() -> None:
    node = lined_up()
    with connect(node, url=LOCAL, access=ACCESS) as client:
        client.block(1)
    token = parse_token(tokens_of(node)[0])
    verify_token(token)
    assert (token.grant.network, token.grant.node, token.grant.party) == (NETWORK, NODE, ACCESS.party)
    assert (token.grant.scope, token.grant.issued_ms) == ("read", NOW_MS)


def test_status_and_genesis_are_asked_without_a_token() -> None:
    node = lined_up()
    with connect(node, url=LOCAL, access=ACCESS) as client:
        client.block(1)
    assert node.authorizations("/v1/status") == [None]


def test_requests_share_a_token_until_it_must_be_renewed() -> None:
    node = lined_up()
    with connect(node, url=LOCAL, access=ACCESS) as client:
        for _ in range(3):
            client.block(1)
        node.seconds += 13 * 60
        node.answers["/v1/status"] = [httpx.Response(200, json=status(node=NODE.hex(), time_ms=LATER_MS))]
        client.block(1)
    first, second, third, fourth = tokens_of(node)
    assert first == second == third != fourth
    assert parse_token(fourth).grant.issued_ms == LATER_MS


def test_a_token_that_the_node_refuses_is_made_again_once_by_the_node_s_clock() -> None:
    node = lined_up()
    node.answers["/v1/blocks/1"] = [problem(401, "access.expired"), httpx.Response(200, json={})]
    with connect(node, url=LOCAL, access=ACCESS) as client:
        client.block(1)
    first, second = tokens_of(node)
    assert first != second
    assert len(node.sent("/v1/status")) == 2


def test_a_token_that_is_refused_again_is_an_error() -> None:
    node = lined_up()
    node.answers["/v1/blocks/1"] = [problem(401, "access.key")]
    with connect(node, url=LOCAL, access=ACCESS) as client, pytest.raises(AccessDenied, match=r"access\.key"):
        client.block(1)
    assert len(tokens_of(node)) == 2


def test_a_transaction_refused_for_its_token_is_sent_again_as_it_was() -> None:
    node = lined_up()
    node.line_up("/v1/transactions", problem(401, "access.expired"), problem(401, "access.expired"))
    with connect(node, url=LOCAL, access=ACCESS) as client, pytest.raises(AccessDenied):
        client.submit(b"raw")
    assert node.sent("/v1/transactions") == [b"raw"] * 2


def test_without_access_no_token_is_made() -> None:
    node = lined_up()
    with connect(node) as client:
        client.block(1)
    assert node.authorizations("/v1/blocks/1") == [None]


def test_on_demand_there_is_no_token_until_the_node_asks_for_one() -> None:
    node = lined_up()
    node.answers["/v1/blocks/1"] = [
        httpx.Response(200, json={}), problem(401, "access.missing"), httpx.Response(200, json={})
    ]  # fmt: skip
    with connect(node, url=LOCAL, access=Access(b"p" * 16, KeySigner("p"), on_demand=True)) as client:
        for _ in range(3):
            client.block(1)
    sent = [text is not None for text in node.authorizations("/v1/blocks/1")]
    assert sent == [False, False, True, True]


def test_a_node_that_says_no_key_cannot_be_asked_with_a_token() -> None:
    node = ScriptedNode()
    with (
        connect(node, url=LOCAL, access=ACCESS) as client,
        pytest.raises(ClientError, match=r"client\.no_node_key"),
    ):
        client.block(1)
    assert node.sent("/v1/blocks/1") == []


def test_neither_key_nor_token_is_shown() -> None:
    tokens = Tokens(ACCESS)
    token = tokens.renew(NETWORK, NODE, 5_000)
    assert token not in repr(tokens)
    assert token not in repr(tokens.access)
