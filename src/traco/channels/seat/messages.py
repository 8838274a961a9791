"""What seats ask each other, as bytes: everything about payloads (``custody.messages``), and wrapped copies of keys."""

from typing import Annotated, Final, Protocol

import msgspec

from traco.channels.custody import messages as custody
from traco.channels.custody.errors import TransportFailed
from traco.kernel.codec import Codec, Id, Record
from traco.modules.channel.parts import MAX_COPY_BYTES, ChannelId, Epoch


class GetCopy(Record, frozen=True, tag="seat.get_copy/1"):
    """Give ``member``, who asks, its wrapped copy of the key of an epoch on offer."""

    channel: ChannelId
    epoch: Epoch
    member: Id


class Copy(Record, frozen=True, tag="seat.copy/1"):
    """The copy."""

    copy: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_COPY_BYTES)]


Request = custody.Hold | custody.Fetch | GetCopy
Answer = custody.Signed | custody.Found | custody.Refusal | Copy

request_codec: Final[Codec[Request]] = Codec(Request)
answer_codec: Final[Codec[Answer]] = Codec(Answer)


class Calls(Protocol):
    """How members' nodes reach each other."""

    async def call(self, member: bytes, request: Request) -> Answer:
        """The answer of a member's node. Raises ``TransportFailed``."""


class CustodyCalls:
    """Calls about payloads alone, which no copy of a key answers."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def call(self, member: bytes, request: custody.Request) -> custody.Answer:
        """The answer of a member's node. Raises ``TransportFailed``."""
        answer = await self._calls.call(member, request)
        if isinstance(answer, Copy):
            raise TransportFailed("custody.answer_wrong", "it answered something else than was asked")
        return answer
