"""The gateway's durable outbox: envelopes that were acknowledged and are not yet known to be committed."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import apsw

from traco.kernel.errors import Halt

FORMAT: Final = 1


class OutboxFailed(Halt):
    """The outbox cannot be written or read: the node must not acknowledge anything more."""


class Outbox:
    """A SQLite file of its own. ``put`` returns when the envelopes are on the disk."""

    def __init__(self, path: Path, vfs: str | None = None) -> None:
        """Open the file, or make it. Raises ``OutboxFailed``."""
        try:
            self._connection = apsw.Connection(str(path), vfs=vfs)
            self._open()
        except apsw.Error as error:
            raise OutboxFailed(f"the outbox cannot be opened: {error}") from error

    def _open(self) -> None:
        execute = self._connection.execute
        found = next(iter(execute("PRAGMA user_version")))[0]
        if found > FORMAT:
            self._connection.close()
            raise OutboxFailed(
                f"the outbox has format {found}; this release knows {FORMAT}: install a newer one"
            )
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        # what a killed process wrote but did not sync must not be believed before it is durable
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        if found == FORMAT:
            return
        with self._connection:
            execute(
                "CREATE TABLE IF NOT EXISTS outbox"
                " (position INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, envelope BLOB NOT NULL)"
            )
            execute(f"PRAGMA user_version={FORMAT}")

    def put(self, envelopes: Sequence[tuple[bytes, bytes]], done: Iterable[bytes] = ()) -> None:
        """Keep (id, envelope) pairs and forget the ids in ``done``, in one durable step. Raises ``OutboxFailed``."""
        try:
            with self._connection:
                for identity in done:
                    self._connection.execute("DELETE FROM outbox WHERE id = ?", (identity,))
                for identity, envelope in envelopes:
                    self._connection.execute(
                        "INSERT OR IGNORE INTO outbox (id, envelope) VALUES (?, ?)", (identity, envelope)
                    )
        except apsw.Error as error:
            raise OutboxFailed(
                f"the outbox cannot be written: {error}. Nothing acknowledged is lost; make space, then start again."
            ) from error

    def pending(self) -> list[tuple[bytes, bytes]]:
        """Every (id, envelope) kept, oldest first. Raises ``OutboxFailed``."""
        try:
            return [
                tuple(row)
                for row in self._connection.execute("SELECT id, envelope FROM outbox ORDER BY position")
            ]
        except apsw.Error as error:
            raise OutboxFailed(f"the outbox cannot be read: {error}") from error

    def close(self) -> None:
        """Close the file. Raises ``OutboxFailed``."""
        try:
            self._connection.close()
        except apsw.Error as error:
            raise OutboxFailed(f"the outbox cannot be closed: {error}") from error
