"""Compares a store with one rebuilt from its envelopes, every column of every table.

The rows are a function of the blocks (see `schema`), so whoever executes the envelopes of a store into a fresh one gets
the same rows, or somebody changed some.
"""

from collections.abc import Iterator
from contextlib import closing
from os import PathLike, fspath
from typing import Any, NamedTuple

import apsw

from traco.storage.database import open_reader
from traco.storage.errors import StoreDamaged, halting

Row = tuple[Any, ...]


class Difference(NamedTuple):
    """One place where two stores differ. ``column`` is empty where a whole row is in one of them only.

    ``row`` is the primary key. Where ``column`` is empty, one value is None and the other the whole row.
    """

    table: str
    row: Any
    column: str
    original: Any
    rebuilt: Any


def check_pages(path: str | PathLike[str]) -> None:
    """Have SQLite check every page, index and constraint. Raises ``StoreDamaged`` with the first faults."""
    name = fspath(path)
    with halting(name), closing(open_reader(name, None)) as connection:
        found = [str(text) for (text,) in connection.execute("PRAGMA integrity_check(10)")]
    if found != ["ok"]:
        raise StoreDamaged(name, "; ".join(found))


def differences(
    original: str | PathLike[str], rebuilt: str | PathLike[str], limit: int = 100
) -> list[Difference]:
    """Up to ``limit`` differences, by table and row.

    Both must be at the same height, so stop the original's node, or compare a copy. Raises ``StoreDamaged`` for an
    original with damaged pages (see ``check_pages``), ``StorageHalt`` where a store cannot be read.
    """
    check_pages(original)
    first, second = fspath(original), fspath(rebuilt)
    found: list[Difference] = []
    with (
        halting(first),
        closing(open_reader(first, None)) as left,
        closing(open_reader(second, None)) as right,
    ):
        left.execute("BEGIN")
        right.execute("BEGIN")
        for difference in _differences(left, right):
            if len(found) == limit:
                break
            found.append(difference)
    return found


def _differences(left: apsw.Connection, right: apsw.Connection) -> Iterator[Difference]:
    schemas = [_schema(connection) for connection in (left, right)]
    yield from _row_differences("sqlite_schema", ("name", "sql"), iter(schemas[0]), iter(schemas[1]))
    for name, sql in schemas[1]:
        # Tables that are not the same have been reported whole; indexes have no rows of their own.
        if (name, sql) in schemas[0] and sql.startswith("CREATE TABLE"):
            columns = tuple(
                str(row[0]) for row in right.execute("SELECT name FROM pragma_table_info(?)", (name,))
            )
            rows = f"SELECT {', '.join(columns)} FROM {name} ORDER BY {columns[0]}"
            yield from _row_differences(name, columns, left.execute(rows), right.execute(rows))


def _schema(connection: apsw.Connection) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
    return [(str(name), str(sql)) for name, sql in rows]


def _row_differences(
    table: str, columns: tuple[str, ...], left: Iterator[Row], right: Iterator[Row]
) -> Iterator[Difference]:
    """Differences of two tables whose rows come in the order of the first column, their primary key."""
    first, second = next(left, ()), next(right, ())
    while first and second:
        if first[0] < second[0]:
            yield Difference(table, first[0], "", first, None)
            first = next(left, ())
        elif second[0] < first[0]:
            yield Difference(table, second[0], "", None, second)
            second = next(right, ())
        else:
            for column, original, rebuilt in zip(columns, first, second, strict=True):
                if original != rebuilt:  # of one type: the tables are strict
                    yield Difference(table, first[0], column, original, rebuilt)
            first, second = next(left, ()), next(right, ())
    while first:
        yield Difference(table, first[0], "", first, None)
        first = next(left, ())
    while second:
        yield Difference(table, second[0], "", None, second)
        second = next(right, ())
