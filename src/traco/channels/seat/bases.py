"""What a channel begins with on this node where that is not its first point: another member's snapshot.

bases      since which point a snapshot is needed, and, once there is one, its point, the entries up to there, and who gave it
digests    every digest that the root has confirmed of a channel of this node: what a snapshot is compared with
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from traco.channels.seat.outbox import Outbox

BASE_TABLES: Final = (
    (
        "CREATE TABLE IF NOT EXISTS bases (channel BLOB PRIMARY KEY, since INTEGER NOT NULL, ordinal INTEGER NOT NULL,"
        " number INTEGER NOT NULL, member BLOB) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS digests (channel BLOB, ordinal INTEGER, digest BLOB NOT NULL, PRIMARY KEY (channel, ordinal))"
        " WITHOUT ROWID"
    ),
)
"""In the book's file; made where they are not there yet."""

BEFORE_SNAPSHOT: Final = "channel.before_snapshot"
"""A transaction was ordered before the snapshot that this node went on from: another member knows what became of it."""


class Base(NamedTuple):
    """``ordinal`` 0: no snapshot is here yet. One of a point at or behind ``since`` is needed. ``member`` gave it."""

    since: int
    ordinal: int
    number: int
    member: bytes | None


NO_BASE: Final = Base(0, 0, 0, None)


class Bases(Outbox):
    """The tables ``bases`` and ``digests``."""

    def _open(self) -> None:
        super()._open()
        with self._connection:
            for statement in BASE_TABLES:
                self._connection.execute(statement)

    def base(self, channel: bytes) -> Base:
        """What the channel begins with here; ``NO_BASE``: its first point."""
        rows = self._all("SELECT since, ordinal, number, member FROM bases WHERE channel = ?", (channel,))
        return Base(*rows[0]) if rows else NO_BASE

    def confirmed_digest(self, channel: bytes, ordinal: int) -> bytes | None:
        """The digest with which the root confirmed a point, where it did so by name."""
        found: bytes | None = self._one(
            "SELECT digest FROM digests WHERE channel = ? AND ordinal = ?", (channel, ordinal)
        )
        return found

    def confirmed_to(self, channel: bytes) -> int:
        """The last point that the root has confirmed, as noted."""
        found: int | None = self._one("SELECT confirmed FROM streams WHERE channel = ?", (channel,))
        return found or 0

    def note_due(self, channel: bytes, due_ms: int | None) -> None:
        """Note when something next falls due inside a channel."""
        if due_ms is None:
            self._do("DELETE FROM due WHERE channel = ?", (channel,))
        else:
            self._do("INSERT OR REPLACE INTO due VALUES (?, ?)", (channel, due_ms))

    def _need_snapshot(self, channel: bytes, since: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO bases VALUES (?, ?, 0, 0, NULL)", (channel, since))

    def _confirm(self, channel: bytes, ordinal: int, digest: bytes) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO digests VALUES (?, ?, ?)", (channel, ordinal, digest)
        )

    def _rebase(self, channel: bytes, base: Base, passed: Mapping[bytes, None]) -> None:
        """Go on from a snapshot: the points before it are not executed here. ``passed``: the hashes of their payloads."""
        execute = self._connection.execute
        execute("INSERT OR REPLACE INTO bases VALUES (?, ?, ?, ?, ?)", (channel, *base))
        execute("DELETE FROM points WHERE channel = ? AND ordinal <= ?", (channel, base.ordinal))
        execute("UPDATE points SET result = NULL, judged = NULL WHERE channel = ?", (channel,))
        execute("UPDATE outbox SET ordinal = NULL WHERE channel = ?", (channel,))
        found = "SELECT id, payload FROM outbox WHERE channel = ? AND payload IS NOT NULL"
        sent: list[Any] = self._connection.execute(found, (channel,)).fetchall()
        self._refuse(channel, {identity: BEFORE_SNAPSHOT for identity, payload in sent if payload in passed})
