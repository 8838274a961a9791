"""Committed blocks, leaves and events in order: what streams send and projections are made of. It only reads.

    log = CommittedLog(registry, network)

    with reader.snapshot() as snapshot:                 # block by block, for a projector
        for block in blocks_after(snapshot, height):    # -1: from the founding
            for leaf in log.leaves(block):
                ...                                     # leaf.kind, leaf.failure, leaf.events

    with reader.snapshot() as snapshot:                 # event by event, for a stream
        for event in log.events_after(snapshot, position):
            ...                                         # event.position, event.event

A *position* is ``height.leaf.event`` in decimal without leading zeros. Positions compare as the events are ordered, and
whoever resumes *behind* one gets every later event once. ``end_of(block)`` is behind all events of its block.

What a caller may rely on: one block is in memory at a time, however long the ledger is; the same ledger gives the same
sequence for ever; leaves come in the order of the block, and a failed leaf comes too (with the events that survived, such
as charges, mostly none). Block 0, the founding, has no leaves and therefore no events: what the genesis document
founds (members, council, keys) has to be read from the state or the document.

A snapshot must not be kept open long (see ``snapshot``): take one, read some blocks, close it, take the next. Raises
``StorageHalt`` where the store cannot be read, ``BeforeSnapshot`` where the blocks asked for are before those that a node
has which joined by a snapshot: nothing is left out silently.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import islice
from typing import Any, Final, NamedTuple, Self

from traco.kernel.block import UPGRADE_TAG
from traco.kernel.codec import ROOT, Codec, digest
from traco.kernel.errors import Failure, LedgerError
from traco.kernel.receipt import NO_SIGNATURES, Leaf, Receipt
from traco.kernel.registry import Registry
from traco.kernel.transaction import Envelope
from traco.storage.rows import StoredBlock
from traco.storage.snapshot import ReadSnapshot

MAX_PART: Final = 2**53 - 1
"""The largest number in a position: exact in JSON for every client language."""

_ENVELOPE: Final[Codec[Envelope]] = Codec(Envelope)


class PositionInvalid(ValueError):
    """A text is not a position."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:64]!r} is no position: it must be height.leaf.event, such as 12.3.0, in decimal digits"
        )


class BeforeSnapshot(LedgerError):
    """The blocks asked for are not on this node: it joined by a snapshot of a later one."""

    code: Final = "ledger.before_snapshot"

    def __init__(self, first_height: int) -> None:
        self.first_height = first_height
        self.detail = (
            f"this node joined by a snapshot and has no blocks up to {first_height}; ask a node that has them, or begin behind "
            f"block {first_height}"
        )
        super().__init__(f"{self.code}: {self.detail}")


class Position(NamedTuple):
    """Where an event is; compares in the order of events."""

    height: int
    leaf: int
    event: int

    def __str__(self) -> str:
        return f"{self.height}.{self.leaf}.{self.event}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The position that ``str`` gives as this text, and no other text. Raises ``PositionInvalid``."""
        parts = text.split(".") if len(text) <= 64 and text.isascii() else []
        if len(parts) != 3 or not all(part.isdecimal() for part in parts):
            raise PositionInvalid(text)
        position = cls(*map(int, parts))
        if str(position) != text or max(position) > MAX_PART:
            raise PositionInvalid(text)
        return position


class LeafKind(StrEnum):
    """What a leaf of a block is of."""

    TRANSACTION = "transaction"
    ENVELOPE = "envelope"
    DUE = "due"  # something that fell due: nobody signed it
    UPGRADE = "upgrade"  # the migrations of a new protocol


class CommittedLeaf(NamedTuple):
    """One leaf: an outcome with its events.

    ``failure`` is None on success. ``transaction`` are the bytes that were signed and submitted where the kind is
    TRANSACTION, else None (``registry.transaction.trusted`` decodes them). ``member`` is the id of the member whose
    node ordered it, for envelopes and transactions.
    """

    height: int
    leaf: int
    time_ms: int
    kind: LeafKind
    identity: bytes
    failure: Failure | None
    events: tuple[Any, ...]
    transaction: bytes | None
    member: bytes | None

    def position(self, event: int) -> Position:
        """The position of one of its events."""
        return Position(self.height, self.leaf, event)


class CommittedEvent(NamedTuple):
    """One event and the leaf that it is of."""

    position: Position
    leaf: CommittedLeaf
    event: Any


class _Origin(NamedTuple):
    """Of what a leaf is that somebody signed."""

    kind: LeafKind
    transaction: bytes | None
    member: bytes


