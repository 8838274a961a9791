"""One meaning has one form: everything else is refused, and what is refused costs nothing."""

from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traco.kernel.codec import (
    MAX_AMOUNT,
    MAX_TIME_MS,
    Amount,
    Code,
    Codec,
    Count,
    CurrencyCode,
    Hash,
    Height,
    Id,
    IsoDate,
    Label,
    Ledger,
    NotCanonical,
    PositiveAmount,
    PublicKey,
    RatePpm,
    Record,
    Reference,
    Salt,
    SignatureBytes,
    TimeMs,
    derive_id,
    digest,
    encode,
)


class Point(Record, frozen=True, tag=7):
    x: Count
    name: Code = "origin"


class Holder(Record, frozen=True):
    content: Any


POINT: Codec[Point] = Codec(Point)
ANYTHING: Codec[Holder] = Codec(Holder)


def test_a_record_is_an_array_with_its_tag_first() -> None:
    assert encode(Point(5, "a")) == b"\x93\x07\x05\xa1a"


def test_a_record_reads_back() -> None:
    assert POINT.decode(encode(Point(5, "a"))) == Point(5, "a")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x93\x07\xcc\x05\xa1a",  # an integer in two bytes
        b"\x93\x07\xcd\x00\x05\xa1a",
        b"\x93\x07\xd0\x05\xa1a",  # a signed integer
        b"\x93\xcc\x07\x05\xa1a",  # the tag in two bytes
        b"\x93\x07\x05\xd9\x01a",  # a string with a long head
        b"\xdc\x00\x03\x07\x05\xa1a",  # an array with a long head
        b"\x92\x07\x05",  # a default left out
    ],
)
def test_another_form_of_the_same_value_is_not_canonical(raw: bytes) -> None:
    assert POINT.trusted(raw).x == 5
    with pytest.raises(NotCanonical) as caught:
        POINT.decode(raw)
    assert str(caught.value) == "another encoding of the same value exists"


@pytest.mark.parametrize(
    "raw",
    [
        b"\x93\x07\x05\xa1a\xc0",  # trailing byte
        b"\x94\x07\x05\xa1a\xc0",  # an element too many
        b"\x91\x07",  # an element too few
        b"\x93\x06\x05\xa1a",  # another tag
        b"\x93\xa17\x05\xa1a",  # a tag in words
        b"\x93\x07\xcb\x40\x14\x00\x00\x00\x00\x00\x00\xa1a",  # 5.0
        b"\x93\x07\xca\x40\xa0\x00\x00\xa1a",
        b"\x93\x07\xc3\xa1a",  # true
        b"\x93\x07\xa15\xa1a",  # "5"
        b"\x93\x07\xff\xa1a",  # -1
        b"\x93\x07\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1a",  # 2**32
        b"\x93\x07\x05\xc4\x01a",  # bytes for text
        b"\x93\x07\x05\xa0",  # empty code
        b"\x93\x07\x05\xa2a\n",  # line feed at the end of a code
        b"\x93\x07\x05\xa1\xff",  # not UTF-8
        b"\x83\xa1x\x05\xa4name\xa1a\xa4type\x07",  # an object
        b"\xc0",
        b"",
    ],
)
def test_what_is_not_a_value_is_a_value_error_but_not_a_question_of_form(raw: bytes) -> None:
    with pytest.raises(ValueError) as caught:
        POINT.decode(raw)
    assert not isinstance(caught.value, NotCanonical)


@pytest.mark.parametrize("length", range(5))
def test_a_truncated_record_is_refused(length: int) -> None:
    with pytest.raises(msgspec.DecodeError):
        POINT.decode(encode(Point(5, "a"))[:length])


