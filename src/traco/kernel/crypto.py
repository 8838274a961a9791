"""Signature schemes that the ledger accepts: parsing of public keys and verification of signatures.

It is not for making keys or signatures: those need randomness and secrets, which the kernel has not (see
``client.signer``).

    public key   scheme byte, then   1 ed25519: 32 bytes (RFC 8032)
                                     2 P-256:   33 bytes, compressed point (SEC 1, 2.3.3)
    signature    scheme byte, then   1 ed25519: R and S, 64 bytes
                                     2 P-256:   r and s, 32 bytes each, big endian, s at most n // 2

The scheme travels with every key and signature, so that an upgrade can add another without a change of
format. Whether a signature is valid decides what enters the ledger, so the rule must be the same on every
node. For ed25519 it is libsodium's: S below the group order, a canonical key, no key and no R of small
order, and the equation without the cofactor. Libraries differ on these points, and so may releases of
libsodium: ``tests/vectors/ed25519.json`` pins them, and ``check_library`` lets a node refuse to start on
another rule.

Exceptions:

    LedgerError
    ├── KeyInvalid              these bytes are not a public key
    ├── SignatureInvalid        this is not a signature of that key over that message
    └── Halt
        └── LibraryUnsuitable   the installed libsodium follows another rule
"""

from __future__ import annotations

import enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError

from traco.kernel.errors import Halt, LedgerError


class Scheme(enum.IntEnum):
    """The first byte of every public key and signature."""

    ED25519 = 1
    P256 = 2


ED25519_KEY_BYTES = 33
"""Length of an ed25519 public key with its scheme byte."""

P256_KEY_BYTES = 34
"""Length of a P-256 public key with its scheme byte."""

SIGNATURE_BYTES = 65
"""Length of a signature of either scheme with its scheme byte."""

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n, the order of the base point of P-256 (SP 800-186, 3.2.1.3)."""

P256_MAX_S = P256_ORDER // 2
"""Both s and n - s satisfy the ECDSA equation; only the one up to here is accepted."""

_ED25519 = bytes([Scheme.ED25519])
_P256 = bytes([Scheme.P256])
_PROBE_MESSAGE = b"an edge of ed25519"
# (accepted, key, signature), from tests/vectors/ed25519.json: one for each point on which libraries are
# known to differ
_PROBES = (
    (
        True,  # key with a small component that cancels
        "af38aafc6ea630f6582f260d26f15cc063e8ee3cb2b4c845291a11944816a3c9",
        (
            "e7caaa83373a94afae43fec59b447c99ba282b19a7616c24c785ad8966a1e10e"
            "c2cc38ba4ea50e11202583dc7f83a6d01ab532b54ba1725985608a95a0ebb501"
        ),
    ),
    (
        False,  # key with a small component that remains
        "af38aafc6ea630f6582f260d26f15cc063e8ee3cb2b4c845291a11944816a3c9",
        (
            "78021b25eb446235a4af5246fa0f72589a72c7d78f77da0bb35c8cefd541819a"
            "618392d535c4e4c8465aae2e07557e5f2f6a517b96cdf938b8491a0409219a0b"
        ),
    ),
    (
        False,  # R with a small component
        "285bf6ce25206382c10dc14a57c38fbe9cd008c96124c211c5dbf29a85cb9e2e",
        (
            "f148b1be2819f6a938f8fc47c0e9630b17afd87c2580d0f2c66e74b0b227beef"
            "b78db6c6fa258ea94562354fa78ca91bb2bf4c3a7d0e0ca44d255be97d36cf02"
        ),
    ),
    (
        False,  # S plus the order
        "285bf6ce25206382c10dc14a57c38fbe9cd008c96124c211c5dbf29a85cb9e2e",
        (
            "5796fc1f060b77634f0f77c0ce4dcdb08eed961c19b699678bb24acd936ae265"
            "2206fed9e3033a7b147b18d154830625e95b800355075d08397c4a6efb7d4510"
        ),
    ),
    (
        False,  # key of small order 1
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        (
            "f10367b0afc6a352860626af9107651d7b392d5b07e571c437778caaedd3d970"
            "f003000000000000000000000000000000000000000000000000000000000000"
        ),
    ),
)
_CURVE = SECP256R1()
_ECDSA = ECDSA(SHA256())


class KeyInvalid(LedgerError):
    """These bytes are not a public key. ``code`` is ``key.scheme``, ``key.length`` or ``key.point``."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SignatureInvalid(LedgerError):
    """The signature does not hold.

    ``code`` is ``signature.scheme`` (key and signature do not name the same known scheme),
    ``signature.length`` (of either), ``signature.range`` (P-256: r or s out of range, or s high),
    ``signature.key`` (P-256: the key is no point of the curve) or ``signature.wrong`` (the equation does
    not hold, or for ed25519 anything else that libsodium refuses).
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class LibraryUnsuitable(Halt):
    """The installed libsodium accepts other signatures than this ledger does: a node on it would fork off."""


def check_public_key(key: bytes) -> None:
    """Return if ``key`` may be registered as a public key, else raise ``KeyInvalid``.

    An ed25519 key must be canonical and lie in the subgroup of prime order, as every honestly made key
    does. This is a little stricter than ``verify``, which refuses keys of small order but not those with a
    small-order component.
    """
    scheme = key[:1]
    if scheme == _ED25519:
        if len(key) != ED25519_KEY_BYTES:
            raise KeyInvalid("key.length")
        if not crypto_core_ed25519_is_valid_point(key[1:]):
            raise KeyInvalid("key.point")
    elif scheme == _P256:
        if len(key) != P256_KEY_BYTES:
            raise KeyInvalid("key.length")
        try:
            EllipticCurvePublicKey.from_encoded_point(_CURVE, key[1:])
        except ValueError:
            raise KeyInvalid("key.point") from None
    else:
        raise KeyInvalid("key.scheme")


def verify(key: bytes, message: bytes, signature: bytes) -> None:
    """Return if ``signature`` is valid for ``key`` over ``message``, else raise ``SignatureInvalid``.

    ``key`` and ``signature`` may be any bytes: no other exception is raised for them. It does not replace
    ``check_public_key``, which is applied once, when a key is registered.
    """
    scheme = key[:1]
    if scheme != signature[:1]:
        raise SignatureInvalid("signature.scheme")
    if scheme == _ED25519:
        _verify_ed25519(key, message, signature)
    elif scheme == _P256:
        _verify_p256(key, message, signature)
    else:
        raise SignatureInvalid("signature.scheme")


def is_valid(key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether ``verify`` returns: for workers that answer for thousands of signatures at once."""
    try:
        verify(key, message, signature)
    except SignatureInvalid:
        return False
    return True


