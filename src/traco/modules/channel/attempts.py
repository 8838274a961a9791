"""Ordering an attempt to settle terms: all legs at once, or none. What becomes of it then is in ``decisions``.

Each channel's leg must be what a batch of that channel must be, and its seat must have signed it for these terms and no
others. Who orders the attempt does not matter: it can neither change a leg nor leave one out.
"""

from typing import NamedTuple

from traco.kernel import crypto
from traco.kernel.codec import ROOT
from traco.kernel.module import Context
from traco.modules.channel import edges
from traco.modules.channel.entries import Leg
from traco.modules.channel.errors import DeadlineWrong, LegsWrong, PointFull, TermsUsed
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import Attempt
from traco.modules.channel.ordering import Vouched, require_business, vouch
from traco.modules.channel.parts import MAX_RESULTS, LegTerms, Limits, RootLeg, SealedLeg, is_ascending
from traco.modules.channel.ports import Members
from traco.modules.channel.root_legs import RootLegs
from traco.modules.channel.signing import attempt_id, leg_message, terms_id
from traco.modules.channel.state import AttemptRecord, Channel, LegState
from traco.modules.leg.messages import HoldLeg


class _Sealed(NamedTuple):
    """A channel's leg that may be ordered."""

    terms: LegTerms
    channel: Channel
    vouched: Vouched


class _Open(NamedTuple):
    """The leg on the root: what runs when the attempt is ordered."""

    terms: LegTerms
    hold: HoldLeg


class Attempts:
    """The rules of ordering attempts. ``roots`` is for legs on the root; where it is None, none is taken."""

    def __init__(self, keeper: Keeper, members: Members, roots: RootLegs | None) -> None:
        self._keeper = keeper
        self._members = members
        self._roots = roots

    def attempt(self, context: Context, message: Attempt) -> None:
        """Order all legs of a settlement, for the decision of their channels."""
        # authorise: that a node of the party signed is asked by its policy class; each leg is signed for itself
        terms = terms_id(context.block.network, message.terms)
        # check
        used = self._keeper.settlement(context.state, terms)
        if used is not None:
            raise TermsUsed(used.status)
        _check_terms(message)
        edges.check_balanced(message.terms.legs)
        legs = [
            self._judge(context, terms, agreed, given)
            for agreed, given in zip(message.terms.legs, message.legs, strict=True)
        ]
        limits = [leg.channel.terms.limits for leg in legs if isinstance(leg, _Sealed)]
        _check_deadline(context, message.terms.deadline_ms, limits)
        # change, emit
        attempt = attempt_id(context.block.network, terms, context.transaction)
        entered = tuple(self._enter(context, attempt, terms, leg) for leg in legs)
        record = AttemptRecord(
            terms, context.block.height, message.terms.deadline_ms, message.terms.deadline_ms,
            max(limit.decision_blocks for limit in limits), entered,
        )  # fmt: skip
        self._keeper.begin_attempt(context, attempt, record)

    def _judge(
        self, context: Context, terms: bytes, agreed: LegTerms, given: SealedLeg | RootLeg
    ) -> _Sealed | _Open:
        """One leg, as it may be ordered. Raises ``LegsWrong`` and whatever refuses a batch."""
        if isinstance(given, RootLeg):
            if self._roots is None or agreed.ledger != ROOT:
                raise LegsWrong("leg on the root")
            if agreed.attesters:
                raise LegsWrong("attesters on the root")
            return _Open(agreed, self._roots.read(context, terms, given))
        if agreed.ledger == ROOT:
            raise LegsWrong("leg on the root")
        channel = require_business(self._keeper, context, agreed.ledger, given.epoch)
        self._check_room(context, agreed.ledger)
        vouched = vouch(
            self._keeper, self._members, context, agreed.ledger, channel, given.submitter, given.payload
        )
        self._check_seat(context, terms, agreed.ledger, given, vouched.payload.hash)
        if not is_ascending(agreed.attesters) or any(
            attester not in channel.terms.members for attester in agreed.attesters
        ):
            raise LegsWrong("attesters")
        return _Sealed(agreed, channel, vouched)

    def _check_room(self, context: Context, channel: bytes) -> None:
        """Members can still say of all legs of the point what became of them. Raises ``PointFull``."""
        stream = self._keeper.stream(context.state, channel)
        point = self._keeper.point(context.state, channel, stream.ordinal)
        is_of_block = point is not None and point.height == context.block.height
        if point is not None and is_of_block and point.last - point.first + 1 >= MAX_RESULTS:
            raise PointFull(channel, MAX_RESULTS)

    def _check_seat(
        self, context: Context, terms: bytes, channel: bytes, given: SealedLeg, payload: bytes
    ) -> None:
        """The submitter's seat signed this payload (hash) for these terms; its node key is registered still."""
        node = self._keeper.require_seat(context.state, given.submitter).node
        message = leg_message(context.block.network, terms, channel, given.epoch, payload)
        is_of_member = self._members.member_of_node(context.state, node) == given.submitter
        if not is_of_member or not crypto.is_valid(node, message, given.signature):
            raise LegsWrong("signature")

    def _enter(self, context: Context, attempt: bytes, terms: bytes, leg: _Sealed | _Open) -> LegState:
        """Give a leg its place, promise what crosses its edge, and pin who decides about it."""
        agreed = leg.terms
        if isinstance(leg, _Open):
            if self._roots is not None:
                self._roots.hold(context, attempt, terms, agreed, leg.hold)
            return LegState(ROOT, 0, 0, 0, (), 0, (), agreed.edges, (), ())
        edges.reserve(self._keeper, context, agreed.ledger, agreed.edges)
        payload, signers, until_ms = leg.vouched
        channel = leg.channel
        entry = Leg(attempt, terms, agreed.commitment, channel.epoch, payload, agreed.edges)
        place = self._keeper.enter_payload(context, agreed.ledger, entry, signers, until_ms)
        return LegState(
            agreed.ledger, place.number, place.ordinal, channel.generation, channel.terms.members,
            channel.terms.policy, agreed.attesters, agreed.edges, (), (),
        )  # fmt: skip


def _check_terms(message: Attempt) -> None:
    """One given leg for each agreed one, each ledger once, at least one of them a channel. Raises ``LegsWrong``."""
    ledgers = [leg.ledger for leg in message.terms.legs]
    if len(message.legs) != len(ledgers):
        raise LegsWrong("number of legs")
    if len(dict.fromkeys(ledgers)) != len(ledgers):
        raise LegsWrong("ledger twice")  # with two legs or more, one of them is in a channel then


def _check_deadline(context: Context, deadline_ms: int, limits: list[Limits]) -> None:
    """Raises ``DeadlineWrong``."""
    time_ms, limit_ms = context.block.time_ms, min(limit.attempt_ms for limit in limits)
    if not time_ms < deadline_ms <= time_ms + limit_ms:
        raise DeadlineWrong(deadline_ms, time_ms, limit_ms)
