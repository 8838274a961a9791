"""Epochs on offer: the key of one's own, and the copies of others', fetched and checked before anybody accepts.

    made here     key -> copies for all members kept -> the offer says what the root may know of it
    made there    copy asked for at the proposer's node, then at the others' -> opened, all copies made anew and compared

Accepting is a decision of the member, signed by its own key; this says when it can be taken, and why not.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from traco.channels.custody.errors import TransportFailed
from traco.channels.sealing.errors import SealingError
from traco.channels.seat.book import Book
from traco.channels.seat.errors import SubmissionRefused
from traco.channels.seat.messages import Calls, Copy, GetCopy
from traco.channels.seat.ports import RootReading, SeatKeys
from traco.channels.seat.secrets import Secrets
from traco.modules.channel.digests import copy_hash
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import GiveCopy
from traco.modules.channel.parts import EpochKey
from traco.modules.channel.state import Offer

CALL_S: Final = 5.0  # for one node to answer
GIVING: Final = (
    4  # in the last part of this many of the time to accept, copies of silent members go on the root
)


class OpenOffer(NamedTuple):
    """An offer to a member of this node. ``ready``: it can be accepted; ``waiting``: its copy is not here yet;
    ``wrong``: it must not be accepted, ``code`` says why.
    """

    channel: bytes
    member: bytes
    offer: Offer
    status: Literal["ready", "waiting", "wrong"]
    code: str


class Offers:
    """The offers that concern members of one node."""

    def __init__(
        self, keeper: Keeper, book: Book, secrets: Secrets, calls: Calls, seats: Mapping[bytes, SeatKeys]
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._book = book
        self._secrets = secrets
        self._calls = calls
        self._seats = seats
        self._judged: dict[tuple[bytes, int, bytes, bytes], str] = {}  # code, empty where it is right

    def make(self, channel: bytes, epoch: int, members: Sequence[bytes], root: RootReading) -> EpochKey:
        """A key for an epoch that a member of this node is about to offer; all copies are kept here, to be asked for.

        Raises ``SubmissionRefused`` where a member has no seat, ``BookStopped``.
        """
        seats = [self._keeper.seat(root.state, member) for member in members]
        boxes = tuple(seat.box for seat in seats if seat is not None)
        if len(boxes) != len(members):
            raise SubmissionRefused("channel.seat_missing", "a member has no seat on the root yet")
        try:
            return self._secrets.make(channel, epoch, tuple(members), boxes)
        except SealingError as error:
            raise SubmissionRefused(error.code, str(error)) from None

    def open_offers(self, root: RootReading) -> list[OpenOffer]:
        """The offers that wait for members of this node."""
        found = list[OpenOffer]()
        for channel, epoch in self._book.open_offers():
            offer = self._current(channel, epoch, root)
            for member in () if offer is None else offer.terms.members:
                if offer is not None and member in self._seats and member not in offer.accepted:
                    code = self._judged.get((channel, epoch, offer.key.commitment, member))
                    status: Literal["ready", "waiting", "wrong"]
                    status = "waiting" if code is None else "wrong" if code else "ready"
                    found.append(OpenOffer(channel, member, offer, status, code or ""))
        return found

    async def step(self, root: RootReading) -> bool:
        """Fetch and check what is not here yet; whether anything came. Raises ``BookStopped``."""
        waiting = list[tuple[bytes, Offer, bytes]]()
        for channel, epoch in self._book.open_offers():
            offer = self._current(channel, epoch, root)
            if offer is None:
                self._book.settle_offer(channel, epoch)
                continue
            waiting += [
                (channel, offer, member)
                for member in offer.terms.members
                if member in self._seats
                and (channel, epoch, offer.key.commitment, member) not in self._judged
            ]
        return any(await asyncio.gather(*(self._judge(*each) for each in waiting)))

    def gifts(self, root: RootReading, time_ms: int) -> list[GiveCopy]:
        """The copies of members that have not answered, to be put on the root before the deadline: with them the epoch begins
        without those members' acceptance, if enough others accepted. Members that did take turns.
        """
        found = list[GiveCopy]()
        for channel, epoch in self._book.open_offers():
            offer = self._current(channel, epoch, root)
            if offer is None or len(offer.accepted) < offer.terms.policy:
                continue
            share = offer.terms.limits.accept_ms // GIVING
            for place, giver in enumerate(offer.accepted):
                due_ms = offer.deadline_ms - share + place * share // (2 * len(offer.accepted))
                if giver in self._seats and time_ms >= due_ms:
                    found += self._copies(channel, offer, giver)
                    break
        return found

    def _copies(self, channel: bytes, offer: Offer, giver: bytes) -> Iterator[GiveCopy]:
        for member in offer.terms.members:
            if member in offer.accepted or member in offer.given:
                continue
            copy = self._book.copy(channel, offer.epoch, member)
            if copy is not None and self._is_offered(offer, member, copy):
                yield GiveCopy(giver, channel, offer.epoch, member, copy)

    async def recover(self, channel: bytes, epoch: int, root: RootReading) -> bool:
        """Ask the members of a channel for this node's copy of the key of an epoch that began; whether it came.

        So after the loss of a disk: whoever accepted the epoch has all copies, and nobody but the member opens its own.
        """
        record = self._keeper.channel(root.state, channel)
        if record is None:
            return False
        for member in self._seats:
            for other in record.terms.members:
                copy = None if other in self._seats else await self._ask(other, channel, epoch, member)
                if copy is not None and self._secrets.adopt(channel, epoch, member, copy):
                    return True
        return False

    def _current(self, channel: bytes, epoch: int, root: RootReading) -> Offer | None:
        offer = self._keeper.offer(root.state, channel)
        return offer if offer is not None and offer.epoch == epoch else None

    async def _judge(self, channel: bytes, offer: Offer, member: bytes) -> bool:
        """Find out whether a member's copy, and with it all others, is right."""
        kept = self._book.copy(channel, offer.epoch, member)
        if kept is not None and self._is_right(channel, offer, member, kept):
            self._judged[channel, offer.epoch, offer.key.commitment, member] = ""
            return True
        others = (offer.proposer, *offer.accepted, *offer.terms.members)
        for other in dict.fromkeys(others):
            copy = None if other in self._seats else await self._ask(other, channel, offer.epoch, member)
            if copy is None:
                continue
            code = self._take(channel, offer, member, copy)
            # anybody can give a wrong copy; only the one that has the offered hash says that the offer is wrong
            if not code or self._is_offered(offer, member, copy):
                self._judged[channel, offer.epoch, offer.key.commitment, member] = code
                return True
        return False

    def _is_right(self, channel: bytes, offer: Offer, member: bytes, copy: bytes) -> bool:
        return self._is_offered(offer, member, copy) and not self._take(channel, offer, member, copy)

    def _is_offered(self, offer: Offer, member: bytes, copy: bytes) -> bool:
        return copy_hash(copy) == offer.key.copies[offer.terms.members.index(member)]

    def _take(self, channel: bytes, offer: Offer, member: bytes, copy: bytes) -> str:
        """Keep the copy if it is right; else the code of what is wrong."""
        try:
            self._secrets.take(
                channel, offer.epoch, member, copy, offer.terms.members, offer.boxes, offer.key
            )
        except SealingError as error:
            return error.code
        return ""

    async def _ask(self, other: bytes, channel: bytes, epoch: int, member: bytes) -> bytes | None:
        try:
            async with asyncio.timeout(CALL_S):
                answer = await self._calls.call(other, GetCopy(channel, epoch, member))
        except (TimeoutError, TransportFailed):
            return None
        return answer.copy if isinstance(answer, Copy) else None
