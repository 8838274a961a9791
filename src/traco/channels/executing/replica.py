"""A channel's replica: the same state machine as the root's, driven by points instead of an engine's blocks.

height     of its blocks and its store is the ordinal; handlers see height, time and protocol of the root block
founded    when its first point is executed, with the protocol of that and the epoch that it begins, and nothing else
content    comes with the point, or it is said that there is none; a point is executed whole or not at all
kept       with each block: the content of its entries, and what is attested beside leaves and app hash (``executed_of``)
voided     what comes after is executed again from the last confirmed state, by a replica over a store that ends there

The same points and contents give the same app hashes, outcomes and results, whenever they come.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from traco.channels.executing.composition import Compositions
from traco.channels.executing.entries_run import EntriesRun, LegOutcome
from traco.channels.executing.errors import ContentMissing, StreamWrong
from traco.channels.executing.points import (
    START,
    Content,
    Contents,
    Cursor,
    Point,
    require_next,
)
from traco.channels.executing.record import (
    EPOCHS,
    PROGRESS,
    EpochRecord,
    Progress,
)
from traco.channels.executing.registry_view import RootState
from traco.kernel.block import BlockRun, Executed
from traco.kernel.codec import Codec, Hash, Record, encode
from traco.kernel.execution import Alarm
from traco.kernel.genesis import Genesis
from traco.kernel.module import BlockContext
from traco.kernel.protocol import Protocol, protocol_of, require_protocol, write_protocol
from traco.kernel.receipt import Leaf
from traco.kernel.replica import Info, Replica
from traco.kernel.store import CommittedBlock, Refusal, Store
from traco.modules.channel.entries import Entry, EpochBegun, PointContext
from traco.storage.rows import StoredBlock


class ExecutedPoint(NamedTuple):
    """What executing a point gave, which is what is attested of it. ``refusals`` name entries by their place in the point."""

    ordinal: int
    chain: bytes
    app_hash: bytes
    leaves: tuple[Leaf, ...]
    refusals: tuple[Refusal, ...]
    legs: tuple[LegOutcome, ...]


class Kept(Record, frozen=True):
    """What the store keeps of a point behind the contents of its entries."""

    chain: Hash
    legs: tuple[LegOutcome, ...]


_KEPT: Final[Codec[Kept]] = Codec(Kept)


class ChannelReplica(Replica):
    """One channel over one store. Its modules are those of its present epoch."""

    def __init__(
        self, genesis: Genesis, channel: bytes, compositions: Compositions, store: Store, alarm: Alarm
    ) -> None:
        self._compositions = compositions
        self._composition = compositions.of(())
        super().__init__(
            genesis, self._composition.registry, self._composition.parameters, store, alarm, channel
        )
        self._compose()

    def reload(self) -> Info:
        """Go on from what the store has now. Raises ``Halt`` where that does not have its app hash."""
        super().reload()
        self._compose()
        return self._info

    @property
    def cursor(self) -> Cursor:
        """Where its stream stands, as committed."""
        found = PROGRESS.get(self._state)
        if found is None:
            return START
        return Cursor(found.number, found.chain, self._info.height, found.height)

    def execute(self, point: Point, contents: Contents, root: RootState) -> ExecutedPoint:
        """Execute the next point on the last committed state. Nothing is durable until ``commit``; may be repeated.

        Raises ``StreamWrong``, ``ContentMissing``, ``GenerationStale``, ``RootBehind``, ``BeyondHorizon``,
        ``CompositionUnknown``, and ``Halt``.
        """
        context = point.context
        self._abandon()
        require_next(self.ledger, point, self.cursor)
        opened = self._contents(point, contents)
        require_protocol(context.protocol, context.height)
        self._compositions.view.stand(root, context.height - 1)
        if context.ordinal == 1:
            self._require_founded(point.entries[0], context)
        self._begin(context.ordinal, context.time_ms)
        run, legs = self._run(point, opened)
        kept = (*_transactions(opened), encode(Kept(point.chain, tuple(legs))))
        self._pending = self._block(context.ordinal, self._block_context(context), kept, run)
        return executed_of(self._pending)

    def commit(self) -> Info:
        """Make the executed point durable. Raises ``Halt`` when the store cannot."""
        super().commit()
        self._compose()
        return self._info

    def _compose(self) -> None:
        """Take the modules of the epoch that the state says."""
        found = EPOCHS.get(self._state)
        self._composition = self._compositions.of(() if found is None else found.terms.modules)
        self.registry, self._parameters = self._composition.registry, self._composition.parameters

    def _contents(self, point: Point, contents: Contents) -> tuple[Content | None, ...]:
        """The content of each entry; None where it has no payload. Raises ``ContentMissing``."""
        payloads = point.payloads()
        missing = [number for number in payloads if number not in contents]
        if missing:
            raise ContentMissing(self.ledger, missing[0])
        numbers = range(point.first, point.first + len(point.entries))
        return tuple(contents[number] if number in payloads else None for number in numbers)

    def _require_founded(self, entry: Entry, context: PointContext) -> None:
        """Found the channel with its first epoch, in the protocol of its first point, if it was not before."""
        if not isinstance(entry, EpochBegun):
            raise StreamWrong(self.ledger, "it does not begin with an epoch")
        epoch = EpochRecord(entry.epoch, entry.terms)
        if self._info.app_hash:
            if EPOCHS.get(self._state) != epoch:
                raise StreamWrong(self.ledger, "it was founded with another epoch")
            return
        EPOCHS.put(self._state, epoch)
        write_protocol(self._state, Protocol(context.protocol, 0, 0))
        self._found(BlockContext(self.network, self.ledger, 0, context.time_ms, context.protocol))
        self._compose()

    def _block_context(self, context: PointContext) -> BlockContext:
        return BlockContext(self.network, self.ledger, context.height, context.time_ms, context.protocol)

    def _run(self, point: Point, opened: tuple[Content | None, ...]) -> tuple[Executed, list[LegOutcome]]:
        composition, context = self._composition, point.context
        block = self._block_context(context)
        run = BlockRun(
            composition.registry, composition.parameters, self._state, block, self._used, composition.screener,
            self._alarm,
        )  # fmt: skip
        for protocol in range(protocol_of(self._state).current + 1, context.protocol + 1):
            write_protocol(self._state, Protocol(protocol - 1, protocol, context.height))
            run.upgrade(protocol)
        run.begin()
        entries = EntriesRun(composition, run, self._state, block, self._alarm)
        for index, (entry, content) in enumerate(zip(point.entries, opened, strict=True)):
            entries.run(index, point.first + index, entry, content)
        end = point.end
        PROGRESS.put(self._state, Progress(end.number, end.chain, end.height))
        return run.executed(), entries.legs


def _transactions(opened: tuple[Content | None, ...]) -> Iterator[bytes]:
    """The content of each entry as the store keeps it with the block: its transactions, or nothing."""
    for content in opened:
        yield encode(content) if isinstance(content, tuple) else b""


def executed_of(block: CommittedBlock | StoredBlock) -> ExecutedPoint:
    """What executing the point gave that a store has as this block: any but the founding."""
    kept = _KEPT.trusted(block.envelopes[-1])
    return ExecutedPoint(
        block.height, kept.chain, block.app_hash, tuple(block.leaves), tuple(block.refusals), kept.legs
    )
