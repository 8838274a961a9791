"""Holds, pledges and attachments: what sets part of a holding aside, and how it ends. Who may is not decided here.

An encumbrance's record always agrees with the parts of the holding it is on; a holding with an encumbrance keeps its
account from closing.
"""

from typing import Final

from msgspec.structs import replace

from traco.kernel.codec import MAX_AMOUNT
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.holding.book import Book, check_accounts
from traco.modules.holding.encumbrance_errors import (
    AttachmentExceeded,
    AttachmentExists,
    AttachmentUnknown,
    AwaitingExceeded,
    HoldExceeded,
    HoldExists,
    HoldExpired,
    HoldExpiryPast,
    HoldUnknown,
    PledgeExceeded,
    PledgeExists,
    PledgeUnknown,
    TooManyAwaiting,
)
from traco.modules.holding.events import (
    Attached,
    AttachmentExecuted,
    AttachmentLifted,
    Cause,
    HoldEnd,
    HoldEnded,
    HoldExecuted,
    HoldPlaced,
    Moved,
    Pledged,
    PledgeReduced,
)
from traco.modules.holding.parameters import HoldingParameters
from traco.modules.holding.state import (
    ATTACHMENTS,
    AWAITING,
    HOLDS,
    PLEDGES,
    Awaiting,
    OpenAttachment,
    OpenHold,
    OpenPledge,
)

HOLD_EXPIRY: Final = "holding.hold_expiry"


