"""The admission hook: only active parties act."""

from collections.abc import Sequence

from traco.kernel.instruction import Instruction
from traco.kernel.module import Context
from traco.modules.party.messages import CancelRecovery
from traco.modules.party.ports import Registered


class ActiveActors:
    """Refuses a transaction with an acting party that is suspended or closed."""

    def __init__(self, keeper: Registered) -> None:
        self._keeper = keeper

    def __call__(self, context: Context, instructions: Sequence[Instruction], /) -> None:
        """Raises ``PartyNotFound``, ``PartySuspended``, ``PartyClosed``.

        A suspended party may still cancel its own recovery: else a sponsor could suspend it first and then take its
        keys over unopposed.
        """
        state = context.state
        for instruction in instructions:
            for party in instruction.actors():
                if not self._keeper.is_active(state, party) and not self._defends_itself(
                    context, instruction
                ):
                    self._keeper.require_active(state, party)

    def _defends_itself(self, context: Context, instruction: Instruction) -> bool:
        if not isinstance(instruction, CancelRecovery) or instruction.party != instruction.subject:
            return False
        return self._keeper.require(context.state, instruction.party).status == "suspended"
