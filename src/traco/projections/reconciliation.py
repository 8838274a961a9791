"""Compares the ledger's own state with projections at one position, and names every break.

Projections follow the ledger, so they are a few blocks behind a ledger in use. What these blocks change is computed from their
events and added in memory: then both sides are as of the ledger's last block, without anybody having to wait.

Compared are, page by page: what is outstanding of each instrument; each part of each holding; the balance of the last entry of
its journal; and, where asked for, the sum of all its entries.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, func, literal, select, tuple_

from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.modules.holding.state import HOLDINGS, NOTHING, SUPPLIES
from traco.projections import schema
from traco.projections.batch import Batch
from traco.projections.database import Progress, ProjectionDatabase
from traco.projections.errors import NotReady
from traco.projections.movements import NO_PARTS, OWNED, PARTS
from traco.projections.projection import require_same_history
from traco.storage import ReadSnapshot, SnapshotReader
from traco.storage.committed import CommittedLog, blocks_after

MOST_BEHIND: Final = 2_000
"""Blocks that projections may be behind for a comparison; beyond that, wait for them."""

_ID: Final = 16
_END: Final = b"\xff" * (2 * _ID + 1)
_FIELDS: Final = (*PARTS, "owned", "balance", "entries")


class Break(NamedTuple):
    """A difference: ``field`` of what an account has of an instrument (of the contra account: what is outstanding)."""

    account: bytes
    instrument: bytes
    field: str
    ledger: int
    projected: int


class Reconciliation(NamedTuple):
    """A page of a comparison as of ``height``. ``compared`` counts instruments and holdings; ``next``: go on behind this."""

    height: int
    position: int
    compared: int
    breaks: list[Break]
    next: tuple[str, bytes] | None


def reconcile(
    reader: SnapshotReader, registry: Registry, database: ProjectionDatabase, *, after: tuple[str, bytes] | None = None,
    limit: int = 1_000, entries: bool = False,
) -> Reconciliation:  # fmt: skip
    """Compare up to ``limit`` instruments, then holdings, behind ``after``.

    ``entries``: add up the whole journal of each holding too. Raises ``NotReady``, ``OtherLedger``, ``DatabaseFailed``.
    """
    with database.reading() as (connection, position):
        snapshot = reader.snapshot()  # after the position was read: it has at least that block
        if snapshot is None:
            raise NotReady("the ledger is not founded yet")
        with snapshot:
            require_same_history(snapshot, position)
            comparison = _Comparison(
                connection, snapshot, _since(connection, snapshot, registry, database, position), entries
            )
            phase, key = after or ("instruments", b"")
            if phase == "instruments":
                compared, breaks, last = comparison.instruments(key, limit)
                going_on = ("holdings", b"") if last is None else ("instruments", last)
                return Reconciliation(snapshot.height, position.height, compared, breaks, going_on)
            compared, breaks, last = comparison.holdings(key, limit)
            rest = None if last is None else ("holdings", last)
            return Reconciliation(snapshot.height, position.height, compared, breaks, rest)


def _since(
    connection: Connection,
    snapshot: ReadSnapshot,
    registry: Registry,
    database: ProjectionDatabase,
    position: Progress,
) -> dict[bytes, list[int]]:
    """What the blocks behind the position change in holdings, by instrument and account in one."""
    behind = snapshot.height - position.height
    if behind > MOST_BEHIND:
        raise NotReady(f"the projections are {behind} blocks behind; wait until they have caught up")
    batch = Batch(CommittedLog(registry, database.network))
    for block in blocks_after(snapshot, position.height):
        batch.add(block)
    return {instrument + account: parts for (instrument, account), parts in batch.changes(connection).items()}


class _Comparison:
    """One page, as of one snapshot."""

    def __init__(
        self, connection: Connection, snapshot: ReadSnapshot, since: dict[bytes, list[int]], entries: bool
    ) -> None:
        self._connection = connection
        self._state = State(snapshot)
        self._since = since
        self._entries = entries

    def instruments(self, after: bytes, limit: int) -> tuple[int, list[Break], bytes | None]:
        """What is outstanding: the number compared, the breaks, and where to go on."""
        ledger = {
            key: supply.outstanding for key, supply in SUPPLIES.scan(self._state, after=after, limit=limit)
        }
        table = schema.instrument
        wanted = (
            select(
                table.c.instrument,
                table.c.outstanding,
                self._last_balance(table.c.instrument, table.c.instrument),
            )
            .where(table.c.instrument > after)
            .order_by(table.c.instrument)
            .limit(limit)
        )
        projected = {
            key: (outstanding, balance) for key, outstanding, balance in self._connection.execute(wanted)
        }
        keys, last = _common(ledger, projected, limit)
        breaks = []
        for key in keys:
            changed = self._since.get(key + key, NO_PARTS)[OWNED]
            outstanding, balance = projected.get(key, (0, 0))
            is_now = ledger.get(key, 0)
            if outstanding - changed != is_now:
                breaks.append(Break(key, key, "outstanding", is_now, outstanding - changed))
            if -(balance + changed) != is_now:
                breaks.append(Break(key, key, "balance", -is_now, balance + changed))
        return len(keys), breaks, last

    def holdings(self, after: bytes, limit: int) -> tuple[int, list[Break], bytes | None]:
        """Holdings, as ``instruments``; a key is instrument and account."""
        ledger = dict(HOLDINGS.scan(self._state, after=after, limit=limit))
        projected = self._projected(after, limit)
        keys, last = _common(ledger, projected, limit)
        since = {key for key in self._since if after < key <= (last or _END) and key[:_ID] != key[_ID:]}
        breaks: list[Break] = []
        compared = sorted({*keys, *since})
        for key in compared:
            held = ledger.get(key, NOTHING)
            wanted = (*(getattr(held, part) for part in PARTS), held.owned, held.owned, held.owned)
            changes = self._since.get(key, NO_PARTS)
            changes = [*changes[: OWNED + 1], changes[OWNED], changes[OWNED]]
            found = projected.get(key, (0,) * len(_FIELDS))
            for field, is_now, before, change in zip(_FIELDS, wanted, found, changes, strict=True):
                if before + change != is_now:
                    breaks.append(Break(key[_ID:], key[:_ID], field, is_now, before + change))
        return len(compared), breaks, last

    def _projected(self, after: bytes, limit: int) -> dict[bytes, tuple[int, ...]]:
        """The numbers of ``_FIELDS`` by key, as the tables have them."""
        table, key = schema.holding, tuple_(schema.holding.c.instrument, schema.holding.c.account)
        sums = self._sum(table.c.account, table.c.instrument) if self._entries else table.c.owned
        wanted = select(
            table.c.instrument, table.c.account, *(table.c[part] for part in PARTS), table.c.owned,
            self._last_balance(table.c.account, table.c.instrument), sums,
        ).order_by(table.c.instrument, table.c.account).limit(limit)  # fmt: skip
        if after:
            wanted = wanted.where(key > tuple_(literal(after[:_ID]), literal(after[_ID:])))
        rows: Iterator[Any] = iter(self._connection.execute(wanted))
        return {instrument + account: tuple(map(int, numbers)) for instrument, account, *numbers in rows}

    def _last_balance(self, account: Any, instrument: Any) -> Any:
        journal = schema.journal
        last = (
            select(journal.c.balance)
            .where(journal.c.account == account, journal.c.instrument == instrument)
            .order_by(journal.c.entry.desc())
            .limit(1)
        )
        return func.coalesce(last.scalar_subquery(), 0)

    def _sum(self, account: Any, instrument: Any) -> Any:
        # in the order of the index each partial sum is a balance, so that SQLite's sum does not overflow
        journal = schema.journal
        all_of_it = select(func.sum(journal.c.amount)).where(
            journal.c.account == account, journal.c.instrument == instrument
        )
        return func.coalesce(all_of_it.scalar_subquery(), 0)


def _common(
    ledger: dict[bytes, Any], projected: dict[bytes, Any], limit: int
) -> tuple[list[bytes], bytes | None]:
    """The keys that both sides were read up to, and the last of them where at least one side has more."""
    ends = [max(side) for side in (ledger, projected) if len(side) == limit]
    last = min(ends, default=None)
    keys = sorted({*ledger, *projected})
    return [key for key in keys if last is None or key <= last], last
