"""The steps of a client that follows the chain: from a header that it trusts to a later one, at a given time.

*Adjacent*: the next height; the trusted header names the set that must have signed. *Skipping*: any later height;
enough of the power that the trusted header names for its next height must have signed it too, so that at least one
honest validator did. The rules are those of CometBFT (``light/verifier.go``).

Trust ends: validators that left long ago can sign another history without losing anything. Receipts do not use this;
they are judged by `evidence`, whatever the date.
"""

from typing import NamedTuple

from traco.kernel.light.commits import (
    check_signed,
    check_validators,
    verify_power,
    verify_trusted_power,
)
from traco.kernel.light.errors import require
from traco.kernel.light.records import Header, LightBlock, SignedHeader, ValidatorSet

_NS_PER_MS = 1_000_000


class TrustTerms(NamedTuple):
    """How long a header is trusted after its time, how far clocks may differ, and how much power lets a step skip.

    ``level`` is a fraction of at least one third and at most one. Raises ``ValueError`` by ``checked``.
    """

    period_ms: int
    drift_ms: int = 10_000
    level: tuple[int, int] = (1, 3)

    def checked(self) -> "TrustTerms":
        """These terms, if they are sound."""
        over, under = self.level
        if self.period_ms <= 0 or self.drift_ms < 0 or not 0 < under <= 3 * over <= 3 * under:
            raise ValueError(f"no sound terms of trust: {self}")
        return self


def verify_adjacent(trusted: Header, block: LightBlock, terms: TrustTerms, now_ms: int) -> None:
    """Return if ``block`` is the one after ``trusted``. Raises ``LightInvalid``.

    ``block.next_validators`` is judged too, so that the next step can start from it.
    """
    verify_adjacent_header(trusted, block.signed, block.validators, terms, now_ms)
    check_validators(block.next_validators, block.signed.header.next_validators_hash, "light.next_validators")


def verify_skipping(
    trusted: Header, next_validators: ValidatorSet, block: LightBlock, terms: TrustTerms, now_ms: int
) -> None:
    """Return if ``block`` may be trusted, given ``trusted`` and the set that it names for its next height.

    Raises ``LightInvalid``; ``light.trusted_power`` means that a smaller step may still succeed.
    ``block.next_validators`` is judged too, so that the next step can start from it.
    """
    verify_skipping_header(trusted, next_validators, block.signed, block.validators, terms, now_ms)
    check_validators(block.next_validators, block.signed.header.next_validators_hash, "light.next_validators")


def verify_next(
    trusted: Header, next_validators: ValidatorSet, block: LightBlock, terms: TrustTerms, now_ms: int
) -> None:
    """The step that fits the distance: adjacent for the next height, else skipping. Raises ``LightInvalid``."""
    if block.signed.header.height == trusted.height + 1:
        verify_adjacent(trusted, block, terms, now_ms)
    else:
        verify_skipping(trusted, next_validators, block, terms, now_ms)


def verify_adjacent_header(
    trusted: Header, signed: SignedHeader, validators: ValidatorSet, terms: TrustTerms, now_ms: int
) -> None:
    """As ``verify_adjacent``, for one who does not need the set of the height after it."""
    _check_step(trusted, signed, terms, now_ms)
    require(signed.header.height == trusted.height + 1, "light.height")
    require(signed.header.validators_hash == trusted.next_validators_hash, "light.validators")
    check_validators(validators, signed.header.validators_hash)
    verify_power(signed, validators)


def verify_skipping_header(
    trusted: Header,
    next_validators: ValidatorSet,
    signed: SignedHeader,
    validators: ValidatorSet,
    terms: TrustTerms,
    now_ms: int,
) -> None:
    """As ``verify_skipping``, for one who does not need the set of the height after it."""
    _check_step(trusted, signed, terms, now_ms)
    require(signed.header.height > trusted.height + 1, "light.height")
    check_validators(next_validators, trusted.next_validators_hash, "light.next_validators")
    check_validators(validators, signed.header.validators_hash)
    verify_trusted_power(signed, next_validators, terms.level)
    verify_power(signed, validators)


def _check_step(trusted: Header, signed: SignedHeader, terms: TrustTerms, now_ms: int) -> None:
    period_ms, drift_ms, _ = terms.checked()
    now_ns = now_ms * _NS_PER_MS
    require(trusted.time.time_ns + period_ms * _NS_PER_MS > now_ns, "light.expired")
    check_signed(signed, trusted.chain)
    require(signed.header.time.time_ns > trusted.time.time_ns, "light.time")
    require(signed.header.time.time_ns < now_ns + drift_ms * _NS_PER_MS, "light.future")
