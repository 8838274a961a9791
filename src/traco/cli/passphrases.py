"""Where passphrases come from: a private file, the environment, or a prompt. Never the command line, never an output."""

import getpass
import os
import sys
from pathlib import Path
from typing import Final

from traco.cli.problems import CommandProblem, ExitCode
from traco.client.private_file import NotPrivate, TooLarge, read_private

VARIABLE: Final = "TRACO_PASSPHRASE"
NEW_VARIABLE: Final = "TRACO_NEW_PASSPHRASE"
MAX_FILE_BYTES: Final = 4_096


class Passphrases:
    """One source for all key stores that a command opens; where it prompts, it asks once for each."""

    def __init__(self, file: Path | None = None, variable: str = VARIABLE) -> None:
        self._file = file
        self._variable = variable
        self._known: dict[str, str] = {}

    def __repr__(self) -> str:
        return "Passphrases()"

    def existing(self, what: object) -> str:
        """The passphrase of ``what``. Raises ``CommandProblem`` (``passphrase.missing``, ``passphrase.file_...``)."""
        given = self._given()
        if given is not None:
            return given
        name = str(what)
        if name not in self._known:
            self._known[name] = _ask(f"Passphrase of {name}: ")
        return self._known[name]

    def new(self, what: object) -> str:
        """A passphrase to protect ``what`` with: where it is prompted for, it is asked for twice."""
        given = self._given()
        if given is not None:
            return given
        first = _ask(f"New passphrase for {what}: ")
        if first != _ask("Again: "):
            raise CommandProblem(
                ExitCode.KEYS, "passphrase.differs", "The two entries differ; nothing was changed."
            )
        self._known[str(what)] = first
        return first

    def _given(self) -> str | None:
        if self._file is not None:
            return _read(self._file)
        return os.environ.get(self._variable)


def _read(path: Path) -> str:
    """The first line of a file that only its owner may read."""
    try:
        content = read_private(path, MAX_FILE_BYTES).decode()
    except NotPrivate:
        raise CommandProblem(
            ExitCode.KEYS, "passphrase.file_insecure", f"Others may read {path}; set its mode to 0600."
        ) from None
    except (OSError, TooLarge, UnicodeDecodeError):
        raise CommandProblem(
            ExitCode.KEYS,
            "passphrase.file_unusable",
            f"{path} cannot be read as a passphrase; check the path.",
        ) from None
    return content.splitlines()[0] if content else ""


def _ask(prompt: str) -> str:
    if not sys.stdin.isatty():
        raise CommandProblem(
            ExitCode.KEYS,
            "passphrase.missing",
            f"No passphrase was given and there is no terminal to ask on; use --passphrase-file, or set {VARIABLE}.",
        )
    return getpass.getpass(prompt, sys.stderr)
