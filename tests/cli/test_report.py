"""``traco report``: tables, CSV and JSON of what a whole node answers; differences that are named; times that are read."""

import csv
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from support.api import make_directory
from support.command_line import CommandLine
from support.town import OPERATOR, Town, town
from traco.cli import session
from traco.cli.people import readable
from traco.cli.problems import CommandProblem, ExitCode
from traco.cli.report import moment_ms
from traco.client.forms import to_form
from traco.projections import schema

MARCH_MS = 1_772_323_200_000  # 2026-03-01 UTC


class TownClient:
    """Asks a town as its operator, with the methods of ``LedgerClient`` that reports use."""

    place: Town

    def __init__(self, url: str, network: bytes | None, **_: object) -> None:
        self.url = url
        self.network = network or self.place.node.network

    def get(self, path: str, **parameters: Any) -> Any:
        given = {name: to_form(value) for name, value in parameters.items() if value is not None}
        answer = self.place.get(OPERATOR, path, params=given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def query(self, name: str, **fields: Any) -> Any:
        answer = self.place.node.client.post(
            f"/v1/queries/{name}", json=to_form(fields), headers=self.place.headers(OPERATOR)
        )
        assert answer.status_code == 200, answer.text
        return answer.json()["answer"]

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town(tmp_path_factory.mktemp("cli-reports") / "node") as opened:
        yield opened


@pytest.fixture
def asking(traco: CommandLine, place: Town, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """The command line, with names for what the town has."""
    monkeypatch.setattr(TownClient, "place", place, raising=False)
    monkeypatch.setattr(session, "LedgerClient", TownClient)
    for name, kind, what in (
        ("alice-account", "account", "account of alice"), ("bond", "instrument", "BOND"), ("alice", "party", "alice"),
        ("invoice", "document", "document"),
    ):  # fmt: skip
        printed = traco("name", "add", name, kind, place.ids[what].hex())
        assert printed.code == 0, printed.err
    return traco


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text)))


def test_a_statement_in_csv_adds_up(asking: CommandLine) -> None:
    rows = rows_of(asking("report", "statement", "@alice-account", "@bond", "--format", "csv").out)
    assert rows[0]["cause"] == "issue"
    document = asking("report", "statement", "@alice-account", "@bond", "--json").document
    assert [row["amount"] for row in rows] == [readable(item["amount"], 2) for item in document["movements"]]
    assert rows[-1]["balance"] == readable(document["closing"], 2)


def test_a_statement_for_people_has_names_and_both_balances(asking: CommandLine) -> None:
    out = asking("report", "statement", "@alice-account", "@bond").out
    for expected in ("@alice-account", "@bond", "opening", "closing", "issue"):
        assert expected in out


def test_a_statement_of_a_day_without_movements_has_none(asking: CommandLine) -> None:
    printed = asking("report", "statement", "@alice-account", "@bond", "--to", "2020-01-01", "--json")
    assert (printed.document["movements"], printed.document["closing"]) == ([], 0)


@pytest.mark.parametrize(
    "period",
    [
        ("--from", "2026-11-22", "--to", "2026-11-20"), ("--from", "2026-11-22", "--to", "2026-11-21"),
        ("--from-height", "3", "--to-height", "2"),
    ],
)  # fmt: skip
def test_a_period_that_ends_before_it_begins_is_refused(asking: CommandLine, period: tuple[str, ...]) -> None:
    printed = asking("report", "statement", "@alice-account", "@bond", *period)
    assert printed.code == ExitCode.INPUT
    assert "report.period_reversed" in printed.err


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_only_the_table_shortens_the_ids_of_transactions(asking: CommandLine, form: str) -> None:
    whole = asking("report", "statement", "@alice-account", "@bond", "--json").document["movements"][0][
        "transaction"
    ]
    out = asking("report", "statement", "@alice-account", "@bond", "--format", form).out
    assert (whole in out, f"{whole[:12]}…" in out) == (form != "table", form == "table")


def test_positions_have_the_owners_name(asking: CommandLine) -> None:
    rows = rows_of(asking("report", "positions", "--account", "@alice-account", "--format", "csv").out)
    assert {(row["account"], row["owner"]) for row in rows} == {("alice-account", "alice")}
    assert "BOND" in {row["code"] for row in rows}


def test_an_owner_without_a_name_of_yours_has_the_ledgers(asking: CommandLine, place: Town) -> None:
    view = TownClient("", None).query("party.get", party=place.ids[OPERATOR])
    owners = {row["owner"] for row in rows_of(asking("report", "positions", "--format", "csv").out)}
    assert view["party"]["name"] in owners


