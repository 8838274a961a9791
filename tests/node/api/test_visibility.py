"""What a party sees of transactions, blocks and lists; and what it is told of the rest."""

from collections.abc import Iterator

import pytest

from support.town import Town, town
from traco.client.verify import verify
from traco.kernel.operations import ParametersSet
from traco.kernel.registry import tag_of
from traco.modules.financing.messages import AcceptOffer, CancelFinancing
from traco.modules.holding.messages import Issue
from traco.node.api import sight, visibility
from traco.node.api.event_fields import FIELDS, PUBLIC_EVENTS, Kind
from traco.node.api.principals import Principal, Role
from traco.storage.committed import CommittedLeaf, LeafKind


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("visibility") / "node") as opened:
        yield opened


SEEN = {
    "transfer": "alice operator auditor", "issue": "alice operator auditor", "of bob": "bob operator auditor",
    "document": "alice operator auditor", "batch": "alice operator auditor", "release": "alice operator auditor",
}  # fmt: skip

PROVED = {**SEEN, "document": "alice lender operator auditor"}  # a lender checks the file against it


@pytest.mark.parametrize("what", sorted(SEEN))
@pytest.mark.parametrize("party", ["alice", "bob", "lender", "auditor", "operator"])
def test_a_transaction_is_seen_by_who_acts_and_whom_its_events_concern(
    place: Town, what: str, party: str
) -> None:
    path = f"/v1/transactions/{place.placed[what].hex()}"
    for answer, sees in (
        (place.get(party, path), SEEN), (place.get(party, f"{path}/receipt"), PROVED),
    ):  # fmt: skip
        if party in sees[what].split():
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.json()["code"]) == (404, "transaction.unknown")


def test_a_foreign_transaction_is_answered_like_one_that_does_not_exist(place: Town) -> None:
    known, absent = place.placed["transfer"].hex(), "12" * 32
    for path in ("/v1/transactions/{}", "/v1/transactions/{}/receipt"):
        foreign = place.get("bob", path.format(known)).text.replace(known, "")
        assert foreign == place.get("bob", path.format(absent)).text.replace(absent, "")


def test_who_sees_a_transaction_sees_what_was_asked_and_who_signed(place: Town) -> None:
    found = place.get("alice", f"/v1/transactions/{place.placed['transfer'].hex()}").json()
    assert [(item["type"], item["amount"]) for item in found["instructions"]] == [("holding.transfer/1", 10)]
    assert found["signers"] == [place.signer("alice").public_key.hex()]
    assert found["valid_until"] > found["time_ms"]
    assert (found["kind"], found["status"], found["failure"]) == ("transaction", "final", None)
    assert [event["type"] for event in found["events"]] == ["holding.moved/1"]


def test_the_receipt_that_a_party_may_fetch_verifies(place: Town) -> None:
    identity = place.placed["transfer"].hex()
    receipt = place.get("alice", f"/v1/transactions/{identity}/receipt").content
    assert verify(receipt, place.node.client.get("/v1/genesis").content)["transaction"] == identity


def test_whoever_submits_is_told_the_result_even_of_what_others_sign(place: Town) -> None:
    raw = place.wire("operator", Issue(place.node.member, place.ids["BOND"], bytes(16), 1, b""))
    answer = place.submit("bob", raw).json()
    assert (answer["status"], answer["failure"]["code"]) == ("rejected", "holding.account_unknown")
    assert place.get("bob", f"/v1/transactions/{answer['id']}").status_code == 404


def leaves(place: Town, party: str, what: str) -> list[dict[str, object]]:
    height = place.get("operator", f"/v1/transactions/{place.placed[what].hex()}").json()["height"]
    found: list[dict[str, object]] = place.get(party, f"/v1/blocks/{height}").json()["leaves"]
    return found


def test_of_a_leaf_that_is_not_seen_id_and_place_are_told(place: Town) -> None:
    identity = place.placed["transfer"].hex()
    assert leaves(place, "bob", "transfer")[1] == {"id": identity, "leaf": 1, "visible": False}
    assert leaves(place, "alice", "transfer")[1] == {
        "id": identity, "leaf": 1, "visible": True, "kind": "transaction", "failure": None, "events": ["holding.moved/1"],
    }  # fmt: skip


def test_an_envelope_is_seen_by_the_member_whose_node_made_it(place: Town) -> None:
    assert [leaves(place, party, "transfer")[0]["visible"] for party in ("operator", "alice")] == [
        True,
        False,
    ]


