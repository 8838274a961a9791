"""A settlement's leg on the root: in the open, held when the attempt is ordered, and ended in the transaction that decides.

Whoever acts in it signs its instruction for the terms alone. So the signatures can be given before the other legs are
sealed, are good again after an ABORT, and end with the terms: at their deadline, or when they are used up.
"""

from traco.kernel import crypto
from traco.kernel.authorisation import authorise
from traco.kernel.errors import PartyUnknown, SignatureMissing, SignatureSuperfluous
from traco.kernel.module import Authority, Context
from traco.modules.channel.errors import LegsWrong
from traco.modules.channel.parts import LegTerms, RootLeg, is_ascending
from traco.modules.channel.signing import root_leg_message
from traco.modules.leg.messages import HoldLeg
from traco.modules.leg.ports import Entering


class RootLegs:
    """Takes legs on the root; ``authority`` says whose keys count. It is the root's entrance for the module of legs."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._entering: Entering | None = None  # while it is held; nothing of it is in the state

    def current(self) -> Entering | None:
        """The leg that is being held, or None: then none can be."""
        return self._entering

    def read(self, context: Context, terms: bytes, leg: RootLeg) -> HoldLeg:
        """The leg's instruction, authorised by all who act in it for these terms (id), and admitted.

        Raises ``LegsWrong``, ``OperationMalformed``, and what the admission hooks raise.
        """
        instructions = context.decode_instructions(leg.instructions)
        hold = instructions[0] if len(instructions) == 1 else None
        if not isinstance(hold, HoldLeg):
            raise LegsWrong("instruction on the root")
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
        return hold

    def hold(self, context: Context, attempt: bytes, terms: bytes, leg: LegTerms, hold: HoldLeg) -> None:
        """Set aside what the leg moves, under the id of the attempt. Raises what refuses a leg."""
        edges = tuple((movement.instrument, movement.amount) for movement in leg.edges)
        self._entering = Entering(attempt, terms, leg.commitment, edges)
        try:
            context.perform(hold)
        finally:
            self._entering = None
