"""Payloads that a channel needs to go on and that are not here: fetched from custodians, or reported missing on the root."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from traco.channels.custody.errors import CustodianFailure, PayloadUnavailable
from traco.channels.custody.fetching import Fetched, Fetcher, Sought
from traco.channels.custody.store import CustodyStore, NewPayload
from traco.channels.seat.book import Book
from traco.channels.seat.errands import Errands
from traco.channels.seat.hosting import Wanted
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.ports import RootReading, SeatKeys
from traco.channels.seat.sources import Fault, Source
from traco.modules.channel.entries import Batch, Leg
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import ReportMissing
from traco.modules.channel.state import Channel

REPORT_AFTER: Final = 3
REPORT_AFTER_MS: Final = 10_000
"""Every custodian was asked in vain so often and for so long before a payload is reported: whoever answers shows the ciphertext
to everybody for ever, and if nobody does, those who signed for it are named.
"""
LISTED: Final = 16  # entries of a channel that may be reported at once; the root takes no more of one member


class Seeker:
    """Fetches; what has come is kept by ``keep``, all of it in one durable step. ``unavailable``: why a channel cannot go on, by channel."""

    def __init__(
        self, keeper: Keeper, book: Book, custody: CustodyStore, fetcher: Fetcher, instructing: Instructing,
        seats: Mapping[bytes, SeatKeys], errands: Errands,
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._book = book
        self._custody = custody
        self._fetcher = fetcher
        self._instructing = instructing
        self._seats = seats
        self._errands = errands
        self._failed: dict[tuple[bytes, int], int] = {}  # rounds in vain
        self._since: dict[tuple[bytes, int], int] = {}
        self._answers: dict[tuple[bytes, int], tuple[CustodianFailure, ...]] = {}
        self._arrived: list[tuple[Wanted, Fetched]] = []
        self._faults: list[Fault] = []
        self.unavailable: dict[bytes, PayloadUnavailable] = {}

    @property
    def since(self) -> Mapping[tuple[bytes, int], int]:
        """When each payload (channel, number) that is wanted now was wanted first."""
        return self._since

    def keep(self) -> None:
        """Keep what was fetched since, then note who gave it and who gave something else. Raises ``CustodyStopped``, ``BookStopped``."""
        arrived, self._arrived = self._arrived, []
        faults, self._faults = self._faults, []
        if arrived:
            self._custody.keep([payload for each in arrived for payload in self._payloads(*each)])
        if arrived or faults:
            sources = [Source(each.channel, each.number, fetched.member) for each, fetched in arrived]
            self._book.note_answers(sources, faults)

    def answers(self, channel: bytes, number: int) -> tuple[CustodianFailure, ...]:
        """What custodians said when they were asked last, all in vain, for the payload of an entry that is wanted."""
        return self._answers.get((channel, number), ())

    def seek(self, wanted: Sequence[Wanted], root: RootReading, time_ms: int) -> None:
        """Begin to fetch what is wanted, and to report what cannot be had. What is wanted no more is forgotten."""
        places = {(each.channel, each.number): each for each in wanted}
        channels = {each.channel for each in wanted}
        self._failed = {place: rounds for place, rounds in self._failed.items() if place in places}
        self._answers = {place: answers for place, answers in self._answers.items() if place in places}
        self._since = {place: self._since.get(place, time_ms) for place in places}
        self.unavailable = {
            channel: error for channel, error in self.unavailable.items() if channel in channels
        }
        for place, each in places.items():
            record = self._keeper.channel(root.state, each.channel)
            if record is None:
                continue
            if not self._errands.is_running("fetch", *place):
                asked = self._custodians(each, record, root)
                self._errands.start(("fetch", *place), self._fetch(each, asked))
            reporter = self._reporter(each, record, root, time_ms)
            if reporter is not None and not self._errands.is_running("report", *place):
                report = ReportMissing(reporter, *place)
                until_ms = self._instructing.until(root)
                self._errands.start(("report", *place), self._instructing.succeed(reporter, report, until_ms))

    def _custodians(self, wanted: Wanted, record: Channel, root: RootReading) -> list[bytes]:
        entry = self._keeper.entry(root.state, wanted.channel, wanted.number)
        signers = () if entry is None else entry.signers
        # whoever signed first: the others may have got it later. Each is asked first for its share: many are fetched at once
        signed, others = _turned(signers, wanted.number), _turned(record.terms.custodians(), wanted.number)
        asked = dict.fromkeys((*signed, *others, wanted.payload.submitter))
        return [member for member in asked if member not in self._seats]

    async def _fetch(self, wanted: Wanted, asked: Sequence[bytes]) -> bool:
        channel, number, payload = wanted
        try:
            fetched = await self._fetcher.fetch(Sought(channel, payload.hash, payload.size), asked)
        except PayloadUnavailable as failed:
            self.unavailable[channel] = failed
            self._failed[channel, number] = self._failed.get((channel, number), 0) + 1
            self._answers[channel, number] = failed.failures
            self._note(wanted, failed.failures)
            return False
        self._note(wanted, fetched.failures)
        self._arrived.append((wanted, fetched))
        return True

    def _note(self, wanted: Wanted, failures: Sequence[CustodianFailure]) -> None:
        self._faults += [Fault(wanted.channel, wanted.number, *failure) for failure in failures]

    def _payloads(self, wanted: Wanted, fetched: Fetched) -> Iterator[NewPayload]:
        channel, number, _ = wanted
        point = self._book.point_with(channel, number)
        entry = None if point is None else point.entries[number - point.first]
        if isinstance(entry, Batch | Leg):
            payload = entry.payload
            yield NewPayload(
                channel, payload.hash, entry.epoch, payload.submitter, 0, "own", fetched.content, number
            )

    def _reporter(self, wanted: Wanted, record: Channel, root: RootReading, time_ms: int) -> bytes | None:
        """Who of our members is to say on the root that the payload is missing, now: an answer there reaches everybody, and
        no answer ends the waiting.
        """
        place = wanted.channel, wanted.number
        if self._failed.get(place, 0) < REPORT_AFTER or time_ms < self._since[place] + REPORT_AFTER_MS:
            return None
        entry = self._keeper.entry(root.state, *place)
        if entry is None or entry.voided or not entry.signers:
            return None
        missing = self._keeper.missing(root.state, *place)
        if missing is not None and any(member in self._seats for member in missing.reporters):
            return None
        if missing is None and sum(1 for _ in self._keeper.all_missing(root.state, wanted.channel)) >= LISTED:
            return None
        return next((each for each in record.terms.members if each in self._seats), None)


def _turned(members: Sequence[bytes], by: int) -> tuple[bytes, ...]:
    """The same members, beginning elsewhere."""
    start = by % len(members) if members else 0
    return (*members[start:], *members[:start])
