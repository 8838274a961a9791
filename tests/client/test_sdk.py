from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import msgspec
import pytest

from support.ledger import Key
from traco.client.results import (
    NodeProblem,
    NodeUnreachable,
    OtherNetwork,
    OutcomeUnknown,
    TransactionRefused,
    TransactionRejected,
)
from traco.client.sdk import LedgerClient, sign_body
from traco.client.transport import Transport
from traco.kernel.codec import Codec, encode
from traco.kernel.genesis import Genesis, SealTerms, network_id, write_genesis
from traco.kernel.screening import DirectScreener, Screened
from traco.kernel.transaction import Body, RawTransaction, transaction_id
from traco.modules.composition import compose
from traco.modules.holding.messages import CloseAccount

GENESIS = Genesis(
    name="Test", purpose="test", time_ms=1, seal=SealTerms("checkpoint", Key("seal").public.hex())
)
NETWORK = network_id(GENESIS)
NOW_MS = 1_790_000_000_000
WINDOW_MS = 600_000
IDENTITY = bytes(range(32))
PARTY = b"p" * 16
CLOSE = CloseAccount(PARTY, b"a" * 16)
FAILURE = {"code": "holding.insufficient", "fields": {"available": 1}, "text": "Too little. Provide more."}

Handler = Callable[[httpx.Request], httpx.Response]