class CommittedLog:
    """Decodes the blocks of one ledger of one network by the registry that wrote them."""

    def __init__(self, registry: Registry, network: bytes, ledger: bytes = ROOT) -> None:
        self._receipt: Codec[Receipt] = registry.receipt
        self._network = network
        self._ledger = ledger.ljust(32, b"\0")

    def leaves(self, block: StoredBlock) -> Iterator[CommittedLeaf]:
        """The leaves of a block in order."""
        signed = _origins(block)
        for index, leaf in enumerate(block.leaves):
            if leaf.signatures == NO_SIGNATURES:
                kind = LeafKind.UPGRADE if self._is_upgrade(block, index, leaf) else LeafKind.DUE
                yield self._leaf(block, index, leaf, kind, None, None)
            else:
                yield self._leaf(block, index, leaf, *next(signed))

    def leaf(self, block: StoredBlock, index: int) -> CommittedLeaf:
        """One leaf of a block. Raises ``IndexError``."""
        leaf = block.leaves[index]
        if leaf.signatures == NO_SIGNATURES:
            kind = LeafKind.UPGRADE if self._is_upgrade(block, index, leaf) else LeafKind.DUE
            return self._leaf(block, index, leaf, kind, None, None)
        before = sum(other.signatures != NO_SIGNATURES for other in block.leaves[:index])
        return self._leaf(block, index, leaf, *next(islice(_origins(block), before, None)))

    def events(self, block: StoredBlock, after: Position | None = None) -> Iterator[CommittedEvent]:
        """The events of a block that are behind a position (None: all)."""
        for leaf in self.leaves(block):
            if after is not None and (leaf.height, leaf.leaf) < after[:2]:
                continue
            for number, event in enumerate(leaf.events):
                position = leaf.position(number)
                if after is None or position > after:
                    yield CommittedEvent(position, leaf, event)

    def events_after(self, snapshot: ReadSnapshot, after: Position | None = None) -> Iterator[CommittedEvent]:
        """The events of a snapshot behind a position (None: from the founding on), in order."""
        for block in blocks_after(snapshot, height_before(snapshot, after)):
            yield from self.events(block, after)

    def _leaf(
        self, block: StoredBlock, index: int, leaf: Leaf, kind: LeafKind, transaction: bytes | None,
        member: bytes | None,
    ) -> CommittedLeaf:  # fmt: skip
        receipt = self._receipt.trusted(leaf.receipt)
        return CommittedLeaf(
            block.height, index, block.time_ms, kind, leaf.identity, receipt.failure, receipt.events, transaction, member
        )  # fmt: skip

    def _is_upgrade(self, block: StoredBlock, index: int, leaf: Leaf) -> bool:
        if index:
            return False  # migrations run before everything else
        protocol = block.protocol.to_bytes(4, "big")
        return leaf.identity == digest(UPGRADE_TAG, self._network, self._ledger, protocol)


def blocks_after(snapshot: ReadSnapshot, height: int = -1) -> Iterator[StoredBlock]:
    """The blocks above a height (-1: from the founding), ascending, one at a time. Raises ``BeforeSnapshot``."""
    if height < snapshot.first_height > 0:
        raise BeforeSnapshot(snapshot.first_height)
    while height < snapshot.height:
        (block,) = snapshot.blocks(height, 1)
        height = block.height
        yield block


def newest(snapshot: ReadSnapshot) -> Position:
    """The position behind everything in a snapshot."""
    height = snapshot.height
    if 0 < height == snapshot.first_height:
        return Position(height, MAX_PART, 0)  # how many leaves the block has is not known here
    return Position(height, len(snapshot.leaves(height)), 0)


def height_before(snapshot: ReadSnapshot, after: Position | None) -> int:
    """The height above which the blocks are that have what is behind a position (None: -1). Raises ``BeforeSnapshot``."""
    first = snapshot.first_height
    if first == 0:
        return -1 if after is None else after.height - 1
    if after is None or after < (first, MAX_PART, 0):
        raise BeforeSnapshot(first)
    return max(after.height - 1, first)


def end_of(block: StoredBlock) -> Position:
    """Behind every event of the block, before those of the next one."""
    return Position(block.height, len(block.leaves), 0)


def _origins(block: StoredBlock) -> Iterator[_Origin]:
    """Of what the signed leaves of a block are, in order: each envelope and its transactions but for the refused."""
    refused = {(refusal.envelope, refusal.transaction) for refusal in block.refusals}
    for index, raw in enumerate(block.envelopes):
        if (index, -1) in refused:
            continue
        body = _ENVELOPE.trusted(raw).body
        yield _Origin(LeafKind.ENVELOPE, None, body.member)
        for position, transaction in enumerate(body.transactions):
            if (index, position) not in refused:
                yield _Origin(LeafKind.TRANSACTION, transaction, body.member)
