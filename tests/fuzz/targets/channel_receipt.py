"""``verify_channel_receipt`` raises ``ReceiptInvalid`` and nothing else, and accepts no bytes but those of the genuine receipt.

If broken: somebody proves to a court what never happened in a channel.
"""

from pathlib import Path
from typing import Final

from msgspec.structs import replace

from fuzz.claims import require
from fuzz.mutation import Chance, of_messagepack
from independent.channel_forging import scene
from independent.forging import GENESIS
from traco.client.channel_receipts import ChannelReceipt, verify_channel_receipt
from traco.kernel.codec import Codec, encode
from traco.kernel.finality import ReceiptInvalid
from traco.modules.channel.digests import point_digest
from traco.modules.channel.parts import LegResult

_FILE: Final[Codec[ChannelReceipt]] = Codec(ChannelReceipt)
_GENUINE: Final = scene(later=1, legs=(LegResult(b"a" * 32, True),)).file()


def sample() -> bytes:
    """A genuine receipt, of a point that was confirmed with the one behind it."""
    return _GENUINE


def check(raw: bytes, _folder: Path) -> None:
    """Verify under the genesis of the tests' network."""
    try:
        verify_channel_receipt(raw, GENESIS)
    except ReceiptInvalid as error:
        require(raw != _GENUINE, error.code)
        return
    assert raw == _GENUINE, "a forged receipt was accepted"


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change one place; sometimes have the points follow each other again, as a member could make them."""
    forged = of_messagepack(raw, chance)
    try:
        return _rechained(_FILE.trusted(forged)) if chance.one_in(2) else forged
    except (ValueError, RecursionError):
        return forged


def _rechained(file: ChannelReceipt) -> bytes:
    points = list(file.points[:1])
    for point in file.points[1:]:
        points.append(replace(point, previous=point_digest(points[-1])))
    return encode(replace(file, points=tuple(points)))
