"""The form of a snapshot, ``traco-snapshot/1``: a ledger as of one height, in pieces that verify one by one.

    head       what the pieces are of: network, height, roots, and where each piece begins (`SnapshotHead`)
    state      ranges of slots with keys and values, each with its way to the state root
    ids        block records of the validity window with the ids of their leaves, each with its way to the history root

All nodes make the same bytes for the same height. The head is believed because the app hash is that of its roots; a
piece, because it leads to them. The hashes of the pieces in the head only tell who is to blame: a piece without its
hash was sent by a liar, one that has it and does not lead to the roots was made by one.

The ids need no expiry (decision 2): an id in a block of time T was valid at most one window ahead, so a node that joins
forgets it at T plus a window. ``time_ms`` is the time of the last block record, which the history proves, rather than
that of the block itself, which no hash of the application covers.

    LedgerError
      SnapshotRefused     the snapshot as a whole cannot be used; ``code`` says why
      PieceRefused        one piece is not what the head says, by the fault of its sender
"""

from hashlib import sha256
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

import msgspec

from traco.kernel.codec import Codec, Count, Hash, Height, Ledger, Record, TimeMs, digest, encode
from traco.kernel.errors import LedgerError
from traco.kernel.instruction import KernelParameters
from traco.kernel.merkle import Frontier, ProofInvalid
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import protocol_of
from traco.kernel.receipt import BlockRecord, app_hash
from traco.kernel.state import State
from traco.kernel.stateproof import END_OF_CHAIN

FORMAT: Final = 1
SNAPSHOT_TAG: Final = b"traco/snapshot/1"
PIECE_BYTES: Final = 4_194_304
"""About how large a piece is; one holds at least one slot, or one block."""

MAX_PIECE_BYTES: Final = 15_000_000
"""No piece is larger: engines carry pieces of up to 16,000,000 bytes."""

MAX_HEAD_BYTES: Final = 3_000_000
"""No head is larger: engines carry the heads of several snapshots in one message of 4,000,000 bytes."""

MAX_SLOTS: Final = 2**40
ID_BYTES: Final = 32
LEAF_BYTES: Final = 2 * ID_BYTES
"""An id and the hash of its signatures."""

Index = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
Slots = Annotated[int, msgspec.Meta(ge=1, le=MAX_SLOTS)]
SlotContent = tuple[bytes, bytes, bytes] | int
"""Key, next key in order and value; or, of an empty slot, the next empty one."""


class SnapshotHead(Record, frozen=True, tag="traco.snapshot/1"):
    """What a snapshot is of. Its encoding is what engines call metadata.

    ``state_starts``: the first slot of each state piece; ``id_starts``: the first history position of each piece of ids.
    ``piece_hashes``: SHA-256 of every piece, first those of the state.
    """

    network: Hash
    ledger: Ledger
    height: Height
    time_ms: TimeMs
    protocol: Count
    state_root: Hash
    slot_count: Slots
    first_empty: int
    history_size: Index
    frontier: tuple[Hash, ...]
    window_ms: TimeMs
    state_starts: tuple[Index, ...]
    id_starts: tuple[Index, ...]
    piece_hashes: tuple[Hash, ...]

    def history(self) -> Frontier:
        """The history log's edge. Raises ``ProofInvalid``."""
        return Frontier.decode(self.history_size, self.frontier)

    def app_hash(self) -> bytes:
        """The app hash after the block at ``height``. Raises ``ProofInvalid``."""
        return app_hash(self.state_root, self.history().root(), self.history_size)

    def state_range(self, piece: int) -> tuple[int, int]:
        """The slots of a state piece: from the first up to but without the second."""
        ends = (*self.state_starts[1:], self.slot_count)
        return self.state_starts[piece], ends[piece]

    def id_range(self, piece: int) -> tuple[int, int]:
        """The history positions of a piece of ids, which count from 0."""
        ends = (*self.id_starts[1:], self.history_size)
        return self.id_starts[piece], ends[piece]


class StatePiece(Record, frozen=True, tag="state"):
    """The slots from ``first`` on. ``proof`` has for each level of the tree what is beside them (see ``ranges``)."""

    first: Index
    slots: tuple[SlotContent, ...]
    proof: tuple[bytes, ...]


class IdsBlock(Record, frozen=True):
    """A block record, and ``LEAF_BYTES`` for each leaf of its block."""

    record: BlockRecord
    leaves: bytes


class IdsPiece(Record, frozen=True, tag="ids"):
    """Block records from the history position ``first`` on, and what is before and behind them in the history log."""

    first: Index
    before: tuple[Hash, ...]
    blocks: tuple[IdsBlock, ...]
    after: tuple[Hash, ...]


STATE_PIECE: Final[Codec[StatePiece]] = Codec(StatePiece)
IDS_PIECE: Final[Codec[IdsPiece]] = Codec(IdsPiece)
_HEAD: Final[Codec[SnapshotHead]] = Codec(SnapshotHead)


class Terms(NamedTuple):
    """What of a state decides how much history counts: the protocol, and the longest validity window that an id used so
    far may have had, as far back as the state keeps its parameters."""

    protocol: int
    window_ms: int


class SnapshotRefused(LedgerError):
    """The snapshot cannot be used: whoever made it lied, or it is of something else."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


class PieceRefused(LedgerError):
    """The bytes are not the piece that the head speaks of; another sender may have it."""

    code: Final = "snapshot.piece_differs"

    def __init__(self, index: int) -> None:
        super().__init__(f"{self.code}: piece {index} is not what the snapshot's head says; ask another peer")
        self.index = index


def terms_of(state: State) -> Terms:
    """The terms of a committed state."""
    windows = [kept.window_ms for kept in Parameters({}).versions(state, KernelParameters)]
    return Terms(protocol_of(state).current, max(windows, default=KernelParameters().window_ms))


def snapshot_hash(head: bytes) -> bytes:
    """The hash by which engines know a snapshot, of its encoded head."""
    return digest(SNAPSHOT_TAG, head)


def piece_hash(raw: bytes) -> bytes:
    """The hash of a piece, as the head has it."""
    return sha256(raw).digest()


def encode_head(head: SnapshotHead) -> bytes:
    """The head's canonical bytes."""
    return encode(head)


def decode_head(raw: bytes) -> SnapshotHead:
    """A head that fits together in itself; whether it is true shows in its app hash. Raises ``SnapshotRefused``."""
    if len(raw) > MAX_HEAD_BYTES:
        raise SnapshotRefused("snapshot.too_large", f"its head has {len(raw)} bytes")
    try:
        head = _HEAD.decode(raw)
        head.history()
    except (ProofInvalid, ValueError) as error:
        raise SnapshotRefused("snapshot.malformed", f"its head cannot be read ({error})") from None
    in_chain = 1 <= head.first_empty < head.slot_count or head.first_empty == END_OF_CHAIN
    if not (
        in_chain
        and _ascends(head.state_starts, 0, head.slot_count)
        and (
            not head.id_starts if not head.history_size else _ascends(head.id_starts, None, head.history_size)
        )
        and len(head.piece_hashes) == len(head.state_starts) + len(head.id_starts)
    ):
        raise SnapshotRefused("snapshot.malformed", "its head does not fit together")
    return head


def _ascends(starts: tuple[int, ...], first: int | None, stop: int) -> bool:
    """Whether there are starts, the first of them where it has to be, each behind the one before, all below ``stop``."""
    if not starts or (first is not None and starts[0] != first):
        return False
    return all(left < right for left, right in pairwise(starts)) and starts[-1] < stop
