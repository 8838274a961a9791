"""Writes ed25519.json and p256.json: signatures at the edges of what the ledger accepts.

Run it from anywhere with ``python tests/vectors/make_signature_vectors.py``; it is deterministic. Both curves
are computed here from their equations, with secrets that nobody should use, because a library will not make
what it would refuse. What is written as expected was compared with the libraries' answers by the tests,
never taken from them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

Point = tuple[int, int]
Case = dict[str, object]

# --- edwards25519 (RFC 8032, 5.1) ---

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
NEUTRAL = (0, 1)
SECRET = 0x1F2E3D4C5B6A79880102030405060708
MESSAGE = b"an edge of ed25519"


def add(a: Point, b: Point) -> Point:
    """Sum on the twisted Edwards curve."""
    cross = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + cross, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - cross, -1, P)
    return x % P, y % P


def times(scalar: int, point: Point) -> Point:
    """Scalar multiple on the twisted Edwards curve."""
    total = NEUTRAL
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def with_y(y: int, sign: int = 0) -> Point | None:
    """The point with this y and this parity of x, if there is one."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - square) % P:
        return None
    return (P - x if x % 2 != sign else x) % P, y


def encode(point: Point) -> bytes:
    """RFC 8032, 5.1.2."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def base_point() -> Point:
    """B of RFC 8032."""
    point = with_y(4 * pow(5, -1, P) % P)
    assert point is not None
    return point


def order_eight() -> Point:
    """A generator of the eight points of small order."""
    for y in range(2, 100):
        point = with_y(y)
        if point is not None and times(4 * L, point) != NEUTRAL:
            return times(L, point)
    raise AssertionError("half of all points have a component of order eight")


B = base_point()
TORSION = [times(i, order_eight()) for i in range(8)]


def challenge(r: bytes, a: bytes, message: bytes) -> int:
    """The hash of RFC 8032, 5.1.7, step 2, reduced."""
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def edge(name: str, a: bytes, r: bytes, s: int, valid: bool, message: bytes = MESSAGE) -> Case:
    """One vector."""
    signature = r + s.to_bytes(32, "little")
    return {
        "name": name,
        "key": "01" + a.hex(),
        "message": message.hex(),
        "signature": "01" + signature.hex(),
        "valid": valid,
    }


def signed(
    name: str, a: Point, r: Point, secret: int, nonce: int, valid: bool, message: bytes = MESSAGE
) -> Case:
    """A vector whose s satisfies the equation up to points of small order."""
    k = challenge(encode(r), encode(a), message)
    return edge(name, encode(a), encode(r), (nonce + k * secret) % L, valid, message)


def find(a: Point, component: Point, cancels: bool) -> tuple[int, bytes]:
    """A nonce and message for which k times the component is neutral, or is not."""
    for nonce in range(1000, 1100):
        k = challenge(encode(times(nonce, B)), encode(a), MESSAGE)
        if (times(k, component) == NEUTRAL) == cancels:
            return nonce, MESSAGE
    raise AssertionError("one in eight does")


def ed25519_rfc8032() -> list[Case]:
    """Tests 1 to 3 and SHA(abc) of RFC 8032, 7.1: their secrets; key and signature are recomputed here."""
    known = [
        ("rfc8032 test 1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", b""),
        ("rfc8032 test 2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", bytes([0x72])),
        (
            "rfc8032 test 3",
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            bytes([0xAF, 0x82]),
        ),
        (
            "rfc8032 test SHA(abc)",
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            hashlib.sha512(b"abc").digest(),
        ),
    ]
    cases = []
    for name, seed, message in known:
        expanded = hashlib.sha512(bytes.fromhex(seed)).digest()
        secret = int.from_bytes(expanded[:32], "little") & (1 << 254) - 8 | 1 << 254
        nonce = int.from_bytes(hashlib.sha512(expanded[32:] + message).digest(), "little") % L
        case = signed(name, times(secret, B), times(nonce, B), secret, nonce, True, message)
        cases.append({**case, "seed": seed})
    return cases


def ed25519_small_order() -> list[Case]:
    """Keys and R of small order for which the equation would hold; keys and R with such a component."""
    a, nonce = times(SECRET, B), 977
    r = times(nonce, B)
    cases = []
    for i, point in enumerate(TORSION):
        k_cancels, _ = find(point, point, True)
        cases.append(signed(f"key of small order {i}", point, times(k_cancels, B), 0, k_cancels, False))
        cases.append(signed(f"R of small order {i}", a, point, SECRET, 0, False))
    mixed = add(a, TORSION[1])
    cancels, _ = find(mixed, TORSION[1], True)
    remains, _ = find(mixed, TORSION[1], False)
    return [
        *cases,
        signed("key with a small component that cancels", mixed, times(cancels, B), SECRET, cancels, True),
        signed("key with a small component that remains", mixed, times(remains, B), SECRET, remains, False),
        signed("R with a small component", a, add(r, TORSION[1]), SECRET, nonce, False),
        signed("key and R of small order", TORSION[0], TORSION[0], 0, 0, False),
    ]


def ed25519_encodings() -> list[Case]:
    """The same numbers in another form, and numbers out of range."""
    a, nonce = times(SECRET, B), 977
    r = times(nonce, B)
    k = challenge(encode(r), encode(a), MESSAGE)
    s = (nonce + k * SECRET) % L
    high_y = next(y for y in range(2, 19) if with_y(y) is not None)
    return [
        edge("ordinary", encode(a), encode(r), s, True),
        edge("S plus the order", encode(a), encode(r), s + L, False),
        edge("S plus eight times the order", encode(a), encode(r), s + 8 * L, False),
        edge("S with its top bit set", encode(a), encode(r), s | 1 << 255, False),
        edge("S is the order", encode(a), encode(r), L, False),
        edge("S is zero", encode(a), encode(r), 0, False),
        edge("key with y at or above p", (P + high_y).to_bytes(32, "little"), encode(r), s, False),
        edge("R with y at or above p", encode(a), (P + high_y).to_bytes(32, "little"), s, False),
        edge("key neutral, y is p plus one", (P + 1).to_bytes(32, "little"), encode(r), nonce, False),
        edge("key neutral, sign of zero set", (1 | 1 << 255).to_bytes(32, "little"), encode(r), nonce, False),
        edge("key not on the curve", (2).to_bytes(32, "little"), encode(r), s, False),
        edge("other message", encode(a), encode(r), s, False, MESSAGE + b"."),
        edge("key with the other sign", encode((P - a[0], a[1])), encode(r), s, False),
        edge("all zero", bytes(32), bytes(32), 0, False),
    ]


# --- P-256 (SP 800-186, 3.2.1.3) ---

Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
CURVE_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def weierstrass_times(scalar: int, point: Point) -> Point:
    """Scalar multiple on P-256, for scalars from 1 to n - 1."""
    total: Point | None = None
    while scalar:
        if scalar & 1:
            total = point if total is None else weierstrass_add(total, point)
        point, scalar = weierstrass_add(point, point), scalar >> 1
    assert total is not None
    return total


def weierstrass_add(a: Point, b: Point) -> Point:
    """Sum on P-256, never called with a point and its negative."""
    if a == b:
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, Q) % Q
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, Q) % Q
    x = (slope * slope - a[0] - b[0]) % Q
    return x, (slope * (a[0] - x) - a[1]) % Q


def on_curve(x: int) -> bool:
    """Whether P-256 has a point with this x."""
    square = (x**3 - 3 * x + CURVE_B) % Q
    return pow(square, (Q - 1) // 2, Q) == 1


def compress(point: Point) -> bytes:
    """SEC 1, 2.3.3."""
    return bytes([2 + point[1] % 2]) + point[0].to_bytes(32, "big")


def p256_cases() -> list[Case]:
    """An ordinary signature, its other form, and everything out of range."""
    message, nonce = b"an edge of P-256", 0x1234567890ABCDEF1234567890ABCDEF
    key = compress(weierstrass_times(SECRET, G))
    e = int.from_bytes(hashlib.sha256(message).digest(), "big")
    r = weierstrass_times(nonce, G)[0] % N
    s = pow(nonce, -1, N) * (e + r * SECRET) % N
    low = min(s, N - s)
    flipped = bytes([key[0] ^ 1]) + key[1:]
    off_curve = next(x for x in range(1, 100) if not on_curve(x))
    too_big = next(x for x in range(1, 100) if on_curve(x))
    good = r.to_bytes(32, "big") + low.to_bytes(32, "big")

    def case(name: str, key: bytes, signature: bytes, code: str | None) -> Case:
        return {
            "name": name,
            "key": "02" + key.hex(),
            "message": message.hex(),
            "signature": "02" + signature.hex(),
            "code": code,
        }

    def numbers(name: str, r: int, s: int, code: str | None) -> Case:
        return case(name, key, r.to_bytes(32, "big") + s.to_bytes(32, "big"), code)

    return [
        numbers("ordinary", r, low, None),
        numbers("high s", r, N - low, "signature.range"),
        numbers("r is zero", 0, low, "signature.range"),
        numbers("s is zero", r, 0, "signature.range"),
        numbers("r is n", N, low, "signature.range"),
        numbers("r is n - 1", N - 1, low, "signature.wrong"),
        numbers("r is 1", 1, low, "signature.wrong"),
        numbers("s is 1", r, 1, "signature.wrong"),
        numbers("s is n // 2", r, N // 2, "signature.wrong"),
        numbers("s is n // 2 + 1", r, N // 2 + 1, "signature.range"),
        numbers("s is n", r, N, "signature.range"),
        numbers("s plus n does not fit low", r, 2**256 - 1, "signature.range"),
        case("key with the other sign", flipped, good, "signature.wrong"),
        case("signature one byte short", key, good[:-1], "signature.length"),
        case("signature one byte long", key, good + b"\0", "signature.length"),
        case("signature empty", key, b"", "signature.length"),
        case("key one byte short", key[:-1], good, "signature.length"),
        case("key one byte long", key + b"\0", good, "signature.length"),
        case("key is the point at infinity", b"\0", good, "signature.length"),
        case("key is infinity, padded", bytes(33), good, "signature.key"),
        case("key with the mark of an uncompressed point", b"\4" + key[1:], good, "signature.key"),
        case("key not on the curve", b"\2" + off_curve.to_bytes(32, "big"), good, "signature.key"),
        case(
            "key with x at or above the field prime",
            b"\2" + (Q + too_big).to_bytes(32, "big"),
            good,
            "signature.key",
        ),
    ]


def write(name: str, cases: Callable[[], list[Case]]) -> None:
    """Store the cases beside this file."""
    text = json.dumps(cases(), indent=1, ensure_ascii=True) + "\n"
    (Path(__file__).parent / name).write_text(text, encoding="ascii")


if __name__ == "__main__":
    write("ed25519.json", lambda: ed25519_rfc8032() + ed25519_encodings() + ed25519_small_order())
    write("p256.json", p256_cases)
