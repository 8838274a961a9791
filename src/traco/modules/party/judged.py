"""What a party may do, by its record, wherever that is read from: the ledger's own state, or the root's as a channel sees it."""

from abc import ABC, abstractmethod

from traco.kernel.state import State
from traco.modules.party.errors import PartyClosed, PartyNotFound, PartySuspended
from traco.modules.party.state import Party


class Judged(ABC):
    """Judgements on parties."""

    @abstractmethod
    def get(self, state: State, party: bytes) -> Party | None:
        """The party with this id, or None."""

    def require(self, state: State, party: bytes) -> Party:
        """The party with this id. Raises ``PartyNotFound``."""
        found = self.get(state, party)
        if found is None:
            raise PartyNotFound(party)
        return found

    def require_active(self, state: State, party: bytes) -> Party:
        """The party, if it is active. Raises ``PartyNotFound``, ``PartySuspended``, ``PartyClosed``."""
        found = self.require(state, party)
        if found.status == "suspended":
            raise PartySuspended(party, found.reason)
        if found.status == "closed":
            raise PartyClosed(party, found.reason)
        return found

    def is_active(self, state: State, party: bytes) -> bool:
        """Whether there is such a party and it is active."""
        found = self.get(state, party)
        return found is not None and found.status == "active"

    def has_role(self, state: State, party: bytes, role: str) -> bool:
        """Whether the party is active and was given this capability; by default nobody was."""
        found = self.get(state, party)
        return found is not None and found.status == "active" and role in found.roles
