"""The engine's rule for ed25519 signatures (ZIP-215), to tell a forgery from what only the engine accepts.

Never the rule by which the ledger accepts a signature: that is `crypto`'s. ZIP-215 multiplies the equation by the
cofactor, so that components of small order in the key and in R do not matter: [8][S]B = [8]R + [8][k]A, with S below
the group order and any encoding of the points. Each multiplication by eight is three additions, because libsodium
refuses to multiply points outside the subgroup of prime order, but adds them.
"""

from hashlib import sha512
from typing import Final

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)
from nacl.exceptions import RuntimeError as LibraryRefused

GROUP_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_POINT_BYTES: Final = 32
_IDENTITY: Final = (1).to_bytes(32, "little")


def is_valid(key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether the engine accepts a signature (64 bytes) of the key (32 bytes) over the message; any bytes may come."""
    encoded_r, s = signature[:_POINT_BYTES], signature[_POINT_BYTES:]
    if len(key) != _POINT_BYTES or len(s) != _POINT_BYTES or int.from_bytes(s, "little") >= GROUP_ORDER:
        return False
    k = crypto_core_ed25519_scalar_reduce(sha512(encoded_r + key + message).digest())
    try:
        left = _times_eight(_multiple_of_base(s))
        right = crypto_core_ed25519_add(_times_eight(encoded_r), _multiple(k, _times_eight(key)))
    except LibraryRefused:
        return False  # not a point of the curve
    return left == right


def _times_eight(point: bytes) -> bytes:
    for _ in range(3):
        point = crypto_core_ed25519_add(point, point)
    return point


def _multiple(scalar: bytes, point: bytes) -> bytes:
    # the library refuses the result that is the identity, and the identity itself
    if point == _IDENTITY or not any(scalar):
        return _IDENTITY
    return crypto_scalarmult_ed25519_noclamp(scalar, point)


def _multiple_of_base(scalar: bytes) -> bytes:
    return crypto_scalarmult_ed25519_base_noclamp(scalar) if any(scalar) else _IDENTITY
