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
from traco.modules.financing.state import Deal, Financing, Receivable, Recourse

RECOURSE_DUE: Final = "financing.recourse_due"


class Recourses:
    """Demands of lenders on sellers. A demand is for face, at face: no interest is added."""

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
        limit = min(record.face - record.recovered, self._claim(state, record, deal, receivable))
        if amount > limit:
            raise RecourseExceeded(limit)
        due_ms = time_ms + limits.recourse_ms
        stored.recourses.put(state, Recourse(amount, due_ms, False), financing)
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
        needed = min(found.amount, self._claim(state, record, deal, receivable))
        if amount != needed:
            raise RecourseAmount(needed)
        self._holdings.transfer(context, receivable.cash, message.cash_account, payout, amount, financing)
        self._holdings.transfer(
            context,
            receivable.instrument,
            deal.receivable_account,
            message.receivable_account,
            amount,
            financing,
        )
        stored.recourses.delete(state, financing)
        context.unschedule(found.due_ms, RECOURSE_DUE, financing)
        stored.financings.put(state, replace(record, recovered=record.recovered + amount), financing)
        context.emit(RecourseSettled(financing, amount))

    def fall_due(self, context: Context, financing: bytes) -> None:
        """The due item of a demand: a default, as far as the lender still has the receivable."""
        state = context.state
        found, record = stored.recourses.get(state, financing), stored.financings.get(state, financing)
        receivable = None if record is None else stored.receivables.get(state, record.document)
        if found is None or record is None or record.deal is None or receivable is None:
            return  # met in the meantime
        left = min(found.amount, self._claim(state, record, record.deal, receivable))
        if left == 0:
            stored.recourses.delete(state, financing)
            context.emit(RecourseLapsed(financing))
            return
        stored.recourses.put(state, replace(found, amount=left, defaulted=True), financing)
        context.emit(RecourseDefaulted(financing, left))

    def _claim(self, state: State, record: Financing, deal: Deal, receivable: Receivable) -> int:
        """What the lender has available of the receivable and is not paid yet."""
        held = self._holdings.holding(state, receivable.instrument, deal.receivable_account)
        deposit = stored.deposits.get(state, record.document, deal.receivable_account)
        return max(0, min(held.available, held.owned - (0 if deposit is None else deposit.amount)))
