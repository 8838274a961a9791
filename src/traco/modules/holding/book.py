"""The book: reading accounts, instruments and holdings, and changing the rows of holdings. Not for deciding who may.

Every change to a holding goes through ``debit``, ``credit``, ``encumber``, ``free`` or ``spend``. Whatever becomes
available passes ``_arrive``, so that an attachment that awaits value meets it before the holder can.
"""

from bisect import insort
from collections.abc import Mapping
from typing import Final, Literal

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.holding.errors import (
    AccountClosed,
    AccountUnknown,
    HoldingAttached,
    InstrumentClosed,
    InstrumentUnknown,
    InsufficientHolding,
    SameAccount,
    TransferRefused,
)
from traco.modules.holding.events import ArrivalAttached
from traco.modules.holding.messages import CreditControl, DebitControl
from traco.modules.holding.ports import TransferCheck
from traco.modules.holding.state import (
    ACCOUNTS,
    ATTACHMENTS,
    AWAITING,
    HOLDINGS,
    INLINE_INSTRUMENTS,
    INSTRUMENTS,
    LISTINGS,
    NOTHING,
    SUPPLIES,
    Account,
    Holding,
    Instrument,
    Listing,
    Supply,
)

Encumbrance = Literal["held", "pledged", "attached", "bucket"]
Reserve = Literal["held", "pledged", "attached", "bucket", "incoming"]

_ALL: Final = 2**32  # of a queue whose length was bounded when it grew
_SCAN: Final = 256


