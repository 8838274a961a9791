"""Signing of checkpoints: whoever has the note and the key can check it."""

from __future__ import annotations

import pytest

from traco.client.signer import Ed25519Signer, P256Signer
from traco.engine.embedded.checkpoint import sign_checkpoint
from traco.kernel.crypto import SignatureInvalid
from traco.kernel.seal import Checkpoint, SealInvalid, verify_checkpoint

NETWORK = b"\x07" * 32
CHECKPOINT = Checkpoint(12, 1_700_000_000_000, b"\x01" * 32)


class WrongSigner:
    """Claims one key and signs with another, as a misconfigured device may."""

    public_key = Ed25519Signer.from_seed(bytes(32)).public_key

    def sign(self, message: bytes) -> bytes:
        return Ed25519Signer.from_seed(b"\1" * 32).sign(message)


def test_a_signed_checkpoint_verifies() -> None:
    signer = Ed25519Signer.generate()
    note = sign_checkpoint(CHECKPOINT, NETWORK, signer)
    assert verify_checkpoint(note, NETWORK, signer.public_key) == CHECKPOINT


def test_the_same_checkpoint_gives_the_same_bytes() -> None:
    signer = Ed25519Signer.from_seed(bytes(32))
    assert sign_checkpoint(CHECKPOINT, NETWORK, signer) == sign_checkpoint(CHECKPOINT, NETWORK, signer)


def test_a_p256_signer_is_refused() -> None:
    with pytest.raises(SealInvalid, match=r"^seal\.key$"):
        sign_checkpoint(CHECKPOINT, NETWORK, P256Signer.generate())


def test_a_signer_that_signs_with_another_key_is_found_before_the_note_is_given_out() -> None:
    with pytest.raises(SignatureInvalid):
        sign_checkpoint(CHECKPOINT, NETWORK, WrongSigner())
