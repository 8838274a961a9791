"""A stream is cut into the same frames however it arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.engine.cometbft.abci.frames import FrameReader, FrameTooLarge
from traco.engine.cometbft.abci.wire import WireError
from traco.kernel.light.protobuf import delimited


@given(st.lists(st.binary(max_size=300), max_size=8), st.data())
def test_frames_come_out_as_they_went_in_wherever_the_stream_is_split(
    frames: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(map(delimited, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader, found = FrameReader(), list[bytes]()
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[start:stop])
    assert found == frames


def test_a_frame_of_the_greatest_length_passes_and_a_longer_one_does_not() -> None:
    assert FrameReader(200).feed(delimited(bytes(200))) == [bytes(200)]
    with pytest.raises(FrameTooLarge, match="201 bytes"):
        FrameReader(200).feed(delimited(bytes(201))[:2])  # known from the length alone


def test_a_length_that_never_ends_is_refused() -> None:
    reader = FrameReader()
    assert reader.feed(b"\xff" * 9) == []
    with pytest.raises(WireError, match="more than ten bytes"):
        reader.feed(b"\xff")


def test_what_is_missing_of_a_frame_is_known_once_its_length_is_known() -> None:
    reader, stream = FrameReader(), delimited(bytes(1_000))
    known = []
    for part in (b"", stream[:2], stream[2:600], stream[600:]):
        reader.feed(part)
        known.append(reader.missing)
    assert known == [1, 1_000, 402, 1]
