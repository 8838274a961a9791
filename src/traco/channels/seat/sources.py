"""Who gave this node the payloads that it had to fetch, and who answered what instead: for the report of a rebuild.

Kept beside custody and not with it: what is missing here was kept by a crash that lost this, and then it counts as held here.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from traco.channels.seat.records import Records

SOURCE_TABLES: Final = (
    (
        "CREATE TABLE IF NOT EXISTS sources (channel BLOB, number INTEGER, member BLOB NOT NULL, PRIMARY KEY (channel, number))"
        " WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS faults (channel BLOB, member BLOB, code TEXT, times INTEGER NOT NULL, first INTEGER NOT NULL,"
        " last INTEGER NOT NULL, PRIMARY KEY (channel, member, code)) WITHOUT ROWID"
    ),
)
"""In the book's file; made where they are not there yet."""


class Source(NamedTuple):
    """An entry whose payload a member gave."""

    channel: bytes
    number: int
    member: bytes


class Fault(NamedTuple):
    """A member answered something else than the payload of an entry."""

    channel: bytes
    number: int
    member: bytes
    code: str


class Faults(NamedTuple):
    """How often a member answered so, and for which entries: the lowest and the highest."""

    member: bytes
    code: str
    times: int
    first: int
    last: int


class Sources(Records):
    """The tables ``sources`` and ``faults``."""

    def _open(self) -> None:
        super()._open()
        with self._connection:
            for statement in SOURCE_TABLES:
                self._connection.execute(statement)

    def note_answers(self, sources: Sequence[Source], faults: Sequence[Fault]) -> None:
        """Keep who gave what, and who did not, in one durable step."""
        with self._change():
            self._connection.executemany("INSERT OR REPLACE INTO sources VALUES (?, ?, ?)", sources)
            self._connection.executemany(
                "INSERT INTO faults VALUES (?1, ?3, ?4, 1, ?2, ?2) ON CONFLICT DO UPDATE SET times = times + 1,"
                " first = min(first, excluded.first), last = max(last, excluded.last)",
                faults,
            )

    def sources(self, channel: bytes, through: int) -> list[tuple[bytes, int]]:
        """By member, how many payloads of the entries up to one it gave."""
        rows = self._all(
            "SELECT member, count(*) FROM sources WHERE channel = ? AND number <= ? GROUP BY member ORDER BY member",
            (channel, through),
        )
        return [(member, count) for member, count in rows]

    def faults(self, channel: bytes) -> list[Faults]:
        """Everything that was answered instead, by member and code."""
        rows = self._all(
            "SELECT member, code, times, first, last FROM faults WHERE channel = ? ORDER BY member, code",
            (channel,),
        )
        return [Faults(*row) for row in rows]
