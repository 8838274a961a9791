"""Signers that hold their secret in memory, and what every signer offers. The checks: ``kernel.crypto``.

What needs a hardware module or a remote service implements ``Signer`` too; nothing else in the client knows
more of a signer than that.

Python cannot wipe memory: a secret lives until its object is collected, and copies may outlive it. What is
done is to keep it out of everything that is shown or sent: representations, pickles and copies.
"""

from __future__ import annotations

import os
from hashlib import sha512
from typing import NoReturn, Protocol, SupportsIndex

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from traco.kernel.crypto import P256_MAX_S, P256_ORDER, Scheme

SEED_BYTES = 32
"""Length of the seed from which the key of either scheme is made."""

_P256_SEED_TAG = b"traco/p256-seed/1"


class Signer(Protocol):
    """Something that signs with one key."""

    @property
    def public_key(self) -> bytes:
        """The public key with its scheme byte."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, with its scheme byte."""
        ...


class _InMemory:
    """What signers with a secret in memory have in common: they never show, copy or send it."""

    __slots__ = ("_public_key",)

    _public_key: bytes

    @property
    def public_key(self) -> bytes:
        """The public key with its scheme byte."""
        return self._public_key

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._public_key.hex()})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds a secret and can be neither copied nor pickled")


class Ed25519Signer(_InMemory):
    """Signs with ed25519 (RFC 8032)."""

    __slots__ = ("_secret",)

    def __init__(self, seed: bytes) -> None:
        public, self._secret = crypto_sign_seed_keypair(_checked(seed))
        self._public_key = bytes([Scheme.ED25519]) + public

    @classmethod
    def generate(cls) -> Ed25519Signer:
        """A new key from the randomness of the operating system."""
        return cls(os.urandom(SEED_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> Ed25519Signer:
        """The key of this seed, 32 bytes: the secret key of RFC 8032.

        Raises ``ValueError`` for another length.
        """
        return cls(seed)

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, with its scheme byte. The same message gives the same signature."""
        return bytes([Scheme.ED25519]) + crypto_sign(message, self._secret)[:64]


class P256Signer(_InMemory):
    """Signs with ECDSA on P-256 and SHA-256; the nonce is that of RFC 6979, s is the low one."""

    __slots__ = ("_secret",)

    def __init__(self, seed: bytes) -> None:
        # 512 bits make the remainder uniform; a seed by itself might exceed the order
        wide = sha512(_P256_SEED_TAG + _checked(seed)).digest()
        self._secret = derive_private_key(int.from_bytes(wide, "big") % (P256_ORDER - 1) + 1, SECP256R1())
        point = self._secret.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self._public_key = bytes([Scheme.P256]) + point

    @classmethod
    def generate(cls) -> P256Signer:
        """A new key from the randomness of the operating system."""
        return cls(os.urandom(SEED_BYTES))

    @classmethod
    def from_seed(cls, seed: bytes) -> P256Signer:
        """The key of this seed, 32 bytes: not the private scalar, which is derived from it.

        Raises ``ValueError`` for another length.
        """
        return cls(seed)

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, with its scheme byte. The same message gives the same signature."""
        r, s = decode_dss_signature(self._secret.sign(message, ECDSA(SHA256(), deterministic_signing=True)))
        if s > P256_MAX_S:
            s = P256_ORDER - s
        return bytes([Scheme.P256]) + r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signer_from_seed(scheme: Scheme, seed: bytes) -> Ed25519Signer | P256Signer:
    """The signer of this scheme and seed. Raises ``ValueError`` if the seed has not 32 bytes."""
    if scheme is Scheme.ED25519:
        return Ed25519Signer(seed)
    return P256Signer(seed)


def _checked(seed: bytes) -> bytes:
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    return seed
