"""The file of projections in a node's directory, before any database opens it."""

import os
from typing import Final

from traco.projections.errors import AddressInvalid

SQLITE_FILE: Final = "projections.db"
"""The file in a node's directory, where nothing else is configured."""


def make_private(path: str) -> None:
    """Make the file, readable for its own user only; SQLite gives its journals the same mode. Raises ``AddressInvalid``."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise AddressInvalid(f"the projections cannot be kept in {path}: {error.strerror}") from None
