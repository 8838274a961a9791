"""Tables made from committed events: what they say is what the ledger has, however and however often they are made."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, func, select

from projections.random_ledger import (
    REGISTRY,
    RandomLedger,
    breaks,
    content,
    projected_holdings,
)
from traco.kernel.codec import MAX_AMOUNT
from traco.kernel.state import State
from traco.modules.holding import messages as m
from traco.modules.holding.messages import InstrumentKind, account_id, instrument_id
from traco.modules.holding.state import HOLDINGS, NOTHING
from traco.modules.party.state import parties
from traco.projections import batch, projection, schema
from traco.projections.database import ProjectionDatabase
from traco.projections.errors import OtherLedger
from traco.projections.movements import PARTS
from traco.projections.projection import Projection

Sums = list[tuple[bytes, bytes, int]]


class Killed(BaseException):
    """Stands for the end of the process."""


@contextmanager
def killed_at(engine: Engine, number: int) -> Generator[None, None, None]:
    """Let nothing through from the statement (or commit) with this number on; then all connections are gone."""
    passed = count()
    connections: list[Any] = []

    def strike(*_: Any) -> None:
        if next(passed) >= number:
            raise Killed

    def remember(connection: Any, _: Any) -> None:
        connections.append(connection)

    engine.dispose()
    event.listen(engine, "connect", remember)
    for name in ("before_cursor_execute", "commit"):
        event.listen(engine, name, strike)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(engine, name, strike)
        event.remove(engine, "connect", remember)
        engine.dispose()
        for connection in connections:
            connection.close()


def kills(engine: Engine, work: Callable[[], object]) -> Generator[int, None, None]:
    """Do the work again and again, each time killed one statement later; ends when it was not struck any more.

    PostgreSQL, where making tables takes long, is killed at every seventh statement.
    """
    for number in count(0, 1 if engine.dialect.name == "sqlite" else 7):
        try:
            with killed_at(engine, number):
                work()
        except Killed:
            yield number
        else:
            return


def unequal_sums(database: ProjectionDatabase) -> Sums:
    """What does not add up to zero within a transaction and instrument."""
    journal = schema.journal
    wanted = (
        select(journal.c.transaction_id, journal.c.instrument, func.sum(journal.c.amount))
        .group_by(journal.c.transaction_id, journal.c.instrument)
        .having(func.sum(journal.c.amount) != 0)
    )
    with database.reading() as (connection, _):
        return [(row[0], row[1], int(row[2])) for row in connection.execute(wanted)]


def ledger_holdings(ledger: RandomLedger) -> dict[tuple[bytes, bytes], tuple[int, ...]]:
    snapshot = ledger.reader.snapshot()
    assert snapshot is not None
    with snapshot:
        rows = HOLDINGS.scan(State(snapshot), limit=100_000)
    return {
        (key[:16], key[16:]): tuple(getattr(row, part) for part in PARTS)
        for key, row in rows
        if row != NOTHING
    }


def test_entries_add_up_to_zero_and_holdings_are_the_ledgers(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database:
        assert unequal_sums(database) == []
        assert projected_holdings(database) == ledger_holdings(ledger)
        assert breaks(ledger, database) == []


@settings(max_examples=12)
@given(seed=st.integers(2, 10**6), blocks=st.integers(1, 40), step=st.integers(1, 9))
def test_whatever_the_business_followed_live_or_made_at_once_the_tables_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, blocks: int, step: int
) -> None:
    folder, other = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("anew")
    ledger = RandomLedger(folder, seed)
    live = ledger.projected(folder)
    following = Projection(ledger.reader, REGISTRY, live)
    for _ in range(0, blocks, step):
        ledger.run(step)
        following.catch_up()
    with live, ledger.projected(other) as anew:
        assert content(live) == content(anew)
        assert unequal_sums(anew) == []
        assert projected_holdings(anew) == ledger_holdings(ledger)
        assert breaks(ledger, live) == []
    ledger.close()


def test_rows_do_not_depend_on_how_many_blocks_are_written_at_once(
    ledger: RandomLedger, tmp_path: Path, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    with ledger.projected(folder) as at_once:
        expected = content(at_once)
    monkeypatch.setattr(projection, "BLOCKS_PER_BATCH", 1)
    monkeypatch.setattr(batch, "CACHED_HOLDINGS", 3)
    with ledger.projected(tmp_path, url) as one_by_one:
        assert content(one_by_one) == expected


def test_a_process_that_dies_at_any_point_leaves_nothing_out_and_writes_nothing_twice(
    tmp_path: Path, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = RandomLedger(tmp_path, 5)
    ledger.run(20)
    monkeypatch.setattr(projection, "BLOCKS_PER_BATCH", 8)
    struck = 0
    with ledger.projected(tmp_path, url) as database:
        expected = content(database)
        database.reset()
        for struck in kills(database.engine, lambda: ledger.follow(database)):
            ledger.follow(database)
            assert content(database) == expected, f"killed at statement {struck}"
            database.reset()
    assert struck > 40
    ledger.close()


def test_a_process_that_dies_while_it_makes_the_tables_leaves_all_of_them_or_none(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database:
        expected, struck = content(database), 0
        for struck in kills(database.engine, database.reset):
            assert content(database) == expected, f"killed at statement {struck}"
    assert struck > 20


def test_a_second_run_finds_nothing_to_do(ledger: RandomLedger, tmp_path: Path, url: str | None) -> None:
    with ledger.projected(tmp_path, url) as database:
        before = content(database)
        assert not Projection(ledger.reader, REGISTRY, database).advance()
        assert content(database) == before


def test_two_processes_that_compete_write_each_block_once(
    ledger: RandomLedger, tmp_path: Path, url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "BLOCKS_PER_BATCH", 7)
    folder = tmp_path / "alone"
    folder.mkdir()
    with ledger.projected(folder) as alone:
        expected = content(alone)
    with ProjectionDatabase.open(tmp_path, ledger.world.network, url) as database:
        first, second = (Projection(ledger.reader, REGISTRY, database) for _ in range(2))
        for each in (first, first, second, second, first, second):
            each.advance()
        first.reload()
        first.catch_up()
        assert content(database) == expected


def test_made_anew_they_are_what_they_were(ledger: RandomLedger, tmp_path: Path, url: str | None) -> None:
    with ledger.projected(tmp_path, url) as database:
        before = content(database)
        database.reset()
        assert ledger.follow(database).position.height == ledger.application.info().height
        assert content(database) == before


def test_a_ledger_that_lost_blocks_is_another_one(tmp_path: Path, url: str | None) -> None:
    ledger = RandomLedger(tmp_path, 6)
    older = tmp_path / "older"
    older.mkdir()
    restored = RandomLedger(older, 6)
    ledger.run(10)
    with ledger.projected(tmp_path, url) as database:
        projecting = Projection(restored.reader, REGISTRY, database)
        with pytest.raises(OtherLedger, match="rebuild"):
            projecting.advance()
    for each in (ledger, restored):
        each.close()


def test_founding_members_are_there_from_the_beginning(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with ledger.projected(tmp_path, url) as database, database.reading() as (connection, _):
        founded = select(schema.party.c.party, schema.party.c.name).where(schema.party.c.height == 0)
        found = {row.party: row.name for row in connection.execute(founded)}
    assert found == {identity: name for name, identity in ledger.world.ids.items()}


def test_every_party_of_the_ledger_is_in_the_table(
    ledger: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    snapshot = ledger.reader.snapshot()
    assert snapshot is not None
    with snapshot:
        expected = {key: (row.name, row.status) for key, row in parties.scan(State(snapshot), limit=10_000)}
    with ledger.projected(tmp_path, url) as database, database.reading() as (connection, _):
        table = schema.party
        rows = connection.execute(select(table.c.party, table.c.name, table.c.status))
        assert {row.party: (row.name, row.status) for row in rows} == expected


def test_the_largest_amount_there_is_can_be_held_and_moved(
    growing: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    central = growing.world.ids["central"]
    instrument = instrument_id(central, "MOST")
    accounts = [account_id(central, bytes([number]) * 16) for number in (1, 2)]
    growing.do(
        m.CreateInstrument(central, "MOST", InstrumentKind.SECURITY, None, 0, bytes(32), (central,)),
        *(
            m.OpenAccount(
                central, central, m.AccountKind.OWN, m.DebitControl.OWNER, m.CreditControl.OPEN, None, bytes([number]) * 16
            )
            for number in (1, 2)
        ),
        m.Issue(central, instrument, accounts[0], MAX_AMOUNT, b""),
    )  # fmt: skip
    growing.do(m.Transfer(central, instrument, accounts[0], accounts[1], MAX_AMOUNT, b""))
    with growing.projected(tmp_path, url) as database:
        assert projected_holdings(database)[instrument, accounts[1]][0] == MAX_AMOUNT
        assert breaks(growing, database) == []
