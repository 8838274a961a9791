"""The documents that founders exchange: how they are read, strictly, and written, in one form.

Exceptions:

    LedgerError
    └── FoundingInvalid   a card, genesis or signature that does not hold; ``code`` is stable, the text says what to do
"""

import json
from collections import Counter
from typing import Any, Final, TypeVar

import msgspec

from traco.kernel.errors import LedgerError

MAX_DOCUMENT_BYTES: Final = 1_048_576
"""Far more than cards and signatures have."""

T = TypeVar("T")


class FoundingInvalid(LedgerError):
    """A card, a genesis or a signature does not hold."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code


def require_unique_keys(raw: bytes) -> None:
    """Refuse a JSON document in which an object has one key twice: two readers would see two documents.

    Raises ``ValueError``.
    """
    try:
        json.loads(raw.decode(), object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counted = Counter(name for name, _ in pairs)  # linear: the document may be made to be slow to refuse
        twice = next(name for name, count in counted.items() if count > 1)
        raise ValueError(f"an object has the key {twice[:64]!r} twice")
    return found


def read_document(raw: bytes, kind: type[T], code: str, what: str) -> T:
    """The document in ``raw``; unknown fields and repeated keys are refused. Raises ``FoundingInvalid``."""
    if len(raw) > MAX_DOCUMENT_BYTES:
        raise FoundingInvalid(code, f"{what} has more than {MAX_DOCUMENT_BYTES} bytes")
    try:
        require_unique_keys(raw)
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, RecursionError) as error:
        raise FoundingInvalid(
            code, f"{what} cannot be read: {error}; ask for it again as it was written"
        ) from None


def write_document(document: msgspec.Struct) -> bytes:
    """A document in its readable canonical form: sorted keys, two spaces, a final newline."""
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2) + b"\n"
