"""Opening a store's database, for the writer and for readers, and what every opening checks.

``vfs`` names the SQLite VFS; tests put a simulated disk there.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import apsw
import msgspec

from traco.storage.errors import NewerFormat, OtherNetwork, StoreDamaged
from traco.storage.schema import JOINED_FORMAT

CACHE_KIB: Final = 65_536
CHECKPOINT_PAGES: Final = 2_000
"""How many pages the log may have before a commit moves them into the database: small, so that no block waits long."""

_BUSY_MS: Final = 5_000


class Base(NamedTuple):
    """What a store begins with: the founding, or the snapshot that it was made from.

    ``size`` and ``frontier`` are those of the history log after the block at ``height``, of which only the head is there.
    """

    height: int
    size: int
    frontier: tuple[bytes, ...]


FOUNDING: Final = Base(0, 0, ())
_decode_base: Final = msgspec.msgpack.Decoder(Base).decode


def open_writer(path: str, vfs: str | None, durable: bool, checkpoint_pages: int) -> apsw.Connection:
    """The one connection that writes. ``durable`` False leaves out every sync: for scratch copies only."""
    connection = apsw.Connection(path, vfs=vfs)
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "FULL" if durable else "OFF")
    connection.pragma("cache_size", -CACHE_KIB)
    connection.wal_autocheckpoint(checkpoint_pages)
    connection.pragma("journal_size_limit", 4 * checkpoint_pages * 4_096)
    _make_durable(connection)
    return connection


def _make_durable(connection: apsw.Connection) -> None:
    # A killed process may have left commits that were written but not yet synced. Whoever reads them now would
    # show what a power cut could still take back.
    try:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    except apsw.BusyError:
        # A reader keeps the log from being truncated; its content was synced before SQLite found that out.
        return


def open_reader(path: str, vfs: str | None, *, lasting: bool = False) -> apsw.Connection:
    """A connection that changes nothing, beside a writer in this or another process, or without one.

    ``lasting``: it may still be open when another file takes the place of this one, so closing it tidies nothing up.
    """
    # Not opened as read-only: without a writer nobody else could create the shared memory that reading needs.
    connection = apsw.Connection(path, vfs=vfs, flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(_BUSY_MS)
    connection.pragma("query_only", True)
    if lasting:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    connection.wal_autocheckpoint(0)
    return connection


def is_founded(connection: apsw.Connection) -> bool:
    """Whether there are any tables."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").get)


def read_meta(connection: apsw.Connection, path: str) -> dict[str, bytes]:
    """The rows of ``meta``. Raises ``StoreDamaged`` where it is no store of a ledger, ``NewerFormat``."""
    if not connection.table_exists(None, "meta"):
        raise StoreDamaged(path, "it is a database, but not of a ledger")
    rows = connection.execute("SELECT name, value FROM meta")
    meta = {str(name): value for name, value in rows if isinstance(value, bytes)}
    found = int.from_bytes(meta.get("format", b""), "big")
    if found > JOINED_FORMAT:
        raise NewerFormat(path, found, JOINED_FORMAT)
    if found < 1 or not meta.keys() >= {"network", "ledger", "genesis"}:
        raise StoreDamaged(path, "its meta table is incomplete")
    return meta


def read_base(meta: Mapping[str, bytes]) -> Base:
    """What the store with these rows of ``meta`` begins with."""
    return _decode_base(meta["base"]) if "base" in meta else FOUNDING


def require_network(meta: dict[str, bytes], path: str, network: bytes | None, ledger: bytes) -> None:
    """Raise ``OtherNetwork`` unless the store belongs to this ledger of this network (None: of any)."""
    if network is not None and (meta["network"], meta["ledger"]) != (network, ledger):
        raise OtherNetwork(path, meta["network"], meta["ledger"])
