"""The ids that are used up within the validity window. Not state keys: they can be rebuilt from block records.

An id's ``valid_until`` is part of what the id hashes, so an id can only be in the bucket of its ``valid_until``; a bucket
whose time has passed is dropped whole, because what is in it would be refused as expired anyway.
Ids that came with a snapshot have no ``valid_until``, because no hash covers it; they are kept for a whole window after their
block. Nothing is decided otherwise for it: whoever asks about an id after its ``valid_until`` was refused as expired before.

About 100 bytes of memory per id: at 10,000 transactions per second and a window of ten minutes, 600 MB.
"""

from collections.abc import Iterable
from typing import Final

BUCKET_MS: Final = 10_000


class UsedIds:
    """Used ids by the time their transactions expire, with the additions of the block in progress kept apart."""

    def __init__(self) -> None:
        self._buckets: dict[int, set[bytes]] = {}
        self._pending: dict[bytes, int] = {}
        self._inherited: dict[bytes, int] = {}
        self._inherited_until = 0

    def contains(self, identity: bytes, valid_until: int) -> bool:
        """Whether the id was used, in a committed block or in the one in progress."""
        if identity in self._pending:
            return True
        bucket = self._buckets.get(valid_until // BUCKET_MS)
        return (bucket is not None and identity in bucket) or identity in self._inherited

    def add(self, identity: bytes, valid_until: int) -> None:
        """Use an id up in the block in progress."""
        self._pending[identity] = valid_until

    def pending(self) -> tuple[tuple[bytes, int], ...]:
        """The ids of the block in progress with their times, in order of use."""
        return tuple(self._pending.items())

    def abandon(self) -> None:
        """Forget the block in progress."""
        self._pending.clear()

    def commit(self, time_ms: int) -> None:
        """Keep the block in progress and drop what expired before ``time_ms``."""
        self.load(self._pending.items())
        self._pending.clear()
        for bucket in [bucket for bucket in self._buckets if (bucket + 1) * BUCKET_MS <= time_ms]:
            del self._buckets[bucket]
        if self._inherited and self._inherited_until <= time_ms:
            self._inherited.clear()

    def load(self, used: Iterable[tuple[bytes, int]]) -> None:
        """Add committed ids, as a store returns them."""
        for identity, valid_until in used:
            self._buckets.setdefault(valid_until // BUCKET_MS, set()).add(identity)

    def inherit(self, used: Iterable[tuple[bytes, int]]) -> None:
        """Add ids of blocks before a snapshot, each with the time from which on it can be forgotten."""
        self._inherited.update(used)
        self._inherited_until = max(self._inherited.values(), default=0)
