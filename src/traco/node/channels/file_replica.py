"""A channel's replica as the seats' process sees it where an executor has it: asked of that, and read from its file beside it."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from traco.channels.executing.composition import Compositions
from traco.channels.executing.points import START, Contents, Cursor, Point
from traco.channels.executing.record import EPOCHS, PROGRESS
from traco.channels.executing.registry_view import RootState
from traco.channels.seat.ports import Ran
from traco.kernel.due import next_due_ms
from traco.kernel.errors import Halt
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import Leaf
from traco.kernel.registry import Registry
from traco.kernel.replica import Info
from traco.kernel.state import State
from traco.kernel.statetree import StateTree
from traco.node.channels.execution import Answer, Close, Commit, Request, asked, require_done
from traco.storage import ReadSnapshot, SnapshotReader

REMEMBERED: Final = 2_048  # leaves of the points that were executed last; those of the very last always


class Asking(Protocol):
    """The executor that a channel belongs to."""

    async def ask(self, request: Request) -> Answer:
        """Its answer. Raises ``ExecutorAway``."""

    def ask_now(self, request: Request) -> None:
        """Wait until it has done what is asked, or is certainly gone."""


class _Committed:
    """What the file has at the moment of each read."""

    def __init__(self, replica: "FileReplica") -> None:
        self._replica = replica

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        snapshot = self._replica.snapshot()
        if snapshot is None:
            return None
        with snapshot:
            return snapshot.get(key)

    def range(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """The keys in [start, stop), ascending."""
        snapshot = self._replica.snapshot()
        if snapshot is not None:
            with snapshot:
                yield from snapshot.range(start, stop)


class FileReplica:
    """As ``Executing``. What is read is committed, but for the leaves of a point whose commit is under way: the book has its result
    already.
    """

    def __init__(
        self, path: Path, network: bytes, channel: bytes, compositions: Compositions, executor: Asking
    ) -> None:
        self.channel = channel
        self._path = path
        self._reader = SnapshotReader(path, network, channel)
        self._compositions = compositions
        self._executor = executor
        self._is_asked = False
        self._begun: tuple[Cursor, tuple[Leaf, ...]] | None = None  # what was executed and not committed
        self._recent: OrderedDict[int, tuple[Leaf, ...]] = OrderedDict()
        self._places: dict[bytes, tuple[int, int]] = {}  # of their transactions
        self._cursor = self._read_cursor()

    def snapshot(self) -> ReadSnapshot | None:
        """What the file has; None before anything was committed. Close it soon. Raises ``StorageHalt``."""
        return self._reader.snapshot() if self._path.exists() else None

    def _read_cursor(self) -> Cursor:
        snapshot = self.snapshot()
        if snapshot is None:
            return START
        with snapshot:
            found = PROGRESS.get(State(snapshot))
            return (
                START if found is None else Cursor(found.number, found.chain, snapshot.height, found.height)
            )

    @property
    def cursor(self) -> Cursor:
        """As ``Executing``."""
        return self._cursor

    @property
    def state(self) -> State:
        """As ``Executing``: each read of it is of the file as it is then."""
        return State(_Committed(self))

    @property
    def registry(self) -> Registry:
        """As ``Executing``."""
        found = EPOCHS.get(self.state)
        return self._compositions.of(() if found is None else found.terms.modules).registry

    def info(self) -> Info:
        """As ``Executing``."""
        snapshot = self.snapshot()
        if snapshot is None:
            return Info(0, 0, b"")
        with snapshot:
            return Info(snapshot.height, snapshot.time_ms, snapshot.app_hash)

    def at(self, ordinal: int) -> tuple[StateTree, Frontier] | None:
        """As ``Executing``; the tree is built anew, which takes long where the state is large."""
        snapshot = self.snapshot()
        if snapshot is None:
            return None
        with snapshot:
            return (snapshot.tree(), snapshot.history) if snapshot.height == ordinal else None

    def next_due_ms(self) -> int | None:
        """As ``Executing``."""
        return next_due_ms(self.state)

    def leaves(self, height: int) -> tuple[Leaf, ...]:
        """As ``Executing``."""
        found = self._recent.get(height)
        snapshot = self.snapshot() if found is None else None
        if snapshot is None:
            return found or ()
        with snapshot:
            return snapshot.leaves(height)

    def find_transaction(self, identity: bytes) -> tuple[int, int] | None:
        """As ``Executing``."""
        found = self._places.get(identity)
        snapshot = self.snapshot() if found is None else None
        if snapshot is None:
            return found
        with snapshot:
            return snapshot.find_transaction(identity)

    async def run(self, point: Point, contents: Contents, root: RootState) -> Ran:
        """As ``Executing``: the executor reads the root from the ledger's file, at ``root`` or later."""
        self._begun, self._is_asked = None, True
        answer = require_done(self.channel, await self._executor.ask(asked(self.channel, point, contents)))
        if answer is None:
            raise Halt(f"the executor of channel {self.channel.hex()} answers something else")
        self._begun = point.end, answer.executed.leaves
        return Ran(answer.executed, answer.due_ms)

    async def keep(self) -> None:
        """As ``Executing``."""
        if self._begun is None:
            raise Halt("commit without an executed point")
        (end, leaves), self._begun = self._begun, None
        # not before: what executing gave counts once its result is in the book
        self._remember(end.ordinal, leaves)
        require_done(self.channel, await self._executor.ask(Commit(self.channel)))
        self._cursor = end

    def _remember(self, ordinal: int, leaves: tuple[Leaf, ...]) -> None:
        self._recent[ordinal] = leaves
        self._places |= {each.identity: (ordinal, index) for index, each in enumerate(leaves)}
        while len(self._recent) > 1 and len(self._places) > REMEMBERED:
            _, forgotten = self._recent.popitem(last=False)
            for leaf in forgotten:
                self._places.pop(leaf.identity, None)

    def close(self) -> None:
        """As ``Executing``: waits for the executor."""
        self._reader.close()
        if self._is_asked:
            self._executor.ask_now(Close(self.channel))
            self._is_asked = False
