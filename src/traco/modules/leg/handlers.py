"""What the instruction does: authorise, check, change, emit. The keeper changes and emits."""

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.leg.errors import (
    CommitmentDiffers,
    EdgeDiffers,
    NothingMoved,
    NotInControl,
    OperatorMissing,
    Outside,
    PartiesWrong,
    TermsDiffer,
)
from traco.modules.leg.keeper import Keeper
from traco.modules.leg.messages import HoldLeg, LegContent, leg_commitment
from traco.modules.leg.ports import Entering, Entrance, Holdings


class Handlers:
    """The rules of holding a leg."""

    def __init__(self, keeper: Keeper, holdings: Holdings, entrance: Entrance) -> None:
        self._keeper = keeper
        self._holdings = holdings
        self._entrance = entrance

    def hold(self, context: Context, message: HoldLeg) -> None:
        """Hold the leg that enters."""
        # authorise
        leg, content = self._entrance.current(), message.content
        if leg is None:
            raise Outside
        if message.terms != leg.terms:
            raise TermsDiffer(leg.terms)
        if leg_commitment(message.salt, content) != leg.commitment:
            raise CommitmentDiffers(leg.commitment)
        if message.parties != tuple(sorted(dict.fromkeys(message.parties))):
            raise PartiesWrong
        self._require_control(context.state, message.parties, content)
        self._require_edges(context.state, message.parties, content, leg)
        # check
        if not (content.movements or content.exports or content.imports):
            raise NothingMoved
        # change, emit
        self._keeper.hold(context, leg, content)

    def _require_control(self, state: State, parties: tuple[bytes, ...], content: LegContent) -> None:
        debited = [movement.sender for movement in content.movements]
        credited = [movement.receiver for movement in content.movements]
        for account in dict.fromkeys(debited + [out.account for out in content.exports]):
            self._holdings.require_open_account(state, account)
            if not any(self._holdings.controls_debit(state, account, party) for party in parties):
                raise NotInControl(account)
        for account in dict.fromkeys(credited + [into.account for into in content.imports]):
            self._holdings.require_open_account(state, account)
            if not any(self._holdings.controls_credit(state, account, party) for party in parties):
                raise NotInControl(account)

    def _require_edges(
        self, state: State, parties: tuple[bytes, ...], content: LegContent, leg: Entering
    ) -> None:
        """What crosses is what the root was told, or an operator agrees; and all that the root was told crosses."""
        crossing: dict[bytes, int] = {}
        for out in content.exports:
            crossing[out.instrument] = crossing.get(out.instrument, 0) - out.amount
        for into in content.imports:
            crossing[into.instrument] = crossing.get(into.instrument, 0) + into.amount
        declared: dict[bytes, int] = {}
        for instrument, amount in leg.edges:
            declared[instrument] = declared.get(instrument, 0) + amount
        for instrument, amount in declared.items():
            if crossing.get(instrument, 0) != amount:
                raise EdgeDiffers(instrument, crossing.get(instrument, 0), amount)
        for instrument in crossing:
            record = self._holdings.require_open_instrument(state, instrument)
            if instrument in declared and not record.transfer_check:
                continue
            if not any(party in record.operators for party in parties):
                raise OperatorMissing(instrument)
