"""The engine's timing and the module's limits: consensus values, founded by the genesis and changed by the council."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Record

Share = Annotated[int, msgspec.Meta(ge=100_000, le=1_000_000)]


class NetworkParameters(Record, frozen=True, tag=1):
    """How the engine paces itself, the same on every node; how many nodes there may be, and how concentrated their power.

    ``empty_block_ms``: an idle network makes a block this often, so block time is at most that much behind.
    ``propose_ms`` and ``vote_ms``: how long a round waits for its proposal and for votes; each further round of a height
    waits ``propose_step_ms`` and ``vote_step_ms`` longer. ``max_provider_ppm`` and ``max_region_ppm``: the greatest share of
    the voting power that may stand with one provider or in one region, in parts per million; 1,000,000 is no limit.
    An engine reads its pace when it starts: a change counts on a node from its next start on.
    The bounds keep a network usable: whatever the council decides, the engine can still decide on the next change.
    """

    empty_block_ms: Annotated[int, msgspec.Meta(ge=500, le=60_000)] = 3_000
    propose_ms: Annotated[int, msgspec.Meta(ge=100, le=30_000)] = 500
    propose_step_ms: Annotated[int, msgspec.Meta(ge=50, le=10_000)] = 100
    vote_ms: Annotated[int, msgspec.Meta(ge=50, le=30_000)] = 200
    vote_step_ms: Annotated[int, msgspec.Meta(ge=10, le=10_000)] = 50
    max_provider_ppm: Share = 1_000_000
    max_region_ppm: Share = 1_000_000
    max_nodes: Annotated[int, msgspec.Meta(ge=1, le=4_096)] = 1_024
