"""What the members of channels decided to have erased, and this node has not erased yet."""

from typing import Final, NamedTuple

from traco.channels.seat.bases import Base, Bases

ERASURE_TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS erasures (channel BLOB PRIMARY KEY, through INTEGER NOT NULL) WITHOUT ROWID",
)
"""In the book's file; made where they are not there yet."""


class ErasureDecided(NamedTuple):
    """Payloads of a channel up to an entry are to be destroyed, by whoever has them."""

    channel: bytes
    through: int


class Erasures(Bases):
    """The table ``erasures``."""

    def _open(self) -> None:
        super()._open()
        with self._connection:
            for statement in ERASURE_TABLES:
                self._connection.execute(statement)

    def erasures(self) -> list[ErasureDecided]:
        """What is still to be done."""
        return [ErasureDecided(*row) for row in self._all("SELECT channel, through FROM erasures")]

    def settle_erasure(self, done: ErasureDecided) -> None:
        """It was done; what was deleted here before leaves the log too."""
        self._do("DELETE FROM erasures WHERE channel = ? AND through <= ?", done)
        self.truncate_log()

    def begin_with(self, channel: bytes, base: Base) -> None:
        """Have a channel begin with a snapshot of this node's own: what is before it cannot be executed again."""
        self._do("INSERT OR REPLACE INTO bases VALUES (?, ?, ?, ?, ?)", (channel, *base))

    def need_snapshot(self, channel: bytes, since: int) -> None:
        """Have a channel go on from another member's snapshot: what is before it was erased, and not executed here."""
        with self._change():
            self._need_snapshot(channel, since)

    def _decide_erasure(self, decided: ErasureDecided) -> None:
        self._connection.execute("INSERT OR REPLACE INTO erasures VALUES (?, ?)", decided)
