"""What a seat needs around it: the root as its node has it, keys, other members' nodes, stores for channels, and where these are
executed.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from traco.channels.executing.points import Contents, Cursor, Point
from traco.channels.executing.registry_view import RootState
from traco.channels.executing.replica import ExecutedPoint
from traco.channels.sealing.keys import BoxSecret
from traco.kernel.errors import Failure
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import Event
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import Leaf
from traco.kernel.registry import Registry
from traco.kernel.replica import Info
from traco.kernel.state import State
from traco.kernel.statetree import StateTree
from traco.kernel.store import Store


class RootBlock(NamedTuple):
    """A committed block of the root: its events, in the order of the block, each with the id of its transaction or due item."""

    height: int
    time_ms: int
    events: tuple[Event, ...]
    origins: tuple[bytes, ...]


class RootAnswer(NamedTuple):
    """What became of a transaction on the root: ``code`` is empty where it succeeded; else ``failure`` may say more."""

    code: str
    failure: Failure | None = None


class RootUnavailable(Exception):
    """The root could not be asked, or did not answer; what was sent may still be ordered."""


class RootReading(RootState, Protocol):
    """The root as committed by a block."""

    @property
    def time_ms(self) -> int:
        """The block's time."""


class Root(Protocol):
    """The root, as one's own node has it."""

    @property
    def genesis(self) -> Genesis:
        """The founding document."""

    def reading(self) -> AbstractContextManager[RootReading]:
        """The committed state, which does not change while it is read."""

    def blocks(self, after: int, limit: int) -> Iterable[RootBlock]:
        """Up to ``limit`` committed blocks behind a height, in order."""

    async def submit(self, transaction: bytes) -> RootAnswer:
        """Have a signed transaction ordered and wait for what becomes of it. Raises ``RootUnavailable``."""

    async def submit_all(self, transactions: Sequence[bytes]) -> Sequence[RootAnswer]:
        """As ``submit``, for several that do not depend on each other: what became of each, in order."""


class NodeKey(Protocol):
    """The node key of a seat."""

    @property
    def public_key(self) -> bytes:
        """The public key, scheme byte first."""

    def sign(self, message: bytes) -> bytes:
        """The signature, scheme byte first."""


class SeatKeys(NamedTuple):
    """The keys with which a member does its channel business. ``boxes``: the X25519 keys that it has and had, newest last."""

    node: NodeKey
    boxes: tuple[BoxSecret, ...]


class ChannelStore(Store, Protocol):
    """Where a channel's replica is kept."""

    def leaves(self, height: int) -> tuple[Leaf, ...]:
        """The leaves of a block."""

    def find_transaction(self, identity: bytes) -> tuple[int, int] | None:
        """Block and leaf of a transaction by its id, or None."""

    def close(self) -> None:
        """Close it."""


class Stores(Protocol):
    """The replicas' stores, one for each channel."""

    def open(self, channel: bytes) -> ChannelStore:
        """The store of a channel, made where there was none."""

    def discard(self, channel: bytes) -> None:
        """Delete a store that was closed: its channel is executed anew."""

    def blank(self, channel: bytes, through: int) -> None:
        """Destroy the transactions that a store, which is closed, keeps with its blocks up to a point. Raises ``StorageHalt``."""


class Ran(NamedTuple):
    """What executing a point gave, and when something next falls due inside the channel."""

    executed: ExecutedPoint
    due_ms: int | None


class Executing(Protocol):
    """A channel's replica, wherever it is executed. What is read of it is what was committed, and the point executed last."""

    @property
    def cursor(self) -> Cursor:
        """Where its stream stands, as committed."""

    @property
    def state(self) -> State:
        """The committed state, to be read at once."""

    @property
    def registry(self) -> Registry:
        """The modules of the epoch in force."""

    def info(self) -> Info:
        """Where it stands."""

    def at(self, ordinal: int) -> tuple[StateTree, Frontier] | None:
        """State and history, to be read at once, if that point is the last one; else None."""

    def next_due_ms(self) -> int | None:
        """When something next falls due inside."""

    def leaves(self, height: int) -> tuple[Leaf, ...]:
        """The leaves of a point."""

    def find_transaction(self, identity: bytes) -> tuple[int, int] | None:
        """Point and leaf of a transaction by its id, or None."""

    async def run(self, point: Point, contents: Contents, root: RootState) -> Ran:
        """Execute the next point; nothing is durable until ``keep``. Raises ``ExecutingError``, ``ExecutorAway``, ``Halt``."""

    async def keep(self) -> None:
        """Make the executed point durable. Raises ``ExecutorAway``: then it may be; ``Halt``."""

    def close(self) -> None:
        """Close it: when this returns, nobody has its file open."""


class Executors(Protocol):
    """Where channels are executed. ``at_once``: how many of them, at most."""

    @property
    def at_once(self) -> int:
        """1: one after the other."""

    def open(self, channel: bytes) -> Executing:
        """A channel's replica, made where there was none. Raises ``Halt``."""
