"""Known faults of modules. No invariant of the ledger sees most of them: value is conserved, only not whose it ought to be."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from traco.kernel.instruction import Instruction
from traco.kernel.kernel_module import KernelModule
from traco.kernel.module import Context, Requirement
from traco.kernel.state import State
from traco.modules.financing import payments
from traco.modules.financing.keeper import Keeper
from traco.modules.financing.messages import FinancingReleased
from traco.modules.financing.payments import Payments
from traco.modules.party.authority import PartyAuthority


def discharge_overpaid() -> AbstractContextManager[object]:
    """Who is paid when a receivable is discharged gets one unit of cash more than the units that are redeemed."""
    original = Payments._pay_out

    def pay_out(
        self: Payments, context: Context, document: bytes, receivable: Any, payer: bytes, account: bytes,
        holder: bytes, amount: int,
    ) -> bool:  # fmt: skip
        paid = original(self, context, document, receivable, payer, account, holder, amount)
        payout = self.payout_of(context.state, holder)
        cash = self._holdings.holding(context.state, receivable.cash, account)
        if paid and receivable.is_discharged and payout != account and cash.available:
            self._holdings.transfer(context, receivable.cash, account, payout, 1, document)
        return paid

    return patch.object(Payments, "_pay_out", pay_out)


def remainder_to_the_smallest() -> AbstractContextManager[object]:
    """The units that division leaves go to the smallest remainders."""

    def apportion(amount: int, weights: Sequence[int]) -> list[int]:
        total = sum(weights)
        parts = [amount * weight // total for weight in weights]
        behind = sorted(range(len(weights)), key=lambda index: (amount * weights[index] % total, -index))
        for index in [each for each in behind if weights[each]][: amount - sum(parts)]:
            parts[index] += 1
        return parts

    return patch.object(payments, "apportion", apportion)


def mark_lost_at_release() -> AbstractContextManager[object]:
    """Where a reservation is released, the document is no longer marked as financed, though another part of it is."""
    original = Keeper.released

    def released(self: Keeper, context: Context, message: FinancingReleased) -> None:
        original(self, context, message)
        document = self.require(context.state, message.financing).document
        found: Any = self._documents.get(context.state, document)
        if found.financing is not None:
            keeper: Any = self._documents
            keeper.unmark_financed(context, document)

    return patch.object(Keeper, "released", released)


def removed_key_signs() -> AbstractContextManager[object]:
    """Whose keys a party had when it first acted may sign for it ever after."""
    original = PartyAuthority.requirement

    def requirement(
        self: PartyAuthority, state: State, party: bytes, instruction: Instruction
    ) -> Requirement | None:
        record = self._keeper.get(state, party)
        kept = self._prepared.get(party)
        if record is not None and kept is not None:
            self._prepared[party] = kept._replace(record=record)
        return original(self, state, party, instruction)

    return patch.object(PartyAuthority, "requirement", requirement)


def one_approval_is_enough() -> AbstractContextManager[object]:
    """A proposal runs with the first approval, whatever the policy says."""
    return patch.object(KernelModule, "_complete", lambda self, state, party, inner, approvals: True)
