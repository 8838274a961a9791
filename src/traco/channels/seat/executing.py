"""Channels executed in this process, one after the other; ``traco.node.channels.executors`` has them executed in others."""

from collections.abc import Callable
from contextlib import ExitStack

from traco.channels.executing.composition import Compositions
from traco.channels.executing.points import Contents, Point
from traco.channels.executing.registry_view import RootState
from traco.channels.executing.replica import ChannelReplica
from traco.channels.seat.ports import ChannelStore, Ran, Stores
from traco.kernel.execution import Alarm
from traco.kernel.genesis import Genesis
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import Leaf
from traco.kernel.statetree import StateTree


class OwnReplica(ChannelReplica):
    """A replica in this process, with its store."""

    def __init__(
        self, genesis: Genesis, channel: bytes, compositions: Compositions, store: ChannelStore, alarm: Alarm
    ) -> None:
        super().__init__(genesis, channel, compositions, store, alarm)
        self._own = store

    def at(self, ordinal: int) -> tuple[StateTree, Frontier] | None:
        """As ``Executing``."""
        return (self.tree, self.history) if self.cursor.ordinal == ordinal else None

    def leaves(self, height: int) -> tuple[Leaf, ...]:
        """As ``Executing``."""
        return self._own.leaves(height)

    def find_transaction(self, identity: bytes) -> tuple[int, int] | None:
        """As ``Executing``."""
        return self._own.find_transaction(identity)

    async def run(self, point: Point, contents: Contents, root: RootState) -> Ran:
        """As ``Executing``; nobody else runs meanwhile."""
        return Ran(self.execute(point, contents, root), self.next_due_ms())

    async def keep(self) -> None:
        """As ``Executing``; nobody else runs meanwhile."""
        self.commit()

    def close(self) -> None:
        """Close the store."""
        self._own.close()


class OwnProcess:
    """Has channels executed here."""

    at_once: int = 1

    def __init__(self, genesis: Genesis, compositions: Compositions, stores: Stores, alarm: Alarm) -> None:
        self._stores = stores
        self._made: Callable[[bytes, ChannelStore], OwnReplica] = lambda channel, store: OwnReplica(
            genesis, channel, compositions, store, alarm
        )

    def open(self, channel: bytes) -> OwnReplica:
        """As ``Executors``."""
        store = self._stores.open(channel)
        with ExitStack() as opened:
            opened.callback(store.close)
            found = self._made(channel, store)
            opened.pop_all()
        return found
