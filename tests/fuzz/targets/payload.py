"""A payload opens to the transactions that, sealed again with its own random parts, give the same bytes, or ``PayloadRefused``.

If broken: members read different things in one entry, or a payload that a member made on purpose stops every executor.
"""

from pathlib import Path
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from fuzz.claims import require
from fuzz.mutation import Chance, of_messagepack
from support.sealed import PAYLOAD, PLACE, SECRET
from traco.channels.sealing.errors import REASONS, PayloadRefused
from traco.channels.sealing.padding import pad, unpad
from traco.channels.sealing.payloads import AROUND_BYTES, SEALED_TAG, seal, unseal
from traco.kernel.codec import encode

_HEAD_BYTES: Final = 93


def sample() -> bytes:
    """A genuine payload."""
    return PAYLOAD


def check(raw: bytes, _folder: Path) -> None:
    """Open it as a member does."""
    try:
        transactions = unseal(raw, SECRET, PLACE)
    except PayloadRefused as error:
        require(error.code in REASONS, error.code)
        return
    drawn = iter((raw[5:37], raw[69:93]))
    assert seal(transactions, SECRET, PLACE, draw=lambda _: next(drawn)) == raw


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change the payload; or what is sealed in it, as a member could, who has the key."""
    if chance.one_in(4):
        return chance.raw(raw)
    key, nonce, associated = SECRET.payload_key(raw[5:37]).reveal(), raw[69:93], _associated(raw)
    try:
        padded = crypto_aead_xchacha20poly1305_ietf_decrypt(raw[_HEAD_BYTES:], associated, nonce, key)
        inside = chance.raw(padded) if chance.one_in(3) else _repacked(padded, chance)
        return raw[:_HEAD_BYTES] + crypto_aead_xchacha20poly1305_ietf_encrypt(inside, associated, nonce, key)
    except (ValueError, TypeError, CryptoError):
        return chance.raw(raw)


def _repacked(padded: bytes, chance: Chance) -> bytes:
    return pad(of_messagepack(unpad(padded, AROUND_BYTES), chance), AROUND_BYTES)


def _associated(raw: bytes) -> bytes:
    return SEALED_TAG + b"\0" + encode((*PLACE, raw[5:37]))
