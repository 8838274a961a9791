"""The file of a disclosure, ``traco.channel-disclosure/1``: a period of a channel that can be executed again.

    file  = frame after frame: length in 4 bytes, big endian, then one canonical record
    order = Head, [Opening, Slots.., Ids..], (Point, Payload.., Leaves..) for each point of the period, Links.., End

It opens the payloads of its points and nothing else: their keys follow from the epoch's key, not the other way. The opening is
the whole state of the channel before the period. ``End`` has the hash of all frames before it, of which the root has a salted
commitment, and the root's transaction that says so.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, BinaryIO, Final, TypeVar

import msgspec

from traco.channels.disclosing.errors import DisclosureRefused
from traco.kernel.codec import Codec, Count, Hash, Height, Id, Record, TimeMs, digest, encode
from traco.modules.channel.digests import PointSummary
from traco.modules.channel.entries import Entry, PointContext
from traco.modules.channel.parts import ChannelId, Number

DISCLOSURE_TAG: Final = b"traco/disclosure/1"
CHUNK: Final = 4_096  # slots, ids and leaves of one frame
CHUNK_BYTES: Final = 1_048_576  # of slots in one frame, about
MAX_FRAME_BYTES: Final = 33_554_432
MAX_LINKS: Final = 1_024
_HEAD_BYTES: Final = 4

Index = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class Head(Record, frozen=True, tag="traco.channel-disclosure/1"):
    """What is disclosed, and by which member. Points ``first`` to ``last``; ``salt`` hides the commitment."""

    network: Hash
    channel: ChannelId
    member: Id
    salt: Hash
    first: Number
    last: Number


class Opening(Record, frozen=True, tag="opening"):
    """The state before the first point: what its digest is of, and the shape of its tree and history. ``height``: of its root block."""

    summary: PointSummary
    blind: Hash
    height: Height
    time_ms: TimeMs
    slot_count: Annotated[int, msgspec.Meta(ge=1, le=2**40)]
    first_empty: int
    history_size: Index
    frontier: tuple[Hash, ...]


class Slots(Record, frozen=True, tag="slots"):
    """The slots of the state's tree from ``first`` on: key and value; or, of an empty slot, the next empty one."""

    first: Index
    slots: Annotated[tuple[tuple[bytes, bytes] | int, ...], msgspec.Meta(min_length=1, max_length=CHUNK)]


class Ids(Record, frozen=True, tag="ids"):
    """Ids that are used up, and until when each counts."""

    used: Annotated[tuple[tuple[Hash, TimeMs], ...], msgspec.Meta(min_length=1, max_length=CHUNK)]


class Point(Record, frozen=True, tag="point"):
    """A point: its entries, what the disclosing member's node found, and what hides it. ``payloads`` and ``leaves`` follow."""

    context: PointContext
    first: Number
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1)]
    summary: PointSummary
    blind: Hash
    payloads: Count
    leaves: Count


class Payload(Record, frozen=True, tag="payload"):
    """The payload of an entry, with the key that opens it alone. ``content`` is empty where the root carries it.

    ``code``: why it does not open, for nobody; empty where it does. ``key`` is empty where it is not even a payload.
    """

    number: Number
    key: Annotated[bytes, msgspec.Meta(max_length=32)]
    content: bytes
    code: Annotated[str, msgspec.Meta(max_length=64)]


class Leaves(Record, frozen=True, tag="leaves"):
    """The salts of outcomes, and each outcome's salted hash as the disclosing member's node has it."""

    salts: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=CHUNK)]
    outcomes: Annotated[tuple[Hash, ...], msgspec.Meta(min_length=1, max_length=CHUNK)]


class Links(Record, frozen=True, tag="links"):
    """The points behind the period, up to one that the root confirms by itself. They tell nothing."""

    points: Annotated[tuple[PointSummary, ...], msgspec.Meta(min_length=1, max_length=MAX_LINKS)]


class End(Record, frozen=True, tag="end"):
    """The hash of all frames before, and the root's transaction that has the commitment to it."""

    content: Hash
    origin: Hash


Frame = Head | Opening | Slots | Ids | Point | Payload | Leaves | Links | End
F = TypeVar("F", bound=Record)

_FRAME: Final[Codec[Frame]] = Codec(Frame)


def commitment(head: Head, content: bytes) -> bytes:
    """What the root is told: nobody can tell from it what was disclosed, or guess it, for the salt is in the content."""
    return digest(DISCLOSURE_TAG, encode((head.network, head.channel, head.member, content)))


class Writer:
    """Makes the bytes of frames, and the hash over them."""

    def __init__(self) -> None:
        self._hasher = sha256(DISCLOSURE_TAG)

    def frame(self, record: Frame) -> bytes:
        """The bytes of the next frame."""
        raw = encode(record)
        framed = len(raw).to_bytes(_HEAD_BYTES, "big") + raw
        self._hasher.update(framed)
        return framed

    def content(self) -> bytes:
        """The hash of all frames so far."""
        return self._hasher.digest()


class Reader:
    """Reads frames one after the other. Raises ``DisclosureRefused`` (``disclosure.malformed``) for whatever is none."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hasher = sha256(DISCLOSURE_TAG)
        self._next: Frame | None = None

    def next(self, kind: type[F]) -> F:
        """The next frame, which has to be of this kind."""
        found = self.peek()
        if not isinstance(found, kind):
            raise malformed(f"{kind.__name__} is expected, not {type(found).__name__}")
        self._next = None
        return found

    def all(self, kind: type[F]) -> Iterator[F]:
        """The next frames, as long as they are of this kind."""
        while isinstance(self.peek(), kind):
            yield self.next(kind)

    def peek(self) -> Frame:
        """The next frame, which stays the next."""
        if self._next is None:
            self._next = self._read()
        return self._next

    def content(self) -> bytes:
        """The hash of all frames taken so far, but the end."""
        return self._hasher.digest()

    def require_end(self) -> None:
        """Raise unless nothing is left."""
        if self._file.read(1):
            raise malformed("something follows its end")

    def _read(self) -> Frame:
        head = self._file.read(_HEAD_BYTES)
        size = int.from_bytes(head, "big")
        if len(head) != _HEAD_BYTES or size > MAX_FRAME_BYTES:
            raise malformed("it ends too early" if len(head) != _HEAD_BYTES else "a frame is too large")
        raw = self._file.read(size)
        if len(raw) != size:
            raise malformed("it ends too early")
        try:
            found = _FRAME.decode(raw)
        except ValueError as error:
            raise malformed(f"a frame cannot be read ({error})") from None
        if not isinstance(found, End):
            self._hasher.update(head + raw)
        return found


def malformed(reason: str) -> DisclosureRefused:
    """The refusal of what is no such file."""
    return DisclosureRefused("disclosure.malformed", f"This is not a disclosure of a channel: {reason}.")
