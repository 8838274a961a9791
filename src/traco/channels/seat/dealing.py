"""Legs of settlements across ledgers: sealed by the node of a member of the leg's channel, for these terms and no others.

Who has all legs orders them together (``ordering``). What becomes of a leg is in the channel and on the root; nothing of
it is kept here but the payload, which is dropped when it was not ordered in time. So a leg may be sealed again at any time,
after its receipts have ended, or under another epoch's key: its parties need not sign again.

Legs that come together are held in one durable step, here and at each custodian; each is sealed by itself, refused by itself, and can
be ordered without the others.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from traco.channels.custody.collecting import CustodianSeat, Wanted
from traco.channels.executing.composition import Compositions
from traco.channels.sealing.errors import PayloadRefused
from traco.channels.seat.entrusting import ORDER_MS, Entrusting
from traco.channels.seat.errors import NotReady, SubmissionRefused
from traco.channels.seat.ports import Root, RootReading, SeatKeys
from traco.kernel.instruction import KernelParameters
from traco.kernel.parameters import Parameters
from traco.kernel.registry import Registry
from traco.kernel.screening import Screened
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.parts import LegTerms, SealedLeg, SettlementTerms, is_ascending
from traco.modules.channel.signing import leg_message, payload_hash, terms_id
from traco.modules.channel.state import Channel
from traco.modules.leg.messages import HoldLeg, leg_commitment

_LIMITS: Final = Parameters({"channel": ChannelParameters()})


class _Leg(NamedTuple):
    """A leg to be sealed for terms (id)."""

    terms: bytes
    transaction: bytes
    order_ms: int


class _Ready(NamedTuple):
    """Its payload, held here."""

    terms: bytes
    wanted: Wanted


class Dealer:
    """Seals legs for the members of one node."""

    def __init__(
        self, network: bytes, keeper: Keeper, root: Root, entrusting: Entrusting, seats: Mapping[bytes, SeatKeys],
        compositions: Compositions,
    ) -> None:  # fmt: skip
        self._network = network
        self._keeper = keeper
        self._root = root
        self._entrusting = entrusting
        self._seats = seats
        self._compositions = compositions

    async def deal_for(
        self, channel: bytes, member: bytes, terms: SettlementTerms, transaction: bytes
    ) -> SealedLeg:
        """As ``deal_all``, for one. Raises ``SubmissionRefused``, ``CustodyStopped``."""
        return _require((await self.deal_all(channel, member, [(terms, transaction)]))[0])

    async def deal_all(
        self, channel: bytes, member: bytes, legs: Sequence[tuple[SettlementTerms, bytes]]
    ) -> list[SealedLeg | SubmissionRefused]:
        """The leg of each of these terms in the channel that the signed transaction with it holds, in order, with receipts until the
        terms' deadline where they may last that long; for those that are not sealed, why.

        What would be refused or come to nothing later is refused here: a leg that is not the one of these terms, one that
        is not signed for them or not any more, terms whose deadline is past. Raises ``SubmissionRefused`` where nothing can be sealed,
        ``CustodyStopped``.
        """
        with self._root.reading() as root:
            record = self._require_open(channel, member, root)
            composition = self._compositions.of(record.terms.modules)
            screened = composition.screener.screen([raw for _, raw in legs])
            judged = [
                self._judged(composition.registry, channel, record, root, terms, raw, answer)
                for (terms, raw), answer in zip(legs, screened, strict=True)
            ]
            prepared = self._prepared(channel, member, record, root, judged)
            custodians = self._entrusting.custodians(record, root)
        return await asyncio.gather(*(self._entrusted(each, custodians) for each in prepared))

    async def deal(
        self, channel: bytes, member: bytes, terms: bytes, transaction: bytes, order_ms: int = ORDER_MS
    ) -> SealedLeg:
        """The leg of the terms (id) that a signed channel transaction holds, with receipts, and ``member``'s signature.

        It must be ordered before its receipts end. Raises ``SubmissionRefused``, ``CustodyStopped``.
        """
        with self._root.reading() as root:
            record = self._require_open(channel, member, root)
            leg = _Leg(terms, transaction, order_ms)
            (prepared,) = self._prepared(channel, member, record, root, [leg])
            custodians = self._entrusting.custodians(record, root)
        return _require(await self._entrusted(prepared, custodians))

    def _judged(
        self, registry: Registry, channel: bytes, record: Channel, root: RootReading, terms: SettlementTerms, raw: bytes,
        screened: Screened,
    ) -> _Leg | SubmissionRefused:  # fmt: skip
        """A leg that can be sealed, or why it cannot."""
        try:
            agreed = _agreed(terms, channel, record, root.time_ms)
            if screened.refusal is not None:
                code = screened.refusal.code
                raise SubmissionRefused(code, f"the leg is no signed transaction of this channel ({code})")
            identity = terms_id(self._network, terms)
            _require_time(self._require_leg(registry, raw, identity, agreed), root)
        except SubmissionRefused as refused:
            return refused
        ahead_ms = _LIMITS.get(root.state, ChannelParameters).max_order_ahead_ms
        # custodians judge by their own clocks; what ends sooner is sealed again
        order_ms = min(terms.deadline_ms - root.time_ms, max(ORDER_MS, ahead_ms * 3 // 4))
        return _Leg(identity, raw, max(order_ms, 1))

    def _prepared(
        self, channel: bytes, member: bytes, record: Channel, root: RootReading,
        legs: Sequence[_Leg | SubmissionRefused],
    ) -> list[_Ready | SubmissionRefused]:  # fmt: skip
        """Payloads of the legs that can be sealed, held here when this returns."""
        made = [
            leg if isinstance(leg, SubmissionRefused) else self._made(channel, member, record, root, leg)
            for leg in legs
        ]
        ready = [each for each in made if isinstance(each, _Ready)]
        kept = iter(self._entrusting.kept([each.wanted for each in ready]))
        return [
            each if isinstance(each, SubmissionRefused) or (error := next(kept)) is None else _refused(error)
            for each in made
        ]

    def _made(
        self, channel: bytes, member: bytes, record: Channel, root: RootReading, leg: _Leg
    ) -> _Ready | SubmissionRefused:
        try:
            wanted = self._entrusting.made(channel, record, root, member, [leg.transaction], leg.order_ms)
        except (PayloadRefused, NotReady) as refused:
            return _refused(refused)
        return _Ready(leg.terms, wanted)

    async def _entrusted(
        self, ready: _Ready | SubmissionRefused, custodians: tuple[CustodianSeat, ...]
    ) -> SealedLeg | SubmissionRefused:
        if isinstance(ready, SubmissionRefused):
            return ready
        terms, wanted = ready
        held = await self._entrusting.held(wanted, custodians)
        message = leg_message(
            self._network, terms, wanted.channel, wanted.epoch, payload_hash(wanted.content)
        )
        return SealedLeg(wanted.epoch, wanted.sender, held, self._seats[wanted.sender].node.sign(message))

    def _require_open(self, channel: bytes, member: bytes, root: RootReading) -> Channel:
        if member not in self._seats:
            raise SubmissionRefused("channel.not_hosted", "the member has no seat on this node; ask its own")
        record = self._keeper.channel(root.state, channel)
        if record is None or record.status != "open" or member not in record.terms.members:
            raise SubmissionRefused(
                "channel.not_open", "the member is not in that channel, or it is not open"
            )
        return record

    def _require_leg(self, registry: Registry, raw: bytes, terms: bytes, agreed: LegTerms) -> int:
        """Until when a transaction is valid that does nothing but hold the agreed leg, for these terms (id). Raises ``SubmissionRefused``."""
        body = registry.transaction.decode(raw).body
        if (body.network, body.ledger) != (self._network, agreed.ledger):
            raise SubmissionRefused("transaction.wrong_ledger", "the leg is signed for another channel")
        hold = body.instructions[0]
        if len(body.instructions) != 1 or not isinstance(hold, HoldLeg):
            raise SubmissionRefused(
                "entry.not_a_leg", "the transaction does something else than hold one leg"
            )
        if hold.terms != terms:
            raise SubmissionRefused(
                "leg.terms_differ", "the leg is signed for other terms; sign it for these"
            )
        if leg_commitment(hold.salt, hold.content) != agreed.commitment:
            raise SubmissionRefused(
                "leg.commitment_differs",
                "the terms commit to another leg of this channel than the one signed",
            )
        return body.valid_until


def _require(dealt: SealedLeg | SubmissionRefused) -> SealedLeg:
    if isinstance(dealt, SubmissionRefused):
        raise dealt
    return dealt


def _refused(error: PayloadRefused | NotReady) -> SubmissionRefused:
    return SubmissionRefused(error.code, str(error))


def _require_time(valid_until_ms: int, root: RootReading) -> None:
    """The ledger takes a transaction in the last window before it ends only. Raises ``SubmissionRefused``."""
    window_ms = _LIMITS.get(root.state, KernelParameters).window_ms
    if valid_until_ms <= root.time_ms:
        raise SubmissionRefused("transaction.expired", "the leg's signatures have ended; sign it again")
    if valid_until_ms > root.time_ms + window_ms:
        raise SubmissionRefused(
            "channel.too_early",
            f"the leg is signed until {valid_until_ms} ms, and good in the last {window_ms // 1_000} s before that only: "
            "seal it then",
        )


def _agreed(terms: SettlementTerms, channel: bytes, record: Channel, time_ms: int) -> LegTerms:
    """The leg of the terms that is in the channel. Raises ``SubmissionRefused``."""
    found = [leg for leg in terms.legs if leg.ledger == channel]
    if len(found) != 1:
        raise SubmissionRefused("channel.legs_wrong", "these terms have no leg in this channel, or two")
    (agreed,) = found
    attesters = agreed.attesters
    if not is_ascending(attesters) or not all(each in record.terms.members for each in attesters):
        raise SubmissionRefused(
            "channel.legs_wrong", "the required attesters of the leg must be members of its channel, in order"
        )
    if terms.deadline_ms <= time_ms:
        raise SubmissionRefused("channel.deadline_wrong", "the deadline is past; agree on new terms")
    return agreed
