"""The reports: pages, filters, cursors, and what is answered where there are no projections. Who sees what: the matrix."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from support.town import OPERATOR, Town, town
from traco.node.api.principals import LOCAL
from traco.node.api.problems import Problem
from traco.node.api.reports import Reports
from traco.projections.statement import EVER


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("reports") / "node") as opened:
        yield opened


def ask(place: Town, path: str, who: str = OPERATOR) -> Any:
    answer = place.get(who, f"/v1/reports/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def refusal(place: Town, path: str, who: str = OPERATOR) -> tuple[int, str]:
    answer = place.get(who, f"/v1/reports/{path}")
    return answer.status_code, answer.json()["code"]


def statement_of(place: Town, **more: object) -> str:
    fields = {"account": place.ids["account of alice"].hex(), "instrument": place.ids["BOND"].hex(), **more}
    return "statement?" + "&".join(f"{name}={value}" for name, value in fields.items())


def test_a_statement_has_opening_movements_and_closing_in_the_unit_of_the_instrument(place: Town) -> None:
    found = ask(place, statement_of(place), "alice")
    assert (found["code"], found["opening"], found["next"]) == ("BOND", 0, None)
    assert found["closing"] == sum(item["amount"] for item in found["items"]) == found["items"][-1]["balance"]
    first = found["items"][0]
    assert (first["cause"], first["counter_account"]) == ("issue", None)


def test_pages_of_a_statement_follow_one_another(place: Town) -> None:
    whole = ask(place, statement_of(place))
    entries: list[Any] = []
    after: str | None = ""
    for _ in whole["items"]:
        page = ask(place, statement_of(place, limit=1, after=after))
        assert (page["opening"], page["closing"]) == (whole["opening"], whole["closing"])
        entries += page["items"]
        after = page["next"]
    assert after is None
    assert entries == whole["items"]


def test_a_period_begins_with_what_was_there_before(place: Town) -> None:
    whole = ask(place, statement_of(place))
    first = whole["items"][0]
    later = ask(place, statement_of(place, from_height=first["height"] + 1))
    earlier = ask(place, statement_of(place, to_height=first["height"] + 1))
    assert (later["opening"], later["closing"]) == (earlier["closing"], whole["closing"])
    assert earlier["items"] + later["items"] == whole["items"]


@pytest.mark.parametrize("unit", ["height", "ms"])
def test_a_period_that_ends_before_it_begins_is_refused(place: Town, unit: str) -> None:
    reversed_period = statement_of(place, **{f"from_{unit}": 5, f"to_{unit}": 4})
    assert refusal(place, reversed_period, "alice") == (400, "report.period_reversed")
    empty = ask(place, statement_of(place, **{f"from_{unit}": 5, f"to_{unit}": 5}))
    assert (empty["items"], empty["opening"]) == ([], empty["closing"])


def test_a_period_after_everything_closes_with_what_it_opened_with(place: Town) -> None:
    whole = ask(place, statement_of(place))
    for bounds in ({"from_height": 10_000}, {"from_ms": 2**50}, {"from_ms": 2**50, "to_height": 1}):
        found = ask(place, statement_of(place, **bounds))
        assert (found["opening"], found["closing"], found["items"]) == (
            whole["closing"],
            whole["closing"],
            [],
        )


def test_a_period_before_everything_opens_and_closes_with_nothing(place: Town) -> None:
    for bounds in ({"to_height": 0}, {"to_ms": 1}):
        found = ask(place, statement_of(place, **bounds))
        assert (found["opening"], found["closing"], found["items"]) == (0, 0, [])


def test_positions_are_those_of_the_account_asked_for(place: Town) -> None:
    account = place.ids["account of alice"].hex()
    items = ask(place, f"positions?account={account}")["items"]
    assert {item["account"] for item in items} == {account}
    assert all(
        item["owned"] == sum(item[part] for part in ("available", "held", "pledged", "attached", "bucket"))
        for item in items
    )
    bond = [item for item in items if item["instrument"] == place.ids["BOND"].hex()]
    assert ask(place, f"positions?account={account}&instrument={place.ids['BOND'].hex()}")["items"] == bond


@pytest.mark.parametrize("report", ["positions", "documents", "financings"])
def test_pages_of_a_list_are_the_whole_list(place: Town, report: str) -> None:
    whole, items = ask(place, report)["items"], []
    after: str | None = ""
    while after is not None:
        page = ask(place, f"{report}?limit=1&after={after}")
        items += page["items"]
        after = page["next"]
    assert items == whole
    assert whole != []


@pytest.mark.parametrize("what", ["accounts", "batches"])
def test_pages_of_the_lists_of_a_party_are_the_whole_list(place: Town, what: str) -> None:
    path = f"/v1/parties/{place.ids['alice'].hex()}/{what}"
    whole, items = place.get("alice", path).json()["items"], []
    after: str | None = ""
    while after is not None:
        page = place.get("alice", f"{path}?limit=1&after={after}").json()
        items += page["items"]
        after = page["next"]
    assert items == whole
    assert whole != []


def test_the_accounts_of_a_party_say_whose_they_are(place: Town) -> None:
    alice = place.ids["alice"].hex()
    account = {"owner": alice, "servicer": alice, "kind": "own", "parent": None, "closed": False}
    found = place.get("alice", f"/v1/parties/{alice}/accounts").json()["items"]
    assert found == [{"id": place.ids["account of alice"].hex(), "account": account}]


def test_the_batches_of_a_party_are_those_it_made_or_has_a_leg_in(place: Town) -> None:
    made = {
        name: [(item["id"], item["status"], item["legs"]) for item in items]
        for name in ("alice", OPERATOR, "bob")
        for items in [place.get(name, f"/v1/parties/{place.ids[name].hex()}/batches").json()["items"]]
    }
    both = [(place.ids["ended batch"].hex(), "cancelled", 1), (place.ids["batch"].hex(), "open", 1)]
    assert made == {"alice": both, OPERATOR: both, "bob": []}


def test_a_financing_says_who_asks_for_what(place: Town) -> None:
    item = ask(place, f"financings?document={place.ids['document'].hex()}&status=requested", "alice")[
        "items"
    ][0]
    assert (item["financing"], item["seller"]) == (place.ids["financing"].hex(), place.ids["alice"].hex())
    assert ask(place, "financings?status=expired")["items"] == []


def test_a_document_has_what_is_payable(place: Town) -> None:
    listed = {item["document"]: item for item in ask(place, "documents")["items"]}
    payable = listed[place.ids["document"].hex()]["payable"]
    assert set(payable) == {"currency", "amount"}


def test_a_history_is_of_one_thing_and_begins_with_the_newest(place: Town) -> None:
    document = place.ids["document"].hex()
    items = ask(place, f"history?subject={document}")["items"]
    assert items[-1]["event"]["type"] == "document.registered/1"
    assert [item["height"] for item in items] == sorted((item["height"] for item in items), reverse=True)
    assert ask(place, f"history?subject={document}&limit=1")["items"] == items[:1]


@pytest.mark.parametrize("entries", ["true", "false"])
def test_a_reconciliation_goes_on_until_everything_was_compared(place: Town, entries: str) -> None:
    compared = 0
    after: str | None = ""
    while after is not None:
        page = ask(place, f"reconcile?limit=2&entries={entries}&after={after}")
        assert page["items"] == []
        compared += page["compared"]
        after = page["next"]
    assert compared >= 5


@pytest.mark.parametrize(
    "path",
    [
        "positions?after=00", "positions?after=zz", "positions?limit=0", "positions?limit=1001", "reconcile?after=07",
        "reconcile?after=00aa", "statement?account=00&instrument=00", "history?subject=" + "A" * 32, "financings?after=" + "0" * 82,
        "documents?after=-1",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(place: Town, path: str) -> None:
    assert refusal(place, path)[0] == 400


def test_a_cursor_beyond_everything_ends_the_list(place: Town) -> None:
    assert ask(place, f"financings?after={'f' * 48}") == {
        "height": ask(place, "financings")["height"], "items": [], "next": None,
    }  # fmt: skip


@pytest.mark.parametrize("field", ["account", "instrument"])
def test_an_account_or_instrument_that_does_not_exist_is_not_found(place: Town, field: str) -> None:
    assert refusal(place, statement_of(place, **{field: "77" * 16})) == (404, "object.unknown")


def test_a_node_without_projections_says_so(place: Town) -> None:
    reports = Reports(place.node.reads, None)
    alice = place.ids["alice"]
    account, bond = place.ids["account of alice"], place.ids["BOND"]
    asked: list[Callable[[], Any]] = [
        partial(reports.statement, account, bond, EVER, "", 1, LOCAL),
        partial(reports.accounts, alice, "", 1, LOCAL),
        partial(reports.batches, alice, "", 1, LOCAL),
    ]
    for ask_it in asked:
        with pytest.raises(Problem) as refused:
            ask_it()
        assert (refused.value.status, refused.value.code) == (404, "projections.off")
