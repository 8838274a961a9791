"""Signing of checkpoints, the seals of the embedded engine. Form and check are in ``kernel.seal``."""

from __future__ import annotations

from typing import Protocol

from traco.kernel import crypto
from traco.kernel.seal import Checkpoint, checkpoint_note, checkpoint_text


class CheckpointSigner(Protocol):
    """What the engine needs of a signer."""

    @property
    def public_key(self) -> bytes:
        """The public key with its scheme byte; it must be one of ed25519."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature over ``message``, with its scheme byte."""
        ...


def sign_checkpoint(checkpoint: Checkpoint, network: bytes, signer: CheckpointSigner) -> bytes:
    """The signed note that seals ``checkpoint`` for ``network`` (the network id).

    Raises ``SealInvalid`` (``seal.key``) if the signer is none of ed25519, and ``SignatureInvalid`` if what
    it returned is no signature: better no seal than one that every receipt with it fails on.
    """
    text = checkpoint_text(checkpoint, network)
    signature = signer.sign(text)
    note = checkpoint_note(checkpoint, network, signer.public_key, signature)
    crypto.verify(signer.public_key, text, signature)
    return note
