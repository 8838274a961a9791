"""Padding hides the length to its order of magnitude, and has one form for each length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.channels.sealing.padding import LENGTH_BYTES, pad, padded_size, unpad

contents = st.binary(max_size=3_000)
arounds = st.integers(0, 300)


@pytest.mark.parametrize(
    ("size", "padded"),
    [(0, 0), (1, 1), (2, 2), (7, 7), (8, 8), (9, 10), (16, 16), (17, 18), (33, 36), (200, 208), (1_000, 1_024),
     (1_025, 1_088), (65_536, 65_536), (65_537, 67_584), (262_144, 262_144)],
)  # fmt: skip
def test_sizes_are_those_of_the_paper(size: int, padded: int) -> None:
    assert padded_size(size) == padded


@given(st.integers(9, 10_000_000))
def test_padding_costs_at_most_twelve_percent(size: int) -> None:
    assert size <= padded_size(size) <= size * 1.12


@given(st.integers(0, 10_000_000))
def test_a_padded_size_is_padded_to_itself(size: int) -> None:
    assert padded_size(padded_size(size)) == padded_size(size)


@given(contents, arounds)
def test_what_was_padded_comes_out_again(content: bytes, around: int) -> None:
    assert unpad(pad(content, around), around) == content


@given(contents, arounds)
def test_the_whole_has_a_padded_size(content: bytes, around: int) -> None:
    whole = len(pad(content, around)) + around
    assert padded_size(whole) == whole


@given(contents, arounds, st.data())
def test_no_other_bytes_come_out_as_the_same_content(
    content: bytes, around: int, data: st.DataObject
) -> None:
    padded = bytearray(pad(content, around))
    place = data.draw(st.integers(0, len(padded) - 1))
    padded[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpad(bytes(padded), around)
    except ValueError:
        return
    assert found != content
    assert pad(found, around) == bytes(padded)


@given(st.binary(max_size=200), arounds)
def test_any_bytes_are_refused_or_in_their_one_form(raw: bytes, around: int) -> None:
    try:
        content = unpad(raw, around)
    except ValueError:
        return
    assert pad(content, around) == raw


@pytest.mark.parametrize("raw", [b"", b"\0", bytes(LENGTH_BYTES - 1), b"\xff" * 40])
def test_what_cannot_be_padded_content_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError):
        unpad(raw, 0)


def test_padding_that_is_not_zero_is_refused() -> None:
    padded = pad(b"x" * 101, 0)
    assert len(padded) == 112
    with pytest.raises(ValueError):
        unpad(padded[:-1] + b"\1", 0)


def test_padding_of_another_size_is_refused() -> None:
    padded = pad(b"x" * 101, 0)
    for other in (padded + b"\0", padded[:-1], padded[:105]):
        with pytest.raises(ValueError):
            unpad(other, 0)
