"""What this module needs from others: who is an active party and in which roles, and the checks on transfers."""

from typing import Final, Protocol

from traco.kernel.module import Context
from traco.kernel.state import State

CASH_OPERATOR: Final = "cash_operator"  # may create cash instruments
AUTHORITY: Final = "authority"  # may attach holdings by an order


class Parties(Protocol):
    """The registry of parties, as far as holdings depend on it."""

    def is_active(self, state: State, party: bytes) -> bool:
        """Whether the party is registered and active."""

    def has_role(self, state: State, party: bytes, role: str) -> bool:
        """Whether the party was given the role."""

    def require_active(self, state: State, party: bytes) -> object:
        """Raise the party module's ``Rejected`` unless the party is active. What it returns is not looked at."""


class Channels(Protocol):
    """Who counts what channels took in of instruments."""

    def is_abroad(self, state: State, instrument: bytes) -> bool:
        """Whether some channel has some of the instrument, or is to get some, over its public edge."""


class TransferCheck(Protocol):
    """A rule on who may pass an instrument to whom. Modules declare checks by name; instruments name one."""

    def __call__(
        self, context: Context, instrument: bytes, sender_account: bytes, receiver_account: bytes,
        amount: int, /,
    ) -> str:  # fmt: skip
        """The reason code for which the transfer is refused, or "" if it is allowed. Must not change state."""
