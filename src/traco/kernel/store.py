"""What the kernel asks of a store: one atomic, durable commit per block, and everything back at start."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from traco.kernel.errors import Failure
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import BlockRecord, Leaf
from traco.kernel.statetree import StateTree


class Refusal(NamedTuple):
    """What a block carried without effect: which envelope, which transaction in it (-1: the envelope), and why."""

    envelope: int
    transaction: int
    identity: bytes  # empty where the bytes have none
    failure: Failure


class CommittedBlock(NamedTuple):
    """Everything that becomes durable together. Height 0 is the founding: no envelopes, no leaves, no record."""

    height: int
    time_ms: int
    protocol: int
    app_hash: bytes
    state_root: bytes
    history_root: bytes
    history_size: int
    record: BlockRecord | None  # None where the block has no leaf
    record_hash: bytes  # its leaf hash in the history log; empty where there is none
    envelopes: tuple[bytes, ...]
    leaves: tuple[Leaf, ...]
    refusals: tuple[Refusal, ...]
    used: tuple[tuple[bytes, int], ...]  # (id, valid_until) of every id used up
    changes: Mapping[bytes, bytes | None]
    touched: list[int]  # slots whose leaves changed, ascending


class LoadedLedger(NamedTuple):
    """What a store has of a ledger: the last commit, and what the application keeps in memory."""

    height: int
    time_ms: int
    app_hash: bytes
    tree: StateTree
    history: Frontier
    used: Iterable[tuple[bytes, int]]  # at least those whose valid_until is after ``time_ms``
    inherited: Iterable[tuple[bytes, int]] = ()  # ids used before a snapshot, and when each is forgotten


class Store(Protocol):
    """Where blocks become durable. Errors of the medium leave it as ``Halt``."""

    def load(self) -> LoadedLedger | None:
        """The last committed state, or None where nothing was founded."""

    def found(self, genesis: bytes, block: CommittedBlock, tree: StateTree) -> None:
        """Make the founding durable: the genesis document and block 0."""

    def commit(self, block: CommittedBlock, tree: StateTree) -> None:
        """Make a block durable, all of it or nothing; ``tree`` has its changes applied already."""
