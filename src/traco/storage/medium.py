"""What SQLite's codes for a medium that fails mean: which file each may be about, and what to do about it.

SQLite says "disk I/O error" for some thirty different things; its extended result code tells them apart.
"""

from typing import Final, NamedTuple

import apsw

DATABASE: Final = ""
LOG: Final = "-wal"
INDEX: Final = (
    "-shm"  # of the log, shared by the processes that have the store open; the first of them makes it anew
)


class Meaning(NamedTuple):
    """``ends``: what the names of the files that may be meant have after that of the database."""

    codes: tuple[str, ...]
    ends: tuple[str, ...]
    advice: str


MEANINGS: Final = (
    Meaning(
        ("SQLITE_IOERR_SHORT_READ",), (DATABASE, LOG),
        "it is shorter than programs that still have it open know it to be; end all of them, and the next one that opens "
        "the store reads its log anew, up to the last whole block",
    ),
    Meaning(
        ("SQLITE_IOERR_SHMSIZE",), (INDEX,), "it cannot grow; make space, and look for a quota or a limit on the size of files"
    ),
    Meaning(
        ("SQLITE_IOERR_SHMLOCK", "SQLITE_IOERR_LOCK", "SQLITE_IOERR_RDLOCK", "SQLITE_IOERR_UNLOCK"), (DATABASE, INDEX),
        "its file system gives no locks; keep the store on a local disk, not on one of a network",
    ),
    Meaning(
        ("SQLITE_IOERR_SHM",), (INDEX,), "it cannot be shared; look at its owner and mode, and keep the store on a local disk"
    ),
    Meaning(
        ("SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_TRUNCATE", "SQLITE_IOERR_D"), (DATABASE, LOG),
        "the system did not take what was written; look for a quota, a limit on the size of files, and errors of the disk in "
        "the machine's log",
    ),
    Meaning(("SQLITE_IOERR_NOMEM", "SQLITE_NOMEM"), (DATABASE,), "there is not enough memory"),
    Meaning(("SQLITE_IOERR",), (DATABASE, LOG), "look for errors of the disk in the machine's log"),
    Meaning(
        ("SQLITE_CANTOPEN",), (DATABASE, LOG, INDEX),
        "look whether it is there and a file, at its owner and mode, and for a limit on open files",
    ),
    Meaning(
        ("SQLITE_READONLY", "SQLITE_PERM"), (DATABASE, LOG, INDEX),
        "look at its owner and mode, and whether its disk is mounted for reading only",
    ),
    Meaning(("SQLITE_BUSY", "SQLITE_LOCKED"), (DATABASE,), "another program keeps it locked; end that one"),
)  # fmt: skip
"""The first with a code that the name of what was raised begins with."""


def code_of(error: apsw.Error) -> str:
    """The name of SQLite's extended result code; of the plain one where there is none; nothing for what has neither."""
    for number, names in (
        (getattr(error, "extendedresult", 0), apsw.mapping_extended_result_codes),
        (getattr(error, "result", 0), apsw.mapping_result_codes),
    ):
        if number in names:
            return str(names[number])
    return ""


def reason_of(error: apsw.Error, path: str) -> str:
    """What SQLite says about the store at ``path``, with its code, the file and what to do."""
    code = code_of(error)
    if not code:
        return str(error)
    for meaning in MEANINGS:
        if code.startswith(meaning.codes):
            files = " or ".join(path + end for end in meaning.ends)
            return f"{error} ({code}, of {files}: {meaning.advice})"
    return f"{error} ({code})"
