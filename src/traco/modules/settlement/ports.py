"""What this module needs from others: who is an active party, and accounts that value is held in, taken from and given to."""

from typing import Protocol

from traco.kernel.module import Context
from traco.kernel.state import State


class Parties(Protocol):
    """The registry of parties, as far as settlement depends on it."""

    def require_active(self, state: State, party: bytes) -> object:
        """Raise the party module's ``Rejected`` unless the party is active."""


class Account(Protocol):
    """What settlement reads of an account."""

    @property
    def owner(self) -> bytes:
        """The party that owns what is in the account."""


class Hold(Protocol):
    """What settlement reads of an open hold, to check its own invariants."""

    @property
    def account(self) -> bytes:
        """Where the value is held."""

    @property
    def instrument(self) -> bytes:
        """Of which instrument."""

    @property
    def amount(self) -> int:
        """How much, in the smallest unit."""

    @property
    def executor(self) -> bytes:
        """For whom: a batch."""


class Holds(Protocol):
    """The open holds."""

    def hold_of(self, state: State, hold: bytes) -> Hold:
        """The open hold. Raises ``traco.modules.holding.encumbrance_errors.HoldUnknown``."""


class Holdings(Protocol):
    """The keeper of holdings, as far as settlement depends on it."""

    @property
    def encumbrances(self) -> Holds:
        """The open holds."""

    def require_open_account(self, state: State, account: bytes) -> Account:
        """The open account. Raises the holding module's ``Rejected``."""

    def require_open_instrument(self, state: State, instrument: bytes) -> object:
        """Raise the holding module's ``Rejected`` unless the instrument can be moved."""

    def controls_debit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise debits of the account."""

    def controls_credit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise credits of the account: anyone, where it is open."""

    def hold(
        self, context: Context, hold_id: bytes, account: bytes, instrument: bytes, amount: int,
        executor: bytes, expires_ms: int, reference: bytes,
    ) -> None:  # fmt: skip
        """Set an available amount aside. Raises the holding module's ``Rejected``."""

    def execute_hold(
        self, context: Context, hold_id: bytes, receiver: bytes, amount: int, reference: bytes
    ) -> None:
        """Move what is held to ``receiver``. Raises the holding module's ``Rejected``."""

    def release_hold(self, context: Context, hold_id: bytes) -> None:
        """Make what is held available again."""
