"""The keeper of holdings: what this and other modules do to instruments, accounts and value, with every check but who may.

Other modules get this object. Whatever it does leaves an event, so that no value moves without one.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from traco.kernel.batch_hold import EDGE, Movement
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.holding.book import Book
from traco.modules.holding.edges import Edges
from traco.modules.holding.encumbrances import Encumbrances
from traco.modules.holding.errors import (
    AccountExists,
    AccountInUse,
    AccountTooDeep,
    ChildKindRefused,
    ClientIsServicer,
    CurrencyMissing,
    InstrumentAbroad,
    InstrumentExists,
    InstrumentInUse,
    OperatorRepeated,
    ParentKindRefused,
    ParentNotOwned,
    TransferCheckUnknown,
)
from traco.modules.holding.events import (
    AccountEnded,
    AccountOpened,
    Cause,
    InstrumentCreated,
    InstrumentEnded,
    Issued,
    Moved,
    Redeemed,
    ReservationReleased,
    Reserved,
)
from traco.modules.holding.messages import (
    UNCAPPED,
    AccountKind,
    CreditControl,
    DebitControl,
    InstrumentKind,
    account_id,
    instrument_id,
)
from traco.modules.holding.parameters import HoldingParameters
from traco.modules.holding.ports import Channels, Parties, TransferCheck
from traco.modules.holding.state import ACCOUNTS, INSTRUMENTS, SUPPLIES, Account, Instrument, OpenHold, Supply
from traco.modules.holding.supply import add_issue, add_redemption, pending_of, require_room

_POOLS = (AccountKind.OMNIBUS, AccountKind.NOMINEE)
_CHILDREN = (AccountKind.CLIENT, AccountKind.OMNIBUS, AccountKind.NOMINEE)


class Keeper(Book):
    """Instruments, accounts, movements, holds and the buckets of batch holds. Reads are inherited from ``Book``.

    Implements ``traco.kernel.batch_hold.Buckets``. ``encumbrances`` has pledges and attachments.
    """

    def __init__(
        self, parties: Parties, transfer_checks: Mapping[str, TransferCheck], channels: Channels | None = None
    ) -> None:
        super().__init__(transfer_checks)
        self._channels = channels
        self._parties = parties
        self.encumbrances = Encumbrances(self)
        self._edges = Edges(self)

    def create_instrument(
        self, context: Context, issuer: bytes, code: str, kind: InstrumentKind, *, decimals: int, terms: bytes,
        currency: str | None = None, operators: Sequence[bytes] = (), transfer_check: str = "",
        cap: int = UNCAPPED,
    ) -> bytes:  # fmt: skip
        """Create an instrument and return its id (``instrument_id(issuer, code)``).

        Without operators only the calling module issues and redeems it. Raises ``InstrumentExists``,
        ``CurrencyMissing``, ``OperatorRepeated``, ``TransferCheckUnknown``, and the party module's refusal of an
        inactive issuer or operator.
        """
        state, instrument = context.state, instrument_id(issuer, code)
        if INSTRUMENTS.get(state, instrument) is not None:
            raise InstrumentExists(instrument)
        if kind is InstrumentKind.CASH and currency is None:
            raise CurrencyMissing
        if transfer_check and transfer_check not in self._transfer_checks:
            raise TransferCheckUnknown(transfer_check)
        self._parties.require_active(state, issuer)
        for position, operator in enumerate(operators):
            if operator in operators[:position]:
                raise OperatorRepeated(operator)
            self._parties.require_active(state, operator)
        record = Instrument(
            issuer, code, kind, currency, decimals, terms, tuple(operators), transfer_check, closed=False
        )
        INSTRUMENTS.put(state, record, instrument)
        SUPPLIES.put(state, Supply(0, 0, 0, cap, 0), instrument)
        context.emit(InstrumentCreated(instrument, issuer, code, kind))
        return instrument

    def close_instrument(self, context: Context, instrument: bytes) -> None:
        """Close an instrument of which nothing is outstanding. Raises ``InstrumentInUse``, ``InstrumentAbroad``, unknown or closed."""
        record = self.require_open_instrument(context.state, instrument)
        outstanding = self.outstanding(context.state, instrument) + pending_of(context.state, instrument)
        if outstanding:
            raise InstrumentInUse(instrument, outstanding)
        if self._channels is not None and self._channels.is_abroad(context.state, instrument):
            raise InstrumentAbroad(instrument)  # it could never come back
        INSTRUMENTS.put(context.state, replace(record, closed=True), instrument)
        context.emit(InstrumentEnded(instrument))

    def open_account(
        self, context: Context, opener: bytes, salt: bytes, *, owner: bytes, servicer: bytes,
        kind: AccountKind = AccountKind.OWN, debit: DebitControl = DebitControl.OWNER,
        credit: CreditControl = CreditControl.OPEN, parent: bytes | None = None,
    ) -> bytes:  # fmt: skip
        """Open an account and return its id (``account_id(opener, salt)``).

        Raises ``AccountExists``, the refusals of kind and parent, and the party module's of an inactive party.
        """
        state, account = context.state, account_id(opener, salt)
        if ACCOUNTS.get(state, account) is not None:
            raise AccountExists(account)
        self._parties.require_active(state, owner)
        self._parties.require_active(state, servicer)
        if kind is AccountKind.CLIENT and owner == servicer:
            raise ClientIsServicer
        if parent is not None:
            self._join_parent(context, parent, kind, servicer)
        record = Account(owner, servicer, kind, debit, credit, parent, False, 0, 0, ())
        ACCOUNTS.put(state, record, account)
        context.emit(AccountOpened(account, owner, servicer, kind, parent))
        return account

    def close_account(self, context: Context, account: bytes) -> None:
        """Close an account that nothing depends on. Raises ``AccountInUse`` and unknown or closed."""
        record = self.require_open_account(context.state, account)
        if record.rows or record.children:
            raise AccountInUse(account, record.rows, record.children)
        if record.parent is not None:
            self._count_child(context.state, record.parent, -1)
        ACCOUNTS.put(context.state, replace(record, closed=True), account)
        context.emit(AccountEnded(account))

    def issue(
        self, context: Context, instrument: bytes, account: bytes, amount: int, reference: bytes
    ) -> None:
        """Create value in an account. Raises ``SupplyExceeded``, and unknown or closed instrument and account."""
        state = context.state
        self.require_open_instrument(state, instrument)
        self.require_open_account(state, account)
        require_room(state, instrument, amount)
        self.credit(context, instrument, account, amount)
        add_issue(state, instrument, amount)
        context.emit(Issued(instrument, account, amount, reference))

    def redeem(
        self, context: Context, instrument: bytes, account: bytes, amount: int, reference: bytes
    ) -> None:
        """Destroy available value in an account. Raises ``InsufficientHolding``, ``HoldingAttached``, unknown or closed."""
        state = context.state
        self.require_open_instrument(state, instrument)
        self.require_open_account(state, account)
        self.debit(state, instrument, account, amount)
        add_redemption(state, instrument, amount)
        context.emit(Redeemed(instrument, account, amount, reference))

    def transfer(
        self, context: Context, instrument: bytes, sender: bytes, receiver: bytes, amount: int,
        reference: bytes,
    ) -> None:  # fmt: skip
        """Move an available amount between accounts.

        Raises ``AccountUnknown``, ``AccountClosed``, ``InstrumentUnknown``, ``InstrumentClosed``, ``SameAccount``,
        ``TransferRefused``, ``InsufficientHolding``, ``HoldingAttached``.
        """
        self.require_open_account(context.state, sender)
        self.require_open_account(context.state, receiver)
        self.move(context, instrument, sender, receiver, amount, reference)

    def move(
        self, context: Context, instrument: bytes, sender: bytes, receiver: bytes, amount: int,
        reference: bytes,
    ) -> None:  # fmt: skip
        """As ``transfer``, where the caller has found both accounts open (the hot path reads them once)."""
        self.check_movement(context, instrument, sender, receiver, amount)
        self.debit(context.state, instrument, sender, amount)
        self.credit(context, instrument, receiver, amount)
        context.emit(Moved(instrument, sender, receiver, amount, reference, Cause.TRANSFER))

    def hold(
        self, context: Context, hold_id: bytes, account: bytes, instrument: bytes, amount: int,
        executor: bytes, expires_ms: int, reference: bytes,
    ) -> None:  # fmt: skip
        """Set an available amount aside for ``executor`` until ``expires_ms`` (0: until released).

        ``hold_id`` has 32 bytes; ``executor`` 16: a party, or what a module that executes by itself goes by.
        Raises ``HoldExists``, ``HoldExpiryPast``, ``InsufficientHolding``, ``HoldingAttached``, unknown or closed.
        """
        record = OpenHold(account, instrument, amount, executor, expires_ms, reference)
        self.encumbrances.place_hold(context, hold_id, record)

    def execute_hold(
        self, context: Context, hold_id: bytes, receiver: bytes, amount: int, reference: bytes,
        final: bool = False,
    ) -> None:  # fmt: skip
        """Move ``amount`` of a hold to ``receiver``; the rest stays held, or is released where this is ``final``.

        Raises ``HoldUnknown``, ``HoldExpired``, ``HoldExceeded``, ``TransferRefused``, ``SameAccount``, and unknown or
        closed receivers.
        """
        self.encumbrances.execute_hold(context, hold_id, receiver, amount, reference, final)

    def release_hold(self, context: Context, hold_id: bytes) -> None:
        """End a hold; what is left of it becomes available. Raises ``HoldUnknown``."""
        self.encumbrances.release_hold(context, hold_id)

    def reserve(self, context: Context, movement: Movement) -> None:
        """Put the amount into the sender's bucket and reserve the credit, after all checks of a transfer.

        The row kept for the reserved credit keeps the receiving account open, the amount outstanding keeps the
        instrument open, and no sum can overflow, because no total exceeds an amount. What crosses the ledger's edge
        (``EDGE``) has the checks of issue or redemption instead.
        """
        if EDGE in (movement.sender, movement.receiver):
            self._edges.reserve(context, movement)
            return
        state = context.state
        self.require_open_account(state, movement.sender)
        self.require_open_account(state, movement.receiver)
        self.check_movement(context, movement.instrument, movement.sender, movement.receiver, movement.amount)
        self.encumber(state, movement.instrument, movement.sender, movement.amount, "bucket")
        self.expect(state, movement.instrument, movement.receiver, movement.amount, 0)
        context.emit(
            Reserved(
                movement.instrument, movement.sender, movement.receiver, movement.amount, movement.reference
            )
        )

    def execute(self, context: Context, movement: Movement) -> None:
        """Credit the receiver from the sender's bucket. Unconditional; a later attachment bites on the credit."""
        if EDGE in (movement.sender, movement.receiver):
            self._edges.execute(context, movement)
            return
        self.spend(context.state, movement.instrument, movement.sender, movement.amount, "bucket")
        self.free(context, movement.instrument, movement.receiver, movement.amount, "incoming")
        context.emit(
            Moved(
                movement.instrument, movement.sender, movement.receiver, movement.amount,
                movement.reference, Cause.BATCH,
            )
        )  # fmt: skip

    def release(self, context: Context, movement: Movement) -> None:
        """Return the amount from the bucket to its sender. Unconditional; a later attachment bites on it."""
        if EDGE in (movement.sender, movement.receiver):
            self._edges.release(context, movement)
            return
        self.spend(context.state, movement.instrument, movement.receiver, movement.amount, "incoming")
        self.free(context, movement.instrument, movement.sender, movement.amount, "bucket")
        context.emit(
            ReservationReleased(
                movement.instrument, movement.sender, movement.receiver, movement.amount, movement.reference
            )
        )

    def _join_parent(self, context: Context, parent: bytes, kind: AccountKind, servicer: bytes) -> None:
        """Check the rules of accounts below another, and count the new one."""
        if kind not in _CHILDREN:
            raise ChildKindRefused(kind.value)
        above = self.require_open_account(context.state, parent)
        if above.kind not in _POOLS:
            raise ParentKindRefused(parent, above.kind.value)
        if above.owner != servicer:
            raise ParentNotOwned(servicer, parent)
        limit, depth, upward = context.parameters(HoldingParameters).max_account_depth, 2, above.parent
        while upward is not None and depth <= limit:
            found = ACCOUNTS.get(context.state, upward)
            upward, depth = None if found is None else found.parent, depth + 1
        if depth > limit:
            raise AccountTooDeep(limit)
        self._count_child(context.state, parent, 1)

    def _count_child(self, state: State, parent: bytes, change: int) -> None:
        record = self.require_open_account(state, parent)
        ACCOUNTS.put(state, replace(record, children=record.children + change), parent)
