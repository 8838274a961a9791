"""The channel module: what it adds to a ledger, from protocol 3 on."""

from traco.kernel.module import Module
from traco.modules.channel import events, messages
from traco.modules.channel.epochs import OFFER_ENDS, Epochs
from traco.modules.channel.errors import ERRORS
from traco.modules.channel.handlers import Handlers
from traco.modules.channel.keeper import FORGET, Keeper
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.ports import Members
from traco.modules.channel.queries import Queries
from traco.modules.channel.state import PREFIX


class ChannelModule(Module):
    """The channels of the network, as the root knows them."""

    name = "channel"
    prefix = PREFIX
    since_protocol = 3

    def __init__(self, members: Members) -> None:
        super().__init__()
        self.keeper = Keeper()
        epochs = Epochs(self.keeper, members)
        handlers = Handlers(self.keeper, members, epochs)
        self.instructions = {
            messages.SetSeat: handlers.set_seat,
            messages.OpenChannel: handlers.open,
            messages.OfferEpoch: handlers.offer_epoch,
            messages.AcceptEpoch: handlers.accept,
            messages.GiveCopy: handlers.give_copy,
            messages.OrderBatch: handlers.order,
            messages.Tick: handlers.tick,
            messages.Disclose: handlers.disclose,
        }
        self.events = (
            events.SeatSet, events.EpochOffered, events.EpochAccepted, events.CopyGiven, events.OfferLapsed,
            events.Entered, events.Disclosed,
        )  # fmt: skip
        self.errors = ERRORS
        self.due = {OFFER_ENDS: epochs.deadline, FORGET: handlers.forget}
        self.queries = Queries(self.keeper).declared()
        self.parameters = ChannelParameters()
