"""Payloads that a member cannot get: it asks on the root, anybody may answer there, and silence has consequences.

Nobody shows the payload in time: those who signed that they hold it are named, and the entry becomes void unless it is
confirmed. A payload that the root carries itself, in its entry or since it was supplied, is not missing: whoever has the
blocks has it, and nobody can make others show it again and again.
"""

from typing import Final

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.modules.channel.errors import (
    ContentWrong,
    EntryUnknown,
    NotMissing,
    ReportedBefore,
    TooManyMissing,
)
from traco.modules.channel.events import CustodyFailed, MissingReported
from traco.modules.channel.events import Supplied as PayloadSupplied
from traco.modules.channel.generations import Generations
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import ReportMissing, Supply
from traco.modules.channel.ordering import require_member
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.signing import payload_hash
from traco.modules.channel.state import EntryRecord, Missing

_CHANNEL_BYTES: Final = 32


class MissingPayloads:
    """The rules of asking and answering."""

    def __init__(self, keeper: Keeper, generations: Generations) -> None:
        self._keeper = keeper
        self._generations = generations

    def report(self, context: Context, message: ReportMissing) -> None:
        """A member asks for a payload. The first who asks sets the clock; others join it."""
        # authorise
        channel, number, state = message.channel, message.number, context.state
        record = self._keeper.require(state, channel)
        require_member(record, channel, message.party)
        # check
        entry = self._require_askable(context, channel, number)
        asked = self._keeper.missing(state, channel, number)
        if asked is not None and message.party in asked.reporters:
            raise ReportedBefore(message.party, number)
        limit = context.parameters(ChannelParameters).max_missing
        if (
            sum(message.party in other.reporters for _, other in self._keeper.all_missing(state, channel))
            >= limit
        ):
            raise TooManyMissing(message.party, limit)
        # change
        if asked is None:
            until_ms = context.block.time_ms + record.terms.limits.answer_ms
            asked = Missing(entry.hash, entry.signers, (), until_ms)
        asked = replace(asked, reporters=tuple(sorted((*asked.reporters, message.party))))
        self._keeper.ask(context, channel, number, asked)
        # emit
        context.emit(MissingReported(channel, number, message.party, asked.signers, asked.until_ms))

    def supply(self, context: Context, message: Supply) -> None:
        """Somebody shows the payload."""
        # authorise: nobody but a member has a node to sign with
        # check
        asked = self._keeper.missing(context.state, message.channel, message.number)
        if asked is None:
            raise NotMissing(message.number)
        if payload_hash(message.content) != asked.hash:
            raise ContentWrong(message.number)
        # change
        self._keeper.end_asking(context, message.channel, message.number, asked)
        entry = self._keeper.entry(context.state, message.channel, message.number)
        if entry is not None:
            self._keeper.show(context, message.channel, message.number, entry)
        # emit
        context.emit(PayloadSupplied(message.channel, message.number, message.party, message.content))

    def unanswered(self, context: Context, key: bytes) -> None:
        """Nobody showed a payload in time."""
        channel, number = key[:_CHANNEL_BYTES], int.from_bytes(key[_CHANNEL_BYTES:], "big")
        asked = self._keeper.missing(context.state, channel, number)
        if asked is None:
            return  # cannot be: whatever ends asking takes the clock back
        self._keeper.end_asking(context, channel, number, asked)
        context.emit(CustodyFailed(channel, number, asked.signers))
        entry = self._keeper.entry(context.state, channel, number)
        if entry is not None and entry.ordinal > self._keeper.stream(context.state, channel).confirmed:
            self._generations.void(context, channel, number, entry)

    def _require_askable(self, context: Context, channel: bytes, number: int) -> EntryRecord:
        """The entry, if custodians must still have its payload. Raises ``EntryUnknown``."""
        entry = self._keeper.entry(context.state, channel, number)
        erased = self._keeper.stream(context.state, channel).erased
        if entry is None or entry.voided or not entry.signers or number <= erased:
            raise EntryUnknown(channel, number)
        return entry
