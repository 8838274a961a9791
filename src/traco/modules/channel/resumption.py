"""What becomes of a suspended channel: its adjudicator, or after a limit the council, lets it go on or ends it."""

from typing import Protocol

from traco.kernel.module import Context
from traco.modules.channel.errors import ChannelBusy, ChannelNotSuspended, NotAdjudicator
from traco.modules.channel.generations import Generations
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import EndChannel, Resume
from traco.modules.channel.ports import Members


class Offers(Protocol):
    """Those who begin epochs."""

    def withdraw(self, context: Context, channel: bytes) -> None:
        """End the open offer, if there is one, without beginning its epoch."""


class Resumption:
    """The rules of these instructions."""

    def __init__(self, keeper: Keeper, members: Members, offers: Offers, generations: Generations) -> None:
        self._keeper = keeper
        self._members = members
        self._offers = offers
        self._generations = generations

    def resume(self, context: Context, message: Resume) -> None:
        """Let a suspended channel go on."""
        # authorise, check
        self._require_decider(context, message.channel, message.parties)
        # change, emit
        self._generations.resume(context, message.channel)

    def end(self, context: Context, message: EndChannel) -> None:
        """Close a suspended channel."""
        # authorise, check
        self._require_decider(context, message.channel, message.parties)
        if self._keeper.is_undecided(context.state, message.channel):
            raise ChannelBusy(message.channel)
        # change, emit
        self._offers.withdraw(context, message.channel)
        self._keeper.close(context, message.channel)

    def _require_decider(self, context: Context, channel: bytes, parties: tuple[bytes, ...]) -> None:
        """The channel waits for a decision, and these may take it now. Raises ``ChannelNotSuspended``, ``NotAdjudicator``,
        ``CouncilNeeded``.
        """
        record = self._keeper.require(context.state, channel)
        if record.status != "suspended":
            raise ChannelNotSuspended(channel, record.status)
        if parties == (record.terms.adjudicator,):
            return
        from_ms = record.suspended_ms + record.terms.limits.resume_ms
        if context.block.time_ms < from_ms:
            raise NotAdjudicator(channel, from_ms)
        self._members.require_council(context.state, parties)
