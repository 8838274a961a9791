"""What seats sign beside transactions, and the ids that such signatures speak of. Each names type, network and place."""

from typing import Final

from traco.kernel.codec import digest, encode
from traco.modules.channel.parts import EpochKey, SettlementTerms, Terms

CHANNEL_TAG: Final = b"traco/channel/1"
CUSTODY_TAG: Final = b"traco/custody/1"
LEG_TAG: Final = b"traco/leg-payload/1"
ROOT_LEG_TAG: Final = b"traco/root-leg/1"
TERMS_TAG: Final = b"traco/terms/1"
PAYLOAD_TAG: Final = b"traco/payload/1"
ATTEMPT_TAG: Final = b"traco/attempt/1"
OFFER_TAG: Final = b"traco/offer/1"


def channel_id(network: bytes, creator: bytes, salt: bytes) -> bytes:
    """The id (32 bytes) of the channel that ``creator`` opens with this salt (16 bytes)."""
    return digest(CHANNEL_TAG, network, creator, salt)


def offer_id(
    network: bytes, channel: bytes, epoch: int, terms: Terms, key: EpochKey, boxes: tuple[bytes, ...]
) -> bytes:
    """The id (32 bytes) of an offered epoch: all that a member accepts, and the keys that copies are wrapped for."""
    return digest(OFFER_TAG, network, encode((channel, epoch, terms, key, boxes)))


def payload_hash(content: bytes) -> bytes:
    """The hash (32 bytes) that a sealed payload is ordered, held and fetched by."""
    return digest(PAYLOAD_TAG, content)


def custody_message(
    network: bytes, channel: bytes, custodian: bytes, epoch: int, order_by: int, size: int, payload: bytes
) -> bytes:
    """What a custodian's seat signs once it holds a payload durably; ``payload`` is its hash."""
    return CUSTODY_TAG + b"\0" + encode((network, channel, custodian, epoch, order_by, size, payload))


def leg_message(network: bytes, terms: bytes, channel: bytes, epoch: int, payload: bytes) -> bytes:
    """What the seat that sealed a leg signs: that its payload (hash) belongs to these terms (id)."""
    return LEG_TAG + b"\0" + encode((network, terms, channel, epoch, payload))


def root_leg_message(network: bytes, terms: bytes, instructions: bytes) -> bytes:
    """What those sign who act in a leg on the root: the encoded instruction, for these terms (id) alone."""
    return ROOT_LEG_TAG + b"\0" + encode((network, terms, instructions))


def terms_id(network: bytes, terms: SettlementTerms) -> bytes:
    """The id (32 bytes) that allocations and approvals sign."""
    return digest(TERMS_TAG, network, encode(terms))


def attempt_id(network: bytes, terms: bytes, transaction: bytes) -> bytes:
    """The id (32 bytes) of the attempt at ``terms`` (id) that a transaction makes."""
    return digest(ATTEMPT_TAG, network, terms, transaction)
