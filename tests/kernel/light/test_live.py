"""The steps of a live client: adjacent and skipping, with a clock."""

from typing import Any

import msgspec
import pytest

from support.ledger import START_MS
from support.light_chain import FOUNDERS, REAL, LightChain, edited, set_of, with_header
from traco.kernel.light import (
    Header,
    LightBlock,
    LightInvalid,
    Moment,
    TrustTerms,
    ValidatorSet,
    verify_adjacent,
    verify_next,
    verify_skipping,
)

MAKER = LightChain("traco-test")
DAY_MS = 86_400_000
TERMS = TrustTerms(DAY_MS)
TRUSTED = MAKER.header(10, FOUNDERS)
NOW_MS = START_MS + 60_000
CHANGED = {"ann": 10, "ben": 10, "zoe": 10, "yul": 10}
STRANGERS = {"zoe": 10, "yul": 10, "xia": 10}


def verdict(
    block: LightBlock, trusted: Header = TRUSTED, following: ValidatorSet | None = None, terms: TrustTerms = TERMS,
    now_ms: int = NOW_MS,
) -> str:  # fmt: skip
    try:
        verify_next(trusted, set_of(FOUNDERS) if following is None else following, block, terms, now_ms)
    except LightInvalid as error:
        return error.code
    return "accepted"


def real_verdict(trusted: int, height: int, **options: Any) -> str:
    base, block = REAL[trusted], REAL[height]
    now_ms = options.pop("now_ms", block.signed.header.time.time_ms + 1)
    return verdict(block, base.signed.header, base.next_validators, now_ms=now_ms, **options)


def test_adjacent_real_headers_are_accepted_over_every_change_of_the_set() -> None:
    pairs = [(height, height + 1) for height in REAL if height + 1 in REAL]
    changes = [REAL[height].validators != REAL[height + 1].validators for height, _ in pairs]
    assert changes.count(True) == 3
    assert [real_verdict(*pair) for pair in pairs] == ["accepted"] * len(pairs)


def test_a_real_chain_is_followed_by_skipping() -> None:
    heights = list(REAL)
    steps = [(one, other) for one in heights for other in heights if other > one]
    assert {real_verdict(*step) for step in steps} == {"accepted"}


def test_a_real_header_is_refused_once_trust_has_expired() -> None:
    base = REAL[1].signed.header.time.time_ms
    assert real_verdict(1, 32, now_ms=base + DAY_MS + 1) == "light.expired"
    assert real_verdict(1, 2, now_ms=base + DAY_MS + 1) == "light.expired"


def test_real_headers_altered_are_refused() -> None:
    forged = edited(REAL[32], lambda signed: with_header(signed, app_hash=bytes(32)))
    base = REAL[1]
    now_ms = forged.signed.header.time.time_ms
    assert verdict(forged, base.signed.header, base.next_validators, now_ms=now_ms) == "light.header"


@pytest.mark.parametrize("height", [11, 12, 50])
def test_a_header_of_the_same_set_is_accepted_at_any_distance(height: int) -> None:
    assert verdict(MAKER.block(height)) == "accepted"


@pytest.mark.parametrize("height", [9, 10])
def test_a_header_that_is_not_later_is_refused(height: int) -> None:
    block = MAKER.block(height)
    later = MAKER.header(height, FOUNDERS, time=MAKER.header(11, FOUNDERS).time)
    assert verdict(block) == "light.time"
    assert verdict(msgspec.structs.replace(block, signed=MAKER.signed(later, FOUNDERS))) == "light.height"


def test_each_kind_of_step_is_for_its_distance() -> None:
    with pytest.raises(LightInvalid, match=r"^light\.height"):
        verify_adjacent(TRUSTED, MAKER.block(12), TERMS, NOW_MS)
    with pytest.raises(LightInvalid, match=r"^light\.height"):
        verify_skipping(TRUSTED, set_of(FOUNDERS), MAKER.block(11), TERMS, NOW_MS)


