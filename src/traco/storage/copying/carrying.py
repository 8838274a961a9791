"""Gives a ledger file made from a snapshot the blocks before it, out of the ledger that the snapshot was taken of.

What results is what executing all blocks gives, row by row, once ``SWEEP_BLOCKS`` more were executed on it.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from traco.kernel.merkle import Frontier
from traco.storage.database import read_base, read_meta
from traco.storage.errors import StoreDamaged, halting
from traco.storage.rows import decode_leaves, index_entries
from traco.storage.schema import PREFIX_BYTES, SWEEP_BLOCKS


def carry_over(made: Path, source: Path) -> None:
    """Bring the blocks of ``source`` up to the height of ``made``, which has just been made from a snapshot of it.

    Raises ``StoreDamaged`` where their records do not lead to the snapshot's history, ``StorageHalt``.
    """
    with halting(str(source)), closing(apsw.Connection(str(made))) as connection:
        base = read_base(read_meta(connection, str(made)))
        connection.pragma("synchronous", "off")  # whoever puts the file in a place syncs it
        connection.wal_autocheckpoint(0)
        connection.execute("ATTACH ? AS source", (str(source),))
        with connection:
            place = base.height.to_bytes(5, "big")
            execute = connection.execute
            execute("DELETE FROM main.blocks")
            execute("INSERT INTO main.blocks SELECT * FROM source.blocks WHERE height <= ?", (base.height,))
            execute("INSERT INTO main.history SELECT * FROM source.history WHERE position < ?", (base.size,))
            execute(
                "INSERT INTO main.transaction_index SELECT entry FROM source.transaction_index"
                f" WHERE substr(entry, {PREFIX_BYTES + 1}, 5) <= ?",
                (place,),
            )
            _index_recent(connection, base.height)
            execute("DELETE FROM main.inherited")
            if connection.table_exists("source", "inherited"):
                execute("INSERT INTO main.inherited SELECT * FROM source.inherited")
            else:
                execute("DROP TABLE main.inherited")
            execute("DELETE FROM main.meta")
            execute("INSERT INTO main.meta SELECT * FROM source.meta")
        before = read_base(read_meta(connection, str(made)))
        history = Frontier.decode(before.size, before.frontier)
        for (record_hash,) in connection.execute("SELECT record_hash FROM main.history ORDER BY position"):
            history.append(record_hash)
        if (history.size, history.encode()) != (base.size, base.frontier):
            raise StoreDamaged(
                str(source), f"its block records do not lead to the snapshot of block {base.height}"
            )


def _index_recent(connection: apsw.Connection, height: int) -> None:
    """The entries that a ledger of this height has not swept yet."""
    recent: Any = connection.execute(
        "SELECT height, leaves FROM main.blocks WHERE height > ? ORDER BY height", (height - SWEEP_BLOCKS,)
    ).fetchall()
    for at, leaves in recent:
        prefixes = b"".join([leaf.identity[:PREFIX_BYTES] for leaf in decode_leaves(leaves)])
        entries = [(entry,) for entry in index_entries(prefixes, at)]
        connection.executemany("INSERT OR IGNORE INTO main.transaction_index VALUES (?)", entries)
