"""Makes disclosures for the API, one after the other in the background, each in a file that has no name and ends with this process.

What was made can be fetched for some time, in pieces, by the member that discloses.
"""

import asyncio
import os
from collections.abc import Callable
from tempfile import TemporaryFile
from typing import IO, Final

from msgspec.structs import replace

from traco.channels.seat.agent import Seats
from traco.channels.seat.book import Book
from traco.channels.seat.disclosing import Period
from traco.channels.seat.errors import SubmissionRefused
from traco.channels.seat.ports import Root
from traco.channels.seat.totalling import Totaller
from traco.kernel.errors import Halt
from traco.node.channels.denying import REFUSALS, said
from traco.node.channels.disclosure_requests import (
    BeginDisclosure,
    DisclosureIs,
    DisclosureOf,
    DisclosurePiece,
    PieceIs,
    TotalIs,
    TotalOf,
)

KEPT_S: Final = 900.0  # after it was made
MOST: Final = 8  # that are there at once
PIECE_BYTES: Final = 4_194_304


class _Job:
    """A disclosure in the making, or made."""

    def __init__(self, request: BeginDisclosure, identity: bytes, file: IO[bytes]) -> None:
        self.request, self.file = request, file
        self.found = DisclosureIs(identity, "making")
        self.task: asyncio.Task[None] | None = None

    def is_of(self, channel: bytes, member: bytes) -> bool:
        return (self.request.channel, self.request.member) == (channel, member)


class DisclosureDesk:
    """The part of the desk that is about disclosures. ``stop`` is called when nothing can be done any more."""

    def __init__(self, seats: Seats, book: Book, root: Root, stop: Callable[[Halt], None]) -> None:
        self._seats = seats
        self._book = book
        self._root = root
        self._stop = stop
        self._jobs: dict[bytes, _Job] = {}
        self._turn = asyncio.Lock()

    def begin(self, request: BeginDisclosure) -> DisclosureIs:
        """Begin to disclose. Raises ``SubmissionRefused``."""
        if len(self._jobs) >= MOST:
            raise SubmissionRefused(
                "disclosure.busy", "too many disclosures are being made or fetched; try again later"
            )
        try:
            file = TemporaryFile(dir=self._book.folder)  # noqa: SIM115 - it stays until the job is forgotten
        except OSError as error:
            raise SubmissionRefused(
                "disclosure.disk", f"the node cannot write the file: {error.strerror}"
            ) from None
        identity = os.urandom(16)
        job = self._jobs[identity] = _Job(request, identity, file)
        job.task = asyncio.create_task(self._make(job), name="traco-disclosure")
        return job.found

    def standing(self, request: DisclosureOf) -> DisclosureIs:
        """How far it is. Raises ``SubmissionRefused`` (``disclosure.unknown``)."""
        return self._job(request).found

    def piece(self, request: DisclosurePiece) -> PieceIs:
        """Some of the file. Raises ``SubmissionRefused`` (``disclosure.unknown``, ``disclosure.not_ready``)."""
        job = self._job(request)
        if job.found.status != "ready":
            raise SubmissionRefused("disclosure.not_ready", "the file is not made yet")
        job.file.seek(request.offset)
        return PieceIs(job.file.read(PIECE_BYTES))

    async def total(self, request: TotalOf) -> TotalIs:
        """The instrument in channels. Raises ``DisclosingError``, ``NotHosted``, ``ExecutingError``, ``KeyMissing``."""
        totaller = Totaller(self._root, self._book, self._seats.discloser, self._seats.hosted)
        return TotalIs(
            tuple(
                [
                    await totaller.part(channel, request.instrument, request.height)
                    for channel in request.channels
                ]
            )
        )

    async def close(self) -> None:
        """Leave what is under way, and destroy the files."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for identity in list(self._jobs):
            self._forget(identity)

    def _job(self, request: DisclosureOf | DisclosurePiece) -> _Job:
        job = self._jobs.get(request.identity)
        if job is None or not job.is_of(request.channel, request.member):
            raise SubmissionRefused(
                "disclosure.unknown", "there is no such disclosure here, or no more; begin another"
            )
        return job

    async def _make(self, job: _Job) -> None:
        request = job.request
        period = Period(request.first, request.last, request.from_ms, request.until_ms)

        def progress(done: int, points: int) -> None:
            job.found = replace(job.found, done=done, points=points)

        try:
            async with self._turn:
                made = await self._seats.discloser.disclose(
                    request.channel, request.member, period, job.file.write, progress
                )
            job.file.flush()
            job.found = replace(
                job.found, status="ready", first=made.first, last=made.last, size=job.file.tell(), commitment=made.commitment,
                origin=made.origin,
            )  # fmt: skip
        except Halt as error:
            self._stop(error)
        except REFUSALS as refused:
            code, text = said(refused)
            job.found = replace(job.found, status="failed", code=code, text=text)
        except OSError as error:
            job.found = replace(job.found, status="failed", code="disclosure.disk", text=str(error))
        finally:
            asyncio.get_running_loop().call_later(KEPT_S, self._forget, job.found.identity)

    def _forget(self, identity: bytes) -> None:
        job = self._jobs.pop(identity, None)
        if job is not None:
            job.file.close()
