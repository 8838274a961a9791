"""Transactions that this node answers for, from their acknowledgement until what became of them stands for good.

    waiting -> in a payload -> ordered -> executed -> confirmed: forgotten, the replica knows it
                 |               |          |
                 +---------------+----------+-- never ordered, or its entry is void: waiting again

One that was ordered without effect is refused, with a code. Ids are used up once inside a channel, so sending again what may
have been ordered is safe.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from traco.channels.seat.records import Records
from traco.kernel.codec import Id

REFUSED: Final = 10_000  # refusals that are kept; an outbox of our own clients, so nobody else fills it
SENT_AT_ONCE: Final = 64  # channels


class Waiting(NamedTuple):
    """A transaction in the outbox, and the member that answers for it."""

    identity: bytes
    member: Id
    raw: bytes


class Delivered(NamedTuple):
    """What executing a point shows: ids with an outcome, ids (code) without effect, payloads whose entry is empty though that
    is not their sender's doing.
    """

    executed: Sequence[bytes]
    refused: Mapping[bytes, str]
    emptied: Sequence[bytes]


class Outbox(Records):
    """The tables ``outbox`` and ``refused``."""

    def post(self, channel: bytes, member: bytes, transactions: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep (id, transaction) pairs that ``member`` answers for; one that is there stays as it is."""
        with self._change():
            for identity, raw in transactions:
                self._connection.execute(
                    "INSERT OR IGNORE INTO outbox (channel, id, member, raw) VALUES (?, ?, ?, ?)",
                    (channel, identity, member, raw),
                )

    def count(self, channel: bytes) -> int:
        """How many transactions of a channel are there."""
        return int(self._one("SELECT count(*) FROM outbox WHERE channel = ?", (channel,)))

    def posted(self) -> list[bytes]:
        """Some channels with transactions that wait, first the one that has waited longest."""
        rows = self._all(
            "SELECT channel FROM outbox WHERE payload IS NULL AND ordinal IS NULL GROUP BY channel"
            " ORDER BY min(position) LIMIT ?",
            (SENT_AT_ONCE,),
        )
        return [channel for (channel,) in rows]

    def unsealed(self, channel: bytes, limit: int) -> list[Waiting]:
        """Up to ``limit`` transactions that wait, oldest first."""
        rows = self._all(
            "SELECT id, member, raw FROM outbox WHERE channel = ? AND payload IS NULL AND ordinal IS NULL"
            " ORDER BY position LIMIT ?",
            (channel, limit),
        )
        return [Waiting(*row) for row in rows]

    def sealed(self, channel: bytes, identities: Sequence[bytes], payload: bytes) -> None:
        """These transactions are in a payload (hash) now."""
        with self._change():
            for identity in identities:
                self._connection.execute(
                    "UPDATE outbox SET payload = ? WHERE channel = ? AND id = ?", (payload, channel, identity)
                )

    def unseal(self, channel: bytes, payload: bytes) -> None:
        """A payload (hash) was not ordered: what is in it waits again, unless the root's blocks said otherwise meanwhile."""
        self._do(
            "UPDATE outbox SET payload = NULL WHERE channel = ? AND payload = ? AND NOT is_ordered",
            (channel, payload),
        )

    def unseal_unordered(self) -> None:
        """After a start: what is in payloads of which no block of the root knows waits again."""
        self._do("UPDATE outbox SET payload = NULL WHERE NOT is_ordered", ())

    def in_payload(self, channel: bytes, payload: bytes) -> list[tuple[bytes, bytes]]:
        """(id, member that answers for it) of the transactions that are in a payload (hash)."""
        rows = self._all(
            "SELECT id, member FROM outbox WHERE channel = ? AND payload = ?", (channel, payload)
        )
        return [(identity, member) for identity, member in rows]

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

    def refuse(self, channel: bytes, refused: Mapping[bytes, str]) -> None:
        """These transactions (id: code) have no effect and are not sent again."""
        with self._change():
            self._refuse(channel, refused)

    def _refuse(self, channel: bytes, refused: Mapping[bytes, str]) -> None:
        for identity, code in refused.items():
            self._connection.execute("DELETE FROM outbox WHERE channel = ? AND id = ?", (channel, identity))
            self._connection.execute(
                "INSERT INTO refused (channel, id, code) VALUES (?, ?, ?)", (channel, identity, code)
            )
        if refused:
            self._connection.execute(
                "DELETE FROM refused WHERE position <= (SELECT max(position) FROM refused) - ?", (REFUSED,)
            )

    def _deliver(self, channel: bytes, ordinal: int, delivered: Delivered) -> None:
        """Note what executing a point shows of these transactions. Within a step."""
        execute = self._connection.execute
        if execute("SELECT 1 FROM outbox WHERE channel = ? LIMIT 1", (channel,)).fetchone() is None:
            return
        for identity in delivered.executed:
            execute(
                "UPDATE outbox SET ordinal = ? WHERE channel = ? AND id = ?", (ordinal, channel, identity)
            )
        for payload in delivered.emptied:
            execute(
                "UPDATE outbox SET payload = NULL, is_ordered = 0 WHERE channel = ? AND payload = ?",
                (channel, payload),
            )
        self._refuse(channel, delivered.refused)
