"""What the book says of all channels at once, for those who watch them: some rows for each, and no content."""

from typing import Final, NamedTuple

import msgspec

from traco.channels.seat.records import Records
from traco.modules.channel.entries import PointContext


class Position(NamedTuple):
    """How far a channel has come: the last ordinal that the root confirmed, that is noted here, and that was executed here."""

    channel: bytes
    confirmed: int
    noted: int
    executed: int


class Load(NamedTuple):
    """The outbox: how many transactions no point has executed, and how many are not confirmed; the place of the oldest of the
    first, 0 where there is none.
    """

    waiting: int
    executed: int
    oldest: int


class _TimedPoint(msgspec.Struct, array_like=True):
    """The beginning of a stored point: for its time, its entries need not be decoded."""

    context: PointContext


_TIMED: Final = msgspec.msgpack.Decoder(_TimedPoint)
_POSITIONS: Final = (
    "SELECT channel, confirmed,"
    " coalesce((SELECT max(ordinal) FROM points WHERE points.channel = streams.channel), 0),"
    # else every point of the channel would be looked at
    " (SELECT min(ordinal) FROM points INDEXED BY waiting WHERE points.channel = streams.channel AND result IS NULL)"
    " FROM streams WHERE standing = 'followed'"
)


class Overview(Records):
    """Reads over all channels."""

    def positions(self) -> list[Position]:
        """How far each channel that is followed has come."""
        return [
            Position(channel, confirmed, noted, noted if waiting is None else waiting - 1)
            for channel, confirmed, noted, waiting in self._all(_POSITIONS)
        ]

    def point_ms(self, channel: bytes, ordinal: int) -> int:
        """The block time of a point; 0 where it is not there."""
        raw = self._one("SELECT point FROM points WHERE channel = ? AND ordinal = ?", (channel, ordinal))
        return 0 if raw is None else _TIMED.decode(raw).context.time_ms

    def empty_entries(self) -> int:
        """How many entries are void."""
        return int(self._one("SELECT count(*) FROM voided"))

    def load(self) -> Load:
        """How much is in the outbox."""
        executed = int(self._one("SELECT count(*) FROM outbox WHERE ordinal IS NOT NULL"))
        everything = int(self._one("SELECT count(*) FROM outbox"))
        oldest = self._one("SELECT position FROM outbox WHERE ordinal IS NULL ORDER BY position LIMIT 1")
        return Load(everything - executed, executed, int(oldest or 0))
