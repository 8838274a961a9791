"""Statements of account: the same as adding up the whole journal by hand, whatever period and page are asked for."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from projections.random_ledger import RandomLedger
from traco.projections import schema
from traco.projections.database import ProjectionDatabase
from traco.projections.statement import Period, Statement, read_statement

Row = tuple[int, int, int, int]  # entry, height, time, amount
HEIGHT, TIME = 1, 2
EVER = 2**60


def busiest(database: ProjectionDatabase) -> tuple[bytes, bytes, list[Row]]:
    """The account with the most entries, the instrument, and these entries."""
    journal = schema.journal
    found: dict[tuple[bytes, bytes], list[Row]] = {}
    with database.reading() as (connection, _):
        for row in connection.execute(select(journal).order_by(journal.c.entry)):
            found.setdefault((row.account, row.instrument), []).append(
                (row.entry, row.height, row.time_ms, row.amount)
            )
    (account, instrument), rows = max(
        (item for item in found.items() if item[0][0] != item[0][1]), key=lambda item: len(item[1])
    )
    return account, instrument, rows


def by_hand(rows: list[Row], column: int, low: int, high: int) -> tuple[int, int, list[int]]:
    """Opening, closing and entries from ``low`` on and before ``high`` (if that is not earlier), by height or time."""
    opening = sum(row[3] for row in rows if row[column] < low)
    inside = [row for row in rows if low <= row[column] < high]
    return opening, opening + sum(row[3] for row in inside), [row[0] for row in inside]


def summary(found: Statement) -> tuple[int, int, list[int]]:
    return found.opening, found.closing, [line.entry for line in found.lines]


def test_any_period_by_height_or_time_is_what_adding_up_by_hand_gives(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database:
        account, instrument, rows = busiest(database)
        assert len(rows) > 8
        last = rows[-1]
        with database.reading() as (connection, _):
            for low in (
                0,
                1,
                rows[2][HEIGHT],
                rows[4][HEIGHT],
                rows[4][HEIGHT] + 1,
                last[HEIGHT] + 1,
                10_000,
            ):
                for high in (low, rows[6][HEIGHT], last[HEIGHT], last[HEIGHT] + 1, 20_000):
                    if low <= high:
                        found = read_statement(
                            connection, account, instrument, Period(low, high), limit=1_000
                        )
                        assert summary(found) == by_hand(rows, HEIGHT, low, high), (low, high)
            for low in (0, rows[3][TIME], rows[3][TIME] + 1, last[TIME] + 1):
                found = read_statement(connection, account, instrument, Period(from_ms=low), limit=1_000)
                assert summary(found) == by_hand(rows, TIME, low, EVER), low
            both = Period(rows[2][HEIGHT], rows[7][HEIGHT], rows[1][TIME], last[TIME] + 1)
            found = read_statement(connection, account, instrument, both, limit=1_000)
            assert summary(found) == by_hand(rows, HEIGHT, rows[2][HEIGHT], rows[7][HEIGHT])


def test_pages_together_are_the_whole_statement(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database:
        account, instrument, rows = busiest(database)
        entries: list[int] = []
        balance = after = 0
        with database.reading() as (connection, _):
            while True:
                page = read_statement(connection, account, instrument, after=after, limit=3)
                assert (page.opening, page.closing) == (0, sum(row[3] for row in rows))
                for line in page.lines:
                    balance += line.amount
                    assert line.balance == balance
                entries += [line.entry for line in page.lines]
                if page.next is None:
                    break
                after = page.next
        assert entries == [row[0] for row in rows]


@pytest.mark.parametrize(
    "period",
    [
        Period(from_height=10_000), Period(from_height=10_000, to_height=20_000), Period(from_ms=EVER),
        Period(from_ms=EVER, to_height=1), Period(from_height=10_000, to_ms=1), Period(10_000, 1),
    ],
)  # fmt: skip
def test_a_period_after_the_last_entry_closes_with_what_it_opened_with(
    ledger: RandomLedger, tmp_path: Path, period: Period
) -> None:
    with ledger.projected(tmp_path) as database:
        account, instrument, rows = busiest(database)
        everything = sum(row[3] for row in rows)
        with database.reading() as (connection, _):
            found = read_statement(connection, account, instrument, period)
    assert found == Statement(everything, everything, [], None)


@pytest.mark.parametrize("period", [Period(to_height=0), Period(to_ms=1), Period(0, 0, 0, 1)])
def test_a_period_before_the_first_entry_opens_and_closes_with_nothing(
    ledger: RandomLedger, tmp_path: Path, period: Period
) -> None:
    with ledger.projected(tmp_path) as database:
        account, instrument, _ = busiest(database)
        with database.reading() as (connection, _):
            assert read_statement(connection, account, instrument, period) == Statement(0, 0, [], None)


@pytest.mark.parametrize(
    ("period", "is_reversed"),
    [
        (Period(), False), (Period(5, 5), False), (Period(5, 4), True), (Period(from_ms=5, to_ms=4), True),
        (Period(5, 6, 7, 8), False), (Period(from_height=5, to_ms=4), False),
    ],
)  # fmt: skip
def test_a_period_is_reversed_if_it_ends_before_it_begins(period: Period, is_reversed: bool) -> None:
    assert period.is_reversed is is_reversed


def test_an_account_that_never_had_anything_has_a_statement_of_nothing(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database, database.reading() as (connection, _):
        assert read_statement(connection, b"\1" * 16, b"\2" * 16) == Statement(0, 0, [], None)


def test_a_statement_is_one_query(ledger: RandomLedger, tmp_path: Path) -> None:
    asked: list[str] = []
    with ledger.projected(tmp_path) as database:
        account, instrument, _ = busiest(database)
        with database.reading() as (connection, _):
            event.listen(database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
            read_statement(connection, account, instrument, Period(3, None, 5, None), limit=2)
    assert len(asked) == 1


@pytest.mark.parametrize("period", [Period(), Period(from_height=1)])
def test_a_statement_reads_its_page_by_the_index_of_the_account(
    ledger: RandomLedger, tmp_path: Path, period: Period
) -> None:
    plans: list[str] = []
    with ledger.projected(tmp_path) as database:
        account, instrument, _ = busiest(database)
        with database.reading() as (connection, _):
            driver: Any = connection.connection.driver_connection

            def explain(
                _: object, __: object, statement: str, values: tuple[object, ...], *___: object
            ) -> None:
                plans.extend(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values))

            event.listen(database.engine, "before_cursor_execute", explain)
            read_statement(connection, account, instrument, period)
    about_journal = [plan for plan in plans if "journal" in plan]
    assert len(about_journal) == 3
    assert all(plan.startswith("SEARCH journal USING INDEX journal_by_account") for plan in about_journal)
