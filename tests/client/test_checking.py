"""What a client makes sure of by itself: outcomes, answers, events; and whom it catches."""

from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from support.ledger import Key
from support.light_chain import edited, with_header
from support.light_gateways import SignedChain
from support.replicas import ACCOUNTS, ANN, EUR, AnnSigner, Replicas, ann, caught, one_client
from support.scripted_node import KeySigner, ScriptedNode, connect, problem, result, status
from traco.client.access import make_token, new_grant
from traco.client.building import identity_of
from traco.client.credentials import Access
from traco.client.gateways import ForkDetected, GatewayAlters, GatewayDelays, GatewayHides
from traco.client.results import ClientError, OtherNetwork, OutcomeUnknown
from traco.client.trust import Trust
from traco.kernel.codec import encode

A, B = "https://a", "https://b"
SUBMIT = "/v1/transactions"


# receipts


def test_a_result_is_shown_by_its_receipt(place: Replicas, several: Any) -> None:
    outcome = several.submit(place.box.transfer(3))
    assert (outcome.status, outcome.leaf) == ("final", 1)
    assert [event["amount"] for event in outcome.events] == [3]
    paths = [request.url.path for request in place.gateways[0].requests]
    assert f"/v1/transactions/{outcome.identity.hex()}/receipt" in paths


def test_a_rejection_is_shown_by_its_receipt_too(place: Replicas, several: Any) -> None:
    outcome = several.submit(place.box.transfer(1_000_000))
    assert outcome.failure is not None
    assert (outcome.status, outcome.failure.code) == ("rejected", "holding.insufficient")
    assert "Provide" in outcome.failure.text or outcome.failure.text


def test_many_are_shown_by_their_receipts(place: Replicas, several: Any) -> None:
    outcomes = several.submit_many([place.box.transfer(1), place.box.transfer(2)])
    assert [[event["amount"] for event in outcome.events] for outcome in outcomes] == [[1], [2]]


def lie(place: Replicas, number: int = 0, **changes: Any) -> bytes:
    """A transaction whose outcome this gateway tells otherwise."""
    raw = place.box.transfer(1)
    place.box.order(raw)
    height = place.box.height
    told = result(id=identity_of(raw).hex(), **{"height": height, "leaf": 1, **changes})
    place.gateways[number].line_up(SUBMIT, httpx.Response(200, json=told))
    return raw


FALSE = [
    {"status": "rejected", "failure": {"code": "holding.insufficient", "fields": {}, "text": "No."}},
    {"height": 1},
]


@pytest.mark.parametrize("changes", FALSE, ids=["status", "height"])
def test_a_false_outcome_is_found_out(place: Replicas, changes: dict[str, Any]) -> None:
    client = one_client(place, url=A)
    with pytest.raises(GatewayAlters, match="the receipt says final") as found:
        client.submit(lie(place, **changes))
    assert (found.value.code, found.value.reason) == ("gateway.alters", "receipt.mismatch")


def test_where_there_is_another_gateway_the_truth_is_returned_and_the_liar_left(
    place: Replicas, several: Any
) -> None:
    outcome = several.submit(lie(place, height=1))
    assert outcome.height == place.box.results[outcome.identity].height
    assert isinstance(caught(several, A), GatewayAlters)
    assert several.url == B


def test_an_altered_receipt_is_found_out_and_another_gateways_taken(place: Replicas, several: Any) -> None:
    raw = place.box.transfer(5)
    identity = place.box.order(raw).identity
    good = one_client(place, url=A).receipt(identity)
    altered = good[:200] + bytes([good[200] ^ 1]) + good[201:]
    place.gateways[0].line_up(
        f"/v1/transactions/{identity.hex()}/receipt", httpx.Response(200, content=altered)
    )
    assert several.submit(raw).status == "final"
    assert isinstance(caught(several, A), GatewayAlters)


def test_the_receipt_of_another_transaction_proves_nothing(place: Replicas) -> None:
    client = one_client(place, url=A)
    first, second = place.box.transfer(1), place.box.transfer(2)
    other = place.box.order(first).identity
    identity = place.box.order(second).identity
    place.gateways[0].line_up(
        f"/v1/transactions/{identity.hex()}/receipt", httpx.Response(200, content=client.receipt(other))
    )
    with pytest.raises(GatewayAlters, match="another transaction"):
        client.submit(second)


