"""Reading and changing the state: one overlay with marks over the committed tree, and typed tables on it.

Records are kept decoded, whether read or written, so that an account touched by every transaction of a block is decoded
once; what was written is kept as it reads back, so that it stays good when the block is committed. A mark is a position
in the undo journal: block, transaction, admission and nested operations are all marks of one journal.
"""

from collections.abc import Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

from sortedcontainers import SortedSet

from traco.kernel.codec import Codec, Record, encode
from traco.kernel.errors import RecordTooLarge
from traco.kernel.stateproof import MAX_KEY_BYTES

MAX_VALUE_BYTES: Final = 262_144
DECODED_LIMIT: Final = 20_000  # records kept beside those that the block wrote; a cache, never consensus

R = TypeVar("R", bound=Record)


class StateReader(Protocol):
    """Committed state: the tree in memory, or a read snapshot of the store."""

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""

    def range(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """The keys in [start, stop), ascending."""


class _Unwritten:
    """Stands for the encoding of a key that the block has not written."""


_UNWRITTEN: Final = _Unwritten()


# What a write replaced: the key, its record and its encoding. A plain tuple, because every write makes one.
_Undo = tuple[bytes, Record | None, bytes | _Unwritten | None]


class State:
    """The state as a block sees it: committed values under the changes made so far."""

    def __init__(self, committed: StateReader) -> None:
        self._committed = committed
        # Current records of keys that the block wrote (None: deleted), and of some others that were read.
        self._records: dict[bytes, Record | None] = {}
        self._encoded: dict[bytes, bytes | None] = {}  # of keys that the block wrote
        self._journal: list[_Undo] = []
        self._created: SortedSet = SortedSet()

    def record(self, key: bytes, codec: Codec[R]) -> R | None:
        """The record at ``key``, or None."""
        found = self._records.get(key)
        if found is None and key not in self._encoded:
            return self._read(key, codec)
        return found  # type: ignore[return-value]

    def _read(self, key: bytes, codec: Codec[R]) -> R | None:
        """The committed record, which is kept from now on."""
        raw = self._committed.get(key)
        if raw is None:
            return None
        if len(self._records) >= DECODED_LIMIT + len(self._encoded):
            self._records = {written: self._records[written] for written in self._encoded}
        record = self._records[key] = codec.trusted(raw)
        return record

    def committed_record(self, key: bytes, codec: Codec[R]) -> R | None:
        """The record at ``key`` as it was before this block."""
        raw = self._committed.get(key)
        return None if raw is None else codec.trusted(raw)

    def put(self, key: bytes, record: Record, codec: Codec[Any]) -> None:
        """Set the record at ``key``. It is encoded and read back at once: a handler cannot store what cannot be read.

        Raises ``RecordTooLarge``, and ``ValueError`` for a key that the tree could not take at the end of the block.
        """
        if len(key) > MAX_KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes")
        raw = encode(record)
        if len(raw) > MAX_VALUE_BYTES:
            raise RecordTooLarge(len(raw), MAX_VALUE_BYTES)
        self._write(key, codec.trusted(raw), raw, codec)

    def delete(self, key: bytes, codec: Codec[Any]) -> None:
        """Remove ``key``; nothing happens if it is absent."""
        if self.record(key, codec) is not None:
            self._write(key, None, None, codec)

    def _write(self, key: bytes, record: Record | None, raw: bytes | None, codec: Codec[Any]) -> None:
        previous = self._records.get(key)
        replaced = self._encoded.get(key, _UNWRITTEN)
        if previous is None and replaced is _UNWRITTEN:
            previous = self._read(key, codec)
            if previous is None:
                self._created.add(key)
        self._journal.append((key, previous, replaced))
        self._records[key] = record
        self._encoded[key] = raw

    def mark(self) -> int:
        """A position to roll back to."""
        return len(self._journal)

    def rollback(self, mark: int) -> None:
        """Undo everything since ``mark``."""
        while len(self._journal) > mark:
            key, record, replaced = self._journal.pop()
            self._records[key] = record
            if not isinstance(replaced, _Unwritten):
                self._encoded[key] = replaced
                continue
            del self._encoded[key]
            if record is None:
                del self._records[key]
                self._created.discard(key)

    def before(self, mark: int) -> dict[bytes, Record | None]:
        """Each key written since ``mark``, with the record it held at ``mark``."""
        held: dict[bytes, Record | None] = {}
        for key, record, _ in self._journal[mark:]:
            if key not in held:
                held[key] = record
        return held

    def current(self, key: bytes) -> Record | None:
        """The record now at a key that this block has written."""
        return self._records[key]

    def range(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        """The present keys in [start, stop), ascending; the caller must not change keys of the range meanwhile."""
        created = self._created.irange(start, stop, inclusive=(True, False))
        for key in _merged(self._committed.range(start, stop), created):
            if self._encoded.get(key, _UNWRITTEN) is not None:
                yield key

    def changes(self) -> dict[bytes, bytes | None]:
        """All changes of the block: encoded value by key, None for a deletion."""
        return dict(self._encoded)

    def reset(self, committed: bool) -> None:
        """Forget the overlay: its changes are in the tree now, or were taken out of it again."""
        if committed:
            for key, raw in self._encoded.items():
                if raw is None:
                    del self._records[key]
        else:
            self._records.clear()  # may hold what was read from a block that is abandoned
        self._encoded.clear()
        self._journal.clear()
        self._created.clear()

    def seal_journal(self) -> None:
        """Forget the undo positions of finished transactions; their changes stay."""
        self._journal.clear()


def _merged(left: Iterator[bytes], right: Iterator[bytes]) -> Iterator[bytes]:
    """Two ascending iterators without common elements, as one."""
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a < b):
            yield a  # type: ignore[misc]
            a = next(left, None)
        else:
            yield b
            b = next(right, None)


def prefix_end(prefix: bytes) -> bytes:
    """The least byte string above all that start with ``prefix`` (which is not all 0xff)."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1])


class Table(Generic[R]):
    """Records of one kind under one prefix: the module's byte and the table's byte.

    A key is the prefix and its parts, all of fixed length but the last.
    """

    __slots__ = ("codec", "prefix")

    def __init__(self, module: int, table: int, kind: Any) -> None:
        self.prefix = bytes((module, table))
        self.codec: Codec[R] = Codec(kind)

    def key(self, *parts: bytes) -> bytes:
        """The state key of the record with these parts."""
        return self.prefix + b"".join(parts)

    def get(self, state: "State", *parts: bytes) -> R | None:
        """The record, or None."""
        return state.record(self.prefix + b"".join(parts), self.codec)

    def put(self, state: "State", record: R, *parts: bytes) -> None:
        """Write the record."""
        state.put(self.prefix + b"".join(parts), record, self.codec)

    def delete(self, state: "State", *parts: bytes) -> None:
        """Remove the record if it is there."""
        state.delete(self.prefix + b"".join(parts), self.codec)

    def scan(self, state: "State", *parts: bytes, after: bytes = b"", limit: int) -> list[tuple[bytes, R]]:
        """Up to ``limit`` records whose key starts with ``parts``, as (rest of the key, record), in key order.

        ``after`` resumes behind a rest of key returned before.
        """
        start = self.prefix + b"".join(parts)
        first = start + after + b"\0" if after else start
        found: list[tuple[bytes, R]] = []
        for key in state.range(first, prefix_end(start)):
            if len(found) == limit:
                break
            record = state.record(key, self.codec)
            if record is not None:
                found.append((key[len(start) :], record))
        return found
