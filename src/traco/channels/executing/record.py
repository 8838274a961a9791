"""What a channel's state says of the channel itself: how far its stream was executed, and by which terms.

Under the prefix of the root's module of channels, which does not run inside. Its place in the stream is part of the state, so that
a snapshot has it, and who goes on from one knows what must follow.

progress   () -> ``Progress``
epochs     () -> ``EpochRecord``: the present one
emptied    number -> ``Emptied``: an entry that was executed without its content because it is void
"""

from typing import Final

from traco.kernel.codec import Hash, Height, Record
from traco.kernel.state import Table
from traco.modules.channel.parts import Epoch, Number, Terms

PREFIX: Final = 0x07


class Progress(Record, frozen=True, tag=1):
    """The last entry that was executed, the chain's hash behind it, and its root block."""

    number: Number
    chain: Hash
    height: Height


class EpochRecord(Record, frozen=True, tag=1):
    """The epoch that began last. Its modules run from the next point on; those of the first from the first."""

    epoch: Epoch
    terms: Terms


class Emptied(Record, frozen=True, tag=1):
    """Says that the entry was void when it was executed; until the stream says so too."""


PROGRESS: Final[Table[Progress]] = Table(PREFIX, 0x01, Progress)
EPOCHS: Final[Table[EpochRecord]] = Table(PREFIX, 0x02, EpochRecord)
EMPTIED: Final[Table[Emptied]] = Table(PREFIX, 0x03, Emptied)


def number_part(number: int) -> bytes:
    """The number of an entry as a part of a key."""
    return number.to_bytes(8, "big")
