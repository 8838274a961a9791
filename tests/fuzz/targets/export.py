"""An exported ledger is read frame by frame or ``CopyRefused``; blocks come in order, and one changed frame breaks the chain.

If broken: importing takes a changed history, or a small file fills the memory. Executing what was read is not part of it.
"""

import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from fuzz.claims import require
from fuzz.mutation import Chance, of_messagepack
from traco.node.copies import CopyRefused
from traco.node.transfer import HASH_BYTES, LENGTH_BYTES, MAGIC, BlockFrame, EndFrame, _Reader

LARGEST: Final = 1_048_576  # of what a mutation unpacks


def check(raw: bytes, folder: Path) -> None:
    """Read up to the end."""
    path = folder / "it.export"
    path.write_bytes(raw)
    heights: list[int] = []
    try:
        with _Reader(path) as reader:
            while not isinstance(frame := reader.frame(), EndFrame):
                if isinstance(frame, BlockFrame):
                    heights.append(frame.height)
            reader.require_nothing_more()
    except CopyRefused as error:
        require(error.code.startswith("import."), error.code)
    assert heights == list(range(1, len(heights) + 1))


def packed(payloads: list[bytes]) -> bytes:
    """The file of these frames, rightly chained."""
    framed, chain = b"", bytes(HASH_BYTES)
    for payload in payloads:
        chain = sha256(chain + payload).digest()
        framed += len(payload).to_bytes(LENGTH_BYTES, "big") + payload + chain
    return MAGIC + zlib.compress(framed)


def _frames(framed: bytes) -> Iterator[bytes]:
    position = 0
    while position + LENGTH_BYTES <= len(framed):
        length = int.from_bytes(framed[position : position + LENGTH_BYTES], "big")
        yield framed[position + LENGTH_BYTES : position + LENGTH_BYTES + length]
        position += LENGTH_BYTES + length + HASH_BYTES


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change one frame and chain anew, or the frames' bytes, or the file's."""
    try:
        framed = zlib.decompressobj().decompress(raw.removeprefix(MAGIC), LARGEST)
    except zlib.error:
        return chance.raw(raw)
    match chance.draw.randrange(6):
        case 0:
            return chance.raw(raw)
        case 1:
            return MAGIC + zlib.compress(chance.raw(framed))
        case _:
            payloads = list(_frames(framed)) or [b""]
            place = chance.draw.randrange(len(payloads))
            payloads[place] = of_messagepack(payloads[place], chance)
            return packed(payloads)
