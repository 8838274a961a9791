"""Ordering an attempt to settle terms across ledgers: by any member whose node has all legs, taking part or not.

Nothing is kept of it: who asks again learns that the terms are under way. What becomes of an attempt is the root's to say.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from traco.channels.seat.errors import SubmissionRefused
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.ports import Root, RootAnswer, RootReading, RootUnavailable, SeatKeys
from traco.kernel.codec import ROOT, Codec
from traco.kernel.errors import Failure
from traco.kernel.transaction import RawTransaction, transaction_id
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import Attempt
from traco.modules.channel.parts import Held, LegTerms, RootLeg, SealedLeg, SettlementTerms
from traco.modules.channel.signing import attempt_id, terms_id

_RAW: Final[Codec[RawTransaction]] = Codec(RawTransaction)


Wanted = tuple[SettlementTerms, Sequence[SealedLeg | RootLeg]]
"""Terms, and their legs."""


class Ordered(NamedTuple):
    """An attempt: ``undecided``, or ``committed`` already. ``transaction`` (id) is empty where it was there before.

    With a ``failure``, it was refused whole and nothing was ordered.
    """

    attempt: bytes
    transaction: bytes
    status: str
    failure: Failure | None = None


class Ordering:
    """Orders attempts for the members of one node."""

    def __init__(
        self, network: bytes, keeper: Keeper, root: Root, instructing: Instructing, seats: Mapping[bytes, SeatKeys]
    ) -> None:  # fmt: skip
        self._network = network
        self._keeper = keeper
        self._root = root
        self._instructing = instructing
        self._seats = seats

    async def order(
        self, member: bytes, terms: SettlementTerms, legs: Sequence[SealedLeg | RootLeg]
    ) -> Ordered:
        """As ``order_all``, for one. Raises ``SubmissionRefused``."""
        (ordered,) = await self.order_all(member, [(terms, legs)])
        if isinstance(ordered, SubmissionRefused):
            raise ordered
        return ordered

    async def order_all(self, member: bytes, attempts: Sequence[Wanted]) -> list[Ordered | SubmissionRefused]:
        """Have all legs of each attempt ordered at once, which stand in the order of its terms: each a transaction of its own,
        taken or refused by itself; for those that were not tried, why. Raises ``SubmissionRefused`` where none can be.
        """
        if member not in self._seats:
            raise SubmissionRefused("channel.not_hosted", "the member has no seat on this node; ask its own")
        with self._root.reading() as root:
            made = [self._made(root, member, terms, legs) for terms, legs in attempts]
        raws = [each for each in made if isinstance(each, bytes)]
        try:
            answers = iter(await self._root.submit_all(raws) if raws else ())
        except RootUnavailable:
            return [_unknown() if isinstance(each, bytes) else each for each in made]
        with self._root.reading() as root:
            return [
                self._answered(root, terms, each, next(answers)) if isinstance(each, bytes) else each
                for (terms, _), each in zip(attempts, made, strict=True)
            ]

    def _made(
        self, root: RootReading, member: bytes, terms: SettlementTerms, legs: Sequence[SealedLeg | RootLeg]
    ) -> bytes | Ordered | SubmissionRefused:
        """The signed transaction, what is there already, or why nothing is tried."""
        known = self._known(root, terms_id(self._network, terms))
        if known is not None:
            return known
        try:
            self._check(root, terms, legs)
        except SubmissionRefused as refused:
            return refused
        until_ms = min(self._instructing.until(root), terms.deadline_ms)
        return self._instructing.signed(member, Attempt(member, terms, tuple(legs)), until_ms)

    def _answered(self, root: RootReading, terms: SettlementTerms, raw: bytes, answer: RootAnswer) -> Ordered:
        identity, transaction = terms_id(self._network, terms), transaction_id(bytes(_RAW.decode(raw).body))
        if answer.code:
            known = self._known(root, identity)  # somebody else may have been quicker
            return known or Ordered(b"", transaction, "", answer.failure or Failure(answer.code, ()))
        return Ordered(attempt_id(self._network, identity, transaction), transaction, "undecided")

    def _known(self, root: RootReading, terms: bytes) -> Ordered | None:
        found = self._keeper.settlement(root.state, terms)
        return None if found is None else Ordered(found.attempt, b"", found.status)

    def _check(self, root: RootReading, terms: SettlementTerms, legs: Sequence[SealedLeg | RootLeg]) -> None:
        """What the root would refuse with a word about all of the attempt, said of the leg. Raises ``SubmissionRefused``."""
        if len(legs) != len(terms.legs):
            raise SubmissionRefused(
                "channel.legs_wrong", f"the terms have {len(terms.legs)} legs, {len(legs)} are given"
            )
        if terms.deadline_ms <= root.time_ms:
            raise SubmissionRefused("channel.deadline_wrong", "the deadline is past; agree on new terms")
        for agreed, given in zip(terms.legs, legs, strict=True):
            if isinstance(given, RootLeg) != (agreed.ledger == ROOT):
                raise SubmissionRefused("channel.legs_wrong", "a leg is not of the ledger that the terms say")
            if isinstance(given, SealedLeg):
                self._check_sealed(root, terms, agreed, given)

    def _check_sealed(
        self, root: RootReading, terms: SettlementTerms, agreed: LegTerms, given: SealedLeg
    ) -> None:
        name = agreed.ledger.hex()
        record = self._keeper.channel(root.state, agreed.ledger)
        if record is None:
            raise SubmissionRefused("channel.unknown", f"there is no channel {name}")
        if record.status != "open":
            raise SubmissionRefused("channel.not_open", f"the channel {name} is {record.status}")
        if record.epoch != given.epoch:
            raise SubmissionRefused(
                "channel.epoch_wrong",
                f"the leg of channel {name} was sealed in epoch {given.epoch}, which is over; seal it again",
            )
        if isinstance(given.payload, Held) and given.payload.order_by <= root.time_ms:
            raise SubmissionRefused(
                "channel.receipts_expired",
                f"the custodians' receipts for the leg of channel {name} have ended; seal it again",
            )
        most_ms = record.terms.limits.attempt_ms
        if terms.deadline_ms > root.time_ms + most_ms:
            raise SubmissionRefused(
                "channel.too_early",
                f"channel {name} keeps nobody's value longer than {most_ms // 1_000} s undecided: order the attempt when "
                "the deadline is no farther away than that",
            )


def _unknown() -> SubmissionRefused:
    return SubmissionRefused(
        "channels.outcome_unknown",
        "the ledger did not answer; the attempt may still be ordered. Ask what became of the terms, or order again: that is safe",
    )
