"""What makes earlier attestations count no more: an entry that becomes void, and a suspension that is resumed.

Each begins a generation of the channel. Points from the first that changes on are attested anew; what is confirmed stays.
"""

from typing import Protocol

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.modules.channel.entries import Resumed, Voided
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.state import EntryRecord


class LegVotes(Protocol):
    """Those who count what members say of legs."""

    def regenerated(self, context: Context, channel: bytes, from_ordinal: int) -> None:
        """What members said of legs from this point on counts no more: it is executed and attested anew."""

    def voided(self, context: Context, channel: bytes, number: int) -> None:
        """An entry is empty from now on; it may have been a leg."""


class Generations:
    """Begins generations."""

    def __init__(self, keeper: Keeper, legs: LegVotes) -> None:
        self._keeper = keeper
        self._legs = legs

    def void(self, context: Context, channel: bytes, number: int, entry: EntryRecord) -> None:
        """Make an entry empty that is neither confirmed nor void yet. Nobody is asked for its payload any more."""
        record = self._keeper.require(context.state, channel)
        asked = self._keeper.missing(context.state, channel, number)
        if asked is not None:
            self._keeper.end_asking(context, channel, number, asked)
        self._keeper.empty(context, channel, number, entry)
        generation = record.generation + 1
        self._keeper.write(context, channel, replace(record, generation=generation))
        self._attest_anew(context, channel, entry.ordinal, generation)
        self._keeper.enter(context, channel, Voided(number, generation))
        self._legs.voided(context, channel, number)

    def resume(self, context: Context, channel: bytes) -> None:
        """Open a suspended channel again; all that is not confirmed is attested anew."""
        record = self._keeper.require(context.state, channel)
        first = self._keeper.stream(context.state, channel).confirmed + 1
        generation = record.generation + 1
        resumed = replace(record, status="open", suspended_ms=0, generation=generation)
        self._keeper.write(context, channel, resumed)
        self._attest_anew(context, channel, first, generation)
        self._keeper.enter(context, channel, Resumed(generation))

    def _attest_anew(self, context: Context, channel: bytes, ordinal: int, generation: int) -> None:
        self._keeper.renew(context, channel, ordinal, generation)
        self._legs.regenerated(context, channel, ordinal)
