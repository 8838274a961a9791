"""Transactions of channels by the client: built for one ledger, handed to a member's node, asked for."""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from support.scripted_node import IDENTITY, KeySigner, ScriptedNode, connect, problem
from traco.client.results import ChannelResult, Failure, NodeProblem, StrangeAnswer
from traco.client.sdk import LedgerClient
from traco.kernel.codec import Codec
from traco.kernel.transaction import RawTransaction
from traco.modules.composition import compose
from traco.modules.holding.messages import CloseAccount

CHANNEL = b"7" * 32
PATH = f"/v1/channels/{CHANNEL.hex()}/transactions"
CLOSE = CloseAccount(b"p" * 16, b"a" * 16)
RECEIVED: dict[str, Any] = {
    "id": IDENTITY.hex(), "status": "received", "ordinal": -1, "leaf": -1, "failure": None,
}  # fmt: skip
WHY = {"code": "holding.insufficient", "fields": {}, "text": "Too little."}


@pytest.fixture
def node() -> ScriptedNode:
    return ScriptedNode()


@pytest.fixture
def client(node: ScriptedNode) -> Iterator[LedgerClient]:
    with connect(node) as made:
        yield made


def test_a_transaction_is_built_for_the_channel_that_is_named(client: LedgerClient) -> None:
    raw = client.build([CLOSE], [KeySigner("a")], ledger=CHANNEL)
    body = compose().body.decode(bytes(Codec[RawTransaction](RawTransaction).decode(raw).body))
    assert (body.ledger, body.instructions) == (CHANNEL, (CLOSE,))


def test_what_the_node_received_is_an_answer_and_so_is_a_refusal(
    node: ScriptedNode, client: LedgerClient
) -> None:
    refused = {**RECEIVED, "status": "refused", "failure": WHY}
    node.line_up(PATH, httpx.Response(202, json=RECEIVED), httpx.Response(422, json=refused))
    assert client.submit_to_channel(CHANNEL, b"bytes") == ChannelResult(IDENTITY, "received", -1, -1, None)
    failure = client.submit_to_channel(CHANNEL, b"bytes").failure
    assert failure == Failure("holding.insufficient", {}, "Too little.")
    assert node.sent(PATH) == [b"bytes", b"bytes"]


def test_a_node_that_does_no_business_for_the_member_raises(node: ScriptedNode, client: LedgerClient) -> None:
    node.line_up(PATH, problem(422, "channel.not_hosted"), problem(404, "object.unknown"))
    for code in ("channel.not_hosted", "object.unknown"):
        with pytest.raises(NodeProblem) as caught:
            client.submit_to_channel(CHANNEL, b"bytes")
        assert caught.value.code == code


def test_a_submission_without_an_answer_is_sent_again(node: ScriptedNode, client: LedgerClient) -> None:
    node.line_up(PATH, httpx.ReadError("gone"), httpx.Response(202, json=RECEIVED))
    assert client.submit_to_channel(CHANNEL, b"bytes").status == "received"
    assert len(node.sent(PATH)) == 2


def test_how_far_a_transaction_has_come_is_asked_by_its_id(node: ScriptedNode, client: LedgerClient) -> None:
    confirmed = {**RECEIVED, "status": "confirmed", "ordinal": 3, "leaf": 1, "failure": WHY, "events": []}
    node.line_up(f"{PATH}/{IDENTITY.hex()}", httpx.Response(200, json=confirmed))
    found = client.channel_result(CHANNEL, IDENTITY)
    assert found is not None
    assert found.form() == confirmed
    assert client.channel_result(CHANNEL, bytes(32)) is None


def test_what_a_transaction_of_a_channel_established_comes_with_it(
    node: ScriptedNode, client: LedgerClient
) -> None:
    opened = {"type": "holding.account_opened/1", "account": "0a" * 16}
    node.line_up(f"{PATH}/{IDENTITY.hex()}", httpx.Response(200, json={**RECEIVED, "events": [opened]}))
    found = client.channel_result(CHANNEL, IDENTITY)
    assert found is not None
    assert found.events == (opened,)
    assert found.form()["events"] == [opened]


def test_an_answer_of_another_form_is_not_believed(node: ScriptedNode, client: LedgerClient) -> None:
    node.line_up(PATH, httpx.Response(202, json={"id": "zz"}))
    with pytest.raises(StrangeAnswer):
        client.submit_to_channel(CHANNEL, b"bytes")


def test_a_form_is_posted_with_bytes_in_hex(node: ScriptedNode, client: LedgerClient) -> None:
    node.line_up("/v1/channels/keys", httpx.Response(200, json={"made": 1}))
    assert client.post("/v1/channels/keys", {"channel": CHANNEL, "epoch": 1}) == {"made": 1}
    assert msgspec.json.decode(node.sent("/v1/channels/keys")[0]) == {"channel": CHANNEL.hex(), "epoch": 1}
