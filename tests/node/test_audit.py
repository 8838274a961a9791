from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from shutil import copyfile
from typing import Any, NamedTuple

import apsw
import pytest

from support.stored_ledger import StoredLedger, genesis
from traco.kernel.genesis import write_genesis
from traco.kernel.screening import DirectScreener
from traco.modules.composition import compose
from traco.node.audit import Progress, audit, compare
from traco.node.directory import NodeDirectoryError
from traco.node.remembering import RememberingScreener
from traco.storage import DirectoryLock, StorageHalt, StoreDamaged, StoreLocked, differences

CHANGES = 300
INPUTS = {("blocks", "envelopes"), ("blocks", "time_ms"), ("blocks", "height")}
"""What the execution takes from the stored ledger: a change there shows only by executing again."""


class Audited(NamedTuple):
    """A directory with a ledger of about 1,000 transactions, and the store that its execution gave."""

    directory: Path
    path: Path
    rebuilt: Path
    screener: RememberingScreener


class Change(NamedTuple):
    """One changed value."""

    table: str
    column: str
    row: Any
    before: Any
    after: Any


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    directory = tmp_path_factory.mktemp("node")
    stored = StoredLedger(directory)
    stored.trade(blocks=66, per_block=15)
    stored.close()
    rebuilt = tmp_path_factory.mktemp("rebuilt") / "ledger.db"
    limits = genesis().kernel_parameters()
    screener = RememberingScreener(DirectScreener(compose().body, limits))
    report = compare(stored.path, write_genesis(genesis()), rebuilt, screener=screener)
    assert report.differences == ()
    return Audited(directory, stored.path, rebuilt, screener)


@pytest.fixture
def writable(audited: Audited, tmp_path: Path) -> Iterator[tuple[Path, apsw.Connection]]:
    """A copy of the ledger, and a connection to change it with."""
    for file in audited.directory.iterdir():
        copyfile(file, tmp_path / file.name)
    path = tmp_path / audited.path.name
    with closing(apsw.Connection(str(path))) as connection:
        yield path, connection


def test_a_sound_ledger_has_no_differences(audited: Audited) -> None:
    seen: list[Progress] = []
    report = audit(audited.directory, seen.append, audited.screener)
    assert report.differences == ()
    assert report.transactions == 66 * 15 + 13
    assert report.height == seen[-1].block == seen[-1].blocks


def test_an_audit_leaves_nothing_behind(audited: Audited) -> None:
    audit(audited.directory, screener=audited.screener)
    names = sorted(path.name for path in audited.directory.iterdir())
    assert [name for name in names if not name.startswith("ledger.db-")] == [
        "genesis.json",
        "ledger.db",
        "lock",
    ]


def test_every_one_of_300_changed_values_is_found(audited: Audited, tmp_path: Path) -> None:
    path = tmp_path / "changed.db"
    copyfile(audited.path, path)
    random = Random(20_261)
    missed = []
    touched = set()
    with closing(apsw.Connection(str(path))) as connection:
        for number in range(CHANGES):
            change = _change(connection, random)
            touched.add((change.table, change.column))
            if not _is_found(audited, path, tmp_path / f"again-{number}.db", change):
                missed.append(change)
            _put(connection, change, change.after, change.before)
    assert missed == []
    assert touched == set(_columns(audited.path))
    assert differences(path, audited.rebuilt) == []


def _is_found(audited: Audited, path: Path, again: Path, change: Change) -> bool:
    try:
        if (change.table, change.column) in INPUTS:
            report = compare(path, write_genesis(genesis()), again, screener=audited.screener)
            return bool(report.differences)
        return bool(differences(path, audited.rebuilt, 1))
    except StorageHalt:
        return True  # so damaged that it cannot be read as a store: the error says so


def _change(connection: apsw.Connection, random: Random) -> Change:
    """Change one random value of a random column, trying again where a constraint of the table refuses."""
    columns = _columns_of(connection)
    while True:
        table, column = random.choice(columns)
        count = connection.execute(f"SELECT count(*) FROM {table}").get
        key = _key_of(table)
        row, value = connection.execute(
            f"SELECT {key}, {column} FROM {table} ORDER BY {key} LIMIT 1 OFFSET ?", (random.randrange(count),)
        ).fetchone() or (None, None)
        change = Change(table, column, row, value, _other(value, random))
        try:
            _put(connection, change, change.before, change.after)
        except apsw.ConstraintError:
            continue
        return change


