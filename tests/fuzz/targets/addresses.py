"""An address book is read or ``CommandProblem``; what is read answers every question about its names.

If broken: a damaged file ends every command in a trace.
"""

from contextlib import suppress
from pathlib import Path

from fuzz.mutation import of_json
from traco.cli.names import FILE, AddressBook
from traco.cli.problems import CommandProblem

mutate = of_json


def check(raw: bytes, folder: Path) -> None:
    """Open it, and ask for all that it names."""
    path = folder / FILE
    path.touch(mode=0o600)
    path.write_bytes(raw)
    try:
        book = AddressBook.open(folder)
    except CommandProblem:
        return
    assert book.network is None or len(book.network) == 32
    for name, entry in book.entries():
        assert book.find(name) == entry
        assert book.name_of(entry.id) is not None
        bytes.fromhex(entry.id)
        with suppress(CommandProblem):
            book.key_store(name)
