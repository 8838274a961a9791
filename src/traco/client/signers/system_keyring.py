"""Keys whose seeds are kept by the operating system's keyring: Secret Service (GNOME, KDE), Keychain, Credential Locker.

    create_key("bank-a/main", Scheme.ED25519)
    signer = keyring_signer("bank-a/main")
    print(signer.public_key.hex())

What a keyring protects against differs: as a rule every program of the logged-in user can read it. Keyrings that keep their
content in plain files are refused. The seed is in memory while its signer lives, as with a key store.
"""

import os
import re
from typing import Final

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from traco.client.signer import SEED_BYTES, Ed25519Signer, P256Signer, signer_from_seed
from traco.client.signers.errors import SignerError
from traco.kernel.crypto import Scheme

SERVICE: Final = "traco"
SAFE_PRIORITY: Final = 1
"""The ``keyring`` package gives backends that it recommends at least this; those in plain files, and none, less."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._/@-]{0,126}")
_STORED: Final = re.compile(r"traco-seed/1 (ed25519|p256) ([0-9a-f]{64})")


def create_key(name: str, scheme: Scheme = Scheme.ED25519) -> Ed25519Signer | P256Signer:
    """Make a key from the operating system's randomness, store it, and read it back. Raises ``SignerError``."""
    backend = _backend()
    if _read(backend, name) is not None:
        raise SignerError(
            "signer.key_exists", f"The keyring has a key {name!r} already; choose another name."
        )
    stored = f"traco-seed/1 {scheme.name.lower()} {os.urandom(SEED_BYTES).hex()}"
    try:
        backend.set_password(SERVICE, name, stored)
    except KeyringError as error:
        raise _failed(error) from None
    return keyring_signer(name)


def keyring_signer(name: str) -> Ed25519Signer | P256Signer:
    """The signer of a key that the keyring has. Raises ``SignerError``."""
    stored = _read(_backend(), name)
    if stored is None:
        raise SignerError("signer.key_unknown", f"The keyring has no key {name!r} of Traco.")
    found = _STORED.fullmatch(stored)
    if found is None:
        raise SignerError(
            "signer.key_damaged", f"What the keyring has as {name!r} is no key of Traco; remove it there."
        )
    return signer_from_seed(Scheme[found[1].upper()], bytes.fromhex(found[2]))


def delete_key(name: str) -> None:
    """Delete a key for good. Raises ``SignerError``."""
    keyring_signer(name)
    try:
        _backend().delete_password(SERVICE, name)
    except KeyringError as error:
        raise _failed(error) from None


def _backend() -> KeyringBackend:
    backend = keyring.get_keyring()
    if backend.priority < SAFE_PRIORITY:
        raise SignerError(
            "signer.keyring_unavailable",
            f"No keyring that protects keys is available here (found: {type(backend).__module__}). Start one, such as "
            "GNOME Keyring or KWallet, or keep keys in a key store: traco key create",
        )
    return backend


def _read(backend: KeyringBackend, name: str) -> str | None:
    if _NAME.fullmatch(name) is None:
        raise SignerError("signer.name_unusable", f"{name[:80]!r} cannot name a key in a keyring.")
    try:
        return backend.get_password(SERVICE, name)
    except KeyringError as error:
        raise _failed(error) from None


def _failed(error: KeyringError) -> SignerError:
    # only the kind: a backend's own text is not ours to vouch for
    return SignerError(
        "signer.keyring_failed", f"The keyring refused ({type(error).__name__}). Unlock it and try again."
    )