class Book:
    """Reads and changes rows. The checks of a movement are here, because every kind of movement runs them."""

    def __init__(self, transfer_checks: Mapping[str, TransferCheck]) -> None:
        self._transfer_checks = transfer_checks

    def account(self, state: State, account: bytes) -> Account | None:
        """The account, open or closed, or None."""
        return ACCOUNTS.get(state, account)

    def require_open_account(self, state: State, account: bytes) -> Account:
        """The open account. Raises ``AccountUnknown``, ``AccountClosed``."""
        found = ACCOUNTS.get(state, account)
        if found is None:
            raise AccountUnknown(account)
        if found.closed:
            raise AccountClosed(account)
        return found

    def instrument(self, state: State, instrument: bytes) -> Instrument | None:
        """The instrument, active or closed, or None."""
        return INSTRUMENTS.get(state, instrument)

    def require_open_instrument(self, state: State, instrument: bytes) -> Instrument:
        """The active instrument. Raises ``InstrumentUnknown``, ``InstrumentClosed``."""
        found = INSTRUMENTS.get(state, instrument)
        if found is None:
            raise InstrumentUnknown(instrument)
        if found.closed:
            raise InstrumentClosed(instrument)
        return found

    def supply(self, state: State, instrument: bytes) -> Supply | None:
        """The totals of an instrument, or None where it does not exist."""
        return SUPPLIES.get(state, instrument)

    def outstanding(self, state: State, instrument: bytes) -> int:
        """What was issued less what was redeemed; 0 where there is no such instrument."""
        found = SUPPLIES.get(state, instrument)
        return 0 if found is None else found.outstanding

    def holding(self, state: State, instrument: bytes, account: bytes) -> Holding:
        """The holding; all zero where there is none."""
        return HOLDINGS.get(state, instrument, account) or NOTHING

    def holders(
        self, state: State, instrument: bytes, limit: int, after: bytes = b""
    ) -> list[tuple[bytes, Holding]]:
        """Up to ``limit`` accounts that own some of the instrument, in the order of their ids, behind ``after``."""
        found: list[tuple[bytes, Holding]] = []
        while len(found) < limit:
            rows = HOLDINGS.scan(state, instrument, after=after, limit=_SCAN)
            found += [row for row in rows if row[1].owned]
            if len(rows) < _SCAN:
                break
            after = rows[-1][0]
        return found[:limit]

    def instruments_of(self, state: State, account: bytes, limit: int, after: bytes = b"") -> list[bytes]:
        """Up to ``limit`` instruments that the account has a row for, in the order of their ids, behind ``after``."""
        record = ACCOUNTS.get(state, account)
        inline = () if record is None else record.instruments
        listed = LISTINGS.scan(state, account, after=after, limit=limit)
        return sorted([item for item in inline if item > after] + [item for item, _ in listed])[:limit]

    def controls_debit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise debits of the account; False where there is none."""
        found = ACCOUNTS.get(state, account)
        return found is not None and debit_controller(found) == party

    def controls_credit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise credits of the account: anyone, where it is open."""
        found = ACCOUNTS.get(state, account)
        return found is not None and accepts_credit_from(found, party)

    def check_movement(
        self, context: Context, instrument: bytes, sender: bytes, receiver: bytes, amount: int
    ) -> None:
        """Whether the instrument may pass from ``sender`` to ``receiver``; the accounts are known to be open.

        Raises ``SameAccount``, ``InstrumentUnknown``, ``InstrumentClosed``, ``TransferRefused``.
        """
        check_accounts(sender, receiver)
        record = self.require_open_instrument(context.state, instrument)
        if record.transfer_check:
            # A name without a check is a node without the code the ledger relies on: the KeyError becomes a fault.
            check = self._transfer_checks[record.transfer_check]
            reason = check(context, instrument, sender, receiver, amount)
            if reason:
                raise TransferRefused(instrument, reason)

    def debit(self, state: State, instrument: bytes, account: bytes, amount: int) -> None:
        """Take from what is available. Raises ``InsufficientHolding``, ``HoldingAttached``."""
        row = _row_with(state, instrument, account, amount)
        left = Holding(
            row.available - amount, row.held, row.pledged, row.attached, row.bucket, row.incoming, row.awaited
        )
        if left == NOTHING:
            self._write(state, instrument, account, left)
        else:
            HOLDINGS.put(state, left, instrument, account)

    def credit(self, context: Context, instrument: bytes, account: bytes, amount: int) -> None:
        """Add to what is available (or to what attachments await)."""
        row = HOLDINGS.get(context.state, instrument, account)
        if row is None or row.awaited:
            self._arrive(context, instrument, account, row or NOTHING, amount)
            return
        _require_positive(amount)
        grown = Holding(
            row.available + amount, row.held, row.pledged, row.attached, row.bucket, row.incoming, 0
        )
        HOLDINGS.put(context.state, grown, instrument, account)

    def encumber(
        self, state: State, instrument: bytes, account: bytes, amount: int, part: Encumbrance
    ) -> None:
        """Move from what is available to ``part``. Raises ``InsufficientHolding``, ``HoldingAttached``."""
        row = _row_with(state, instrument, account, amount)
        changed = {"available": row.available - amount, part: getattr(row, part) + amount}
        HOLDINGS.put(state, replace(row, **changed), instrument, account)

    def free(self, context: Context, instrument: bytes, account: bytes, amount: int, part: Reserve) -> None:
        """Move from ``part`` to what is available, or to what attachments await. Never refuses."""
        row = self.holding(context.state, instrument, account)
        changed = {part: getattr(row, part) - amount}
        self._arrive(context, instrument, account, replace(row, **changed), amount)

    def spend(self, state: State, instrument: bytes, account: bytes, amount: int, part: Reserve) -> None:
        """Take from ``part``: the value leaves the account, or a reserved credit is given up. Never refuses."""
        _require_positive(amount)
        row = self.holding(state, instrument, account)
        changed = {part: getattr(row, part) - amount}
        self._write(state, instrument, account, replace(row, **changed))

    def expect(self, state: State, instrument: bytes, account: bytes, incoming: int, awaited: int) -> None:
        """Change what the account is to receive: credits reserved for it, and what attachments await."""
        row = self.holding(state, instrument, account)
        changed = replace(row, incoming=row.incoming + incoming, awaited=row.awaited + awaited)
        self._write(state, instrument, account, changed)

    def _arrive(self, context: Context, instrument: bytes, account: bytes, row: Holding, amount: int) -> None:
        """``amount`` becomes available in ``row``, after attachments that await value took theirs."""
        _require_positive(amount)
        taken = min(amount, row.awaited)
        grown = replace(
            row,
            available=row.available + amount - taken,
            attached=row.attached + taken,
            awaited=row.awaited - taken,
        )
        self._write(context.state, instrument, account, grown)
        if taken:
            _fill_attachments(context.state, instrument, account, taken)
            context.emit(ArrivalAttached(instrument, account, taken))

    def _write(self, state: State, instrument: bytes, account: bytes, row: Holding) -> None:
        """Write a row; the first and the last one of its kind are counted and listed with the account."""
        if row == NOTHING:
            HOLDINGS.delete(state, instrument, account)
            _unlist_row(state, instrument, account)
            return
        if HOLDINGS.get(state, instrument, account) is None:
            _list_row(state, instrument, account)
        HOLDINGS.put(state, row, instrument, account)


