"""What crosses the edge of channels: instruments that several ledgers hold, and of which no channel gives out more than it got.

A channel's members could claim to hold what does not exist. What they then do stays inside: the root counts what each
channel took in of each such instrument, and lets no more out. What leaves is promised from the ordering on, so that two
attempts never count on the same amount; what comes in counts once the attempt commits.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec.structs import replace

from traco.kernel.codec import MAX_AMOUNT
from traco.kernel.module import Context
from traco.modules.channel.errors import EdgeExceeded, LegsWrong
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import EdgeMovement, LegTerms


def check_balanced(legs: Sequence[LegTerms]) -> None:
    """Of each instrument, what leaves some ledgers enters others; each stands once in a leg, in ascending order.

    Raises ``LegsWrong``.
    """
    sums: dict[bytes, int] = {}
    for leg in legs:
        if any(earlier.instrument >= later.instrument for earlier, later in pairwise(leg.edges)):
            raise LegsWrong("order of instruments")
        for movement in leg.edges:
            sums[movement.instrument] = sums.get(movement.instrument, 0) + movement.amount
            if movement.amount == 0:
                raise LegsWrong("movement of nothing")
    if any(sums.values()):
        raise LegsWrong("sum of an instrument's movements")


def reserve(keeper: Keeper, context: Context, channel: bytes, movements: Sequence[EdgeMovement]) -> None:
    """Promise what a leg moves over the channel's edge. Raises ``EdgeExceeded``, and ``LegsWrong`` above every total."""
    for movement in movements:
        edge = keeper.edge(context.state, movement.instrument, channel)
        if movement.amount < 0:
            available = edge.imported - edge.outgoing
            if -movement.amount > available:
                raise EdgeExceeded(channel, movement.instrument, available)
            edge = replace(edge, outgoing=edge.outgoing - movement.amount)
        else:
            if edge.imported + edge.incoming + movement.amount > MAX_AMOUNT:
                raise LegsWrong("amount")  # so that nothing can stop the decision
            edge = replace(edge, incoming=edge.incoming + movement.amount)
        keeper.write_edge(context, movement.instrument, channel, edge)


def settle(
    keeper: Keeper, context: Context, channel: bytes, movements: Sequence[EdgeMovement], committed: bool
) -> None:
    """End what ``reserve`` promised: it happened, or it is taken back."""
    for movement in movements:
        edge = keeper.edge(context.state, movement.instrument, channel)
        if movement.amount < 0:
            edge = replace(edge, outgoing=edge.outgoing + movement.amount)
        else:
            edge = replace(edge, incoming=edge.incoming - movement.amount)
        if committed:
            edge = replace(edge, imported=edge.imported + movement.amount)
        keeper.write_edge(context, movement.instrument, channel, edge)
