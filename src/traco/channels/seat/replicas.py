"""The replicas of a node's channels: opened when they are needed, and brought into line with the book whenever they are.

A replica that is ahead of what counts (an entry became void) or of the book, or behind what the channel begins with here (a crash
while a snapshot took its place) is made again: from the newest snapshot that is kept and stands, else from the first point.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final

from traco.channels.executing.errors import BeyondHorizon
from traco.channels.executing.registry_view import RegistryView, RootState
from traco.channels.seat.archive import Archive
from traco.channels.seat.book import Book, Change
from traco.channels.seat.errors import SnapshotNeeded
from traco.channels.seat.hosting import Hosted
from traco.channels.seat.joining import Joined
from traco.channels.seat.ports import Stores
from traco.storage.copying.form import PieceRefused, SnapshotRefused

OPEN: Final = 128  # replicas that are kept open
REST_MS: Final = (
    60_000  # one that nobody used for so long, or up to twice as long, is closed: then it is a file
)


class Replicas:
    """All of them. ``opened``: a channel's replica, over its file. ``genesis``: the founding document's bytes."""

    def __init__(
        self, stores: Stores, book: Book, archive: Archive | None, genesis: bytes,
        opened: Callable[[bytes], Hosted],
    ) -> None:  # fmt: skip
        self._stores = stores
        self._book = book
        self._archive = archive
        self._genesis = genesis
        self._opened = opened
        self._hosted: dict[bytes, Hosted] = {}  # the one used last stands last
        self._used: set[bytes] = set()  # since the last look
        self._held: set[bytes] = set()
        self._look_ms = 0

    def host(self, channel: bytes) -> Hosted:
        """The channel's replica, brought into line with the book. Raises ``ExecutingError``."""
        found = self._hosted.pop(channel, None) or self._open(channel)
        self._hosted[channel] = found
        self._used.add(channel)
        if len(self._hosted) > OPEN:
            oldest = next((each for each in self._hosted if each != channel and each not in self._held), None)
            if oldest is not None:
                self.close(oldest)
        return found

    @contextmanager
    def holding(self, channel: bytes) -> Iterator[None]:
        """Meanwhile the channel is not closed so that another may be opened."""
        self._held.add(channel)
        try:
            yield
        finally:
            self._held.discard(channel)

    def rest(self, time_ms: int) -> None:
        """Close what was not used for a while."""
        if time_ms < self._look_ms:
            return
        for channel in [each for each in self._hosted if each not in self._used]:
            self.close(channel)
        self._used.clear()
        self._look_ms = time_ms + REST_MS

    def close(self, channel: bytes) -> None:
        """Close a replica, if it is open."""
        found = self._hosted.pop(channel, None)
        if found is not None:
            found.close()

    def close_all(self) -> None:
        """Close all of them."""
        with ExitStack() as closing:
            for hosted in self._hosted.values():
                closing.callback(hosted.close)

    def go_back(self, channel: bytes, before: int) -> None:
        """Have a channel executed again, from the newest snapshot of a point below ``before`` that is kept, or from the first point.

        Raises ``SnapshotNeeded`` where it cannot be executed from anything that is here.
        """
        self.close(channel)
        self._make_again(channel, before)
        found = self._opened(channel)
        self._hosted[channel] = found
        self._book.forget_results(channel, self._require_base(channel, found))

    def repeat(self, channel: bytes, root: RootState, *, is_whole: bool) -> None:
        """Have a channel executed again: from the first point, or where that cannot be (``is_whole``: nothing was erased) from the newest
        snapshot that is kept; nothing happens where there is none.
        """
        base, first = self._book.base(channel).ordinal, self._book.point(channel, 1)
        try:
            if is_whole and not base and first is not None:
                RegistryView().stand(root, first.context.height - 1)
                self.go_back(channel, 1)
                return
        except BeyondHorizon:
            pass
        kept = [] if self._archive is None else self._archive.claimed(channel)
        if any(self._book.result(channel, height) for height in kept):
            self.go_back(channel, self._book.executed_to(channel) + 1)

    def adopt(self, channel: bytes, joined: Joined, changes: Sequence[Change], height: int) -> None:
        """Go on from another member's snapshot. ``changes``: what the root has said of the channel since its point, up to a block."""
        self.close(channel)
        # first the book: after a crash the replica is behind it, and is made of the same snapshot, which is kept
        self._book.rebase(channel, joined.base, joined.point, joined.result, changes, height)
        self._stores.discard(channel)
        if self._archive is not None:
            self._archive.install(channel, joined.made)
        self._book.note_due(channel, self.host(channel).replica.next_due_ms())

    def _open(self, channel: bytes) -> Hosted:
        found, stale = self._opened(channel), self._book.stale(channel)
        ordinal, base = found.replica.cursor.ordinal, self._book.base(channel).ordinal
        is_ahead = ordinal > self._book.executed_to(channel)  # of a book that is older, or began anew
        if (stale is not None and ordinal >= stale) or ordinal < base or is_ahead:
            found.close()
            self._make_again(channel, self._book.cursor(channel).ordinal + 1 if stale is None else stale)
            found = self._opened(channel)
            ordinal = self._require_base(channel, found)
        self._book.forget_results(channel, ordinal)
        return found

    def _require_base(self, channel: bytes, found: Hosted) -> int:
        """Up to which point the replica goes. Raises ``SnapshotNeeded`` where that is before what is followed here."""
        ordinal = found.replica.cursor.ordinal
        if ordinal < self._book.base(channel).ordinal:
            self._hosted.pop(channel, None)
            found.close()
            # nothing here has them; so the channel is looked at until there is a snapshot
            self._book.forget_results(channel, 0)
            raise SnapshotNeeded(channel)
        return ordinal

    def _make_again(self, channel: bytes, before: int) -> None:
        """Put a replica made of a snapshot of a point below ``before`` in the place of the one there is, or none."""
        archive = self._archive
        self._stores.discard(channel)
        for height in [] if archive is None else archive.claimed(channel):
            result = self._book.result(channel, height)
            if archive is None or result is None or height >= before:
                continue
            try:
                archive.install(channel, archive.restore(channel, height, self._genesis, result.app_hash))
            except (PieceRefused, SnapshotRefused):
                archive.drop(channel, height)  # the medium has damaged it
            else:
                return
