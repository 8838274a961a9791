"""Destroys what the members of a channel decided to erase: as a member's node, and as a vault's, which reads nothing.

    vault, or not a member any more that can execute    at once
    member   executed up to there, and a claimed snapshot of a later point is here: after a void the channel begins with that
             not executed, and no custodian has it any more: goes on from another member's snapshot

What goes: payloads in custody, and the transactions that the replica keeps with its blocks. What stays: states, outcomes, digests.
"""

from collections.abc import Callable, MutableMapping

from traco.channels.custody.store import CustodyStore
from traco.channels.seat.archive import Archive
from traco.channels.seat.bases import Base
from traco.channels.seat.book import Book
from traco.channels.seat.erasures import ErasureDecided
from traco.channels.seat.errors import SnapshotNeeded
from traco.channels.seat.ports import Stores
from traco.channels.seat.replicas import Replicas
from traco.channels.seat.seeking import Seeker
from traco.kernel.errors import LedgerError

Want = Callable[[bytes, int], None]
"""Has a snapshot of a channel taken, of some point from an ordinal on."""


class Eraser:
    """Of one node. ``problems``: why channels cannot go on."""

    def __init__(
        self, book: Book, custody: CustodyStore, stores: Stores, replicas: Replicas, archive: Archive | None, seeker: Seeker,
        problems: MutableMapping[bytes, LedgerError],
    ) -> None:  # fmt: skip
        self._book = book
        self._custody = custody
        self._stores = stores
        self._replicas = replicas
        self._archive = archive
        self._seeker = seeker
        self._problems = problems

    def step(self, want: Want) -> None:
        """Erase what can be. Raises ``CustodyStopped``, ``BookStopped``."""
        for decided in self._book.erasures():
            channel, through = decided
            ordinal = self._place(decided)
            if ordinal and not self._is_ready(channel, ordinal, want):
                continue
            self._custody.erase(channel, through)
            if ordinal:
                self._replicas.close(channel)
                self._stores.blank(channel, ordinal)
            self._book.settle_erasure(decided)

    def _place(self, decided: ErasureDecided) -> int:
        """The point up to which a replica of this node is concerned; 0: none is."""
        if self._book.standing(decided.channel) not in ("followed", "left"):
            return 0
        point = self._book.point_with(decided.channel, decided.through)
        return 0 if point is None else point.context.ordinal

    def _is_ready(self, channel: bytes, ordinal: int, want: Want) -> bool:
        """Whether the channel can go on here without what is to be erased."""
        if self._book.executed_to(channel) < ordinal:
            if channel in self._seeker.unavailable:
                self._book.need_snapshot(channel, ordinal)
                self._problems[channel] = SnapshotNeeded(channel)
            return False
        base = self._book.base(channel).ordinal
        if base >= ordinal:
            return True
        kept = [] if self._archive is None else self._archive.claimed(channel)
        found = next((height for height in kept if height >= ordinal), 0)
        point = self._book.point(channel, found)
        if point is None:
            want(channel, ordinal)
            return False
        self._book.begin_with(channel, Base(ordinal, found, point.end.number, None))
        return True
