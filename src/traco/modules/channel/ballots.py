"""What the members of a channel decide by votes: to make an entry void, to close the channel, to have payloads erased.

One mechanism: as many members of the present epoch as the policy asks for vote alike, and it happens with the last vote. A
member has one vote of each kind at a time; another one takes its place.
"""

from typing import Final

from traco.kernel.module import Context
from traco.modules.channel.errors import (
    ChannelBusy,
    ChannelNotOpen,
    EntryUnknown,
    GenerationOld,
    NotConfirmed,
    NotErasable,
    VotedBefore,
)
from traco.modules.channel.events import Voted
from traco.modules.channel.generations import Generations
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import VoteClose, VoteErase, VoteVoid
from traco.modules.channel.ordering import require_member
from traco.modules.channel.resumption import Offers
from traco.modules.channel.state import CLOSE, ERASE, SUBJECTS, VOID, Channel

_THE_CHANNEL: Final = 0  # what a vote to close is about


class Ballots:
    """The rules of these votes."""

    def __init__(self, keeper: Keeper, offers: Offers, generations: Generations) -> None:
        self._keeper = keeper
        self._offers = offers
        self._generations = generations

    def void(self, context: Context, message: VoteVoid) -> None:
        """Vote to make an entry void that stops its executors: one of the first point that is not confirmed."""
        # authorise
        channel, number = message.channel, message.number
        record = self._require_voter(context, channel, message.party)
        # check
        if message.generation != record.generation:
            raise GenerationOld(channel, record.generation)
        entry = self._keeper.entry(context.state, channel, number)
        first = self._keeper.stream(context.state, channel).confirmed + 1
        point = self._keeper.point(context.state, channel, first)
        if entry is None or point is None or entry.voided or entry.ordinal != first:
            raise EntryUnknown(channel, number)
        if (
            point.height == context.block.height
        ):  # nobody has executed it yet; and an attempt would end where it began
            raise EntryUnknown(channel, number)
        # change, emit
        if self._vote(context, channel, record, VOID, number, message.party):
            self._generations.void(context, channel, number, entry)

    def close(self, context: Context, message: VoteClose) -> None:
        """Vote to close an open channel."""
        # authorise
        record = self._require_voter(context, message.channel, message.party)
        # check
        if record.status != "open":
            raise ChannelNotOpen(message.channel, record.status)
        if self._keeper.is_undecided(context.state, message.channel):
            raise ChannelBusy(message.channel)
        # change, emit
        if self._vote(context, message.channel, record, CLOSE, _THE_CHANNEL, message.party):
            self._offers.withdraw(context, message.channel)
            self._keeper.close(context, message.channel)

    def erase(self, context: Context, message: VoteErase) -> None:
        """Vote to have payloads erased up to a confirmed point, of which the member holds a snapshot."""
        # authorise
        channel, ordinal = message.channel, message.ordinal
        record = self._require_voter(context, channel, message.party)
        # check
        through = self._require_erasable(context, channel, record, ordinal)
        # change, emit
        if self._vote(context, channel, record, ERASE, ordinal, message.party):
            self._keeper.drop_ballots(context, channel, ERASE, ordinal)
            self._keeper.erase(context, channel, through)

    def _require_voter(self, context: Context, channel: bytes, party: bytes) -> Channel:
        record = self._keeper.require(context.state, channel)
        require_member(record, channel, party)
        return record

    def _require_erasable(self, context: Context, channel: bytes, record: Channel, ordinal: int) -> int:
        """The last entry of the point, if nothing still needs payloads up to there. Raises ``NotConfirmed``, ``NotErasable``."""
        state = context.state
        stream, point = self._keeper.stream(state, channel), self._keeper.point(state, channel, ordinal)
        if ordinal > stream.confirmed:
            raise NotConfirmed(ordinal, stream.confirmed)
        if point is None:
            raise NotErasable(ordinal, "forgotten")
        if point.last <= stream.erased:
            raise NotErasable(ordinal, "erased")
        if record.status == "suspended":
            raise NotErasable(ordinal, "suspended")
        if next(self._keeper.all_missing(state, channel), None) is not None:
            raise NotErasable(ordinal, "missing")
        if self._keeper.is_undecided(state, channel):
            raise NotErasable(ordinal, "undecided")
        return point.last

    def _vote(
        self, context: Context, channel: bytes, record: Channel, kind: bytes, number: int, member: bytes
    ) -> bool:
        """Count a vote; whether the policy is reached. Raises ``VotedBefore``."""
        ballot = self._keeper.ballot(context.state, channel, kind, number)
        if ballot is not None and member in ballot.members:
            raise VotedBefore(member)
        votes = self._keeper.vote(context, channel, kind, number, member, record.terms.members)
        context.emit(Voted(channel, f"{SUBJECTS[kind]}/{number}", member, votes))
        return votes >= record.terms.policy
