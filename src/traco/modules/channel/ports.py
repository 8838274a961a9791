"""What this module needs from others."""

from collections.abc import Sequence
from typing import Protocol

from traco.kernel.module import Context
from traco.kernel.state import State


class Members(Protocol):
    """The registry of parties."""

    def is_member(self, state: State, party: bytes) -> bool:
        """Whether the party is an active member."""

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        """The active member whose node has this key, or None."""

    def require_council(self, state: State, acting: Sequence[bytes]) -> None:
        """The acting parties are different council members and enough of them. Raises ``CouncilNeeded``."""


class LegEnds(Protocol):
    """Who ends legs that are held on the root itself (the keeper of ``modules/leg``)."""

    def execute(self, context: Context, attempt: bytes) -> None:
        """The decision COMMIT. Never refuses what is held."""

    def release(self, context: Context, attempt: bytes) -> None:
        """The decision ABORT. Never refuses."""
