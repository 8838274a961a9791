"""Whether the signatures on a transaction authorise it: none missing, none superfluous."""

from collections.abc import Sequence

from traco.kernel.errors import PartyUnknown, SignatureMissing, SignatureSuperfluous
from traco.kernel.instruction import Instruction
from traco.kernel.module import Authority
from traco.kernel.state import State


def authorise(
    authority: Authority, state: State, instructions: Sequence[Instruction], signers: tuple[bytes, ...]
) -> None:
    """Check every acting party's policy against the verified ``signers``.

    A signature is needed when some policy that it counts for has no more signatures than it asks for; all others are
    superfluous, so that nobody can strip a signature and leave a valid transaction behind.
    Whatever a policy says, nothing is done that no party signed for: an instruction without actors names nobody, and a
    threshold below one counts as one. Raises ``PartyUnknown``, ``SignatureMissing``, ``SignatureSuperfluous``.
    """
    needed: dict[bytes, None] = {}
    for instruction in instructions:
        for party in instruction.actors() or (b"",):
            requirement = authority.requirement(state, party, instruction)
            if requirement is None:
                raise PartyUnknown(party)
            threshold = requirement.threshold if requirement.threshold > 1 else 1
            found = [key for key in signers if key in requirement.keys]
            if len(found) < threshold:
                raise SignatureMissing(party, threshold, len(found))
            if len(found) == threshold:
                for key in found:
                    needed[key] = None
    for key in signers:
        if key not in needed:
            raise SignatureSuperfluous(key)
