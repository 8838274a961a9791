"""Runs the ``traco`` command in this process, as its script does, and keeps what it printed."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from traco.cli.main import run

PASSPHRASE = "correct horse battery staple"


class Printed(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return msgspec.json.decode(self.out)

    @property
    def problem(self) -> Any:
        """The one problem on standard error."""
        return msgspec.json.decode(self.err)


class CommandLine:
    """A home directory, a passphrase in the environment, and the command."""

    def __init__(
        self, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        self.home = home
        self._capfd = capfd
        monkeypatch.setenv("TRACO_HOME", str(home))
        monkeypatch.setenv("TRACO_PASSPHRASE", PASSPHRASE)
        for name in ("TRACO_URL", "TRACO_PARTY", "TRACO_NEW_PASSPHRASE"):
            monkeypatch.delenv(name, raising=False)

    def __call__(self, *arguments: str | Path) -> Printed:
        """Run it. No secret may ever be printed, whatever happens."""
        self._capfd.readouterr()
        code = run([str(argument) for argument in arguments])
        printed = Printed(int(code), *self._capfd.readouterr())
        assert PASSPHRASE not in printed.out + printed.err
        return printed
