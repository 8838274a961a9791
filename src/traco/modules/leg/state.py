"""Records of this module and their keys.

legs       attempt -> ``OpenLeg``, while the attempt is undecided; what it holds is in the batch hold of the same id
"""

from typing import Final

from traco.kernel.codec import Hash, Record, TimeMs
from traco.kernel.state import Table

PREFIX: Final = 0x08
OWNER: Final = "leg"  # of batch holds


class OpenLeg(Record, frozen=True, tag=1):
    """A leg that is held: of which terms, by which commitment, since when."""

    terms: Hash
    commitment: Hash
    since_ms: TimeMs


LEGS: Final[Table[OpenLeg]] = Table(PREFIX, 0x01, OpenLeg)
