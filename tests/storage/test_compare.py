"""The comparison finds a change to any column of any table, and says where; damaged pages are a clear error."""

import random
import shutil
from pathlib import Path
from typing import Any

import apsw
import pytest

from support.chain import Chain, replay
from traco.storage import (
    Difference,
    LedgerStore,
    MediumFailed,
    StorageHalt,
    StoreDamaged,
    check_pages,
    differences,
)
from traco.storage.schema import SWEEP_BLOCKS

TABLES = ["blocks", "delta", "head", "history", "leaf_tile", "meta", "state", "transaction_index"]


def key(number: int) -> bytes:
    return b"\x02\x01" + number.to_bytes(4, "big")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two equal stores."""
    folder = tmp_path_factory.mktemp("pair")
    chain = Chain({key(number): b"founded" for number in range(300)})
    for height in range(1, SWEEP_BLOCKS + 5):
        chain.add({key(height * 7): b"x" * height, key(height * 5): None}, leaves=height % 4)
    for name in ("original", "rebuilt"):
        store = LedgerStore(folder / name, durable=False)
        replay(store, chain.blocks)
        store.close()
    return folder / "original", folder / "rebuilt"


@pytest.fixture
def original(pair: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the first store, to be changed."""
    return Path(shutil.copy(pair[0], tmp_path / "store"))


def run(path: Path, statement: str, *bindings: Any) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement, bindings)
    connection.close()


def test_equal_stores_have_no_difference(pair: tuple[Path, Path]) -> None:
    check_pages(pair[0])
    assert differences(*pair) == []


def test_the_tables_are_these_and_none_is_empty(original: Path) -> None:
    connection = apsw.Connection(str(original))
    names = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1")
    ]
    assert names == TABLES
    for name in names:
        assert connection.execute(f"SELECT count(*) > 0 FROM {name}").get == 1


def changed(value: Any, rng: random.Random) -> Any:
    """Another value of the same kind; something where there was nothing."""
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 1_000_000))
    if value is None:
        return None
    if isinstance(value, str):
        return value + "x"
    position = rng.randrange(len(value) + 1)
    if position == len(value):
        return value + b"\0"
    return value[:position] + bytes([value[position] ^ 1 << rng.randrange(8)]) + value[position + 1 :]


def test_300_seeded_changes_to_any_column_are_each_found_in_their_place(
    pair: tuple[Path, Path], original: Path
) -> None:
    rng = random.Random(20)
    places = columns(pair[0])
    for number in range(300):
        shutil.copy(pair[0], original)
        table, primary, column = places[number % len(places)]
        connection = apsw.Connection(str(original))
        rows = connection.execute(f"SELECT {primary}, {column} FROM {table} ORDER BY 1").fetchall()
        row, value = rng.choice([pair for pair in rows if pair[1] is not None])
        other = changed(value, rng)
        moved = column == primary
        taken = moved and other in [row for row, _ in rows]
        if taken or (table == "head" and moved):  # two rows cannot be in one place; the head has no other
            other = None
            connection.execute(f"DELETE FROM {table} WHERE {primary} = ?", (row,))
        else:
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE {primary} = ?", (other, row))
        connection.close()
        actual = differences(original, pair[1])
        if moved:
            assert {(place.table, place.row) for place in actual} == {(table, row), (table, other)} - {
                (table, None)
            }
        else:
            assert actual == [Difference(table, row, column, other, value)]


def columns(path: Path) -> list[tuple[str, str, str]]:
    """Every column as (table, its primary key, column)."""
    connection = apsw.Connection(str(path))
    found = []
    for table in TABLES:
        names = [
            str(name) for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        ]
        found += [(table, names[0], name) for name in names]
    return found


def test_a_value_where_there_was_none_is_found(pair: tuple[Path, Path], original: Path) -> None:
    run(original, "UPDATE blocks SET record = x'' WHERE height = 0")
    assert differences(original, pair[1]) == [Difference("blocks", 0, "record", b"", None)]


def test_a_missing_row_is_found(pair: tuple[Path, Path], original: Path) -> None:
    run(original, "DELETE FROM history WHERE position = (SELECT max(position) FROM history)")
    (difference,) = differences(original, pair[1])
    assert (difference.table, difference.column, difference.original) == ("history", "", None)


def test_a_missing_first_row_is_found(pair: tuple[Path, Path], original: Path) -> None:
    run(original, "DELETE FROM history WHERE position = 0")
    (difference,) = differences(original, pair[1])
    assert (difference.row, difference.column, difference.original) == (0, "", None)


@pytest.mark.parametrize("position", [-1, 1_000])
def test_an_additional_row_is_found(pair: tuple[Path, Path], original: Path, position: int) -> None:
    run(original, "INSERT INTO history VALUES (?, x'00')", position)
    assert differences(original, pair[1]) == [Difference("history", position, "", (position, b"\0"), None)]


def test_a_table_that_is_no_longer_strict_is_found(pair: tuple[Path, Path], original: Path) -> None:
    connection = apsw.Connection(str(original))
    connection.pragma("writable_schema", True)
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ') ') WHERE name = 'head'")
    connection.close()
    tables = [difference.table for difference in differences(original, pair[1])]
    assert tables == ["sqlite_schema"]


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE history",
        "CREATE TABLE more (a)",
        "DROP INDEX state_by_key",
        "ALTER TABLE head ADD COLUMN more INT",
    ],
)
def test_other_tables_or_indexes_are_found(pair: tuple[Path, Path], original: Path, statement: str) -> None:
    run(original, statement)
    assert {difference.table for difference in differences(original, pair[1])} == {"sqlite_schema"}


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_differences_than_wanted_are_returned(
    pair: tuple[Path, Path], original: Path, limit: int
) -> None:
    run(original, "UPDATE blocks SET time_ms = time_ms + 1")
    actual = differences(original, pair[1], limit)
    assert [difference.row for difference in actual] == list(range(limit))


def test_damaged_pages_are_a_clear_error_or_a_difference(pair: tuple[Path, Path], original: Path) -> None:
    content = original.read_bytes()
    for page in range(len(content) // 4096):
        original.write_bytes(content[: page * 4096] + b"\xa5" * 4096 + content[(page + 1) * 4096 :])
        assert what_is_said(original, pair[1]) in ("storage.damaged", "differences") or is_free(
            pair[0], page + 1
        )


def what_is_said(original: Path, rebuilt: Path) -> str:
    """The code of the error that checking and comparing ends with, or whether there are differences."""
    try:
        check_pages(original)
        return "differences" if differences(original, rebuilt) else "no differences"
    except StorageHalt as error:
        return error.code


def is_free(path: Path, page: int) -> bool:
    """Whether no table or index uses a page."""
    connection = apsw.Connection(str(path))
    return bool(connection.execute("SELECT count(*) = 0 FROM dbstat WHERE pageno = ?", (page,)).get)


def test_a_damaged_index_is_a_clear_error(pair: tuple[Path, Path], original: Path) -> None:
    connection = apsw.Connection(str(original))
    page = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'state_by_key'").get
    connection.close()
    assert isinstance(page, int)
    content = bytearray(original.read_bytes())
    content[page * 4096 - 40] ^= 0xFF
    original.write_bytes(content)
    with pytest.raises(StoreDamaged) as raised:
        check_pages(original)
    assert raised.value.code == "storage.damaged"
    with pytest.raises(StoreDamaged):
        differences(original, pair[1])


def test_a_store_that_is_not_there_is_an_io_error(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(MediumFailed):
        differences(tmp_path / "absent", pair[1])
    with pytest.raises(MediumFailed):
        check_pages(tmp_path / "absent")
