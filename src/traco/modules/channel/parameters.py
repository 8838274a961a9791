"""The module's limits: consensus values, changed by the council."""

from typing import Annotated

import msgspec

from traco.kernel.codec import Record


class ChannelParameters(Record, frozen=True, tag=1):
    """How many channels a member may propose, and how much of each the root keeps.

    ``max_channels_of_member``: proposed by it, and not closed. What others name it in does not count: they could use it up.

    ``max_points``: points of a channel that are not confirmed; beyond it batches are refused until members attest.
    ``kept_points``: confirmed points whose votes are kept, to tell dissent. ``max_order_ahead_ms``: how far ahead receipts
    may end. ``max_missing``: entries that one member may have reported missing at once in a channel.
    """

    max_channels_of_member: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    max_points: Annotated[int, msgspec.Meta(ge=16, le=10_000)] = 1_000
    kept_points: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 64
    max_order_ahead_ms: Annotated[int, msgspec.Meta(ge=60_000, le=86_400_000)] = 3_600_000
    max_missing: Annotated[int, msgspec.Meta(ge=1, le=256)] = 16
