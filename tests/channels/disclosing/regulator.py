"""What a registrar's node shows a regulator over a simulated root, and the root as the regulator's own node has it."""

import asyncio

from channels.seat.sites import MemoryRoot, Sites
from traco.channels.disclosing.total import (
    ChannelTotal,
    ProvenValue,
    TotalFile,
    channels_of,
    edge_key,
    supply_key,
)
from traco.channels.seat.totalling import Totaller


class RegulatorsRoot:
    """The root as a regulator's node has it."""

    def __init__(self, root: MemoryRoot) -> None:
        self._root = root
        self.genesis, self.reading, self.blocks = root.genesis, root.reading, root.blocks
        self.network = root.ledger.application.network

    def state_root(self, height: int) -> bytes | None:
        blocks = self._root.ledger.store.blocks
        return blocks[height].state_root if height < len(blocks) else None


async def made(sites: Sites, instrument: bytes) -> TotalFile:
    """What the registrar's node shows as of the root's present block."""
    application, seats = sites.root.ledger.application, sites["a"].running
    height, tree = application.info().height, application.tree

    def proven(key: bytes) -> ProvenValue:
        return ProvenValue(tree.get(key), tree.prove(key))

    found = channels_of(sites.state, height, sites.ids["a"])
    supply, edges = (
        proven(supply_key(instrument)),
        {each: proven(edge_key(instrument, each)) for each in found},
    )
    totaller = Totaller(sites.root, sites["a"].book, seats.discloser, seats.hosted)
    origins = {origin: block.height for block in sites.root.blocks(0, 1_000_000) for origin in block.origins}
    parts = list[ChannelTotal]()
    for channel in found:
        making = asyncio.create_task(totaller.part(channel, instrument, height))
        await sites.until(making.done)
        each = making.result()
        parts.append(
            ChannelTotal(
                channel, edges[channel], each.summary, each.blind, each.state_root, each.history_root, each.history_size,
                each.supply, each.links, origins[each.origin],
            )
        )  # fmt: skip
    return TotalFile(sites.network, sites.ids["a"], instrument, height, supply, tuple(parts))