def _put(connection: apsw.Connection, change: Change, old: Any, new: Any) -> None:
    key = _key_of(change.table)
    row = old if change.column == key else change.row
    connection.execute(f"UPDATE {change.table} SET {change.column} = ? WHERE {key} = ?", (new, row))
    assert connection.changes() == 1


def _other(value: Any, random: Random) -> Any:
    """A value that is near but not the same."""
    if value is None:
        return random.choice((1, b"\x01"))
    if isinstance(value, int):
        return value + random.choice((-1, 1, 100_000))
    if isinstance(value, str):
        return value + "x"
    if not value or random.random() < 0.1:
        return value + b"\x00"
    position = random.randrange(len(value))
    return value[:position] + bytes([value[position] ^ 1 << random.randrange(8)]) + value[position + 1 :]


def _columns(path: Path) -> list[tuple[str, str]]:
    with closing(apsw.Connection(str(path))) as connection:
        return _columns_of(connection)


def _columns_of(connection: apsw.Connection) -> list[tuple[str, str]]:
    """Every column of every table that has rows, but for one that can have only one value."""
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    ]
    return [
        (table, column)
        for table in tables
        if connection.execute(f"SELECT count(*) FROM {table}").get
        for (column,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        if (table, column) != ("head", "one")
    ]


def _key_of(table: str) -> str:
    return {
        "meta": "name", "head": "one", "blocks": "height", "history": "position", "state": "slot", "leaf_tile": "tile",
        "delta": "height", "transaction_index": "entry",
    }[table]  # fmt: skip


def test_the_table_row_and_column_of_a_change_are_named(
    audited: Audited, writable: tuple[Path, apsw.Connection]
) -> None:
    path, connection = writable
    connection.execute("UPDATE blocks SET refusals = x'9101' WHERE height = 20")
    connection.close()
    found = audit(path.parent, screener=audited.screener).differences
    assert [(each.table, each.row, each.column) for each in found] == [("blocks", 20, "refusals")]


def test_the_first_block_that_comes_out_differently_is_named(
    audited: Audited, writable: tuple[Path, apsw.Connection]
) -> None:
    path, connection = writable
    connection.execute("UPDATE blocks SET time_ms = time_ms + 1 WHERE height = 30")
    connection.close()
    found = audit(path.parent, screener=audited.screener).differences
    assert {(each.table, each.row) for each in found} == {("blocks", 30)}
    assert {"app_hash", "history_root", "record"} <= {each.column for each in found}


def test_a_removed_block_is_found(audited: Audited, writable: tuple[Path, apsw.Connection]) -> None:
    path, connection = writable
    connection.execute("DELETE FROM blocks WHERE height = 30")
    connection.close()
    assert [each.row for each in audit(path.parent, screener=audited.screener).differences][:1] == [31]


def test_a_removed_row_of_the_state_is_found(
    audited: Audited, writable: tuple[Path, apsw.Connection]
) -> None:
    path, connection = writable
    connection.execute("DELETE FROM state WHERE slot = 5")
    connection.close()
    found = audit(path.parent, screener=audited.screener).differences
    assert [(each.table, each.row, each.column) for each in found] == [("state", 5, "")]


def test_another_genesis_document_is_found(audited: Audited, writable: tuple[Path, apsw.Connection]) -> None:
    path, connection = writable
    connection.close()
    genesis_path = path.parent / "genesis.json"
    genesis_path.write_bytes(genesis_path.read_bytes().replace(b"Stored", b"Forged"))
    assert audit(path.parent, screener=audited.screener).differences != ()


def test_a_damaged_page_gives_a_clear_error(audited: Audited, writable: tuple[Path, apsw.Connection]) -> None:
    path, connection = writable
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    content[3 * 4_096 : 3 * 4_096 + 64] = bytes(64)
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"(?s)storage\.damaged: .* Restore it from a backup"):
        audit(path.parent, screener=audited.screener)


def test_a_running_node_is_not_audited(audited: Audited) -> None:
    with DirectoryLock(audited.directory), pytest.raises(StoreLocked):
        audit(audited.directory)


def test_a_directory_without_a_ledger_gives_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "genesis.json").write_bytes(write_genesis(genesis()))
    with pytest.raises(NodeDirectoryError, match=r"node\.not_founded"):
        audit(tmp_path)
