"""Reads of channels on committed state. Before protocol 3 there are none, and the answers say so."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from traco.kernel.codec import Code, Count, Hash, Height, Id, Record
from traco.kernel.module import Query
from traco.kernel.state import State
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import ChannelId
from traco.modules.channel.state import (
    SUBJECTS,
    AttemptRecord,
    Channel,
    Edge,
    Offer,
    Point,
    Role,
    Seat,
    Settlement,
    Stream,
)

PageLimit = Annotated[int, msgspec.Meta(ge=1, le=1_000)]


class GetSeat(Record, frozen=True):
    """Asks where a member does its channel business."""

    member: Id


class GetChannel(Record, frozen=True):
    """Asks for a channel."""

    channel: ChannelId


class GetChannelAtHeight(Record, frozen=True):
    """Asks for a channel as committed by block ``height``."""

    channel: ChannelId
    height: Height


class ListChannels(Record, frozen=True):
    """Asks for a page of an organisation's channels in the order of their ids, behind ``after``."""

    member: Id
    after: ChannelId | None = None
    limit: PageLimit = 100


class ListPoints(Record, frozen=True):
    """Asks for a page of a channel's points that are still kept, behind the ordinal ``after``."""

    channel: ChannelId
    after: Count = 0
    limit: PageLimit = 100


class GetSettlement(Record, frozen=True):
    """Asks what became of terms across ledgers; ``terms`` is their id."""

    terms: Hash


class GetEdge(Record, frozen=True):
    """Asks what a channel has taken in of an instrument with a public edge."""

    channel: ChannelId
    instrument: Id


class ListBallots(Record, frozen=True):
    """Asks what the members of a channel are voting on."""

    channel: ChannelId


class CastBallot(Record, frozen=True):
    """Who voted for something: to void the entry ``number``, to close the channel, to erase up to the point ``number``."""

    subject: Code
    number: Count
    members: tuple[Id, ...]


class Ballots(Record, frozen=True):
    """All of them, and how many votes each needs."""

    policy: Count
    ballots: tuple[CastBallot, ...]


class SettlementView(Record, frozen=True):
    """The attempt at some terms, and what was said of its legs while it is undecided."""

    settlement: Settlement
    attempt: AttemptRecord | None


class ChannelView(Record, frozen=True):
    """A channel, how far its stream has come, and the epoch on offer, if any."""

    channel: Channel
    stream: Stream
    offer: Offer | None


class ListedChannel(Record, frozen=True):
    """A channel of an organisation, and as what it takes part."""

    channel: ChannelId
    role: Role


class ChannelPage(Record, frozen=True):
    """A page of channels. ``next_after`` resumes behind it; None where it is the last."""

    channels: tuple[ListedChannel, ...]
    next_after: ChannelId | None


class NumberedPoint(Record, frozen=True):
    """A point and its ordinal."""

    ordinal: Count
    point: Point


class PointPage(Record, frozen=True):
    """A page of points. ``next_after`` resumes behind it; None where it is the last."""

    points: tuple[NumberedPoint, ...]
    next_after: Count | None


class Queries:
    """The answers."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def declared(self) -> Mapping[str, Query]:
        """The queries by name."""
        return {
            "channel.seat": Query(GetSeat, self.seat, "Where a member does its channel business."),
            "channel.get": Query(GetChannel, self.get, "A channel, its stream, and the epoch on offer."),
            "channel.at_height": Query(GetChannelAtHeight, self.at_height, "A channel as of a height."),
            "channel.list": Query(ListChannels, self.list, "The channels of an organisation."),
            "channel.points": Query(ListPoints, self.points, "The points of a channel that are still kept."),
            "channel.settlement": Query(
                GetSettlement, self.settlement, "What became of terms across ledgers."
            ),
            "channel.ballots": Query(
                ListBallots, self.ballots, "What the members of a channel are voting on."
            ),
            "channel.edge": Query(GetEdge, self.edge, "What a channel has taken in of an instrument."),
        }

    def seat(self, state: State, request: GetSeat) -> Seat | None:
        """The seat, or None."""
        return self._keeper.seat(state, request.member)

    def get(self, state: State, request: GetChannel) -> ChannelView | None:
        """The channel, or None."""
        found = self._keeper.channel(state, request.channel)
        if found is None:
            return None
        stream, offer = (
            self._keeper.stream(state, request.channel),
            self._keeper.offer(state, request.channel),
        )
        return ChannelView(found, stream, offer)

    def at_height(self, state: State, request: GetChannelAtHeight) -> Channel | None:
        """The channel as it was, or None."""
        return self._keeper.as_of(state, request.height, request.channel)

    def list(self, state: State, request: ListChannels) -> ChannelPage:
        """A page of channels."""
        found = self._keeper.channels_of(state, request.member, request.after or b"", request.limit)
        channels = tuple(ListedChannel(channel, presence.role) for channel, presence in found)
        return ChannelPage(channels, channels[-1].channel if len(found) == request.limit else None)

    def settlement(self, state: State, request: GetSettlement) -> SettlementView | None:
        """The attempt that is undecided or committed, or None: they may be attempted."""
        found = self._keeper.settlement(state, request.terms)
        return None if found is None else SettlementView(found, self._keeper.attempt(state, found.attempt))

    def ballots(self, state: State, request: ListBallots) -> Ballots | None:
        """The votes that are open, or None where there is no such channel."""
        found = self._keeper.channel(state, request.channel)
        if found is None:
            return None
        cast = [
            CastBallot(subject, number, ballot.members)
            for kind, subject in SUBJECTS.items()
            for number, ballot in self._keeper.ballots(state, request.channel, kind)
        ]
        return Ballots(found.terms.policy, tuple(cast))

    def edge(self, state: State, request: GetEdge) -> Edge:
        """What came in less what left, and what is promised; zero where there was nothing."""
        return self._keeper.edge(state, request.instrument, request.channel)

    def points(self, state: State, request: ListPoints) -> PointPage:
        """A page of points."""
        found = self._keeper.points(state, request.channel, request.after, request.limit)
        points = tuple(NumberedPoint(ordinal, point) for ordinal, point in found)
        return PointPage(points, points[-1].ordinal if len(found) == request.limit else None)