def debit_controller(account: Account) -> bytes:
    """The party that authorises debits of the account."""
    return account.owner if account.debit is DebitControl.OWNER else account.servicer


def accepts_credit_from(account: Account, party: bytes) -> bool:
    """Whether a credit that ``party`` alone authorises may enter the account."""
    if account.credit is CreditControl.OPEN:
        return True
    return party == (account.owner if account.credit is CreditControl.OWNER else account.servicer)


def check_accounts(sender: bytes, receiver: bytes) -> None:
    """A movement is between two accounts. Raises ``SameAccount``."""
    if sender == receiver:
        raise SameAccount(sender)


def _require_positive(amount: int) -> None:
    """Instructions carry positive amounts; another one is a bug of the calling module, hence a fault."""
    if amount < 1:
        raise ValueError(f"not an amount to move: {amount}")


def _row_with(state: State, instrument: bytes, account: bytes, amount: int) -> Holding:
    """The row, which has ``amount`` available. Raises ``InsufficientHolding``, ``HoldingAttached``."""
    row = HOLDINGS.get(state, instrument, account)
    if amount < 1:
        _require_positive(amount)
    if row is None:
        raise InsufficientHolding(account, 0, amount)
    if row.available < amount:
        if row.attached or row.awaited:
            raise HoldingAttached(account, row.available, row.attached, row.awaited)
        raise InsufficientHolding(account, row.available, amount)
    return row


def _list_row(state: State, instrument: bytes, account: bytes) -> None:
    record = ACCOUNTS.get(state, account)
    if record is None:
        raise LookupError("a holding needs an account")
    inline = list(record.instruments)
    if len(inline) < INLINE_INSTRUMENTS:
        insort(inline, instrument)
    else:
        LISTINGS.put(state, Listing(), account, instrument)
    ACCOUNTS.put(state, replace(record, rows=record.rows + 1, instruments=tuple(inline)), account)


def _unlist_row(state: State, instrument: bytes, account: bytes) -> None:
    record = ACCOUNTS.get(state, account)
    if record is None:
        raise LookupError("a holding needs an account")
    inline = tuple(item for item in record.instruments if item != instrument)
    if len(inline) == len(record.instruments):
        LISTINGS.delete(state, account, instrument)
    ACCOUNTS.put(state, replace(record, rows=record.rows - 1, instruments=inline), account)


def _fill_attachments(state: State, instrument: bytes, account: bytes, amount: int) -> None:
    """Give ``amount`` (at most what is awaited) to the attachments that await value, older ones first."""
    for place, _ in AWAITING.scan(state, instrument, account, limit=_ALL):
        if amount == 0:
            return
        attachment = place[8:]
        record = ATTACHMENTS.get(state, attachment)
        if record is None:
            raise LookupError("an attachment that awaits value is open")
        given = min(amount, record.amount - record.attached)
        amount -= given
        filled = replace(record, attached=record.attached + given)
        ATTACHMENTS.put(state, filled, attachment)
        if filled.attached == filled.amount:
            AWAITING.delete(state, instrument, account, place)
