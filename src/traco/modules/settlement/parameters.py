"""Parameters of this module, changed by the council only."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Record
from traco.modules.settlement.messages import MOST_LEGS, MOST_SETTLERS

ONE_DAY_MS = 86_400_000


class SettlementParameters(Record, frozen=True, tag=1):
    """How large a batch may be, and how long it may stay open.

    ``max_chain``: legs in a chain of pass-throughs, the first included. ``max_life_ms``: from creation to deadline; what
    a complete batch holds cannot be withdrawn before then.
    """

    max_legs: Annotated[int, msgspec.Meta(ge=1, le=MOST_LEGS)] = 64
    max_settlers: Annotated[int, msgspec.Meta(ge=1, le=MOST_SETTLERS)] = 8
    max_chain: Annotated[int, msgspec.Meta(ge=1, le=MOST_LEGS)] = 8
    max_life_ms: Annotated[int, msgspec.Meta(ge=1_000, le=366 * ONE_DAY_MS)] = 30 * ONE_DAY_MS
