"""The snapshots of channels that a node has: taken as a channel grows or when a member asks, claimed once their point is confirmed.

    taken      at the point that was executed last: held fast between two points, written aside
    claimed    when the root has confirmed it: only then is it given to members, and gone back to after a void
    kept       the newest, and ``KEPT`` claimed ones; those of points that changed are thrown away

A snapshot's folder has what ``storage.copying`` puts there, and the claim. What is received is kept in the same way.
"""

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from traco.channels.seat.claims import CLAIM, ChannelRestoring, Claim
from traco.channels.seat.messages import PART_BYTES, Part
from traco.kernel.codec import encode
from traco.kernel.errors import LedgerError
from traco.storage.copying.form import SnapshotRefused, Terms
from traco.storage.copying.restoring import verify_head
from traco.storage.copying.shelf import Shelf, piece_file, sync_path
from traco.storage.copying.swap import replace_ledger
from traco.storage.copying.taking import Pinned, remove_aside, write_snapshot

INTERVAL: Final = 1_000  # points between snapshots that nobody asked for
KEPT: Final = 2  # claimed ones
PIECE_BYTES: Final = 229_376
"""About how large a piece is: with what is around it, it fits into one answer."""

_ALL: Final = 10 * KEPT  # which of them go is decided when one is claimed
_CLAIM_FILE: Final = "claim"
_OFFER_FILE: Final = "offer"
_RECEIVED: Final = "received"


class Order(NamedTuple):
    """A snapshot to be written: of the replica in a file, from what was set aside of it, into a folder of snapshots."""

    replica: Path
    aside: Path
    ordinal: int
    terms: Terms
    folder: Path


class Aside(Protocol):
    """Runs something that blocks, as ``asyncio.to_thread`` does."""

    def __call__(self, work: Callable[..., Any], /, *arguments: Any) -> Awaitable[Any]:
        """What ``work`` returns or raises for these arguments."""


