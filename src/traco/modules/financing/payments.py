"""Payment of receivables: pro rata redemption, what is set aside and collected, dilution, discharge.

Whoever holds the receivable when money comes is paid. A part that cannot be paid out (the receivable is encumbered, or no
account takes the cash) never stops the debtor: it stays on hold for the holder, who collects it. Where the receivable
leaves without it, the next payment divides it again: nobody gets ahead of other holders by moving.
"""

from typing import Final

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.financing import state as stored
from traco.modules.financing.apportion import apportion
from traco.modules.financing.errors import (
    DilutionExceeded,
    NoteApplied,
    NoteNotApplicable,
    NothingPayable,
    NothingToCollect,
    TooManyHolders,
)
from traco.modules.financing.events import (
    InvoiceDiluted,
    InvoiceDischarged,
    InvoiceOverdue,
    InvoicePaid,
    PaymentSetAside,
    PayoutSet,
    ReceivableRedeemed,
)
from traco.modules.financing.parameters import MOST_HOLDERS, FinancingParameters
from traco.modules.financing.ports import Documents, Holdings
from traco.modules.financing.recourse import Recourses
from traco.modules.financing.state import (
    EXECUTOR,
    AppliedNote,
    Deposit,
    Payout,
    Pool,
    Receivable,
    number_part,
    pool_hold,
)
from traco.modules.holding.errors import TransferRefused

POOLS_PER_COLLECTION: Final = 16


