"""Bytes on which two readers of MessagePack or JSON are likely to differ; the same ones in every run."""

import json
from random import Random
from typing import Any, Final

import msgspec

from support.ledger import Key
from traco.kernel.codec import encode

# Each in hex: numbers, texts, bytes, maps with keys that Python holds for equal, extensions, times
EDGES: Final = """
c0 c1 c2 c3 ca3f800000 cb3ff0000000000000 cb7ff8000000000000 cb7ff0000000000001 cb8000000000000000 cc7f cc80 cd00ff cd0100
ce0000ffff ce00010000 cf00000000ffffffff cf0000000100000000 cfffffffffffffffff d0df d0e0 d07f d1ff7f d1ff80 d2ffff7fff
d2ffff8000 d3ffffffff7fffffff d3ffffffff80000000 d30000000100000000 d38000000000000000 ff e0 7f a0 a161 d90161 da000161
db0000000161 a1ff a3eda080 a4f09f9880 a4f4908080 a3efbbbf a2c080 c400 c40161 c5000161 c60000000161 80 810102 8201020103
820102 8201020203 820102c303 820102cb3ff000000000000003 819001 81910101 818001 81c001 820001c202 820001cb800000000000000002
82c40001a002 82cb7ff800000000000001cb7ff800000000000002 8291010191c302 8291a16101 91c4016102 de00010102 df000000010102 90 9100 dc0000
dc000100 dd00000000 dd0000000100 d40100 d4ff00 d50100 d5010000 d601000000 d60100000000 d6ff00000001 d6ff80000000
d7ff0000000000000001 d7ff0000000400000001 d7ff00000fa000000001 d7ff00000fa300000001 d7ff0000000100000000 d7ff00000003ffffffff
d7fffffffffc00000001 d7ffee6b280000000001 d7ffee6b27fc00000001 c70cff000000000000000000000001 c70cff00000fa00000000000000001
c70cff00000000ffffffffffffffff c70cff000000000000000400000000 c70cff3b9aca000000000000000001 c70cff3b9ac6180000000400000000
c70cff3b9ac618ffffffffffffffff c70cff000000007fffffffffffffff c70cff00000000fffffff1886e0900 c70cff00000000fffffff1886e08ff
c70cff000000000000003afff4417f c70cff000000000000003afff44180 c70cff3b9ac6180000003afff4417f c70001 c7010100 c70301000000
c7040100000000 c8000101 c90000000101 81d4010001 8191d4010001 82d6ff0000000101d6ff0000000102 c705ff0000000000 d801
"""

NUMBERS: Final = (
    "1.0", "1e3", "-0", "-1", "01", "1.", ".5", "-", "+1", "1e999", "1e-999", "NaN", "0", "1", "16", "17", "1024", "59999",
    "60000", "65536", "65537", "67108864", "67108865", "9007199254740992", "9007199254740993", "9223372036854775807",
    "9223372036854775808", "-9223372036854775807", "-9223372036854775808", "18446744073709551616", "1" * 40, "1" * 4_300,
    "1" * 4_301, "-" + "1" * 4_299, "-" + "1" * 4_300,
)  # fmt: skip
TEXTS: Final = (
    '""', '"x"', "'a'", '"\\ud800"', '"\\udc00"', '"\\ud83d\\ude00"', '"\\ud83dx"', '"\\ud83d\\u0041"', '"\\u0000"', '"\\/"',
    '"\\x"', '"\\u00zz"', '"\x01"', '"\x7f"', '"\u2028"', '"a\nb"', '"' + "é" * 128 + '"', '"' + "\U0001f600" * 128 + '"',
    '"' + "a" * 128 + '"',
    '"' + "a" * 129 + '"', '"e\\u0301"', '"\\u00e9"',
)  # fmt: skip
OTHERS: Final = (
    "true", "false", "null", "nul", "[]", "{}", "[1,]", '{"a":1,}', "[1.5]", "/**/1", "[[[[]]]]", '{"__proto__":1}',
    '{"constructor":{}}', '{"x":1,"x":1.5}', '{"x":1.5,"x":1}', '{"x":1e999,"x":1}', '{"x":{},"x":2}',
    '{"\U0001f600":1,"\uffff":2,"\u20ac":3,"a":4,"B":5,"":6,"ab":7}', '{"\\u0061":1,"a":2}',
)  # fmt: skip
FRAGMENTS: Final = (*NUMBERS, *TEXTS, *OTHERS)
SECTIONS: Final = (
    "window_ms", "max_transaction_bytes", "max_envelope_bytes", "max_block_bytes", "max_depth", "due_budget",
    "history_horizon", "max_events", "max_signatures", "nothing",
)  # fmt: skip
NAMES: Final = (
    "name",
    "purpose",
    "time_ms",
    "seal",
    "format",
    "protocol",
    "parameters",
    "modules",
    "extra",
    "toString",
)


def edges() -> list[bytes]:
    """The values of ``EDGES``; some are cut short."""
    return [bytes.fromhex(text) for text in EDGES.split()]


