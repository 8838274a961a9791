"""Evidence for the heights of snapshots: given to nodes that join, and taken over from the one that this node joins by."""

from typing import Final

from traco.engine.cometbft.seals import Seals
from traco.kernel.codec import Codec
from traco.kernel.light import Evidence, LightInvalid, ValidatorSet, verify_evidence

_EVIDENCE: Final[Codec[Evidence]] = Codec(Evidence)


class SealWitness:
    """The ``Witness`` of a node whose seals are evidence. ``founders`` are the validators of the genesis."""

    def __init__(self, seals: Seals, chain: str, founders: ValidatorSet) -> None:
        self._seals = seals
        self._chain = chain
        self._founders = founders

    async def evidence(self, height: int) -> bytes:
        """The evidence for the app hash after block ``height``. Raises ``EngineError``, ``Halt``."""
        return await self._seals.evidence(height)

    def verify(self, evidence: bytes, height: int, app_hash: bytes) -> None:
        """Whether it proves this app hash after this block. Raises ``LightInvalid``."""
        proof = verify_evidence(evidence, self._chain, self._founders)
        if (proof.height, proof.app_hash) != (height, app_hash):
            raise LightInvalid("light.app_hash")

    def adopt(self, evidence: bytes) -> None:
        """Keep the handovers in evidence that was verified. Raises ``Halt``."""
        self._seals.adopt(_EVIDENCE.trusted(evidence).handovers)
