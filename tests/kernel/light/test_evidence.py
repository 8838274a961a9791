"""Evidence: what the validators signed proves an app hash to somebody who has the founding set alone."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.ledger import START_MS
from support.light_chain import (
    FOUNDERS,
    REAL,
    REAL_CHAIN,
    REAL_GENESIS,
    LightChain,
    set_of,
    with_commit,
    with_header,
    with_vote,
)
from traco.kernel.codec import Codec, encode
from traco.kernel.light import (
    MAX_EVIDENCE_BYTES,
    MAX_HANDOVERS,
    Evidence,
    Handover,
    LightInvalid,
    Moment,
    Proof,
    SignedHeader,
    ValidatorSet,
    founding_validators,
    header_hash,
    make_evidence,
    trim,
    verify_evidence,
)
from traco.kernel.light import evidence as evidence_file

CHAIN = "traco-test"
MAKER = LightChain(CHAIN)
SECOND = {"ann": 10, "ben": 10, "cas": 10, "zoe": 10}
THIRD = {"zoe": 30, "yul": 10}
FILE: Codec[Evidence] = Codec(Evidence)


def verdict(raw: bytes, founders: ValidatorSet | None = None, chain: str = CHAIN) -> Proof | str:
    try:
        return verify_evidence(raw, chain, set_of(FOUNDERS) if founders is None else founders)
    except LightInvalid as error:
        return error.code


def evidence(handovers: Sequence[Handover], last: SignedHeader) -> bytes:
    """The bytes, whatever is in it."""
    return encode(Evidence(tuple(handovers), last))


HANDOVERS = (MAKER.handover(5, FOUNDERS, SECOND), MAKER.handover(9, SECOND, THIRD))
LAST = MAKER.block(12, THIRD).signed
GOOD = evidence(HANDOVERS, LAST)
ODD = MAKER.signed(MAKER.header(12, FOUNDERS), FOUNDERS, odd=FOUNDERS)


def real_evidence() -> bytes:
    """Over the three changes of the set in the recorded chain, up to the last header."""
    changes = [block for block in REAL.values() if block.validators != block.next_validators]
    handovers = [Handover(trim(block.signed, block.validators), block.next_validators) for block in changes]
    last = REAL[max(REAL)]
    return make_evidence(handovers, trim(last.signed, last.validators))


def test_the_evidence_of_a_real_chain_holds_over_three_changes_from_the_founding_set_alone() -> None:
    proof = verdict(real_evidence(), founding_validators(REAL_GENESIS), REAL_CHAIN)
    header = REAL[max(REAL)].signed.header
    assert isinstance(proof, Proof)
    assert (proof.height, proof.app_hash) == (header.height - 1, header.app_hash)
    assert (proof.time_ms, proof.handovers) == (header.time.time_ms, 3)


def test_a_real_header_from_before_the_changes_needs_no_handover() -> None:
    block = REAL[4]
    raw = make_evidence((), trim(block.signed, block.validators))
    proof = verdict(raw, founding_validators(REAL_GENESIS), REAL_CHAIN)
    assert isinstance(proof, Proof)
    assert (proof.height, proof.handovers) == (3, 0)


def test_evidence_proves_the_app_hash_in_the_header_after_the_block() -> None:
    proof = verdict(GOOD)
    assert isinstance(proof, Proof)
    assert proof[:3] == (11, START_MS + 12_000 + 12, LAST.header.app_hash)
    assert (proof.validators, proof.signers) == (set_of(THIRD), set_of(THIRD))


def test_evidence_has_one_form() -> None:
    assert make_evidence(HANDOVERS, LAST) == GOOD
    assert FILE.decode(GOOD) == Evidence(HANDOVERS, LAST)
    assert verdict(GOOD.replace(b"\x93\xb0traco", b"\xdc\x00\x03\xb0traco")) == "light.malformed"


def test_every_changed_byte_is_refused() -> None:
    raw = evidence((), MAKER.signed(MAKER.header(12, FOUNDERS), FOUNDERS, absent=["ann"]))
    accepted = []
    for index in range(len(raw)):
        forged = bytearray(raw)
        forged[index] ^= 1
        if not isinstance(verdict(bytes(forged)), str):
            accepted.append(index)
    assert isinstance(verdict(raw), Proof)
    assert accepted == []


@pytest.mark.parametrize("end", range(0, len(GOOD), 37))
def test_every_truncation_is_refused(end: int) -> None:
    assert verdict(GOOD[:end]) == "light.malformed"


def test_a_handover_left_out_is_refused() -> None:
    assert verdict(evidence(HANDOVERS[1:], LAST)) == "light.validators"
    assert verdict(evidence(HANDOVERS[:1], LAST)) == "light.validators"
    assert verdict(evidence((), LAST)) == "light.validators"


def test_handovers_out_of_order_are_refused() -> None:
    assert verdict(evidence(HANDOVERS[::-1], LAST)) == "light.validators"
    back = MAKER.handover(5, SECOND, THIRD)
    assert verdict(evidence((HANDOVERS[0], back), LAST)) == "light.height"
    assert verdict(evidence(HANDOVERS, MAKER.block(9, THIRD).signed)) == "light.height"


@pytest.mark.parametrize("height", [9, 12])
def test_time_never_stands_still(height: int) -> None:
    time = HANDOVERS[0].signed.header.time
    header = MAKER.header(height, SECOND, THIRD if height == 9 else SECOND, time=time)
    signed = MAKER.signed(header, SECOND)
    parts = (
        ((HANDOVERS[0], Handover(signed, set_of(THIRD))), LAST) if height == 9 else (HANDOVERS[:1], signed)
    )
    assert verdict(evidence(*parts)) == "light.time"


def test_a_handover_to_another_set_than_the_one_signed_is_refused() -> None:
    forged = Handover(HANDOVERS[0].signed, set_of({"eve": 10}))
    assert verdict(evidence((forged,), MAKER.block(12, {"eve": 10}).signed)) == "light.next_validators"


def test_a_handover_that_too_few_signed_is_refused() -> None:
    eve = {"eve": 10}
    few = MAKER.handover(5, FOUNDERS, eve, absent=["ann", "ben"])
    assert verdict(evidence((few,), MAKER.block(12, eve).signed)) == "light.power"


def test_a_handover_that_changes_nothing_is_refused() -> None:
    same = MAKER.handover(5, FOUNDERS, FOUNDERS)
    assert verdict(evidence((same,), MAKER.block(12, FOUNDERS).signed)) == "light.handover"


def test_validators_that_left_cannot_sign_later_headers() -> None:
    assert verdict(evidence(HANDOVERS, MAKER.block(12, FOUNDERS).signed)) == "light.validators"


def test_too_little_power_is_refused() -> None:
    last = MAKER.signed(MAKER.header(12, THIRD), THIRD, absent=["zoe"])
    assert verdict(evidence(HANDOVERS, last)) == "light.power"


@pytest.mark.parametrize(("weak", "holds"), [(10, False), (9, True)])
def test_two_thirds_exactly_are_too_little(weak: int, holds: bool) -> None:
    powers = {"ann": 10, "ben": 10, "weak": weak}
    last = MAKER.signed(MAKER.header(12, powers), powers, absent=["weak"])
    found = verdict(evidence((), last), set_of(powers))
    assert isinstance(found, Proof) if holds else found == "light.power"


@pytest.mark.parametrize("power", [1, 10])
def test_a_trimmed_header_keeps_more_than_two_thirds(power: int) -> None:
    powers = dict.fromkeys(("ann", "ben", "cas"), power)
    kept = trim(MAKER.block(12, powers).signed, set_of(powers))
    assert isinstance(verdict(make_evidence((), kept), set_of(powers)), Proof)


def test_another_founding_set_is_refused() -> None:
    assert verdict(GOOD, set_of({**FOUNDERS, "ann": 11})) == "light.validators"


def test_another_chain_is_refused() -> None:
    assert verdict(GOOD, chain="traco-other") == "light.chain"


def test_a_forged_signature_is_refused_even_where_the_others_would_be_enough() -> None:
    last = MAKER.signed(MAKER.header(12, FOUNDERS), FOUNDERS, forged=["ann"])
    assert verdict(evidence((), last)) == "light.signature"


def test_signatures_that_only_the_engine_accepts_prove_a_handover_and_what_follows() -> None:
    handover = MAKER.handover(5, FOUNDERS, SECOND, odd=["ann"], absent=["dot"])
    last = MAKER.signed(MAKER.header(12, SECOND), SECOND, odd=["ben"], against=["cas"])
    kept = Handover(trim(handover.signed, set_of(FOUNDERS)), handover.next_validators)
    proof = verdict(make_evidence([kept], trim(last, set_of(SECOND))))
    assert isinstance(proof, Proof)
    assert (proof.height, proof.handovers, len(proof.signers)) == (11, 1, 3)


@given(st.integers(0, 511))
def test_no_bit_of_such_a_signature_may_change(bit: int) -> None:
    vote = ODD.commit.votes[0]
    assert vote is not None
    changed = bytearray(vote.signature)
    changed[bit // 8] ^= 1 << bit % 8
    forged = with_vote(ODD, 0, msgspec.structs.replace(vote, signature=bytes(changed)))
    assert verdict(evidence((), forged)) == "light.signature"


def test_a_vote_for_no_block_is_refused() -> None:
    last = MAKER.signed(MAKER.header(12, FOUNDERS), FOUNDERS, against=["ann"])
    assert verdict(evidence((), last)) == "light.vote"


def test_an_altered_header_is_refused() -> None:
    altered = with_header(LAST, app_hash=bytes(32))
    assert verdict(evidence(HANDOVERS, altered)) == "light.header"
    block = msgspec.structs.replace(LAST.commit.block, hash=header_hash(altered.header))
    assert verdict(evidence(HANDOVERS, with_commit(altered, block=block))) == "light.signature"


def test_a_validator_that_signs_twice_is_refused() -> None:
    last = MAKER.block(12).signed
    assert verdict(evidence((), with_vote(last, 1, last.commit.votes[0]))) == "light.duplicate"


@pytest.mark.parametrize("size", [0, 8, 31, 33])
def test_an_app_hash_of_another_ledger_is_refused(size: int) -> None:
    last = MAKER.signed(MAKER.header(12, FOUNDERS, app_hash=bytes(size)), FOUNDERS)
    assert verdict(evidence((), last)) == "light.app_hash"


def test_the_first_header_carries_the_app_hash_of_the_founding() -> None:
    proof = verdict(evidence((), MAKER.block(1).signed))
    assert isinstance(proof, Proof)
    assert proof.height == 0


def test_trimmed_headers_have_no_more_votes_than_prove_them() -> None:
    powers = {"ann": 40, "ben": 30, "cas": 20, "dot": 10}
    signed = MAKER.signed(MAKER.header(12, powers), powers, against=["ben"])
    kept = trim(signed, set_of(powers)).commit.votes
    assert [vote is not None for vote in kept] == [True, False, True, True]
    full = MAKER.block(12, powers).signed
    assert [vote is not None for vote in trim(full, set_of(powers)).commit.votes] == [
        True,
        True,
        False,
        False,
    ]


def test_what_is_not_believed_is_not_trimmed() -> None:
    with pytest.raises(LightInvalid, match=r"^light\.power"):
        trim(MAKER.signed(MAKER.header(12, FOUNDERS), FOUNDERS, absent=["ann", "ben"]), set_of(FOUNDERS))


def test_making_evidence_leaves_out_votes_for_no_block() -> None:
    handover = MAKER.handover(5, FOUNDERS, SECOND, against=["ann"])
    last = MAKER.signed(MAKER.header(12, SECOND), SECOND, against=["ben"])
    assert isinstance(verdict(make_evidence([handover], last)), Proof)


def test_the_number_of_handovers_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LightInvalid, match=r"^light\.too_large"):
        make_evidence(HANDOVERS[:1] * (MAX_HANDOVERS + 1), LAST)
    monkeypatch.setattr(evidence_file, "MAX_EVIDENCE_BYTES", 10_000_000)
    assert verdict(evidence(HANDOVERS[:1] * (MAX_HANDOVERS + 1), LAST)) == "light.malformed"


def test_the_size_of_evidence_is_limited() -> None:
    many = HANDOVERS[:1] * MAX_HANDOVERS
    assert len(evidence(many, LAST)) > MAX_EVIDENCE_BYTES
    assert verdict(evidence(many, LAST)) == "light.too_large"
    with pytest.raises(LightInvalid, match=r"^light\.too_large"):
        make_evidence(many, LAST)


@pytest.mark.parametrize("time", [Moment(-1, 0), Moment(2**62, 0), Moment(0, 10**9), Moment(0, -1)])
def test_times_are_bounded(time: Moment) -> None:
    last = msgspec.structs.replace(LAST, header=msgspec.structs.replace(LAST.header, time=time))
    assert verdict(evidence(HANDOVERS, last)) == "light.malformed"


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_bytes_raise_anything_else(data: st.DataObject) -> None:
    raw = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    found: Any = verdict(bytes(raw))
    assert isinstance(found, str) or bytes(raw) == GOOD