def test_an_outcome_without_a_receipt_is_not_believed(place: Replicas) -> None:
    raw = place.box.transfer(1)
    identity = identity_of(raw)
    place.gateways[0].line_up(
        f"/v1/transactions/{identity.hex()}/receipt", problem(404, "transaction.unknown")
    )
    with pytest.raises(GatewayAlters, match="it has no receipt") as found:
        one_client(place, url=A).submit(raw)
    assert found.value.reason == "receipt.absent"


def test_who_submits_for_others_is_told_that_the_receipt_is_theirs(place: Replicas) -> None:
    raw = place.box.transfer(1)
    receipt = f"/v1/transactions/{identity_of(raw).hex()}/receipt"
    place.gateways[0].line_up(receipt, problem(404, "transaction.unknown"))
    place.gateways[0].line_up(SUBMIT, httpx.Response(200, json=result(id=identity_of(raw).hex())))
    client = one_client(place, url=A, access=Access(ANN, KeySigner("a stranger")))
    place.gateways[0].line_up(
        "/v1/status", httpx.Response(200, json=status(network=place.box.network.hex(), node="aa"))
    )
    with pytest.raises(ClientError, match="Ask as one of them") as found:
        client.submit(raw)
    assert found.value.code == "client.receipt_withheld"


def test_a_receipt_that_cannot_be_had_leaves_the_outcome_open(place: Replicas) -> None:
    raw = place.box.transfer(1)
    receipt = f"/v1/transactions/{identity_of(raw).hex()}/receipt"
    place.gateways[0].line_up(receipt, problem(503, "receipt.not_yet"))
    with pytest.raises(OutcomeUnknown) as found:
        one_client(place, url=A).submit(raw)
    assert found.value.transaction == raw


def test_a_block_that_forks_what_was_verified_is_a_fork(place: Replicas, tmp_path: Path) -> None:
    client = one_client(place, url=A, trust=Trust(tmp_path, clock_ms=place.box.now_ms))
    client.submit(place.box.transfer(1))
    height = client.compare()[0].height
    twin = SignedChain(place.box.chain.terms, {height: {"app_hash": bytes(32)}}, place.box.chain.chain).block(
        height
    )
    place.gateways[0].line_up(f"/v1/light/blocks/{height}", httpx.Response(200, content=encode(twin)))
    with pytest.raises(ForkDetected) as found:
        client.compare()
    assert Path(found.value.file).exists()


# who is believed


def test_whoever_says_so_believes_the_gateway(place: Replicas) -> None:
    client = one_client(place, url=A, verify=False)
    assert client.submit(lie(place, height=1)).height == 1


def test_a_node_on_this_machine_is_believed(place: Replicas) -> None:
    gateway = place.gateways[0]
    client = connect(gateway, url="http://127.0.0.1:7470", genesis=place.box.genesis, access=ann())
    assert client.submit(lie(place, height=1)).height == 1


def test_a_gateway_cannot_say_itself_that_nobody_signs(place: Replicas) -> None:
    client = one_client(place, url=A, genesis=None, network=place.box.network)
    with pytest.raises(GatewayAlters):
        client.submit(lie(place, height=1))


def test_a_genesis_of_another_network_is_refused(place: Replicas) -> None:
    client = one_client(place, url=A, genesis=None, network=place.box.network)
    place.gateways[0].line_up(
        "/v1/genesis", httpx.Response(200, content=place.box.genesis.replace(b"Consortium", b"Consortiux"))
    )
    with pytest.raises(OtherNetwork):
        client.submit(place.box.transfer(1))


def test_trust_at_first_use_is_said_aloud(place: Replicas, caplog: pytest.LogCaptureFixture) -> None:
    assert one_client(place, url=A, genesis=None).submit(place.box.transfer(1)).status == "final"
    (record,) = [each for each in caplog.records if each.name == "traco.client"]
    assert place.box.network.hex() in record.getMessage()


def test_a_network_that_one_engine_orders_needs_no_receipts_unless_asked(place: Replicas) -> None:
    node = ScriptedNode()
    node.line_up(SUBMIT, httpx.Response(200, json=result()))
    assert connect(node).submit(b"x").status == "final"
    assert not [request for request in node.requests if request.url.path.endswith("/receipt")]


# hiding


