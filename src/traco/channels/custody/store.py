"""The custody store: sealed payloads that this node holds, in a SQLite file of its own.

``keep`` returns when the payloads are on the disk: a receipt may be signed from then on. A payload that is not ordered may
be dropped some time after the last receipt for it ended; what is ordered stays until it is erased. Payloads are named by
channel and hash, which are checked when they come in and whenever they go out. What pushes payloads here is strangers, so
what waits to be ordered is bounded, per sender and in all; what is ordered is never refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, Literal, NamedTuple

import apsw

from traco.channels.custody.errors import CustodyRefused, CustodyStopped, PayloadDamaged
from traco.modules.channel.signing import payload_hash

FORMAT: Final = 1
_BUSY_MS: Final = 5_000
_LOG_BYTES: Final = 8_388_608

Role = Literal["own", "vault"]

_PAYLOADS: Final = """CREATE TABLE payloads (
    id INTEGER PRIMARY KEY, channel BLOB NOT NULL, hash BLOB NOT NULL, epoch INTEGER NOT NULL, size INTEGER NOT NULL,
    sender BLOB NOT NULL, order_by INTEGER NOT NULL, number INTEGER, role TEXT NOT NULL, content BLOB NOT NULL,
    UNIQUE (channel, hash))"""
_TABLES: Final = (
    _PAYLOADS,
    "CREATE INDEX payloads_by_number ON payloads (channel, number, size, role)",
    "CREATE INDEX payloads_waiting ON payloads (order_by, sender, size) WHERE number IS NULL",
)
_ERASED: Final = (
    "CREATE TABLE IF NOT EXISTS erased (channel BLOB PRIMARY KEY, through INTEGER NOT NULL) WITHOUT ROWID"
)
_EXPIRED: Final = (
    "SELECT id, sender, size, number IS NULL FROM payloads WHERE number IS NULL AND order_by <= ?"
)
_THROUGH: Final = "SELECT id, sender, size, number IS NULL FROM payloads WHERE channel = ? AND number <= ?"
_ONE: Final = "SELECT id, sender, size, number IS NULL FROM payloads WHERE id = ?"


class CustodyLimits(NamedTuple):
    """What may wait to be ordered, of one sender and in all with what is ordered, and how long after its receipts ended."""

    sender_bytes: int = 64 * 1_048_576
    sender_payloads: int = 4_096
    total_bytes: int = 64 * 1_073_741_824
    margin_ms: int = 600_000


LIMITS: Final = CustodyLimits()


class NewPayload(NamedTuple):
    """A payload to be kept. ``number`` is its entry where it is ordered already; ``role``: of a member here, or as vault."""

    channel: bytes
    hash: bytes
    epoch: int
    sender: bytes
    order_by: int
    role: Role
    content: bytes
    number: int | None = None


class ChannelCustody(NamedTuple):
    """What is held of one channel. ``last`` is the highest entry with a payload here, 0 before the first.

    ``role`` is "own" where anything of it is held by a member here.
    """

    payloads: int
    size: int
    waiting: int
    waiting_size: int
    last: int
    role: Role


class Held(NamedTuple):
    """How much is held in all, and of that what waits to be ordered; more than ``limit_bytes`` takes no new payloads."""

    bytes: int
    waiting_bytes: int
    limit_bytes: int


class Inspected(NamedTuple):
    """What reading again found. ``last``: where to go on, 0 when all was read. ``damaged``: channel and hash of each."""

    last: int
    damaged: tuple[tuple[bytes, bytes], ...]


class _Usage(NamedTuple):
    total: int
    waiting: dict[bytes, tuple[int, int]]  # sender -> payloads, bytes

    def add(self, sender: bytes, payloads: int, size: int, total: int) -> "_Usage":
        count, used = self.waiting.get(sender, (0, 0))
        changed = {**self.waiting, sender: (count + payloads, used + size)}
        return _Usage(self.total + total, {key: value for key, value in changed.items() if value[0]})


class _Row(NamedTuple):
    id: int
    sender: bytes
    size: int
    order_by: int
    number: int | None
    role: Role
    content: bytes


class CustodyStore:
    """A SQLite file of its own. Any thread may call, one at a time is served."""

    def __init__(self, path: Path, limits: CustodyLimits = LIMITS, vfs: str | None = None) -> None:
        """Open the file, or make it. Raises ``CustodyStopped``."""
        self._path = path
        self._limits = limits
        self._turn = Lock()
        self._stopped = ""
        with self._reliably():
            self._connection = apsw.Connection(str(path), vfs=vfs)
            self._open()
            self._usage = self._count()

    def _open(self) -> None:
        execute = self._connection.execute
        found = execute("PRAGMA user_version").get
        if found > FORMAT:
            self._connection.close()
            raise CustodyStopped(
                f"the custody store has format {found}; this release knows {FORMAT}: install a newer one"
            )
        self._connection.set_busy_timeout(_BUSY_MS)
        execute("PRAGMA journal_mode=WAL")
        execute("PRAGMA synchronous=FULL")
        execute("PRAGMA secure_delete=ON")
        execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
        # what a killed process wrote but did not sync must not be believed before it is durable
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        if found == FORMAT:
            execute(_ERASED)  # in files of before there is none
            return
        with self._connection:
            for statement in (*_TABLES, _ERASED):
                execute(statement)
            execute(f"PRAGMA user_version={FORMAT}")

    def _count(self) -> _Usage:
        total = self._connection.execute("SELECT coalesce(sum(size), 0) FROM payloads").get
        rows = self._connection.execute(
            "SELECT sender, count(*), sum(size) FROM payloads WHERE number IS NULL GROUP BY sender"
        )
        return _Usage(total, {sender: (count, size) for sender, count, size in rows})

    def keep(self, payloads: Sequence[NewPayload]) -> list[CustodyRefused | None]:
        """Keep payloads in one durable step; for each, why it was not kept, or None.

        One that is here already is kept longer, counts as ordered if one of both does, and is made whole if it was damaged.
        Raises ``CustodyStopped``: then nothing may be signed for.
        """
        with self._reliably(), self._change() as step:
            return [step.keep(payload) for payload in payloads]

    def mark_ordered(self, channel: bytes, places: Sequence[tuple[bytes, int]]) -> list[bytes]:
        """Note the entries (hash, number) of a channel; returns the hashes of those that are not here, or damaged, in order.

        Raises ``CustodyStopped``.
        """
        with self._reliably(), self._change() as step:
            return [payload for payload, number in places if not step.mark(channel, payload, number)]

    def drop_expired(self, seen_ms: int) -> int:
        """Delete what was not ordered in time; returns how many.

        ``seen_ms``: the block time up to which every entry was marked. The clock of this machine does not matter: nothing
        that may have been ordered is dropped, however far behind this node is. Raises ``CustodyStopped``.
        """
        with self._reliably(), self._change() as step:
            return step.delete(_EXPIRED, (seen_ms - self._limits.margin_ms,))

    def erase(self, channel: bytes, through: int) -> int:
        """Delete the payloads of a channel's entries up to this one, and overwrite their bytes; returns how many.

        None of them is kept again: an answer that was on its way may bring one. Raises ``CustodyStopped``.
        """
        with self._reliably():
            with self._change() as step:
                erased = step.erase(channel, through)
            # the log may have their bytes from when they were written
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            return erased

    def erased_through(self, channel: bytes) -> int:
        """Up to which entry of a channel nothing is kept any more; 0: all may be. Raises ``CustodyStopped``."""
        with self._reliably():
            return _erased_through(self._connection, channel)

    def get(self, channel: bytes, payload: bytes) -> bytes | None:
        """The payload with this hash, or None. Raises ``PayloadDamaged``, ``CustodyStopped``."""
        with self._reliably():
            row = _find(self._connection, channel, payload)
        if row is None:
            return None
        if not _is_whole(row, payload):
            raise PayloadDamaged(channel, payload)
        return row.content

    def holds(self, channel: bytes, payload: bytes) -> bool:
        """Whether a payload with this hash is here; whether it is whole shows when it is read. Raises ``CustodyStopped``."""
        with self._reliably():
            found = "SELECT 1 FROM payloads WHERE channel = ? AND hash = ?"
            return self._connection.execute(found, (channel, payload)).get is not None

    def inspect(self, after: int, count: int) -> Inspected:
        """Read up to ``count`` payloads behind row ``after`` (0: from the first) again. Raises ``CustodyStopped``.

        A medium that loses what nobody reads is found out so, while others still have it.
        """
        with self._reliably():
            found = "SELECT id, channel, hash, content FROM payloads WHERE id > ? ORDER BY id LIMIT ?"
            read = [
                (row, channel, payload, payload_hash(content) == payload)
                for row, channel, payload, content in self._connection.execute(found, (after, count))
            ]
        damaged = tuple((channel, payload) for _, channel, payload, is_whole in read if not is_whole)
        return Inspected(read[-1][0] if read and len(read) == count else 0, damaged)

    def usage(self) -> Held:
        """How much is held, without reading anything."""
        usage = self._usage
        waiting = sum(size for _, size in usage.waiting.values())
        return Held(usage.total, waiting, self._limits.total_bytes)

    def statistics(self) -> dict[bytes, ChannelCustody]:
        """What is held, per channel. Raises ``CustodyStopped``."""
        with self._reliably():
            rows = self._connection.execute(
                "SELECT channel, count(*), sum(size), count(*) - count(number),"
                " sum(CASE WHEN number IS NULL THEN size ELSE 0 END), coalesce(max(number), 0),"
                " min(role)"  # "own" stands before "vault"
                " FROM payloads GROUP BY channel"
            )
            return {channel: ChannelCustody(*counts) for channel, *counts in rows}

    def close(self) -> None:
        """Close the file. Raises ``CustodyStopped``."""
        try:
            self._connection.close()
        except apsw.Error as error:
            raise CustodyStopped(f"the custody store cannot be closed: {error}") from error

    @contextmanager
    def _change(self) -> Iterator["_Step"]:
        step = _Step(self._connection, self._limits, self._usage)
        with self._connection:
            yield step
        self._usage = step.usage

    @contextmanager
    def _reliably(self) -> Iterator[None]:
        # After a failed write or sync nobody knows what is on the disk: only opening again finds out.
        with self._turn:
            if self._stopped:
                raise CustodyStopped(self._stopped)
            try:
                yield
            except apsw.Error as error:
                self._stopped = (
                    f"the custody store {self._path} cannot be written or read: {error}. No payload is signed for until the "
                    "node was started again. Check the disk and its space; nothing that was signed for is lost."
                )
                raise CustodyStopped(self._stopped) from error


class _Step:
    """One transaction, and what is used once it is committed."""

    def __init__(self, connection: apsw.Connection, limits: CustodyLimits, usage: _Usage) -> None:
        self._connection = connection
        self._limits = limits
        self.usage = usage

    def keep(self, new: NewPayload) -> CustodyRefused | None:
        if payload_hash(new.content) != new.hash:
            return CustodyRefused("custody.wrong_bytes")
        if new.number is not None and new.number <= _erased_through(self._connection, new.channel):
            return CustodyRefused("custody.erased")
        row = _find(self._connection, new.channel, new.hash)
        if row is None:
            return self._insert(new)
        both = _joined(row, new)
        if not _is_whole(row, new.hash):
            self.delete(_ONE, (row.id,))
            self._insert(both)
        elif (both.order_by, both.number, both.role) != (row.order_by, row.number, row.role):
            self._update(row, both.order_by, both.number, both.role)
        repeated = new.number is None and row.number is not None
        return CustodyRefused("custody.already_ordered") if repeated else None

    def _update(self, row: _Row, order_by: int, number: int | None, role: Role) -> None:
        self._execute(
            "UPDATE payloads SET order_by = ?, number = ?, role = ? WHERE id = ?",
            (order_by, number, role, row.id),
        )
        if row.number is None and number is not None:
            self.usage = self.usage.add(row.sender, -1, -row.size, 0)

    def _insert(self, new: NewPayload) -> CustodyRefused | None:
        size, limits = len(new.content), self._limits
        if new.number is None:
            count, used = self.usage.waiting.get(new.sender, (0, 0))
            if count >= limits.sender_payloads or used + size > limits.sender_bytes:
                return CustodyRefused("custody.sender_full")
            if self.usage.total + size > limits.total_bytes:
                return CustodyRefused("custody.full")
        self._execute(
            "INSERT INTO payloads (channel, hash, epoch, size, sender, order_by, number, role, content)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (new.channel, new.hash, new.epoch, size, new.sender, new.order_by, new.number, new.role, new.content),
        )  # fmt: skip
        waits = new.number is None
        self.usage = self.usage.add(new.sender, waits, size if waits else 0, size)
        return None

    def mark(self, channel: bytes, payload: bytes, number: int) -> bool:
        row = _find(self._connection, channel, payload)
        if row is None or not _is_whole(row, payload):
            return False
        self._update(row, row.order_by, _later(row.number, number), row.role)
        return True

    def erase(self, channel: bytes, through: int) -> int:
        self._execute(
            "INSERT INTO erased VALUES (?, ?) ON CONFLICT DO UPDATE SET through = max(through, excluded.through)",
            (channel, through),
        )
        return self.delete(_THROUGH, (channel, through))

    def delete(self, found: str, values: tuple[bytes | int, ...]) -> int:
        deleted = list(self._connection.execute(found, values))
        for identity, sender, size, waits in deleted:
            self._execute("DELETE FROM payloads WHERE id = ?", (identity,))
            self.usage = self.usage.add(sender, -waits, -size if waits else 0, -size)
        return len(deleted)

    def _execute(self, statement: str, values: tuple[bytes | int | str | None, ...]) -> None:
        self._connection.execute(statement, values)


def _find(connection: apsw.Connection, channel: bytes, payload: bytes) -> _Row | None:
    rows = connection.execute(
        "SELECT id, sender, size, order_by, number, role, content FROM payloads WHERE channel = ? AND hash = ?",
        (channel, payload),
    )
    return next((_Row(*row) for row in rows), None)


def _erased_through(connection: apsw.Connection, channel: bytes) -> int:
    found = connection.execute("SELECT through FROM erased WHERE channel = ?", (channel,)).get
    return 0 if found is None else int(found)


def _joined(row: _Row, new: NewPayload) -> NewPayload:
    role: Role = "own" if "own" in (row.role, new.role) else "vault"
    order_by, number = max(row.order_by, new.order_by), _later(row.number, new.number)
    return new._replace(sender=row.sender, order_by=order_by, role=role, number=number)


def _later(*numbers: int | None) -> int | None:
    # One that was ordered twice is needed as long as the later entry is.
    return max((number for number in numbers if number is not None), default=None)


def _is_whole(row: _Row, payload: bytes) -> bool:
    return len(row.content) == row.size and payload_hash(row.content) == payload
