"""Writing many rows at once, by the fastest way of each database: prepared tuples for SQLite, COPY for PostgreSQL."""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final

from sqlalchemy import Column, Connection, MetaData, Table, select, types
from sqlalchemy.dialects import sqlite

Row = tuple[Any, ...]

_COPY_TYPES: Final[tuple[tuple[Any, str], ...]] = (
    (types.LargeBinary, "bytea"),
    (types.SmallInteger, "int2"),
    (types.BigInteger, "int8"),
    (types.Integer, "int4"),
    (types.String, "text"),
)


def add_rows(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Insert rows, with a value for each column of the table in its order."""
    if connection.dialect.name == "sqlite":
        prepared = list(rows)
        if prepared:
            connection.exec_driver_sql(_insert_text(table), prepared)
    else:
        _copy(connection, table, rows)


def replace_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or replace those with the same primary key. There is at least one, and each key once."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_upsert_text(table), list(rows))
        return
    fresh = _fresh(table)
    fresh.create(connection, checkfirst=False)
    _copy(connection, fresh, rows)
    names = [column.name for column in table.columns]
    insert = insert_into(table, connection.dialect.name).from_select(names, select(fresh))
    connection.execute(_replacing(insert, table))
    fresh.drop(connection, checkfirst=False)


def insert_into(table: Table, dialect: str) -> Any:
    """INSERT as a database knows it, with ON CONFLICT. Loads what belongs to the database in use, and not to the other."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert(table)


@cache
def _insert_text(table: Table) -> str:
    return str(table.insert().compile(dialect=sqlite.dialect()))


@cache
def _upsert_text(table: Table) -> str:
    return str(_replacing(sqlite.insert(table), table).compile(dialect=sqlite.dialect()))


def _replacing(insert: Any, table: Table) -> Any:
    others = {column.name: insert.excluded[column.name] for column in table.columns if not column.primary_key}
    return insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key], set_=others
    )


@cache
def _fresh(table: Table) -> Table:
    """A table for rows on their way, that lives no longer than the transaction."""
    columns: list[Column[Any]] = [Column(column.name, column.type) for column in table.columns]
    return Table(
        f"fresh_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP"
    )


def _copy(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(column.name) for column in table.columns)
    statement = f"COPY {quote(table.name)} ({names}) FROM STDIN (FORMAT BINARY)"
    with driver.cursor() as opened, opened.copy(statement) as copying:
        copying.set_types([_copy_type(column) for column in table.columns])
        write = copying.write_row
        for row in rows:
            write(row)


def _copy_type(column: Column[Any]) -> str:
    """What PostgreSQL calls the column's type; the first that fits, because some types are kinds of others."""
    return next(name for kind, name in _COPY_TYPES if isinstance(column.type, kind))
