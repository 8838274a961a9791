"""What a client does, with the asynchronous one and its synchronous face alike."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import httpx
import msgspec
import pytest

from support.ledger import Key
from support.scripted_node import (
    GENESIS,
    IDENTITY,
    NETWORK,
    NOW_MS,
    WINDOW_MS,
    Awaited,
    KeySigner,
    ScriptedNode,
    connect,
    connect_asynchronously,
    problem,
    result,
    status,
)
from traco.client.building import sign_body
from traco.client.ledger import LedgerClient
from traco.client.results import (
    AccessDenied,
    ClientClosed,
    ClientError,
    Forbidden,
    NodeBusy,
    NodeFault,
    NodeProblem,
    NodeUnreachable,
    NotFinalYet,
    NotFound,
    OtherNetwork,
    OutcomesUnknown,
    OutcomeUnknown,
    RequestInvalid,
    StrangeAnswer,
    TimedOut,
    TooManyRequests,
    TransactionRefused,
    TransactionRejected,
    result_of,
)
from traco.client.transport import Patience
from traco.kernel.codec import Codec, encode
from traco.kernel.finality import ReceiptInvalid
from traco.kernel.genesis import write_genesis
from traco.kernel.screening import DirectScreener, Screened
from traco.kernel.transaction import Body, RawTransaction, transaction_id
from traco.modules.composition import compose
from traco.modules.holding.messages import CloseAccount

PARTY = b"p" * 16
CLOSE = CloseAccount(PARTY, b"a" * 16)
FAILURE = {"code": "holding.insufficient", "fields": {"available": 1}, "text": "Too little. Provide more."}


@pytest.fixture
def node() -> ScriptedNode:
    return ScriptedNode()


@pytest.fixture(params=["asynchronous", "synchronous"])
def connected(request: pytest.FixtureRequest, node: ScriptedNode) -> Iterator[Any]:
    """Makes clients of the node, of one kind; closes them."""
    made: list[Any] = []
    with asyncio.Runner() as runner:

        def make(*values: Any, **options: Any) -> Any:
            kind = connect if request.param == "synchronous" else connect_asynchronously
            client = kind(node, *values, **options)
            made.append(client if request.param == "synchronous" else Awaited(client, runner))
            return made[-1]

        yield make
        for client in made:
            client.close()


@pytest.fixture
def client(connected: Any) -> Any:
    return connected()


def screened(raw: bytes) -> Screened:
    return DirectScreener(compose().body, GENESIS.kernel_parameters()).screen([raw])[0]


def body_of(raw: bytes) -> Body:
    return compose().body.decode(bytes(Codec[RawTransaction](RawTransaction).decode(raw).body))


def test_a_built_transaction_is_what_the_ledger_accepts(client: Any) -> None:
    raw = client.build([CLOSE], [KeySigner("b"), KeySigner("a")])
    assert screened(raw).refusal is None
    assert screened(raw).signers == tuple(sorted((Key("a").public, Key("b").public)))
    assert body_of(raw).network == NETWORK
    assert body_of(raw).instructions == (CLOSE,)


def test_the_validity_is_taken_from_the_clock_of_the_node(client: Any) -> None:
    until = body_of(client.build([CLOSE], [KeySigner("a")], validity_ms=5_000)).valid_until
    assert NOW_MS + 5_000 <= until < NOW_MS + 15_000


def test_the_validity_stays_within_half_of_the_window(client: Any) -> None:
    until = body_of(client.build([CLOSE], [KeySigner("a")], validity_ms=10**9)).valid_until
    assert until < NOW_MS + WINDOW_MS // 2 + 10_000


def test_the_time_is_asked_once_for_many_transactions(node: ScriptedNode, client: Any) -> None:
    for _ in range(3):
        client.build([CLOSE], [KeySigner("a")])
    assert len(node.sent("/v1/status")) == 1


def test_the_same_instructions_twice_are_two_transactions(client: Any) -> None:
    first, second = (screened(client.build([CLOSE], [KeySigner("a")])) for _ in range(2))
    assert first.identity != second.identity


def test_a_signer_that_asks_somebody_does_not_hold_up_the_event_loop(node: ScriptedNode) -> None:
    class Slow(KeySigner):
        thread = 0

        def sign(self, message: bytes) -> bytes:
            self.thread = threading.get_ident()
            return super().sign(message)

    async def build(signer: Slow) -> None:
        async with connect_asynchronously(node) as client:
            await client.build([CLOSE], [signer])

    slow = Slow("a")
    asyncio.run(build(slow))
    assert slow.thread not in (0, threading.get_ident())


def test_a_signer_given_twice_signs_once() -> None:
    body = encode(Body(NETWORK, b"", NOW_MS, bytes(16), (CLOSE,)))
    raw = sign_body(body, [KeySigner("a"), KeySigner("a")])
    assert screened(raw).signers == (Key("a").public,)


def test_a_final_transaction_has_its_events(node: ScriptedNode, client: Any) -> None:
    event = {"type": "holding.account_closed/1", "account": "61" * 16}
    node.line_up("/v1/transactions", httpx.Response(200, json=result()))
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}", httpx.Response(200, json=result(events=[event])))
    done = client.party(PARTY, KeySigner("a")).transact(CLOSE)
    assert (done.status, done.height, done.leaf) == ("final", 8, 1)
    assert done.events_of("holding.account_closed/1") == [event]
    assert done.events_of("holding.moved/1") == []


def test_all_parties_of_a_transaction_sign_it(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json=result(events=[{"type": "x/1"}])))
    other = client.party(b"q" * 16, KeySigner("q"))
    client.party(PARTY, KeySigner("p")).transact(CLOSE, others=[other])
    assert screened(node.sent("/v1/transactions")[0]).signers == tuple(
        sorted((Key("p").public, Key("q").public))
    )


def test_a_rejected_transaction_raises_with_its_result(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json=result(status="rejected", failure=FAILURE)))
    with pytest.raises(TransactionRejected) as caught:
        client.transact([CLOSE], [KeySigner("a")])
    assert (caught.value.code, caught.value.detail) == ("holding.insufficient", "Too little. Provide more.")
    assert caught.value.fields == {"available": 1}
    assert caught.value.result.height == 8


def test_a_refused_transaction_raises_with_its_code(node: ScriptedNode, client: Any) -> None:
    refusal = {"code": "transaction.expired", "fields": {}, "text": "Too late."}
    node.line_up(
        "/v1/transactions",
        httpx.Response(422, json=result(status="refused", height=-1, leaf=-1, failure=refusal)),
    )
    with pytest.raises(TransactionRefused, match=r"transaction\.expired: Too late\."):
        client.transact([CLOSE], [KeySigner("a")])


def test_submitting_answers_a_rejection_without_raising(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json=result(status="rejected", failure=FAILURE)))
    answer = client.submit(b"raw")
    assert answer.failure is not None
    assert answer.failure.code == "holding.insufficient"
    assert answer.form()["failure"] == FAILURE


def test_a_lost_answer_is_asked_for_with_the_same_bytes(node: ScriptedNode, client: Any) -> None:
    node.line_up(
        "/v1/transactions",
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.Response(200, json=result()),
    )
    assert client.submit(b"raw").status == "final"
    assert node.sent("/v1/transactions") == [b"raw"] * 3
    assert 0.05 <= node.waits[0] <= 0.15
    assert 0.1 <= node.waits[1] <= 0.3


def test_a_node_that_is_starting_is_asked_again(node: ScriptedNode, client: Any) -> None:
    starting = httpx.Response(503, json={"code": "node.starting", "detail": "Not yet."})
    node.line_up("/v1/transactions", starting, httpx.Response(200, json=result()))
    assert client.submit(b"raw").status == "final"


def test_a_node_that_answers_nothing_leaves_the_outcome_unknown(node: ScriptedNode, client: Any) -> None:
    raw = client.build([CLOSE], [KeySigner("a")])
    node.line_up("/v1/transactions", httpx.ReadError("reset"), httpx.ConnectError("refused"))
    with pytest.raises(OutcomeUnknown, match="may or may not have been ordered") as caught:
        client.submit(raw)
    assert caught.value.transaction == raw
    assert caught.value.identity == screened(raw).identity
    assert len(node.sent("/v1/transactions")) == 3


def test_a_transaction_that_never_left_is_not_in_doubt(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions", httpx.ConnectError("refused"))
    with pytest.raises(NodeUnreachable):
        client.submit(b"raw")


@pytest.mark.parametrize("code", ["node.stopping", "node.starting"])
def test_a_node_that_stopped_while_it_was_asked_leaves_the_outcome_unknown(
    node: ScriptedNode, client: Any, code: str
) -> None:
    node.line_up("/v1/transactions", problem(503, code))
    with pytest.raises(OutcomeUnknown) as caught:
        client.submit(b"raw")
    assert isinstance(caught.value.__cause__, NodeBusy)


def test_a_node_that_failed_over_a_transaction_leaves_the_outcome_unknown(
    node: ScriptedNode, client: Any
) -> None:
    node.line_up("/v1/transactions", problem(500, "node.fault"))
    with pytest.raises(OutcomeUnknown):
        client.submit(b"raw")
    assert len(node.sent("/v1/transactions")) == 1


def test_a_transaction_above_a_limit_is_not_in_doubt(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions", problem(429, "request.rate", {"retry-after": "1"}))
    with pytest.raises(TooManyRequests) as caught:
        client.submit(b"raw")
    assert caught.value.retry_after == 1
    assert [seconds >= 1 for seconds in node.waits] == [True, True]


def test_a_refusal_after_a_lost_answer_is_checked_against_what_was_ordered(
    node: ScriptedNode, client: Any
) -> None:
    raw = client.build([CLOSE], [KeySigner("a")])
    identity = screened(raw).identity.hex()
    refusal = {"code": "transaction.expired", "fields": {}, "text": "Too late."}
    node.line_up(
        "/v1/transactions",
        httpx.ReadError("reset"),
        httpx.Response(422, json=result(id=identity, status="refused", height=-1, leaf=-1, failure=refusal)),
    )
    node.line_up(f"/v1/transactions/{identity}", httpx.Response(200, json=result(id=identity)))
    assert client.submit(raw).status == "final"


def test_a_refusal_after_a_lost_answer_stays_one_where_nothing_was_ordered(
    node: ScriptedNode, client: Any
) -> None:
    refusal = {"code": "transaction.expired", "fields": {}, "text": "Too late."}
    refused = httpx.Response(422, json=result(status="refused", height=-1, leaf=-1, failure=refusal))
    node.line_up("/v1/transactions", httpx.ReadError("reset"), refused)
    assert client.submit(b"raw").status == "refused"


def test_a_final_transaction_is_reported_also_where_its_events_cannot_be_had(
    node: ScriptedNode, client: Any
) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json=result()))
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}", httpx.ReadError("reset"))
    done = client.transact([CLOSE], [KeySigner("a")])
    assert (done.status, done.events) == ("final", ())


def test_a_call_ends_when_its_time_is_over(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/blocks/1", problem(503, "node.starting"))
    with pytest.raises(TimedOut) as caught:
        client.block(1, timeout=0.04)
    assert caught.value.code == "node.timeout"
    assert node.waits == []


def test_a_transaction_whose_time_is_over_is_in_doubt_where_it_was_sent(
    node: ScriptedNode, client: Any
) -> None:
    node.line_up("/v1/transactions", httpx.ReadError("reset"))
    with pytest.raises(OutcomeUnknown):
        client.submit(b"raw", timeout=0.01)


def test_waiting_ends_with_the_final_result(node: ScriptedNode, client: Any) -> None:
    path = f"/v1/transactions/{IDENTITY.hex()}"
    node.line_up(
        path, problem(404, "transaction.unknown"), httpx.Response(200, json=result(status="ordered")),
        httpx.Response(200, json=result()),
    )  # fmt: skip
    assert client.wait(IDENTITY).status == "final"
    assert len(node.waits) == 2


def test_waiting_ends_when_its_time_is_over(node: ScriptedNode, client: Any) -> None:
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}", httpx.Response(200, json=result(status="received")))
    with pytest.raises(NotFinalYet) as caught:
        client.wait(IDENTITY, timeout=3)
    assert caught.value.result == result_of(result(status="received"))
    assert sum(node.waits) <= 3


def test_what_is_no_transaction_can_be_submitted_and_is_named_too(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions", httpx.ReadError("reset"))
    with pytest.raises(OutcomeUnknown) as caught:
        client.submit(b"")
    assert caught.value.identity == transaction_id(b"")


def test_reading_from_a_node_that_is_away_says_how_to_start_it(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/status", httpx.ConnectError("refused"))
    with pytest.raises(NodeUnreachable, match="traco node start"):
        client.status()


def test_a_node_of_another_network_is_refused(connected: Any) -> None:
    with pytest.raises(OtherNetwork, match=NETWORK.hex()):
        connected(b"n" * 32).build([CLOSE], [KeySigner("a")])


def test_a_node_of_the_wanted_network_is_used(connected: Any) -> None:
    assert connected(NETWORK).network == NETWORK


def test_a_node_that_was_exchanged_for_one_of_another_network_is_noticed(
    node: ScriptedNode, client: Any
) -> None:
    client.status()
    node.line_up("/v1/status", httpx.Response(200, json=status(network="aa" * 32)))
    with pytest.raises(OtherNetwork):
        client.status()


def test_genesis_and_network_that_disagree_are_refused(connected: Any) -> None:
    with pytest.raises(OtherNetwork):
        connected(b"n" * 32, genesis=write_genesis(GENESIS))


def test_the_genesis_is_that_of_the_network(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/genesis", httpx.Response(200, content=write_genesis(GENESIS)))
    assert client.genesis() == write_genesis(GENESIS)


def test_a_genesis_of_another_network_is_refused(node: ScriptedNode, client: Any) -> None:
    other = msgspec.structs.replace(GENESIS, name="Other")
    node.line_up("/v1/genesis", httpx.Response(200, content=write_genesis(other)))
    with pytest.raises(OtherNetwork):
        client.genesis()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v1/genesis", httpx.Response(200, content=b"{}")),
        ("/v1/status", httpx.Response(200, json={"hello": "world"})),
        ("/v1/status", httpx.Response(200, json=["hello"])),
    ],
)
def test_what_is_no_node_is_named_as_such(
    node: ScriptedNode, client: Any, path: str, answer: httpx.Response
) -> None:
    node.line_up("/v1/genesis", httpx.Response(200, content=write_genesis(GENESIS)))
    node.answers[path] = [answer]
    with pytest.raises(NodeProblem, match=r"node\.strange_answer"):
        client.genesis()


def test_an_answer_to_a_transaction_that_cannot_be_read_leaves_the_outcome_unknown(
    node: ScriptedNode, client: Any
) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json={"hello": "world"}))
    with pytest.raises(OutcomeUnknown) as caught:
        client.submit(b"raw")
    assert isinstance(caught.value.__cause__, StrangeAnswer)


def test_a_result_that_cannot_be_read_is_named_as_such(node: ScriptedNode, client: Any) -> None:
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}", httpx.Response(200, json={"hello": "world"}))
    with pytest.raises(StrangeAnswer, match=r"node\.strange_answer"):
        client.result(IDENTITY)


def test_a_problem_document_keeps_code_text_and_fields(node: ScriptedNode, client: Any) -> None:
    problem = {
        "type": "about:blank",
        "title": "x",
        "status": 404,
        "code": "block.unknown",
        "detail": "No.",
        "last": 7,
    }
    node.line_up("/v1/blocks/9", httpx.Response(404, json=problem))
    with pytest.raises(NodeProblem) as caught:
        client.block(9)
    assert (caught.value.status, caught.value.code, caught.value.detail) == (404, "block.unknown", "No.")
    assert caught.value.fields == {"last": 7}


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"{}", b"\xff"])
def test_an_error_that_is_no_problem_document_has_the_code_of_http(
    node: ScriptedNode, client: Any, content: bytes
) -> None:
    node.line_up("/v1/blocks/9", httpx.Response(500, content=content))
    with pytest.raises(NodeProblem, match=r"http\.500"):
        client.block(9)


def test_an_unknown_transaction_has_no_result(client: Any) -> None:
    assert client.result(IDENTITY) is None


def test_another_problem_with_a_result_is_raised(node: ScriptedNode, client: Any) -> None:
    node.line_up(
        f"/v1/transactions/{IDENTITY.hex()}", httpx.Response(500, json={"code": "a.b", "detail": "c"})
    )
    with pytest.raises(NodeProblem, match=r"a\.b"):
        client.result(IDENTITY)


def test_a_receipt_is_the_bytes_of_the_file(node: ScriptedNode, client: Any) -> None:
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}/receipt", httpx.Response(200, content=b"receipt"))
    assert client.receipt(IDENTITY) == b"receipt"


def test_a_query_sends_bytes_as_hex_and_gives_the_answer(node: ScriptedNode, client: Any) -> None:
    node.line_up(
        "/v1/queries/holding.get", httpx.Response(200, json={"height": 3, "answer": {"available": 5}})
    )
    assert client.query("holding.get", account=b"\x0a", limit=2) == {"available": 5}
    assert msgspec.json.decode(node.sent("/v1/queries/holding.get")[0]) == {"account": "0a", "limit": 2}


def test_an_answer_that_is_none_of_a_query_is_named_as_such(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/queries/party.get", httpx.Response(200, json=[]))
    with pytest.raises(NodeProblem, match=r"node\.strange_answer"):
        client.query("party.get", party=PARTY)


def test_a_route_is_asked_with_parameters_as_plain_values(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/health/ready", httpx.Response(200, json={"ready": True}))
    assert client.get("/v1/health/ready", party=b"\x0a", limit=2, after=None, timeout=5) == {"ready": True}
    assert dict(node.requests[-1].url.params) == {"party": "0a", "limit": "2"}


def test_the_fingerprint_service_is_asked_once(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/fingerprints", httpx.ConnectError("refused"))
    with pytest.raises(NodeUnreachable):
        client.fingerprints("bank", {"number": "1"}, b"\x01", register=False)
    asked = msgspec.json.decode(node.sent("/v1/fingerprints")[0])
    assert asked == {
        "caller": "bank",
        "fields": {"number": "1"},
        "content_commitment": "01",
        "register": False,
    }
    assert len(node.sent("/v1/fingerprints")) == 1


def test_many_transactions_are_sent_in_batches_that_a_node_takes(node: ScriptedNode, client: Any) -> None:
    transactions = [b"x" * 300_000, b"y" * 300_000, b"z" * 500_000, b"", b"w"]
    first, second = [result()] * 2, [result()] * 3
    node.line_up("/v1/transactions/batch", httpx.Response(200, json=first), httpx.Response(200, json=second))
    results = client.submit_many(transactions)
    assert [msgspec.msgpack.decode(batch) for batch in node.sent("/v1/transactions/batch")] == [
        transactions[:2], transactions[2:]
    ]  # fmt: skip
    assert len(results) == 5


@pytest.mark.parametrize("transactions", [[], [b""], [b"x"] * 2_049])
def test_every_transaction_of_many_is_sent_once(
    node: ScriptedNode, client: Any, transactions: Sequence[bytes]
) -> None:
    sizes = [min(2_048, len(transactions) - start) for start in range(0, len(transactions), 2_048)]
    answers = [httpx.Response(200, json=[result()] * size) for size in sizes]
    node.line_up("/v1/transactions/batch", *answers)
    assert len(client.submit_many(transactions)) == len(transactions)
    sent = [msgspec.msgpack.decode(batch) for batch in node.sent("/v1/transactions/batch")]
    assert list(chain.from_iterable(sent)) == list(transactions)


def test_of_many_transactions_the_results_that_are_known_are_not_lost(
    node: ScriptedNode, client: Any
) -> None:
    transactions = [b"x" * 900_000, b"y" * 900_000]
    node.line_up("/v1/transactions/batch", httpx.Response(200, json=[result()]), httpx.ReadError("reset"))
    with pytest.raises(OutcomesUnknown) as caught:
        client.submit_many(transactions)
    assert [known.status for known in caught.value.results] == ["final"]
    assert caught.value.transactions == (transactions[1],)


def test_of_many_a_refusal_after_a_lost_answer_is_checked_against_what_was_ordered(
    node: ScriptedNode, client: Any
) -> None:
    refusal = {"code": "transaction.expired", "fields": {}, "text": "Too late."}
    refused = result(status="refused", height=-1, leaf=-1, failure=refusal)
    node.line_up(
        "/v1/transactions/batch", httpx.ReadError("reset"), httpx.Response(200, json=[refused, result()])
    )
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}", httpx.Response(200, json=result()))
    assert [each.status for each in client.submit_many([b"x", b"y"])] == ["final", "final"]


def test_fewer_results_than_transactions_are_no_answer(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions/batch", httpx.Response(200, json=[result()]))
    with pytest.raises(OutcomesUnknown):
        client.submit_many([b"x", b"y"])


def test_many_transactions_that_never_left_are_not_in_doubt(node: ScriptedNode, client: Any) -> None:
    node.line_up("/v1/transactions/batch", httpx.ConnectError("refused"))
    with pytest.raises(NodeUnreachable):
        client.submit_many([b"x"])


def test_an_address_that_cannot_be_one_is_unreachable() -> None:
    with LedgerClient("no address", patience=Patience(())) as client, pytest.raises(NodeUnreachable):
        client.status()


@pytest.mark.parametrize(
    ("status_code", "kind"),
    [(400, RequestInvalid), (401, AccessDenied), (403, Forbidden), (404, NotFound), (409, RequestInvalid),
     (429, TooManyRequests), (500, NodeFault), (503, NodeBusy)],
)  # fmt: skip
def test_each_problem_document_is_an_error_of_its_kind(
    node: ScriptedNode, client: Any, status_code: int, kind: type[NodeProblem]
) -> None:
    node.line_up("/v1/blocks/9", problem(status_code, "some.code", last=7))
    with pytest.raises(kind) as caught:
        client.block(9)
    assert (caught.value.status, caught.value.code, caught.value.fields["last"]) == (
        status_code,
        "some.code",
        7,
    )


def test_a_receipt_is_not_verified_without_a_genesis(client: Any) -> None:
    with pytest.raises(ClientError, match=r"client\.no_genesis"):
        client.receipt(IDENTITY, verify=True)


def test_a_receipt_that_proves_nothing_is_refused(node: ScriptedNode, connected: Any) -> None:
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}/receipt", httpx.Response(200, content=b"receipt"))
    client = connected(genesis=write_genesis(GENESIS))
    with pytest.raises(ReceiptInvalid):
        client.receipt(IDENTITY, verify=True)


def test_a_closed_client_says_so(connected: Any) -> None:
    client = connected()
    client.close()
    with pytest.raises(ClientClosed):
        client.status()
    client.close()


@pytest.mark.parametrize("together", [False, True])
def test_bytes_that_are_no_transaction_are_refused_also_after_a_lost_answer(
    node: ScriptedNode, client: Any, together: bool
) -> None:
    refusal = result(id="", status="refused", height=-1, leaf=-1, failure=FAILURE)
    path = "/v1/transactions/batch" if together else "/v1/transactions"
    answer = httpx.Response(200, json=[refusal]) if together else httpx.Response(422, json=refusal)
    node.line_up(path, httpx.ReadTimeout("lost"), answer)
    node.line_up("/v1/transactions/", problem(405, "http.405"))
    found = client.submit_many([b"no transaction"])[0] if together else client.submit(b"no transaction")
    assert (found.status, found.identity) == ("refused", b"")
