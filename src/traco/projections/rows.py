"""What a batch of blocks changes in one table: collected in memory, row by row in order, written once at the end."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Table, bindparam

from traco.projections.bulk import insert_into

Key = tuple[Any, ...]


class Rows:
    """Pending changes of one table, by primary key. What is put later replaces what was put or changed before."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._keys = [column.name for column in table.primary_key]
        self._put: dict[Key, dict[str, Any]] = {}
        self._changed: dict[Key, dict[str, Any]] = {}
        self._added: dict[Key, dict[str, int]] = {}

    def put(self, *key: Any, **columns: Any) -> None:
        """The whole row from now on, whether there was one or not."""
        self._put[key] = {**dict(zip(self._keys, key, strict=True)), **columns}
        self._changed.pop(key, None)
        self._added.pop(key, None)

    def change(self, *key: Any, **columns: Any) -> None:
        """New values in a row that is there."""
        row = self._put.get(key)
        (self._changed.setdefault(key, {}) if row is None else row).update(columns)

    def add(self, *key: Any, **amounts: int) -> None:
        """Add to numbers in a row that is there."""
        row = self._put.get(key) or self._added.setdefault(key, {})
        for column, amount in amounts.items():
            row[column] = row.get(column, 0) + amount

    def write(self, connection: Connection) -> None:
        """Write everything that is pending. Use each object once."""
        if self._put:
            connection.execute(_upsert(self._table, connection), list(self._put.values()))
        for columns, rows in _by_columns(self._changed).items():
            values: dict[str, Any] = {column: bindparam(f"new_{column}") for column in columns}
            self._update(connection, values, rows)
        for columns, rows in _by_columns(self._added).items():
            values = {column: self._table.c[column] + bindparam(f"new_{column}") for column in columns}
            self._update(connection, values, rows)

    def _update(
        self, connection: Connection, values: dict[str, Any], rows: Iterable[tuple[Key, dict[str, Any]]]
    ) -> None:
        statement = self._table.update().values(values)
        for name in self._keys:
            statement = statement.where(self._table.c[name] == bindparam(f"key_{name}"))
        connection.execute(
            statement,
            [
                {f"key_{name}": part for name, part in zip(self._keys, key, strict=True)}
                | {f"new_{column}": value for column, value in row.items()}
                for key, row in rows
            ],
        )


def _by_columns(
    pending: dict[Key, dict[str, Any]],
) -> dict[tuple[str, ...], list[tuple[Key, dict[str, Any]]]]:
    """Rows that change the same columns together, so that one statement writes them."""
    found: dict[tuple[str, ...], list[tuple[Key, dict[str, Any]]]] = {}
    for key, row in pending.items():
        found.setdefault(tuple(sorted(row)), []).append((key, row))
    return found


def _upsert(table: Table, connection: Connection) -> Any:
    """Insert rows, or replace all columns of those that are there."""
    insert: Any = insert_into(table, connection.dialect.name)
    keys = [column.name for column in table.primary_key]
    others = {
        column.name: insert.excluded[column.name] for column in table.columns if column.name not in keys
    }
    if not others:
        return insert.on_conflict_do_nothing(index_elements=keys)
    return insert.on_conflict_do_update(index_elements=keys, set_=others)
