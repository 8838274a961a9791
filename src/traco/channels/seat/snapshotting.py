"""The snapshots that a node takes of its channels, and gives to members: one that nobody asked for every so many points, and one
when a member asks that joined later, or lags too far behind.

Taking holds up nobody, and what cannot be taken is no reason to stop. A snapshot is given once its point is confirmed.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from traco.channels.custody.messages import Refusal
from traco.channels.executing.errors import ExecutingError
from traco.channels.executing.registry_view import RootState
from traco.channels.seat.archive import Archive
from traco.channels.seat.book import Book
from traco.channels.seat.claims import MAX_POINTS, Claim, believe, require_confirmed, snapshot_terms
from traco.channels.seat.errands import Errands
from traco.channels.seat.errors import KeyMissing
from traco.channels.seat.hosting import Hosted
from traco.channels.seat.messages import (
    NO_SNAPSHOT,
    NOT_ENTITLED,
    AboutSnapshots,
    Answer,
    GetPart,
    SnapshotIs,
)
from traco.channels.seat.ports import Root
from traco.channels.seat.secrets import Secrets
from traco.kernel.errors import LedgerError
from traco.modules.channel.keeper import Keeper
from traco.storage.copying.form import SnapshotRefused

WISH_MS: Final = 10_000  # between two snapshots of a channel that members asked for


class Snapshots:
    """Those of one node. ``hosted`` is a channel's replica."""

    def __init__(
        self, archive: Archive, keeper: Keeper, book: Book, root: Root, genesis: bytes, secrets: Secrets, errands: Errands,
        hosted: Callable[[bytes], Hosted],
    ) -> None:  # fmt: skip
        self._archive = archive
        self._keeper = keeper
        self._book = book
        self._root = root
        self._genesis = genesis
        self._secrets = secrets
        self._errands = errands
        self._hosted = hosted
        self._newest: dict[bytes, int] = {}  # of those channels that were looked at
        self._candidates: dict[bytes, int] = {}  # taken, and not claimed yet
        self._wishes: dict[bytes, int] = {}
        self._asked: set[bytes] = set()  # channels that somebody wants to join
        self._taken_ms: dict[bytes, int] = {}
        self.problem = ""
        """Why the last one could not be taken; nothing stops for that."""

    # giving

    def give(self, member: bytes, request: AboutSnapshots) -> Answer:
        """The answer to a member's request."""
        channel = request.channel
        with self._root.reading() as root:
            record = self._keeper.channel(root.state, channel)
        if record is None or not record.epoch or member not in record.terms.members:
            return Refusal(NOT_ENTITLED)
        if isinstance(request, GetPart):
            part = self._archive.part(channel, request.ordinal, request.part, request.offset)
            return Refusal(NO_SNAPSHOT) if part is None else part
        for ordinal in self._archive.offered(channel)[:1]:
            if ordinal >= request.since:
                return SnapshotIs(ordinal)
        self._asked.add(channel)
        # of a point that is not here yet nothing is promised: who asks for one that never comes would hold up all others
        if self._book.standing(channel) == "followed" and request.since <= self._book.executed_to(channel):
            self.want(channel, request.since)
        return Refusal(NO_SNAPSHOT)

    # taking

    def want(self, channel: bytes, since: int) -> None:
        """Have one taken of a point from ``since`` on, if there is none."""
        self._wishes[channel] = max(since, self._wishes.get(channel, 0))

    def grown(self, channel: bytes, hosted: Hosted, root: RootState) -> None:
        """A channel was executed further."""
        if hosted.replica.cursor.ordinal - self._last(channel) >= self._archive.interval:
            self._take(channel, hosted, root)

    def take(self, root: RootState, time_ms: int) -> None:
        """Take what members wish for, and claim what was confirmed since."""
        for channel, since in list(self._wishes.items()):
            if time_ms - self._taken_ms.get(channel, -WISH_MS) < WISH_MS:
                continue
            if self._last(channel) >= since:
                del self._wishes[channel]
            elif self._book.executed_to(channel) >= since and self._begin(channel, root):
                self._taken_ms[channel] = time_ms
                del self._wishes[channel]
        for channel, ordinal in list(self._candidates.items()):
            with suppress(ExecutingError, KeyMissing):  # said where it is executed; looked at again here
                if self._book.confirmed_to(channel) >= ordinal:
                    self._claim(channel, ordinal)
                elif channel in self._asked:
                    self._offer(channel, ordinal, root)

    def _begin(self, channel: bytes, root: RootState) -> bool:
        """Begin to take one, if the channel can be looked at."""
        try:
            return self._take(channel, self._hosted(channel), root)
        except ExecutingError:
            return False

    def _last(self, channel: bytes) -> int:
        """The newest there is; one that is not claimed is a candidate again after a start."""
        if channel not in self._newest:
            heights = self._archive.heights(channel)
            self._newest[channel] = heights[0] if heights else 0
            if heights and heights[0] not in self._archive.claimed(channel):
                self._candidates[channel] = heights[0]
        return self._newest[channel]

    def _take(self, channel: bytes, hosted: Hosted, root: RootState) -> bool:
        """Begin to take one, unless one is being taken, or waits for confirmation."""
        if channel in self._candidates or self._errands.is_running("snapshot"):
            return False
        try:
            pinned = self._archive.pin(channel)
        except (LedgerError, OSError) as error:
            self.problem = str(error)
            return False
        terms = snapshot_terms(hosted.replica.state, root.state)

        async def taking() -> bool:
            try:
                await self._archive.take(channel, pinned, terms)
            except (LedgerError, OSError) as error:
                self.problem = str(error)
                return False
            self._newest[channel] = self._candidates[channel] = pinned.height
            return True

        self._errands.start(("snapshot",), taking())
        return True

    def _offer(self, channel: bytes, ordinal: int, root: RootState) -> None:
        """Have a candidate given that only those who join can confirm: where all must agree, nothing is before they do.

        Raises ``KeyMissing``, ``ExecutingError``.
        """
        point = self._keeper.point(root.state, channel, ordinal)
        then = None if point is None else self._keeper.as_of(root.state, point.height, channel)
        head, result = self._archive.head(channel, ordinal), self._book.result(channel, ordinal)
        if point is None or then is None or head is None or result is None:
            return
        like = sum(vote.digest == result.digest for vote in point.votes)
        silent = len(then.terms.members) - len(point.votes)
        is_enough = like > then.terms.faults and like + silent >= then.terms.policy
        if is_enough == (ordinal in self._archive.offered(channel)):
            return
        hosted = self._hosted(channel)
        claim = Claim(result.epoch, (hosted.summary(ordinal),), head) if is_enough else None
        self._archive.offer(channel, ordinal, claim)

    def _claim(self, channel: bytes, ordinal: int) -> None:
        """Have a candidate given from now on, or throw it away where its point is another one by now. Raises as ``_claimed``."""
        confirmed = self._book.confirmation(channel, ordinal)
        if confirmed is None or self._book.result(channel, confirmed[0]) is None:
            return
        claim = self._claimed(channel, ordinal, confirmed[0])
        del self._candidates[channel]
        if claim is None:
            self._archive.drop(channel, ordinal)
            del self._newest[channel]
        else:
            self._archive.claim(channel, ordinal, claim)

    def _claimed(self, channel: bytes, ordinal: int, last: int) -> Claim | None:
        """The claim of a candidate, if it is true. Raises ``KeyMissing``, ``ExecutingError``."""
        head, result = self._archive.head(channel, ordinal), self._book.result(channel, ordinal)
        if head is None or result is None or last - ordinal >= MAX_POINTS:
            return None
        secret = self._secrets.find(channel, result.epoch)
        if secret is None:
            raise KeyMissing(channel, result.epoch)
        hosted = self._hosted(channel)
        claim = Claim(result.epoch, tuple(hosted.summary(each) for each in range(ordinal, last + 1)), head)
        try:
            require_confirmed(claim, self._book.confirmed_digest(channel, last))
            believe(claim, self._genesis, secret)
        except SnapshotRefused:
            return None  # what was executed here changed since, or is disputed
        return claim
