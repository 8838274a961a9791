"""A settlement's leg on the root: in the open, held when the attempt is ordered, and ended in the transaction that decides.

Whoever acts in it signs its instruction for the terms alone. So the signatures can be given before the other legs are
sealed, are good again after an ABORT, and end with the terms: at their deadline, or when they are used up.
"""

from traco.kernel import crypto
from traco.kernel.authorisation import authorise
from traco.kernel.errors import PartyUnknown, SignatureMissing, SignatureSuperfluous
from traco.kernel.instruction import Instruction
from traco.kernel.module import Authority, Context
from traco.modules.channel.errors import LegsWrong
from traco.modules.channel.parts import LegTerms, RootLeg, is_ascending
from traco.modules.channel.ports import RootHolds
from traco.modules.channel.signing import root_leg_message


class RootLegs:
    """Legs on the root; ``authority`` says whose keys count, and ``holds`` keeps what is set aside."""

    def __init__(self, authority: Authority, holds: RootHolds) -> None:
        self._authority = authority
        self._holds = holds

    def read(self, context: Context, terms: bytes, leg: RootLeg) -> Instruction:
        """The leg's instruction, authorised by all who act in it, and admitted. Raises ``LegsWrong``,
        ``OperationMalformed``, and what the admission hooks raise.
        """
        instructions = context.decode_instructions(leg.instructions)
        if len(instructions) != 1:
            raise LegsWrong("number of instructions on the root")
        message = root_leg_message(context.block.network, terms, leg.instructions)
        keys = tuple(signature.key for signature in leg.signatures)
        if not is_ascending(keys) or not all(
            crypto.is_valid(signature.key, message, signature.value) for signature in leg.signatures
        ):
            raise LegsWrong("signature on the root")
        try:
            authorise(self._authority, context.state, instructions, keys)
        except (PartyUnknown, SignatureMissing, SignatureSuperfluous):
            raise LegsWrong("authority on the root") from None
        context.admit(instructions)  # an attempt is no way around roles, pauses and quotas
        return instructions[0]

    def hold(
        self, context: Context, attempt: bytes, terms: bytes, leg: LegTerms, instruction: Instruction
    ) -> None:
        """Set the leg's value aside for the attempt. Raises ``Rejected``."""
        self._holds.hold(context, attempt, terms, leg, instruction)

    def decide(self, context: Context, attempt: bytes, committed: bool) -> None:
        """End the attempt's hold on the root."""
        self._holds.decide(context, attempt, committed)
