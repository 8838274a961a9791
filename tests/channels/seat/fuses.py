"""Deaths of a node: a fuse burns down by one at each durable write, call and submission, before it and behind it.

Where it is burnt, ``Died`` is raised there, and everywhere else on that node from then on, until it is started again.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from traco.channels.custody.errors import CustodyRefused
from traco.channels.custody.store import CustodyStore, NewPayload
from traco.channels.seat.archive import Archive, Order, write_channel
from traco.channels.seat.book import Book
from traco.channels.seat.claims import ChannelRestoring, Claim
from traco.channels.seat.ports import ChannelStore
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock
from traco.storage import LedgerStore
from traco.storage.blanking import blank_envelopes
from traco.storage.copying.form import Terms
from traco.storage.copying.taking import Pinned


class Died(BaseException):
    """The node is dead: nothing it does has an effect any more."""


class Fuse:
    """Of one node. Without a length it never burns down."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.is_burnt = False

    def light(self, length: int) -> None:
        """Have the node die at the moment with this number, from 1."""
        self.left, self.is_burnt = length, False

    def renew(self) -> None:
        """The node is started again, and lives."""
        self.left, self.is_burnt = None, False

    def burn(self) -> None:
        """A moment at which a node can die."""
        if self.left is not None and not self.is_burnt:
            self.left -= 1
            self.is_burnt = self.left <= 0
        if self.is_burnt:
            raise Died

    @contextmanager
    def around(self) -> Iterator[None]:
        """Before and behind something that has an effect."""
        self.burn()
        yield
        self.burn()


class FusedBook(Book):
    """A book whose node may die at each of its writes."""

    def __init__(self, path: Path, fuse: Fuse) -> None:
        self._fuse = fuse
        super().__init__(path)

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._fuse.around(), super()._change():
            yield

    def _do(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._fuse.around():
            super()._do(statement, values)


class FusedCustody(CustodyStore):
    """A custody store whose node may die at each of its writes. Where it ``forgets``, it keeps nothing for other senders,
    though it says so.
    """

    def __init__(self, path: Path, fuse: Fuse, own: bytes) -> None:
        super().__init__(path)
        self._fuse, self._own = fuse, own
        self.forgets = False

    def keep(self, payloads: Sequence[NewPayload]) -> list[CustodyRefused | None]:
        with self._fuse.around():
            if self.forgets and all(each.number is None and each.sender != self._own for each in payloads):
                return [None] * len(payloads)
            return super().keep(payloads)

    def erase(self, channel: bytes, through: int) -> int:
        with self._fuse.around():
            return super().erase(channel, through)

    def mark_ordered(self, channel: bytes, places: Sequence[tuple[bytes, int]]) -> list[bytes]:
        with self._fuse.around():
            return super().mark_ordered(channel, places)


class FusedStore(LedgerStore):
    """A replica's store whose node may die at each commit."""

    def __init__(self, path: Path, network: bytes, channel: bytes, fuse: Fuse) -> None:
        self.fuse = fuse
        super().__init__(path, network, channel, durable=False)

    def found(self, genesis: bytes, block: CommittedBlock, tree: StateTree) -> None:
        with self.fuse.around():
            super().found(genesis, block, tree)

    def commit(self, block: CommittedBlock, tree: StateTree) -> None:
        with self.fuse.around():
            super().commit(block, tree)


class FileStores:
    """Stores of channels in a folder, without waiting for the disk."""

    def __init__(self, folder: Path, network: bytes, fuse: Fuse) -> None:
        self._folder, self._network, self._fuse = folder, network, fuse

    def open(self, channel: bytes) -> ChannelStore:
        return FusedStore(self._path(channel), self._network, channel, self._fuse)

    def discard(self, channel: bytes) -> None:
        with self._fuse.around():
            for suffix in ("", "-wal", "-shm"):
                self._path(channel).with_name(self._path(channel).name + suffix).unlink(missing_ok=True)

    def blank(self, channel: bytes, through: int) -> None:
        with self._fuse.around():
            blank_envelopes(self._path(channel), through)

    def _path(self, channel: bytes) -> Path:
        return self._folder / f"{channel.hex()}.db"

    def archive(self) -> Archive:
        """The snapshots beside the stores."""
        return FusedArchive(self._path, self._fuse)


async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    """Runs what blocks where it is: nothing outside of the event loop can be waited for."""
    return work(*arguments)


async def write_at_once(order: Order) -> None:
    """Writes a snapshot where it is."""
    write_channel(order)


class FusedArchive(Archive):
    """Snapshots of a node that may die at each of their durable steps."""

    def __init__(self, replica: Callable[[bytes], Path], fuse: Fuse) -> None:
        super().__init__(replica, at_once, write_at_once)
        self._fuse = fuse

    async def take(self, channel: bytes, pinned: Pinned, terms: Terms) -> None:
        with self._fuse.around():
            await super().take(channel, pinned, terms)

    def claim(self, channel: bytes, ordinal: int, claim: Claim) -> None:
        with self._fuse.around():
            super().claim(channel, ordinal, claim)

    def drop(self, channel: bytes, ordinal: int) -> None:
        with self._fuse.around():
            super().drop(channel, ordinal)

    async def finish(self, restoring: ChannelRestoring) -> None:
        with self._fuse.around():
            await super().finish(restoring)

    def receive(self, channel: bytes, ordinal: int, claim: Claim) -> None:
        with self._fuse.around():
            super().receive(channel, ordinal, claim)

    def install(self, channel: bytes, made: Path) -> None:
        with self._fuse.around():
            super().install(channel, made)
