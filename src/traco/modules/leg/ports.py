"""What this module needs from others: holdings, and who says that a leg is entering."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from traco.kernel.batch_hold import Buckets
from traco.kernel.state import State


class Entering(NamedTuple):
    """The leg that the ledger's input names now: its attempt, and what the terms say of it.

    ``edges``: what of which instrument it takes into this ledger (positive) or out of it over its public edge.
    """

    attempt: bytes
    terms: bytes
    commitment: bytes
    edges: tuple[tuple[bytes, int], ...] = ()


class Entrance(Protocol):
    """Who drives the ledger: a channel's executor, or the root's module of channels."""

    def current(self) -> Entering | None:
        """The leg that enters now, or None: then no leg can be held."""


class Instrument(Protocol):
    """What legs read of an instrument."""

    @property
    def operators(self) -> Sequence[bytes]:
        """Who may issue and redeem it."""

    @property
    def transfer_check(self) -> str:
        """The declared check on its transfers, "" for none."""


class Holdings(Buckets, Protocol):
    """The keeper of holdings, as far as legs depend on it."""

    def require_open_account(self, state: State, account: bytes) -> object:
        """Raise the holding module's ``Rejected`` unless the account is open."""

    def require_open_instrument(self, state: State, instrument: bytes) -> Instrument:
        """The active instrument. Raises the holding module's ``Rejected``."""

    def controls_debit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise debits of the account."""

    def controls_credit(self, state: State, account: bytes, party: bytes) -> bool:
        """Whether ``party`` may authorise credits of the account: anyone, where it is open."""
