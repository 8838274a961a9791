"""Looks for what is planted in a channel in everything that a node stores, gets or sends, whatever it is written as."""

import base64
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_STREAMS: Final = (
    (b"\x78\x01", 15),
    (b"\x78\x5e", 15),
    (b"\x78\x9c", 15),
    (b"\x78\xda", 15),
    (b"\x1f\x8b\x08", 31),
)
"""How compressed streams begin, and what zlib calls their kinds."""

_LEAST: Final = 8  # bytes of a form: ten megabytes of ciphertext have it with a chance of 1 in 10^12
_UNPACKED: Final = 4_000_000  # bytes that are looked at of one stream


def forms(text: str, amounts: Iterable[int]) -> dict[str, bytes]:
    """A name and amounts, as they might be written. None is so short that random bytes have it by chance."""
    raw = text.encode()
    found = {"text": raw, "utf-16": text.encode("utf-16-le"), "backwards": raw[::-1]}
    for amount in amounts:
        found[f"{amount} in digits"] = str(amount).encode()
        found[f"{amount} big-endian"] = amount.to_bytes((amount.bit_length() + 7) // 8, "big")
        found[f"{amount} little-endian"] = amount.to_bytes((amount.bit_length() + 7) // 8, "little")
    found |= {
        f"{name} as {form}": written
        for name, plain in list(found.items())
        for form, written in _written(plain)
    }
    assert min(map(len, found.values())) >= _LEAST, "plant something longer"
    return found


def _written(plain: bytes) -> Iterator[tuple[str, bytes]]:
    yield "hex", plain.hex().encode()
    yield "HEX", plain.hex().upper().encode()
    for shift in range(3):
        # base64 of something longer in which the plain bytes stand; what depends on its neighbours is left out
        for form, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            first, last = -(-shift * 4 // 3), (shift + len(plain)) // 3 * 4
            yield f"{form} {shift}", encode(b"\0" * shift + plain)[first + (shift > 0) : last]


def found_in(content: bytes, planted: dict[str, bytes]) -> list[str]:
    """Which forms stand in some bytes, or in what is compressed there."""
    found = [name for name, form in planted.items() if form in content]
    for unpacked in _unpacked(content):
        found += [f"{name}, compressed" for name, form in planted.items() if form in unpacked]
    return found


def _unpacked(content: bytes) -> Iterator[bytes]:
    for magic, kind in _STREAMS:
        place = content.find(magic)
        while place >= 0:
            try:
                unpacked = zlib.decompressobj(kind).decompress(content[place : place + _UNPACKED], _UNPACKED)
            except zlib.error:
                unpacked = b""
            if len(unpacked) > len(magic):
                yield unpacked
            place = content.find(magic, place + 1)


def found_under(folder: Path, planted: dict[str, bytes]) -> list[str]:
    """Which forms stand in the files of a folder."""
    return [
        f"{name} in {path.name}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for name in found_in(path.read_bytes(), planted)
    ]
