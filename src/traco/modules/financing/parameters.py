"""Parameters of this module, changed by the council only."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Count, Record
from traco.modules.settlement.parameters import ONE_DAY_MS

YEAR_MS = 366 * ONE_DAY_MS
MOST_HOLDERS = 126  # a payment emits up to eight events per holder (three for a demand), a transaction 1024

Duration = Annotated[int, msgspec.Meta(ge=1_000, le=YEAR_MS)]


class FinancingParameters(Record, frozen=True, tag=1):
    """Terms of time, and how many holders one short payment may be divided among.

    ``max_life_ms``: of a request or an offer. ``reservation_ms``: from acceptance to the batch's deadline; at most the
    settlement module's ``max_life_ms``. ``zone_minutes``: east of UTC, of the days that due dates are. ``recourse_days``:
    overdue for how long before recourse. ``recourse_ms``: from demand to default.
    """

    max_life_ms: Duration = 90 * ONE_DAY_MS
    reservation_ms: Duration = ONE_DAY_MS
    zone_minutes: Annotated[int, msgspec.Meta(ge=-14 * 60, le=14 * 60)] = 0
    recourse_days: Count = 30
    recourse_ms: Duration = 5 * ONE_DAY_MS
    max_holders: Annotated[int, msgspec.Meta(ge=1, le=MOST_HOLDERS)] = 120
