"""What a node keeps of its channels beside payloads and replicas, in a SQLite file of its own.

read       up to which root block everything is noted, and the channels in which a point was executed last
streams    the channels that members of this node are or were in: how far the root has confirmed them, their generation
copies     the wrapped copies of epoch keys that members of this node have: their keys, encrypted
offers     epochs that were offered to members of this node, with the commitment to their keys
points     the points of each channel, and once one is executed, what attesting needs of it
voided     the entries that are empty
due        when something next falls due inside a channel
outbox     transactions that this node answers for: acknowledged, and not yet confirmed
refused    the last transactions that were ordered without effect, and why
bases      what a channel begins with here where that is not its first point, and the digests that the root has confirmed
settlements how attempts to settle across ledgers ended in these channels
sources    who gave what was fetched, and, in ``faults``, who answered something else

All but copies and outbox can be made again from the root's blocks. Every change is durable when it returns.
"""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from traco.channels.executing.points import START, Cursor, Point
from traco.channels.seat.bases import Base
from traco.channels.seat.erasures import ErasureDecided, Erasures
from traco.channels.seat.outbox import Delivered, Waiting
from traco.channels.seat.overview import Overview
from traco.channels.seat.settlements import Settled, Settlements
from traco.channels.seat.sources import Sources
from traco.kernel.codec import Codec, Count, Hash, Record, encode
from traco.modules.channel.entries import Entry, PointContext
from traco.modules.channel.parts import LegResult, Number

__all__ = [
    "Appended", "Book", "Change", "ConfirmedTo", "Delivered", "Emptied", "Regenerated", "Result", "Stood", "Waiting",
]  # fmt: skip

Standing = Literal["followed", "left", "late"]
"""``late``: a member joined a stream whose beginning it does not have; it needs another member's snapshot."""


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


class Appended(NamedTuple):
    """A channel's stream has another point."""

    channel: bytes
    point: Point


class Emptied(NamedTuple):
    """An entry is void; its point and all behind it are of another generation."""

    channel: bytes
    number: int
    generation: int


class Regenerated(NamedTuple):
    """All that is not confirmed is of another generation."""

    channel: bytes
    generation: int


class ConfirmedTo(NamedTuple):
    """Everything up to a point stands for good. ``origin``: the root transaction that says so."""

    channel: bytes
    ordinal: int
    digest: bytes
    origin: bytes


class Stood(NamedTuple):
    """Whether a channel's stream is followed, from here on: from the point ``ordinal``."""

    channel: bytes
    standing: Standing
    ordinal: int = 0


Change = Appended | Emptied | Regenerated | ConfirmedTo | Stood | Settled | ErasureDecided
"""What a block of the root says of a channel. The order of the root counts."""

_POINT: Final[Codec[StoredPoint]] = Codec(StoredPoint)
_RESULT: Final[Codec[Result]] = Codec(Result)


