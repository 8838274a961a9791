"""The messages of ABCI against what Google's protobuf writes, and against themselves."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.abci_samples import PARAMS, SAMPLES, VALIDATORS, plain
from traco.engine.cometbft.abci.messages import (
    REQUESTS,
    RESPONSES,
    ExecTxResult,
    RequestCheckTx,
    RequestEcho,
    RequestFinalizeBlock,
    RequestFlush,
    ResponseFinalizeBlock,
    Timestamp,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
)
from traco.engine.cometbft.abci.wire import Message, WireError, read_varint
from traco.kernel.light.protobuf import varint

FOLDER = Path(__file__).parents[3] / "vectors"
VECTORS: list[dict[str, Any]] = json.loads((FOLDER / "abci.json").read_text(encoding="utf-8"))
RECORDED: list[dict[str, str]] = json.loads((FOLDER / "abci_recorded.json").read_text(encoding="utf-8"))


def written(message: Message) -> bytes:
    """A message as it is sent."""
    return encode_request(message) if type(message) in REQUESTS.values() else encode_response(message)


def read(kind: type[Message], frame: bytes) -> Message:
    """The message in a frame."""
    size, start = read_varint(frame, 0)
    assert size == len(frame) - start
    return decode_request(frame[start:]) if kind in REQUESTS.values() else decode_response(frame[start:])


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_a_sample_is_written_as_protobuf_writes_it_and_read_back(sample: Message) -> None:
    fields = {"message": type(sample).__name__, "fields": plain(sample)}
    frame = bytes.fromhex(next(vector["frame"] for vector in VECTORS if fields.items() <= vector.items()))
    assert written(sample) == frame
    assert read(type(sample), frame) == sample


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded["message"])
def test_what_cometbft_0_39_4_sent_is_read_and_written_again(recorded: dict[str, str]) -> None:
    frame = bytes.fromhex(recorded["frame"])
    message = read(RequestEcho, frame)
    assert type(message).__name__ == recorded["message"]
    assert written(message) == frame


def test_every_kind_of_message_has_a_vector() -> None:
    kinds = {kind.__name__ for kind in (*REQUESTS.values(), *RESPONSES.values())}
    assert {vector["message"] for vector in VECTORS} == kinds


INT64 = st.integers(-(2**63), 2**63 - 1)
RESULTS = st.builds(
    ExecTxResult, st.integers(0, 2**32 - 1), st.binary(max_size=40), st.text(max_size=9), st.text(max_size=9)
)


@given(
    st.lists(st.binary(max_size=300)),
    INT64,
    INT64,
    st.integers(-(2**31), 2**31 - 1),
    st.binary(),
    st.binary(),
)
def test_a_block_is_read_as_it_was_written(
    txs: list[bytes], height: int, seconds: int, nanos: int, commit: bytes, hashed: bytes
) -> None:
    block = RequestFinalizeBlock(tuple(txs), commit, (), hashed, height, Timestamp(seconds, nanos))
    assert read(RequestFinalizeBlock, written(block)) == block


@given(st.lists(RESULTS, max_size=6), st.integers(1, 3), st.booleans(), st.binary())
def test_results_are_read_as_they_were_written_also_where_one_object_repeats(
    results: list[ExecTxResult], times: int, changes: bool, app_hash: bytes
) -> None:
    repeated = tuple(result for result in results for _ in range(times))
    answer = ResponseFinalizeBlock(
        repeated, VALIDATORS if changes else (), PARAMS if changes else None, app_hash
    )
    assert read(ResponseFinalizeBlock, written(answer)) == answer


@given(st.binary(max_size=200))
def test_whatever_bytes_come_they_are_a_request_or_an_error(payload: bytes) -> None:
    try:
        message = decode_request(payload)
    except WireError:
        return
    assert read(type(message), encode_request(message)) == message


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("", "ends before its message begins"),
        ("0a", "ends before its message begins"),
        ("2200", "unknown field 4"),
        ("aa0100", "unknown field 21"),
        ("0800", "unknown field 1 of wire type 0"),
        ("12001200", "does not consist of one RequestFlush"),
        ("1201", "does not consist of one RequestFlush"),
    ],
)
def test_a_request_is_exactly_one_known_message(payload: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        decode_request(bytes.fromhex(payload))


def inside(number: int, body: str) -> bytes:
    """A request of one field, with this body."""
    raw = bytes.fromhex(body)
    return varint(number << 3 | 2) + varint(len(raw)) + raw


@pytest.mark.parametrize(
    ("number", "body", "why"),
    [
        (1, "0a05616263", "RequestEcho ends in the middle of a field"),
        (1, "0a01ff", "a text is not UTF-8"),
        (1, "0a01610a0162", "RequestEcho has a field twice"),
        (1, "0801", "field 1 of RequestEcho has wire type 0"),
        (1, "0201", "field 0 of RequestEcho"),
        (1, "13", "wire type 3 is not in use"),
        (1, "11", "RequestEcho ends in the middle of a field"),
        (1, "1101020304", "RequestEcho ends in the middle of a field"),
        (1, "ffffffffffffffffffff01", "an integer has more than ten bytes"),
        (1, "10ffffffffffffffffff02", "an integer has more than 64 bits"),
        (8, "1002", "2 is no CheckTxType"),
        (14, "1080808080" + "10", "4294967296 has more than 32 bits"),
        (20, "3203080108", "Timestamp"),
    ],
)
def test_what_cometbft_never_writes_is_refused(number: int, body: str, why: str) -> None:
    with pytest.raises(WireError, match=why):
        decode_request(inside(number, body))


@pytest.mark.parametrize("unknown", ["1005", "11" + "00" * 8, "1a03616263", "25" + "00" * 4, "c23e00"])
def test_unknown_fields_are_skipped(unknown: str) -> None:
    assert decode_request(inside(1, unknown + "0a0161")) == RequestEcho("a")
    assert decode_request(inside(2, unknown)) == RequestFlush()


def test_a_varint_longer_than_needed_is_still_its_value() -> None:
    assert decode_request(inside(8, "108000")) == RequestCheckTx()


def test_a_packed_list_ends_with_its_field() -> None:
    with pytest.raises(WireError, match="ends in the middle"):
        decode_response(inside(16, "120180"))
