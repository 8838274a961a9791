"""Digests of a channel's points that nobody can guess, and the proof of one outcome for somebody outside.

The root shows digests to everybody. State whose possible values are few could be found by trying, so the state root is
hashed with a blind, and each outcome with a salt, that only who has the epoch's key can derive. Whoever is shown one
outcome gets its salt and path (``OutcomeProof``) and checks it by ``modules.channel.digests``.
"""

from collections.abc import Sequence

from traco.channels.sealing.keys import EpochSecret
from traco.kernel.merkle import inclusion_path, root_of
from traco.kernel.receipt import Leaf
from traco.modules.channel.digests import OutcomeProof, blinded, outcome_hash, outcomes_root


class Blinding:
    """What hides one point: its epoch's key, the generation and the ordinal."""

    def __init__(self, secret: EpochSecret, generation: int, ordinal: int) -> None:
        self._secret = secret
        self._generation = generation
        self._ordinal = ordinal

    def state_root(self, app_hash: bytes) -> bytes:
        """The app hash after the point, blinded."""
        return blinded(self.blind(), app_hash)

    def blind(self) -> bytes:
        """What hides the state root: for those to whom the point is disclosed."""
        return self._secret.blind(self._generation, self._ordinal)

    def salts(self, count: int) -> tuple[bytes, ...]:
        """What hides each of so many outcomes: for those to whom the point is disclosed."""
        return tuple(map(self._salt, range(count)))

    def outcomes_root(self, leaves: Sequence[Leaf]) -> bytes:
        """The root over the outcomes of the point, in order, each salted."""
        return outcomes_root(self._hashes(leaves))

    def hashes(self, leaves: Sequence[Leaf]) -> list[bytes]:
        """The salted hash of each outcome."""
        return self._hashes(leaves)

    def prove(self, leaves: Sequence[Leaf], index: int) -> OutcomeProof:
        """What shows the outcome at ``index``. Raises ``ValueError`` where there is none."""
        hashes = self._hashes(leaves)
        path = inclusion_path(hashes, index)
        return OutcomeProof(self._salt(index), index, len(hashes), root_of(hashes), path)

    def _hashes(self, leaves: Sequence[Leaf]) -> list[bytes]:
        return [outcome_hash(self._salt(index), leaf) for index, leaf in enumerate(leaves)]

    def _salt(self, index: int) -> bytes:
        return self._secret.leaf_salt(self._generation, self._ordinal, index)