def test_blocks_come_in_pages_from_either_end(place: Town) -> None:
    last = place.get("bob", "/v1/blocks?limit=1").json()["items"][0]["height"]
    down, path = [], "/v1/blocks?limit=7"
    while path:
        page = place.get("bob", path).json()
        down += [item["height"] for item in page["items"]]
        path = page["next"] and f"/v1/blocks?limit=7&before={page['next']}"
    assert down == list(range(last, -1, -1))
    up, path = [0], "/v1/blocks?limit=7&after=0"
    while path:
        page = place.get("bob", path).json()
        up += [item["height"] for item in page["items"]]
        path = page["next"] and f"/v1/blocks?limit=7&after={page['next']}"
    assert up == list(range(last + 1))
    assert place.get("bob", "/v1/blocks?after=1&before=5").status_code == 400


def test_the_leaves_of_a_block_come_in_pages(place: Town) -> None:
    height = place.get("operator", f"/v1/transactions/{place.placed['transfer'].hex()}").json()["height"]
    first = place.get("alice", f"/v1/blocks/{height}?limit=1").json()
    assert (len(first["leaves"]), first["leaf_count"], first["next"]) == (1, 2, 1)
    rest = place.get("alice", f"/v1/blocks/{height}?limit=1&first=1").json()
    assert (rest["leaves"][0]["leaf"], rest["next"]) == (1, None)


@pytest.mark.parametrize(
    ("path", "key"), [("/v1/parties", "id"), ("/v1/instruments", "id"), ("/v1/accounts/{}/holdings", "instrument")]
)  # fmt: skip
def test_a_list_in_pages_is_the_list_at_once(place: Town, path: str, key: str) -> None:
    path = path.format(place.ids["account of alice"].hex())
    whole = place.get("alice", path).json()
    assert whole["next"] is None
    rows: list[dict[str, str]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = place.get("alice", f"{path}?limit=1&after={cursor}").json()
        assert len(page["items"]) <= 1
        rows += page["items"]
        cursor = page["next"]
    assert rows == whole["items"]
    assert len({row[key] for row in rows}) == len(rows) > 0


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "after=zz", "after=ab", "after=" + "00" * 40]
)
def test_a_page_that_cannot_be_is_a_bad_request(place: Town, query: str) -> None:
    assert place.get("alice", f"/v1/parties?{query}").status_code == 400


def test_a_lender_sees_its_own_offers_and_the_seller_all(place: Town) -> None:
    path = f"/v1/financings/{place.ids['financing'].hex()}/offers"
    for party in ("alice", "lender", "auditor"):
        assert [row["id"] for row in place.get(party, path).json()["items"]] == [place.ids["offer"].hex()]
    # whoever was given the request's id may offer, but sees no prices of rivals
    assert place.get("shy", path).json()["items"] == []
    assert place.get("shy", path.replace(place.ids["financing"].hex(), "77" * 16)).status_code == 404


LOOKED_AT = (
    "document.get", "document.matches", "financing.status", "financing.receivable", "financing.by_document"
)  # fmt: skip


def looks_at(place: Town, party: str, document: str) -> set[int]:
    """How the queries about a document are answered that a lender asks before it offers."""
    return {place.query(party, name, document=place.ids[document]).status_code for name in LOOKED_AT}


def test_who_names_an_open_request_may_look_at_its_document(place: Town) -> None:
    assert looks_at(place, "bob", "shown document") == {404}  # the document's id alone opens nothing
    receipt = f"/v1/transactions/{place.placed['shown document'].hex()}/receipt"
    assert place.get("bob", receipt).status_code == 404
    assert place.query("bob", "financing.get", financing=place.ids["open request"]).status_code == 200
    assert looks_at(place, "bob", "shown document") == {200}
    assert place.get("bob", receipt).status_code == 200
    listed = place.query("bob", "financing.by_document", document=place.ids["shown document"]).json()
    assert [view["id"] for view in listed["answer"]] == [place.ids["open request"].hex()]
    # others of the seller stay shut, although they match; and nobody else is let in
    assert looks_at(place, "bob", "other document") == {404}
    assert looks_at(place, "lender", "shown document") == {404}


def test_an_invitation_opens_no_events(place: Town) -> None:
    assert place.query("bob", "financing.get", financing=place.ids["open request"]).status_code == 200
    assert place.get("bob", f"/v1/transactions/{place.placed['shown document'].hex()}").status_code == 404
    history = place.get("bob", f"/v1/reports/history?subject={place.ids['shown document'].hex()}")
    assert history.json().get("items", []) == []


def test_what_matches_of_a_document_tell_does_not_open_those(place: Town) -> None:
    assert place.query("bob", "financing.get", financing=place.ids["open request"]).status_code == 200
    told = place.query("bob", "document.matches", document=place.ids["shown document"]).json()["answer"]
    ids = [match["document"] for match in told["found"]]
    assert place.ids["document"].hex() in ids  # it has an open request, which nobody named to bob
    assert {place.query("bob", "document.get", document=found).status_code for found in ids} == {404}


