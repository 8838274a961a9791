"""What seats ask each other, as bytes: everything about payloads (``custody.messages``), wrapped copies of keys, snapshots."""

from typing import Annotated, Final, Protocol

import msgspec

from traco.channels.custody import messages as custody
from traco.channels.custody.errors import TransportFailed
from traco.kernel.codec import Codec, Count, Id, Record
from traco.modules.channel.parts import MAX_COPY_BYTES, ChannelId, Epoch, Number

PART_BYTES: Final = 262_144

NO_SNAPSHOT: Final = (
    "snapshot.none"  # there is none of such a point, and none is made now: ask again, or another member
)
NOT_ENTITLED: Final = "snapshot.not_entitled"  # whoever asks is no member of the channel now


class GetCopy(Record, frozen=True, tag="seat.get_copy/1"):
    """Give ``member``, who asks, its wrapped copy of the key of an epoch on offer."""

    channel: ChannelId
    epoch: Epoch
    member: Id


class Copy(Record, frozen=True, tag="seat.copy/1"):
    """The copy."""

    copy: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_COPY_BYTES)]


class GetSnapshot(Record, frozen=True, tag="seat.get_snapshot/1"):
    """Say of which confirmed point, at or behind ``since``, there is a snapshot; one is made where there is none."""

    channel: ChannelId
    since: Number


class SnapshotIs(Record, frozen=True, tag="seat.snapshot/1"):
    """The point of the newest."""

    ordinal: Number


class GetPart(Record, frozen=True, tag="seat.get_part/1"):
    """Give ``PART_BYTES`` of a snapshot's part, from ``offset`` on. Part 0 is its claim (``seat.claims``), then come the pieces."""

    channel: ChannelId
    ordinal: Number
    part: Count
    offset: Count


class Part(Record, frozen=True, tag="seat.part/1"):
    """The bytes, and how many the whole part has."""

    total: Count
    content: Annotated[bytes, msgspec.Meta(max_length=PART_BYTES)]


AboutSnapshots = GetSnapshot | GetPart
Request = custody.Hold | custody.Fetch | custody.HoldAll | GetCopy | GetSnapshot | GetPart
Answer = custody.Signed | custody.Found | custody.Refusal | custody.AllSaid | Copy | SnapshotIs | Part

request_codec: Final[Codec[Request]] = Codec(Request)
answer_codec: Final[Codec[Answer]] = Codec(Answer)


class Calls(Protocol):
    """How members' nodes reach each other."""

    async def call(self, member: bytes, request: Request) -> Answer:
        """The answer of a member's node. Raises ``TransportFailed``."""


class CustodyCalls:
    """Calls about payloads alone, which nothing else answers."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def call(
        self, member: bytes, request: custody.Request | custody.HoldAll
    ) -> custody.Answer | custody.AllSaid:
        """The answer of a member's node. Raises ``TransportFailed``."""
        answer = await self._calls.call(member, request)
        if not isinstance(answer, custody.Signed | custody.Found | custody.Refusal | custody.AllSaid):
            raise TransportFailed("custody.answer_wrong", "it answered something else than was asked")
        return answer
