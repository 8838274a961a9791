"""What authority and admission read of the parties: this module's keeper on the root, a view of the root's in a channel."""

from typing import Protocol

from traco.kernel.state import State
from traco.modules.party.state import Council, Party


class Registered(Protocol):
    """The registry of parties, for reading."""

    def get(self, state: State, party: bytes) -> Party | None:
        """The party with this id, or None."""

    def require(self, state: State, party: bytes) -> Party:
        """The party with this id. Raises ``PartyNotFound``."""

    def require_active(self, state: State, party: bytes) -> Party:
        """The party, if it is active. Raises ``PartyNotFound``, ``PartySuspended``, ``PartyClosed``."""

    def is_active(self, state: State, party: bytes) -> bool:
        """Whether there is such a party and it is active."""

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        """The active member whose node has this key, or None."""

    def council(self, state: State) -> Council:
        """The council."""