def test_a_transaction_that_a_gateway_hides_is_found_at_another(place: Replicas, several: Any) -> None:
    identity = place.box.order(place.box.transfer(9)).identity
    several.compare()
    place.gateways[0].line_up(f"/v1/transactions/{identity.hex()}", problem(404, "transaction.unknown"))
    place.box.ledger.run_block()
    found = several.result(identity, verify=True)
    assert [event["amount"] for event in found.events] == [9]
    fault = caught(several, A)
    assert isinstance(fault, GatewayHides)
    assert (fault.code, fault.identity) == ("gateway.hides", identity)


def test_a_gateway_that_does_not_have_the_block_yet_is_not_accused(place: Replicas, several: Any) -> None:
    identity = place.box.order(place.box.transfer(9)).identity
    place.gateways[0].behind = 5
    found = several.result(identity, verify=True)
    assert found.status == "final"
    assert caught(several, A) is None


def test_a_gateway_is_accused_only_by_one_who_signed(place: Replicas) -> None:
    identity = place.box.order(place.box.transfer(9)).identity
    place.gateways[0].line_up(f"/v1/transactions/{identity.hex()}", problem(404, "transaction.unknown"))
    place.box.ledger.run_block()
    client = one_client(place)
    client._client._node.access = Access(ANN, KeySigner("a stranger"))
    found = client.result(identity, verify=True)
    assert found is not None
    assert (found.status, caught(client, A)) == ("final", None)


def test_another_gateway_that_does_not_answer_accuses_nobody(place: Replicas) -> None:
    client = one_client(place)
    client.status()
    place.gateways[1].is_down = True
    assert client.result(bytes(32), verify=True) is None
    assert caught(client, A) is None


def test_what_another_gateway_cannot_prove_is_not_taken_from_it(place: Replicas) -> None:
    identity = place.box.order(place.box.transfer(9)).identity
    path = f"/v1/transactions/{identity.hex()}"
    place.gateways[0].line_up(path, problem(404, "transaction.unknown"))
    place.gateways[1].line_up(f"{path}/receipt", httpx.Response(200, content=b"nonsense"))
    assert one_client(place).result(identity, verify=True) is None


def test_what_nobody_knows_is_unknown(place: Replicas, several: Any) -> None:
    assert several.result(bytes(32), verify=True) is None


def test_waiting_looks_at_the_other_gateways_too(place: Replicas, several: Any) -> None:
    identity = place.box.order(place.box.transfer(9)).identity
    place.gateways[0].behind = 5
    assert several.wait(identity, timeout=30).status == "final"


# answers and events


def test_an_answer_is_made_from_proven_records(place: Replicas, several: Any) -> None:
    several.submit(place.box.transfer(1))
    place.gateways[0].line_up(
        "/v1/queries/holding.get", httpx.Response(200, json={"height": 1, "answer": {"available": 10**6}})
    )
    asked = {"instrument": EUR, "account": ACCOUNTS[1]}
    assert several.query("holding.get", **asked)["available"] == 10**6
    assert several.query("holding.get", verify=True, **asked)["available"] < 10**6


def test_an_altered_proof_is_found_out(place: Replicas) -> None:
    client = one_client(place, url=A)
    grant = new_grant(place.box.network, Key("ann node").public, ANN, "read", place.box.now_ms())
    genuine = place.gateways[0].answer(
        httpx.Request(
            "POST", "https://a/v1/proofs/holding.get", json={"instrument": EUR.hex(), "account": ACCOUNTS[1].hex()},
            headers={"authorization": f"Bearer {make_token(grant, AnnSigner())}"},
        )
    ).content  # fmt: skip
    assert genuine
    for where in range(40, len(genuine), 61):
        altered = genuine[:where] + bytes([genuine[where] ^ 1]) + genuine[where + 1 :]
        place.gateways[0].answers["/v1/proofs/holding.get"] = [httpx.Response(200, content=altered)]
        with pytest.raises(GatewayAlters):
            client.query("holding.get", verify=True, instrument=EUR, account=ACCOUNTS[1])


def test_an_old_answer_is_no_answer(place: Replicas) -> None:
    client = one_client(place, url=A, trust=Trust(clock_ms=lambda: place.box.now_ms() + 120_000))
    with pytest.raises(GatewayDelays):
        client.query("holding.get", verify=True, instrument=EUR, account=ACCOUNTS[1])


