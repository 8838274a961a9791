"""Every route of the REST interface: answers, problem documents, and hostile requests that are never a fault."""

from typing import Any

import httpx
import msgspec
import pytest

from support.api import WholeNode
from traco.client.sdk import sign_body
from traco.client.signer import Ed25519Signer
from traco.client.verify import verify
from traco.kernel.codec import ROOT, encode
from traco.kernel.transaction import Body, transaction_id
from traco.modules.composition import compose
from traco.modules.party.messages import RegisterParty
from traco.modules.party.state import PartyKey
from traco.node.api.problems import PROBLEM_TYPE

REGISTRY = compose()
OCTETS = {"content-type": "application/octet-stream"}
JSON = {"content-type": "application/json"}
MIB = 1_048_576


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, which says so and says nothing of the machine."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM_TYPE)
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["detail"]
    for secret in ("Traceback", "site-packages", ".py", "/tmp", "ledger.db"):
        assert secret not in answer.text
    return document


def clock(node: WholeNode) -> int:
    time_ms: int = node.client.get("/v1/status").json()["time_ms"]
    return time_ms


def registration(
    node: WholeNode, number: int, valid_ms: int = 60_000, name: str = "Example Seller Ltd"
) -> bytes:
    """A signed transaction that registers a party; ``number`` makes it a new one."""
    message = RegisterParty(
        node.member, number.to_bytes(16, "big"), "organisation", (party_key(number),), name
    )
    body = encode(Body(node.network, ROOT, clock(node) + valid_ms, number.to_bytes(16, "big"), (message,)))
    return sign_body(body, [node.signer])


def party_key(number: int) -> PartyKey:
    public = Ed25519Signer.from_seed(number.to_bytes(32, "big")).public_key
    return PartyKey(public, ("sign", "administer", "read"))


def submit(node: WholeNode, raw: bytes, until: str = "final") -> httpx.Response:
    return node.client.post(f"/v1/transactions?until={until}", content=raw, headers=OCTETS)


def test_status_says_where_the_ledger_stands(node: WholeNode) -> None:
    answer = node.client.get("/v1/status")
    status = answer.json()
    assert answer.status_code == 200
    assert (status["network"], status["window_ms"]) == (node.network.hex(), 600_000)
    assert status["seal"].startswith(f"traco/{node.network.hex()}\n{status['height']}\n")


def test_the_genesis_is_the_founding_document(node: WholeNode) -> None:
    answer = node.client.get("/v1/genesis")
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json()["name"] == "Test"


def test_a_transaction_is_final_found_and_has_a_receipt(node: WholeNode) -> None:
    raw = registration(node, 1)
    answer = submit(node, raw)
    result = answer.json()
    assert (answer.status_code, result["status"], result["failure"]) == (200, "final", None)
    found = node.client.get(f"/v1/transactions/{result['id']}").json()
    assert (found["id"], found["height"], found["leaf"], found["status"]) == (
        result["id"], result["height"], result["leaf"], "final",
    )  # fmt: skip
    assert [event["type"].split("/")[0] for event in found["events"]] == ["party.registered"]
    receipt = node.client.get(f"/v1/transactions/{result['id']}/receipt")
    assert receipt.headers["content-type"] == "application/octet-stream"
    genesis = node.client.get("/v1/genesis").content
    assert verify(receipt.content, genesis)["transaction"] == result["id"]
    block = node.client.get(f"/v1/blocks/{result['height']}").json()
    assert block["leaves"][result["leaf"]] == {
        "id": result["id"], "leaf": result["leaf"], "visible": True, "kind": "transaction", "failure": None,
        "events": ["party.registered/1"],
    }  # fmt: skip


def test_submitted_again_it_has_the_same_answer(node: WholeNode) -> None:
    raw = registration(node, 2)
    assert submit(node, raw).json() == submit(node, raw).json()


