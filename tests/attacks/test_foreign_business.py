"""What a party can find out of the business of others by asking sideways: cursors, pages, filters, histories, positions."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from support.ledger import Key
from support.town import GENEROUS, NamedKey, Town, town
from traco.modules.party.messages import ChangeKeys
from traco.node.api import events
from traco.node.api.admission import _address
from traco.node.api.events import Filter
from traco.node.api.principals import Principal, Role
from traco.storage.committed import Position

START = Position(0, 0, 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The town, where bob bids as well, and alice has asked somebody else about the same document."""
    with town(tmp_path_factory.mktemp("foreign") / "node") as opened:
        opened.offer("rival offer", "financing", by="bob")
        opened.request("rival request", "document")
        opened.node.project()
        yield opened


def walked(place: Town, name: str, path: str) -> list[dict[str, Any]]:
    """The pages of a list, one row at a time."""
    pages = [place.get(name, f"{path}limit=1").json()]
    while pages[-1]["next"] is not None:
        pages.append(place.get(name, f"{path}limit=1&after={pages[-1]['next']}").json())
    return pages


def streamed(place: Town, name: str, wanted: Filter) -> list[str]:
    """The transactions of the events that a party is sent."""
    principal = Principal(Role.PARTY, place.ids[name], None, "read")
    raw = events._read(place.node.reads, principal, START, wanted).messages
    data = [line.removeprefix(b"data: ") for line in raw.splitlines() if line.startswith(b"data: ")]
    return [found["transaction"] for found in map(msgspec.json.decode, data) if "transaction" in found]


@pytest.mark.parametrize(("lender", "rivals"), [("lender", "rival offer"), ("bob", "offer")])
def test_what_a_rival_bids_is_seen_nowhere(place: Town, lender: str, rivals: str) -> None:
    transaction = place.placed[rivals].hex()
    assert transaction not in streamed(place, lender, Filter())
    for path in (f"/v1/transactions/{transaction}", f"/v1/transactions/{transaction}/receipt"):
        assert place.get(lender, path).status_code == 404
    history = place.get(lender, f"/v1/reports/history?subject={place.ids['financing'].hex()}").text
    assert transaction not in history
    assert place.ids[rivals].hex() not in history


@pytest.mark.parametrize("lender", ["lender", "bob"])
def test_how_many_rivals_there_are_cannot_be_counted_in_pages(place: Town, lender: str) -> None:
    pages = walked(place, lender, f"/v1/financings/{place.ids['financing'].hex()}/offers?")
    assert [len(page["items"]) for page in pages] == [1]
    rows = place.query(lender, "financing.offers", financing=place.ids["financing"], limit=1).json()["answer"]
    assert [row["record"]["lender"] for row in rows] == [place.ids[lender].hex()]


def test_a_cursor_is_no_invitation(place: Town) -> None:
    """Whoever names an open request is taken for invited: its id must not be told by a list that leaves it out."""
    pages = walked(place, "lender", f"/v1/documents/{place.ids['document'].hex()}/financings?")
    told = {page["next"] for page in pages} | {item["id"] for page in pages for item in page["items"]}
    assert place.ids["rival request"].hex() not in told
    assert [len(page["items"]) for page in pages] == [1] * len(pages)


@pytest.mark.parametrize("subject", ["alice", "account of alice", "financing", "BOND"])
def test_when_others_do_business_is_not_told_by_histories(place: Town, subject: str) -> None:
    answer = place.get("shy", f"/v1/reports/history?subject={place.ids[subject].hex()}&limit=1")
    absent = place.get("shy", f"/v1/reports/history?subject={'12' * 16}&limit=1")
    assert (answer.status_code, answer.content) == (absent.status_code, absent.content)


def test_the_pages_of_a_history_have_no_gaps_where_rivals_bid(place: Town) -> None:
    path = f"/v1/reports/history?subject={place.ids['financing'].hex()}&"
    whole = place.get("lender", path).json()["items"]
    pages = walked(place, "lender", path)
    assert [page["items"] for page in pages] == [[item] for item in whole]
    assert len(whole) > 1


@pytest.mark.parametrize("rival", ["bob", "operator", "shy"])
def test_a_filter_does_not_tell_whom_else_an_event_concerns(place: Town, rival: str) -> None:
    """Only what stands in an event may be filtered by: not who owns an account in it, or bids for the same."""
    offered = streamed(place, "lender", Filter("financing.", place.ids[rival]))
    assert offered == []
    moved = streamed(place, "alice", Filter("holding.moved", place.ids[rival]))
    assert moved == []


def test_a_party_filters_by_itself(place: Town) -> None:
    own = streamed(place, "alice", Filter("holding.moved", place.ids["alice"]))
    assert place.placed["transfer"].hex() in own


def test_a_position_of_a_ledger_that_was_lost_is_noticed(place: Town) -> None:
    last = place.get("alice", "/v1/blocks?limit=1").json()["items"][0]["height"]
    answer = place.get("alice", f"/v1/events?after={last + 1}.0.0")
    assert (answer.status_code, answer.json()["code"]) == (400, "stream.position_ahead")


def test_a_token_whose_key_is_gone_is_limited_like_any_guess(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    limits = msgspec.structs.replace(GENEROUS, anonymous_per_second=1, anonymous_burst=400)
    with town(tmp_path_factory.mktemp("gone") / "node", limits=limits) as place:
        headers = place.headers("bob", signer=NamedKey("bob second"))
        assert place.node.client.get("/v1/principal", headers=headers).status_code == 200
        place.do("bob", ChangeKeys(place.ids["bob"], (), (), (Key("bob second").public,), None))
        codes = [place.node.client.get("/v1/principal", headers=headers).status_code for _ in range(410)]
        assert (codes[0], codes[-1]) == (401, 429)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)
def test_a_machine_with_many_addresses_is_limited_as_one(one: str, other: str, is_same: bool) -> None:
    def counted(host: str) -> str:
        scope: Any = {"client": (host, 1)}
        return _address(scope)

    assert (counted(one) == counted(other)) is is_same