def check_library() -> None:
    """Return if libsodium follows this ledger's rule, else raise ``LibraryUnsuitable``.

    For the start of a node; it takes under a millisecond. PyNaCl can be built against any libsodium of the
    system, so the pinned package alone does not say which rule runs.
    """
    for accepted, key, signature in _PROBES:
        answer = is_valid(_ED25519 + bytes.fromhex(key), _PROBE_MESSAGE, _ED25519 + bytes.fromhex(signature))
        if answer != accepted:
            raise LibraryUnsuitable(
                "libsodium decides on ed25519 signatures by another rule than this ledger:"
                " install the pinned PyNaCl wheel"
            )


def _verify_ed25519(key: bytes, message: bytes, signature: bytes) -> None:
    # libsodium reads 32 bytes of the key whatever its length, and finds the end of the signature by counting:
    # with a wrong length it would read foreign memory, or take bytes of the message as signature
    if len(key) != ED25519_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise SignatureInvalid("signature.length")
    try:
        crypto_sign_open(signature[1:] + message, key[1:])
    except BadSignatureError:
        raise SignatureInvalid("signature.wrong") from None


def _verify_p256(key: bytes, message: bytes, signature: bytes) -> None:
    if len(key) != P256_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise SignatureInvalid("signature.length")
    r = int.from_bytes(signature[1:33], "big")
    s = int.from_bytes(signature[33:], "big")
    if not (1 <= r < P256_ORDER and 1 <= s <= P256_MAX_S):
        raise SignatureInvalid("signature.range")
    try:
        point = EllipticCurvePublicKey.from_encoded_point(_CURVE, key[1:])
    except ValueError:
        raise SignatureInvalid("signature.key") from None
    try:
        point.verify(encode_dss_signature(r, s), message, _ECDSA)
    except InvalidSignature:
        raise SignatureInvalid("signature.wrong") from None