def test_received_is_answered_with_202_or_what_has_become_of_it_since(node: WholeNode) -> None:
    answer = submit(node, registration(node, 3), "received")
    # the block may be made before the answer is on its way
    assert (answer.status_code, answer.json()["status"]) in ((202, "received"), (200, "final"))


def test_a_rejection_has_code_fields_and_a_text_for_people(node: WholeNode) -> None:
    assert submit(node, registration(node, 4)).json()["status"] == "final"
    message = RegisterParty(
        node.member, (4).to_bytes(16, "big"), "organisation", (party_key(4_000),), "Again"
    )
    body = encode(Body(node.network, ROOT, clock(node) + 60_000, bytes(16), (message,)))
    answer = submit(node, sign_body(body, [node.signer]))
    result = answer.json()
    assert (answer.status_code, result["status"]) == (200, "rejected")
    assert result["failure"]["code"].startswith("party.")
    assert len(result["failure"]["text"].split()) > 3
    found = node.client.get(f"/v1/transactions/{result['id']}").json()
    assert (found["status"], found["failure"]) == ("rejected", result["failure"])


def test_a_refusal_is_422_with_a_text_for_people_and_is_not_remembered(node: WholeNode) -> None:
    answer = submit(node, registration(node, 5, valid_ms=0))
    result = answer.json()
    assert (answer.status_code, result["status"]) == (422, "refused")
    assert result["failure"]["code"] == "transaction.expired"
    assert "Build and sign it anew" in result["failure"]["text"]
    problem(node.client.get(f"/v1/transactions/{result['id']}"), 404, "transaction.unknown")


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"{}", b"\x92\x96", b"\x91" * 3_000, bytes(65_537)])
def test_hostile_bytes_are_refused_with_a_code(node: WholeNode, raw: bytes) -> None:
    answer = submit(node, raw)
    assert answer.status_code == 422
    assert answer.json()["failure"]["code"] in ("transaction.malformed", "transaction.too_large")


def test_a_batch_has_results_in_its_order(node: WholeNode) -> None:
    batch = [registration(node, 10), b"nonsense", registration(node, 11)]
    answer = node.client.post("/v1/transactions/batch", content=msgspec.msgpack.encode(batch), headers=OCTETS)
    assert [result["status"] for result in answer.json()] == ["final", "refused", "final"]


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", b"{}", encode({"a": 1}), encode([1]), b"\x91" * 3_000, encode([b""] * 4_097)]
)
def test_what_is_no_batch_is_a_bad_request(node: WholeNode, content: bytes) -> None:
    problem(
        node.client.post("/v1/transactions/batch", content=content, headers=OCTETS), 400, "request.invalid"
    )


def test_an_empty_batch_has_no_results(node: WholeNode) -> None:
    answer = node.client.post("/v1/transactions/batch", content=encode([]), headers=OCTETS)
    assert answer.json() == []


@pytest.mark.parametrize("route", ["/v1/transactions", "/v1/transactions/batch"])
def test_until_is_final_or_received(node: WholeNode, route: str) -> None:
    problem(
        node.client.post(f"{route}?until=soon", content=encode([]), headers=OCTETS), 400, "request.invalid"
    )


@pytest.mark.parametrize(
    "route", ["/v1/transactions", "/v1/transactions/batch", "/v1/drafts", "/v1/queries/party.get"]
)
@pytest.mark.parametrize("chunked", [False, True])
def test_an_oversized_body_is_refused(node: WholeNode, route: str, chunked: bool) -> None:
    content: Any = iter([bytes(MIB)] * 3) if chunked else bytes(3 * MIB)
    problem(node.client.post(route, content=content, headers=OCTETS), 413, "http.413")


@pytest.mark.parametrize(
    "identity", ["xyz", "AB" * 32, "ab" * 31, "ab" * 33, "ab" * 32 + "%0a", "%00", "0x" + "ab" * 31, "é" * 64]
)
@pytest.mark.parametrize("suffix", ["", "/receipt"])
def test_what_is_no_transaction_id_is_a_bad_request(node: WholeNode, identity: str, suffix: str) -> None:
    answer = node.client.get(f"/v1/transactions/{identity}{suffix}")
    assert (answer.status_code, answer.headers["content-type"]) in ((400, PROBLEM_TYPE), (404, PROBLEM_TYPE))
    assert answer.json()["code"] in ("request.invalid", "http.404")


