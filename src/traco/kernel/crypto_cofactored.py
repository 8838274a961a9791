"""The engine's rule for ed25519 signatures (ZIP-215): for the votes of its commits, and for nothing else.

Transactions, envelopes and checkpoints follow `crypto`, which accepts less. ZIP-215 multiplies the equation by the
cofactor, so that components of small order in the key and in R do not matter: [8][S]B = [8]R + [8][k]A, with S below
the group order and any encoding of the points. Each multiplication by eight is three additions, because libsodium
refuses to multiply points outside the subgroup of prime order, but adds them.

A key that is itself of small order drops out of the equation: anybody can then sign anything. Who counts a signature
for something therefore asks for a sound key as well (``is_sound_key``). With such a key only the holder of its secret
signs, as by the strict rule: what the cofactor leaves is the same equation between the components of prime order.
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
PRIME: Final = 2**255 - 19
_Y: Final = 2**255 - 1  # the bits of an encoded point that are not the sign of x
_ORDER_EIGHT: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER: Final = (0, 1, PRIME - 1, _ORDER_EIGHT, PRIME - _ORDER_EIGHT)
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


def is_sound_key(key: bytes) -> bool:
    """Say whether 32 bytes are in canonical form and not of small order. Not whether they are a point of the curve."""
    y = int.from_bytes(key, "little") & _Y
    return len(key) == _POINT_BYTES and y < PRIME and y not in _SMALL_ORDER


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