def test_a_query_without_proofs_says_which_have_some(place: Replicas, several: Any) -> None:
    with pytest.raises(Exception, match=r"holding\.get") as found:
        several.query("holding.by_account", verify=True, account=ACCOUNTS[1])
    assert getattr(found.value, "code", "") == "client.no_proof"


def test_events_are_held_against_receipts(place: Replicas) -> None:
    events = one_client(place).events(after="0.0.0", verify=True)
    found = [next(events) for _ in range(5)]
    assert all(event.verified for event in found if event.kind == "transaction")


def test_an_event_whose_receipt_is_not_for_the_one_who_asks_is_not_verified(place: Replicas) -> None:
    identity = place.box.order(place.box.transfer(6)).identity
    height = place.box.height
    receipt = f"/v1/transactions/{identity.hex()}/receipt"
    for gateway in place.gateways:
        gateway.line_up(receipt, problem(404, "transaction.unknown"))
    event = next(one_client(place).events(after=f"{height}.0.0", verify=True))
    assert (event.transaction, event.verified) == (identity, False)


def test_what_fell_due_has_no_receipt(place: Replicas) -> None:
    position = f"{place.box.height}.0.0"
    form = {
        "position": f"{place.box.height}.1.0",
        "time_ms": 1,
        "transaction": "aa" * 32,
        "kind": "due",
        "event": {"type": "x"},
    }
    content = b"event: ledger\ndata: " + msgspec.json.encode(form) + b"\n\n"
    place.gateways[0].line_up("/v1/events", httpx.Response(200, content=content))
    assert not next(one_client(place, url=A).events(after=position, verify=True)).verified


def test_a_stream_of_a_single_gateway_ends_with_an_altered_event(place: Replicas) -> None:
    liar = place.gateways[0]
    genuine = liar._events(httpx.Request("GET", "https://a/v1/events?after=0.0.0"))
    altered = genuine.content.replace(b'"decimals":2', b'"decimals":3', 1).replace(
        b'"code":"EUR"', b'"code":"EUX"', 1
    )
    assert altered != genuine.content
    liar.line_up("/v1/events", httpx.Response(200, headers=genuine.headers, content=altered))
    events = one_client(place, url=A).events(after="0.0.0", verify=True)
    with pytest.raises(GatewayAlters):
        next(events)
    assert list(events) == []


def test_a_receipt_is_asked_for_at_another_gateway_where_one_does_not_answer(
    place: Replicas, several: Any
) -> None:
    raw = place.box.transfer(1)
    path = f"/v1/transactions/{identity_of(raw).hex()}/receipt"
    place.gateways[0].line_up(path, httpx.ConnectError("refused"))
    assert several.submit(raw).status == "final"


def test_an_altered_event_makes_the_stream_go_on_at_another_gateway(place: Replicas) -> None:
    client = one_client(place)
    whole = [event.event for _, event in zip(range(5), client.events(after="0.0.0"), strict=False)]
    liar = place.gateways[0]
    genuine = liar._events(httpx.Request("GET", "https://a/v1/events?after=0.0.0"))
    altered = genuine.content.replace(b'"amount":1000', b'"amount":9999', 1)
    assert altered != genuine.content
    liar.line_up("/v1/events", httpx.Response(200, headers=genuine.headers, content=altered))
    client = one_client(place)
    events = client.events(after="0.0.0", verify=True)
    assert [next(events).event for _ in range(5)] == whole
    assert isinstance(caught(client, A), GatewayAlters)


# comparing


def test_gateways_are_compared(place: Replicas, several: Any) -> None:
    heads = several.compare()
    assert [(head.url, head.fault) for head in heads] == [(A, None), (B, None)]


def test_a_gateway_that_alters_a_head_is_left(place: Replicas, several: Any) -> None:
    block = place.box.chain.block(place.box.height)
    altered = edited(block, lambda signed: with_header(signed, app_hash=bytes(32)))
    path = f"/v1/light/blocks/{place.box.height}"
    place.gateways[0].line_up(path, httpx.Response(200, content=encode(altered)))
    several.compare()
    assert isinstance(caught(several, A), GatewayAlters)
    assert several.url == B


def test_the_report_is_plain_values(place: Replicas, several: Any) -> None:
    forms = [head.form() for head in several.compare()]
    assert msgspec.json.decode(msgspec.json.encode(forms)) == forms
