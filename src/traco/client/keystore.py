"""The key store: one encrypted file per party with its keys, each under a name, with roles.

    with KeyStore.create(path, passphrase) as store:
        store.generate("treasury", roles=("sign",))
        signature = store.signer("treasury").sign(message)

Every change is on disk before the call returns, or is refused. Roles are a note of what the party
uses a key for; what a key may do is decided by the ledger. The bytes of the file are described in
``keystore_file``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self, SupportsIndex

import msgspec

from traco.client.keystore_file import (
    MAX_FILE_BYTES,
    NAME_PATTERN,
    NONCE_BYTES,
    PRODUCTION_COST,
    SALT_BYTES,
    Argon2,
    Cost,
    KeyStoreError,
    SecretKey,
    decrypt_keys,
    derive_key,
    encrypt_keys,
    parse_file,
    write_file,
)
from traco.client.private_file import FileChanged, NotPrivate, TooLarge, read_private, replace_private
from traco.client.signer import SEED_BYTES, Ed25519Signer, P256Signer, signer_from_seed
from traco.kernel.crypto import Scheme

__all__ = ["PRODUCTION_COST", "Cost", "KeyEntry", "KeyStore", "KeyStoreError"]


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What may be known of a key: its name, scheme, roles (sorted) and public key with scheme byte."""

    name: str
    scheme: Scheme
    roles: tuple[str, ...]
    public_key: bytes