def some_value(random: Random, depth: int = 0) -> bytes:
    """MessagePack of some shape; often not canonical, sometimes none at all."""
    chance = random.random()
    if depth > 3 or chance < 0.5:
        return _scalar(random)
    count = random.choice((0, 1, 2, 3, 15, 16)) if chance > 0.95 else random.randrange(4)
    head = 0x90 if chance < 0.8 else 0x80
    items = [some_value(random, depth + 1) for _ in range(count if head == 0x90 else 0)]
    for _ in range(count if head == 0x80 else 0):
        items += [
            _key(random) if random.random() < 0.7 else some_value(random, depth + 1),
            some_value(random, depth + 1),
        ]
    wide = b"\xdc" if head == 0x90 else b"\xde"
    return (bytes([head + count]) if count < 16 else wide + count.to_bytes(2, "big")) + b"".join(items)


def _key(random: Random) -> bytes:
    keys = ("", "a", "b", 0, 1, True, False, None, 1.0, 0.0, b"a", [1], [True], 1.5, 2**60, -1)
    return encode(random.choice(keys))


def _scalar(random: Random) -> bytes:
    makers = (
        lambda: random.choice(edges()),
        lambda: random.randbytes(1),
        lambda: encode(random.choice((1, -1)) * random.randrange(1 << random.randrange(1, 64))),
        lambda: encode("é" * random.choice((0, 15, 16, 127, 128))),
        lambda: encode(bytes(random.choice((0, 1, 255, 256, 65_535, 65_536)))),
        lambda: bytes([random.randrange(0xC4, 0xE0)]) + random.randbytes(random.choice((1, 2, 3, 4, 8, 12))),
        lambda: b"\xd7\xff" + random.randbytes(8),
        lambda: b"\xc7\x0c\xff" + (random.randrange(10**6) * 1_000).to_bytes(4, "big") + random.randbytes(8),
        lambda: _key(random),
    )
    return random.choice(makers)()


class _Raw(str):
    """JSON that is written as it is."""

    __slots__ = ()


def some_genesis(random: Random, founding: bytes) -> bytes:
    """A genesis document, changed here and there, in some layout; often none any more."""
    document = json.loads(founding)
    for _ in range(random.randrange(3)):
        _change(random, document)
    raw = _written(random, document).encode("utf-8", "surrogatepass")
    chance, at = random.random(), random.randrange(len(raw))
    if chance < 0.1:
        return raw[:at] + random.randbytes(1) + raw[at + 1 :]
    if chance < 0.15:
        return raw[:at]
    if chance < 0.2:
        return (
            raw[:at] + random.choice((b" ", b",", b'"', b"\xef\xbb\xbf", b"\0", b"}", b"0", b"\\")) + raw[at:]
        )
    if chance < 0.22:
        return random.choice(
            (b"\xef\xbb\xbf" + raw, b" " + raw + b"\n", raw + b"x", raw + b"\0", b"\x0c" + raw)
        )
    return raw


def _change(random: Random, document: dict[str, Any]) -> None:
    key = Key("seal").public.hex()
    odd = _Raw(random.choice(FRAGMENTS))
    kind = random.randrange(6)
    if kind == 0:
        document[random.choice(NAMES)] = odd
    elif kind == 1:
        document.pop(random.choice(NAMES), None)
    elif kind == 2:
        document["modules"] = {
            random.choice(("a", "", "é")): {"x": odd, "list": [odd, _Raw(random.choice(NUMBERS))]}
        }
    elif kind == 3:
        limits = {random.choice(SECTIONS): odd, random.choice(SECTIONS): _Raw(random.choice(NUMBERS))}
        document["parameters"] = {random.choice(("kernel", "other")): limits}
    elif kind == 4:
        keys = (key, key.upper(), key[:-1], key + "00", key + "\n", odd)
        document["seal"] = {"kind": random.choice(("checkpoint", "other", odd)), "key": random.choice(keys)}
    else:
        document["purpose"] = random.choice(("test", "production", "Test", odd))


def _written(random: Random, value: Any) -> str:
    if isinstance(value, _Raw):
        return value
    if isinstance(value, dict):
        pairs = list(value.items())
        if random.random() < 0.3:
            random.shuffle(pairs)
        if pairs and random.random() < 0.1:
            pairs.insert(0, (random.choice(pairs)[0], random.choice((None, 1, "x", {}, _Raw("1.5")))))
        written = [
            f"{_written(random, name)}{_space(random)}:{_written(random, each)}" for name, each in pairs
        ]
        return "{" + f"{_space(random)},".join(written) + _space(random) + "}"
    if isinstance(value, list):
        return f"[{','.join(_space(random) + _written(random, each) for each in value)}]"
    if isinstance(value, str) and random.random() < 0.05:
        return '"' + "".join(f"\\u{ord(character):04x}" for character in value) + '"'
    return msgspec.json.encode(value).decode()


def _space(random: Random) -> str:
    return random.choice(("", "", "", " ", "\n", "\t", " \r\n"))
