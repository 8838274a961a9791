"""A run of blocks on its way into the tables: decoded once, applied in memory, written in one transaction."""

from collections.abc import Iterable, Iterator, Sequence
from operator import add
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, tuple_

from traco.kernel.state import State
from traco.projections import schema
from traco.projections.bulk import add_rows, replace_rows
from traco.projections.database import Progress
from traco.projections.movements import (
    BASE,
    OWNED,
    PARTS,
    Encumbrance,
    HoldingKey,
    Movements,
    named_encumbrance,
)
from traco.projections.registers import Place, Registers
from traco.storage.committed import CommittedLog
from traco.storage.rows import StoredBlock

CACHED_HOLDINGS: Final = 200_000
"""How many holdings are kept in memory between batches, so that they need not be read again."""

_KEYS_PER_QUERY: Final = 400

HoldingCache = dict[HoldingKey, tuple[int, ...]]

_NOTHING: Final = (0,) * 8


class Batch:
    """The events of some blocks in order. ``add`` them, then ``write`` once."""

    def __init__(self, log: CommittedLog) -> None:
        self._log = log
        self._events: list[tuple[Any, Place]] = []
        self._blocks: list[tuple[int, int, int]] = []  # height, time, how many events there are up to its end
        self.last: StoredBlock | None = None

    @property
    def size(self) -> int:
        """How many events it has."""
        return len(self._events)

    def add(self, block: StoredBlock) -> None:
        """The next block."""
        self.last = block
        if not block.leaves:
            return
        events, height, time_ms = self._events, block.height, block.time_ms
        for leaf in self._log.leaves(block):
            for number, event in enumerate(leaf.events):
                events.append((event, Place(height, leaf.leaf, number, time_ms, leaf.identity)))
        self._blocks.append((height, time_ms, len(events)))

    def write(self, connection: Connection, start: Progress, state: State, cache: HoldingCache) -> int:
        """Write everything; how many entries the journal has then. ``state`` is that of the last block or a later one.

        ``cache`` has holdings as of ``start``, and afterwards as of the end; forget it where the transaction fails.
        """
        movements, registers = Movements(self._earlier_encumbrances(connection)), Registers(state)
        firsts = self._apply(movements, registers, start.entries)
        registers.write(connection)
        if movements.touched:
            encumbrances = [movements.encumbrances[identity] for identity in movements.touched]
            replace_rows(connection, schema.encumbrance, encumbrances)
        base = _load_holdings(connection, movements.parts, cache)
        _write_holdings(connection, movements, base)
        add_rows(connection, schema.journal, _journal_rows(movements, start.entries))
        add_rows(connection, schema.block, firsts)
        return start.entries + 2 * len(movements.movements)

    def changes(self, connection: Connection) -> dict[HoldingKey, list[int]]:
        """What the blocks change in holdings, without writing anything. ``connection`` reads the tables as of before."""
        movements = Movements(self._earlier_encumbrances(connection))
        for event, place in self._events:
            movements.apply(event, place)
        return movements.parts

    def _apply(self, movements: Movements, registers: Registers, before: int) -> list[tuple[int, int, int]]:
        """Apply all events in order; per block height, time and the number of the first entry at or behind it."""
        firsts, position, events = [], 0, self._events
        move, register = movements.apply, registers.apply
        for height, time_ms, end in self._blocks:
            firsts.append((height, time_ms, before + 2 * len(movements.movements) + 1))
            for event, place in events[position:end]:
                if not move(event, place):
                    register(event, place)
            position = end
        return firsts

    def _earlier_encumbrances(self, connection: Connection) -> Iterator[Encumbrance]:
        """The encumbrances that events of this batch continue, as far as they were made before it."""
        named = {
            identity: None for event, _ in self._events if (identity := named_encumbrance(event)) is not None
        }
        table = schema.encumbrance
        for some in _in_groups(list(named)):
            for row in connection.execute(select(table).where(table.c.encumbrance.in_(some))):
                yield Encumbrance._make(
                    bytes(value) if isinstance(value, memoryview) else value for value in row
                )


def _journal_rows(movements: Movements, number: int) -> Iterator[tuple[Any, ...]]:
    """The rows of the journal, debit before credit; the bases of the balances are known by now."""
    for (
        instrument, debited, credited, amount, debited_parts, debited_balance, credited_parts, credited_balance,
        (height, leaf, event, time_ms, transaction), cause, reference,
    ) in movements.movements:  # fmt: skip
        yield (
            number + 1, debited, instrument, -amount, debited_parts[BASE] + debited_balance, credited, height, leaf, event,
            time_ms, transaction, cause, reference,
        )  # fmt: skip
        number += 2
        yield (
            number, credited, instrument, amount, credited_parts[BASE] + credited_balance, debited, height, leaf, event,
            time_ms, transaction, cause, reference,
        )  # fmt: skip


def _load_holdings(connection: Connection, wanted: Iterable[HoldingKey], cache: HoldingCache) -> HoldingCache:
    """The holdings as they are in the tables; all zero where there is none."""
    if len(cache) > CACHED_HOLDINGS:
        cache.clear()
    missing = sorted(key for key in wanted if key not in cache)
    cache.update((key, _NOTHING) for key in missing)
    table = schema.holding
    columns = [table.c.instrument, table.c.account, *(table.c[part] for part in (*PARTS, "owned"))]
    for some in _in_groups([key for key in missing if key[0] != key[1]]):
        wanted_rows = select(*columns).where(tuple_(table.c.instrument, table.c.account).in_(some))
        for instrument, account, *parts in connection.execute(wanted_rows):
            cache[bytes(instrument), bytes(account)] = tuple(parts)
    issued = schema.instrument
    for some in _in_groups([key[0] for key in missing if key[0] == key[1]]):
        found = select(issued.c.instrument, issued.c.outstanding).where(issued.c.instrument.in_(some))
        for instrument, outstanding in connection.execute(found):
            cache[bytes(instrument), bytes(instrument)] = (*_NOTHING[:OWNED], -outstanding)
    return cache


def _write_holdings(connection: Connection, movements: Movements, base: HoldingCache) -> None:
    """Add the changes to the holdings, and write them."""
    rows, issued = [], []
    for key, changes in movements.parts.items():
        before = base[key]
        changes[BASE] = before[OWNED]
        parts = base[key] = tuple(map(add, before, changes))
        if key[0] == key[1]:
            issued.append({"which": key[0], "now": -parts[OWNED]})
        else:
            rows.append((*key, *parts))
    if rows:
        replace_rows(connection, schema.holding, rows)
    if issued:
        table = schema.instrument
        statement = (
            table.update()
            .where(table.c.instrument == bindparam("which"))
            .values(outstanding=bindparam("now"))
        )
        connection.execute(statement, issued)


def _in_groups(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), _KEYS_PER_QUERY):
        yield keys[start : start + _KEYS_PER_QUERY]
