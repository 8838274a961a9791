"""How attempts to settle across ledgers ended in the channels of this node: the root forgets one that was aborted."""

from typing import Final, NamedTuple

from traco.channels.seat.records import Records
from traco.kernel.codec import Code, Codec, Hash, Height, Id, Record, TimeMs, encode
from traco.modules.channel.parts import ChannelId

SETTLEMENT_TABLES: Final = (
    (
        "CREATE TABLE IF NOT EXISTS settlements (terms BLOB, height INTEGER, attempt BLOB, channel BLOB, decision BLOB NOT NULL,"
        " PRIMARY KEY (terms, height, attempt, channel)) WITHOUT ROWID"
    ),
)
"""In the book's file; made where they are not there yet."""


class Decision(Record, frozen=True):
    """The root decided an attempt, in the block ``height``: why, and whose word was wanting."""

    attempt: Hash
    committed: bool
    reason: Code
    silent: tuple[Id, ...]
    height: Height
    time_ms: TimeMs


class Settled(NamedTuple):
    """An attempt at terms (id) ended in a channel."""

    channel: ChannelId
    terms: bytes
    decision: Decision


_DECISION: Final[Codec[Decision]] = Codec(Decision)


class Settlements(Records):
    """The table ``settlements``."""

    def _open(self) -> None:
        super()._open()
        with self._connection:
            for statement in SETTLEMENT_TABLES:
                self._connection.execute(statement)

    def _settle(self, settled: Settled) -> None:
        decision = settled.decision
        self._connection.execute(
            "INSERT OR REPLACE INTO settlements VALUES (?, ?, ?, ?, ?)",
            (settled.terms, decision.height, decision.attempt, settled.channel, encode(decision)),
        )

    def settled(self, terms: bytes) -> tuple[Decision, tuple[bytes, ...]] | None:
        """How the last attempt at terms (id) ended, and in which channels of this node; None where none did."""
        rows = self._all(
            "SELECT channel, decision FROM settlements WHERE terms = ?1 AND (height, attempt) ="
            " (SELECT height, attempt FROM settlements WHERE terms = ?1 ORDER BY height DESC, attempt DESC LIMIT 1)",
            (terms,),
        )
        if not rows:
            return None
        return _DECISION.trusted(rows[0][1]), tuple(channel for channel, _ in rows)
