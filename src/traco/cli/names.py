"""The address book: names of one's own for parties, accounts, instruments and documents, and which keys sign for whom.

A file in the home directory, for one network. It is a convenience of this machine and never proof of anything.
"""

import re
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import msgspec

from traco.cli.problems import unusable
from traco.client.private_file import FileChanged, NotPrivate, TooLarge, read_private, replace_private

FILE: Final = "addresses.json"
KEYS_FOLDER: Final = "keys"
SIGNERS_SUFFIX: Final = ".signers"  # of files that `client.signers.signer_file` reads
MAX_FILE_BYTES: Final = 16 * 1024 * 1024

Kind = Literal["party", "account", "instrument", "document", "batch", "financing", "offer", "request"]

_NAME: Final = r"[a-z][a-z0-9._-]{0,62}"
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a name stands for: an id in hex; for a party also its key store (or file of signers) and which keys sign.

    Without ``keys`` it is the only one.
    """

    kind: Kind
    id: Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{2})+\Z")]
    keystore: str = ""
    keys: tuple[str, ...] = ()


class _Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: Literal["traco-addresses/1"] = "traco-addresses/1"
    network: Annotated[str, msgspec.Meta(pattern=r"^(?:[0-9a-f]{64})?\Z")] = ""
    url: str = ""
    names: dict[Annotated[str, msgspec.Meta(pattern=rf"^{_NAME}\Z")], Entry] = {}


class AddressBook:
    """The names of a home directory. Reading needs no file; adding makes it."""

    def __init__(self, home: Path, book: _Book, content: bytes | None) -> None:
        self.home = home
        self._book = book
        self._content = content

    @classmethod
    def open(cls, home: Path) -> Self:
        """The address book of a home directory, empty where there is none. Raises ``CommandProblem``."""
        path = home / FILE
        try:
            content = read_private(path, MAX_FILE_BYTES)
            return cls(home, msgspec.json.decode(content, type=_Book), content)
        except FileNotFoundError:
            return cls(home, _Book(), None)
        except NotPrivate:
            raise unusable(
                "home.insecure", f"Others may read {path}; check who did, then set its mode to 0600."
            ) from None
        except (OSError, TooLarge, ValueError) as error:
            raise unusable(
                "home.damaged", f"{path} is not an address book ({error}); repair or remove it."
            ) from None

    @property
    def network(self) -> bytes | None:
        """The network that the names are of; None before the first name."""
        return bytes.fromhex(self._book.network) or None

    @property
    def url(self) -> str:
        """The address of the node last founded from this home, or empty."""
        return self._book.url

    def entries(self) -> list[tuple[str, Entry]]:
        """All names in order."""
        return sorted(self._book.names.items())

    def find(self, name: str) -> Entry | None:
        """What a name (with or without ``@``) stands for."""
        return self._book.names.get(name.removeprefix("@"))

    def require(self, name: str, kind: Kind) -> Entry:
        """What a name stands for, which must be of this kind. Raises ``CommandProblem``."""
        entry = self.find(name)
        if entry is None:
            raise unusable(
                "name.unknown", f"There is no name {name!r} in {self.home / FILE}; see: traco name list"
            )
        if entry.kind != kind:
            raise unusable(
                "name.other_kind", f"{name!r} names {_one(entry.kind)}; {_one(kind)} is needed here."
            )
        return entry

    def name_of(self, identity: str) -> str | None:
        """The first name that stands for an id in hex."""
        return next((f"@{name}" for name, entry in self.entries() if entry.id == identity), None)

    def add(self, name: str, entry: Entry, network: bytes, url: str = "") -> None:
        """Store a name. The same entry again changes nothing. Raises ``CommandProblem`` where it cannot be."""
        self.require_room(name, entry, network)
        names = {**self._book.names, check_name(name): entry}
        self._save(_Book(network=network.hex(), url=url or self._book.url, names=names))

    def require_new(self, name: str) -> None:
        """See, before anything is made, that this home can take a network that does not exist yet, with a first name.

        Raises ``CommandProblem``.
        """
        known = self._book.names.get(check_name(name))
        needs = f"{self.home} belongs to network {self._book.network}; a new network needs another --home."
        if known is not None:
            raise unusable("name.taken", f"{name!r} stands for {known.kind} {known.id}. {needs}")
        if self._book.network:
            raise unusable("home.other_network", needs)

    def require_room(self, name: str, entry: Entry, network: bytes) -> None:
        """See, before anything is made, that ``add`` will take this. Raises ``CommandProblem``."""
        known = self._book.names.get(check_name(name))
        if known is not None and (known.kind, known.id) != (entry.kind, entry.id):
            raise unusable("name.taken", f"{name!r} stands for {known.kind} {known.id}; choose another name.")
        if self._book.network not in ("", network.hex()):
            raise unusable(
                "home.other_network",
                f"{self.home} belongs to network {self._book.network}; use another --home for network {network.hex()}.",
            )

    def remove(self, name: str) -> None:
        """Forget a name. Raises ``CommandProblem`` where there is none."""
        if self.find(name) is None:
            raise unusable("name.unknown", f"There is no name {name!r}; see: traco name list")
        names = {other: entry for other, entry in self._book.names.items() if other != name.removeprefix("@")}
        self._save(msgspec.structs.replace(self._book, names=names))

    def key_store(self, name: str) -> Path:
        """The key store that belongs to a name: the one it names, else the one of that name in this home.

        Where keys of that name are in a keyring or behind a command, it is the file that says so.
        """
        entry = self.find(name)
        if entry is not None and entry.keystore:
            return self.home / entry.keystore
        store = self.home / KEYS_FOLDER / f"{check_name(name)}.keys"
        elsewhere = self.signer_file(name)
        return elsewhere if elsewhere.exists() and not store.exists() else store

    def signer_file(self, name: str) -> Path:
        """The file that says where keys of a name are that no key store holds."""
        return self.home / KEYS_FOLDER / f"{check_name(name)}{SIGNERS_SUFFIX}"

    def _save(self, book: _Book) -> None:
        content = msgspec.json.format(msgspec.json.encode(book), indent=2) + b"\n"
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            replace_private(self.home / FILE, content, self._content)
        except (FileExistsError, FileChanged):
            raise unusable(
                "home.changed", "Another process changed the address book; run the command again."
            ) from None
        self._book, self._content = book, content


def check_name(name: str) -> str:
    """The name without ``@``. Raises ``CommandProblem`` for what cannot be one, such as anything that could be an id."""
    plain = name.removeprefix("@")
    if re.fullmatch(_NAME, plain) is None or (_HEX.fullmatch(plain) and len(plain) in (32, 64)):
        raise unusable(
            "name.unusable",
            f"{name!r} cannot be a name: use a-z, then up to 62 of a-z, 0-9, point, hyphen, underscore.",
        )
    return plain


def _one(kind: Kind) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def as_id(text: str, size: int) -> bytes | None:
    """The id that a text spells in hex, or None."""
    lower = text.lower()
    return bytes.fromhex(lower) if len(lower) == 2 * size and _HEX.fullmatch(lower) else None
