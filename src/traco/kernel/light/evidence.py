"""The proof that the engine's validators believed an app hash, judged by the founding validators alone.

    founding validators
      └─ signed a header that names the next set        a handover, one for each change since the founding
           └─ which signed a header that names the next ...
                └─ which signed the header after the block: it carries the app hash

Each signed header needs more than two thirds of the power of the set in office in signatures that are valid by the
engine's rule (``commits``). Evidence holds no others: every byte of it is hashed or signed, so that none can change
unnoticed. There is no period of trust: whoever
believes evidence assumes that less than a third of the power of any set since the founding broke the rules, and that
keys of validators that have left were not stolen.
"""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec

from traco.kernel.codec import Codec, Record, encode
from traco.kernel.light.commits import (
    check_signed,
    check_validators,
    is_counted,
    placed_votes,
    total_power,
    verify_signed,
)
from traco.kernel.light.errors import LightInvalid, require
from traco.kernel.light.records import Handover, SignedHeader, Validator, ValidatorSet, Vote

MAX_EVIDENCE_BYTES: Final = 786_432
"""Leaves room in a receipt (``kernel.finality.MAX_RECEIPT_BYTES``) for what it proves."""
MAX_HANDOVERS: Final = 1_024


class Evidence(Record, frozen=True, tag="traco.evidence/1"):
    """The handovers since the founding, the oldest first, and the header that carries the app hash."""

    handovers: Annotated[tuple[Handover, ...], msgspec.Meta(max_length=MAX_HANDOVERS)]
    last: SignedHeader


class Proof(NamedTuple):
    """What evidence proves: the app hash after the block at ``height``, and who signed the header that carries it.

    ``time_ms`` is the time of that header, which is not before that of the block.
    """

    height: int
    time_ms: int
    app_hash: bytes
    validators: ValidatorSet
    signers: tuple[Validator, ...]
    handovers: int


_EVIDENCE: Final[Codec[Evidence]] = Codec(Evidence)


def trim(signed: SignedHeader, validators: ValidatorSet) -> SignedHeader:
    """The header with no more votes than prove it: what evidence holds. Raises ``LightInvalid``.

    Votes for no block go, and those beyond the power needed.
    """
    verify_signed(signed, validators, signed.header.chain)
    needed, power = total_power(validators) * 2 // 3, 0
    kept: list[Vote] = []
    for validator, vote in placed_votes(signed, validators):
        if power <= needed and vote.for_block and is_counted(signed, validator, vote):
            kept.append(vote)
            power += validator.power
    return _with_votes(signed, [vote if vote in kept else None for vote in signed.commit.votes])


def make_evidence(handovers: Sequence[Handover], last: SignedHeader) -> bytes:
    """The evidence of headers, which should have gone through ``trim``; votes for no block are left out in any case.

    Whether the parts fit together is what ``verify_evidence`` says. Raises ``LightInvalid`` (``light.too_large``).
    """
    require(len(handovers) <= MAX_HANDOVERS, "light.too_large")
    kept = tuple(Handover(_for_the_block(each.signed), each.next_validators) for each in handovers)
    raw = encode(Evidence(kept, _for_the_block(last)))
    require(len(raw) <= MAX_EVIDENCE_BYTES, "light.too_large")
    return raw


def verify_evidence(raw: bytes, chain: str, founders: ValidatorSet) -> Proof:
    """What the evidence proves about the chain that these validators founded. Raises ``LightInvalid``, nothing else."""
    require(len(raw) <= MAX_EVIDENCE_BYTES, "light.too_large")
    try:
        evidence = _EVIDENCE.decode(raw)
    except ValueError:
        raise LightInvalid("light.malformed") from None
    validators, height, time_ns = founders, 0, -1
    for handover in evidence.handovers:
        header = handover.signed.header
        require(header.height > height, "light.height")
        require(header.time.time_ns > time_ns, "light.time")
        _verify_all(handover.signed, validators, chain)
        require(header.next_validators_hash != header.validators_hash, "light.handover")
        check_validators(handover.next_validators, header.next_validators_hash, "light.next_validators")
        validators, height, time_ns = handover.next_validators, header.height, header.time.time_ns
    last = evidence.last.header
    require(last.height > height, "light.height")
    require(last.time.time_ns > time_ns, "light.time")
    signers = _verify_all(evidence.last, validators, chain)
    require(len(last.app_hash) == 32, "light.app_hash")
    return Proof(
        last.height - 1, last.time.time_ms, last.app_hash, validators, signers, len(evidence.handovers)
    )


def _verify_all(signed: SignedHeader, validators: ValidatorSet, chain: str) -> tuple[Validator, ...]:
    """Who signed. Stricter than for live commits: every vote there is must be for the block and validly signed."""
    check_signed(signed, chain)
    check_validators(validators, signed.header.validators_hash)
    signers = []
    for validator, vote in placed_votes(signed, validators):
        require(vote.for_block, "light.vote")
        require(is_counted(signed, validator, vote), "light.signature")
        signers.append(validator)
    power = sum(validator.power for validator in signers)
    require(power > total_power(validators) * 2 // 3, "light.power")
    return tuple(signers)


def _for_the_block(signed: SignedHeader) -> SignedHeader:
    return _with_votes(signed, [vote if vote and vote.for_block else None for vote in signed.commit.votes])


def _with_votes(signed: SignedHeader, votes: Sequence[Vote | None]) -> SignedHeader:
    return SignedHeader(signed.header, msgspec.structs.replace(signed.commit, votes=tuple(votes)))