class KeySigner:
    """A test key as the SDK takes signers."""

    def __init__(self, name: str) -> None:
        self._key = Key(name)

    @property
    def public_key(self) -> bytes:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class Node:
    """Answers requests: with the status of a ledger, and otherwise with what a test lined up for a path."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: dict[str, list[httpx.Response | Exception]] = {}
        self.waits: list[float] = []

    def line_up(self, path: str, *answers: httpx.Response | Exception) -> None:
        self.answers.setdefault(path, []).extend(answers)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        lined_up = self.answers.get(request.url.path)
        if lined_up:
            answer = lined_up.pop(0) if len(lined_up) > 1 else lined_up[0]
            if isinstance(answer, Exception):
                raise answer
            return answer
        if request.url.path == "/v1/status":
            return httpx.Response(200, json=status())
        return httpx.Response(404, json={"code": "transaction.unknown", "detail": "No."})

    def sent(self, path: str) -> list[bytes]:
        return [request.content for request in self.requests if request.url.path == path]


def status(**changes: Any) -> dict[str, Any]:
    known = {
        "network": NETWORK.hex(),
        "version": "0",
        "height": 7,
        "time_ms": NOW_MS,
        "window_ms": WINDOW_MS,
        "seal": "s",
    }
    return {**known, **changes}


def result(**changes: Any) -> dict[str, Any]:
    return {"id": IDENTITY.hex(), "status": "final", "height": 8, "leaf": 1, "failure": None, **changes}


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def client(node: Node) -> Iterator[LedgerClient]:
    with connect(node) as made:
        yield made


def connect(node: Node, network: bytes | None = None) -> LedgerClient:
    http = httpx.Client(transport=httpx.MockTransport(node.answer))
    return LedgerClient(
        "http://node/",
        network,
        transport=Transport("http://node/", pauses=(0.1, 0.2), wait=node.waits.append, http=http),
    )


def screened(raw: bytes) -> Screened:
    return DirectScreener(compose().body, GENESIS.kernel_parameters()).screen([raw])[0]


def body_of(raw: bytes) -> Body:
    return compose().body.decode(bytes(Codec[RawTransaction](RawTransaction).decode(raw).body))


def test_a_built_transaction_is_what_the_ledger_accepts(client: LedgerClient) -> None:
    raw = client.build([CLOSE], [KeySigner("b"), KeySigner("a")])
    assert screened(raw).refusal is None
    assert screened(raw).signers == tuple(sorted((Key("a").public, Key("b").public)))
    assert body_of(raw).network == NETWORK
    assert body_of(raw).instructions == (CLOSE,)


def test_the_validity_is_taken_from_the_clock_of_the_node(client: LedgerClient) -> None:
    until = body_of(client.build([CLOSE], [KeySigner("a")], validity_ms=5_000)).valid_until
    assert NOW_MS + 5_000 <= until < NOW_MS + 15_000


def test_the_validity_stays_within_half_of_the_window(client: LedgerClient) -> None:
    until = body_of(client.build([CLOSE], [KeySigner("a")], validity_ms=10**9)).valid_until
    assert until < NOW_MS + WINDOW_MS // 2 + 10_000


def test_the_time_is_asked_once_for_many_transactions(node: Node, client: LedgerClient) -> None:
    for _ in range(3):
        client.build([CLOSE], [KeySigner("a")])
    assert len(node.sent("/v1/status")) == 1


def test_the_same_instructions_twice_are_two_transactions(client: LedgerClient) -> None:
    first, second = (screened(client.build([CLOSE], [KeySigner("a")])) for _ in range(2))
    assert first.identity != second.identity


def test_a_signer_given_twice_signs_once() -> None:
    body = encode(Body(NETWORK, b"", NOW_MS, bytes(16), (CLOSE,)))
    raw = sign_body(body, [KeySigner("a"), KeySigner("a")])
    assert screened(raw).signers == (Key("a").public,)


def test_a_final_transaction_has_its_events(node: Node, client: LedgerClient) -> None:
    event = {"type": "holding.account_closed/1", "account": "61" * 16}
    node.line_up("/v1/transactions", httpx.Response(200, json=result()))
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}", httpx.Response(200, json=result(events=[event])))
    done = client.party(PARTY, KeySigner("a")).transact(CLOSE)
    assert (done.status, done.height, done.leaf) == ("final", 8, 1)
    assert done.events_of("holding.account_closed/1") == [event]
    assert done.events_of("holding.moved/1") == []


def test_all_parties_of_a_transaction_sign_it(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json=result(events=[{"type": "x/1"}])))
    other = client.party(b"q" * 16, KeySigner("q"))
    client.party(PARTY, KeySigner("p")).transact(CLOSE, others=[other])
    assert screened(node.sent("/v1/transactions")[0]).signers == tuple(
        sorted((Key("p").public, Key("q").public))
    )


def test_a_rejected_transaction_raises_with_its_result(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json=result(status="rejected", failure=FAILURE)))
    with pytest.raises(TransactionRejected) as caught:
        client.transact([CLOSE], [KeySigner("a")])
    assert (caught.value.code, caught.value.detail) == ("holding.insufficient", "Too little. Provide more.")
    assert caught.value.fields == {"available": 1}
    assert caught.value.result.height == 8


def test_a_refused_transaction_raises_with_its_code(node: Node, client: LedgerClient) -> None:
    refusal = {"code": "transaction.expired", "fields": {}, "text": "Too late."}
    node.line_up(
        "/v1/transactions",
        httpx.Response(422, json=result(status="refused", height=-1, leaf=-1, failure=refusal)),
    )
    with pytest.raises(TransactionRefused, match=r"transaction\.expired: Too late\."):
        client.transact([CLOSE], [KeySigner("a")])


def test_submitting_answers_a_rejection_without_raising(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json=result(status="rejected", failure=FAILURE)))
    answer = client.submit(b"raw")
    assert answer.failure is not None
    assert answer.failure.code == "holding.insufficient"
    assert answer.form()["failure"] == FAILURE


def test_a_lost_answer_is_asked_for_with_the_same_bytes(node: Node, client: LedgerClient) -> None:
    node.line_up(
        "/v1/transactions",
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.Response(200, json=result()),
    )
    assert client.submit(b"raw").status == "final"
    assert node.sent("/v1/transactions") == [b"raw"] * 3
    assert node.waits == [0.1, 0.2]


def test_a_node_that_is_starting_is_asked_again(node: Node, client: LedgerClient) -> None:
    starting = httpx.Response(503, json={"code": "node.starting", "detail": "Not yet."})
    node.line_up("/v1/transactions", starting, httpx.Response(200, json=result()))
    assert client.submit(b"raw").status == "final"


def test_a_node_that_stays_away_leaves_the_outcome_unknown(node: Node, client: LedgerClient) -> None:
    raw = client.build([CLOSE], [KeySigner("a")])
    node.line_up("/v1/transactions", httpx.ConnectError("refused"))
    with pytest.raises(OutcomeUnknown, match="may or may not have been ordered") as caught:
        client.submit(raw)
    assert caught.value.transaction == raw
    assert caught.value.identity == screened(raw).identity
    assert len(node.sent("/v1/transactions")) == 3


def test_what_is_no_transaction_can_be_submitted_and_is_named_too(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/transactions", httpx.ConnectError("refused"))
    with pytest.raises(OutcomeUnknown) as caught:
        client.submit(b"")
    assert caught.value.identity == transaction_id(b"")


def test_reading_from_a_node_that_is_away_says_how_to_start_it(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/status", httpx.ConnectError("refused"))
    with pytest.raises(NodeUnreachable, match="traco node start"):
        client.status()


def test_a_node_of_another_network_is_refused(node: Node) -> None:
    with connect(node, b"n" * 32) as client, pytest.raises(OtherNetwork, match=NETWORK.hex()):
        client.build([CLOSE], [KeySigner("a")])


def test_a_node_of_the_wanted_network_is_used(node: Node) -> None:
    with connect(node, NETWORK) as client:
        assert client.network == NETWORK


def test_the_genesis_is_that_of_the_network(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/genesis", httpx.Response(200, content=write_genesis(GENESIS)))
    assert client.genesis() == write_genesis(GENESIS)


def test_a_genesis_of_another_network_is_refused(node: Node, client: LedgerClient) -> None:
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
    node: Node, client: LedgerClient, path: str, answer: httpx.Response
) -> None:
    node.line_up("/v1/genesis", httpx.Response(200, content=write_genesis(GENESIS)))
    node.answers[path] = [answer]
    with pytest.raises(NodeProblem, match=r"node\.strange_answer"):
        client.genesis()


def test_an_answer_that_is_no_result_is_named_as_such(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/transactions", httpx.Response(200, json={"hello": "world"}))
    with pytest.raises(NodeProblem, match=r"node\.strange_answer"):
        client.submit(b"raw")


def test_a_problem_document_keeps_code_text_and_fields(node: Node, client: LedgerClient) -> None:
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
    node: Node, client: LedgerClient, content: bytes
) -> None:
    node.line_up("/v1/blocks/9", httpx.Response(500, content=content))
    with pytest.raises(NodeProblem, match=r"http\.500"):
        client.block(9)


def test_an_unknown_transaction_has_no_result(client: LedgerClient) -> None:
    assert client.result(IDENTITY) is None


def test_another_problem_with_a_result_is_raised(node: Node, client: LedgerClient) -> None:
    node.line_up(
        f"/v1/transactions/{IDENTITY.hex()}", httpx.Response(500, json={"code": "a.b", "detail": "c"})
    )
    with pytest.raises(NodeProblem, match=r"a\.b"):
        client.result(IDENTITY)


def test_a_receipt_is_the_bytes_of_the_file(node: Node, client: LedgerClient) -> None:
    node.line_up(f"/v1/transactions/{IDENTITY.hex()}/receipt", httpx.Response(200, content=b"receipt"))
    assert client.receipt(IDENTITY) == b"receipt"


def test_a_query_sends_bytes_as_hex_and_gives_the_answer(node: Node, client: LedgerClient) -> None:
    node.line_up(
        "/v1/queries/holding.get", httpx.Response(200, json={"height": 3, "answer": {"available": 5}})
    )
    assert client.query("holding.get", account=b"\x0a", limit=2) == {"available": 5}
    assert msgspec.json.decode(node.sent("/v1/queries/holding.get")[0]) == {"account": "0a", "limit": 2}


def test_an_answer_that_is_none_of_a_query_is_named_as_such(node: Node, client: LedgerClient) -> None:
    node.line_up("/v1/queries/party.get", httpx.Response(200, json=[]))
    with pytest.raises(NodeProblem, match=r"node\.strange_answer"):
        client.query("party.get", party=PARTY)


def test_the_fingerprint_service_is_asked_once(node: Node, client: LedgerClient) -> None:
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


def test_many_transactions_are_sent_in_batches_that_a_node_takes(node: Node, client: LedgerClient) -> None:
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
    node: Node, client: LedgerClient, transactions: Sequence[bytes]
) -> None:
    def echo(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=[result() for _ in msgspec.msgpack.decode(request.content)])

    http = httpx.Client(transport=httpx.MockTransport(echo))
    with LedgerClient(transport=Transport("http://node", http=http)) as many:
        assert len(many.submit_many(transactions)) == len(transactions)


def test_an_address_that_cannot_be_one_is_unreachable() -> None:
    client = LedgerClient("no address", transport=Transport("no address", pauses=()))
    with client, pytest.raises(NodeUnreachable):
        client.status()
