"""The bytes of a key store: strict parsing, encryption, decryption. Files and single keys are elsewhere.

One JSON object of one canonical form, followed by a line feed:

    format, version   "traco-keystore", 1
    argon2id          memory_kib, passes, lanes, salt: how the passphrase becomes a key (RFC 9106)
    nonce             24 bytes for XChaCha20-Poly1305, new for every write
    ciphertext        the keys; everything above is its associated data
    checksum          SHA-256 of everything above

Bytes are base64. The checksum finds accidental damage before the passphrase is used, so that it is not
mistaken for a wrong passphrase; whoever alters the file on purpose can compute it, and is stopped by the
cipher.
"""

import hashlib
import unicodedata
from typing import Annotated, Any, Final

import msgspec
from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from traco.kernel.crypto import Scheme

FORMAT: Final = "traco-keystore"
VERSION: Final = 1
MAX_FILE_BYTES: Final = 256 * 1024
MAX_PASSPHRASE_BYTES: Final = 1024
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 24

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,63}\Z"
"""What the name of a key or of a role looks like."""

_WORDS: Final = {
    "keystore.not_found": "There is no key store at {subject}. Create one, or correct the path.",
    "keystore.exists": "There is something at {subject} already, which was left alone. Choose another path.",
    "keystore.insecure_permissions": "Others may read {subject}. Check who did, then set its mode to 0600.",
    "keystore.damaged": "{subject} is not a whole key store. Restore it from a backup.",
    "keystore.newer_format": "{subject} was written by a newer release. Upgrade this one.",
    "keystore.parameters_refused": "{subject} asks for too much memory or time. Restore it from a backup.",
    "keystore.wrong_passphrase": "Not the passphrase of {subject}, or the file was altered. Try again.",
    "keystore.passphrase_unusable": "A passphrase has 1 to 1024 bytes of valid text. Choose another.",
    "keystore.out_of_memory": "There is not enough memory to unlock {subject}. Free some and try again.",
    "keystore.changed": "Another process changed {subject}. Open it again and repeat the change.",
    "keystore.unavailable": "{subject} cannot be read or written. Check disk and rights, open it again.",
    "keystore.key_unknown": "There is no key named {subject}. List the keys to see their names.",
    "keystore.key_exists": "There is a key named {subject} already. Choose another name.",
    "keystore.name_unusable": "{subject} is no name. Use up to 64 of a-z, 0-9, point, hyphen, underscore.",
    "keystore.full": "{subject} would exceed 256 KiB. Create a second key store.",
    "keystore.closed": "{subject} was closed. Open it again.",
}


class KeyStoreError(Exception):
    """A key store cannot do what was asked.

    ``code`` is one of the stable codes above, ``subject`` the path or name that it is about. The text never
    holds a secret.
    """

    def __init__(self, code: str, subject: object = "") -> None:
        super().__init__(_WORDS[code].format(subject=subject))
        self.code = code
        self.subject = str(subject)


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one guess of the passphrase costs by argon2id: memory in KiB, passes over it, lanes (threads)."""

    memory_kib: int
    passes: int
    lanes: int

    def is_bounded(self) -> bool:
        """Say whether a file may ask for this: up to 256 MiB, ten passes, eight lanes; some seconds."""
        return (
            1 <= self.lanes <= 8
            and 1 <= self.passes <= 10
            and 8 * self.lanes <= self.memory_kib <= 256 * 1024
        )


PRODUCTION_COST: Final = Cost(memory_kib=64 * 1024, passes=3, lanes=4)
"""The second recommendation of RFC 9106, section 4."""


class Argon2(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the passphrase becomes a key."""

    cost: Cost
    salt: Annotated[bytes, msgspec.Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]


class SealedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is stored, in the order of its fields."""

    format: str
    version: int
    argon2id: Argon2
    nonce: Annotated[bytes, msgspec.Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
    ciphertext: bytes
    checksum: bytes


class SecretKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key as it is stored. Its representation leaves out the seed."""

    name: Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)]
    scheme: Scheme
    roles: tuple[Annotated[str, msgspec.Meta(pattern=NAME_PATTERN)], ...]
    seed: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]

    def __repr__(self) -> str:
        return f"SecretKey({self.name})"

    def __rich_repr__(self) -> Any:
        yield self.name


