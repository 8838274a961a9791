"""What the root's blocks tell of channels, read from a node's ledger file."""

from collections.abc import Iterator
from typing import Final

from traco.channels.seat.ports import RootBlock
from traco.kernel.registry import Registry
from traco.storage import SnapshotReader
from traco.storage.committed import BeforeSnapshot

_TAG: Final = b"channel."  # in every event of the module; a receipt without it need not be decoded


def told_blocks(reader: SnapshotReader, registry: Registry, after: int, limit: int) -> Iterator[RootBlock]:
    """Up to ``limit`` committed blocks behind a height, with the events of transactions that say something of channels.

    Raises ``BeforeSnapshot`` where the file begins later.
    """
    snapshot = reader.snapshot()
    if snapshot is None:
        return
    with snapshot:
        if after < snapshot.first_height > 0:
            raise BeforeSnapshot(snapshot.first_height)
        found = snapshot.blocks(after, limit)
    for block in found:
        receipts = [registry.receipt.trusted(leaf.receipt) for leaf in block.leaves if _TAG in leaf.receipt]
        told = [(event, each.identity) for each in receipts if each.failure is None for event in each.events]
        events, origins = tuple(event for event, _ in told), tuple(origin for _, origin in told)
        yield RootBlock(block.height, block.time_ms, events, origins)
