"""Changes to samples: of raw bytes, of the structure of MessagePack, JSON and marked-up text. All from one seeded source."""

import base64
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

import msgspec

MAX_NESTING: Final = 12
NUMBERS: Final = (
    -1,
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    65_535,
    65_536,
    2**31,
    2**32,
    2**53 - 1,
    2**53,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
TEXTS: Final = ("", "\0", "a", "\n", "é", "\u202e", "😀", "null", "%s", "{}", "..", "-", "1e9", "1.00000000000000000000000000000000001",
    "9" * 40, "x" * 600)  # fmt: skip
_OTHERS: Final[tuple[Any, ...]] = (None, True, False, [], {}, 0.5, "")
_MARKS: Final = (
    b"<a>",
    b"</a>",
    b"<!--",
    b"-->",
    b"<![CDATA[",
    b"]]>",
    b"&lt;",
    b"&#0;",
    b"&x;",
    b"<!DOCTYPE a [",
    b"<?xml ?>",
    b'xmlns="a"',
)
_NUMBER: Final = re.compile(rb"-?[0-9]+([.,][0-9]+)?")
Change = Callable[[bytes], bytes]


class Chance:
    """A seeded source of choices, and the fuzzer's own change of raw bytes."""

    def __init__(self, seed: int, raw: Change) -> None:
        self.draw: Final = Random(seed)
        self.raw: Final = raw

    def one_in(self, count: int) -> bool:
        """True once in so many times."""
        return self.draw.randrange(count) == 0


def of_messagepack(raw: bytes, chance: Chance) -> bytes:
    """The same MessagePack value with one place changed, in its canonical form; sometimes other bytes."""
    if chance.one_in(4):
        return chance.raw(raw)
    try:
        value = msgspec.msgpack.decode(raw)
        return msgspec.msgpack.encode(changed(value, chance))
    except (ValueError, RecursionError, OverflowError):
        return chance.raw(raw)


def of_json(raw: bytes, chance: Chance) -> bytes:
    """The same JSON value with one place changed; sometimes other bytes."""
    if chance.one_in(4):
        return chance.raw(raw)
    try:
        value = msgspec.json.decode(raw)
        return msgspec.json.encode(changed(value, chance))
    except (ValueError, RecursionError, OverflowError, TypeError):
        return chance.raw(raw)


def of_markup(raw: bytes, chance: Chance) -> bytes:
    """The same document with a piece between two angle brackets left out, repeated, moved or replaced."""
    pieces = raw.replace(b"<", b"\0<").replace(b">", b">\0").split(b"\0")
    if chance.one_in(4) or len(pieces) < 4:
        return chance.raw(raw)
    draw = chance.draw
    place, other = draw.randrange(len(pieces)), draw.randrange(len(pieces))
    numbers = [place for place, piece in enumerate(pieces) if _NUMBER.fullmatch(piece)]
    match draw.randrange(8):
        case 6 | 7 if numbers:
            pieces[draw.choice(numbers)] = draw.choice(TEXTS).encode()
        case 0:
            del pieces[place : place + draw.randrange(1, 6)]
        case 1:
            pieces[other:other] = pieces[place : place + draw.randrange(1, 12)]
        case 2:
            pieces[place], pieces[other] = pieces[other], pieces[place]
        case 3:
            pieces[place] = draw.choice(_MARKS)
        case 4:
            pieces[place] = draw.choice(TEXTS).encode()
        case _:
            pieces[place] = chance.raw(pieces[place])
    return b"".join(pieces)


def of_base64(change: Callable[[bytes, Chance], bytes]) -> Callable[[bytes, Chance], bytes]:
    """A change of what a base64url text holds."""

    def change_inside(raw: bytes, chance: Chance) -> bytes:
        if chance.one_in(4):
            return chance.raw(raw)
        try:
            inside = base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
        except ValueError:
            return chance.raw(raw)
        return base64.urlsafe_b64encode(change(inside, chance)).rstrip(b"=")

    return change_inside


def changed(value: Any, chance: Chance, depth: int = 0) -> Any:
    """A value made of plain types, with one place in it changed."""
    if depth > MAX_NESTING or chance.one_in(12):
        return _replaced(value, chance)
    if isinstance(value, list) and value:
        return _changed_list(value, chance, depth)
    if isinstance(value, dict) and value:
        return _changed_object(value, chance, depth)
    if isinstance(value, bytes):
        # bytes often hold a record of their own: a transaction in a receipt, a genesis in an export
        return of_messagepack(value, chance) if value[:1] >= b"\x90" else chance.raw(value)
    return _replaced(value, chance)


def _changed_list(value: list[Any], chance: Chance, depth: int) -> list[Any]:
    draw, place = chance.draw, chance.draw.randrange(len(value))
    match draw.randrange(10):
        case 0:
            return value[:place] + value[place + 1 :]
        case 1:
            return [*value[:place], value[place], *value[place:]]
        case 2:
            other = draw.randrange(len(value))
            swapped = list(value)
            swapped[place], swapped[other] = swapped[other], swapped[place]
            return swapped
        case _:
            return [*value[:place], changed(value[place], chance, depth + 1), *value[place + 1 :]]


def _changed_object(value: dict[Any, Any], chance: Chance, depth: int) -> dict[Any, Any]:
    draw, name = chance.draw, chance.draw.choice(list(value))
    match draw.randrange(10):
        case 0:
            return {key: item for key, item in value.items() if key != name}
        case 1:
            return {**value, draw.choice(TEXTS): value[name]}
        case 2:
            return {**value, name: draw.choice(list(value.values()))}
        case _:
            return {**value, name: changed(value[name], chance, depth + 1)}


def _replaced(value: Any, chance: Chance) -> Any:
    draw = chance.draw
    if isinstance(value, bool) or value is None or chance.one_in(6):
        return draw.choice(_others(value))
    if isinstance(value, int):
        return draw.choice(
            (draw.choice(NUMBERS), value + draw.choice((-1, 1)), value ^ (1 << draw.randrange(63)))
        )
    if isinstance(value, str):
        return draw.choice(
            (
                draw.choice(TEXTS),
                value[: draw.randrange(len(value) + 1)],
                value + draw.choice(TEXTS),
                _edited(value, chance),
            )
        )
    return draw.choice(_others(value))


def _edited(value: str, chance: Chance) -> str:
    return chance.raw(value.encode()).decode(errors="replace")


def _others(value: Any) -> Sequence[Any]:
    return (*_OTHERS, [value], [value] * 3)
