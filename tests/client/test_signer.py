"""Signers in memory: what they sign is accepted, what they hold is not shown."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.client.signer import Ed25519Signer, P256Signer, Signer, signer_from_seed
from traco.kernel.crypto import Scheme, check_public_key, verify

KINDS = [Ed25519Signer, P256Signer]
SEED = bytes(range(32))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(message=st.binary(max_size=200), seed=st.binary(min_size=32, max_size=32))
def test_what_it_signs_verifies(kind: type[Ed25519Signer | P256Signer], message: bytes, seed: bytes) -> None:
    signer: Signer = kind.from_seed(seed)
    check_public_key(signer.public_key)
    verify(signer.public_key, message, signer.sign(message))


@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_key_verifies_and_is_new(kind: type[Ed25519Signer | P256Signer]) -> None:
    first, second = kind.generate(), kind.generate()
    verify(first.public_key, b"message", first.sign(b"message"))
    assert (first.public_key == second.public_key) is False


@pytest.mark.parametrize("kind", KINDS)
def test_signing_again_gives_the_same_signature(kind: type[Ed25519Signer | P256Signer]) -> None:
    assert kind.from_seed(SEED).sign(b"message") == kind.from_seed(SEED).sign(b"message")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [bytes(32), b"\xff" * 32])
def test_every_seed_is_a_key(kind: type[Ed25519Signer | P256Signer], seed: bytes) -> None:
    check_public_key(kind.from_seed(seed).public_key)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_seed_of_another_length_is_refused(kind: type[Ed25519Signer | P256Signer], size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        kind.from_seed(bytes(size))


def test_the_keys_of_a_seed_are_pinned() -> None:
    assert [signer_from_seed(scheme, SEED).public_key.hex() for scheme in Scheme] == [
        "0103a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8",
        "020230c7eee12724aa74749ed290b1c8f95c02c68869a8d221142e38f55e4a00a930",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_its_representation_shows_the_public_key_only(kind: type[Ed25519Signer | P256Signer]) -> None:
    signer = kind.from_seed(SEED)
    assert repr(signer) == f"{kind.__name__}({signer.public_key.hex()})"
    assert str(signer) == repr(signer)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_cannot_be_copied(kind: type[Ed25519Signer | P256Signer], send: object) -> None:
    assert callable(send)
    with pytest.raises(TypeError, match="secret"):
        send(kind.from_seed(SEED))


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_no_dictionary_that_a_tool_could_dump(kind: type[Ed25519Signer | P256Signer]) -> None:
    assert hasattr(kind.from_seed(SEED), "__dict__") is False
