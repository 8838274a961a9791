"""Lists of positions, financings, documents and events: what is in them, for whom, and page by page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from projections.random_ledger import REGISTRY, RandomLedger
from traco.kernel.state import State
from traco.modules.document.state import documents
from traco.modules.financing.state import financings, offers, receivables
from traco.modules.settlement.state import BATCHES
from traco.projections import lists, schema
from traco.projections.database import ProjectionDatabase
from traco.projections.lists import Page
from traco.storage.committed import CommittedLog


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> RandomLedger:
    """A ledger long enough for every kind of business, which no test changes."""
    ledger = RandomLedger(tmp_path_factory.mktemp("busy"), 7)
    ledger.run(120)
    return ledger


def all_of(read: Callable[..., Page], *given: Any, limit: int = 3, **filters: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after = None
    while True:
        page = read(*given, after=after, limit=limit, **filters)
        rows += page.rows
        after = page.next
        if after is None:
            return rows


def state_of(ledger: RandomLedger) -> State:
    return ledger.application.state


def test_a_party_gets_the_positions_of_the_accounts_that_concern_it(
    busy: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with busy.projected(tmp_path, url) as database, database.reading() as (connection, _):
        everything = all_of(lists.positions, connection)
        accounts = {row.account: row for row in connection.execute(select(schema.account))}
        assert len(everything) > 10
        for party in {row.owner for row in accounts.values()} | {row.servicer for row in accounts.values()}:

            def concerns(position: dict[str, Any], party: bytes = party) -> bool:
                row = accounts[position["account"]]
                above = accounts.get(row.parent)
                return party in (row.owner, row.servicer, None if above is None else above.owner)

            assert all_of(lists.positions, connection, of=party) == list(filter(concerns, everything))


def test_positions_are_of_the_account_and_instrument_asked_for(
    busy: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    with busy.projected(tmp_path, url) as database, database.reading() as (connection, _):
        everything = all_of(lists.positions, connection, limit=1_000)
        one = everything[3]
        same = [row for row in everything if row["account"] == one["account"]]
        assert all_of(lists.positions, connection, account=one["account"]) == same
        held = [row for row in everything if row["instrument"] == one["instrument"]]
        assert all_of(lists.positions, connection, instrument=one["instrument"]) == held


def test_documents_are_those_of_the_ledger(busy: RandomLedger, tmp_path: Path, url: str | None) -> None:
    ledger = documents.scan(state_of(busy), limit=10_000)
    expected = {
        key: (
            row.status,
            row.financing,
            row.duplicate_of,
            row.superseded_by,
            row.amends,
            row.due_date,
            row.height,
        )
        for key, row in ledger
    }
    names = ("status", "financing", "duplicate_of", "superseded_by", "amends", "due_date", "height")
    requests = dict(financings.scan(state_of(busy), limit=10_000))
    offered = {
        (row.lender, requests[key[:16]].document) for key, row in offers.scan(state_of(busy), limit=10_000)
    }
    with busy.projected(tmp_path, url) as database, database.reading() as (connection, _):
        rows = all_of(lists.documents, connection)
        assert {row["document"]: tuple(row[name] for name in names) for row in rows} == expected
        for party in busy.desk.books.parties:
            mine = {key for key, row in ledger if row.registrant == party or row.names(party)}
            mine |= {lent for lender, lent in offered if lender == party}
            assert {row["document"] for row in all_of(lists.documents, connection, of=party)} == mine


def test_financings_of_a_party_are_those_it_is_a_party_to_or_may_still_win(
    busy: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    state = state_of(busy)
    requests = dict(financings.scan(state, limit=10_000))
    debtors = {key: row.debtor for key, row in receivables.scan(state, limit=10_000)}
    offered = {(row.lender, key[:16]) for key, row in offers.scan(state, limit=10_000)}
    with busy.projected(tmp_path, url) as database, database.reading() as (connection, _):
        for party in busy.desk.books.parties:
            mine = {
                key
                for key, row in requests.items()
                if party in (row.seller, row.deal and row.deal.lender, debtors.get(row.document))
                or (row.deal is None and (party, key) in offered)
            }
            assert {row["financing"] for row in all_of(lists.financings, connection, of=party)} >= mine


def test_financings_offers_and_receivables_are_those_of_the_ledger(
    busy: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    state = state_of(busy)
    expected = {
        key: (row.status, row.face, row.recovered, None if row.deal is None else row.deal.offer)
        for key, row in financings.scan(state, limit=10_000)
    }
    made = {(key[:16], key[16:]): (row.status, row.price) for key, row in offers.scan(state, limit=10_000)}
    owed = {
        key: (row.total, row.unpaid, row.diluted, row.financed, row.overdue)
        for key, row in receivables.scan(state, limit=10_000)
    }
    with busy.projected(tmp_path, url) as database, database.reading() as (connection, _):
        rows = all_of(lists.financings, connection)
        assert {
            row["financing"]: (row["status"], row["face"], row["recovered"], row["offer"]) for row in rows
        } == expected
        found = connection.execute(select(schema.offer))
        assert {(row.financing, row.offer): (row.status, row.price) for row in found} == made
        table = schema.receivable
        kept = connection.execute(select(table).where(table.c.status != "withdrawn"))
        assert {
            row.document: (row.total, row.unpaid, row.diluted, row.financed, row.overdue) for row in kept
        } == owed
    assert {"financed", "requested"} <= {row[0] for row in expected.values()}


def test_settlements_are_those_of_the_ledger(busy: RandomLedger, tmp_path: Path, url: str | None) -> None:
    expected = {
        key: "complete" if row.complete else row.status
        for key, row in BATCHES.scan(state_of(busy), limit=10_000)
    }
    with busy.projected(tmp_path, url) as database, database.reading() as (connection, _):
        rows = connection.execute(select(schema.settlement.c.batch, schema.settlement.c.status))
        assert {row.batch: row.status for row in rows} == expected
    assert {"settled", "expired"} <= set(expected.values())


def test_the_history_of_a_document_is_every_event_that_is_about_it(
    busy: RandomLedger, tmp_path: Path, url: str | None
) -> None:
    log = CommittedLog(REGISTRY, busy.world.network)
    snapshot = busy.reader.snapshot()
    assert snapshot is not None
    with snapshot, busy.projected(tmp_path, url) as database, database.reading() as (connection, _):
        document = _most_eventful(database)
        expected = [
            found.position
            for found in log.events_after(snapshot)
            if document in (getattr(found.event, "document", b""), getattr(found.event, "successor", b""))
        ]
        rows = all_of(lists.history, connection, document)
    assert [(row["height"], row["leaf"], row["event"]) for row in rows] == expected[::-1]
    assert len(rows) > 2


def _most_eventful(database: ProjectionDatabase) -> bytes:
    with database.reading() as (connection, _):
        listed: list[bytes] = [row["document"] for row in lists.documents(connection, limit=1_000).rows]
        return max(listed, key=lambda document: len(lists.history(connection, document, limit=100).rows))