class _Preamble(msgspec.Struct, frozen=True):
    """What every version of the format begins with."""

    format: str
    version: int


def derive_key(passphrase: str, derivation: Argon2) -> bytes:
    """The key of 32 bytes that the passphrase (in Unicode's composed form, as UTF-8) gives.

    Raises ``KeyStoreError``: ``keystore.passphrase_unusable``, ``keystore.parameters_refused``,
    ``keystore.out_of_memory``.
    """
    try:
        secret = unicodedata.normalize("NFC", passphrase).encode()
    except UnicodeEncodeError:
        raise KeyStoreError("keystore.passphrase_unusable") from None
    if not 1 <= len(secret) <= MAX_PASSPHRASE_BYTES:
        raise KeyStoreError("keystore.passphrase_unusable")
    cost = derivation.cost
    if not cost.is_bounded():
        raise KeyStoreError("keystore.parameters_refused", "The key store")
    try:
        return hash_secret_raw(
            secret, derivation.salt, cost.passes, cost.memory_kib, cost.lanes, hash_len=32, type=Type.ID
        )
    except HashingError:
        raise KeyStoreError("keystore.out_of_memory", "the key store") from None


def parse_file(content: bytes, subject: object) -> SealedFile:
    """The file in its parts, before decryption. ``subject`` (the path) is for messages.

    Raises ``KeyStoreError``: ``keystore.damaged``, ``keystore.newer_format``,
    ``keystore.parameters_refused``.
    """
    try:
        preamble = msgspec.json.decode(content, type=_Preamble)
        if preamble.format == FORMAT and preamble.version > VERSION:
            raise KeyStoreError("keystore.newer_format", subject)
        sealed = msgspec.json.decode(content, type=SealedFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise KeyStoreError("keystore.damaged", subject) from None
    if sealed.format != FORMAT or sealed.version != VERSION or write_file(sealed) != content:
        raise KeyStoreError("keystore.damaged", subject)
    if sealed.checksum != _checksum(sealed):
        raise KeyStoreError("keystore.damaged", subject)
    if not sealed.argon2id.cost.is_bounded():
        raise KeyStoreError("keystore.parameters_refused", subject)
    return sealed


def write_file(sealed: SealedFile) -> bytes:
    """The one form of the file."""
    return msgspec.json.encode(sealed) + b"\n"


def encrypt_keys(keys: tuple[SecretKey, ...], key: bytes, derivation: Argon2, nonce: bytes) -> SealedFile:
    """The file for these keys. ``nonce`` must never have been used with this ``key``."""
    sealed = SealedFile(FORMAT, VERSION, derivation, nonce, b"", b"")
    ciphertext = crypto_aead_xchacha20poly1305_ietf_encrypt(
        msgspec.json.encode(keys), _associated(sealed), nonce, key
    )
    sealed = msgspec.structs.replace(sealed, ciphertext=ciphertext)
    return msgspec.structs.replace(sealed, checksum=_checksum(sealed))


def decrypt_keys(sealed: SealedFile, key: bytes, subject: object) -> tuple[SecretKey, ...]:
    """The keys in the file.

    Raises ``KeyStoreError``: ``keystore.wrong_passphrase``; ``keystore.damaged`` if what was encrypted is
    not a list of keys.
    """
    try:
        plain = crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed.ciphertext, _associated(sealed), sealed.nonce, key
        )
    except (CryptoError, ValueError):
        raise KeyStoreError("keystore.wrong_passphrase", subject) from None
    try:
        keys = msgspec.json.decode(plain, type=tuple[SecretKey, ...])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise KeyStoreError("keystore.damaged", subject) from None
    if len({key.name for key in keys}) != len(keys):
        raise KeyStoreError("keystore.damaged", subject)
    return keys


def _associated(sealed: SealedFile) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(sealed, ciphertext=b"", checksum=b""))


def _checksum(sealed: SealedFile) -> bytes:
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(sealed, checksum=b""))).digest()
