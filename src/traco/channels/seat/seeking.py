"""Payloads that a channel needs to go on and that are not here: fetched from custodians, or reported missing on the root."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from traco.channels.custody.errors import PayloadUnavailable
from traco.channels.custody.fetching import Fetcher, Sought
from traco.channels.custody.store import CustodyStore, NewPayload
from traco.channels.seat.book import Book
from traco.channels.seat.hosting import Wanted
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.ports import RootReading, SeatKeys
from traco.modules.channel.entries import Batch, Leg
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import ReportMissing
from traco.modules.channel.state import Channel

REPORT_AFTER: Final = 3
"""Rounds in which every custodian was asked in vain before a payload is reported: a report names who signed for it."""


class Seeker:
    """Fetches, and keeps what it fetched. ``unavailable``: why a channel cannot go on, by channel."""

    def __init__(
        self, keeper: Keeper, book: Book, custody: CustodyStore, fetcher: Fetcher, instructing: Instructing,
        seats: Mapping[bytes, SeatKeys],
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._book = book
        self._custody = custody
        self._fetcher = fetcher
        self._instructing = instructing
        self._seats = seats
        self._rounds: dict[tuple[bytes, int], int] = {}
        self.unavailable: dict[bytes, PayloadUnavailable] = {}

    async def seek(self, wanted: Sequence[Wanted], root: RootReading) -> bool:
        """Fetch what is wanted; whether anything came. Raises ``RootUnavailable``, ``CustodyStopped``."""
        return any(await asyncio.gather(*(self._fetch(each, root) for each in wanted)))

    def keep(self, channel: bytes, number: int, content: bytes) -> None:
        """Hold the payload of an entry, from now on. Its hash was checked."""
        point = self._book.point_with(channel, number)
        entry = None if point is None else point.entries[number - point.first]
        if isinstance(entry, Batch | Leg):
            payload = entry.payload
            self._custody.keep(
                [NewPayload(channel, payload.hash, entry.epoch, payload.submitter, 0, "own", content, number)]
            )

    async def _fetch(self, wanted: Wanted, root: RootReading) -> bool:
        channel, number, payload = wanted
        record = self._keeper.channel(root.state, channel)
        if record is None:
            return False
        entry = self._keeper.entry(root.state, channel, number)
        signers = () if entry is None else entry.signers
        # whoever signed first: the others may have got it later
        asked = [
            member
            for member in dict.fromkeys((*signers, *record.terms.custodians()))
            if member not in self._seats
        ]
        try:
            fetched = await self._fetcher.fetch(Sought(channel, payload.hash, payload.size), asked)
        except PayloadUnavailable as failed:
            self.unavailable[channel] = failed
            await self._report(wanted, record, root)
            return False
        self.keep(channel, number, fetched.content)
        self._rounds.pop((channel, number), None)
        self.unavailable.pop(channel, None)
        return True

    async def _report(self, wanted: Wanted, record: Channel, root: RootReading) -> None:
        """After some rounds in vain, say so on the root: an answer there reaches everybody, and no answer ends the waiting."""
        place = (wanted.channel, wanted.number)
        rounds = self._rounds[place] = self._rounds.get(place, 0) + 1
        entry = self._keeper.entry(root.state, wanted.channel, wanted.number)
        if rounds % REPORT_AFTER or entry is None or entry.voided:
            return
        member = next((each for each in record.terms.members if each in self._seats), None)
        if member is not None:
            report = ReportMissing(member, wanted.channel, wanted.number)
            await self._instructing.submit(member, report, root)
