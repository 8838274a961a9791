"""Every route and every query, asked by every kind of principal, about own and about foreign objects.

A route or query that is not in the tables here fails the last tests of this file: whoever adds one says who may use it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from support.ledger import Key
from support.town import NamedKey, Town, town
from traco.client.forms import to_form
from traco.client.witness import PROVEN, check_witness
from traco.modules.channel.parts import LegTerms, SealedLeg, SettlementTerms, Shown
from traco.modules.composition import compose
from traco.node.api.admission import Admits, admitted
from traco.node.api.event_fields import FIELDS
from traco.node.api.query_rules import QUERIES

REGISTRY = compose()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("matrix") / "node") as opened:
        yield opened


class Asked(NamedTuple):
    """A query with the fields of its request (``@name``: the id of an object), and who is answered."""

    fields: dict[str, Any]
    sees: str  # names of parties that are answered beside auditor and operator; "*": everybody


QUERY_OF: dict[str, list[Asked]] = {
    "kernel.proposal": [Asked({"proposal": "@proposal"}, "shy")],
    "party.get": [Asked({"party": "@alice"}, "*")],
    "party.by_lei": [Asked({"lei": "TRACOTESTCASHOPERA79"}, "*")],
    "party.by_identifier": [Asked({"identifier": {"scheme": "0088", "value": "1"}}, "*")],
    "party.list": [Asked({}, "*")],
    "party.at_height": [Asked({"party": "@alice", "height": 5}, "*")],
    "party.council": [Asked({}, "*")],
    "party.of_key": [Asked({"key": Key("alice").public.hex()}, "*")],
    "party.of_node": [Asked({"key": Key("alice").public.hex()}, "*")],
    "party.recovery": [Asked({"party": "@alice"}, "alice")],
    "holding.instrument": [Asked({"instrument": "@BOND"}, "*")],
    "holding.list_instruments": [Asked({}, "*")],
    "holding.supply": [Asked({"instrument": "@BOND"}, "*")],
    "holding.account": [Asked({"account": "@account of alice"}, "alice")],
    "holding.by_account": [Asked({"account": "@account of alice"}, "alice")],
    "holding.get": [Asked({"instrument": "@BOND", "account": "@account of alice"}, "alice")],
    "holding.holders": [Asked({"instrument": "@BOND"}, "")],
    "holding.hold": [Asked({"id": "@hold"}, "alice"), Asked({"id": "@ended hold"}, "alice")],
    "holding.pledge": [Asked({"id": "@pledge"}, "alice")],
    "holding.attachment": [Asked({"id": "@attachment"}, "alice")],
    "settlement.batch": [Asked({"batch": "@batch"}, "alice"), Asked({"batch": "@ended batch"}, "alice")],
    "document.get": [Asked({"document": "@document"}, "alice lender")],
    "document.by_party": [Asked({"party": "@alice"}, "alice")],
    "document.matches": [Asked({"document": "@document"}, "alice lender")],
    "document.fingerprint_keys": [Asked({}, "*")],
    "financing.get": [
        Asked({"financing": "@ended request"}, "alice lender"), Asked({"financing": "@open request"}, "*")
    ],
    "financing.by_document": [Asked({"document": "@document"}, "alice lender")],
    "financing.offers": [
        Asked({"financing": "@ended request"}, "alice lender"), Asked({"financing": "@open request"}, "*")
    ],
    "financing.receivable": [Asked({"document": "@document"}, "alice lender")],
    "financing.status": [Asked({"document": "@document"}, "alice lender")],
    "financing.collectable": [
        Asked({"document": "@document", "account": "@account of alice", "source": "@account of alice"}, "alice")
    ],
    "financing.payout": [Asked({"account": "@account of alice"}, "alice")],
    "network.nodes": [Asked({}, "*")],
    "network.node": [Asked({"key": Key("operator node").public.hex()}, "*")],
    "network.node_at_height": [Asked({"key": Key("operator node").public.hex(), "height": 5}, "*")],
    "network.validators": [Asked({}, "*")],
    "network.placement": [Asked({}, "*")],
    "leg.get": [Asked({"attempt": "ab" * 32}, "")],
    "leg.list": [Asked({}, "")],
    "channel.seat": [Asked({"member": "@alice"}, "*")],
    "channel.get": [Asked({"channel": "ab" * 32}, "")],
    "channel.at_height": [Asked({"channel": "ab" * 32, "height": 5}, "")],
    "channel.list": [Asked({"member": "@alice"}, "alice")],
    "channel.points": [Asked({"channel": "ab" * 32}, "")],
    "channel.settlement": [Asked({"terms": "ab" * 32}, "")],
    "channel.ballots": [Asked({"channel": "ab" * 32}, "")],
    "channel.edge": [Asked({"channel": "ab" * 32, "instrument": "ab" * 16}, "")],
}  # fmt: skip
CASES = [(name, asked) for name, cases in QUERY_OF.items() for asked in cases]
PARTIES = ("alice", "bob", "lender", "shy", "auditor", "operator")
SEE_ALL = ("auditor", "operator")


class Route(NamedTuple):
    """A route with an example: path (``{@name}`` is an id, ``{#name}`` a transaction), who is answered as in ``Asked``."""

    method: str
    path: str
    admits: Admits
    sees: str = "*"
    body: bytes | None = None


# no member of this node has channel business: who sees what of channels, test_channels asks
_CHANNEL = f"/v1/channels/{'77' * 32}"
_KEY = (
    f'{{"channel": "{"77" * 32}", "epoch": 1, "member": "{"66" * 16}", "members": ["{"66" * 16}"]}}'.encode()
)
_TOTAL = b'{"instrument": "%s", "member": "%s"}' % (b"55" * 16, b"66" * 16)
_TERMS = msgspec.json.encode(
    to_form(
        SettlementTerms(bytes(32), 1, (LegTerms(b"\x77" * 32, bytes(32), ()), LegTerms(b"", bytes(32), ())))
    )
)
_LEG = msgspec.json.encode(to_form(SealedLeg(1, bytes(16), Shown(b"x"), b"\x01" + bytes(64))))

ROUTES = {
    "/v1/status": Route("GET", "/v1/status", Admits.EVERYBODY),
    "/v1/genesis": Route("GET", "/v1/genesis", Admits.EVERYBODY),
    "/v1/openapi": Route("GET", "/v1/openapi", Admits.EVERYBODY),
    "/v1/openapi/openapi.json": Route("GET", "/v1/openapi/openapi.json", Admits.EVERYBODY),
    "/v1/openapi/{path}": Route("GET", "/v1/openapi/openapi.json", Admits.EVERYBODY),
    "/v1/health/live": Route("GET", "/v1/health/live", Admits.EVERYBODY),
    "/v1/health/ready": Route("GET", "/v1/health/ready", Admits.EVERYBODY),
    "/v1/health/progress": Route("GET", "/v1/health/progress", Admits.OPERATOR),
    "/v1/metrics": Route("GET", "/v1/metrics", Admits.OPERATOR),
    "/": Route("GET", "/", Admits.EVERYBODY),
    "/explorer/{path}": Route("GET", "/explorer/index.html", Admits.EVERYBODY),
    "/v1/principal": Route("GET", "/v1/principal", Admits.PRINCIPAL),
    "/v1/blocks": Route("GET", "/v1/blocks", Admits.PRINCIPAL),
    "/v1/blocks/{height}": Route("GET", "/v1/blocks/3", Admits.PRINCIPAL),
    "/v1/transactions": Route("POST", "/v1/transactions", Admits.SUBMITTER, "", b"nonsense"),
    "/v1/transactions/batch": Route("POST", "/v1/transactions/batch", Admits.SUBMITTER, "*", b"\x90"),
    "/v1/transactions/{identity}": Route("GET", "/v1/transactions/{#transfer}", Admits.PRINCIPAL, "alice"),
    "/v1/transactions/{identity}/receipt": Route(
        "GET", "/v1/transactions/{#transfer}/receipt", Admits.PRINCIPAL, "alice"
    ),
    "/v1/drafts": Route("POST", "/v1/drafts", Admits.PRINCIPAL, "*", b'{"instructions": [], "salt": "%s"}' % (b"ab" * 16)),
    "/v1/parties": Route("GET", "/v1/parties", Admits.PRINCIPAL),
    "/v1/instruments": Route("GET", "/v1/instruments", Admits.PRINCIPAL),
    "/v1/accounts/{identity}/holdings": Route(
        "GET", "/v1/accounts/{@account of alice}/holdings", Admits.PRINCIPAL, "alice"
    ),
    "/v1/instruments/{identity}/holders": Route("GET", "/v1/instruments/{@BOND}/holders", Admits.PRINCIPAL, ""),
    "/v1/parties/{identity}/documents": Route(
        "GET", "/v1/parties/{@alice}/documents", Admits.PRINCIPAL, "alice"
    ),
    "/v1/parties/{identity}/accounts": Route(
        "GET", "/v1/parties/{@alice}/accounts", Admits.PRINCIPAL, "alice"
    ),
    "/v1/parties/{identity}/batches": Route("GET", "/v1/parties/{@alice}/batches", Admits.PRINCIPAL, "alice"),
    "/v1/documents/{identity}/financings": Route(
        "GET", "/v1/documents/{@document}/financings", Admits.PRINCIPAL, "alice lender"
    ),
    "/v1/financings/{identity}/offers": Route(
        "GET", "/v1/financings/{@ended request}/offers", Admits.PRINCIPAL, "alice lender"
    ),
    "/v1/events": Route("GET", "/v1/events?after=x", Admits.PRINCIPAL, ""),
    "/v1/fingerprints": Route("POST", "/v1/fingerprints", Admits.SUBMITTER, "", b"{}"),
    "/v1/reports/statement": Route(
        "GET", "/v1/reports/statement?account={@account of alice}&instrument={@BOND}", Admits.PRINCIPAL, "alice"
    ),
    "/v1/reports/positions": Route("GET", "/v1/reports/positions", Admits.PRINCIPAL),
    "/v1/reports/financings": Route("GET", "/v1/reports/financings", Admits.PRINCIPAL),
    "/v1/reports/documents": Route("GET", "/v1/reports/documents", Admits.PRINCIPAL),
    "/v1/reports/history": Route("GET", "/v1/reports/history?subject={@document}", Admits.PRINCIPAL),
    "/v1/reports/reconcile": Route("GET", "/v1/reports/reconcile", Admits.AUDITOR),
    **{
        f"/v1/queries/{name}": Route("POST", f"/v1/queries/{name}", Admits.PRINCIPAL, "", b"[]")
        for name in REGISTRY.queries
    },
    "/v1/channels": Route("GET", "/v1/channels", Admits.PRINCIPAL),
    "/v1/channels/keys": Route("POST", "/v1/channels/keys", Admits.SUBMITTER, "", _KEY),
    "/v1/channels/totals": Route("POST", "/v1/channels/totals", Admits.SUBMITTER, "", _TOTAL),
    "/v1/channels/{channel}": Route("GET", _CHANNEL, Admits.PRINCIPAL, ""),
    "/v1/channels/{channel}/missing": Route("GET", f"{_CHANNEL}/missing", Admits.PRINCIPAL, ""),
    "/v1/channels/{channel}/rebuild": Route("POST", f"{_CHANNEL}/rebuild", Admits.SUBMITTER, "", b"{}"),
    "/v1/channels/{channel}/rebuild/report": Route("GET", f"{_CHANNEL}/rebuild/report", Admits.PRINCIPAL, ""),
    "/v1/channels/{channel}/disclosures": Route("POST", f"{_CHANNEL}/disclosures", Admits.SUBMITTER, "", b"{}"),
    "/v1/channels/{channel}/disclosures/{disclosure}": Route(
        "GET", f"{_CHANNEL}/disclosures/{'99' * 16}", Admits.PRINCIPAL, ""
    ),
    "/v1/channels/{channel}/disclosures/{disclosure}/content": Route(
        "GET", f"{_CHANNEL}/disclosures/{'99' * 16}/content", Admits.SUBMITTER, ""
    ),
    "/v1/channels/{channel}/legs": Route("POST", f"{_CHANNEL}/legs", Admits.SUBMITTER, "", b'{"terms": %s, "transaction": ""}' % _TERMS),
    "/v1/channels/attempts": Route(
        "POST", "/v1/channels/attempts", Admits.SUBMITTER, "", b'{"terms": %s, "legs": [%s]}' % (_TERMS, _LEG)
    ),
    "/v1/channels/{channel}/legs/batch": Route(
        "POST", f"{_CHANNEL}/legs/batch", Admits.SUBMITTER, "", b'[{"terms": %s, "transaction": ""}]' % _TERMS
    ),
    "/v1/channels/attempts/batch": Route(
        "POST", "/v1/channels/attempts/batch", Admits.SUBMITTER, "", b'[{"terms": %s, "legs": [%s]}]' % (_TERMS, _LEG)
    ),
    "/v1/channels/settlements/{terms}": Route("GET", f"/v1/channels/settlements/{'55' * 32}", Admits.PRINCIPAL, ""),
    "/v1/channels/{channel}/queries/{name}": Route(
        "POST", f"{_CHANNEL}/queries/holding.get", Admits.PRINCIPAL, "", b"{}"
    ),
    "/v1/channels/{channel}/transactions": Route(
        "POST", f"{_CHANNEL}/transactions", Admits.SUBMITTER, "", b"nonsense"
    ),
    "/v1/channels/{channel}/transactions/batch": Route(
        "POST", f"{_CHANNEL}/transactions/batch", Admits.SUBMITTER, "", b"\x90"
    ),
    "/v1/channels/{channel}/transactions/{identity}": Route(
        "GET", f"{_CHANNEL}/transactions/{'88' * 32}", Admits.PRINCIPAL, ""
    ),
    "/v1/channels/{channel}/transactions/{identity}/receipt": Route(
        "GET", f"{_CHANNEL}/transactions/{'88' * 32}/receipt", Admits.PRINCIPAL, ""
    ),
    "/v1/light/head": Route("GET", "/v1/light/head", Admits.EVERYBODY),
    "/v1/light/blocks/{height}": Route("GET", "/v1/light/blocks/3", Admits.EVERYBODY),
    "/v1/light/seal": Route("GET", "/v1/light/seal", Admits.EVERYBODY),
    "/v1/light/engine/{method}": Route("GET", "/v1/light/engine/commit?height=1", Admits.EVERYBODY),
    **{f"/v1/proofs/{name}": Route("POST", f"/v1/proofs/{name}", Admits.PRINCIPAL, "", b"[]") for name in PROVEN},
}  # fmt: skip
ANSWERED_WITH = {
    "/v1/transactions": 422, "/v1/events": 400, "/v1/fingerprints": 400, "/v1/light/blocks/{height}": 404,
    "/v1/light/engine/{method}": 404, "/v1/channels/keys": 404, "/v1/channels/totals": 404, "/v1/channels/{channel}": 404,
    "/v1/channels/{channel}/rebuild": 404, "/v1/channels/{channel}/rebuild/report": 404,
    "/v1/channels/{channel}/missing": 404, "/v1/channels/{channel}/queries/{name}": 404,
    "/v1/channels/{channel}/disclosures": 404, "/v1/channels/{channel}/disclosures/{disclosure}": 404,
    "/v1/channels/{channel}/disclosures/{disclosure}/content": 404,
    "/v1/channels/{channel}/legs": 404, "/v1/channels/attempts": 404, "/v1/channels/{channel}/legs/batch": 404,
    "/v1/channels/attempts/batch": 404, "/v1/channels/settlements/{terms}": 404,
    "/v1/channels/{channel}/transactions": 404, "/v1/channels/{channel}/transactions/batch": 404,
    "/v1/channels/{channel}/transactions/{identity}": 404,
    "/v1/channels/{channel}/transactions/{identity}/receipt": 404,
}  # fmt: skip
"""What those who are admitted get for an example that is no good; nobody signs headers for the embedded engine."""


def filled(place: Town, value: Any) -> Any:
    return place.ids[value[1:]].hex() if isinstance(value, str) and value.startswith("@") else value


def path_of(place: Town, route: Route) -> str:
    path = route.path
    for mark, known in (("@", place.ids), ("#", place.placed)):
        while "{" + mark in path:
            name = path.split("{" + mark)[1].split("}")[0]
            path = path.replace("{" + mark + name + "}", known[name].hex())
    return path


def may_use(party: str, admits: Admits) -> bool:
    if admits is Admits.OPERATOR:
        return party == "operator"
    return admits is not Admits.AUDITOR or party in SEE_ALL


def ask(place: Town, route: Route, headers: dict[str, str]) -> httpx.Response:
    kind = (
        "application/json"
        if route.path not in ("/v1/transactions", "/v1/transactions/batch")
        else "application/octet-stream"
    )
    return place.node.client.request(
        route.method, path_of(place, route), content=route.body, headers={"content-type": kind, **headers}
    )  # fmt: skip


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize(("name", "asked"), CASES)
def test_a_query_answers_those_whom_its_object_concerns(
    place: Town, name: str, asked: Asked, party: str
) -> None:
    answer = place.query(
        party, name, **{field: filled(place, value) for field, value in asked.fields.items()}
    )
    if party in SEE_ALL or asked.sees == "*" or party in asked.sees.split():
        assert answer.status_code == 200, answer.text
    else:
        assert (answer.status_code, answer.json()["code"]) == (404, "object.unknown")


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize(("name", "asked"), [case for case in CASES if case[0] in PROVEN])
def test_an_answer_with_its_proof_is_for_whom_the_query_answers(
    place: Town, name: str, asked: Asked, party: str
) -> None:
    form = {field: filled(place, value) for field, value in asked.fields.items()}
    answer = place.node.client.post(f"/v1/proofs/{name}", json=form, headers=place.headers(party))
    if not (party in SEE_ALL or asked.sees == "*" or party in asked.sees.split()):
        assert (answer.status_code, answer.json()["code"]) == (404, "object.unknown")
    elif answer.status_code == 404:
        assert answer.json()["code"] == "proof.withheld"
        assert not place.query(party, name, **form).json()["answer"]
    else:
        assert answer.status_code == 200, answer.text
        assert check_witness(answer.content, place.node.network).height > 0


@pytest.mark.parametrize(("name", "asked"), [case for case in CASES if case[1].sees != "*"])
def test_a_foreign_object_is_answered_like_one_that_does_not_exist(
    place: Town, name: str, asked: Asked
) -> None:
    fields = {field: filled(place, value) for field, value in asked.fields.items()}
    foreign = place.query("bob", name, **fields)
    absent = {
        field: "99" * (len(value) // 2) if value in _ids(place) else value for field, value in fields.items()
    }
    assert place.query("bob", name, **absent).content == foreign.content


def _ids(place: Town) -> set[Any]:
    return {identity.hex() for identity in place.ids.values()}


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("template", sorted(ROUTES))
def test_a_route_answers_those_whom_it_admits_about_what_they_see(
    place: Town, template: str, party: str
) -> None:
    route = ROUTES[template]
    answer = ask(place, route, place.headers(party))
    if template in ANSWERED_WITH or template.startswith(("/v1/queries/", "/v1/proofs/")):
        assert answer.status_code == ANSWERED_WITH.get(template, 400), answer.text
    elif not may_use(party, route.admits):
        assert (answer.status_code, answer.json()["code"]) == (403, "access.role")
    elif party in SEE_ALL or route.sees == "*" or party in route.sees.split():
        assert answer.status_code == 200, answer.text
    else:
        assert answer.status_code == 404
        assert answer.json()["code"] in ("object.unknown", "transaction.unknown")


ITEMS = {
    "/v1/reports/positions": ("account of alice", "alice"),
    "/v1/reports/financings": ("financing", "alice lender"),
    "/v1/reports/documents": ("document", "alice lender"),
    "/v1/reports/history?subject={@document}": ("document", "alice lender"),
    "/v1/reports/history?subject={@account of alice}": ("account of alice", "alice"),
}
"""Lists that everybody may ask for, an object that they list, and which parties find it there."""


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("path", sorted(ITEMS))
def test_a_list_has_only_what_concerns_the_party(place: Town, path: str, party: str) -> None:
    name, sees = ITEMS[path]
    answer = place.get(party, path_of(place, Route("GET", path, Admits.PRINCIPAL)))
    assert answer.status_code == 200
    assert (place.ids[name].hex() in answer.text) == (party in SEE_ALL or party in sees.split())


def bad_tokens(place: Town) -> dict[str, tuple[dict[str, str], int, str]]:
    """Headers, status and code of requests that have no principal."""
    now_ms = place.now_ms()
    reader, gone = NamedKey("alice reader"), NamedKey("alice gone")
    good = place.token("alice")
    return {
        "none": ({}, 401, "access.missing"),
        "no token": ({"authorization": "Bearer x"}, 401, "access.malformed"),
        "another scheme": ({"authorization": f"Basic {good}"}, 401, "access.malformed"),
        "altered": ({"authorization": f"Bearer {good[:-12]}AAAAAAAAAAAA"}, 401, "access.signature"),
        "expired": (place.headers("alice", issued_ms=now_ms - 2_000, life_ms=1_000), 401, "access.expired"),
        "from the future": (place.headers("alice", issued_ms=now_ms + 120_000), 401, "access.not_yet"),
        "too long": (place.headers("alice", life_ms=900_001), 401, "access.too_long"),
        "without time": (place.headers("alice", life_ms=0), 401, "access.too_long"),
        "of another network": (place.headers("alice", network=bytes(32)), 401, "access.other_network"),
        "of another node": (place.headers("alice", node=Key("other").public), 401, "access.other_node"),
        "removed key": (place.headers("alice", signer=gone), 401, "access.key_unknown"),
        "key of another": (place.headers("alice", signer=NamedKey("bob")), 401, "access.key_unknown"),
        "unknown party": (place.headers("nobody", signer=reader), 401, "access.key_unknown"),
        "reading key that submits": (place.headers("alice", "submit", signer=reader), 403, "access.scope"),
    }  # fmt: skip


BAD = (
    "none", "no token", "another scheme", "altered", "expired", "from the future", "too long", "without time",
    "of another network", "of another node", "removed key", "key of another", "unknown party", "reading key that submits",
)  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_token_that_is_not_good_is_refused_by_every_route_but_the_open_ones(place: Town, bad: str) -> None:
    headers, status, code = bad_tokens(place)[bad]
    for template, route in ROUTES.items():
        answer = ask(place, route, headers)
        if route.admits is Admits.EVERYBODY:
            assert answer.status_code == ANSWERED_WITH.get(template, 200), template
        else:
            assert (answer.status_code, answer.json()["code"]) == (status, code), template
            assert answer.headers["www-authenticate"].startswith('Bearer realm="traco"')
            assert answer.json()["advice"]


@pytest.mark.parametrize("template", sorted(ROUTES))
def test_a_token_that_may_read_cannot_submit(place: Town, template: str) -> None:
    route = ROUTES[template]
    answer = ask(place, route, place.headers("alice", "read", signer=NamedKey("alice reader")))
    if route.admits is Admits.SUBMITTER:
        assert (answer.status_code, answer.json()["code"]) == (403, "access.scope")
    elif not may_use("alice", route.admits):
        assert (answer.status_code, answer.json()["code"]) == (403, "access.role")
    else:
        assert answer.status_code in (200, 400, 404)


def test_every_route_is_in_the_matrix_with_whom_it_admits(place: Town) -> None:
    found = {
        route.path_format: admitted(handler.opt)
        for route in place.node.app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and handler.http_methods != {"OPTIONS"}
    }
    assert found == {template: route.admits for template, route in ROUTES.items()}


def test_every_query_says_who_may_ask_it_and_is_in_the_matrix() -> None:
    assert QUERIES.keys() == REGISTRY.queries.keys()
    assert QUERY_OF.keys() == REGISTRY.queries.keys()


def test_every_field_of_every_event_says_what_it_names() -> None:
    fields = {name for kind in REGISTRY.events for name in kind.__struct_fields__}
    assert fields - FIELDS.keys() == set()
    assert FIELDS.keys() - fields == set()
