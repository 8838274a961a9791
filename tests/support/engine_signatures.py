"""Ed25519 signatures that the engine accepts (ZIP-215) and the ledger's rule refuses; keys that anybody can sign for."""

from hashlib import sha512
from typing import Final, NamedTuple

from vectors.make_signature_vectors import TORSION, B, L, P, Point, add, challenge, encode, times


class Signed(NamedTuple):
    """What a rule for signatures is asked: key and signature are without scheme."""

    key: bytes
    message: bytes
    signature: bytes


def _encodings(point: Point) -> list[bytes]:
    x, y = point
    written = [y, y + P] if y + P < 2**255 else [y]
    signs = [0, 1] if x == 0 else [x & 1]
    return [(each | sign << 255).to_bytes(32, "little") for each in written for sign in signs]


SMALL_ORDER: Final = sorted(encoding for point in TORSION for encoding in _encodings(point))
"""Every encoding of the eight points of small order, canonical or not: fourteen."""

NON_CANONICAL: Final = [(P + y).to_bytes(32, "little") for y in range(19)]
"""Every y that can be written twice, as it is not to be written."""

PUBLIC_CASES: Final = [Signed(key, b"Zcash", r + bytes(32)) for key in SMALL_ORDER for r in SMALL_ORDER]
"""The 196 cases that ZIP-215 was published with: all of them valid."""


def sign_for_the_engine(seed: bytes, message: bytes, of_r: int = 1, of_key: int = 0) -> bytes:
    """A signature with a component of small order in R, made with the secret; ``of_key``: for a key that has one too."""
    secret, prefix = _expanded(seed)
    nonce = int.from_bytes(sha512(prefix + message).digest(), "little") % L
    r = encode(add(times(nonce, B), TORSION[of_r]))
    k = challenge(r, key_with(seed, of_key), message)
    return r + ((nonce + k * secret) % L).to_bytes(32, "little")


def key_with(seed: bytes, component: int) -> bytes:
    """The public key, with a component of small order that an honest key has not (0: none)."""
    secret, _ = _expanded(seed)
    return encode(add(times(secret, B), TORSION[component]))


def _expanded(seed: bytes) -> tuple[int, bytes]:
    """RFC 8032, 5.1.5: the secret, and what the nonce is made of."""
    digest = sha512(seed).digest()
    return int.from_bytes(digest[:32], "little") & (1 << 254) - 8 | 1 << 254, digest[32:]
