"""Looks for what is confidential in all files of a node, in the forms in which a program might write it."""

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from traco.kernel.codec import encode

SHORTEST: Final = 8  # bytes: nothing that long stands in ciphertext by chance
UNPACKED_BYTES: Final = 4_000_000  # looked at of one compressed stream
STREAMS: Final = (
    (b"\x78\x01", 15),
    (b"\x78\x5e", 15),
    (b"\x78\x9c", 15),
    (b"\x78\xda", 15),
    (b"\x1f\x8b\x08", 31),
)
"""How compressed streams begin, and what zlib calls their kinds."""


class Scan(NamedTuple):
    """What was looked at, and what was found where."""

    files: int
    size: int
    found: tuple[str, ...]


def forms(names: Mapping[str, bytes], amounts: Mapping[str, int]) -> dict[str, bytes]:
    """Names and ids as bytes, hex and base64; amounts in digits and as the ledger's records hold them.

    Raises ``ValueError`` for what is so short that it could be there by chance.
    """
    found = {f"{title} {amount}": str(amount).encode() for title, amount in amounts.items()}
    found |= {f"{title} {amount}, encoded": encode(amount) for title, amount in amounts.items()}
    for title, plain in names.items():
        found[title] = plain
        found[f"{title}, backwards"] = plain[::-1]
        found[f"{title} in hex"] = plain.hex().encode()
        found |= {f"{title} in base64, {shift}": _base64(plain, shift) for shift in range(3)}
    short = [title for title, form in found.items() if len(form) < SHORTEST]
    if short:
        raise ValueError(f"too short to be looked for: {', '.join(short)}")
    return found


def _base64(plain: bytes, shift: int) -> bytes:
    """The part of the base64 of something longer that depends on the plain bytes alone, which begin ``shift`` bytes in."""
    first, last = -(-shift * 4 // 3), (shift + len(plain)) // 3 * 4
    return base64.b64encode(b"\0" * shift + plain)[first + (shift > 0) : last]


def scan(folder: Path, wanted: Mapping[str, bytes]) -> Scan:
    """Look through all files below a folder, and through what is compressed in them."""
    files, size, found = 0, 0, list[str]()
    for path in sorted(folder.rglob("*")):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except OSError:
            continue  # a running node did away with it meanwhile
        files, size = files + bool(content), size + len(content)
        found += [f"{title} in {path.name}" for title in found_in(content, wanted)]
    return Scan(files, size, tuple(found))


def found_in(content: bytes, wanted: Mapping[str, bytes]) -> list[str]:
    """The titles of what stands in some bytes, or in what is compressed there."""
    places = (content, *_unpacked(content))
    return [title for title, form in wanted.items() if _stands_in(form, places)]


def _stands_in(form: bytes, places: Iterable[bytes]) -> bool:
    return any(form in place for place in places)


def _unpacked(content: bytes) -> Iterator[bytes]:
    whole = memoryview(content)  # slices of it are not copied
    for magic, kind in STREAMS:
        place = content.find(magic)
        while place >= 0:
            try:
                unpacked = zlib.decompressobj(kind).decompress(
                    whole[place : place + UNPACKED_BYTES], UNPACKED_BYTES
                )
            except zlib.error:
                unpacked = b""
            if len(unpacked) >= SHORTEST:
                yield unpacked
            place = content.find(magic, place + 1)
