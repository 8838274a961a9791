"""The replicas of channels, each in a SQLite file of its own: ``channels/<id>.db`` in the node's directory, snapshots beside it."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from traco.channels.seat.archive import Archive
from traco.channels.seat.ports import ChannelStore
from traco.node.channels.writing import write_beside
from traco.storage import LedgerStore
from traco.storage.blanking import blank_envelopes

CHANNELS_FOLDER: Final = "channels"
BOOK_FILE: Final = "channels/channels.db"
CUSTODY_FILE: Final = "channels/custody.db"
EXECUTORS_LOCK: Final = "channels/executors.lock"


def replica_path(directory: Path, channel: bytes) -> Path:
    """The file of a channel's replica."""
    return directory / CHANNELS_FOLDER / f"{channel.hex()}.db"


def concerns_path(replica: Path) -> Path:
    """The file in which the API keeps whom a replica's objects concern."""
    return replica.with_suffix(".concerns.db")


class ChannelStores:
    """Opens and discards them."""

    def __init__(self, directory: Path, network: bytes) -> None:
        self._directory, self._network = directory, network

    def open(self, channel: bytes) -> ChannelStore:
        """The store of a channel, made where there was none. Raises ``StorageHalt``."""
        return LedgerStore(replica_path(self._directory, channel), self._network, channel)

    def archive(self) -> Archive:
        """The snapshots of channels, in folders beside the replicas."""
        return Archive(partial(replica_path, self._directory), asyncio.to_thread, write_beside)

    def blank(self, channel: bytes, through: int) -> None:
        """Destroy the transactions that a store, which is closed, keeps with its blocks up to a point. Raises ``StorageHalt``."""
        blank_envelopes(replica_path(self._directory, channel), through)

    def discard(self, channel: bytes) -> None:
        """Delete a store that was closed. Everything in it is executed again."""
        path = replica_path(self._directory, channel)
        # whom it concerned goes with it: executed anew, the same place may be about somebody else
        for file in (path, concerns_path(path)):
            for suffix in ("", "-wal", "-shm"):
                file.with_name(file.name + suffix).unlink(missing_ok=True)
