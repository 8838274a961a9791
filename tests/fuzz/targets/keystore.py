"""A key store is read in its one form or ``KeyStoreError``; what decrypts is a list of keys that sign.

If broken: a damaged file loses keys silently, or a hostile one costs memory before the passphrase is asked for.
"""

from pathlib import Path
from typing import Final

import msgspec

from fuzz.claims import require
from fuzz.mutation import Chance, of_json
from traco.client.keystore_file import (
    Argon2,
    Cost,
    KeyStoreError,
    SealedFile,
    SecretKey,
    _checksum,
    decrypt_keys,
    derive_key,
    encrypt_keys,
    parse_file,
    write_file,
)
from traco.kernel.crypto import Scheme

PASSPHRASE: Final = "a passphrase of the fuzzer"
DERIVATION: Final = Argon2(Cost(memory_kib=8, passes=1, lanes=1), bytes(16))
NONCE: Final = bytes(24)
_KEY: Final = derive_key(PASSPHRASE, DERIVATION)


def sample() -> bytes:
    """A genuine key store of the fuzzer's."""
    keys = tuple(
        SecretKey(name, scheme, roles, bytes([7]) * 32)
        for name, scheme, roles in (
            ("main", Scheme.ED25519, ("sign", "read")),
            ("second", Scheme.P256, ("sign",)),
        )
    )
    return write_file(encrypt_keys(keys, _KEY, DERIVATION, NONCE))


def check(raw: bytes, _folder: Path) -> None:
    """Parse, and decrypt without deriving: how much that costs is what the parser bounds."""
    try:
        sealed = parse_file(raw, "it")
        assert write_file(sealed) == raw
        assert sealed.argon2id.cost.is_bounded()
        keys = decrypt_keys(sealed, _KEY, "it")
    except KeyStoreError as error:
        require(error.code.startswith("keystore."), error.code)
        return
    assert len({key.name for key in keys}) == len(keys)
    assert not any(key.seed.hex() in repr(key) for key in keys)


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change the file and compute its checksum anew; or what is encrypted in it."""
    if chance.one_in(4):
        return of_json(raw, chance)
    try:
        sealed = msgspec.json.decode(raw if chance.one_in(2) else of_json(raw, chance), type=SealedFile)
        if chance.one_in(2):
            return write_file(msgspec.structs.replace(sealed, checksum=_checksum(sealed)))
        inside = msgspec.json.encode(decrypt_keys(sealed, _KEY, "it"))
        return write_file(_sealed_again(msgspec.Raw(of_json(inside, chance)), sealed))
    except (ValueError, RecursionError, KeyStoreError):
        return chance.raw(raw)


def _sealed_again(inside: msgspec.Raw, sealed: SealedFile) -> SealedFile:
    return encrypt_keys(inside, _KEY, sealed.argon2id, NONCE)  # type: ignore[arg-type]  # anything, on purpose