@pytest.mark.parametrize("suffix", ["", "/receipt"])
def test_an_unknown_transaction_is_not_found(node: WholeNode, suffix: str) -> None:
    problem(node.client.get(f"/v1/transactions/{'ab' * 32}{suffix}"), 404, "transaction.unknown")


@pytest.mark.parametrize("height", ["1000000", "-1", "9223372036854775808", "9" * 30])
def test_an_unknown_block_is_not_found(node: WholeNode, height: str) -> None:
    problem(node.client.get(f"/v1/blocks/{height}"), 404, "block.unknown")


@pytest.mark.parametrize("height", ["x", "1.5", "9" * 5_000, "1e3", "%20"])
def test_what_is_no_height_is_refused(node: WholeNode, height: str) -> None:
    assert node.client.get(f"/v1/blocks/{height}").status_code in (400, 404)


def test_block_zero_is_the_founding(node: WholeNode) -> None:
    block = node.client.get("/v1/blocks/0").json()
    assert (block["height"], block["leaves"]) == (0, [])


@pytest.mark.parametrize(
    "path", ["/v1", "/v2/status", "/v1/queries/party.nothing", "/v1/../etc/passwd", "/v1/status/x"]
)
def test_an_unknown_path_is_not_found(node: WholeNode, path: str) -> None:
    problem(node.client.get(path), 404, "http.404")


def test_an_unknown_query_is_not_found(node: WholeNode) -> None:
    problem(node.client.post("/v1/queries/party.nothing", content=b"{}", headers=JSON), 404, "http.404")


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/v1/status"), ("GET", "/v1/drafts"), ("PUT", "/v1/transactions")]
)
def test_another_method_is_not_allowed(node: WholeNode, method: str, path: str) -> None:
    answer = node.client.request(method, path)
    problem(answer, 405, "http.405")
    assert set(answer.headers["Allow"].split(", ")) & {"GET", "POST"}


def test_a_query_answers_with_its_height(node: WholeNode) -> None:
    answer = node.client.post("/v1/queries/party.get", json={"party": node.member.hex()})
    assert (answer.status_code, answer.json()["answer"]["id"]) == (200, node.member.hex())
    assert answer.json()["height"] == node.client.get("/v1/status").json()["height"]


HOSTILE = {
    "empty": b"", "no json": b"{", "a number": b"1", "null": b"null", "an array": b"[]", "a text": b'"x"',
    "unknown field": b'{"nothing_of_this_name": 1}', "not utf-8": b'{"party": "\xff"}', "surrogate": b'{"party": "\\ud800"}',
    "deep array": b"[" * 100_000, "deep object": b'{"a":' * 50_000, "deep field": b'{"party":' + b"[" * 50_000,
    "huge number": b'{"party":' + b"9" * 10_000 + b"}", "nan": b'{"party": NaN}', "trailing": b"{} {}",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(REGISTRY.queries))
def test_no_query_is_faulted_by_hostile_json(node: WholeNode, name: str) -> None:
    for what, content in HOSTILE.items():
        answer = node.client.post(f"/v1/queries/{name}", content=content, headers=JSON)
        assert answer.status_code in (200, 400), (what, answer.text)


FIELDS = {
    "direction": "debit", "number": "1", "issue_date": "2026-03-09", "amount": 1, "currency": "EUR", "seller": "a", "buyer": "b",
}  # fmt: skip


@pytest.mark.parametrize(("path", "body"), [
    ("/v1/queries/party.list", {"after": "00" * 16, "limit": "5"}),
    ("/v1/drafts", {"instructions": [], "salt": "ab" * 16, "valid_ms": "60000"}),
    ("/v1/fingerprints", {"caller": "a", "fields": FIELDS, "content_commitment": "00" * 32, "register": 1}),
])  # fmt: skip
def test_a_value_of_another_type_is_not_converted(node: WholeNode, path: str, body: dict[str, Any]) -> None:
    problem(node.client.post(path, json=body), 400, "request.invalid")


