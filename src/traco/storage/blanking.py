"""Takes the content of blocks out of a store whose ledger decided to have it erased. What it led to stays, and its hashes.

For the ledgers of channels, whose blocks are not executed again from their store. No process may have the store open.
"""

from os import PathLike, fspath
from typing import Final

import apsw
import msgspec

from traco.kernel.codec import encode
from traco.storage.errors import halting

_ENVELOPES: Final = msgspec.msgpack.Decoder(tuple[bytes, ...])
_BLOCKS: Final = 256  # at a time


def blank_envelopes(path: str | PathLike[str], through: int, vfs: str | None = None) -> int:
    """Empty all envelopes but the last one of each block up to a height, and overwrite their bytes; how many blocks changed.

    Raises ``StorageHalt``. Where there is no such file nothing happens.
    """
    name, changed, after = fspath(path), 0, 0
    with halting(name):
        try:
            connection = apsw.Connection(name, flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
        except apsw.CantOpenError:
            return 0
        try:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("PRAGMA synchronous=FULL")
            while rows := _page(connection, after, through):
                after = rows[-1][0]
                with connection:
                    for height, raw in rows:
                        changed += _blank(connection, height, _ENVELOPES.decode(raw))
            # the log has their bytes from when they were written
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            connection.close(True)
    return changed


def _page(connection: apsw.Connection, after: int, through: int) -> list[tuple[int, bytes]]:
    found = "SELECT height, envelopes FROM blocks WHERE height > ? AND height <= ? ORDER BY height LIMIT ?"
    return [(height, raw) for height, raw in connection.execute(found, (after, through, _BLOCKS))]


def _blank(connection: apsw.Connection, height: int, envelopes: tuple[bytes, ...]) -> bool:
    blank = (*[b""] * (len(envelopes) - 1), *envelopes[-1:])
    if blank == envelopes:
        return False
    connection.execute("UPDATE blocks SET envelopes = ? WHERE height = ?", (encode(blank), height))
    return True
