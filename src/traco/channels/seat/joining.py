"""A channel that cannot be executed from what is here goes on from another member's snapshot.

    SnapshotNeeded, BeyondHorizon   a member joined later, or this node lags beyond what the root keeps
    KeyMissing                      the keys of earlier epochs are lost, and the one in force is here
        GetSnapshot (since)         has a member one of a confirmed point from there on?
        GetPart, again and again    the claim, compared with what the root confirmed; then the pieces, each compared with the head
        ready                       a replica's file, all of which was verified, and what the seats go on from

Whatever does not fit names who gave it (``sources``), and the next member is asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import Refusal
from traco.channels.executing.errors import BeyondHorizon
from traco.channels.executing.points import Point
from traco.channels.executing.registry_view import RootState
from traco.channels.seat.archive import Archive
from traco.channels.seat.bases import Base
from traco.channels.seat.book import Book, Result
from traco.channels.seat.claims import (
    MAX_CLAIM_BYTES,
    OLD_WINDOW,
    OTHER_POINT,
    Believed,
    ChannelRestoring,
    Claim,
    believe,
    decode_claim,
    longest_window_ms,
    require_confirmed,
)
from traco.channels.seat.errands import Errands
from traco.channels.seat.errors import KeyMissing, SnapshotNeeded
from traco.channels.seat.messages import (
    NO_SNAPSHOT,
    PART_BYTES,
    AboutSnapshots,
    Answer,
    Calls,
    GetPart,
    GetSnapshot,
    Part,
    SnapshotIs,
)
from traco.channels.seat.ports import Root, SeatKeys
from traco.channels.seat.secrets import Secrets
from traco.channels.seat.sources import Fault
from traco.kernel.errors import LedgerError
from traco.modules.channel.digests import point_digest
from traco.modules.channel.entries import EpochBegun
from traco.modules.channel.events import Entered
from traco.modules.channel.keeper import Keeper
from traco.storage.copying.form import MAX_PIECE_BYTES, PieceRefused, SnapshotRefused
from traco.storage.copying.shelf import piece_file

CALL_S: Final = 10.0  # for one answer
AGAIN_MS: Final = 2_000  # between two rounds of asking
KEYLESS_MS: Final = 30_000  # a key that was not had from anybody for so long is lost
LOOKED: Final = 256  # points looked at together


class Joined(NamedTuple):
    """A snapshot that was verified: what the channel goes on from, and the file to be its replica."""

    base: Base
    point: Point
    result: Result
    made: Path


class Joiner:
    """Gets snapshots for one node. ``recover`` asks for the key of an epoch."""

    def __init__(
        self, archive: Archive, keeper: Keeper, book: Book, root: Root, genesis: bytes, seats: Mapping[bytes, SeatKeys],
        calls: Calls, secrets: Secrets, errands: Errands, recover: Callable[[bytes, int], Awaitable[bool]],
    ) -> None:  # fmt: skip
        self._archive = archive
        self._keeper = keeper
        self._book = book
        self._root = root
        self._genesis = genesis
        self._seats = seats
        self._calls = calls
        self._secrets = secrets
        self._errands = errands
        self._recover = recover
        self._asked_ms: dict[bytes, int] = {}
        self._keyless: dict[bytes, int] = {}  # since when a key is missing
        self.parts: dict[bytes, int] = {}
        """How many parts have come of what is being received, by channel."""
        self._ready: dict[bytes, Joined] = {}

    def taken(self) -> dict[bytes, Joined]:
        """The snapshots that came since, by channel: whoever takes them goes on from them."""
        ready, self._ready = self._ready, {}
        return ready

    def ask(self, root: RootState, time_ms: int, problems: Mapping[bytes, LedgerError]) -> None:
        """Begin to ask for what channels need."""
        self._keyless = {
            channel: self._keyless.get(channel, time_ms)
            for channel, problem in problems.items()
            if isinstance(problem, KeyMissing)
        }
        for channel, problem in problems.items():
            if not isinstance(problem, SnapshotNeeded | BeyondHorizon | KeyMissing) or channel in self._ready:
                continue
            record = self._keeper.channel(root.state, channel)
            waits = time_ms < self._asked_ms.get(channel, 0) + AGAIN_MS
            if record is None or waits or self._errands.is_running("join", channel):
                continue
            self._asked_ms[channel] = time_ms
            base = self._book.base(channel)
            since = max(base.since, base.ordinal, 1)
            if isinstance(problem, BeyondHorizon):
                since = max(since, self._book.executed_to(channel) + 1)
            elif isinstance(problem, KeyMissing):
                if time_ms < self._keyless[channel] + KEYLESS_MS:
                    continue
                begun = self._began(channel, record.epoch)
                if begun is None:
                    continue
                since = max(since, begun)
            others = [member for member in record.terms.members if member not in self._seats]
            work = self.join(channel, since, others, longest_window_ms(root.state))
            self._errands.start(("join", channel), work)

    def _began(self, channel: bytes, epoch: int) -> int | None:
        """The point in which the epoch in force began, if this node has its key and has not come so far: who has lost the keys of those
        before goes on there.
        """
        if self._secrets.find(channel, epoch) is None:
            return None
        after = self._book.executed_to(channel)
        while points := self._book.points(channel, after, LOOKED):
            for point in points:
                if any(isinstance(entry, EpochBegun) and entry.epoch == epoch for entry in point.entries):
                    return point.context.ordinal
            after = points[-1].context.ordinal
        return None

    async def join(self, channel: bytes, since: int, members: Sequence[bytes], window_ms: int) -> bool:
        """Have a snapshot from one of these members ready; whether that worked."""
        for member in members:
            try:
                joined = await self._from(member, channel, since, window_ms)
            except (PieceRefused, SnapshotRefused, TransportFailed) as refused:
                self._book.note_answers([], [Fault(channel, since, member, refused.code)])
            except TimeoutError:
                self._book.note_answers([], [Fault(channel, since, member, "custody.timeout")])
            else:
                if joined is not None:
                    self._ready[channel] = joined
                    return True
        return False

    async def _from(self, member: bytes, channel: bytes, since: int, window_ms: int) -> Joined | None:
        """A snapshot from a member; None where it has none yet, or where this node does not know yet what to compare it with.

        Raises ``SnapshotRefused``, ``PieceRefused``, ``TransportFailed``, ``TimeoutError``.
        """
        answer = await self._call(member, GetSnapshot(channel, since))
        if isinstance(answer, Refusal):
            return None
        if not isinstance(answer, SnapshotIs) or answer.ordinal < since:
            raise SnapshotRefused(OTHER_POINT, "it is not of a point that was asked for")
        raw = await self._whole(member, channel, answer.ordinal, 0, MAX_CLAIM_BYTES)
        claim = decode_claim(raw, channel, answer.ordinal)
        last = claim.points[-1].ordinal
        if last <= self._book.confirmed_to(channel):
            require_confirmed(claim, self._book.confirmed_digest(channel, last))
        elif not self._is_ours_to_confirm(channel, claim):
            return None
        secret = self._secrets.find(channel, claim.epoch)
        if secret is None:
            await self._recover(channel, claim.epoch)
            return None
        believed = believe(claim, self._genesis, secret)
        if believed.head.window_ms < window_ms:
            raise SnapshotRefused(OLD_WINDOW, "it was taken when ids were remembered for a shorter time")
        return await self._pieces(member, channel, claim, believed)

    def _is_ours_to_confirm(self, channel: bytes, claim: Claim) -> bool:
        """Whether all that lacks for the claim's last point to be confirmed is the word of members of this node: where all must
        agree, nothing is confirmed before who joins does.
        """
        summary = claim.points[-1]
        with self._root.reading() as root:
            point = self._keeper.point(root.state, channel, summary.ordinal)
            then = None if point is None else self._keeper.as_of(root.state, point.height, channel)
        if point is None or then is None or point.generation != summary.generation:
            return False
        digest, terms = point_digest(summary), then.terms
        others = [
            vote.member for vote in point.votes if vote.digest == digest and vote.member not in self._seats
        ]
        ours = [member for member in terms.members if member in self._seats]
        return len(others) > terms.faults and len(others) + len(ours) >= terms.policy

    async def _pieces(self, member: bytes, channel: bytes, claim: Claim, believed: Believed) -> Joined:
        ordinal, folder = believed.point.ordinal, self._archive.receiving(channel)
        restoring = ChannelRestoring(self._archive.made(channel), believed.head, self._genesis)
        try:
            for index in range(len(believed.head.piece_hashes)):
                raw = await self._whole(member, channel, ordinal, index + 1, MAX_PIECE_BYTES)
                restoring.add(index, raw)
                (folder / piece_file(index)).write_bytes(raw)
                self.parts[channel] = self.parts.get(channel, 0) + 1
            await self._archive.finish(restoring)
            point = self._point(channel, believed, restoring)
        except BaseException:
            restoring.discard()
            raise
        self._archive.receive(channel, ordinal, claim)
        result = Result(
            believed.point.generation, believed.epoch, believed.head.app_hash(), believed.point.legs, believed.digest
        )  # fmt: skip
        base = Base(self._book.base(channel).since, ordinal, point.end.number, member)
        return Joined(base, point, result, Path(restoring.path))

    def _point(self, channel: bytes, believed: Believed, restoring: ChannelRestoring) -> Point:
        """The snapshot's point as this node's own root has it. Raises ``SnapshotRefused`` where that is another one."""
        progress, summary = restoring.progress, believed.point
        if progress is None or (progress.chain, restoring.epoch) != (summary.chain, believed.epoch):
            raise SnapshotRefused("snapshot.untrue", "its state is of another place in the stream")
        for block in self._root.blocks(progress.height - 1, 1):
            events = [each for each in block.events if isinstance(each, Entered) and each.channel == channel]
            context = events[0].context if events else None
            if context is None or (context.ordinal, events[-1].number) != (summary.ordinal, progress.number):
                break
            if believed.head.time_ms > context.time_ms:
                break
            return Point(context, events[0].number, tuple(each.entry for each in events), summary.chain)
        raise SnapshotRefused(OTHER_POINT, "the root has another point there")

    async def _whole(self, member: bytes, channel: bytes, ordinal: int, part: int, limit: int) -> bytes:
        """A part of a snapshot. Raises ``SnapshotRefused``, ``TransportFailed``, ``TimeoutError``."""
        content = b""
        while True:
            answer = await self._call(member, GetPart(channel, ordinal, part, len(content)))
            if isinstance(answer, Refusal):
                raise TransportFailed(NO_SNAPSHOT, "it does not give its snapshot any more")
            if not isinstance(answer, Part) or answer.total > limit:
                raise SnapshotRefused("snapshot.malformed", f"part {part} is none, or too large")
            # as much as there is, or who gives little at a time keeps this node from asking others for ever
            if len(answer.content) < min(PART_BYTES, answer.total - len(content)):
                raise SnapshotRefused("snapshot.malformed", f"part {part} ends early")
            content += answer.content
            if len(content) >= answer.total:
                return content

    async def _call(self, member: bytes, request: AboutSnapshots) -> Answer:
        async with asyncio.timeout(CALL_S):
            return await self._calls.call(member, request)
