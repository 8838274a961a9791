"""Sealed payloads: a batch of signed channel transactions as those see it who hold it without a key.

    payload = version (1 byte, 1), epoch (4), payload id (32 random bytes), key check (32), nonce (24 random bytes),
              XChaCha20-Poly1305 of the padded content; associated: tag, network, channel, epoch, payload id
    content = MessagePack array of transactions, each as bytes, padded by Padmé so that the whole payload has such a size

Integers are big endian. The payload key follows from the epoch key and the payload id, so one payload can be disclosed.
The key check binds the payload to it: the cipher alone would let a sealer prepare a second key that opens something else.
Nothing is compressed: the size of compressed text tells of the text. Opening takes any bytes, and each payload has one
outcome on all nodes: its transactions, or a ``PayloadRefused``. Transactions are opaque here; executing screens them.
"""

import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from traco.channels.sealing.errors import PayloadRefused
from traco.channels.sealing.keys import EpochSecret, PayloadKey, Place
from traco.channels.sealing.padding import LENGTH_BYTES, pad, unpad, whole_size
from traco.kernel.codec import Codec, encode
from traco.modules.channel.parts import MAX_PAYLOAD_BYTES

VERSION: Final = 1
SEALED_TAG: Final = b"traco/sealed/1"
MAX_TRANSACTIONS: Final = 4_096
"""Of one payload, as of one envelope on the root."""

_ID: Final = slice(5, 37)
_CHECK: Final = slice(37, 69)
_NONCE: Final = slice(69, 93)
_HEAD_BYTES: Final = 93
_TAG_BYTES: Final = 16  # that XChaCha20-Poly1305 adds
AROUND_BYTES: Final = _HEAD_BYTES + _TAG_BYTES
"""What a payload is larger than its padded content."""

_CONTENT: Final[Codec[tuple[bytes, ...]]] = Codec(tuple[bytes, ...])
Draw = Callable[[int], bytes]


class Head(NamedTuple):
    """What anybody can read of a payload."""

    epoch: int
    payload_id: bytes


def sealed_size(transactions: Sequence[bytes]) -> int:
    """The size of the payload that these would make."""
    return whole_size(len(encode(tuple(transactions))), AROUND_BYTES)


def seal(
    transactions: Sequence[bytes], secret: EpochSecret, place: Place, limit: int = MAX_PAYLOAD_BYTES, draw: Draw = os.urandom
) -> bytes:  # fmt: skip
    """A payload of at most ``limit`` bytes with these transactions, in order.

    ``draw`` gives random bytes; anything but the system's is for tests. Raises ``PayloadRefused`` (``payload.empty``,
    ``payload.too_many``, ``payload.too_large``).
    """
    _check_count(transactions)
    content = encode(tuple(transactions))
    if whole_size(len(content), AROUND_BYTES) > min(limit, MAX_PAYLOAD_BYTES):
        raise PayloadRefused("payload.too_large")
    payload_id, nonce = draw(32), draw(24)
    key = secret.payload_key(payload_id)
    head = bytes([VERSION]) + place.epoch.to_bytes(4, "big") + payload_id + key.check() + nonce
    padded = pad(content, AROUND_BYTES)
    return head + crypto_aead_xchacha20poly1305_ietf_encrypt(
        padded, _associated(place, payload_id), nonce, key.reveal()
    )


def read_head(payload: bytes) -> Head:
    """What a custodian without the key can check. Raises ``PayloadRefused``."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise PayloadRefused("payload.too_large")
    if len(payload) < AROUND_BYTES + LENGTH_BYTES:
        raise PayloadRefused("payload.truncated")
    if payload[0] != VERSION:
        raise PayloadRefused("payload.version")
    return Head(int.from_bytes(payload[1:5], "big"), payload[_ID])


def unseal(payload: bytes, secret: EpochSecret, place: Place) -> tuple[bytes, ...]:
    """The transactions of a payload. Raises ``PayloadRefused`` for whatever is not one of this place, and nothing else."""
    return unseal_disclosed(payload, secret.payload_key(read_head(payload).payload_id), place)


def unseal_disclosed(payload: bytes, key: PayloadKey, place: Place) -> tuple[bytes, ...]:
    """As ``unseal``, with the key of this payload alone."""
    head = read_head(payload)
    if head.epoch != place.epoch:
        raise PayloadRefused("payload.epoch")
    if payload[_CHECK] != key.check():
        raise PayloadRefused("payload.wrong_key")
    try:
        padded = crypto_aead_xchacha20poly1305_ietf_decrypt(
            payload[_HEAD_BYTES:], _associated(place, head.payload_id), payload[_NONCE], key.reveal()
        )
    except CryptoError:
        raise PayloadRefused("payload.not_authentic") from None
    return _read(padded)


def _read(padded: bytes) -> tuple[bytes, ...]:
    try:
        content = unpad(padded, AROUND_BYTES)
    except ValueError:
        raise PayloadRefused("payload.padding") from None
    try:
        transactions = _CONTENT.decode(content)
    except ValueError:
        raise PayloadRefused("payload.not_canonical") from None
    _check_count(transactions)
    return transactions


def _check_count(transactions: Sequence[bytes]) -> None:
    if not transactions:
        raise PayloadRefused("payload.empty")
    if len(transactions) > MAX_TRANSACTIONS:
        raise PayloadRefused("payload.too_many")


def _associated(place: Place, payload_id: bytes) -> bytes:
    return SEALED_TAG + b"\0" + encode((*place, payload_id))