class Archive:
    """All of a node. ``replica``: the file of a channel's replica, beside which its snapshots are.

    ``aside`` runs what blocks; ``write`` writes a snapshot (``write_channel``), which takes long and needs the interpreter.
    """

    def __init__(
        self, replica: Callable[[bytes], Path], aside: Aside, write: Callable[[Order], Awaitable[None]],
        interval: int = INTERVAL,
    ) -> None:  # fmt: skip
        self._replica = replica
        self._run = aside
        self._write = write
        self.interval = interval

    def heights(self, channel: bytes) -> list[int]:
        """The points of which there is a snapshot, newest first."""
        return self._shelf(channel).heights()

    def claimed(self, channel: bytes) -> list[int]:
        """Those that are claimed."""
        shelf = self._shelf(channel)
        return [height for height in shelf.heights() if (shelf.folder / str(height) / _CLAIM_FILE).exists()]

    def head(self, channel: bytes, ordinal: int) -> bytes | None:
        """The head of a snapshot, or None."""
        return self._shelf(channel).head(ordinal)

    def part(self, channel: bytes, ordinal: int, part: int, offset: int) -> Part | None:
        """What a member is given of a claimed snapshot; None where there is no such thing."""
        folder = self._shelf(channel).folder / str(ordinal)
        claim = folder / _CLAIM_FILE
        claim = claim if claim.exists() else folder / _OFFER_FILE
        file = claim if part == 0 else folder / piece_file(part - 1)
        if not (claim.exists() and file.exists()):
            return None
        total = file.stat().st_size
        with file.open("rb") as opened:
            opened.seek(min(offset, total))
            return Part(total, opened.read(PART_BYTES))

    # taking

    def pin(self, channel: bytes) -> Pinned:
        """Hold a replica fast between two points; then ``take``. Raises ``StorageHalt``, ``OSError``."""
        shelf = self._shelf(channel)
        shelf.folder.mkdir(mode=0o700, exist_ok=True)
        aside = self._aside(channel)
        remove_aside(aside)
        for unfinished in shelf.folder.glob("*.making"):  # by a process that was killed
            shutil.rmtree(unfinished, ignore_errors=True)
        return Pinned(self._replica(channel), aside)

    async def take(self, channel: bytes, pinned: Pinned, terms: Terms) -> None:
        """Write the snapshot of what is held. Raises ``LedgerError``, ``OSError``."""
        shelf, aside = self._shelf(channel), self._aside(channel)
        try:
            try:
                await self._run(pinned.set_aside)
            finally:
                pinned.close()
            await self._write(Order(self._replica(channel), aside, pinned.height, terms, shelf.folder))
        finally:
            remove_aside(aside)

    def claim(self, channel: bytes, ordinal: int, claim: Claim) -> None:
        """Have a snapshot given to members from now on."""
        shelf = self._shelf(channel)
        folder = shelf.folder / str(ordinal)
        making = folder / f"{_CLAIM_FILE}.making"
        making.write_bytes(encode(claim))
        sync_path(making)
        making.rename(folder / _CLAIM_FILE)
        sync_path(folder)
        for height in self.claimed(channel)[KEPT:]:
            self.drop(channel, height)

    def offered(self, channel: bytes) -> list[int]:
        """The points of which a member is given a snapshot, newest first: claimed ones, and those to be confirmed by who asks."""
        folder = self._shelf(channel).folder
        claimed = self.claimed(channel)
        return [
            each
            for each in self.heights(channel)
            if each in claimed or (folder / str(each) / _OFFER_FILE).exists()
        ]

    def offer(self, channel: bytes, ordinal: int, claim: Claim | None) -> None:
        """Have a snapshot given before its point is confirmed, or no more (None)."""
        file = self._shelf(channel).folder / str(ordinal) / _OFFER_FILE
        if claim is None:
            file.unlink(missing_ok=True)
        else:
            making = file.with_name(f"{_OFFER_FILE}.making")
            making.write_bytes(encode(claim))
            making.rename(file)

    def claim_of(self, channel: bytes, ordinal: int) -> Claim | None:
        """The claim of a snapshot, or None."""
        path = self._shelf(channel).folder / str(ordinal) / _CLAIM_FILE
        return CLAIM.decode(path.read_bytes()) if path.exists() else None

    def drop(self, channel: bytes, ordinal: int) -> None:
        """Throw a snapshot away."""
        folder = self._shelf(channel).folder
        going = folder / f"{ordinal}.making"  # the name goes first, so that none is ever there in part
        shutil.rmtree(going, ignore_errors=True)
        if not (folder / str(ordinal)).exists():
            return
        (folder / str(ordinal)).rename(going)
        shutil.rmtree(going, ignore_errors=True)

    # receiving

    def receiving(self, channel: bytes) -> Path:
        """An empty folder for what is received of a snapshot."""
        folder = self._shelf(channel).folder / _RECEIVED
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def made(self, channel: bytes) -> Path:
        """The file that a replica is made in, before it takes its place. It is not there."""
        path = self._replica(channel).with_suffix(".made")
        path.unlink(missing_ok=True)
        return path

    def receive(self, channel: bytes, ordinal: int, claim: Claim) -> None:
        """Keep what ``receiving`` was filled with, all of which was verified."""
        shelf = self._shelf(channel)
        folder = shelf.folder / _RECEIVED
        (folder / _CLAIM_FILE).write_bytes(encode(claim))
        (folder / "head").write_bytes(claim.head)
        shelf.receive(ordinal, folder)

    def install(self, channel: bytes, made: Path) -> None:
        """Put a file that was made in the place of a replica that was discarded. Raises ``StorageHalt``."""
        replace_ledger(made, self._replica(channel))

    async def finish(self, restoring: ChannelRestoring) -> None:
        """Have a file finished. Raises ``SnapshotRefused``, ``StorageHalt``."""
        await self._run(restoring.finish)

    def restore(self, channel: bytes, ordinal: int, genesis: bytes, app_hash: bytes) -> Path:
        """A file made from a snapshot that is here, to be installed. Raises ``SnapshotRefused``, ``PieceRefused``, ``StorageHalt``."""
        shelf = self._shelf(channel)
        head = verify_head(shelf.head(ordinal) or b"", genesis, app_hash, channel)
        restoring = ChannelRestoring(self.made(channel), head, genesis)
        try:
            for index in range(len(head.piece_hashes)):
                restoring.add(index, shelf.piece(ordinal, index) or b"")
            restoring.finish()
        except LedgerError:
            restoring.discard()
            raise
        return Path(restoring.path)

    def _shelf(self, channel: bytes) -> Shelf:
        return Shelf(self._replica(channel).with_suffix(".snapshots"), _ALL)

    def _aside(self, channel: bytes) -> Path:
        return self._shelf(channel).folder / "aside.db"


def write_channel(order: Order, goes_on: Callable[[], bool] = lambda: True) -> None:
    """Write a snapshot of a channel. ``goes_on`` is asked between pieces. Raises ``LedgerError``, ``OSError``."""
    replica, aside, ordinal, terms, folder = order
    try:
        write_snapshot(replica, aside, ordinal, terms, Shelf(folder, _ALL), goes_on, PIECE_BYTES)
    except SnapshotRefused as refused:
        if refused.code != "snapshot.exists":
            raise
