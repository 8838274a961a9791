"""The SQLite file of a seat's book: its tables, and how they are read and changed. What they mean is in ``book`` and ``outbox``.

Every change is durable when it returns.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import apsw

from traco.channels.seat.errors import BookStopped

FORMAT: Final = 1

_TABLES: Final = (
    "CREATE TABLE read (one INTEGER PRIMARY KEY CHECK (one = 1), height INTEGER NOT NULL, executed BLOB)",
    "INSERT INTO read VALUES (1, 0, NULL)",
    (
        "CREATE TABLE streams (channel BLOB PRIMARY KEY, standing TEXT NOT NULL, generation INTEGER NOT NULL,"
        " confirmed INTEGER NOT NULL, digest BLOB NOT NULL, stale INTEGER) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE copies (channel BLOB, epoch INTEGER, member BLOB, copy BLOB NOT NULL, PRIMARY KEY (channel, epoch, member))"
        " WITHOUT ROWID"
    ),
    (
        "CREATE TABLE points (channel BLOB, ordinal INTEGER, first INTEGER NOT NULL, generation INTEGER NOT NULL,"
        " point BLOB NOT NULL, judged INTEGER, result BLOB, PRIMARY KEY (channel, ordinal)) WITHOUT ROWID"
    ),
    "CREATE INDEX numbers ON points (channel, first)",
    "CREATE INDEX waiting ON points (channel) WHERE result IS NULL",
    "CREATE INDEX outdated ON points (channel, ordinal) WHERE judged <> generation",
    (
        "CREATE TABLE confirmations (channel BLOB, ordinal INTEGER, origin BLOB NOT NULL, PRIMARY KEY (channel, ordinal))"
        " WITHOUT ROWID"
    ),
    "CREATE TABLE voided (channel BLOB, number INTEGER, PRIMARY KEY (channel, number)) WITHOUT ROWID",
    (
        "CREATE TABLE outbox (position INTEGER PRIMARY KEY, channel BLOB NOT NULL, id BLOB NOT NULL, member BLOB NOT NULL,"
        " raw BLOB NOT NULL, payload BLOB, is_ordered INTEGER NOT NULL DEFAULT 0, ordinal INTEGER, UNIQUE (channel, id))"
    ),
    "CREATE INDEX sent ON outbox (channel, payload)",
    "CREATE INDEX posted ON outbox (channel, position) WHERE payload IS NULL AND ordinal IS NULL",
    "CREATE INDEX executed ON outbox (channel, ordinal) WHERE ordinal IS NOT NULL",
    (
        "CREATE TABLE offers (channel BLOB, epoch INTEGER, commitment BLOB NOT NULL, is_open INTEGER NOT NULL,"
        " PRIMARY KEY (channel, epoch)) WITHOUT ROWID"
    ),
    "CREATE TABLE due (channel BLOB PRIMARY KEY, due_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX due_times ON due (due_ms)",
    "CREATE TABLE refused (position INTEGER PRIMARY KEY, channel BLOB NOT NULL, id BLOB NOT NULL, code TEXT NOT NULL)",
    "CREATE INDEX refused_ids ON refused (channel, id)",
)


class Records:
    """The file. One process has it open."""

    def __init__(self, path: Path, vfs: str | None = None) -> None:
        """Open the file, or make it. Raises ``BookStopped``."""
        self._path = path
        with self._reliably():
            self._connection = apsw.Connection(str(path), vfs=vfs)
            self._open()

    def _open(self) -> None:
        execute = self._connection.execute
        found = execute("PRAGMA user_version").get
        if found > FORMAT:
            self._connection.close()
            raise BookStopped(
                f"{self._path} has format {found}; this release knows {FORMAT}: install a newer one"
            )
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA secure_delete=ON")  # transactions wait here in the clear
        # what a killed process wrote but did not sync must not be believed before it is durable
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        if found == FORMAT:
            return
        with self._connection:
            for statement in _TABLES:
                execute(statement)
            execute(f"PRAGMA user_version={FORMAT}")

    def truncate_log(self) -> None:
        """Empty the log: what was deleted from the file is in it from when it was written. Raises ``BookStopped``."""
        with self._reliably():
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    @property
    def folder(self) -> Path:
        """The directory that has the file."""
        return self._path.parent

    def close(self) -> None:
        """Close the file. Raises ``BookStopped``."""
        with self._reliably():
            self._connection.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        """One step, all of it durable at the end, or nothing."""
        with self._reliably(), self._connection:
            yield

    def _do(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._reliably():
            self._connection.execute(statement, values)

    def _one(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
        with self._reliably():
            row = self._connection.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def _all(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._reliably():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _reliably(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise BookStopped(
                f"the channel book {self._path} cannot be written or read: {error}. Check the disk and its space, then start "
                "again; nothing that was acknowledged is lost."
            ) from error
