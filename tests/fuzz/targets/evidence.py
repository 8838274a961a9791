"""``verify_evidence`` raises ``LightInvalid`` and nothing else, and accepts only headers and votes that were really signed.

If broken: outsiders believe in a ledger that its validators never had.
"""

from pathlib import Path
from typing import Final

from fuzz.claims import require
from fuzz.mutation import of_messagepack
from support.light_chain import REAL, REAL_CHAIN, REAL_GENESIS
from traco.kernel.codec import Codec
from traco.kernel.light import (
    Evidence,
    Handover,
    LightInvalid,
    SignedHeader,
    founding_validators,
    make_evidence,
    trim,
    verify_evidence,
)

_FOUNDERS: Final = founding_validators(REAL_GENESIS)
_FILE: Final[Codec[Evidence]] = Codec(Evidence)
mutate = of_messagepack


def sample(height: int) -> bytes:
    """The evidence of a recorded chain for the block before this height, which is one of those recorded."""
    trimmed = {at: trim(block.signed, block.validators) for at, block in REAL.items() if at <= height}
    handovers = [
        Handover(signed, REAL[at].next_validators)
        for at, signed in trimmed.items()
        if at < height and REAL[at].validators != REAL[at].next_validators
    ]
    return make_evidence(handovers, trimmed[height])


_GENUINE: Final = sample(max(REAL))


def check(raw: bytes, _folder: Path) -> None:
    """Verify under the validators that founded the recorded chain."""
    try:
        verify_evidence(raw, REAL_CHAIN, _FOUNDERS)
    except LightInvalid as error:
        require(raw != _GENUINE, error.code)
        return
    evidence = _FILE.decode(raw)
    for signed in (*(handover.signed for handover in evidence.handovers), evidence.last):
        require(_was_signed(signed), "what nobody signed was accepted")


def _was_signed(signed: SignedHeader) -> bool:
    """By two thirds of the power and more, as recorded."""
    real = REAL[signed.header.height]
    pairs = list(zip(signed.commit.votes, real.signed.commit.votes, real.validators, strict=True))
    if signed.header != real.signed.header or any(vote not in (None, known) for vote, known, _ in pairs):
        return False
    power = sum(validator.power for vote, _, validator in pairs if vote is not None and vote.for_block)
    return 3 * power > 2 * sum(validator.power for validator in real.validators)
