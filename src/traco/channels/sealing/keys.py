"""The key of an epoch and all that is derived from it; the X25519 key that a member gets it by.

Every derivation is BLAKE2b-256, keyed, personalised with its purpose, over the canonical encoding of its parts:

    purpose   key          parts                                          what for
    commit    epoch key                                                   commitment on the root
    wrap      epoch key    network, channel, epoch, member, box key       the scalar of a copy's ephemeral key
    copy      X25519       ephemeral key, member                          the key that encrypts a copy
    payload   epoch key    payload id                                     the key of one payload
    check     payload key                                                 stands in the payload: no other key opens it
    blind     epoch key    generation, ordinal                            hides a point's state root
    leaf      epoch key    generation, ordinal, index                     hides one outcome of a point

Knowing one derived value says nothing about the key or about other values, so single payloads and outcomes can be shown.
Secrets are in objects that do not show, copy or pickle themselves; Python cannot wipe memory.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final, NamedTuple, NoReturn, SupportsIndex

from nacl.bindings import crypto_scalarmult, crypto_scalarmult_base
from nacl.exceptions import RuntimeError as LibraryRefused

from traco.kernel.codec import encode
from traco.modules.channel.digests import key_commitment

KEY_BYTES: Final = 32

_COMMIT: Final = b"commit"
_WRAP: Final = b"wrap"
_COPY: Final = b"copy"
_PAYLOAD: Final = b"payload"
_CHECK: Final = b"check"
_BLIND: Final = b"blind"
_LEAF: Final = b"leaf"


class Place(NamedTuple):
    """Where a key is used: everything sealed names it, so nothing sealed for one place opens in another."""

    network: bytes
    channel: bytes
    epoch: int


class _Secret:
    """A secret of 32 bytes that is never shown, copied or sent by accident."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        """Take these bytes. Raises ``ValueError`` unless there are 32."""
        if len(raw) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(raw)}")
        self._raw = raw

    def reveal(self) -> bytes:
        """The secret itself: for the key store, and for those to whom it is disclosed."""
        return self._raw

    def __repr__(self) -> str:
        return f"{type(self).__name__}(secret)"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"{type(self).__name__} is a secret and can be neither copied nor pickled")


class PayloadKey(_Secret):
    """Opens one payload and nothing else. This is what is disclosed to a regulator."""

    __slots__ = ()

    def check(self) -> bytes:
        """What the payload carries of its key, so that it has one only: the cipher alone would allow for several."""
        return _derive(self._raw, _CHECK)


class EpochSecret(_Secret):
    """The key of an epoch. All members have the same."""

    __slots__ = ()

    @classmethod
    def generate(cls) -> EpochSecret:
        """A new key from the randomness of the operating system."""
        return cls(os.urandom(KEY_BYTES))

    def commitment(self, place: Place) -> bytes:
        """What the offer of the epoch says of the key."""
        return key_commitment(*place, _derive(self._raw, _COMMIT))

    def ephemeral_of(self, place: Place, member: bytes, box_key: bytes) -> BoxSecret:
        """The ephemeral key of a member's copy. It follows from the key, so that whoever has that can check all copies."""
        return BoxSecret(_derive(self._raw, _WRAP, *place, member, box_key))

    def payload_key(self, payload_id: bytes) -> PayloadKey:
        """The key of the payload with this id (32 random bytes)."""
        return PayloadKey(_derive(self._raw, _PAYLOAD, payload_id))

    def blind(self, generation: int, ordinal: int) -> bytes:
        """What hides the state root of a point."""
        return _derive(self._raw, _BLIND, generation, ordinal)

    def leaf_salt(self, generation: int, ordinal: int, index: int) -> bytes:
        """What hides the outcome at an index of a point."""
        return _derive(self._raw, _LEAF, generation, ordinal, index)


class BoxSecret(_Secret):
    """An X25519 secret key."""

    __slots__ = ()

    @classmethod
    def generate(cls) -> BoxSecret:
        """A new key from the randomness of the operating system."""
        return cls(os.urandom(KEY_BYTES))

    @property
    def public_key(self) -> bytes:
        """The key that others wrap copies for, 32 bytes."""
        return crypto_scalarmult_base(self._raw)

    def copy_key(self, other: bytes, ephemeral: bytes, member: bytes) -> bytes:
        """The key of the copy for ``member``, by this secret and the ``other`` side's public key.

        Raises ``ValueError`` where that is of small order: anybody could compute the result.
        """
        try:
            shared = crypto_scalarmult(self._raw, other)
        except LibraryRefused:
            raise ValueError("the X25519 key is of small order") from None
        return _derive(shared, _COPY, ephemeral, member)


def _derive(key: bytes, purpose: bytes, *parts: bytes | int) -> bytes:
    return blake2b(encode(parts), digest_size=KEY_BYTES, key=key, person=purpose).digest()
