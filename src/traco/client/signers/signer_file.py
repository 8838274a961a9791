"""A file that says where a party's keys are that no key store holds: in a keyring, or behind a command.

    with SignerFile.open(path) as keys:
        keys.signer("main").sign(message)

It holds nothing secret, but what it names is run: only its owner may write it, and others need not read it. It says the
public keys too, so that a keyring or module that has other keys by now is noticed.
"""

import os
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Final, Literal, Self

import msgspec

from traco.client.keystore import KeyEntry
from traco.client.private_file import FileChanged, NotPrivate, TooLarge, read_private, replace_private
from traco.client.signer import Signer
from traco.client.signers.command import TIMEOUT_SECONDS, CommandSigner
from traco.client.signers.errors import SignerError
from traco.kernel.crypto import KeyInvalid, Scheme, check_public_key

MAX_FILE_BYTES: Final = 262_144
MAX_TIMEOUT_SECONDS: Final = 600


class _Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: str
    roles: tuple[str, ...]
    public_key: str
    keyring: str = ""
    command: tuple[str, ...] = ()
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=MAX_TIMEOUT_SECONDS)] = TIMEOUT_SECONDS


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["traco-signers/1"] = "traco-signers/1"
    keys: tuple[_Key, ...] = ()


class SignerFile:
    """The keys that a file names; it is used like an opened ``KeyStore``. Errors are ``SignerError``."""

    def __init__(self, path: Path, content: _Content, raw: bytes | None) -> None:
        """Not for callers: use ``open``."""
        self._path = path
        self._content = content
        self._raw = raw

    @classmethod
    def open(cls, path: str | Path, *, is_new: bool = False) -> Self:
        """The file at ``path``; ``is_new``: it may be absent, and the first key makes it."""
        where = Path(path)
        try:
            raw = read_private(where, MAX_FILE_BYTES)
            content = msgspec.json.decode(raw, type=_Content)
            for key in content.keys:
                check_public_key(bytes.fromhex(key.public_key))
                if bool(key.keyring) == bool(key.command):
                    raise ValueError(f"the key {key.name!r} must name a keyring's key or a command")
        except FileNotFoundError:
            if is_new:
                return cls(where, _Content(), None)
            raise SignerError("signer.file_not_found", f"There is no file {where}.") from None
        except NotPrivate:
            raise SignerError(
                "signer.file_insecure",
                f"Others may change {where}, and what it names is run; check it, then set its mode to 0600.",
            ) from None
        except (OSError, TooLarge, ValueError, KeyInvalid) as error:
            raise SignerError("signer.file_damaged", f"{where} is no file of signers ({error}).") from None
        return cls(where, content, raw)

    def keys(self) -> tuple[KeyEntry, ...]:
        """All keys, sorted by name."""
        return tuple(_entry(key) for key in sorted(self._content.keys, key=lambda key: key.name))

    def signer(self, name: str) -> Signer:
        """The signer for a key, which has the public key that the file says."""
        key = next((key for key in self._content.keys if key.name == name), None)
        if key is None:
            raise SignerError("signer.key_unknown", f"{self._path} names no key {name!r}.")
        public_key = bytes.fromhex(key.public_key)
        if key.command:
            return CommandSigner(key.command, public_key, key.timeout_seconds)
        signer: Signer = _system_keyring().keyring_signer(key.keyring)
        if signer.public_key != public_key:
            raise SignerError(
                "signer.other_key", f"The keyring has another key {key.keyring!r} than {self._path} says."
            )
        return signer

    def add_keyring(self, name: str, label: str, scheme: Scheme, roles: Iterable[str]) -> KeyEntry:
        """Make a key in the keyring under ``label``, and name it here."""
        self._check_free(name)
        signer = _system_keyring().create_key(label, scheme)
        return self._add(_Key(name, _ordered(roles), signer.public_key.hex(), keyring=label))

    def add_command(
        self,
        name: str,
        command: Sequence[str],
        roles: Iterable[str],
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> KeyEntry:
        """Name the key of a command, which is asked for it now. A path to it is kept as an absolute one."""
        self._check_free(name)
        if (
            command and os.sep in command[0]
        ):  # what is run must not depend on the folder that one happens to be in
            command = [os.path.abspath(command[0]), *command[1:]]
        signer = CommandSigner(command, timeout=timeout_seconds)
        public_key = signer.public_key.hex()
        return self._add(
            _Key(name, _ordered(roles), public_key, command=tuple(command), timeout_seconds=timeout_seconds)
        )

    def export_public(self) -> bytes:
        """The public keys as JSON, in the form of ``KeyStore.export_public``."""
        entries = [
            {
                "name": key.name, "scheme": key.scheme.name.lower(), "roles": key.roles,
                "public_key": key.public_key.hex(),
            }
            for key in self.keys()
        ]  # fmt: skip
        return msgspec.json.format(msgspec.json.encode(entries), indent=2) + b"\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""

    def _check_free(self, name: str) -> None:
        if any(key.name == name for key in self._content.keys):
            raise SignerError("signer.key_exists", f"{self._path} names a key {name!r} already.")

    def _add(self, key: _Key) -> KeyEntry:
        content = msgspec.structs.replace(self._content, keys=(*self._content.keys, key))
        raw = msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
        try:
            replace_private(self._path, raw, self._raw)
        except (FileExistsError, FileChanged):
            raise SignerError(
                "signer.file_changed", f"Another process changed {self._path}; try again."
            ) from None
        self._content, self._raw = content, raw
        return _entry(key)


def _ordered(roles: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(roles)))


def _entry(key: _Key) -> KeyEntry:
    public_key = bytes.fromhex(key.public_key)
    return KeyEntry(key.name, Scheme(public_key[0]), key.roles, public_key)


def _system_keyring() -> Any:
    """Loaded when it is needed: it looks for all the keyrings that there might be."""
    return import_module("traco.client.signers.system_keyring")
