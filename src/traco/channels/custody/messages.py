"""What nodes ask each other about payloads, as bytes. Who asks is what the transport authenticated, never a field."""

from typing import Annotated, Final, Protocol

import msgspec

from traco.channels.custody.errors import REFUSALS
from traco.kernel.codec import Code, Codec, Hash, Id, Record, SignatureBytes, TimeMs
from traco.modules.channel.parts import MAX_PAYLOAD_BYTES, ChannelId, Epoch, PayloadBytes

MAX_MESSAGE_BYTES: Final = MAX_PAYLOAD_BYTES + 1_024
"""More than any of these has: whoever reads from others stops there."""

TOGETHER: Final = 64
TOGETHER_BYTES: Final = 262_144  # of payloads in one call


class Hold(Record, frozen=True, tag="custody.hold/1"):
    """Hold this payload as ``custodian`` until ``order_by``, and longer if it is ordered; sign that you do."""

    channel: ChannelId
    custodian: Id
    epoch: Epoch
    order_by: TimeMs
    content: PayloadBytes


class Fetch(Record, frozen=True, tag="custody.fetch/1"):
    """Give the payload with this hash."""

    channel: ChannelId
    hash: Hash


class Signed(Record, frozen=True, tag="custody.signed/1"):
    """It is held durably: a signature over ``modules.channel.signing.custody_message``."""

    signature: SignatureBytes


class Found(Record, frozen=True, tag="custody.found/1"):
    """The payload that was asked for, as the one who answers has it."""

    content: PayloadBytes


class Refusal(Record, frozen=True, tag="custody.refused/1"):
    """No; why is one of ``errors.REFUSALS``."""

    code: Code


class HoldAll(Record, frozen=True, tag="custody.hold_all/1"):
    """Hold each of these, as if it had been asked by itself: one that is refused changes nothing for the others."""

    requests: Annotated[tuple[Hold, ...], msgspec.Meta(min_length=1, max_length=TOGETHER)]


class AllSaid(Record, frozen=True, tag="custody.all_said/1"):
    """An answer to each, in the order of the requests."""

    answers: Annotated[tuple[Signed | Refusal, ...], msgspec.Meta(min_length=1, max_length=TOGETHER)]


Request = Hold | Fetch
Answer = Signed | Found | Refusal

request_codec: Final[Codec[Request]] = Codec(Request)
answer_codec: Final[Codec[Answer]] = Codec(Answer)


def known_code(answer: Refusal) -> str:
    """Its code; one that no custodian has is none that anybody may choose to show elsewhere."""
    return answer.code if answer.code in REFUSALS else "custody.answer_wrong"


class Transport(Protocol):
    """How members' nodes reach each other."""

    async def call(self, member: bytes, request: Request) -> Answer:
        """The answer of a member's node. Raises ``TransportFailed``; its time is limited by the caller."""


class Line(Protocol):
    """As ``Transport``, for several requests at once too."""

    async def call(self, member: bytes, request: Request | HoldAll) -> Answer | AllSaid:
        """The answer of a member's node. Raises ``TransportFailed``; its time is limited by the caller."""
