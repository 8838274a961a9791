"""Headers, commits and sets as bytes: one form each, every length and number bounded."""

from typing import Any

import msgspec
import pytest

from support.light_chain import FOUNDERS, REAL, LightChain, with_commit
from traco.kernel.codec import encode
from traco.kernel.light import (
    Handover,
    LightInvalid,
    Moment,
    Validator,
    decode_handover,
    decode_light_block,
    decode_signed_header,
)
from traco.kernel.light.records import MAX_BLOCK_BYTES

BLOCK = LightChain("traco-test").block(7)
SIGNED = BLOCK.signed


def code(raw: bytes) -> str:
    with pytest.raises(LightInvalid) as caught:
        decode_signed_header(raw)
    return caught.value.code


def test_each_record_is_read_from_what_it_was_written_to() -> None:
    handover = Handover(SIGNED, BLOCK.next_validators)
    assert decode_light_block(encode(BLOCK)) == BLOCK
    assert decode_signed_header(encode(SIGNED)) == SIGNED
    assert decode_handover(encode(handover)) == handover


def test_a_real_block_takes_little_room() -> None:
    assert max(len(encode(block)) for block in REAL.values()) < 1_500


def test_the_largest_light_block_is_within_the_limit() -> None:
    many = {str(number): 2**52 for number in range(128)}
    raw = encode(LightChain("traco-" + "0" * 40).block(900, many))
    assert len(raw) < MAX_BLOCK_BYTES
    assert len(decode_light_block(raw).validators) == 128


@pytest.mark.parametrize("extra", [0, 1])
def test_what_is_too_large_is_not_read(extra: int) -> None:
    assert code(bytes(MAX_BLOCK_BYTES + extra)) == ("light.too_large" if extra else "light.malformed")


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 0}, {"height": -1}, {"height": 2**53}, {"chain": ""}, {"chain": "x" * 51}, {"validators_hash": b""},
        {"next_validators_hash": bytes(31)}, {"app_hash": bytes(65)}, {"data_hash": bytes(33)}, {"proposer": bytes(19)},
        {"block_protocol": -1}, {"app_protocol": 2**53}, {"time": Moment(-1, 0)}, {"time": Moment(0, 10**9)},
        {"time": Moment(253_402_300_800, 0)}, {"time": None},
    ],
)  # fmt: skip
def test_a_header_out_of_bounds_is_refused(changes: dict[str, Any]) -> None:
    header = msgspec.structs.replace(SIGNED.header, **changes)
    assert code(encode(msgspec.structs.replace(SIGNED, header=header))) == "light.malformed"


@pytest.mark.parametrize(
    "changes", [{"height": 0}, {"round": -1}, {"round": 2**31}, {"votes": (None,) * 129}, {"votes": None}]
)
def test_a_commit_out_of_bounds_is_refused(changes: dict[str, Any]) -> None:
    assert code(encode(with_commit(SIGNED, **changes))) == "light.malformed"


@pytest.mark.parametrize("changes", [{"signature": bytes(63)}, {"address": bytes(21)}, {"for_block": 1}])
def test_a_vote_out_of_bounds_is_refused(changes: dict[str, Any]) -> None:
    vote = SIGNED.commit.votes[0]
    assert vote is not None
    assert (
        code(encode(with_commit(SIGNED, votes=(msgspec.structs.replace(vote, **changes),))))
        == "light.malformed"
    )


@pytest.mark.parametrize(
    "validator", [Validator(bytes(32), 1), Validator(bytes(33), 0), Validator(bytes(33), 2**60)]
)
def test_a_validator_out_of_bounds_is_refused(validator: Validator) -> None:
    with pytest.raises(LightInvalid, match=r"^light\.malformed"):
        decode_handover(encode(Handover(SIGNED, (validator,))))


def test_an_empty_set_is_refused() -> None:
    with pytest.raises(LightInvalid, match=r"^light\.malformed"):
        decode_handover(encode(Handover(SIGNED, ())))


def test_a_moment_in_milliseconds_is_rounded_down() -> None:
    moment = Moment(5, 1_999_999)
    assert (moment.time_ns, moment.time_ms) == (5_001_999_999, 5_001)


def test_founders_sign_in_the_order_of_their_set() -> None:
    assert len(SIGNED.commit.votes) == len(FOUNDERS)
