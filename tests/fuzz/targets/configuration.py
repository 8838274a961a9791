"""A configuration is usable, and reads back from what ``encode_config`` writes, or ``ConfigurationInvalid`` without a secret in it.

A sample is the content of ``node.json``, and behind a line ``--`` variables of the environment (``NAME=value``), and flags behind another.
If broken: a node starts with other settings than it shows, or its password is in a log.
"""

from pathlib import Path
from typing import Final

from fuzz.claims import require
from fuzz.mutation import Chance, of_json
from traco.node.configuration import (
    ENVIRONMENT,
    SETTINGS,
    ConfigurationInvalid,
    Configured,
    configure,
    encode_config,
    shown,
)

PASSWORD: Final = "planted-password"
SEPARATOR: Final = b"\n--\n"
_SECRET: Final = f"{ENVIRONMENT}PROJECTIONS__PASSWORD"


def check(raw: bytes, _folder: Path) -> None:
    """Configure by all three layers, with a password that must not show."""
    file, *rest = raw.split(SEPARATOR)
    variables, flags = (_pairs(part) for part in (*rest, b"", b"")[:2])
    variables.setdefault(_SECRET, PASSWORD)
    try:
        configured = configure(file, variables, flags)
    except ConfigurationInvalid as error:
        require(error.problems, "it does not say what is wrong")
        require(PASSWORD not in str(error), "the password is in the error")
        return
    _check_shown(configured)
    written = encode_config(configured.config)
    assert PASSWORD.encode() not in written
    password = configured.config.projections.password
    assert configure(written, {} if password is None else {_SECRET: password}).config == configured.config
    assert configured.config.url


def _check_shown(configured: Configured) -> None:
    assert set(configured.values) == set(SETTINGS)
    assert PASSWORD not in "".join(str(shown(name, value)) for name, (value, _) in configured.values.items())
    assert PASSWORD not in repr(configured.config)


def _pairs(part: bytes) -> dict[str, str]:
    lines = part.decode("latin-1").split("\n")
    return {name: value for name, mark, value in (line.partition("=") for line in lines) if mark}


def mutate(raw: bytes, chance: Chance) -> bytes:
    """Change the document, or the lines behind it."""
    file, mark, rest = raw.partition(SEPARATOR)
    return of_json(file, chance) + mark + rest if chance.one_in(2) else file + mark + chance.raw(rest)
