"""Answers what the API asks about settlements across ledgers: legs are sealed and attempts ordered by the seats of this node."""

from traco.channels.seat.agent import Seats
from traco.channels.seat.book import Book
from traco.channels.seat.errors import SubmissionRefused
from traco.channels.seat.ports import RootReading
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.state import AttemptRecord, LegState
from traco.node.channels.deal_requests import (
    AllDealt,
    AllOrdered,
    AttemptOrdered,
    Deal,
    DealAll,
    Dealt,
    LegStanding,
    NotDone,
    OrderAll,
    OrderAttempt,
    SettlementIs,
    SettlementOf,
)
from traco.node.channels.denying import said
from traco.node.channels.root import NodeRoot


class DealDesk:
    """The part of the desk that is about settlements across ledgers."""

    def __init__(self, seats: Seats, book: Book, root: NodeRoot) -> None:
        self._seats = seats
        self._book = book
        self._root = root
        self._keeper = Keeper()

    async def deal(self, request: Deal) -> Dealt:
        """Seal a leg. Raises ``SubmissionRefused``, ``Halt``."""
        leg = await self._seats.dealer.deal_for(
            request.channel, request.member, request.terms, request.transaction
        )
        return Dealt(leg)

    async def deal_all(self, request: DealAll) -> AllDealt:
        """Seal legs. Raises ``SubmissionRefused``, ``Halt``."""
        wanted = [(each.terms, each.transaction) for each in request.legs]
        dealt = await self._seats.dealer.deal_all(request.channel, request.member, wanted)
        return AllDealt(
            tuple(_not_done(each) if isinstance(each, SubmissionRefused) else Dealt(each) for each in dealt)
        )

    async def order_all(self, request: OrderAll) -> AllOrdered:
        """Order attempts. Raises ``SubmissionRefused``."""
        wanted = [(each.terms, each.legs) for each in request.attempts]
        ordered = await self._seats.ordering.order_all(request.member, wanted)
        return AllOrdered(
            tuple(
                _not_done(each) if isinstance(each, SubmissionRefused) else AttemptOrdered(*each)
                for each in ordered
            )
        )

    async def order(self, request: OrderAttempt) -> AttemptOrdered:
        """Order an attempt. Raises ``SubmissionRefused``."""
        return AttemptOrdered(*await self._seats.ordering.order(request.member, request.terms, request.legs))

    def settlement(self, request: SettlementOf) -> SettlementIs:
        """What became of terms: by the root, and by what this node noted of decisions in its channels."""
        decided = self._book.settled(request.terms)
        with self._root.reading() as root:
            found = self._keeper.settlement(root.state, request.terms)
            attempt = None if found is None else self._keeper.attempt(root.state, found.attempt)
            if found is not None and attempt is not None:
                return SettlementIs(
                    "undecided", found.attempt, attempt.deadline_ms, self._standings(root, attempt)
                )
        if decided is None:
            return SettlementIs("unknown") if found is None else SettlementIs("committed", found.attempt)
        last, channels = decided
        return SettlementIs(
            "committed" if last.committed else "aborted", last.attempt, 0, (), last.reason, last.silent, last.height,
            last.time_ms, channels,
        )  # fmt: skip

    def _standings(self, root: RootReading, attempt: AttemptRecord) -> tuple[LegStanding, ...]:
        return tuple(self._standing(root, leg) for leg in attempt.legs)

    def _standing(self, root: RootReading, leg: LegState) -> LegStanding:
        is_confirmed = not leg.ledger or leg.ordinal <= self._keeper.stream(root.state, leg.ledger).confirmed
        return LegStanding(
            leg.ledger, leg.ordinal, is_confirmed, leg.policy, leg.members, leg.attesters, leg.held, leg.refused
        )  # fmt: skip


def _not_done(refused: SubmissionRefused) -> NotDone:
    return NotDone(*said(refused))
