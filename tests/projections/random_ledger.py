"""Ledgers of random business in a file, and what tests of projections do with them: make, follow, compare."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from torture.actions import founding_business
from torture.business import random_request
from torture.checker import transactions_of
from torture.requests import Desk, Request
from torture.world import World
from traco.kernel.application import Application
from traco.kernel.block import Answer
from traco.kernel.instruction import Instruction
from traco.kernel.registry import Registry
from traco.modules.composition import compose
from traco.projections import schema
from traco.projections.database import ProjectionDatabase
from traco.projections.movements import PARTS
from traco.projections.projection import Projection
from traco.projections.reconciliation import Break, reconcile
from traco.storage import LedgerStore, SnapshotReader

PAUSES_MS = (0, 10, 500, 2_000, 9_000, 40_000)
REGISTRY: Registry = compose()


class RandomLedger:
    """A ledger with its store in ``directory``. The same seed gives the same ledger."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.world = World()
        self.rng = random.Random(f"projections {seed}")
        self.desk = Desk(self.world, self.world.books(), self.rng)
        self.path = directory / "ledger.db"
        self.store = LedgerStore(self.path, durable=False)
        self.application = Application(self.world.genesis, REGISTRY, self.store, self._alarm)
        self.application.init_chain()
        self.time_ms = self.world.genesis.time_ms
        self.reader = SnapshotReader(self.path, self.world.network)
        self._block(founding_business(self.desk))

    def _alarm(self, kind: str, identity: bytes, error: BaseException) -> None:
        raise AssertionError(f"{kind} in {identity.hex()}") from error

    def run(self, blocks: int, most: int = 12) -> None:
        """Blocks of random business, some of it refused or rejected, and due items."""
        for _ in range(blocks):
            self.time_ms += self.rng.choice(PAUSES_MS)
            self._block([random_request(self.desk, self.time_ms) for _ in range(self.rng.randrange(most))])

    def do(self, *instructions: Instruction) -> None:
        """A block with one transaction, which must succeed."""
        intent = self.desk.sign(Request("test", instructions), self.time_ms)
        self.desk.intents[intent.raw] = intent
        answers = self._order([intent.raw])
        assert [answer.failure for answer in answers] == [None]

    def _block(self, requests: list[Request]) -> None:
        raws = [self.desk.transaction(request, self.time_ms).raw for request in requests]
        self._order(raws)

    def _order(self, raws: list[bytes]) -> list[Answer]:
        envelopes = [self.desk.envelope(raws, self.time_ms)] if raws else []
        height = self.application.info().height + 1
        finalized = self.application.finalize_block(height, self.time_ms, envelopes)
        self.application.commit()
        self.desk.books.run_block(
            self.time_ms, [transactions_of(raw) for raw in envelopes], self.desk.intents
        )
        return [answer for envelope in finalized.answers for answer in envelope.transactions]

    def projected(self, directory: Path, url: str | None = None) -> ProjectionDatabase:
        """A database of projections of this ledger that is up to date."""
        database = ProjectionDatabase.open(directory, self.world.network, url)
        self.follow(database)
        return database

    def follow(self, database: ProjectionDatabase) -> Projection:
        """Bring a database up to date."""
        projection = Projection(self.reader, REGISTRY, database)
        projection.catch_up()
        return projection

    def close(self) -> None:
        """Close the files."""
        self.reader.close()
        self.store.close()


def content(database: ProjectionDatabase) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, in order."""
    with database.writing() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


def breaks(ledger: RandomLedger, database: ProjectionDatabase, limit: int = 7) -> list[Break]:
    """Every break of a whole reconciliation in small pages, the sums of all entries included."""
    return [
        found
        for page in pages(ledger, database, limit)
        for found in page.breaks
    ]  # fmt: skip


def pages(ledger: RandomLedger, database: ProjectionDatabase, limit: int) -> Iterator[Any]:
    """The pages of a reconciliation."""
    after = None
    while True:
        page = reconcile(ledger.reader, REGISTRY, database, after=after, limit=limit, entries=True)
        yield page
        after = page.next
        if after is None:
            return


def projected_holdings(database: ProjectionDatabase) -> dict[tuple[bytes, bytes], tuple[int, ...]]:
    """The parts of every holding that is not all zero."""
    table = schema.holding
    with database.reading() as (connection, _):
        rows = connection.execute(
            select(table.c.instrument, table.c.account, *(table.c[part] for part in PARTS))
        )
        return {(row[0], row[1]): tuple(row[2:]) for row in rows if any(row[2:])}
