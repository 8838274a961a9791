"""What nodes ask each other about payloads, as bytes. Who asks is what the transport authenticated, never a field."""

from typing import Final, Protocol

from traco.channels.custody.errors import REFUSALS
from traco.kernel.codec import Code, Codec, Hash, Id, Record, SignatureBytes, TimeMs
from traco.modules.channel.parts import MAX_PAYLOAD_BYTES, ChannelId, Epoch, PayloadBytes

MAX_MESSAGE_BYTES: Final = MAX_PAYLOAD_BYTES + 1_024
"""More than any of these has: whoever reads from others stops there."""


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
