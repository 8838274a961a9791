"""Answers on the root what others report missing there, with what this node holds as member or vault.

The bytes go to everybody, so one answer is enough: those who signed for the payload go first, one after the other, each with some
of the time that is left.
"""

from collections.abc import Collection, Mapping
from typing import Final

from traco.channels.custody.errors import PayloadDamaged
from traco.channels.custody.store import CustodyStore
from traco.channels.seat.ports import RootReading, SeatKeys
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import Supply
from traco.modules.channel.state import Missing

SHARE: Final = 2  # the last one's turn comes when this part of the time is over: the rest is for the root


class Supplier:
    """Finds what to show."""

    def __init__(self, keeper: Keeper, custody: CustodyStore, seats: Mapping[bytes, SeatKeys]) -> None:
        self._keeper = keeper
        self._custody = custody
        self._seats = seats
        self._reported: dict[tuple[bytes, int], None] = {}

    @property
    def reported(self) -> Collection[tuple[bytes, int]]:
        """(channel, number) of what somebody misses, as far as it is known here: of any channel."""
        return self._reported.keys()

    def report(self, channel: bytes, number: int) -> None:
        """Somebody misses the payload of an entry."""
        self._reported[channel, number] = None

    def find_reported(self, root: RootReading) -> None:
        """After a start: look what was reported in channels of which anything is held here."""
        for channel in self._custody.statistics():
            for number, _ in self._keeper.all_missing(root.state, channel):
                self.report(channel, number)

    def answers(self, root: RootReading, time_ms: int) -> list[Supply]:
        """What is to be shown now. What was answered or has become void is forgotten."""
        found = list[Supply]()
        for channel, number in list(self._reported):
            missing = self._keeper.missing(root.state, channel, number)
            if missing is None:
                del self._reported[channel, number]
                continue
            member, from_ms = self._turn(channel, missing, root)
            content = None if member is None or time_ms < from_ms else self._held(channel, missing.hash)
            if member is not None and content is not None:
                found.append(Supply(member, channel, number, content))
        return found

    def _turn(self, channel: bytes, missing: Missing, root: RootReading) -> tuple[bytes | None, int]:
        """Which of our members answers, and from when on."""
        record = self._keeper.channel(root.state, channel)
        if record is None:
            return None, 0
        order = list(dict.fromkeys((*missing.signers, *record.terms.custodians())))
        limit_ms = record.terms.limits.answer_ms
        asked_ms = missing.until_ms - limit_ms
        for place, member in enumerate(order):
            if member in self._seats:
                return member, asked_ms + place * limit_ms // (SHARE * len(order))
        return next(iter(self._seats), None), asked_ms + limit_ms // SHARE

    def _held(self, channel: bytes, payload: bytes) -> bytes | None:
        try:
            return self._custody.get(channel, payload)
        except PayloadDamaged:
            return None