@pytest.mark.parametrize("depth", [1_100, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    with pytest.raises(msgspec.DecodeError) as caught:
        ANYTHING.decode(b"\x91" * depth + b"\xc0")
    assert str(caught.value) == "nested too deeply"


@pytest.mark.parametrize("depth", range(900, 1_000, 9))
def test_nesting_at_the_edge_of_the_stack_never_ends_in_a_recursion_error(depth: int) -> None:
    raw = b"\x91" * depth + b"\xc0"
    with suppress(msgspec.DecodeError):
        assert encode(ANYTHING.decode(raw)) == raw


@pytest.mark.parametrize("head", [b"\xdd", b"\xdf", b"\xdb", b"\xc6", b"\xc9"])
@pytest.mark.parametrize("kind", [Holder, tuple[int, ...], dict[str, int], bytes, str])
def test_a_length_without_content_is_refused_before_it_is_allocated(head: bytes, kind: Any) -> None:
    with pytest.raises(msgspec.DecodeError):
        Codec[Any](kind).decode(b"\x91" + head + b"\xff\xff\xff\xff" + bytes(100))


@given(st.binary(max_size=80))
def test_hostile_bytes_raise_value_errors_only(raw: bytes) -> None:
    for codec in (POINT, ANYTHING):
        try:
            value = codec.decode(raw)
        except ValueError:
            continue
        assert encode(value) == raw


BOUNDS: list[tuple[Any, list[Any], list[Any]]] = [
    (Id, [bytes(16)], [bytes(15), bytes(17)]),
    (Salt, [bytes(16)], [bytes(15), bytes(17)]),
    (Hash, [bytes(32)], [bytes(31), bytes(33)]),
    (Ledger, [b"", bytes(32)], [bytes(33)]),
    (PublicKey, [bytes(33), bytes(34)], [bytes(32), bytes(35)]),
    (SignatureBytes, [bytes(65)], [bytes(64), bytes(66)]),
    (Amount, [0, 2**63 - 1], [-1, 2**63]),
    (PositiveAmount, [1, 2**63 - 1], [0, 2**63]),
    (Count, [0, 2**32 - 1], [-1, 2**32]),
    (Height, [0, 2**53 - 1], [-1, 2**53]),
    (TimeMs, [0, 2**53 - 1], [-1, 2**53]),
    (RatePpm, [0, 1_000_000], [-1, 1_000_001]),
    (Reference, [b"", bytes(64)], [bytes(65)]),
    (Label, ["x", "x" * 128, "é\n"], ["", "x" * 129]),
    (Code, ["a", "A9._/:-", "x" * 64], ["", ".a", "-a", "a b", "é", "a\n", "x" * 65]),
    (
        IsoDate,
        ["2026-01-01", "2026-12-31", "0000-09-30", "2026-10-19"],
        [
            "2026-00-01",
            "2026-13-01",
            "2026-01-00",
            "2026-01-32",
            "2026-1-01",
            "2026-01-01\n",
            "x2026-01-01",
            "26-01-01",
        ],
    ),
    (CurrencyCode, ["EUR"], ["EU", "EURO", "eur", "EUR\n", "E1R"]),
]


@pytest.mark.parametrize(("kind", "good", "bad"), BOUNDS)
def test_bounded_types_hold_their_bounds(kind: Any, good: list[Any], bad: list[Any]) -> None:
    codec: Codec[Any] = Codec(kind)
    assert [codec.decode(encode(value)) for value in good] == good
    for value in bad:
        with pytest.raises(ValueError):
            codec.decode(encode(value))


def test_the_largest_numbers() -> None:
    assert (MAX_AMOUNT, MAX_TIME_MS) == (9_223_372_036_854_775_807, 9_007_199_254_740_991)


def test_a_digest_is_sha256_over_tag_zero_and_parts() -> None:
    assert digest(b"tag", b"a", b"b") == sha256(b"tag\0ab").digest()


def test_ids_differ_by_kind_creator_and_salt() -> None:
    ids = [
        derive_id(kind, creator, salt)
        for kind in ("account", "instrument")
        for creator in (bytes(16), b"\1" * 16)
        for salt in (bytes(16), b"\1" * 16)
    ]
    assert len(dict.fromkeys(ids)) == 8
    assert [len(identity) for identity in ids] == [16] * 8


def test_the_creators_length_is_part_of_the_id() -> None:
    assert derive_id("x", b"ab", b"c") != derive_id("x", b"a", b"bc")
