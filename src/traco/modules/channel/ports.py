"""What this module needs from others."""

from collections.abc import Sequence
from typing import Protocol

from traco.kernel.instruction import Instruction
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.channel.parts import LegTerms


class Members(Protocol):
    """The registry of parties."""

    def is_member(self, state: State, party: bytes) -> bool:
        """Whether the party is an active member."""

    def member_of_node(self, state: State, key: bytes) -> bytes | None:
        """The active member whose node has this key, or None."""

    def require_council(self, state: State, acting: Sequence[bytes]) -> None:
        """The acting parties are different council members and enough of them. Raises ``CouncilNeeded``."""


class RootHolds(Protocol):
    """What holds and ends a settlement's leg on the root itself (``modules/leg``): a batch hold owned by the attempt."""

    def hold(
        self, context: Context, attempt: bytes, terms: bytes, leg: LegTerms, instruction: Instruction
    ) -> None:
        """Run every check and set the leg's value aside, under the id of the attempt.

        ``instruction`` is authorised by all who act in it, for these terms (id). Raises ``Rejected`` where it is not the
        hold of this leg: its movements must have the commitment, and cross the root's edge as ``leg.edges`` say.
        """

    def decide(self, context: Context, attempt: bytes, committed: bool) -> None:
        """Execute the hold, or release it. Never refuses."""
