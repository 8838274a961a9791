"""What a node keeps of its channels beside payloads and replicas, in a SQLite file of its own.

read       up to which root block everything is noted
copies     the wrapped copies of epoch keys that members of this node have: their keys, encrypted
offers     epochs that were offered to members of this node, with the commitment to their keys
points     the points of each channel, and once one is executed, what attesting needs of it
due        when something next falls due inside a channel
outbox     transactions that this node answers for: acknowledged, and not yet executed
refused    the last transactions that were ordered without effect, and why

``read`` and ``points`` can be made again from the root's blocks; copies and outbox cannot. Every change is durable when it
returns.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

from traco.channels.executing.points import START, Cursor, Point
from traco.channels.seat.errors import BookStopped
from traco.kernel.codec import Codec, Count, Hash, Id, Record, encode
from traco.modules.channel.entries import Entry, PointContext
from traco.modules.channel.parts import LegResult, Number

FORMAT: Final = 1
REFUSED: Final = 10_000  # refusals that are kept; an outbox of our own clients, so nobody else fills it

_TABLES: Final = (
    "CREATE TABLE read (one INTEGER PRIMARY KEY CHECK (one = 1), height INTEGER NOT NULL)",
    "INSERT INTO read VALUES (1, 0)",
    (
        "CREATE TABLE copies (channel BLOB, epoch INTEGER, member BLOB, copy BLOB NOT NULL, PRIMARY KEY (channel, epoch, member))"
        " WITHOUT ROWID"
    ),
    (
        "CREATE TABLE points (channel BLOB, ordinal INTEGER, first INTEGER NOT NULL, point BLOB NOT NULL, result BLOB,"
        " PRIMARY KEY (channel, ordinal))"
        " WITHOUT ROWID"
    ),
    "CREATE INDEX numbers ON points (channel, first)",
    "CREATE INDEX waiting ON points (channel) WHERE result IS NULL",
    (
        "CREATE TABLE outbox (position INTEGER PRIMARY KEY, channel BLOB NOT NULL, id BLOB NOT NULL, member BLOB NOT NULL,"
        " raw BLOB NOT NULL, payload BLOB, UNIQUE (channel, id))"
    ),
    "CREATE INDEX sent ON outbox (channel, payload)",
    (
        "CREATE TABLE offers (channel BLOB, epoch INTEGER, commitment BLOB NOT NULL, is_open INTEGER NOT NULL,"
        " PRIMARY KEY (channel, epoch)) WITHOUT ROWID"
    ),
    "CREATE TABLE due (channel BLOB PRIMARY KEY, due_ms INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE refused (position INTEGER PRIMARY KEY, channel BLOB NOT NULL, id BLOB NOT NULL, code TEXT NOT NULL)",
    "CREATE INDEX refused_ids ON refused (channel, id)",
)


class StoredPoint(Record, frozen=True):
    """A point as the root's blocks made it."""

    context: PointContext
    first: Number
    entries: tuple[Entry, ...]
    chain: Hash


class Result(Record, frozen=True):
    """What executing a point gave. ``epoch``: whose key hides it. The digest is that of ``generation``."""

    generation: Count
    epoch: Count
    app_hash: Hash
    legs: tuple[LegResult, ...]
    digest: Hash


class Waiting(NamedTuple):
    """A transaction in the outbox, and the member that answers for it."""

    identity: bytes
    member: Id
    raw: bytes


_POINT: Final[Codec[StoredPoint]] = Codec(StoredPoint)
_RESULT: Final[Codec[Result]] = Codec(Result)


