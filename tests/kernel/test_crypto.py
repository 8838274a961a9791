"""Signature schemes: what is accepted, pinned by vectors at the edges."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from traco.kernel import crypto
from traco.kernel.crypto import (
    KeyInvalid,
    LibraryUnsuitable,
    SignatureInvalid,
    check_public_key,
    is_valid,
    verify,
)

VECTORS = Path(__file__).parents[1] / "vectors"
ED25519: list[dict[str, Any]] = json.loads((VECTORS / "ed25519.json").read_text("ascii"))
P256: list[dict[str, Any]] = json.loads((VECTORS / "p256.json").read_text("ascii"))
KEYS_REFUSED = {
    "key with y at or above p",
    "key neutral, y is p plus one",
    "key neutral, sign of zero set",
    "key not on the curve",
    "all zero",
    "key and R of small order",
    "key with a small component that cancels",
    "key with a small component that remains",
    *(f"key of small order {i}" for i in range(8)),
}


def parts(case: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    return (bytes.fromhex(case["key"]), bytes.fromhex(case["message"]), bytes.fromhex(case["signature"]))


def named(cases: list[dict[str, Any]], name: str) -> tuple[bytes, bytes, bytes]:
    return parts(next(case for case in cases if case["name"] == name))


def outcome(key: bytes, message: bytes, signature: bytes) -> str | None:
    try:
        verify(key, message, signature)
    except SignatureInvalid as error:
        return error.code
    return None


def key_outcome(key: bytes) -> str | None:
    try:
        check_public_key(key)
    except KeyInvalid as error:
        return error.code
    return None


@pytest.mark.parametrize("case", ED25519, ids=lambda case: case["name"])
def test_ed25519_answers_as_pinned(case: dict[str, Any]) -> None:
    assert outcome(*parts(case)) == (None if case["valid"] else "signature.wrong")


@pytest.mark.parametrize("case", ED25519, ids=lambda case: case["name"])
def test_ed25519_keys_are_refused_unless_of_prime_order_and_canonical(case: dict[str, Any]) -> None:
    assert key_outcome(parts(case)[0]) == ("key.point" if case["name"] in KEYS_REFUSED else None)


@pytest.mark.parametrize("case", [case for case in ED25519 if "seed" in case], ids=lambda case: case["name"])
def test_libsodium_signs_the_rfc8032_messages_as_the_vectors_say(case: dict[str, Any]) -> None:
    key, message, signature = parts(case)
    public, secret = crypto_sign_seed_keypair(bytes.fromhex(case["seed"]))
    assert (b"\1" + public, b"\1" + crypto_sign(message, secret)[:64]) == (key, signature)


@pytest.mark.parametrize("case", P256, ids=lambda case: case["name"])
def test_p256_answers_as_pinned(case: dict[str, Any]) -> None:
    assert outcome(*parts(case)) == case["code"]


@pytest.mark.parametrize("case", P256, ids=lambda case: case["name"])
def test_p256_keys_are_refused_unless_compressed_points(case: dict[str, Any]) -> None:
    key = parts(case)[0]
    expected = "key.length" if len(key) != 34 else "key.point" if case["code"] == "signature.key" else None
    assert key_outcome(key) == expected


@pytest.mark.parametrize("length", [1, 32, 34, 65])
def test_an_ed25519_key_of_another_length_is_refused(length: int) -> None:
    key = (named(ED25519, "ordinary")[0] * 2)[:length]
    assert key_outcome(key) == "key.length"


@pytest.mark.parametrize("change", [-1, 1])
def test_verification_refuses_an_ed25519_key_of_another_length(change: int) -> None:
    key, message, signature = named(ED25519, "ordinary")
    assert outcome((key + b"\0")[: 33 + change], message, signature) == "signature.length"


def test_bytes_do_not_move_between_signature_and_message() -> None:
    key, message, signature = named(ED25519, "ordinary")
    assert outcome(key, signature[-1:] + message, signature[:-1]) == "signature.length"
    assert outcome(key, message[1:], signature + message[:1]) == "signature.length"


@pytest.mark.parametrize("scheme", [b"", b"\0", b"\3", b"\xff"])
def test_an_unknown_scheme_is_refused(scheme: bytes) -> None:
    key, message, signature = named(ED25519, "ordinary")
    assert outcome(
        scheme + key[1:] if scheme else b"", message, scheme + signature[1:] if scheme else b""
    ) == ("signature.scheme")
    assert key_outcome(scheme + key[1:] if scheme else b"") == "key.scheme"


def test_key_and_signature_must_name_the_same_scheme() -> None:
    key, message, signature = named(ED25519, "ordinary")
    p256_key, p256_message, p256_signature = named(P256, "ordinary")
    assert outcome(key, message, b"\2" + signature[1:]) == "signature.scheme"
    assert outcome(p256_key, p256_message, b"\1" + p256_signature[1:]) == "signature.scheme"


@pytest.mark.parametrize("cases", [ED25519, P256])
def test_is_valid_says_whether_verify_returns(cases: list[dict[str, Any]]) -> None:
    assert [is_valid(*parts(case)) for case in cases] == [outcome(*parts(case)) is None for case in cases]


@pytest.mark.parametrize("cases", [ED25519, P256], ids=["ed25519", "p256"])
def test_any_changed_byte_of_the_signature_is_refused(cases: list[dict[str, Any]]) -> None:
    key, message, signature = named(cases, "ordinary")
    accepted = []
    for index in range(len(signature)):
        forged = bytearray(signature)
        forged[index] ^= 1 << index % 8
        if is_valid(key, message, bytes(forged)):
            accepted.append(index)
    assert accepted == []


BYTES = st.one_of(
    st.binary(max_size=80),
    st.builds(
        bytes.__add__, st.sampled_from([b"\1", b"\2", b"\2\2", b"\2\3"]), st.binary(min_size=31, max_size=65)
    ),
    st.sampled_from([part for case in ED25519 + P256 for part in parts(case)]),
)


@settings(max_examples=300, deadline=None)
@given(BYTES, BYTES, BYTES)
def test_no_bytes_raise_anything_else(key: bytes, message: bytes, signature: bytes) -> None:
    outcome(key, message, signature)
    key_outcome(key)


def test_the_installed_libsodium_follows_the_pinned_rule() -> None:
    crypto.check_library()


@pytest.mark.parametrize("index", range(5))
def test_a_libsodium_that_answers_one_probe_otherwise_stops_the_node(
    index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = list(crypto._PROBES)
    accepted, key, signature = probes[index]
    probes[index] = (not accepted, key, signature)
    monkeypatch.setattr(crypto, "_PROBES", tuple(probes))
    with pytest.raises(LibraryUnsuitable):
        crypto.check_library()


def test_every_probe_is_one_of_the_vectors() -> None:
    vectors = {(case["valid"], case["key"], case["signature"]) for case in ED25519}
    assert [
        probe for probe in crypto._PROBES if (probe[0], "01" + probe[1], "01" + probe[2]) not in vectors
    ] == []


def test_the_vectors_are_what_their_script_writes() -> None:
    script = runpy.run_path(str(VECTORS / "make_signature_vectors.py"))
    made = script["ed25519_rfc8032"]() + script["ed25519_encodings"]() + script["ed25519_small_order"]()
    assert made == ED25519
    assert script["p256_cases"]() == P256