class Payments:
    """What happens to a receivable from its first settlement to its discharge."""

    def __init__(self, holdings: Holdings, documents: Documents, recourses: Recourses) -> None:
        self._holdings = holdings
        self._documents = documents
        self._recourses = recourses

    def pay(
        self, context: Context, document: bytes, receivable: Receivable, payer: bytes, account: bytes,
        amount: int, reference: bytes,
    ) -> None:  # fmt: skip
        """Take ``amount``, at most what is unpaid, out of the payer's ``account``, for all holders.

        Raises ``TooManyHolders`` and the holding module's refusals of the account.
        """
        paid = replace(receivable, paid=receivable.paid + amount)
        context.emit(InvoicePaid(document, amount, paid.unpaid, reference))
        self._finish(context, document, self._distribute(context, document, paid, payer, account, amount))

    def dilute(
        self,
        context: Context,
        document: bytes,
        receivable: Receivable,
        note: bytes,
        most: int,
        account: bytes,
    ) -> None:
        """Let a credit note reduce what is unpaid, at the seller's cost: its own part first, then cash for the others.

        Raises ``NoteNotApplicable``, ``NoteApplied``, ``NothingPayable``, ``DilutionExceeded``, and what ``pay`` raises.
        """
        state, instrument = context.state, receivable.instrument
        notes = self._documents.credit_notes_of(state, document)
        found = next((entry for entry in notes if entry.document == note), None)
        if found is None:
            raise NoteNotApplicable(note)
        applied = stored.notes.get(state, note)
        if applied is not None and applied.instrument == instrument:
            raise NoteApplied(note)
        amount = min(found.payable.amount, receivable.unpaid)
        if amount == 0:
            raise NothingPayable(document)
        held = self._holdings.holding(state, instrument, receivable.seller_account)
        own = min(
            amount, held.available, self._weight(state, document, receivable.seller_account, held.owned)
        )
        if amount - own > most:
            raise DilutionExceeded(amount - own, most)
        stored.notes.put(state, AppliedNote(instrument, found.payable.amount), note)
        diluted = replace(receivable, diluted=receivable.diluted + amount)
        context.emit(InvoiceDiluted(document, note, amount, amount - own, diluted.unpaid))
        if own:
            self._holdings.redeem(context, instrument, receivable.seller_account, own, note)
        if amount > own:
            rest, seller = amount - own, receivable.seller
            diluted = self._distribute(context, document, diluted, seller, account, rest)
        self._finish(context, document, diluted)

    def collect(
        self, context: Context, document: bytes, receivable: Receivable, account: bytes, source: bytes,
        cash_account: bytes,
    ) -> None:  # fmt: skip
        """Redeem what is available in ``account`` against what was set aside. Raises ``NothingToCollect``."""
        state, instrument = context.state, receivable.instrument
        entitled = self.collectable(state, document, receivable, account, source)
        available = self._holdings.holding(state, instrument, account).available
        amount = self._draw(context, document, min(entitled, available), cash_account)
        if amount == 0:
            raise NothingToCollect(account)
        self._holdings.redeem(context, instrument, account, amount, document)
        deposit = self._deposited(state, document, source)
        self._set_deposit(state, document, source, max(0, deposit - amount))
        left = replace(receivable, uncollected=receivable.uncollected - amount)
        stored.receivables.put(state, left, document)
        context.emit(ReceivableRedeemed(document, account, cash_account, amount))

    def collectable(
        self, state: State, document: bytes, receivable: Receivable, account: bytes, source: bytes
    ) -> int:
        """What ``account`` may collect of what was set aside for ``source``, as far as it has the receivable.

        Its own; or what stays behind where the receivable has left ``source``. Once nothing is unpaid, what is set aside
        covers every unit of the receivable, and all are alike.
        """
        if receivable.is_discharged:
            return receivable.uncollected
        deposit = self._deposited(state, document, source)
        if source == account:
            return deposit
        return max(0, deposit - self._holdings.holding(state, receivable.instrument, source).owned)

    def set_payout(self, context: Context, account: bytes, payout: bytes | None) -> None:
        """Say where redemptions of what ``account`` holds are paid; None: into the account itself."""
        if payout is None:
            stored.payouts.delete(context.state, account)
        else:
            stored.payouts.put(context.state, Payout(payout), account)
        context.emit(PayoutSet(account, payout))

    def payout_of(self, state: State, account: bytes) -> bytes:
        """The account into which redemptions of what ``account`` holds are paid."""
        found = stored.payouts.get(state, account)
        return account if found is None else found.account

    def mark_overdue(self, context: Context, document: bytes) -> None:
        """The due item of a due date: says so if anything is unpaid."""
        found = stored.receivables.get(context.state, document)
        if found is not None and not found.is_discharged:
            stored.receivables.put(context.state, replace(found, overdue=True), document)
            context.emit(InvoiceOverdue(document, found.unpaid))

    # parts

    def _finish(self, context: Context, document: bytes, receivable: Receivable) -> None:
        stored.receivables.put(context.state, receivable, document)
        if receivable.is_discharged:
            context.emit(InvoiceDischarged(document))

    def _distribute(
        self, context: Context, document: bytes, receivable: Receivable, payer: bytes, account: bytes,
        amount: int,
    ) -> Receivable:  # fmt: skip
        """Pay ``amount`` to all holders pro rata by what of their holding is not paid yet; the receivable after it.

        What was set aside for units that left is divided along; its cash is in the pools, so that the last ones
        collect where ``amount`` is used up. ``receivable`` counts the payment already. A payment of all that was unpaid
        needs no division: with more holders than the limit it is set aside for all of them.
        """
        state, limit = context.state, context.parameters(FinancingParameters).max_holders
        rows = self._holdings.holders(state, receivable.instrument, limit + 1)
        if len(rows) > limit:
            if not receivable.is_discharged:
                raise TooManyHolders(limit)
            context.emit(PaymentSetAside(document, None, amount))
            return self._set_aside(context, document, receivable, account, amount)
        divided = amount + self._take_back(state, document, receivable.instrument)
        weights = [self._weight(state, document, holder, row.owned) for holder, row in rows]
        left = amount
        for (holder, _), part in zip(rows, apportion(divided, weights), strict=True):
            if part:
                left -= self._serve(context, document, receivable, payer, account, holder, part, left)
        return self._set_aside(context, document, receivable, account, left) if left else receivable

    def _take_back(self, state: State, document: bytes, instrument: bytes) -> int:
        """End what was set aside for units that have left their account since; how much it was.

        After each division no account has more set aside than units: there are never more deposits than holders.
        """
        total = 0
        for account, deposit in stored.deposits.scan(state, document, limit=MOST_HOLDERS):
            kept = min(deposit.amount, self._holdings.holding(state, instrument, account).owned)
            self._set_deposit(state, document, account, kept)
            total += deposit.amount - kept
        return total

    def _serve(
        self, context: Context, document: bytes, receivable: Receivable, payer: bytes, account: bytes,
        holder: bytes, part: int, most: int,
    ) -> int:  # fmt: skip
        """Pay a holder its part out of at most ``most``, and set aside for it what remains; what was paid.

        A demand under recourse is suspended meanwhile: the payment comes first, and reduces it.
        """
        state = context.state
        demanded = self._recourses.suspend(context, document, holder)
        now = min(part, most, self._holdings.holding(state, receivable.instrument, holder).available)
        if now and not self._pay_out(context, document, receivable, payer, account, holder, now):
            now = 0
        if part > now:
            self._set_deposit(state, document, holder, self._deposited(state, document, holder) + part - now)
            context.emit(PaymentSetAside(document, holder, part - now))
        if demanded:
            self._recourses.resume(context, document, holder, receivable)
        return now

    def _pay_out(
        self, context: Context, document: bytes, receivable: Receivable, payer: bytes, account: bytes,
        holder: bytes, amount: int,
    ) -> bool:  # fmt: skip
        """Pay a holder and redeem as much; False where its account does not take the cash."""
        state, payout = context.state, self.payout_of(context.state, holder)
        found = self._holdings.account(state, payout)
        if found is None or found.closed:
            return False
        if payout == holder and not self._holdings.controls_credit(state, payout, payer):
            return False
        if payout != account:  # who pays itself keeps the cash
            try:
                self._holdings.transfer(context, receivable.cash, account, payout, amount, document)
            except TransferRefused:  # found before anything changed
                return False
        self._holdings.redeem(context, receivable.instrument, holder, amount, document)
        context.emit(ReceivableRedeemed(document, holder, payout, amount))
        return True

    def _set_aside(
        self, context: Context, document: bytes, receivable: Receivable, account: bytes, amount: int
    ) -> Receivable:
        """Hold cash of the payer until holders collect it."""
        number = receivable.payments
        self._holdings.hold(
            context, pool_hold(document, number), account, receivable.cash, amount, EXECUTOR, 0, document
        )
        stored.pools.put(context.state, Pool(amount), document, number_part(number))
        return replace(receivable, uncollected=receivable.uncollected + amount, payments=number + 1)

    def _draw(self, context: Context, document: bytes, amount: int, cash_account: bytes) -> int:
        """Move up to ``amount`` out of the oldest pools; what was moved."""
        state, left = context.state, amount
        for rest, pool in stored.pools.scan(state, document, limit=POOLS_PER_COLLECTION):
            if left == 0:
                break
            taken = min(left, pool.amount)
            hold = pool_hold(document, int.from_bytes(rest, "big"))
            self._holdings.execute_hold(context, hold, cash_account, taken, document)
            if taken == pool.amount:
                stored.pools.delete(state, document, rest)
            else:
                stored.pools.put(state, Pool(pool.amount - taken), document, rest)
            left -= taken
        return amount - left

    def _weight(self, state: State, document: bytes, account: bytes, owned: int) -> int:
        """What of a holding is not covered by what was set aside for it."""
        return max(0, owned - self._deposited(state, document, account))

    def _deposited(self, state: State, document: bytes, account: bytes) -> int:
        found = stored.deposits.get(state, document, account)
        return 0 if found is None else found.amount

    def _set_deposit(self, state: State, document: bytes, account: bytes, amount: int) -> None:
        if amount:
            stored.deposits.put(state, Deposit(amount), document, account)
        else:
            stored.deposits.delete(state, document, account)