def test_financings_can_be_asked_for_by_document_and_state(asking: CommandLine) -> None:
    found = asking(
        "report", "financings", "--document", "@invoice", "--status", "requested", "--format", "csv"
    )
    (row,) = rows_of(found.out)
    assert (row["document"], row["seller"], row["status"]) == ("invoice", "alice", "requested")
    assert asking("report", "financings", "--status", "expired").out.strip() == "no financings"


def test_json_by_format_is_json_by_flag(asking: CommandLine) -> None:
    by_format = asking("report", "positions", "--format", "json").document
    assert by_format == asking("report", "positions", "--json").document


def test_a_reconciliation_without_differences_exits_zero(asking: CommandLine) -> None:
    printed = asking("report", "reconcile", "--entries", "--json")
    assert (printed.code, printed.document["sound"], printed.document["breaks"]) == (0, True, [])


@pytest.mark.parametrize("style", ["table", "csv", "json"])
def test_a_planted_difference_is_named_and_exits_one(asking: CommandLine, place: Town, style: str) -> None:
    table = schema.holding
    mine = table.c.account == place.ids["account of alice"]
    assert place.node.projections is not None
    with place.node.projections.writing() as connection:
        connection.execute(update(table).where(mine).values(held=table.c.held + 1))
    try:
        printed = asking("report", "reconcile", "--format", style)
    finally:
        with place.node.projections.writing() as connection:
            connection.execute(update(table).where(mine).values(held=table.c.held - 1))
    assert printed.code == ExitCode.NEGATIVE
    assert "reconcile.breaks" in printed.err
    assert "held" in printed.err
    for expected in ("@alice-account", "rebuild"):
        assert expected in printed.err
    assert "held" in printed.out


def test_references_of_others_are_no_formulas_in_a_spreadsheet(
    asking: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {
        "time_ms": MARCH_MS, "height": 1, "cause": "transfer", "counter_account": None, "reference": b"=1+1".hex(),
        "amount": -5, "balance": -5, "transaction": "00" * 32,
    }  # fmt: skip
    page = {
        "height": 1, "account": "11" * 16, "instrument": "22" * 16, "code": "X", "decimals": 2, "opening": 0, "closing": -5,
        "items": [line], "next": None,
    }  # fmt: skip
    monkeypatch.setattr(TownClient, "get", lambda *_, **__: page)
    (row,) = rows_of(asking("report", "statement", "11" * 16, "22" * 16, "--format", "csv").out)
    assert (row["reference"], row["amount"], row["time"]) == ("'=1+1", "-0.05", "2026-03-01 00:00:00.000")


def test_later_pages_end_where_the_first_one_was_closed(
    asking: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def get(_: object, __: str, **parameters: Any) -> Any:
        asked.append(parameters)
        return {
            "height": 7, "account": "11" * 16, "instrument": "22" * 16, "code": "X", "decimals": 0, "opening": 0, "closing": 0,
            "items": [], "next": "ab" if len(asked) == 1 else None,
        }  # fmt: skip

    monkeypatch.setattr(TownClient, "get", get)
    asking("report", "statement", "11" * 16, "22" * 16)
    assert [each.get("to_height") for each in asked] == [None, 8]


@pytest.mark.parametrize(
    ("text", "end_of_day", "expected"),
    [
        ("", False, None), ("2026-03-01", False, MARCH_MS), ("2026-03-01", True, MARCH_MS + 86_400_000),
        ("2026-03-01T00:00:01", True, MARCH_MS + 1_000), ("2026-03-01T01:00:00+01:00", False, MARCH_MS),
    ],
)  # fmt: skip
def test_a_day_or_time_is_a_time_in_milliseconds(text: str, end_of_day: bool, expected: int | None) -> None:
    assert moment_ms(text, end_of_day=end_of_day) == expected


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1969-12-30", "9999-12-31T25:00", "9999-12-31"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(CommandProblem) as refused:
        moment_ms(text, end_of_day=True)
    assert refused.value.problem.code == "time.unreadable"


def test_projections_are_made_anew_while_nothing_runs(traco: CommandLine, tmp_path: Path) -> None:
    make_directory(tmp_path / "node")
    printed = traco("node", "projections", "rebuild", tmp_path / "node", "--json")
    assert (printed.code, printed.document["height"], printed.document["entries"]) == (0, 0, 0)


def test_a_party_that_calls_itself_by_one_of_your_names_is_shown_by_its_id(
    asking: CommandLine, place: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = TownClient.query

    def spoofed(self: TownClient, name: str, **fields: Any) -> Any:
        answer = asked(self, name, **fields)
        if name == "party.get":
            answer["party"]["name"] = "@alice"
        return answer

    monkeypatch.setattr(TownClient, "query", spoofed)
    owners = {
        row["account"]: row["owner"] for row in rows_of(asking("report", "positions", "--format", "csv").out)
    }
    assert owners["alice-account"] == "alice"
    assert owners[place.ids["account of bob"].hex()] == place.ids["bob"].hex()