class Encumbrances:
    """Makes, executes and ends encumbrances over one book."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def hold_of(self, state: State, hold: bytes) -> OpenHold:
        """The open hold. Raises ``HoldUnknown``."""
        found = HOLDS.get(state, hold)
        if found is None:
            raise HoldUnknown(hold)
        return found

    def pledge_of(self, state: State, pledge: bytes) -> OpenPledge:
        """The open pledge. Raises ``PledgeUnknown``."""
        found = PLEDGES.get(state, pledge)
        if found is None:
            raise PledgeUnknown(pledge)
        return found

    def attachment_of(self, state: State, attachment: bytes) -> OpenAttachment:
        """The open attachment. Raises ``AttachmentUnknown``."""
        found = ATTACHMENTS.get(state, attachment)
        if found is None:
            raise AttachmentUnknown(attachment)
        return found

    def place_hold(self, context: Context, hold: bytes, record: OpenHold) -> None:
        """Set ``record.amount`` aside. Raises ``HoldExists``, ``HoldExpiryPast`` and what ``Book.encumber`` does."""
        state, time_ms = context.state, context.block.time_ms
        if HOLDS.get(state, hold) is not None:
            raise HoldExists(hold)
        if record.expires_ms and record.expires_ms <= time_ms:
            raise HoldExpiryPast(record.expires_ms, time_ms)
        self._book.require_open_account(state, record.account)
        self._book.require_open_instrument(state, record.instrument)
        self._book.encumber(state, record.instrument, record.account, record.amount, "held")
        HOLDS.put(state, record, hold)
        if record.expires_ms:
            context.schedule(record.expires_ms, HOLD_EXPIRY, hold)
        context.emit(
            HoldPlaced(
                hold, record.account, record.instrument, record.amount, record.executor, record.expires_ms,
                record.reference,
            )
        )  # fmt: skip

    def execute_hold(
        self, context: Context, hold: bytes, receiver: bytes, amount: int, reference: bytes, final: bool
    ) -> None:
        """Move up to what is left of the hold to ``receiver``; where ``final``, release the rest.

        Raises ``HoldUnknown``, ``HoldExpired``, ``HoldExceeded`` and what refuses the receiver.
        """
        record = self.hold_of(context.state, hold)
        if record.expires_ms and record.expires_ms <= context.block.time_ms:
            raise HoldExpired(hold, record.expires_ms)
        if amount > record.amount:
            raise HoldExceeded(hold, record.amount)
        self._book.require_open_account(context.state, receiver)
        self._book.check_movement(context, record.instrument, record.account, receiver, amount)
        self._book.spend(context.state, record.instrument, record.account, amount, "held")
        self._book.credit(context, record.instrument, receiver, amount)
        left = record.amount - amount
        context.emit(Moved(record.instrument, record.account, receiver, amount, reference, Cause.HOLD))
        context.emit(HoldExecuted(hold, amount, left))
        if final or left == 0:
            self._end_hold(context, hold, record, left, HoldEnd.EXECUTED)
        else:
            HOLDS.put(context.state, replace(record, amount=left), hold)

    def release_hold(self, context: Context, hold: bytes) -> None:
        """End a hold; what is left of it returns. Raises ``HoldUnknown``."""
        record = self.hold_of(context.state, hold)
        expired = 0 < record.expires_ms <= context.block.time_ms
        end = HoldEnd.EXPIRED if expired else HoldEnd.RELEASED
        self._end_hold(context, hold, record, record.amount, end)

    def expire_hold(self, context: Context, hold: bytes) -> None:
        """The due item of a hold: releases it if it is still open."""
        if HOLDS.get(context.state, hold) is not None:
            self.release_hold(context, hold)

    def pledge(self, context: Context, pledge: bytes, record: OpenPledge) -> None:
        """Pledge ``record.amount``. Raises ``PledgeExists`` and what ``Book.encumber`` does."""
        state = context.state
        if PLEDGES.get(state, pledge) is not None:
            raise PledgeExists(pledge)
        self._book.require_open_account(state, record.account)
        self._book.require_open_instrument(state, record.instrument)
        self._book.encumber(state, record.instrument, record.account, record.amount, "pledged")
        PLEDGES.put(state, record, pledge)
        context.emit(
            Pledged(
                pledge, record.account, record.instrument, record.amount, record.pledgee, record.reference
            )
        )

    def execute_pledge(
        self, context: Context, pledge: bytes, receiver: bytes, amount: int, reference: bytes
    ) -> None:
        """Move up to what is pledged to ``receiver``; the rest stays pledged.

        Raises ``PledgeUnknown``, ``PledgeExceeded`` and what refuses the receiver.
        """
        record = self._pledge_with(context.state, pledge, amount)
        self._book.require_open_account(context.state, receiver)
        self._book.check_movement(context, record.instrument, record.account, receiver, amount)
        self._book.spend(context.state, record.instrument, record.account, amount, "pledged")
        self._book.credit(context, record.instrument, receiver, amount)
        context.emit(Moved(record.instrument, record.account, receiver, amount, reference, Cause.PLEDGE))
        self._reduce_pledge(context, pledge, record, amount, executed=True)

    def release_pledge(self, context: Context, pledge: bytes, amount: int) -> None:
        """Free up to what is pledged. Raises ``PledgeUnknown``, ``PledgeExceeded``."""
        record = self._pledge_with(context.state, pledge, amount)
        self._book.free(context, record.instrument, record.account, amount, "pledged")
        self._reduce_pledge(context, pledge, record, amount, executed=False)

    def attach(self, context: Context, attachment: bytes, record: OpenAttachment) -> None:
        """Attach what is available now, up to ``record.amount``, and await the remainder.

        ``record.attached`` is 0. Raises ``AttachmentExists``, ``TooManyAwaiting``, ``AwaitingExceeded``, ``AccountUnknown``,
        ``AccountClosed``, ``InstrumentUnknown``, ``InstrumentClosed``.
        """
        state, instrument, account = context.state, record.instrument, record.account
        if ATTACHMENTS.get(state, attachment) is not None:
            raise AttachmentExists(attachment)
        self._book.require_open_account(state, account)
        self._book.require_open_instrument(state, instrument)
        found = min(record.amount, self._book.holding(state, instrument, account).available)
        if found:
            self._book.encumber(state, instrument, account, found, "attached")
        ATTACHMENTS.put(state, replace(record, attached=found), attachment)
        if found < record.amount:
            limit = context.parameters(HoldingParameters).max_awaiting
            if len(AWAITING.scan(state, instrument, account, limit=limit)) >= limit:
                raise TooManyAwaiting(limit)
            room = MAX_AMOUNT - self._book.holding(state, instrument, account).awaited
            if record.amount - found > room:
                raise AwaitingExceeded(room)
            self._book.expect(state, instrument, account, 0, record.amount - found)
            AWAITING.put(state, Awaiting(), instrument, account, _place(attachment, record))
        context.emit(
            Attached(attachment, record.authority, account, instrument, record.amount, found, record.order)
        )

    def execute_attachment(
        self, context: Context, attachment: bytes, receiver: bytes, amount: int, reference: bytes
    ) -> None:
        """Move up to what was found to ``receiver``, whose account must be open; no transfer check is asked.

        Raises ``AttachmentUnknown``, ``AttachmentExceeded``, ``AccountUnknown``, ``AccountClosed``, ``SameAccount``.
        """
        record = self.attachment_of(context.state, attachment)
        if amount > record.attached:
            raise AttachmentExceeded(attachment, record.attached)
        self._book.require_open_account(context.state, receiver)
        check_accounts(record.account, receiver)
        self._book.spend(context.state, record.instrument, record.account, amount, "attached")
        self._book.credit(context, record.instrument, receiver, amount)
        left = record.amount - amount
        if left:
            reduced = replace(record, amount=left, attached=record.attached - amount)
            ATTACHMENTS.put(context.state, reduced, attachment)
        else:
            ATTACHMENTS.delete(context.state, attachment)
        context.emit(Moved(record.instrument, record.account, receiver, amount, reference, Cause.ATTACHMENT))
        context.emit(AttachmentExecuted(attachment, amount, left))

    def lift_attachment(self, context: Context, attachment: bytes) -> None:
        """End an attachment: it awaits no more, and what it took is free. Raises ``AttachmentUnknown``."""
        state = context.state
        record = self.attachment_of(state, attachment)
        ATTACHMENTS.delete(state, attachment)
        context.emit(AttachmentLifted(attachment, record.attached))
        if record.attached < record.amount:
            AWAITING.delete(state, record.instrument, record.account, _place(attachment, record))
            self._book.expect(state, record.instrument, record.account, 0, record.attached - record.amount)
        if record.attached:
            self._book.free(context, record.instrument, record.account, record.attached, "attached")

    def _end_hold(self, context: Context, hold: bytes, record: OpenHold, returned: int, end: HoldEnd) -> None:
        HOLDS.delete(context.state, hold)
        if record.expires_ms:
            context.unschedule(record.expires_ms, HOLD_EXPIRY, hold)
        context.emit(HoldEnded(hold, end, returned))
        if returned:
            self._book.free(context, record.instrument, record.account, returned, "held")

    def _pledge_with(self, state: State, pledge: bytes, amount: int) -> OpenPledge:
        record = self.pledge_of(state, pledge)
        if amount > record.amount:
            raise PledgeExceeded(pledge, record.amount)
        return record

    def _reduce_pledge(
        self, context: Context, pledge: bytes, record: OpenPledge, amount: int, executed: bool
    ) -> None:
        left = record.amount - amount
        if left:
            PLEDGES.put(context.state, replace(record, amount=left), pledge)
        else:
            PLEDGES.delete(context.state, pledge)
        context.emit(PledgeReduced(pledge, amount, left, executed))


def _place(attachment: bytes, record: OpenAttachment) -> bytes:
    """The attachment's place in the queue of its holding: by time, then by id."""
    return record.since_ms.to_bytes(8, "big") + attachment
