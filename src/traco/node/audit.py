"""The audit: executes a whole ledger again from its genesis and compares every hash, row and column with what is stored.

    stored blocks (time, envelopes) -> a fresh application over a fresh store -> the same rows, or somebody changed some

What it takes from the stored ledger are the inputs: the time of each block and the envelopes in it. All else must come
out again. An input that was changed shows in what comes out, because envelopes are signed and block records have the time.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import msgspec

from traco.kernel.application import Application
from traco.kernel.errors import Halt
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.screening import Screener
from traco.modules.composition import compose
from traco.node.directory import LEDGER_FILE, NodeDirectoryError, read_genesis
from traco.storage import (
    Difference,
    DirectoryLock,
    LedgerStore,
    check_pages,
    differences,
)
from traco.storage.database import open_reader, read_base, read_meta
from traco.storage.errors import halting
from traco.storage.rows import BLOCK_COLUMNS

REPORTED: Final = 20
"""How many differences are reported; one is as bad as many."""

_ENVELOPES: Final = msgspec.msgpack.Decoder(tuple[bytes, ...])


class Progress(NamedTuple):
    """How far the execution has come."""

    block: int
    blocks: int
    transactions: int


class AuditReport(NamedTuple):
    """The result. It is sound exactly if ``differences`` is empty; ``transactions`` were executed again."""

    height: int
    transactions: int
    app_hash: bytes
    differences: tuple[Difference, ...]


def audit(
    directory: Path, progress: Callable[[Progress], None] | None = None, screener: Screener | None = None
) -> AuditReport:
    """Audit the ledger of a node that does not run.

    Raises ``StorageHalt`` where the directory is in use or a page is damaged, ``NodeDirectoryError`` where there is no ledger
    (``node.not_founded``), or none since the founding (``ledger.before_snapshot``).
    """
    path = directory / LEDGER_FILE
    genesis = read_genesis(directory)
    if not path.exists():
        raise NodeDirectoryError("node.not_founded", f"{directory} has no ledger; there is nothing to audit")
    with DirectoryLock(directory):
        check_pages(path)
        require_since_founding(path, "audited")
        with TemporaryDirectory(prefix="audit-", dir=directory) as scratch:
            return compare(path, genesis, Path(scratch) / LEDGER_FILE, progress, screener)


def require_since_founding(path: Path, done: str) -> None:
    """Refuse a ledger that begins with a snapshot, for what needs every block. Raises ``NodeDirectoryError``."""
    with halting(str(path)), closing(open_reader(str(path), None)) as connection:
        first = read_base(read_meta(connection, str(path))).height
    if first > 0:
        raise NodeDirectoryError(
            "ledger.before_snapshot",
            f"this node joined by a snapshot of block {first}; a ledger can be {done} where its blocks are there since the "
            "founding. traco node rebuild executes those that are here again",
        )


def compare(
    path: Path, genesis: bytes, rebuilt: Path, progress: Callable[[Progress], None] | None = None,
    screener: Screener | None = None,
) -> AuditReport:  # fmt: skip
    """Execute the blocks of the store at ``path`` into a new store at ``rebuilt`` and compare the two."""
    founding = parse_genesis(genesis)
    store = LedgerStore(rebuilt, network_id(founding), durable=False)
    try:
        application = Application(founding, compose(), store, _ignore_alarm, screener)
        application.init_chain()
        transactions, broken = _execute(application, path, progress or _ignore_progress)
        info = application.info()
    finally:
        store.close()
    found = [broken] if broken is not None else []
    found += (
        _of_blocks(path, rebuilt, info.height) if broken is not None else differences(path, rebuilt, REPORTED)
    )
    return AuditReport(info.height, transactions, info.app_hash, tuple(found))


def _execute(
    application: Application, path: Path, progress: Callable[[Progress], None]
) -> tuple[int, Difference | None]:
    """Execute block after block, up to the first that comes out differently. How many transactions, and where."""
    transactions = 0
    blocks = _count(path)
    for height, time_ms, app_hash, envelopes in _stored_blocks(path):
        try:
            inputs = _ENVELOPES.decode(envelopes)
        except (msgspec.DecodeError, TypeError):
            return transactions, Difference("blocks", height, "envelopes", envelopes, None)
        try:
            finalized = application.finalize_block(height, time_ms, inputs)
            application.commit()
        except Halt as halt:
            return transactions, Difference("blocks", height, "time_ms", time_ms, str(halt))
        transactions += sum(len(answer.transactions) for answer in finalized.answers)
        progress(Progress(height, blocks, transactions))
        if finalized.block.app_hash != app_hash:
            return transactions, Difference("blocks", height, "app_hash", app_hash, finalized.block.app_hash)
    return transactions, None


def _count(path: Path) -> int:
    with halting(str(path)), closing(open_reader(str(path), None)) as connection:
        return int(connection.execute("SELECT count(*) - 1 FROM blocks").get)


def _stored_blocks(path: Path) -> Iterator[tuple[int, int, bytes, bytes]]:
    """Height, time, app hash and envelopes of each block above the founding, as they are stored."""
    with halting(str(path)), closing(open_reader(str(path), None)) as connection:
        rows = connection.execute(
            "SELECT height, time_ms, app_hash, envelopes FROM blocks WHERE height <> 0 ORDER BY height"
        )
        yield from rows


def _of_blocks(path: Path, rebuilt: Path, height: int) -> list[Difference]:
    """In which columns the last executed block differs, so that one sees what came out differently."""
    columns = BLOCK_COLUMNS.split(", ")
    rows: list[Any] = []
    for each in (path, rebuilt):
        with halting(str(each)), closing(open_reader(str(each), None)) as connection:
            rows.append(
                connection.execute("SELECT * FROM blocks WHERE height = ?", (height,)).fetchone() or ()
            )
    return [
        Difference("blocks", height, column, original, again)
        for column, original, again in zip(columns, *rows, strict=False)
        if original != again and column != "app_hash"
    ]


def _ignore_progress(_: Progress) -> None:
    return


def _ignore_alarm(_kind: str, _identity: bytes, _error: BaseException) -> None:
    """An alarm that was raised when the block was made is raised again; its outcome is in the receipts."""