class Book(Erasures, Overview, Sources, Settlements):
    """The file."""

    def _open(self) -> None:
        super()._open()
        noted = self._connection.execute("SELECT executed FROM read").get or b""
        found = [noted[start : start + _ID_BYTES] for start in range(0, len(noted), _ID_BYTES)]
        self._noted = dict.fromkeys(found)

    def confirmation(self, channel: bytes, ordinal: int) -> tuple[int, bytes] | None:
        """The first confirmed point at or behind an ordinal, and the root transaction that confirmed it; None if there is none."""
        rows = self._all(
            "SELECT ordinal, origin FROM confirmations WHERE channel = ? AND ordinal >= ? ORDER BY ordinal LIMIT 1",
            (channel, ordinal),
        )
        return tuple(rows[0]) if rows else None

    # the root

    def read_height(self) -> int:
        """Up to which root block everything is noted."""
        return int(self._one("SELECT height FROM read"))

    def note(self, height: int, changes: Sequence[Change]) -> None:
        """Everything up to a root block is noted now, with these changes, in the root's order."""
        with self._change():
            for change in changes:
                self._note(change)
            self._connection.execute("UPDATE read SET height = ?", (height,))

    def _note(self, change: Change) -> None:
        execute, channel = self._connection.execute, change.channel
        if isinstance(change, Appended):
            self._append(channel, change.point)
        elif isinstance(change, Emptied):
            execute("INSERT OR IGNORE INTO voided VALUES (?, ?)", (channel, change.number))
            row = execute(_WITH_NUMBER, (channel, change.number)).fetchone()
            # of a snapshot's own point only what was void before is said again
            if row is not None and self.generation(channel, row[0]) != change.generation:
                self._regenerate(channel, row[0], change.generation)
                execute(
                    "UPDATE outbox SET ordinal = NULL WHERE channel = ? AND ordinal >= ?", (channel, row[0])
                )
                execute(
                    "UPDATE streams SET stale = min(coalesce(stale, ?1), ?1) WHERE channel = ?2",
                    (row[0], channel),
                )
        elif isinstance(change, Regenerated):
            confirmed = execute("SELECT confirmed FROM streams WHERE channel = ?", (channel,)).get
            self._regenerate(channel, confirmed + 1, change.generation)
        elif isinstance(change, ConfirmedTo):
            execute(
                "INSERT OR REPLACE INTO confirmations VALUES (?, ?, ?)",
                (channel, change.ordinal, change.origin),
            )
            execute(
                "UPDATE streams SET confirmed = ?, digest = ? WHERE channel = ?",
                (change.ordinal, change.digest, channel),
            )
            self._confirm(channel, change.ordinal, change.digest)
            execute("DELETE FROM outbox WHERE channel = ? AND ordinal <= ?", (channel, change.ordinal))
        elif isinstance(change, Settled):
            self._settle(change)
        elif isinstance(change, ErasureDecided):
            self._decide_erasure(change)
        else:
            execute(
                "INSERT INTO streams VALUES (?1, ?2, 0, 0, x'', NULL) ON CONFLICT DO UPDATE SET standing = ?2",
                (channel, change.standing),
            )
            if change.standing == "late":
                self._need_snapshot(channel, change.ordinal)

    def rebase(
        self, channel: bytes, base: Base, point: Point, result: Result, changes: Sequence[Change], height: int
    ) -> None:
        """Follow a channel from a snapshot on, in one durable step: ``point`` is that of the snapshot, ``result`` what executing
        it gave, ``changes`` what the root has said of the channel since, up to block ``height``: nothing before is read again.
        """
        passed = dict[bytes, None]()
        after, found = 0, self.points(channel, 0, _PASSED)
        while found and after < base.ordinal:
            passed |= {payload.hash: None for each in found for payload in each.payloads().values()
                       if each.context.ordinal <= base.ordinal}  # fmt: skip
            after = found[-1].context.ordinal
            found = self.points(channel, after, _PASSED)
        with self._change():
            self._rebase(channel, base, passed)
            # what is told again is judged by what was confirmed then, not by what has been since
            self._connection.execute(
                "UPDATE streams SET standing = 'followed', generation = ?2, stale = NULL,"
                " digest = iif(confirmed < ?3, digest, ?4), confirmed = min(confirmed, ?3) WHERE channel = ?1",
                (channel, result.generation, base.ordinal, result.digest),
            )
            self._append(channel, point)
            self._connection.execute(_EXECUTED, (encode(result), result.generation, channel, base.ordinal))
            for change in changes:
                self._note(change)
            self._connection.execute("UPDATE read SET height = max(height, ?)", (height,))

    def _append(self, channel: bytes, point: Point) -> None:
        stored = StoredPoint(point.context, point.first, point.entries, point.chain)
        self._connection.execute(
            "INSERT OR REPLACE INTO points (channel, ordinal, first, generation, point)"
            " SELECT channel, ?, ?, generation, ? FROM streams WHERE channel = ?",
            (point.context.ordinal, point.first, encode(stored), channel),
        )
        for payload in point.payloads().values():
            self._connection.execute(
                "UPDATE outbox SET is_ordered = 1 WHERE channel = ? AND payload = ?", (channel, payload.hash)
            )

    def _regenerate(self, channel: bytes, ordinal: int, generation: int) -> None:
        self._connection.execute(
            "UPDATE points SET generation = ? WHERE channel = ? AND ordinal >= ?",
            (generation, channel, ordinal),
        )
        self._connection.execute("UPDATE streams SET generation = ? WHERE channel = ?", (generation, channel))

    # streams

    def channels(self) -> list[bytes]:
        """The channels that are followed."""
        return [
            channel for (channel,) in self._all("SELECT channel FROM streams WHERE standing = 'followed'")
        ]

    def standing(self, channel: bytes) -> Standing | None:
        """Whether a channel is followed; None where no member of this node was ever in it."""
        found: Standing | None = self._one("SELECT standing FROM streams WHERE channel = ?", (channel,))
        return found

    def late(self) -> list[bytes]:
        """The channels that cannot be followed."""
        return [channel for (channel,) in self._all("SELECT channel FROM streams WHERE standing = 'late'")]

    def stale(self, channel: bytes) -> int | None:
        """The first point that changed after it may have been executed, or None."""
        found: int | None = self._one("SELECT stale FROM streams WHERE channel = ?", (channel,))
        return found

    def is_voided(self, channel: bytes, number: int) -> bool:
        """Whether an entry is empty."""
        found = self._one("SELECT 1 FROM voided WHERE channel = ? AND number = ?", (channel, number))
        return found is not None

    def voided(self, channel: bytes) -> list[int]:
        """The numbers of the entries that are empty."""
        return [
            number
            for (number,) in self._all(
                "SELECT number FROM voided WHERE channel = ? ORDER BY number", (channel,)
            )
        ]

    def is_disputed(self, channel: bytes) -> bool:
        """Whether what the root has confirmed last is not what executing gave here."""
        rows = self._all("SELECT confirmed, digest FROM streams WHERE channel = ?", (channel,))
        for confirmed, digest in rows:
            result = self.result(channel, confirmed)
            return result is not None and result.digest != digest
        return False

    # points

    def cursor(self, channel: bytes) -> Cursor:
        """Where the channel's noted stream ends."""
        raw = self._one(
            "SELECT point FROM points WHERE channel = ? ORDER BY ordinal DESC LIMIT 1", (channel,)
        )
        return START if raw is None else _point(raw).end

    def unexecuted(self) -> list[bytes]:
        """The channels that have points to execute."""
        return [
            channel for (channel,) in self._all("SELECT DISTINCT channel FROM points WHERE result IS NULL")
        ]

    def executed_to(self, channel: bytes) -> int:
        """The last point that was executed, in order."""
        found = "SELECT min(ordinal) FROM points WHERE channel = ? AND result IS NULL"
        waiting: int | None = self._one(found, (channel,))
        return self.cursor(channel).ordinal if waiting is None else waiting - 1

    def point(self, channel: bytes, ordinal: int) -> Point | None:
        """A point, or None."""
        raw = self._one("SELECT point FROM points WHERE channel = ? AND ordinal = ?", (channel, ordinal))
        return None if raw is None else _point(raw)

    def points(self, channel: bytes, after: int, limit: int) -> list[Point]:
        """Up to ``limit`` points behind an ordinal, in order."""
        rows = self._all(
            "SELECT point FROM points WHERE channel = ? AND ordinal > ? ORDER BY ordinal LIMIT ?",
            (channel, after, limit),
        )
        return [_point(raw) for (raw,) in rows]

    def generation(self, channel: bytes, ordinal: int) -> int:
        """The generation in which the root counts attestations of a point that is there."""
        found = "SELECT generation FROM points WHERE channel = ? AND ordinal = ?"
        return int(self._one(found, (channel, ordinal)))

    def result(self, channel: bytes, ordinal: int) -> Result | None:
        """What executing a point gave, or None."""
        raw = self._one("SELECT result FROM points WHERE channel = ? AND ordinal = ?", (channel, ordinal))
        return None if raw is None else _RESULT.trusted(raw)

    def outdated(self, channel: bytes) -> list[int]:
        """The ordinals of executed points whose result is not of the generation that counts now, in order."""
        found = "SELECT ordinal FROM points WHERE channel = ? AND judged <> generation ORDER BY ordinal"
        return [ordinal for (ordinal,) in self._all(found, (channel,))]

    def with_outdated(self) -> list[bytes]:
        """The channels that have such points."""
        return [
            channel
            for (channel,) in self._all("SELECT DISTINCT channel FROM points WHERE judged <> generation")
        ]

    def point_with(self, channel: bytes, number: int) -> Point | None:
        """The point that has an entry, or None."""
        rows = self._all(_WITH_NUMBER, (channel, number))
        point = self.point(channel, rows[0][0]) if rows else None
        return point if point is not None and number <= point.end.number else None

    def judged(self, channel: bytes, ordinal: int, result: Result) -> None:
        """Note the result of an executed point in another generation."""
        self._do(_EXECUTED, (encode(result), result.generation, channel, ordinal))

    def executed(
        self, channel: bytes, ordinal: int, result: Result, due_ms: int | None, delivered: Delivered
    ) -> None:
        """Note what executing a point gave: its result, when something next falls due, what became of transactions."""
        execute = self._connection.execute
        with self._change():
            execute(_EXECUTED, (encode(result), result.generation, channel, ordinal))
            self._noted[channel] = None
            execute("UPDATE read SET executed = ?", (b"".join(self._noted),))
            if due_ms is None:
                execute("DELETE FROM due WHERE channel = ?", (channel,))
            else:
                execute("INSERT OR REPLACE INTO due VALUES (?, ?)", (channel, due_ms))
            self._deliver(channel, ordinal, delivered)
            execute(
                "DELETE FROM outbox WHERE channel = ?1 AND ordinal <= (SELECT confirmed FROM streams WHERE channel = ?1)",
                (channel,),
            )

    def executed_last(self) -> list[bytes]:
        """The channels whose replica may not have the point yet that was executed last."""
        return list(self._noted)

    def has_kept(self, channel: bytes) -> None:
        """A channel's replica has what was executed. Said with the next point that is; until then it is looked at in vain after a start."""
        self._noted.pop(channel, None)

    def due(self, time_ms: int) -> list[tuple[bytes, int]]:
        """The channels in which something is due, and since when."""
        rows = self._all("SELECT channel, due_ms FROM due WHERE due_ms <= ?", (time_ms,))
        return [(channel, due_ms) for channel, due_ms in rows]

    def forget_results(self, channel: bytes, after: int) -> None:
        """The points behind the ordinal ``after`` are to be executed again: the replica does not have them."""
        execute = self._connection.execute
        with self._change():
            execute(
                "UPDATE points SET result = NULL, judged = NULL WHERE channel = ? AND ordinal > ? AND result IS NOT NULL",
                (channel, after),
            )
            execute("UPDATE outbox SET ordinal = NULL WHERE channel = ? AND ordinal > ?", (channel, after))
            execute("UPDATE streams SET stale = NULL WHERE channel = ?", (channel,))

    # keys

    def keep_copies(self, channel: bytes, epoch: int, copies: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep wrapped copies, by member."""
        with self._change():
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
        with self._change():
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


_ID_BYTES: Final = 32
_PASSED: Final = 256  # points read at once
_WITH_NUMBER: Final = (
    "SELECT ordinal FROM points WHERE channel = ? AND first <= ? ORDER BY first DESC LIMIT 1"
)
_EXECUTED: Final = "UPDATE points SET result = ?, judged = ? WHERE channel = ? AND ordinal = ?"


def _point(raw: bytes) -> Point:
    stored = _POINT.trusted(raw)
    return Point(stored.context, stored.first, stored.entries, stored.chain)