class Book:
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
        # what a killed process wrote but did not sync must not be believed before it is durable
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        if found == FORMAT:
            return
        with self._connection:
            for statement in _TABLES:
                execute(statement)
            execute(f"PRAGMA user_version={FORMAT}")

    # the root

    def read_height(self) -> int:
        """Up to which root block everything is noted."""
        return int(self._one("SELECT height FROM read"))

    def note(self, height: int, points: Sequence[tuple[bytes, Point]]) -> None:
        """Everything up to a root block is noted now, with these points of channels."""
        with self._reliably(), self._connection:
            for channel, point in points:
                stored = StoredPoint(point.context, point.first, point.entries, point.chain)
                self._connection.execute(
                    "INSERT OR REPLACE INTO points (channel, ordinal, first, point) VALUES (?, ?, ?, ?)",
                    (channel, point.context.ordinal, point.first, encode(stored)),
                )
            self._connection.execute("UPDATE read SET height = ?", (height,))

    # points

    def cursor(self, channel: bytes) -> Cursor:
        """Where the channel's noted stream ends."""
        raw = self._one(
            "SELECT point FROM points WHERE channel = ? ORDER BY ordinal DESC LIMIT 1", (channel,)
        )
        return START if raw is None else _point(raw).end

    def channels(self) -> list[bytes]:
        """All channels with points."""
        return [channel for (channel,) in self._all("SELECT DISTINCT channel FROM points")]

    def unexecuted(self) -> list[bytes]:
        """The channels that have points to execute."""
        return [
            channel for (channel,) in self._all("SELECT DISTINCT channel FROM points WHERE result IS NULL")
        ]

    def point(self, channel: bytes, ordinal: int) -> Point | None:
        """A point, or None."""
        raw = self._one("SELECT point FROM points WHERE channel = ? AND ordinal = ?", (channel, ordinal))
        return None if raw is None else _point(raw)

    def result(self, channel: bytes, ordinal: int) -> Result | None:
        """What executing a point gave, or None."""
        raw = self._one("SELECT result FROM points WHERE channel = ? AND ordinal = ?", (channel, ordinal))
        return None if raw is None else _RESULT.trusted(raw)

    def point_with(self, channel: bytes, number: int) -> Point | None:
        """The point that has an entry, or None."""
        raw = self._one(
            "SELECT point FROM points WHERE channel = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            (channel, number),
        )
        point = None if raw is None else _point(raw)
        return point if point is not None and number <= point.end.number else None

    def executed(self, channel: bytes, ordinal: int, result: Result) -> None:
        """Note what executing a point gave."""
        self._do(
            "UPDATE points SET result = ? WHERE channel = ? AND ordinal = ?",
            (encode(result), channel, ordinal),
        )

    def set_due(self, channel: bytes, due_ms: int | None) -> None:
        """Note when something next falls due inside a channel; None: nothing does."""
        if due_ms is None:
            self._do("DELETE FROM due WHERE channel = ?", (channel,))
        else:
            self._do("INSERT OR REPLACE INTO due VALUES (?, ?)", (channel, due_ms))

    def due(self, time_ms: int) -> list[bytes]:
        """The channels in which something is due."""
        return [channel for (channel,) in self._all("SELECT channel FROM due WHERE due_ms <= ?", (time_ms,))]

    def forget_results(self, channel: bytes) -> None:
        """All points of a channel are to be executed again."""
        self._do("UPDATE points SET result = NULL WHERE channel = ?", (channel,))

    # keys

    def keep_copies(self, channel: bytes, epoch: int, copies: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep wrapped copies, by member."""
        with self._reliably(), self._connection:
            for member, copy in copies:
                self._connection.execute(
                    "INSERT OR REPLACE INTO copies VALUES (?, ?, ?, ?)", (channel, epoch, member, copy)
                )

    def copy(self, channel: bytes, epoch: int, member: bytes) -> bytes | None:
        """A member's wrapped copy of an epoch's key, or None."""
        found: bytes | None = self._one(
            "SELECT copy FROM copies WHERE channel = ? AND epoch = ? AND member = ?", (channel, epoch, member)
        )
        return found

    def note_offers(self, offers: Sequence[tuple[bytes, int, bytes]]) -> None:
        """Note offered epochs: (channel, epoch, commitment). The last offer of an epoch counts: the first may have lapsed."""
        with self._reliably(), self._connection:
            for offer in offers:
                self._connection.execute("INSERT OR REPLACE INTO offers VALUES (?, ?, ?, 1)", offer)

    def open_offers(self) -> list[tuple[bytes, int]]:
        """(channel, epoch) of the offers that are not settled yet."""
        return [tuple(row) for row in self._all("SELECT channel, epoch FROM offers WHERE is_open")]

    def settle_offer(self, channel: bytes, epoch: int) -> None:
        """An epoch began, or its offer lapsed."""
        self._do("UPDATE offers SET is_open = 0 WHERE channel = ? AND epoch = ?", (channel, epoch))

    def commitment(self, channel: bytes, epoch: int) -> bytes | None:
        """The commitment to an epoch's key, or None where it was not offered to a member of this node."""
        found: bytes | None = self._one(
            "SELECT commitment FROM offers WHERE channel = ? AND epoch = ?", (channel, epoch)
        )
        return found

    # outbox

    def post(self, channel: bytes, member: bytes, transactions: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep (id, transaction) pairs that ``member`` answers for; one that is there stays as it is."""
        with self._reliably(), self._connection:
            for identity, raw in transactions:
                self._connection.execute(
                    "INSERT OR IGNORE INTO outbox (channel, id, member, raw) VALUES (?, ?, ?, ?)",
                    (channel, identity, member, raw),
                )

    def posted(self) -> list[bytes]:
        """The channels with transactions that are in no payload."""
        return [
            channel for (channel,) in self._all("SELECT DISTINCT channel FROM outbox WHERE payload IS NULL")
        ]

    def unsealed(self, channel: bytes, limit: int) -> list[Waiting]:
        """Up to ``limit`` transactions that are in no payload, oldest first."""
        rows = self._all(
            "SELECT id, member, raw FROM outbox WHERE channel = ? AND payload IS NULL ORDER BY position LIMIT ?",
            (channel, limit),
        )
        return [Waiting(*row) for row in rows]

    def sealed(self, channel: bytes, identities: Sequence[bytes], payload: bytes | None) -> None:
        """These transactions are in a payload (hash) now; None: in none any more."""
        with self._reliably(), self._connection:
            for identity in identities:
                self._connection.execute(
                    "UPDATE outbox SET payload = ? WHERE channel = ? AND id = ?", (payload, channel, identity)
                )

    def unseal_all(self) -> None:
        """After a start: what was in payloads that may never have been ordered is sealed again. Ids are used once."""
        self._do("UPDATE outbox SET payload = NULL", ())

    def in_payload(self, channel: bytes, payload: bytes) -> list[bytes]:
        """The ids of the transactions that are in a payload (hash)."""
        rows = self._all("SELECT id FROM outbox WHERE channel = ? AND payload = ?", (channel, payload))
        return [identity for (identity,) in rows]

    def is_waiting(self, channel: bytes, identity: bytes) -> bool:
        """Whether the outbox has a transaction."""
        return self._one("SELECT 1 FROM outbox WHERE channel = ? AND id = ?", (channel, identity)) is not None

    def refusal(self, channel: bytes, identity: bytes) -> str | None:
        """Why a transaction had no effect, as far as that is still kept."""
        code: str | None = self._one(
            "SELECT code FROM refused WHERE channel = ? AND id = ? ORDER BY position DESC LIMIT 1",
            (channel, identity),
        )
        return code

    def delivered(self, channel: bytes, identities: Sequence[bytes], refused: Mapping[bytes, str]) -> None:
        """What became of these transactions is known, so the outbox need not keep them; some (id: code) had no effect."""
        with self._reliably(), self._connection:
            for identity, code in refused.items():
                self._connection.execute(
                    "INSERT INTO refused (channel, id, code) VALUES (?, ?, ?)", (channel, identity, code)
                )
            self._connection.execute(
                "DELETE FROM refused WHERE position <= (SELECT max(position) FROM refused) - ?", (REFUSED,)
            )
            for identity in identities:
                self._connection.execute(
                    "DELETE FROM outbox WHERE channel = ? AND id = ?", (channel, identity)
                )

    def close(self) -> None:
        """Close the file. Raises ``BookStopped``."""
        with self._reliably():
            self._connection.close()

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


def _point(raw: bytes) -> Point:
    stored = _POINT.trusted(raw)
    return Point(stored.context, stored.first, stored.entries, stored.chain)
