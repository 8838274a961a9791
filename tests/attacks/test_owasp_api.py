"""The OWASP API security top ten of 2023, item by item, against a node that asks for tokens.

What an item means here, and where it is tested in full:

API1   objects of others: here in samples, every query and route in ``tests/node/api/test_matrix.py``
API2   tokens: here what an attacker would try first, all refusals in ``test_matrix.py`` and ``test_authentication.py``
API3   properties: an answer holds no more than its asker may see, a request sets no more than its form has
API4   resources: bodies, depth, pages, rates, requests and streams at once, turns in submitting
API5   functions: submitting, auditing and operating are for those who may
API6   business flows: there is one that could be misused in bulk, the fingerprint service; it is limited and logged by party
API7   the node fetches nothing on behalf of a request: no parameter anywhere is an address
API8   configuration: pages of other sites, rebound names, what errors and headers tell, methods
API9   inventory: what is served is in the OpenAPI document and in the matrix
API10  what the node takes from elsewhere it verifies: statements of fingerprint services, signatures, envelopes
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from support.ledger import Key
from support.town import GENEROUS, OCTETS, NamedKey, Town, salt, town
from traco.client.access import ACCESS_TAG, make_token, new_grant
from traco.client.forms import from_form
from traco.kernel.codec import encode
from traco.kernel.transaction import TRANSACTION_TAG
from traco.modules.document.messages import SELLER, NamedParty, RegisterDocument
from traco.modules.document.statement import SignedStatement
from traco.modules.holding.messages import Transfer
from traco.node.api.problems import PROBLEM_TYPE
from traco.node.api.settings import ApiLimits

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("owasp") / "node") as opened:
        yield opened


# API1: broken object level authorization


@pytest.mark.parametrize("name", ["account", "by_account", "hold", "pledge"])
def test_api1_an_id_that_somebody_learned_opens_nothing(place: Town, name: str) -> None:
    field = "account" if "account" in name else "id"
    known = place.ids["account of alice"] if field == "account" else place.ids[name]
    answer = place.query("bob", f"holding.{name}", **{field: known})
    assert (answer.status_code, answer.json()["code"]) == (404, "object.unknown")


def test_api1_the_stream_and_the_block_tell_no_more_than_the_object(place: Town) -> None:
    height = place.get("alice", f"/v1/transactions/{place.placed['transfer'].hex()}").json()["height"]
    block = place.get("bob", f"/v1/blocks/{height}").text
    assert place.ids["account of alice"].hex() not in block
    assert "holding.moved" not in block


# API2: broken authentication


def test_api2_a_signature_over_a_transaction_is_no_token_and_a_token_signs_no_transaction(
    place: Town,
) -> None:
    grant = new_grant(place.node.network, place.node.node, place.ids["alice"], "submit", place.now_ms())
    assert not ACCESS_TAG.startswith(TRANSACTION_TAG)
    assert not TRANSACTION_TAG.startswith(ACCESS_TAG)

    class Confused:
        public_key = Key("alice").public

        def sign(self, message: bytes) -> bytes:
            return Key("alice").sign(TRANSACTION_TAG + message.removeprefix(ACCESS_TAG))

    headers = {"authorization": f"Bearer {make_token(grant, Confused())}"}
    answer = place.node.client.get("/v1/principal", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "access.signature")


def test_api2_no_token_can_be_made_to_live_longer_or_to_do_more(place: Town) -> None:
    reader = NamedKey("alice reader")
    for more, code in (
        ({"life_ms": 10**9}, "access.too_long"),
        ({"issued_ms": 0, "life_ms": 10**13}, "access.too_long"),
        ({"scope": "submit", "signer": reader}, "access.scope"),
    ):
        answer = place.node.client.get("/v1/principal", headers=place.headers("alice", **more))
        assert answer.json()["code"] == code


def test_api2_guessing_is_slowed_down_and_costs_the_guesser_only(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    limits = msgspec.structs.replace(GENEROUS, anonymous_per_second=1, anonymous_burst=400)
    with town(tmp_path_factory.mktemp("guessing") / "node", limits=limits) as place:
        good = place.headers("alice")
        client = place.node.client
        assert client.get("/v1/principal", headers=good).status_code == 200
        codes = [
            client.get("/v1/principal", headers={"authorization": f"Bearer guess{n}"}).status_code for n in range(400)
        ]  # fmt: skip
        assert codes[-1] == 429
        assert set(codes) == {401, 429}
        assert client.get("/v1/principal", headers=good).status_code == 200


# API3: broken object property level authorization


@pytest.mark.parametrize("field", ["role", "scope", "party", "principal", "sees", "_sight"])
def test_api3_a_request_cannot_set_what_its_form_does_not_have(place: Town, field: str) -> None:
    for path, form in (
        ("/v1/queries/holding.account", {"account": place.ids["account of alice"].hex()}),
        ("/v1/drafts", {"instructions": [], "salt": "ab" * 16}),
    ):
        answer = place.node.client.post(path, json={**form, field: "operator"}, headers=place.headers("bob"))
        assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM_TYPE)


def test_api3_rivals_do_not_see_each_others_offers(place: Town) -> None:
    answer = place.query("lender", "financing.offers", financing=place.ids["financing"])
    assert {row["record"]["lender"] for row in answer.json()["answer"]} == {place.ids["lender"].hex()}
    for rival in (
        "bob",
        "shy",
    ):  # who names an open request is invited to it, and sees nobody's offer all the same
        rivals = place.query(rival, "financing.offers", financing=place.ids["financing"])
        assert (rivals.status_code, rivals.json()["answer"]) == (200, [])


def test_api3_an_outcome_that_is_not_seen_is_not_in_the_block(place: Town) -> None:
    raw = place.wire(
        "alice", Transfer(place.ids["alice"], place.ids["BOND"], place.ids["account of alice"], bytes(16), 1, b"")
    )  # fmt: skip
    answer = place.submit("alice", raw).json()
    assert answer["status"] == "rejected"
    leaves = place.get("bob", f"/v1/blocks/{answer['height']}").json()["leaves"]
    assert leaves[answer["leaf"]] == {"id": answer["id"], "leaf": answer["leaf"], "visible": False}


# API4: unrestricted resource consumption


@pytest.mark.parametrize(
    ("path", "size", "kind"),
    [
        ("/v1/queries/party.get", 262_145, "application/json"), ("/v1/drafts", 262_145, "application/json"),
        ("/v1/fingerprints", 262_145, "application/json"), ("/v1/transactions", 131_073, "application/octet-stream"),
        ("/v1/transactions/batch", 2_097_153, "application/octet-stream"), ("/v1/queries/party.get", 262_145, "text/plain"),
    ],
)  # fmt: skip
def test_api4_each_route_has_a_largest_body(place: Town, path: str, size: int, kind: str) -> None:
    headers = {**place.headers("bob"), "content-type": kind}
    assert place.node.client.post(path, content=b" " * size, headers=headers).status_code == 413


def test_api4_deeply_nested_json_is_refused_before_it_is_read(place: Town) -> None:
    for content in (b"[" * 100_000, b'{"a":' * 40_000, b'{"party":' + b"[" * 50):
        answer = place.node.client.post(
            "/v1/queries/party.get", content=content, headers={**JSON, **place.headers("bob")}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "request.too_deep")


def test_api4_pages_are_bounded(place: Town) -> None:
    assert place.get("bob", "/v1/parties?limit=1001").status_code == 400
    assert place.query("bob", "party.list", limit=1_001).status_code == 400


def test_api4_a_flood_is_answered_with_when_to_come_back(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    limits = ApiLimits(requests_per_second=1, request_burst=200, anonymous_burst=1_000)
    with town(tmp_path_factory.mktemp("flood") / "node", limits=limits) as place:
        headers = place.headers("bob")
        answers = [place.node.client.get("/v1/principal", headers=headers) for _ in range(210)]
        assert (answers[0].status_code, answers[-1].status_code) == (200, 429)
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert answers[-1].json()["advice"]
        assert place.get("alice", "/v1/principal").status_code == 200


def test_api4_a_transaction_sent_twice_counts_once(place: Town) -> None:
    bond, account = place.ids["BOND"], place.ids["account of alice"]
    before = place.query("alice", "holding.get", instrument=bond, account=account).json()["answer"]
    raw = place.wire(
        "alice", Transfer(place.ids["alice"], bond, account, place.ids["account of bob"], 1, b"once")
    )
    first = place.submit("alice", raw).json()
    assert [place.submit(name, raw).json() for name in ("alice", "bob")] == [first, first]
    batch = msgspec.msgpack.encode([raw] * 50)
    answers = place.node.client.post(
        "/v1/transactions/batch", content=batch, headers={**OCTETS, **place.headers("alice")}
    ).json()
    assert answers == [first] * 50
    after = place.query("alice", "holding.get", instrument=bond, account=account).json()["answer"]
    assert int(after["available"]) == int(before["available"]) - 1


# API5: broken function level authorization


@pytest.mark.parametrize(
    ("name", "scope", "method", "path", "code"),
    [
        ("alice", "read", "POST", "/v1/transactions", "access.scope"),
        ("alice", "read", "POST", "/v1/transactions/batch", "access.scope"),
        ("alice", "read", "POST", "/v1/fingerprints", "access.scope"),
        ("alice", "submit", "GET", "/v1/metrics", "access.role"),
        ("auditor", "submit", "GET", "/v1/metrics", "access.role"),
        ("auditor", "submit", "GET", "/v1/health/progress", "access.role"),
        ("alice", "submit", "GET", "/v1/reports/reconcile", "access.role"),
    ],
)
def test_api5_a_function_is_for_those_who_may(
    place: Town, name: str, scope: Any, method: str, path: str, code: str
) -> None:
    headers = {**place.headers(name, scope), **OCTETS}
    answer = place.node.client.request(method, path, content=b"", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_api5_an_auditor_reads_everything_and_acts_for_nobody(place: Town) -> None:
    assert place.query("auditor", "holding.account", account=place.ids["account of alice"]).status_code == 200
    theft = Transfer(
        place.ids["alice"], place.ids["BOND"], place.ids["account of alice"], place.ids["account of bob"], 1, b""
    )  # fmt: skip
    answer = place.submit("auditor", place.wire("auditor", theft)).json()
    assert (answer["status"], answer["failure"]["code"]) == ("refused", "transaction.signature_missing")


# API6: unrestricted access to sensitive business flows


def fingerprint_request(caller: str) -> dict[str, Any]:
    fields = {
        "direction": "debit", "number": "inv1", "issue_date": "2026-09-01", "amount": 1, "currency": "EUR",
        "seller": "x", "buyer": "y",
    }  # fmt: skip
    return {"caller": caller, "fields": fields, "content_commitment": "00" * 32}


def test_api6_nobody_asks_the_fingerprint_service_in_anothers_name(place: Town) -> None:
    request = fingerprint_request(place.ids["alice"].hex())
    answer = place.node.client.post("/v1/fingerprints", json=request, headers=place.headers("bob"))
    assert (answer.status_code, answer.json()["code"]) == (403, "access.other_party")


def test_api6_invoices_cannot_be_guessed_in_bulk(place: Town) -> None:
    request, headers = fingerprint_request(place.ids["bob"].hex()), place.headers("bob")
    codes = [
        place.node.client.post("/v1/fingerprints", json=request, headers=headers).status_code
        for _ in range(260)
    ]
    assert codes[0] == 200
    assert 429 in codes
    request = fingerprint_request(place.ids["alice"].hex())
    assert (
        place.node.client.post("/v1/fingerprints", json=request, headers=place.headers("alice")).status_code
        == 200
    )


# API7: server side request forgery


def test_api7_no_parameter_is_an_address(place: Town) -> None:
    document = place.node.client.get("/v1/openapi").json()
    names = set[str]()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            names.update(value.get("properties", {}))
            if "in" in value and "name" in value:
                names.add(value["name"])
            assert value.get("format") not in ("uri", "uri-reference", "hostname", "ipv4", "ipv6")
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(document)
    assert len(names) > 100
    assert not [
        name for name in names if any(word in name for word in ("url", "uri", "host", "callback", "webhook"))
    ]


def test_api7_forwarding_headers_change_nothing(place: Town) -> None:
    for header in (
        "x-forwarded-host",
        "x-forwarded-for",
        "x-original-url",
        "forwarded",
        "x-http-method-override",
    ):
        answer = place.node.client.get("/v1/status", headers={header: "169.254.169.254"})
        assert answer.json()["network"] == place.node.network.hex()
        assert "169.254" not in answer.text + str(answer.headers)


# API8: security misconfiguration


def test_api8_pages_of_other_sites_and_rebound_names_are_refused(place: Town) -> None:
    for more, code in (
        ({"origin": "https://evil.example"}, "request.origin"),
        ({"host": "evil.example"}, "request.host"),
    ):
        answer = place.node.client.get("/v1/principal", headers={**place.headers("alice"), **more})
        assert (answer.status_code, answer.json()["code"]) == (403, code)


def test_api8_answers_tell_nothing_of_the_software_or_the_machine(place: Town) -> None:
    for answer in (
        place.get("bob", "/v1/nothing"),
        place.query("bob", "holding.get"),
        place.node.client.request("TRACE", "/v1/status"),
        place.node.client.get("/v1/principal"),
    ):
        assert 400 <= answer.status_code < 500
        assert "server" not in answer.headers
        for word in ("Traceback", "litestar", "uvicorn", "site-packages", "/tmp", ".py"):
            assert word not in answer.text


def test_api8_a_token_is_in_no_answer(place: Town) -> None:
    headers = place.headers("alice")
    token = headers["authorization"].split()[1]
    for path in ("/v1/principal", "/v1/nothing", "/v1/status", "/v1/blocks/x"):
        answer = place.node.client.get(path, headers=headers)
        assert token not in answer.text + str(answer.headers)


# API9: improper inventory management


def test_api9_what_is_served_is_documented_but_for_the_pages_of_the_explorer(place: Town) -> None:
    documented = set(place.node.client.get("/v1/openapi").json()["paths"])
    served = {route.path_format for route in place.node.app.routes}
    assert {path for path in served - documented if not path.startswith("/v1/openapi")} == {
        "/",
        "/explorer/{path}",
    }
    assert documented <= served


# API10: unsafe consumption of APIs


def test_api10_a_statement_of_a_service_that_the_ledger_does_not_know_is_rejected(place: Town) -> None:
    request = fingerprint_request(place.ids["alice"].hex())
    form = place.node.client.post("/v1/fingerprints", json=request, headers=place.headers("alice")).json()
    statement: SignedStatement = from_form(SignedStatement, form)
    forged = msgspec.structs.replace(statement, signature=Key("forger").sign(encode(statement.statement)))
    alice = place.ids["alice"]
    roles = (NamedParty(SELLER, alice),)
    message = RegisterDocument(alice, salt("forged"), "invoice", "ubl.invoice", bytes(32), forged, roles)
    answer = place.submit("alice", place.wire("alice", message)).json()
    assert (answer["status"], answer["failure"]["code"]) == ("rejected", "document.statement_forged")


def test_api10_bytes_from_elsewhere_are_answered_with_a_code_whatever_they_are(place: Town) -> None:
    for raw in (b"", b"\x92", b"\xff" * 1_000, encode([1, [2]]), place.wire("alice") + b"\0"):
        answer = place.submit("bob", raw)
        assert answer.status_code == 422
        assert answer.json()["failure"]["code"].startswith("transaction.")
