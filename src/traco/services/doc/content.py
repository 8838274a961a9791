"""The salted commitment to a file: shows later which bytes were meant, and until then says nothing about them.

Without the salt, anybody with a guess at the content could test it against the ledger. Registrant and lender share
file and salt; the ledger and the fingerprint service see the commitment only.
"""

import hashlib
import hmac
from typing import Final

SALT_BYTES: Final = 32

_DOMAIN: Final = b"traco/content/1\0"


class ContentMismatch(ValueError):
    """The file and salt at hand are not those that were committed to (`content.mismatch`)."""

    def __init__(self) -> None:
        super().__init__(
            "content.mismatch: the file or the salt is not the one committed to; ask for both again and do not lend "
            "on this file."
        )
        self.code = "content.mismatch"


def commit_content(content: bytes, salt: bytes) -> bytes:
    """SHA-256 over domain tag, salt and file; 32 bytes. The salt is 32 fresh random bytes for each file.

    Raises ValueError for a salt of another length, which would let salt and content run into each other.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(
            f"a salt has {SALT_BYTES} bytes, not {len(salt)}; draw it from the system's random source"
        )
    return hashlib.sha256(_DOMAIN + salt + content).digest()


def check_content(commitment: bytes, content: bytes, salt: bytes) -> None:
    """Raise ContentMismatch unless `commitment` was made from exactly this file and salt."""
    if not hmac.compare_digest(commitment, commit_content(content, salt)):
        raise ContentMismatch
