"""Answers what the API asks, from the seats of this node."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from traco.channels.seat.agent import Seats
from traco.channels.seat.book import Book
from traco.channels.seat.errors import SubmissionRefused
from traco.kernel.errors import Halt
from traco.modules.channel.keeper import Keeper
from traco.node.channels.deal_desk import DealDesk
from traco.node.channels.deal_requests import Deal, DealAll, OrderAll, OrderAttempt, SettlementOf
from traco.node.channels.denying import REFUSALS, said
from traco.node.channels.disclosure_desk import DisclosureDesk
from traco.node.channels.disclosure_requests import BeginDisclosure, DisclosureOf, DisclosurePiece, TotalOf
from traco.node.channels.figures_desk import FiguresDesk
from traco.node.channels.requests import (
    Answer,
    Condition,
    Conditions,
    ConditionsOf,
    Denied,
    FiguresOf,
    KeyMade,
    MakeKey,
    Offered,
    OffersAre,
    OffersTo,
    Post,
    Posted,
    ProofIs,
    ProofOf,
    Rebuild,
    RebuildIs,
    RebuildOf,
    Request,
    StandingIs,
    StandingOf,
)
from traco.node.channels.root import NodeRoot


class Desk:
    """Between the API and the seats. ``on_work`` is called when there is something to do for these, ``stop`` when nothing can
    be done any more. ``executors``: the processes that execute channels.
    """

    def __init__(
        self, seats: Seats, book: Book, root: NodeRoot, members: Collection[bytes], on_work: Callable[[], None],
        stop: Callable[[Halt], None], executors: Callable[[], Sequence[int]] = tuple,
    ) -> None:  # fmt: skip
        self._seats = seats
        self._book = book
        self._root = root
        self._members = members
        self._on_work = on_work
        self._stop = stop
        self._keeper = Keeper()
        deals = DealDesk(seats, book, root)
        self._disclosures = DisclosureDesk(seats, book, root, stop)
        self._answers: dict[type[Request], Callable[[Any], Answer | Awaitable[Answer]]] = {
            Post: self._post,
            StandingOf: self._standing,
            ProofOf: self._proof,
            ConditionsOf: lambda request: Conditions(tuple(map(self._condition, request.channels))),
            MakeKey: self._make_key,
            OffersTo: self._offers,
            FiguresOf: FiguresDesk(seats, executors=executors).figures,
            Rebuild: self._rebuild,
            RebuildOf: lambda request: RebuildIs(seats.rebuilding(request.channel)),
            Deal: deals.deal,
            DealAll: deals.deal_all,
            OrderAttempt: deals.order,
            OrderAll: deals.order_all,
            SettlementOf: deals.settlement,
            BeginDisclosure: self._disclosures.begin,
            DisclosureOf: self._disclosures.standing,
            DisclosurePiece: self._disclosures.piece,
            TotalOf: self._disclosures.total,
        }

    async def answer(self, request: Request) -> Answer:
        """The answer to one request."""
        try:
            answer = self._answers[type(request)](request)
            return await answer if isinstance(answer, Awaitable) else answer
        except Halt as error:
            self._stop(error)
            return Denied("channels.stopped", "the channels' process stops; node.log says why")
        except REFUSALS as refused:
            return Denied(*said(refused))

    async def close(self) -> None:
        """Leave what is under way."""
        await self._disclosures.close()

    def _post(self, request: Post) -> Posted:
        screened = self._seats.submit(request.channel, request.member, request.transactions)
        self._on_work()
        return Posted(tuple((each.identity, each.refusal) for each in screened))

    def _standing(self, request: StandingOf) -> StandingIs:
        found = self._seats.standing(request.channel, request.identity)
        if found is None:
            return StandingIs("", -1, -1, None, "")
        if found.outcome is None:
            return StandingIs(found.name, -1, -1, None, found.code)
        return StandingIs(found.name, found.outcome.ordinal, found.outcome.leaf, found.outcome.failure, "")

    def _proof(self, request: ProofOf) -> ProofIs | Denied:
        found = self._seats.proof(request.channel, request.identity)
        if found is None:
            return Denied("channel.not_provable", self._not_provable(request))
        return ProofIs(*found)

    def _not_provable(self, request: ProofOf) -> str:
        standing = self._seats.standing(request.channel, request.identity)
        if standing is None or standing.outcome is None:
            return "it was not executed here"
        if standing.name != "confirmed":
            return (
                f"it is {standing.name}: it can be proven once its point is confirmed as it was executed here"
            )
        last = self._book.confirmation(request.channel, standing.outcome.ordinal)
        if last is not None and self._book.result(request.channel, last[0]) is None:
            return (
                f"it is confirmed with point {last[0]}, which is not executed here yet; ask again when it is"
            )
        point = self._book.point(request.channel, standing.outcome.ordinal)
        with self._root.reading() as root:
            erased = self._keeper.stream(root.state, request.channel).erased
        if point is not None and point.first <= erased:
            return (
                "the channel's members had it erased; what became of it stands, but the transaction is gone"
            )
        return "its payload is not here any more, or its confirmation is too far away"

    def _condition(self, channel: bytes) -> Condition:
        problem = self._seats.problems.get(channel)
        return Condition(
            self._book.cursor(channel).ordinal, *(("", "") if problem is None else said(problem))
        )

    def _make_key(self, request: MakeKey) -> KeyMade:
        if request.member not in self._members or request.member not in request.members:
            raise SubmissionRefused(
                "channel.not_hosted", "only a member with a seat here has a key made for its own offer"
            )
        with self._root.reading() as root:
            record = self._keeper.channel(root.state, request.channel)
            offer = self._keeper.offer(root.state, request.channel)
            # the copies of a key that stands on the root are never made anew: they could not be had again
            if (record is not None and request.epoch <= record.epoch) or (
                offer is not None and request.epoch <= offer.epoch
            ):
                raise SubmissionRefused("channel.offer_open", "that epoch is in force, or on offer already")
            key = self._seats.offers.make(request.channel, request.epoch, request.members, root)
        return KeyMade(key)

    def _rebuild(self, request: Rebuild) -> RebuildIs:
        report = self._seats.rebuild(request.channel)
        self._on_work()
        return RebuildIs(report)

    def _offers(self, request: OffersTo) -> OffersAre:
        with self._root.reading() as root:
            found = self._seats.offers.open_offers(root)
        return OffersAre(tuple(
            Offered(each.channel, each.offer.epoch, each.member, each.status, each.code, each.offer.id)
            for each in found if each.member in request.members
        ))  # fmt: skip
