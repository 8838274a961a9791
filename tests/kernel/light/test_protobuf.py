"""Protobuf as the engine writes it; whole messages are pinned by what a real network signed (`test_hashing`)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.kernel.light.protobuf import delimited, fixed64, integer, message, octets, varint


def read_varint(raw: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(raw))


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "00"), (1, "01"), (127, "7f"), (128, "8001"), (300, "ac02"), (2**63 - 1, "ffffffffffffffff7f")],
)
def test_a_varint_has_the_form_of_the_protobuf_encoding_guide(value: int, written: str) -> None:
    assert varint(value).hex() == written


@given(st.integers(0, 2**64 - 1))
def test_a_varint_reads_back_and_marks_every_byte_but_the_last(value: int) -> None:
    raw = varint(value)
    assert read_varint(raw) == value
    assert [byte >> 7 for byte in raw] == [1] * (len(raw) - 1) + [0]
    assert len(raw) == max(1, -(-value.bit_length() // 7))


def test_fields_carry_number_and_wire_type() -> None:
    assert integer(1, 150).hex() == "089601"
    assert fixed64(2, 1).hex() == "110100000000000000"
    assert octets(16, b"ab").hex() == "8201026162"


def test_empty_fields_are_left_out_but_for_messages() -> None:
    assert (integer(1, 0), fixed64(2, 0), octets(3, b"")) == (b"", b"", b"")
    assert message(5, b"").hex() == "2a00"


@given(st.binary(max_size=400))
def test_a_delimited_message_has_its_length_before_it(raw: bytes) -> None:
    framed = delimited(raw)
    prefix = framed[: len(framed) - len(raw)]
    assert (read_varint(prefix), framed[len(prefix) :]) == (len(raw), raw)