class KeyStore:
    """An unlocked key store file, made by ``create`` or ``open``. Errors are ``KeyStoreError`` with a code.

    It keeps the key of the file in memory, so that changes need no passphrase, until it is closed.
    """

    def __init__(self, path: Path, derivation: Argon2, key: bytes) -> None:
        """Not for callers: use ``create`` or ``open``."""
        self._path = path
        self._derivation = derivation
        self._file_key = key
        self._content: bytes | None = None  # of the file, as last seen; None before it exists
        self._keys: tuple[SecretKey, ...] = ()
        self._is_closed = False

    @classmethod
    def create(cls, path: str | Path, passphrase: str, cost: Cost = PRODUCTION_COST) -> Self:
        """A new file without keys, which only its owner can read.

        Raises ``keystore.exists``, ``keystore.passphrase_unusable``, ``keystore.parameters_refused``,
        ``keystore.out_of_memory``, ``keystore.unavailable``.
        """
        target = _real(path)
        if target.exists():
            raise KeyStoreError("keystore.exists", target)
        derivation = Argon2(cost, os.urandom(SALT_BYTES))
        store = cls(target, derivation, derive_key(passphrase, derivation))
        store._save((), derivation, store._file_key)
        return store

    @classmethod
    def open(cls, path: str | Path, passphrase: str) -> Self:
        """The key store at ``path``, unlocked.

        Raises ``keystore.not_found``, ``keystore.insecure_permissions``, ``keystore.damaged``,
        ``keystore.newer_format``, ``keystore.parameters_refused``, ``keystore.wrong_passphrase`` (which
        includes a file altered on purpose), ``keystore.passphrase_unusable``, ``keystore.out_of_memory``,
        ``keystore.unavailable``.
        """
        target = _real(path)
        content = _read(target)
        sealed = parse_file(content, target)
        store = cls(target, sealed.argon2id, derive_key(passphrase, sealed.argon2id))
        store._keys = decrypt_keys(sealed, store._file_key, target)
        store._content = content
        return store

    def keys(self) -> tuple[KeyEntry, ...]:
        """All keys, sorted by name, without their secrets."""
        return tuple(_entry(key) for key in sorted(self._opened(), key=lambda key: key.name))

    def signer(self, name: str) -> Ed25519Signer | P256Signer:
        """The signer for a key. Raises ``keystore.key_unknown``."""
        key = self._find(name)
        return signer_from_seed(key.scheme, key.seed)

    def generate(
        self, name: str, scheme: Scheme = Scheme.ED25519, roles: Iterable[str] = ("sign",)
    ) -> KeyEntry:
        """Make a new key from the randomness of the operating system. Raises like ``add``."""
        return self.add(name, scheme, os.urandom(SEED_BYTES), roles)

    def add(self, name: str, scheme: Scheme, seed: bytes, roles: Iterable[str] = ("sign",)) -> KeyEntry:
        """Store the key of this seed (32 bytes, else ``ValueError``).

        Raises ``keystore.key_exists``, ``keystore.name_unusable`` (of key or role), ``keystore.full``.
        """
        keys = self._opened()
        ordered = tuple(sorted(set(roles)))
        for word in (name, *ordered):
            _check_name(word)
        if any(key.name == name for key in keys):
            raise KeyStoreError("keystore.key_exists", name)
        key = SecretKey(name, scheme, ordered, seed)
        entry = _entry(key)
        self._save((*keys, key), self._derivation, self._file_key)
        return entry

    def remove(self, name: str) -> None:
        """Delete a key for good. Raises ``keystore.key_unknown``."""
        gone = self._find(name)
        self._save(tuple(key for key in self._keys if key is not gone), self._derivation, self._file_key)

    def rename(self, name: str, new_name: str) -> None:
        """Give a key another name.

        Raises ``keystore.key_unknown``, ``keystore.key_exists``, ``keystore.name_unusable``.
        """
        old = self._find(name)
        _check_name(new_name)
        if any(key.name == new_name for key in self._keys):
            raise KeyStoreError("keystore.key_exists", new_name)
        renamed = msgspec.structs.replace(old, name=new_name)
        keys = tuple(renamed if key is old else key for key in self._keys)
        self._save(keys, self._derivation, self._file_key)

    def change_passphrase(self, passphrase: str, cost: Cost | None = None) -> None:
        """Encrypt under a new passphrase, at another cost if one is given.

        Copies of the file that were made before still open with the old passphrase.
        """
        keys = self._opened()
        derivation = Argon2(cost or self._derivation.cost, os.urandom(SALT_BYTES))
        self._save(keys, derivation, derive_key(passphrase, derivation))

    def export_public(self) -> bytes:
        """The public keys as JSON: name, scheme, roles and public_key (hex, with its scheme byte) of each."""
        entries = [
            {
                "name": key.name,
                "scheme": key.scheme.name.lower(),
                "roles": key.roles,
                "public_key": key.public_key.hex(),
            }
            for key in self.keys()
        ]
        return msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n"

    def close(self) -> None:
        """Forget all secrets. Signers that were handed out keep theirs. Closing twice is harmless."""
        self._keys = ()
        self._file_key = b""
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"KeyStore({str(self._path)!r})"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a KeyStore holds secrets and can be neither copied nor pickled")

    def _opened(self) -> tuple[SecretKey, ...]:
        if self._is_closed:
            raise KeyStoreError("keystore.closed", self._path)
        return self._keys

    def _find(self, name: str) -> SecretKey:
        for key in self._opened():
            if key.name == name:
                return key
        raise KeyStoreError("keystore.key_unknown", name)

    def _save(self, keys: tuple[SecretKey, ...], derivation: Argon2, file_key: bytes) -> None:
        """Write, and only then take over what was written."""
        content = write_file(encrypt_keys(keys, file_key, derivation, os.urandom(NONCE_BYTES)))
        if len(content) > MAX_FILE_BYTES:
            raise KeyStoreError("keystore.full", self._path)
        try:
            replace_private(self._path, content, self._content)
        except FileExistsError:
            raise KeyStoreError("keystore.exists", self._path) from None
        except FileChanged:
            raise KeyStoreError("keystore.changed", self._path) from None
        except NotPrivate:
            raise KeyStoreError("keystore.insecure_permissions", self._path) from None
        except OSError as error:
            raise KeyStoreError("keystore.unavailable", self._path) from error
        self._content, self._keys = content, keys
        self._derivation, self._file_key = derivation, file_key


def _real(path: str | Path) -> Path:
    """The path without links, so that a change replaces the file and not a link to it."""
    return Path(os.path.realpath(path))


def _read(path: Path) -> bytes:
    try:
        return read_private(path, MAX_FILE_BYTES)
    except FileNotFoundError:
        raise KeyStoreError("keystore.not_found", path) from None
    except NotPrivate:
        raise KeyStoreError("keystore.insecure_permissions", path) from None
    except TooLarge:
        raise KeyStoreError("keystore.damaged", path) from None
    except OSError as error:
        raise KeyStoreError("keystore.unavailable", path) from error


def _check_name(name: str) -> None:
    if re.match(NAME_PATTERN, name) is None:
        raise KeyStoreError("keystore.name_unusable", repr(name)[:80])


def _entry(key: SecretKey) -> KeyEntry:
    public_key = signer_from_seed(key.scheme, key.seed).public_key
    return KeyEntry(key.name, key.scheme, key.roles, public_key)
