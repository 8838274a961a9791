"""One method per instruction about seats, epochs and batches: authorise, check, change, emit."""

from typing import Final

from traco.kernel.module import Context
from traco.modules.channel.entries import Batch, Tick
from traco.modules.channel.epochs import Epochs
from traco.modules.channel.errors import (
    ChannelExists,
    ChannelNotOpen,
    EpochWrong,
    NotMember,
    SeatInvalid,
    TickRepeated,
    TooManyChannels,
)
from traco.modules.channel.events import Disclosed, SeatSet
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import (
    AcceptEpoch,
    Disclose,
    GiveCopy,
    OfferEpoch,
    OpenChannel,
    OrderBatch,
    SetSeat,
)
from traco.modules.channel.messages import Tick as TickChannel
from traco.modules.channel.ordering import require_business, require_member, vouch
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.parts import ChannelId
from traco.modules.channel.ports import Members
from traco.modules.channel.signing import channel_id
from traco.modules.channel.state import Channel, Seat
from traco.modules.channel.validity import check_seat

_HASH_BYTES: Final = 32
_NO_COMMITMENT: Final = bytes(_HASH_BYTES)


class Handlers:
    """The rules of these instructions. ``keeper`` writes, ``members`` says who is who, ``epochs`` is how one begins."""

    def __init__(self, keeper: Keeper, members: Members, epochs: Epochs) -> None:
        self._keeper = keeper
        self._members = members
        self._epochs = epochs

    def set_seat(self, context: Context, message: SetSeat) -> None:
        """A member says where it does its channel business."""
        # check
        if self._members.member_of_node(context.state, message.node) != message.party:
            raise SeatInvalid("node")
        check_seat(message)
        # change
        seat = Seat(message.node, message.box, message.certificate, message.address)
        self._keeper.set_seat(context, message.party, seat)
        # emit
        context.emit(SeatSet(message.party, message.node))

    def open(self, context: Context, message: OpenChannel) -> None:
        """Propose a channel with its first epoch."""
        # authorise
        channel = channel_id(context.block.network, message.party, message.salt)
        if message.party not in message.terms.members:
            raise NotMember(message.party, channel)
        # check
        if self._keeper.channel(context.state, channel) is not None:
            raise ChannelExists(channel)
        limit = context.parameters(ChannelParameters).max_channels_of_member
        if self._keeper.count_of(context.state, message.party) >= limit:
            raise TooManyChannels(message.party, limit)
        # change
        record = Channel(message.party, "opening", 0, message.terms, (), _NO_COMMITMENT, 0, 0)
        self._keeper.begin(context, channel, record)
        self._epochs.offer(context, message.party, channel, record, message.terms, message.key)

    def offer_epoch(self, context: Context, message: OfferEpoch) -> None:
        """Propose the next epoch of a channel."""
        # authorise
        record = self._keeper.require(context.state, message.channel)
        require_member(record, message.channel, message.party)
        # check
        if record.status == "closed":
            raise ChannelNotOpen(message.channel, record.status)
        if message.epoch != record.epoch + 1:
            raise EpochWrong(message.channel, record.epoch + 1, message.epoch)
        # change
        self._epochs.offer(context, message.party, message.channel, record, message.terms, message.key)

    def accept(self, context: Context, message: AcceptEpoch) -> None:
        """Accept the offered epoch."""
        self._epochs.accept(context, message)

    def give_copy(self, context: Context, message: GiveCopy) -> None:
        """Give a silent member its copy on the root."""
        self._epochs.give(context, message)

    def order(self, context: Context, message: OrderBatch) -> None:
        """Give a sealed batch its place in the channel's stream."""
        # authorise
        record = require_business(self._keeper, context, message.channel, message.epoch)
        # check
        vouched = vouch(
            self._keeper, self._members, context, message.channel, record, message.party, message.payload
        )
        # change
        entry = Batch(message.epoch, vouched.payload)
        self._keeper.enter_payload(context, message.channel, entry, vouched.signers, vouched.until_ms)

    def tick(self, context: Context, message: TickChannel) -> None:
        """Move a channel's time on."""
        # authorise
        record = self._keeper.require(context.state, message.channel)
        require_business(self._keeper, context, message.channel, record.epoch)
        require_member(record, message.channel, message.party)
        # check
        if self._keeper.stream(context.state, message.channel).height == context.block.height:
            raise TickRepeated(message.channel)
        # change
        self._keeper.enter(context, message.channel, Tick())

    def disclose(self, context: Context, message: Disclose) -> None:
        """Record that something was disclosed."""
        # authorise
        record = self._keeper.require(context.state, message.channel)
        require_member(record, message.channel, message.party)
        # emit
        context.emit(Disclosed(message.channel, message.party, message.commitment))

    def forget(self, context: Context, key: bytes) -> None:
        """The receipts of an ordered payload have ended: its hash need not be kept."""
        channel: ChannelId = key[:_HASH_BYTES]
        self._keeper.forget_ordered(context, channel, key[_HASH_BYTES:])
