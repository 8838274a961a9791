"""What a seat needs around it: the root as its node has it, keys, other members' nodes, stores for channels."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from traco.channels.executing.registry_view import RootState
from traco.channels.sealing.keys import BoxSecret
from traco.kernel.errors import Failure
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import Event
from traco.kernel.receipt import Leaf
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
