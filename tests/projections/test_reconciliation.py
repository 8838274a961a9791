"""The reconciliation finds every planted difference and names it, and nothing else."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from projections.random_ledger import REGISTRY, RandomLedger, breaks, pages
from traco.projections import reconciliation, schema
from traco.projections.database import ProjectionDatabase
from traco.projections.errors import NotReady, OtherLedger
from traco.projections.reconciliation import Break, reconcile

H, J, INSTRUMENT = schema.holding.c, schema.journal.c, schema.instrument.c


def one_holding(database: ProjectionDatabase) -> Any:
    """A holding that owns something."""
    with database.reading() as (connection, _):
        return connection.execute(
            select(schema.holding).where(H.owned > 5).order_by(H.instrument, H.account)
        ).first()


def change(database: ProjectionDatabase, statement: Any) -> None:
    with database.writing() as connection:
        assert connection.execute(statement).rowcount == 1


def mine(row: Any) -> Any:
    return (H.instrument == row.instrument) & (H.account == row.account)


@pytest.mark.parametrize(
    "part", ["available", "held", "pledged", "attached", "bucket", "incoming", "awaited", "owned"]
)
def test_a_part_that_was_changed_is_named(ledger: RandomLedger, tmp_path: Path, part: str) -> None:
    with ledger.projected(tmp_path) as database:
        row = one_holding(database)
        was = getattr(row, part)
        change(database, update(schema.holding).where(mine(row)).values({part: was + 3}))
        assert breaks(ledger, database) == [Break(row.account, row.instrument, part, was, was + 3)]


def test_a_row_that_is_missing_is_named_part_by_part(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database:
        row = one_holding(database)
        change(database, delete(schema.holding).where(mine(row)))
        found = breaks(ledger, database)
        assert {(each.account, each.instrument) for each in found} == {(row.account, row.instrument)}
        assert ("owned", row.owned, 0) in [(each.field, each.ledger, each.projected) for each in found]


def test_a_row_that_nobody_has_is_named(ledger: RandomLedger, tmp_path: Path, url: str | None) -> None:
    with ledger.projected(tmp_path, url) as database:
        row = one_holding(database)._asdict()
        forged = {
            **row,
            "account": b"\xfe" * 16,
            **dict.fromkeys(("held", "pledged", "attached", "bucket"), 0),
        }
        with database.writing() as connection:
            connection.execute(
                schema.holding.insert(), {**forged, "available": 9, "owned": 9, "incoming": 0, "awaited": 0}
            )
        named = [(each.account, each.field, each.ledger, each.projected) for each in breaks(ledger, database)]
        # no entry of the journal is about it
        assert sorted(named) == [
            (b"\xfe" * 16, "available", 0, 9),
            (b"\xfe" * 16, "owned", 0, 9),
        ]


def test_an_entry_that_was_changed_shows_in_the_sum_of_entries(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database:
        row = one_holding(database)
        with database.reading() as (connection, _):
            wanted = select(J.entry, J.amount).where(J.account == row.account, J.instrument == row.instrument)
            entry, amount = connection.execute(wanted.order_by(J.entry).limit(1)).one()
        change(database, update(schema.journal).where(J.entry == entry).values(amount=amount + 1))
        assert breaks(ledger, database) == [
            Break(row.account, row.instrument, "entries", row.owned, row.owned + 1)
        ]


def test_a_last_balance_that_was_changed_is_named(ledger: RandomLedger, tmp_path: Path) -> None:
    with ledger.projected(tmp_path) as database:
        row = one_holding(database)
        with database.reading() as (connection, _):
            wanted = select(J.entry).where(J.account == row.account, J.instrument == row.instrument)
            entry = connection.execute(wanted.order_by(J.entry.desc())).scalars().first()
        change(database, update(schema.journal).where(J.entry == entry).values(balance=0))
        assert breaks(ledger, database) == [Break(row.account, row.instrument, "balance", row.owned, 0)]


def test_what_is_outstanding_is_compared_too(ledger: RandomLedger, tmp_path: Path, url: str | None) -> None:
    with ledger.projected(tmp_path, url) as database:
        row = one_holding(database)
        its = INSTRUMENT.instrument == row.instrument
        with database.reading() as (connection, _):
            was = connection.execute(select(INSTRUMENT.outstanding).where(its)).scalar_one()
        change(database, update(schema.instrument).where(its).values(outstanding=was - 1))
        assert breaks(ledger, database) == [
            Break(row.instrument, row.instrument, "outstanding", was, was - 1)
        ]


@pytest.mark.parametrize("limit", [1, 2, 1_000])
def test_projections_that_are_behind_are_compared_as_of_the_last_block(
    growing: RandomLedger, tmp_path: Path, url: str | None, limit: int
) -> None:
    with growing.projected(tmp_path, url) as database:
        row = one_holding(database)
        growing.run(25)
        assert breaks(growing, database, limit) == []
        change(database, update(schema.holding).where(mine(row)).values(available=row.available + 3))
        named = [
            (each.account, each.field, each.projected - each.ledger)
            for each in breaks(growing, database, limit)
        ]
        assert named == [(row.account, "available", 3)]


def test_every_instrument_and_holding_is_compared_once(ledger: RandomLedger, tmp_path: Path) -> None:
    with ledger.projected(tmp_path) as database:
        counts = [sum(page.compared for page in pages(ledger, database, limit)) for limit in (1, 5, 1_000)]
    assert counts[0] == counts[1] == counts[2] > 10


def test_projections_that_are_far_behind_are_not_compared(
    growing: RandomLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "MOST_BEHIND", 3)
    with growing.projected(tmp_path) as database:
        growing.run(4)
        with pytest.raises(NotReady, match="4 blocks behind"):
            reconcile(growing.reader, REGISTRY, database)


def test_projections_of_another_history_are_not_compared(ledger: RandomLedger, tmp_path: Path) -> None:
    with ledger.projected(tmp_path) as database:
        change(database, update(schema.progress).values(app_hash=bytes(32)))
        with pytest.raises(OtherLedger, match="rebuild"):
            reconcile(ledger.reader, REGISTRY, database)


def test_without_projections_there_is_nothing_to_compare(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with (
        ProjectionDatabase.open(tmp_path, ledger.world.network, url) as database,
        pytest.raises(NotReady, match="rebuild"),
    ):
        reconcile(ledger.reader, REGISTRY, database)
