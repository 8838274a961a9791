"""A second judge of canonical MessagePack, written from the specification, without msgspec: every head in its shortest form."""

from typing import Final

_FLOAT64: Final = 0xCB
_SIZES: Final = {  # first byte: bytes of the length, least length that needs this form
    0xC4: (1, 0), 0xC5: (2, 2**8), 0xC6: (4, 2**16),  # bytes
    0xD9: (1, 32), 0xDA: (2, 2**8), 0xDB: (4, 2**16),  # text
    0xDC: (2, 16), 0xDD: (4, 2**16), 0xDE: (2, 16), 0xDF: (4, 2**16),  # arrays and maps
}  # fmt: skip
_UNSIGNED: Final = {0xCC: (1, 2**7), 0xCD: (2, 2**8), 0xCE: (4, 2**16), 0xCF: (8, 2**32)}
_EXTENSIONS: Final = {
    0xD4: 1,
    0xD5: 2,
    0xD6: 4,
    0xD7: 8,
    0xD8: 16,
}  # no record has any; a value of any type may
_LONG_EXTENSIONS: Final = {0xC7: (1, 0), 0xC8: (2, 2**8), 0xC9: (4, 2**16)}
_SIGNED: Final = {0xD0: (1, -(2**5)), 0xD1: (2, -(2**7)), 0xD2: (4, -(2**15)), 0xD3: (8, -(2**31))}


def is_canonical(raw: bytes) -> bool:
    """Whether ``raw`` is one value, in the shortest form that each of its parts has, with nothing behind it."""
    position, left = 0, 1
    while left:
        if position >= len(raw):
            return False
        first = raw[position]
        step = _step(raw, position, first)
        if step is None:
            return False
        size, more = step
        position += size
        left += more - 1
    return position == len(raw)


def _step(raw: bytes, position: int, first: int) -> tuple[int, int] | None:
    """Bytes that the value's head and own content take, and how many values follow inside; None if not canonical."""
    if first <= 0x7F or first >= 0xE0 or first in (0xC0, 0xC2, 0xC3):
        return 1, 0
    if first <= 0x8F:
        return 1, 2 * (first - 0x80)
    if first <= 0x9F:
        return 1, first - 0x90
    if first <= 0xBF:
        return 1 + first - 0xA0, 0
    if first == _FLOAT64:
        return 9, 0
    if first in _UNSIGNED:
        width, least = _UNSIGNED[first]
        return (
            (1 + width, 0)
            if int.from_bytes(raw[position + 1 : position + 1 + width], "big") >= least
            else None
        )
    if first in _SIGNED:
        width, most = _SIGNED[first]
        number = int.from_bytes(raw[position + 1 : position + 1 + width], "big", signed=True)
        return (1 + width, 0) if number < most else None
    if first in _EXTENSIONS:
        return 2 + _EXTENSIONS[first], 0
    if first in _LONG_EXTENSIONS:
        width, least = _LONG_EXTENSIONS[first]
        length = int.from_bytes(raw[position + 1 : position + 1 + width], "big")
        return (2 + width + length, 0) if length >= least and length not in _EXTENSIONS.values() else None
    return _sized(raw, position, first) if first in _SIZES else None


def _sized(raw: bytes, position: int, first: int) -> tuple[int, int] | None:
    width, least = _SIZES[first]
    length = int.from_bytes(raw[position + 1 : position + 1 + width], "big")
    if length < least:
        return None
    if first in (0xDC, 0xDD):
        return 1 + width, length
    if first in (0xDE, 0xDF):
        return 1 + width, 2 * length
    return 1 + width + length, 0
