"""The channel module: what it adds to a ledger, from protocol 3 on."""

from traco.kernel.module import Module
from traco.modules.channel import attempt_invariants, events, invariants, messages
from traco.modules.channel.attempts import Attempts
from traco.modules.channel.ballots import Ballots
from traco.modules.channel.decisions import Decisions
from traco.modules.channel.epochs import OFFER_ENDS, OFFER_TURN, Epochs
from traco.modules.channel.errors import ERRORS
from traco.modules.channel.generations import Generations
from traco.modules.channel.handlers import Handlers
from traco.modules.channel.keeper import DEADLINE, FORGET, UNANSWERED, Keeper
from traco.modules.channel.missing import MissingPayloads
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.points import Attestations
from traco.modules.channel.ports import LegEnds, Members
from traco.modules.channel.queries import Queries
from traco.modules.channel.resumption import Resumption
from traco.modules.channel.root_legs import RootLegs
from traco.modules.channel.state import PREFIX


class ChannelModule(Module):
    """The channels of the network, as the root knows them.

    ``root_legs`` takes and ``root_ends`` ends the legs that settlements have on the root itself; without both there are none.
    """

    name = "channel"
    prefix = PREFIX
    since_protocol = 3

    def __init__(
        self, members: Members, root_legs: RootLegs | None = None, root_ends: LegEnds | None = None
    ) -> None:
        super().__init__()
        self.keeper = Keeper()
        epochs = Epochs(self.keeper, members)
        handlers = Handlers(self.keeper, members, epochs)
        attempts = Attempts(self.keeper, members, root_legs)
        decisions = Decisions(self.keeper, root_ends)
        attestations = Attestations(self.keeper, decisions)
        generations = Generations(self.keeper, decisions)
        missing = MissingPayloads(self.keeper, generations)
        ballots = Ballots(self.keeper, epochs, generations)
        resumption = Resumption(self.keeper, members, epochs, generations)
        self.instructions = {
            messages.SetSeat: handlers.set_seat,
            messages.OpenChannel: handlers.open,
            messages.OfferEpoch: handlers.offer_epoch,
            messages.AcceptEpoch: handlers.accept,
            messages.GiveCopy: handlers.give_copy,
            messages.OrderBatch: handlers.order,
            messages.Tick: handlers.tick,
            messages.Disclose: handlers.disclose,
            messages.Attest: attestations.attest,
            messages.ReportMissing: missing.report,
            messages.Supply: missing.supply,
            messages.VoteVoid: ballots.void,
            messages.VoteClose: ballots.close,
            messages.VoteErase: ballots.erase,
            messages.Resume: resumption.resume,
            messages.EndChannel: resumption.end,
            messages.Attempt: attempts.attempt,
        }
        self.events = (
            events.SeatSet, events.EpochOffered, events.EpochAccepted, events.CopyGiven, events.OfferLapsed,
            events.Entered, events.Disclosed, events.AttemptDecided, events.Confirmed, events.Dissented,
            events.MissingReported, events.Supplied, events.CustodyFailed, events.Voted,
        )  # fmt: skip
        self.errors = ERRORS
        self.due = {
            OFFER_ENDS: epochs.deadline,
            OFFER_TURN: epochs.turn,
            FORGET: handlers.forget,
            DEADLINE: decisions.deadline,
            UNANSWERED: missing.unanswered,
        }
        self.queries = Queries(self.keeper).declared()
        self.invariants = (invariants.touched, attempt_invariants.touched)
        self.ledger_invariants = (invariants.whole_ledger, attempt_invariants.whole_ledger)
        self.parameters = ChannelParameters()