@pytest.mark.parametrize("path", ["/v1/drafts", "/v1/fingerprints"])
@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_hostile_json_is_a_bad_request(node: WholeNode, path: str, what: str) -> None:
    answer = node.client.post(path, content=HOSTILE[what], headers=JSON)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == PROBLEM_TYPE


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "multipart/form-data", "application/json; charset=x", "", "???"]
)
def test_a_wrong_content_type_is_no_fault(node: WholeNode, kind: str) -> None:
    for path in (
        "/v1/drafts",
        "/v1/queries/party.get",
        "/v1/fingerprints",
        "/v1/transactions",
        "/v1/transactions/batch",
    ):
        answer = node.client.post(path, content=b'{"a": 1}', headers={"content-type": kind})
        assert 400 <= answer.status_code < 500, (path, answer.text)


def draft(node: WholeNode, **changes: Any) -> httpx.Response:
    form = {
        "type": "party.register/1", "party": node.member.hex(), "salt": "00" * 15 + "77", "kind": "organisation",
        "keys": [{"key": party_key(5_000).key.hex(), "roles": ["sign", "administer", "read"]}], "name": "Drafted Ltd",
    }  # fmt: skip
    return node.client.post("/v1/drafts", json={"instructions": [form], "salt": "ab" * 16, **changes})


def test_a_draft_signed_as_it_says_becomes_final(node: WholeNode) -> None:
    answer = draft(node)
    assert answer.status_code == 200
    body = bytes.fromhex(answer.json()["body"])
    assert answer.json()["id"] == transaction_id(body).hex()
    assert submit(node, sign_body(body, [node.signer])).json()["status"] == "final"


@pytest.mark.parametrize(
    "changes",
    [
        {"valid_ms": 0}, {"valid_ms": 10**30}, {"valid_ms": 86_400_001}, {"salt": "ab"}, {"salt": "ab" * 16 + "\n"},
        {"instructions": [{"type": "party.nothing/1"}]}, {"instructions": [{}]}, {"instructions": None}, {"more": 1},
    ],
)  # fmt: skip
def test_a_draft_of_something_else_is_a_bad_request(node: WholeNode, changes: dict[str, Any]) -> None:
    assert draft(node, **changes).status_code == 400


def test_refused_fingerprints_say_whether_waiting_helps(node: WholeNode) -> None:
    fields = {"seller": "x"}
    request = {"caller": "", "fields": fields, "content_commitment": "00" * 32}
    assert node.client.post("/v1/fingerprints", json=request).status_code == 400


def test_the_openapi_document_lists_every_instruction_and_query(node: WholeNode) -> None:
    answer = node.client.get("/v1/openapi")
    document = answer.json()
    assert (answer.status_code, document["openapi"][:2]) == (200, "3.")
    listed = {
        path.removeprefix("/v1/queries/") for path in document["paths"] if path.startswith("/v1/queries/")
    }
    assert listed == set(REGISTRY.queries)
    schemas = document["components"]["schemas"].values()
    types = [schema.get("properties", {}).get("type", {}) for schema in schemas]
    tags = {tag for kind in types for tag in (*kind.get("enum", ()), kind.get("const"))}
    missing = {str(kind.__struct_config__.tag) for kind in REGISTRY.handlers} - tags
    assert missing == set()


def test_the_same_transactions_twice_in_a_batch_have_the_same_answers(node: WholeNode) -> None:
    raws = [registration(node, 200 + number) for number in range(20)]
    content = msgspec.msgpack.encode(raws * 2)
    results = node.client.post("/v1/transactions/batch", content=content, headers=OCTETS).json()
    assert results[:20] == results[20:]
    assert [result["failure"] for result in results] == [None] * 40
