"""What nodes send each other decodes to what was meant, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sealed import BERT, CHANNEL, EPOCH, PAYLOAD, seed
from traco.channels.custody.errors import FINAL, REFUSALS
from traco.channels.custody.messages import (
    MAX_MESSAGE_BYTES,
    TOGETHER,
    AllSaid,
    Fetch,
    Found,
    Hold,
    HoldAll,
    Refusal,
    Signed,
    answer_codec,
    known_code,
    request_codec,
)
from traco.channels.seat import messages as seat
from traco.kernel.codec import encode
from traco.modules.channel.parts import MAX_PAYLOAD_BYTES

REQUESTS = [Hold(CHANNEL, BERT, EPOCH, 1, PAYLOAD), Fetch(CHANNEL, seed("hash"))]
ANSWERS = [Signed(b"\1" * 65), Found(PAYLOAD), Refusal("custody.full")]


def test_every_message_reads_back() -> None:
    assert [request_codec.decode(encode(each)) for each in REQUESTS] == REQUESTS
    assert [answer_codec.decode(encode(each)) for each in ANSWERS] == ANSWERS


def test_no_request_is_an_answer() -> None:
    for each in REQUESTS:
        with pytest.raises(ValueError):
            answer_codec.decode(encode(each))
    for other in ANSWERS:
        with pytest.raises(ValueError):
            request_codec.decode(encode(other))


def test_the_largest_message_is_below_the_limit() -> None:
    largest = Hold(CHANNEL, BERT, 2**32 - 1, 2**53 - 1, bytes(MAX_PAYLOAD_BYTES))
    assert len(encode(largest)) < MAX_MESSAGE_BYTES


OUT_OF_RANGE = [
    Hold(CHANNEL[:-1], BERT, EPOCH, 1, PAYLOAD),
    Hold(CHANNEL, BERT[:-1], EPOCH, 1, PAYLOAD),
    Hold(CHANNEL, BERT, 0, 1, PAYLOAD),
    Hold(CHANNEL, BERT, EPOCH, -1, PAYLOAD),
    Hold(CHANNEL, BERT, EPOCH, 1, b""),
    Hold(CHANNEL, BERT, EPOCH, 1, bytes(MAX_PAYLOAD_BYTES + 1)),
    Fetch(CHANNEL, b""),
]


@pytest.mark.parametrize("wrong", OUT_OF_RANGE)
def test_values_out_of_range_are_refused(wrong: object) -> None:
    with pytest.raises(ValueError):
        request_codec.decode(encode(wrong))


def test_many_in_one_message_read_back_and_are_limited() -> None:
    holds, answers = HoldAll((REQUESTS[0],) * TOGETHER), AllSaid((ANSWERS[0], ANSWERS[2]) * (TOGETHER // 2))  # type: ignore[arg-type]
    assert seat.request_codec.decode(encode(holds)) == holds
    assert seat.answer_codec.decode(encode(answers)) == answers
    for wrong in (HoldAll(()), HoldAll((*holds.requests, holds.requests[0])), HoldAll((REQUESTS[1],))):  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            seat.request_codec.decode(encode(wrong))
    for other in (AllSaid(()), AllSaid((ANSWERS[1],)), AllSaid((*answers.answers, answers.answers[0]))):  # type: ignore[arg-type]
        with pytest.raises(ValueError):
            seat.answer_codec.decode(encode(other))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_in_their_one_form(raw: bytes) -> None:
    for codec in (request_codec, answer_codec):
        try:
            found = codec.decode(raw)
        except ValueError:
            continue
        assert encode(found) == raw


def test_a_refusal_of_an_unknown_code_is_called_a_wrong_answer() -> None:
    assert known_code(Refusal("custody.full")) == "custody.full"
    assert known_code(Refusal("something/else")) == "custody.answer_wrong"


def test_final_refusals_are_refusals() -> None:
    assert set(REFUSALS) > FINAL
