"""Records that can be read as of any height within a horizon: parties, keys, parameters, channels, decisions.

The current version stands under the record's key. When a later block replaces it, the version that was committed
before stands under the same key with the height of the replacement. "As of height h" means as committed by block h.
"""

from typing import Any, Final, Generic, TypeVar

import msgspec

from traco.kernel.codec import Height, Record
from traco.kernel.state import State, Table

R = TypeVar("R", bound=Record)

PRUNED_PER_WRITE: Final = 4  # old versions removed with each write: more than one, so that a backlog shrinks

SCANNED: Final = 256  # replaced versions read at a time


class Version(Record, frozen=True, tag=1):
    """A version in force: since which height, and the record."""

    since: Height
    record: Any


class HeightTable(Generic[R]):
    """A table of records by height. Uses two table bytes: one for current versions, one for replaced ones.

    Parts must have a fixed total length, so that the key of a replaced version is unambiguous.
    """

    def __init__(self, module: int, table: int, replaced: int, kind: Any) -> None:
        versioned = _version_of(kind)
        self._current: Table[Any] = Table(module, table, versioned)
        self._replaced: Table[Any] = Table(module, replaced, versioned)

    def get(self, state: State, *parts: bytes) -> R | None:
        """The record as it is now, changes of this block included."""
        version = self._current.get(state, *parts)
        return None if version is None else version.record

    def put(self, state: State, height: int, horizon: int, record: R, *parts: bytes) -> None:
        """Write the record in block ``height``; versions that ended more than ``horizon`` blocks ago are pruned."""
        version = self._current.get(state, *parts)
        if version is not None and version.since < height:
            self._replaced.put(state, version, *parts, height.to_bytes(8, "big"))
        self._current.put(state, self._current_version(height, record), *parts)
        self._prune(state, height - horizon, *parts)

    def delete(self, state: State, height: int, horizon: int, *parts: bytes) -> None:
        """Remove the record in block ``height``; it can still be read as of earlier ones. Nothing happens if it is absent."""
        version = self._current.get(state, *parts)
        if version is None:
            return
        if version.since < height:
            self._replaced.put(state, version, *parts, height.to_bytes(8, "big"))
        self._current.delete(state, *parts)
        self._prune(state, height - horizon, *parts)

    def as_of(self, state: State, height: int, *parts: bytes) -> R | None:
        """The record as committed by block ``height``: None if it did not exist, or is beyond the horizon."""
        version = self._current.get(state, *parts)
        if version is not None and version.since <= height:
            now: R = version.record
            return now
        after = height.to_bytes(8, "big")
        for _, old in self._replaced.scan(state, *parts, after=after, limit=1):
            if old.since <= height:
                then: R = old.record
                return then
        return None

    def versions(self, state: State, *parts: bytes) -> list[R]:
        """The record as it is now, and every replaced version that is kept."""
        current = self._current.get(state, *parts)
        found = [] if current is None else [current.record]
        after = b""
        while old := self._replaced.scan(state, *parts, after=after, limit=SCANNED):
            found += [version.record for _, version in old]
            after = old[-1][0]
        return found

    def scan(self, state: State, *parts: bytes, after: bytes = b"", limit: int) -> list[tuple[bytes, R]]:
        """Current records in key order, as ``Table.scan``."""
        found = self._current.scan(state, *parts, after=after, limit=limit)
        return [(rest, version.record) for rest, version in found]

    def _current_version(self, height: int, record: R) -> Record:
        return Version(height, record)

    def _prune(self, state: State, oldest: int, *parts: bytes) -> None:
        for rest, _ in self._replaced.scan(state, *parts, limit=PRUNED_PER_WRITE):
            if int.from_bytes(rest, "big") > oldest:
                return
            self._replaced.delete(state, *parts, rest)


def _version_of(kind: Any) -> Any:
    """The type of a version whose record is typed, so that decoding is strict."""
    return msgspec.defstruct(
        "Version", [("since", Height), ("record", kind)], bases=(Record,), tag=1, array_like=True, frozen=True,
        forbid_unknown_fields=True,
    )  # fmt: skip
