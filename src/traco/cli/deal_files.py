"""The files that a settlement across channels goes round in: legs, their public parts, terms, signed and sealed legs."""

import os
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from traco.cli.files import read_bounded, write_file
from traco.cli.problems import unusable
from traco.client.channel_deals import AgreedTerms, DraftLeg, PublicLeg, ReadyLeg, require_terms, to_file
from traco.client.forms import FormInvalid, from_form
from traco.kernel.codec import Record

MOST_BYTES: Final = 1_048_576
PUBLIC_SUFFIX: Final = ".public"
SIGNED_SUFFIX: Final = ".signed"
SEALED_SUFFIX: Final = ".sealed"
R = TypeVar("R", bound=Record)

_KINDS: Final[dict[str, tuple[type[Record], str]]] = {
    str(kind.__struct_config__.tag): (kind, words)
    for kind, words in (
        (DraftLeg, "a leg"), (PublicLeg, "the public part of a leg"), (AgreedTerms, "terms"), (ReadyLeg, "a sealed leg"),
    )
}  # fmt: skip


def read_any(path: Path) -> Record:
    """What a file holds: a leg, its public part, terms, or a sealed leg. Raises ``CommandProblem``, ``DealInvalid``."""
    try:
        form: Any = msgspec.json.decode(read_bounded(path, MOST_BYTES))
        kind = _KINDS.get(str(form.get("type"))) if isinstance(form, dict) else None
        if kind is None:
            raise unusable("deal.file", f"{path} is neither a leg nor terms of a settlement.")
        found: Record = from_form(kind[0], form)
    except RecursionError:
        raise unusable("deal.file", f"{path} cannot be read: nested too deeply") from None
    except (ValueError, FormInvalid) as error:
        raise unusable("deal.file", f"{path} cannot be read: {error}") from None
    if isinstance(found, AgreedTerms):
        require_terms(found)
    return found


def read_file(path: Path, kind: type[R]) -> R:
    """A file of one kind. Raises as ``read_any``."""
    found = read_any(path)
    if not isinstance(found, kind):
        wanted = _KINDS[str(kind.__struct_config__.tag)][1]
        given = _KINDS[str(found.__struct_config__.tag)][1]
        raise unusable("deal.file", f"{path} holds {given}; {wanted} is needed here.")
    return found


def read_public(path: Path) -> PublicLeg:
    """The public part of a leg, from its file or from the leg's."""
    found = read_any(path)
    if isinstance(found, DraftLeg):
        return found.public()
    if not isinstance(found, PublicLeg):
        raise unusable("deal.file", f"{path} is neither a leg nor the public part of one.")
    return found


def write_new(path: Path, record: Record) -> None:
    """Write a file that shows no content; one that is there is not replaced."""
    _require_absent(path)
    write_file(path, to_file(record))


def write_secret(path: Path, content: bytes, *, is_new: bool = False) -> None:
    """Write a file that only its owner may read: it says what moves."""
    if is_new:
        _require_absent(path)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise unusable("file.unusable", f"{path}: {error.strerror}") from None


def beside(path: Path, suffix: str) -> Path:
    """The file of the next step, beside that of this one: ``cash.leg``, ``cash.signed``, ``cash.sealed``."""
    return path.with_suffix(suffix) if path.suffix != suffix else path.with_name(path.name + suffix)


def _require_absent(path: Path) -> None:
    if path.exists():
        raise unusable("file.exists", f"{path} is there already; give another name, or move it away.")
