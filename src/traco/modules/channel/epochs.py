"""How an epoch begins: opening, another key, other members. One mechanism, the offer.

An offer starts when enough members of the present epoch who stay have accepted (the consent of the channel), and all
members of the new one have; or, at its deadline, when enough of the new ones have and the copies of the rest stand on
the root for them to fetch. Otherwise it lapses, and whoever offered it waits while others may.
"""

from typing import Final

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.channel.digests import copy_hash
from traco.modules.channel.errors import (
    AcceptedBefore,
    CopyWrong,
    NotMember,
    OfferLapsedBefore,
    OfferOpen,
    OfferOther,
    SeatMissing,
    TermsInvalid,
)
from traco.modules.channel.events import CopyGiven, EpochAccepted, EpochOffered, OfferLapsed
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import AcceptEpoch, GiveCopy
from traco.modules.channel.parts import EpochKey, Terms
from traco.modules.channel.ports import Members
from traco.modules.channel.signing import offer_id
from traco.modules.channel.state import LAPSED, Channel, Offer
from traco.modules.channel.validity import check_payload_limit, check_successor, check_terms

OFFER_ENDS: Final = "channel.offer_ends"  # due: the time to accept an offer is over
OFFER_TURN: Final = "channel.offer_turn"  # due: whose offers lapsed may offer again


class Epochs:
    """Offers and what becomes of them."""

    def __init__(self, keeper: Keeper, members: Members) -> None:
        self._keeper = keeper
        self._members = members

    def offer(
        self, context: Context, proposer: bytes, channel: bytes, record: Channel, terms: Terms, key: EpochKey
    ) -> None:
        """Put an epoch on offer. Raises ``OfferOpen``, ``OfferLapsedBefore``, ``TermsInvalid``, ``SeatMissing``."""
        state = context.state
        if (open_offer := self._keeper.offer(state, channel)) is not None:
            raise OfferOpen(channel, open_offer.epoch)
        if self._keeper.has_lapsed(state, channel, proposer):
            raise OfferLapsedBefore(channel, proposer)
        check_terms(terms, key)
        check_payload_limit(terms, context.kernel_parameters().max_transaction_bytes)
        if record.epoch:
            check_successor(record.terms, terms)
        if proposer not in terms.members and proposer not in record.terms.members:
            raise NotMember(proposer, channel)
        self._check_custodians(context, terms)
        boxes = tuple(self._keeper.require_seat(state, member).box for member in terms.members)
        accept_ms = terms.limits.accept_ms
        if record.epoch:  # as long as the members agreed that an offer may stand, whatever this one says
            accept_ms = min(accept_ms, record.terms.limits.accept_ms)
        deadline_ms = context.block.time_ms + accept_ms
        epoch = record.epoch + 1
        identity = offer_id(context.block.network, channel, epoch, terms, key, boxes)
        self._keeper.put_offer(
            context, channel, Offer(identity, proposer, epoch, terms, key, boxes, (), (), deadline_ms)
        )
        context.schedule(deadline_ms, OFFER_ENDS, channel)
        context.emit(EpochOffered(channel, proposer, epoch, terms, key, deadline_ms))

    def accept(self, context: Context, message: AcceptEpoch) -> None:
        """Count an acceptance; begin the epoch when nothing is wanting. Raises ``OfferUnknown``, ``NotMember``,
        ``OfferOther``, ``AcceptedBefore``.
        """
        channel, party = message.channel, message.party
        offer = self._keeper.require_offer(context.state, channel, message.epoch)
        if party not in offer.terms.members:
            raise NotMember(party, channel)
        if message.offer != offer.id:
            raise OfferOther(channel, offer.id)
        if party in offer.accepted:
            raise AcceptedBefore(party, offer.epoch)
        offer = replace(offer, accepted=tuple(sorted((*offer.accepted, party))))
        self._keeper.put_offer(context, channel, offer)
        context.emit(EpochAccepted(channel, offer.epoch, party))
        if offer.accepted == offer.terms.members and self._has_consent(context.state, channel, offer):
            self._begin(context, channel, offer)

    def give(self, context: Context, message: GiveCopy) -> None:
        """Put the copy of a member that does not answer on the root. Raises ``OfferUnknown``, ``NotMember``, ``CopyWrong``."""
        channel, member = message.channel, message.member
        offer = self._keeper.require_offer(context.state, channel, message.epoch)
        if message.party not in offer.terms.members or member not in offer.terms.members:
            raise NotMember(message.party if member in offer.terms.members else member, channel)
        if copy_hash(message.copy) != offer.key.copies[offer.terms.members.index(member)]:
            raise CopyWrong(member)
        if member in offer.given:
            raise AcceptedBefore(member, offer.epoch)
        given = tuple(sorted((*offer.given, member)))
        self._keeper.put_offer(context, channel, replace(offer, given=given))
        context.emit(CopyGiven(channel, offer.epoch, member, message.copy))

    def deadline(self, context: Context, channel: bytes) -> None:
        """The time to accept is over: the epoch begins with enough members, or the offer lapses, and with the first one the channel."""
        offer = self._keeper.offer(context.state, channel)
        if offer is None:
            return  # cannot be: whatever ends an offer takes its deadline back
        silent = tuple(member for member in offer.terms.members if member not in offer.accepted)
        enough = len(offer.accepted) >= offer.terms.policy
        served = all(member in offer.given for member in silent)
        if enough and served and self._has_consent(context.state, channel, offer):
            self._begin(context, channel, offer)
            return
        self.withdraw(context, channel)
        record = self._keeper.require(context.state, channel)
        if not record.epoch:
            self._keeper.remove(context, channel)
        elif len(record.terms.members) > 1:
            # others come first for a while: else one member could stop every change, its own removal too, by offers
            self._keeper.note_lapse(context, channel, offer.proposer)
            context.schedule(context.block.time_ms + record.terms.limits.accept_ms, OFFER_TURN, channel)
        context.emit(OfferLapsed(channel, offer.epoch, silent))

    def turn(self, context: Context, channel: bytes) -> None:
        """The others had their time; where one of them has an offer open, it goes on until that lapses."""
        if self._keeper.offer(context.state, channel) is None:
            self._keeper.drop_ballots(context, channel, LAPSED)

    def withdraw(self, context: Context, channel: bytes) -> None:
        """End the open offer, if there is one, without beginning its epoch."""
        offer = self._keeper.offer(context.state, channel)
        if offer is not None:
            context.unschedule(offer.deadline_ms, OFFER_ENDS, channel)
            self._keeper.end_offer(context, channel)

    def _begin(self, context: Context, channel: bytes, offer: Offer) -> None:
        context.unschedule(offer.deadline_ms, OFFER_ENDS, channel)
        self._keeper.begin_epoch(context, channel, offer)

    def _has_consent(self, state: State, channel: bytes, offer: Offer) -> bool:
        """Whether as many members of the present epoch as its policy asks for have accepted, all of whom stay."""
        record = self._keeper.require(state, channel)
        if not record.epoch:
            return True
        consenting = sum(member in record.terms.members for member in offer.accepted)
        return consenting >= record.terms.policy

    def _check_custodians(self, context: Context, terms: Terms) -> None:
        for member in terms.custodians():
            if not self._members.is_member(context.state, member):
                raise SeatMissing(member)
            self._keeper.require_seat(context.state, member)
        if terms.adjudicator is not None and not self._members.is_member(context.state, terms.adjudicator):
            raise TermsInvalid("adjudicator")
