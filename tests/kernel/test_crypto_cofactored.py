"""The engine's rule for signatures, on the points where it differs from the ledger's."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from support.engine_signatures import (
    NON_CANONICAL,
    PUBLIC_CASES,
    SMALL_ORDER,
    Signed,
    key_with,
    sign_for_the_engine,
)
from traco.kernel import crypto
from traco.kernel.crypto_cofactored import GROUP_ORDER, is_sound_key, is_valid

ED25519: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "ed25519.json").read_text("ascii")
)
# What CometBFT v0.39.4 (`crypto/ed25519`) answered for these vectors, where it is not what the ledger answers.
ONLY_THE_ENGINE = {
    "key neutral, y is p plus one", "key neutral, sign of zero set", "all zero", "key with a small component that remains",
    "R with a small component", "key and R of small order", *(f"key of small order {number}" for number in range(8)),
    *(f"R of small order {number}" for number in range(8)),
}  # fmt: skip
SEEDS = st.binary(min_size=32, max_size=32)
RIGHT_LENGTH = [each for each in ED25519 if len(each["key"]) == 66 and len(each["signature"]) == 130]


@pytest.mark.parametrize("vector", RIGHT_LENGTH, ids=lambda vector: str(vector["name"]))
def test_the_answer_is_that_of_the_engine(vector: dict[str, Any]) -> None:
    key, message, signature = (bytes.fromhex(vector[part]) for part in ("key", "message", "signature"))
    expected = vector["valid"] or vector["name"] in ONLY_THE_ENGINE
    assert is_valid(key[1:], message, signature[1:]) == expected


def test_every_difference_is_among_the_vectors() -> None:
    assert {each["name"] for each in RIGHT_LENGTH} >= ONLY_THE_ENGINE


@given(SEEDS, st.binary(max_size=80), st.integers(0, 511))
def test_an_honest_signature_is_valid_and_no_bit_of_it_may_change(
    seed: bytes, message: bytes, bit: int
) -> None:
    key = SigningKey(seed)
    public, signature = bytes(key.verify_key), key.sign(message).signature
    forged = bytearray(signature)
    forged[bit // 8] ^= 1 << bit % 8
    assert is_valid(public, message, signature)
    assert not is_valid(public, message, bytes(forged))
    assert not is_valid(public, message + b"x", signature)


def test_the_196_cases_that_the_rule_was_published_with_are_valid() -> None:
    assert len(frozenset(PUBLIC_CASES)) == 196
    assert [case for case in PUBLIC_CASES if not is_valid(*case)] == []


@settings(max_examples=40)  # the curve in plain Python is slow
@given(SEEDS, st.binary(max_size=80), st.integers(0, 7), st.integers(0, 7))
def test_components_of_small_order_do_not_matter(seed: bytes, message: bytes, of_r: int, of_key: int) -> None:
    key, signature = key_with(seed, of_key), sign_for_the_engine(seed, message, of_r, of_key)
    assert is_valid(key, message, signature)
    assert not is_valid(key, message + b"x", signature)
    assert not is_valid(key_with(bytes(32) if any(seed) else b"\1" * 32, of_key), message, signature)


@settings(max_examples=40)
@given(SEEDS, st.binary(max_size=80), st.integers(1, 7))
def test_it_accepts_what_the_ledgers_rule_refuses(seed: bytes, message: bytes, of_r: int) -> None:
    signature = sign_for_the_engine(seed, message, of_r)
    assert not crypto.is_valid(b"\1" + key_with(seed, 0), message, b"\1" + signature)


def test_nobody_accepts_the_public_cases_but_the_engine() -> None:
    assert not any(_by_the_ledgers_rule(case) for case in PUBLIC_CASES)


def _by_the_ledgers_rule(case: Signed) -> bool:
    return crypto.is_valid(b"\1" + case.key, case.message, b"\1" + case.signature)


@pytest.mark.parametrize("key", [*SMALL_ORDER, *NON_CANONICAL], ids=bytes.hex)
def test_a_key_that_anybody_can_sign_for_or_that_is_written_twice_is_not_sound(key: bytes) -> None:
    assert not is_sound_key(key)


@settings(max_examples=40)
@given(SEEDS, st.integers(0, 7))
def test_every_other_key_is_sound(seed: bytes, component: int) -> None:
    key = key_with(seed, component)
    assert is_sound_key(key)
    assert not is_sound_key(key + b"\0")


def test_s_is_below_the_group_order() -> None:
    key = SigningKey(bytes(32))
    signature = key.sign(b"m").signature
    larger = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    assert not is_valid(bytes(key.verify_key), b"m", signature[:32] + larger.to_bytes(32, "little"))


@pytest.mark.parametrize("sizes", [(31, 64), (33, 64), (32, 63), (32, 65), (0, 0)])
def test_other_lengths_are_not_valid(sizes: tuple[int, int]) -> None:
    assert not is_valid(bytes(sizes[0]), b"", bytes(sizes[1]))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=64, max_size=64))
def test_no_bytes_raise(key: bytes, signature: bytes) -> None:
    assert is_valid(key, b"", signature) in (True, False)
