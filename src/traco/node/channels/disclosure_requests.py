"""What the API asks the channels' process about disclosures, and what it answers."""

from typing import Literal

from traco.channels.seat.totalling import ChannelPart
from traco.kernel.codec import Height, Id, Record, Salt, TimeMs
from traco.modules.channel.parts import ChannelId

DisclosureStatus = Literal["making", "ready", "failed"]


class BeginDisclosure(Record, frozen=True, tag="begin_disclosure"):
    """Disclose a period for ``member``: points by ordinals, or by time; 0: without bound."""

    channel: ChannelId
    member: Id
    first: int
    last: int
    from_ms: TimeMs
    until_ms: TimeMs


class DisclosureOf(Record, frozen=True, tag="disclosure_of"):
    """How far a disclosure of ``member`` is."""

    channel: ChannelId
    member: Id
    identity: Salt


class DisclosureIs(Record, frozen=True, tag="disclosure"):
    """The answer to both. ``done`` of ``points`` were executed or written; the rest is there when it is ``ready``."""

    identity: Salt
    status: DisclosureStatus
    done: int = 0
    points: int = 0
    first: int = 0
    last: int = 0
    size: int = 0
    commitment: bytes = b""
    origin: bytes = b""
    code: str = ""
    text: str = ""


class DisclosurePiece(Record, frozen=True, tag="disclosure_piece"):
    """Some of the file, from a byte on."""

    channel: ChannelId
    member: Id
    identity: Salt
    offset: int


class PieceIs(Record, frozen=True, tag="piece"):
    """The answer; empty behind the end."""

    content: bytes


class TotalOf(Record, frozen=True, tag="total_of"):
    """The instrument in each of these channels as of a block of the root, for ``member``."""

    member: Id
    instrument: Id
    height: Height
    channels: tuple[ChannelId, ...]


class TotalIs(Record, frozen=True, tag="total"):
    """The answer, in the order of the request."""

    parts: tuple[ChannelPart, ...]