def test_an_invitation_ends_with_the_request(place: Town) -> None:
    place.request("short request", "other document")
    assert place.query("bob", "financing.get", financing=place.ids["short request"]).status_code == 200
    assert looks_at(place, "bob", "other document") == {200}
    place.do("alice", CancelFinancing(place.ids["alice"], place.ids["short request"], "test.ended"))
    assert place.query("bob", "financing.get", financing=place.ids["short request"]).status_code == 404
    assert looks_at(place, "bob", "other document") == {404}


@pytest.fixture(scope="module")
def contest(place: Town) -> Town:
    """Two lenders offered for the same; the seller has accepted one's offer."""
    alice = place.ids["alice"]
    place.document("wanted document", "inv4715")
    place.request("wanted", "wanted document")
    place.offer("first offer", "wanted", "lender", "wanted document")
    place.offer("second offer", "wanted", "bob", "wanted document")
    account = place.ids["account of alice"]
    accepting = AcceptOffer(
        alice, place.ids["wanted"], place.ids["first offer"], place.ids["EUR"], 4_900, account, account
    )
    place.placed["accepting"] = place.do("alice", accepting)
    place.node.project()
    return place


def prices(place: Town, party: str) -> set[str]:
    """What a party finds of offers and of the deal in the histories of the request and of its document."""
    found = [
        place.get(party, f"/v1/reports/history?subject={place.ids[name].hex()}").json().get("items", [])
        for name in ("wanted", "wanted document", "first offer", "second offer")
    ]
    return {
        item["event"]["type"].removeprefix("financing.") + " " + place_name(place, item["event"]["offer"])
        for items in found
        for item in items
        if "offer" in item["event"]
    }


def place_name(place: Town, identity: str) -> str:
    return next(name for name, known in place.ids.items() if known.hex() == identity)


def test_no_lender_sees_the_offer_of_a_rival_nor_the_deal(contest: Town) -> None:
    first = {"offered/1 first offer", "reserved/1 first offer"}
    assert prices(contest, "alice") == first | {"offered/1 second offer"}
    assert prices(contest, "lender") == first
    assert prices(contest, "bob") == {"offered/1 second offer"}
    seen = {
        (party, what): contest.get(party, f"/v1/transactions/{contest.placed[what].hex()}").status_code
        for party in ("lender", "bob")
        for what in ("first offer", "second offer", "accepting")
    }
    assert [key for key, status in seen.items() if status == 200] == [
        ("lender", "first offer"), ("lender", "accepting"), ("bob", "second offer"),
    ]  # fmt: skip


def test_public_events_are_those_of_the_networks_rules(place: Town) -> None:
    tags = {tag_of(kind) for kind in place.node.reads.registry.events}
    assert tags >= PUBLIC_EVENTS


def test_nothing_that_names_somebody_counts_as_nothing() -> None:
    names = {name for name, kind in FIELDS.items() if kind is Kind.NOTHING}
    assert names.isdisjoint(
        {"party", "account", "document", "batch", "hold", "pledge", "proposal", "sender", "receiver"}
    )


def test_a_query_that_does_not_say_who_may_ask_it_is_refused_to_parties(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visibility, "QUERIES", {})
    answer = place.query("alice", "party.get", party=place.ids["alice"])
    assert (answer.status_code, answer.json()["code"]) == (403, "access.undeclared")
    assert place.query("auditor", "party.get", party=place.ids["alice"]).status_code == 200


def test_an_event_with_a_field_that_nothing_is_known_of_concerns_nobody(
    place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/transactions/{place.placed['issue'].hex()}"
    assert place.get("alice", path).status_code == 200
    monkeypatch.setattr(sight, "FIELDS", {name: kind for name, kind in FIELDS.items() if name != "amount"})
    assert place.get("alice", path).status_code == 404
    assert place.get("operator", path).status_code == 200


def test_rules_of_the_network_are_for_everybody_as_events(place: Town) -> None:
    event = ParametersSet("kernel", b"x")
    with place.node.reads.seen(Principal(Role.PARTY, place.ids["bob"], None, "read")) as seen:
        leaf = CommittedLeaf(1, 0, 0, LeafKind.DUE, bytes(32), None, (event,), None, None)
        assert seen.view.sees_event(leaf, event)
        assert not seen.view.sees_leaf(leaf)


def test_receivables_are_listed_to_their_seller_only(place: Town) -> None:
    def listed(party: str) -> set[str]:
        found = place.get(party, "/v1/instruments?limit=1000").json()["items"]
        return {row["instrument"]["kind"] for row in found}

    assert "receivable" in listed("operator")
    assert "receivable" in listed("alice")
    assert "receivable" not in listed("lender") | listed("bob")
