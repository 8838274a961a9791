"""What this module needs from others."""

from collections.abc import Sequence
from typing import Protocol

from traco.kernel.state import State


class HeldIdentifier(Protocol):
    """A public identifier as the registry of parties keeps it."""

    @property
    def scheme(self) -> str:
        """The code of its scheme (ISO 6523)."""

    @property
    def value(self) -> str:
        """The identifier itself."""


class KnownParty(Protocol):
    """A registered party."""

    @property
    def identifiers(self) -> Sequence[HeldIdentifier]:
        """Its public identifiers."""


class Parties(Protocol):
    """The registry of parties."""

    def get(self, state: State, party: bytes) -> KnownParty | None:
        """The party with this id, or None."""

    def is_active(self, state: State, party: bytes) -> bool:
        """Whether there is such a party and it is active."""

    def has_role(self, state: State, party: bytes, role: str) -> bool:
        """Whether the party is active and was given this capability."""
