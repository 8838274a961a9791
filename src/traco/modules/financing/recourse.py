"""Recourse: a lender who financed with recourse has the seller buy back what is overdue."""

from typing import Final

from msgspec.structs import replace

from traco.kernel.codec import MAX_TIME_MS
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.financing import state as stored
from traco.modules.financing.due_dates import DAY_MS
from traco.modules.financing.errors import (
    RecourseAmount,
    RecourseEarly,
    RecourseExceeded,
    RecourseNone,
    RecourseOpen,
)
from traco.modules.financing.events import (
    RecourseDefaulted,
    RecourseDemanded,
    RecourseLapsed,
    RecourseSettled,
)
from traco.modules.financing.messages import PayRecourse
from traco.modules.financing.parameters import FinancingParameters
from traco.modules.financing.ports import Holdings
from traco.modules.financing.state import (
    EXECUTOR,
    Deal,
    Demand,
    Financing,
    Receivable,
    Recourse,
    recourse_hold,
)

RECOURSE_DUE: Final = "financing.recourse_due"


class Recourses:
    """Demands of lenders on sellers. A demand is for face, at face: no interest is added.

    From demand to default as much of the receivable is held in the lender's account: the lender can neither dispose of
    what it demands to be bought back, nor bring the seller into default by moving it away.
    """

    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings

    def get(self, state: State, financing: bytes) -> Recourse | None:
        """The open demand or default of a financing, or None."""
        return stored.recourses.get(state, financing)

    def demand(
        self, context: Context, financing: bytes, record: Financing, deal: Deal, receivable: Receivable,
        amount: int,
    ) -> None:  # fmt: skip
        """Demand ``amount``. Raises ``RecourseOpen``, ``RecourseEarly``, ``RecourseExceeded``."""
        state, time_ms, limits = context.state, context.block.time_ms, context.parameters(FinancingParameters)
        if stored.recourses.get(state, financing) is not None:
            raise RecourseOpen(financing)
        wait_ms = limits.recourse_days * DAY_MS
        from_ms = MAX_TIME_MS if receivable.due_ms is None else receivable.due_ms + wait_ms
        if not receivable.overdue or time_ms < from_ms:
            raise RecourseEarly(from_ms)
        document, account = record.document, deal.receivable_account
        listed = stored.demands.get(state, document, account)
        if listed is not None:
            raise RecourseOpen(listed.financing)
        limit = min(record.face - record.recovered, self._claim(state, document, account, receivable))
        if amount > limit:
            raise RecourseExceeded(limit)
        due_ms = time_ms + limits.recourse_ms
        stored.recourses.put(state, Recourse(amount, due_ms, False), financing)
        stored.demands.put(state, Demand(financing), document, account)
        self._hold(context, financing, account, receivable, amount)
        context.schedule(due_ms, RECOURSE_DUE, financing)
        context.emit(RecourseDemanded(financing, amount, due_ms))

    def meet(
        self, context: Context, message: PayRecourse, record: Financing, deal: Deal, receivable: Receivable,
        payout: bytes,
    ) -> None:  # fmt: skip
        """Buy back what was demanded: cash to ``payout`` and the receivable to the seller.

        Raises ``RecourseNone``, ``RecourseAmount`` and the holding module's refusals.
        """
        state, financing, amount = context.state, message.financing, message.amount
        found = stored.recourses.get(state, financing)
        if found is None:
            raise RecourseNone(financing)
        account, needed = deal.receivable_account, found.amount
        if found.defaulted:  # nothing is held any more
            needed = min(needed, self._claim(state, record.document, account, receivable))
        if amount != needed:
            raise RecourseAmount(needed)
        self._holdings.transfer(context, receivable.cash, message.cash_account, payout, amount, financing)
        receiver = message.receivable_account
        if found.defaulted:
            self._holdings.transfer(context, receivable.instrument, account, receiver, amount, financing)
        else:
            self._holdings.execute_hold(context, recourse_hold(financing), receiver, amount, financing)
            stored.demands.delete(state, record.document, account)
            context.unschedule(found.due_ms, RECOURSE_DUE, financing)
        stored.recourses.delete(state, financing)
        stored.financings.put(state, replace(record, recovered=record.recovered + amount), financing)
        context.emit(RecourseSettled(financing, amount))

    def suspend(self, context: Context, document: bytes, account: bytes) -> bool:
        """Free what is demanded to be bought back out of ``account``, so that it can be redeemed; whether there is any."""
        listed = stored.demands.get(context.state, document, account)
        if listed is None:
            return False
        self._holdings.release_hold(context, recourse_hold(listed.financing))
        return True

    def resume(self, context: Context, document: bytes, account: bytes, receivable: Receivable) -> None:
        """Hold again what is demanded, as far as it is there and unpaid; where nothing is, the demand lapses."""
        state, financing, found = context.state, *self._demanded(context.state, document, account)
        left = min(found.amount, self._claim(state, document, account, receivable))
        if left:
            stored.recourses.put(state, replace(found, amount=left), financing)
            self._hold(context, financing, account, receivable, left)
            return
        stored.recourses.delete(state, financing)
        stored.demands.delete(state, document, account)
        context.unschedule(found.due_ms, RECOURSE_DUE, financing)
        context.emit(RecourseLapsed(financing))

    def fall_due(self, context: Context, financing: bytes) -> None:
        """The due item of a demand that is open: a default. The lender may dispose of the receivable again.

        Where nothing is unpaid any more (paid in full while there were many holders), the demand lapses.
        """
        state = context.state
        found, record = stored.recourses.get(state, financing), stored.financings.get(state, financing)
        receivable = None if record is None else stored.receivables.get(state, record.document)
        if found is None or record is None or record.deal is None or receivable is None:
            return  # met in the meantime
        self._holdings.release_hold(context, recourse_hold(financing))
        stored.demands.delete(state, record.document, record.deal.receivable_account)
        if receivable.is_discharged:
            stored.recourses.delete(state, financing)
            context.emit(RecourseLapsed(financing))
            return
        stored.recourses.put(state, replace(found, defaulted=True), financing)
        context.emit(RecourseDefaulted(financing, found.amount))

    def _demanded(self, state: State, document: bytes, account: bytes) -> tuple[bytes, Recourse]:
        listed = stored.demands.get(state, document, account)
        found = None if listed is None else stored.recourses.get(state, listed.financing)
        if listed is None or found is None:
            raise LookupError("only a demand that was suspended is resumed")
        return listed.financing, found

    def _hold(
        self, context: Context, financing: bytes, account: bytes, receivable: Receivable, amount: int
    ) -> None:
        self._holdings.hold(
            context, recourse_hold(financing), account, receivable.instrument, amount, EXECUTOR, 0, financing
        )

    def _claim(self, state: State, document: bytes, account: bytes, receivable: Receivable) -> int:
        """What a lender's account has available of the receivable and is not paid yet."""
        if receivable.is_discharged:
            return 0
        held = self._holdings.holding(state, receivable.instrument, account)
        deposit = stored.deposits.get(state, document, account)
        return max(0, min(held.available, held.owned - (0 if deposit is None else deposit.amount)))
