"""The module's limits and delays: consensus values, founded by the genesis and changed by the council."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Record

ONE_DAY_MS = 86_400_000


class PartyParameters(Record, frozen=True, tag=1):
    """How much a party may have, and how long a recovery waits."""

    max_keys: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    max_identifiers: Annotated[int, msgspec.Meta(ge=1, le=32)] = 8
    max_rules: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    max_nodes: Annotated[int, msgspec.Meta(ge=1, le=64)] = 16
    recovery_delay_ms: Annotated[int, msgspec.Meta(ge=60_000, le=90 * ONE_DAY_MS)] = 3 * ONE_DAY_MS
