"""Reading what the user names, within bounds, and writing what he asked for."""

from pathlib import Path

from traco.cli.problems import unusable


def read_bounded(path: Path, limit: int) -> bytes:
    """The content of a file of at most ``limit`` bytes. Raises ``CommandProblem`` (``file.unusable``, ``file.too_large``)."""
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise unusable("file.unusable", f"{path}: {error.strerror}") from None
    if len(content) > limit:
        raise unusable(
            "file.too_large", f"{path} has more than {limit} bytes; it cannot be what is expected here."
        )
    return content


def write_file(path: Path, content: bytes) -> None:
    """Write a file. Raises ``CommandProblem`` (``file.unusable``)."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise unusable("file.unusable", f"{path}: {error.strerror}") from None