@pytest.mark.parametrize(("after_ms", "outcome"), [(DAY_MS - 1, "accepted"), (DAY_MS, "light.expired")])
@pytest.mark.parametrize("height", [11, 20])
def test_trust_ends_with_its_period(height: int, after_ms: int, outcome: str) -> None:
    trusted = MAKER.header(10, FOUNDERS, time=Moment(START_MS // 1_000, 0))
    assert verdict(MAKER.block(height), trusted, now_ms=START_MS + after_ms) == outcome


@pytest.mark.parametrize(("drift_ms", "outcome"), [(0, "light.future"), (1, "light.future"), (2, "accepted")])
def test_a_header_from_the_future_is_refused_beyond_the_drift(drift_ms: int, outcome: str) -> None:
    time = Moment((START_MS + 20_000) // 1_000, 1_000_000)
    block = LightBlock(
        MAKER.signed(MAKER.header(11, FOUNDERS, time=time), FOUNDERS), set_of(FOUNDERS), set_of(FOUNDERS)
    )
    assert verdict(block, terms=TrustTerms(DAY_MS, drift_ms), now_ms=START_MS + 20_000) == outcome


@pytest.mark.parametrize("height", [11, 20])
def test_time_must_increase_by_the_nanosecond(height: int) -> None:
    block = MAKER.signed(MAKER.header(height, FOUNDERS, time=TRUSTED.time), FOUNDERS)
    made = LightBlock(block, set_of(FOUNDERS), set_of(FOUNDERS))
    assert verdict(made) == "light.time"
    later = msgspec.structs.replace(TRUSTED.time, nanos=TRUSTED.time.nanos + 1)
    block = MAKER.signed(MAKER.header(height, FOUNDERS, time=later), FOUNDERS)
    assert verdict(LightBlock(block, set_of(FOUNDERS), set_of(FOUNDERS))) == "accepted"


@pytest.mark.parametrize("height", [11, 20])
def test_another_chain_is_refused(height: int) -> None:
    assert verdict(LightChain("traco-other").block(height)) == "light.chain"


@pytest.mark.parametrize("height", [11, 20])
def test_too_little_power_is_refused(height: int) -> None:
    assert verdict(MAKER.block(height, absent=["ann", "ben"])) == "light.power"


@pytest.mark.parametrize("height", [11, 20])
def test_forged_signatures_are_refused(height: int) -> None:
    assert verdict(MAKER.block(height, forged=FOUNDERS)) == "light.signature"


def test_the_next_header_must_have_the_set_that_the_trusted_one_names() -> None:
    assert verdict(MAKER.block(11, CHANGED)) == "light.validators"
    handing = MAKER.header(10, FOUNDERS, CHANGED)
    assert verdict(MAKER.block(11, CHANGED), handing, set_of(CHANGED)) == "accepted"


def test_a_step_may_skip_where_more_than_a_third_stayed() -> None:
    assert verdict(MAKER.block(20, CHANGED)) == "accepted"


def test_a_step_that_nobody_trusted_signed_asks_for_a_smaller_one() -> None:
    assert verdict(MAKER.block(20, STRANGERS)) == "light.trusted_power"
    assert verdict(MAKER.block(20, CHANGED), terms=TrustTerms(DAY_MS, level=(1, 2))) == "light.trusted_power"


def test_the_set_to_skip_from_must_be_the_one_that_the_trusted_header_names() -> None:
    assert verdict(MAKER.block(20, CHANGED), following=set_of(CHANGED)) == "light.next_validators"


@pytest.mark.parametrize("height", [11, 20])
def test_the_set_of_the_header_must_be_the_one_given(height: int) -> None:
    block = msgspec.structs.replace(MAKER.block(height), validators=set_of(CHANGED))
    assert verdict(block) == "light.validators"


@pytest.mark.parametrize("height", [11, 20])
def test_the_set_after_the_header_must_be_the_one_that_it_names(height: int) -> None:
    block = msgspec.structs.replace(MAKER.block(height), next_validators=set_of(CHANGED))
    assert verdict(block) == "light.next_validators"


@pytest.mark.parametrize(
    "terms",
    [
        TrustTerms(0), TrustTerms(-1), TrustTerms(1, -1), TrustTerms(1, 1, (1, 4)), TrustTerms(1, 1, (4, 3)),
        TrustTerms(1, 1, (0, 0)), TrustTerms(1, 1, (-1, -3)), TrustTerms(1, 1, (0, 3)),
    ],
)  # fmt: skip
def test_unsound_terms_of_trust_are_a_mistake_of_the_caller(terms: TrustTerms) -> None:
    with pytest.raises(ValueError, match="no sound terms of trust"):
        verify_adjacent(TRUSTED, MAKER.block(11), terms, NOW_MS)


@pytest.mark.parametrize("level", [(1, 3), (2, 3), (1, 1)])
def test_levels_from_one_third_to_all_are_sound(level: tuple[int, int]) -> None:
    assert TrustTerms(1, 0, level).checked().level == level
