"""Puts a new ledger file in the place of the old one, so that whatever happens one of the two is there whole.

SQLite keeps what was committed last in a file beside the database, and would apply it to any database of that name. So that
file has to be empty, and gone for good, before the new database gets the name. And whoever closes the old database last
deletes the file by its name, which then is that of the new one: readers that live longer than an answer must not
(``database.open_reader``, ``lasting``).
"""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import apsw

from traco.storage.copying.shelf import sync_path
from traco.storage.database import is_founded, open_reader
from traco.storage.errors import MediumFailed, halting

SIDE_FILES: Final = ("-wal", "-shm", "-journal")


def replace_ledger(made: Path, target: Path) -> None:
    """Give the closed ledger file ``made`` the name ``target``, which no writer has open. Both are in one file system.

    Readers in other processes go on reading the old file until they look for a new one. Raises ``StorageHalt`` where the old
    file cannot be closed off, because a reader does not end or the medium fails; then it is as it was.
    """
    name = str(target)
    try:
        for step in _steps(made, target):
            step()
    except OSError as error:
        raise MediumFailed(name, str(error.strerror)) from error


def _steps(made: Path, target: Path) -> list[Callable[[], object]]:
    """What has to be done, in this order."""
    side_files = [target.with_name(target.name + end) for end in SIDE_FILES]
    return [
        lambda: made.chmod(0o600),
        lambda: sync_path(made),
        lambda: _close_off(target),
        *(lambda path=path: path.unlink(missing_ok=True) for path in side_files),
        lambda: sync_path(target.parent),
        lambda: os.replace(made, target),
        lambda: sync_path(target.parent),
    ]


def _close_off(target: Path) -> None:
    """Take what was committed last into the database itself."""
    if not target.exists():
        return
    with halting(str(target)), closing(open_reader(str(target), None)) as connection:
        is_founded(connection)  # a connection that has read nothing yet knows of no log
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        except apsw.BusyError as error:
            raise MediumFailed(str(target), "a reader keeps it open") from error
