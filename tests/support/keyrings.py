"""Keyrings of tests, to stand in for that of the operating system."""

from collections.abc import Iterator
from contextlib import contextmanager

import keyring
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class Fake(KeyringBackend):
    """Keeps what it is given, unless it is locked."""

    priority = 5.0

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def _check(self) -> None:
        if self.is_locked:
            raise KeyringLocked("secret words of the backend")

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._check()
        del self.kept[service, username]


class Plain(Fake):
    """As backends say of themselves that keep everything in plain files."""

    priority = 0.5


@contextmanager
def fake_keyring() -> Iterator[Fake]:
    """A keyring of its own for as long as it is open."""
    before, backend = keyring.get_keyring(), Fake()
    keyring.set_keyring(backend)
    try:
        yield backend
    finally:
        keyring.set_keyring(before)
