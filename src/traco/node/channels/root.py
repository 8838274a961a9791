"""The root as channels see it from a node: snapshots of its file for reading, the link to its gateway for submitting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

from traco.channels.custody.receiving import Standing
from traco.channels.seat.ports import RootAnswer, RootBlock, RootUnavailable
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, Genesis, network_id
from traco.kernel.parameters import Parameters
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.modules.channel.events import SeatSet
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.state import seats
from traco.node.channels.telling import told_blocks
from traco.node.link import ApiEnd, LedgerGone
from traco.node.peering.trust import Peer
from traco.node.submission import Result
from traco.storage import SnapshotReader

_SCANNED: Final = 256
_LIMITS: Final = Parameters({"channel": ChannelParameters()})


class Reading(NamedTuple):
    """The root as of a block. ``time_ms`` is a time that the next block will not be before."""

    height: int
    time_ms: int
    state: State


class NodeRoot:
    """The root, as one's own node has it. ``now_ms`` is the machine's clock."""

    def __init__(
        self, reader: SnapshotReader, registry: Registry, genesis: Genesis, link: ApiEnd, now_ms: Callable[[], int]
    ) -> None:  # fmt: skip
        self._reader = reader
        self._registry = registry
        self._genesis = genesis
        self._link = link
        self._now_ms = now_ms
        # validators agree on the time of a block; where this node makes blocks alone, its clock is the time
        self._follows_clock = genesis.seal.kind != SIGNED_BY_VALIDATORS
        self.seats_changed = True
        self.refusals = self.accepted = 0  # of what was submitted
        self.read_height = 0  # of the newest block that was read

    @property
    def genesis(self) -> Genesis:
        """The founding document."""
        return self._genesis

    @property
    def is_founded(self) -> bool:
        """Whether there is anything to read."""
        snapshot = self._reader.snapshot()
        if snapshot is None:
            return False
        snapshot.close()
        return True

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """The committed state. Raises ``RootUnavailable`` before the ledger was founded."""
        snapshot = self._reader.snapshot()
        if snapshot is None:
            raise RootUnavailable("the ledger is not founded yet")
        with snapshot:
            time_ms = max(snapshot.time_ms, self._now_ms()) if self._follows_clock else snapshot.time_ms
            yield Reading(snapshot.height, time_ms, State(snapshot))

    def blocks(self, after: int, limit: int) -> Iterator[RootBlock]:
        """Up to ``limit`` committed blocks behind a height. Raises ``BeforeSnapshot`` where this node begins later."""
        # after a start that is what was read before it: else nobody would wait for a block that is new
        self.read_height = max(self.read_height, after)
        for block in told_blocks(self._reader, self._registry, after, limit):
            self.seats_changed |= any(isinstance(event, SeatSet) for event in block.events)
            yield block
            self.read_height = block.height

    async def submit(self, transaction: bytes) -> RootAnswer:
        """Have a signed transaction ordered. Raises ``RootUnavailable``."""
        return (await self.submit_all((transaction,)))[0]

    async def submit_all(self, transactions: Sequence[bytes]) -> list[RootAnswer]:
        """Have signed transactions ordered, each by itself. Raises ``RootUnavailable``."""
        try:
            results = await self._link.submit(tuple(transactions), True)
        except LedgerGone:
            raise RootUnavailable("the ledger process has ended") from None
        return [self._answer(each) for each in results]

    def _answer(self, result: Result) -> RootAnswer:
        if result.failure is None:
            self.accepted += 1
            return RootAnswer("")
        self.refusals += 1
        return RootAnswer(result.failure.code, result.failure)

    def peers(self) -> Mapping[bytes, Peer]:
        """Every seat that other nodes may call from or be called at, by member."""
        found, after = dict[bytes, Peer](), b""
        with self.reading() as root:
            while page := seats.scan(root.state, after=after, limit=_SCANNED):
                found |= {
                    member: Peer(seat.address, seat.certificate) for member, seat in page if seat.certificate
                }
                after = page[-1][0]
        self.seats_changed = False
        return found


class RootFacts:
    """What a custodian asks of the root; for any thread."""

    def __init__(self, root: NodeRoot, keeper: Keeper) -> None:
        self._root = root
        self._keeper = keeper
        self.network = network_id(root.genesis)

    @property
    def time_ms(self) -> int:
        """A time that the next block will not be before."""
        with self._root.reading() as root:
            return root.time_ms

    @property
    def max_order_ahead_ms(self) -> int:
        """How far ahead receipts may end."""
        with self._root.reading() as root:
            return _LIMITS.get(root.state, ChannelParameters).max_order_ahead_ms

    def standing(self, channel: bytes) -> Standing | None:
        """The channel, or None where there is none."""
        with self._root.reading() as root:
            found = self._keeper.channel(root.state, channel)
        return None if found is None else Standing(found.status, found.epoch, found.terms)
