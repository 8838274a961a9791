"""Making a node's ledger again from its own blocks: as a whole (``rebuild``), or but for the last one (``roll_back``).

    rebuild     every block is executed again into a new file, which takes the place of the old one if all hashes agree
    roll_back   the same, from the newest base there is, without the last block; and the engine goes back with it

A base is the founding, or a snapshot in the node's own folder; the blocks before it are taken over as they are stored.
What is believed are the stored inputs of blocks (time and envelopes) and the app hashes that the other nodes agreed on.
The old file stays until the new one is complete, so a command that is interrupted changed nothing.

Rolling back is for a node whose last block came out differently than on the others: with the fault repaired, it executes
that block once more. The engine of one machine has no others; its last block is sealed, and nothing takes that back.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import msgspec

from traco.kernel.application import Application
from traco.kernel.errors import Halt
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, network_id, parse_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.screening import DirectScreener, Screener
from traco.modules.composition import compose
from traco.node.ahead import processes_for_verifying, screening_ahead
from traco.node.copies import CopyProgress, CopyRefused, Report, require_space, say_nothing
from traco.node.directory import (
    LEDGER_FILE,
    SNAPSHOTS_FOLDER,
    NodeDirectoryError,
    read_genesis,
    require_complete,
)
from traco.storage import DirectoryLock, LedgerStore
from traco.storage.copying.carrying import carry_over
from traco.storage.copying.form import PieceRefused, SnapshotRefused
from traco.storage.copying.restoring import Restoring, verify_head
from traco.storage.copying.shelf import Shelf
from traco.storage.copying.swap import replace_ledger
from traco.storage.database import open_reader, read_base, read_meta
from traco.storage.errors import halting
from traco.storage.loading import read_head
from traco.storage.schema import SWEEP_BLOCKS

_ENVELOPES: Final = msgspec.msgpack.Decoder(tuple[bytes, ...])
_BLOCKS_AT_ONCE: Final = 32


class Rebuilt(NamedTuple):
    """Where the new ledger stands, what it was made from (the height of a snapshot, or 0), and how much was executed."""

    height: int
    app_hash: bytes
    base: int
    transactions: int


class _Stored(NamedTuple):
    """What of the old ledger is believed."""

    path: Path
    genesis: bytes
    first_height: int
    height: int


def rebuild(directory: Path, report: Report = say_nothing, processes: int | None = None) -> Rebuilt:
    """Execute all blocks of a node that does not run into a new ledger file, and put it in the place of the old one.

    Raises ``CopyRefused`` (``rebuild.no_base``, ``rebuild.different_result``, ``rebuild.no_space``), ``StorageHalt``,
    ``NodeDirectoryError``; then nothing was changed.
    """
    require_complete(directory)
    with DirectoryLock(directory):
        stored = _stored(directory)
        base = 0 if stored.first_height == 0 else _oldest_base(directory, stored)
        return _make(directory, stored, base, stored.height, lambda: None, report, processes)


def roll_back(
    directory: Path, roll_back_engine: Callable[[], int], report: Report = say_nothing, processes: int | None = None
) -> Rebuilt:  # fmt: skip
    """Take the ledger of a node that does not run back by one block, and its engine with it.

    ``roll_back_engine`` does so with the engine, and returns the height at which that stands then. It goes first: an engine
    that is back while the ledger is not finds out at its start, and goes forward again.
    Raises as ``rebuild``, and ``CopyRefused`` (``rollback.sealed``, ``rollback.nothing``, ``rollback.other_height``), what the engine raises.
    """
    require_complete(directory)
    with DirectoryLock(directory):
        stored = _stored(directory)
        if parse_genesis(stored.genesis).seal.kind != SIGNED_BY_VALIDATORS:
            raise CopyRefused(
                "rollback.sealed",
                "on this network one node orders, and its last block is sealed; restore a backup where it must go",
            )
        target = stored.height - 1
        if target < stored.first_height:
            raise CopyRefused(
                "rollback.nothing",
                f"the ledger begins at block {stored.first_height}: there is no block to take back",
            )
        base = _newest_base(directory, stored, target)

        def before_swap() -> None:
            reached = roll_back_engine()
            if reached != target:
                raise CopyRefused(
                    "rollback.other_height",
                    f"the engine went back to block {reached}, and the ledger would to {target}; the ledger was left as it is. "
                    "Start the node: it goes forward again, and its log says what is wrong",
                )

        done = _make(directory, stored, base, target, before_swap, report, processes)
        Shelf(directory / SNAPSHOTS_FOLDER).prune(above=target)
        return done


def _stored(directory: Path) -> _Stored:
    path, genesis = directory / LEDGER_FILE, read_genesis(directory)
    name = str(path)
    with halting(name), closing(open_reader(name, None)) as connection:
        meta = read_meta(connection, name)
        if meta["network"] != network_id(parse_genesis(genesis)):
            raise NodeDirectoryError(
                "node.genesis_invalid", f"{path} is of another network than the genesis document"
            )
        return _Stored(path, meta["genesis"], read_base(meta).height, read_head(connection).height)


def _snapshots(directory: Path, stored: _Stored) -> list[int]:
    """The heights of the node's own snapshots that the ledger has the blocks behind of, newest first."""
    return [
        height
        for height in Shelf(directory / SNAPSHOTS_FOLDER).heights()
        if height >= max(1, stored.first_height)
    ]


def _oldest_base(directory: Path, stored: _Stored) -> int:
    found = [height for height in _snapshots(directory, stored) if height <= stored.height]
    if not found:
        raise _no_base(stored)
    return found[-1]


def _newest_base(directory: Path, stored: _Stored, target: int) -> int:
    """The newest base from which so many blocks follow that every row comes out as if all had been executed."""
    for height in _snapshots(directory, stored):
        if height + SWEEP_BLOCKS <= target or (height == stored.first_height and height <= target):
            return height
    if stored.first_height > 0:
        raise _no_base(stored)
    return 0


def _no_base(stored: _Stored) -> CopyRefused:
    return CopyRefused(
        "rebuild.no_base",
        f"this node joined by a snapshot of block {stored.first_height}, and none is left that its blocks could be executed "
        "from. Have it join anew (move its ledger and engine/data away), or restore a backup",
    )


def _make(
    directory: Path, stored: _Stored, base: int, target: int, before_swap: Callable[[], None], report: Report,
    processes: int | None,
) -> Rebuilt:  # fmt: skip
    with TemporaryDirectory(prefix="rebuild-", dir=directory) as scratch:
        made = Path(scratch) / LEDGER_FILE
        done = _remake(directory, stored, base, target, made, report, processes)
        before_swap()
        replace_ledger(made, stored.path)
    return done


def ledger_as_of(
    directory: Path, height: int, made: Path, report: Report = say_nothing, processes: int | None = None
) -> Rebuilt:
    """Make the ledger of a node, running or not, as it was after an earlier block, in the new file ``made``.

    Raises as ``rebuild``, and ``CopyRefused`` (``rebuild.no_block``) where the ledger does not have that block.
    """
    stored = _stored(directory)
    if not stored.first_height <= height <= stored.height:
        raise CopyRefused(
            "rebuild.no_block",
            f"{directory} has blocks {stored.first_height} to {stored.height}, not {height}",
        )
    return _remake(
        directory, stored, _newest_base(directory, stored, height), height, made, report, processes
    )


def _remake(
    directory: Path, stored: _Stored, base: int, target: int, made: Path, report: Report, processes: int | None
) -> Rebuilt:  # fmt: skip
    require_space(made.parent, 2 * stored.path.stat().st_size, "rebuild.no_space")
    if base:
        _begin_from(directory, stored, base, made, report)
    limits = parse_genesis(stored.genesis).kernel_parameters()

    def ahead() -> Iterator[tuple[bytes, ...]]:
        return (envelopes for *_, envelopes in _blocks(stored.path, base, target))

    with _screening(limits, ahead, processes) as screener:
        return _execute(stored, base, target, made, screener, report)


def _screening(
    limits: KernelParameters, blocks: Callable[[], Iterator[tuple[bytes, ...]]], processes: int | None
) -> AbstractContextManager[Screener]:
    """Signatures are checked by so many processes (None: as many as the machine has room for), or by this one (0)."""
    if processes == 0:
        return nullcontext(DirectScreener(compose().body, limits))
    return screening_ahead(limits, blocks, processes or processes_for_verifying())


def _begin_from(directory: Path, stored: _Stored, base: int, made: Path, report: Report) -> None:
    """Restore the node's own snapshot, with the blocks before it."""
    shelf = Shelf(directory / SNAPSHOTS_FOLDER)
    with halting(str(stored.path)), closing(open_reader(str(stored.path), None)) as connection:
        app_hash = connection.execute("SELECT app_hash FROM blocks WHERE height = ?", (base,)).get
    try:
        head = verify_head(
            shelf.head(base) or b"", stored.genesis, app_hash if isinstance(app_hash, bytes) else b""
        )
        restoring = Restoring(made, head, stored.genesis)
        try:
            for done, index in enumerate(sorted(restoring.missing), 1):
                restoring.add(index, shelf.piece(base, index) or b"")
                report(CopyProgress("snapshot", done, len(head.piece_hashes)))
            restoring.finish()
        except BaseException:
            restoring.discard()
            raise
    except (PieceRefused, SnapshotRefused) as refused:
        raise CopyRefused(
            "rebuild.snapshot_damaged",
            f"the snapshot of block {base} does not hold ({refused}); remove {shelf.folder / str(base)}",
        ) from None
    if stored.first_height < base:
        carry_over(made, stored.path)


def _execute(
    stored: _Stored, base: int, target: int, made: Path, screener: Screener, report: Report
) -> Rebuilt:
    founding = parse_genesis(stored.genesis)
    transactions = 0
    store = LedgerStore(made, network_id(founding), durable=False)  # what becomes of it is synced as a whole
    try:
        application = Application(founding, compose(), store, _ignore_alarm, screener)
        if not base:
            application.init_chain()
        for height, time_ms, app_hash, envelopes in _blocks(stored.path, base, target):
            try:
                finalized = application.finalize_block(height, time_ms, envelopes)
            except Halt as halt:
                raise _different(height, str(halt)) from halt
            if finalized.block.app_hash != app_hash:
                raise _different(
                    height, f"its app hash is {finalized.block.app_hash.hex()}, stored is {app_hash.hex()}"
                )
            application.commit()
            transactions += sum(len(answer.transactions) for answer in finalized.answers)
            report(CopyProgress("blocks executed", height - base, target - base))
        info = application.info()
    finally:
        store.close()
    if info.height != target:
        raise _different(info.height + 1, "it is missing")
    return Rebuilt(info.height, info.app_hash, base, transactions)


def _different(height: int, what: str) -> CopyRefused:
    return CopyRefused(
        "rebuild.different_result",
        f"executed again, block {height} comes out differently: {what}. It was changed, or this release executes it "
        "otherwise; nothing was replaced. traco node compare says what the others have",
    )


def _blocks(path: Path, after: int, last: int) -> Iterator[tuple[int, int, bytes, tuple[bytes, ...]]]:
    """Height, time, app hash and envelopes of each stored block in (after, last], a few at a time."""
    with halting(str(path)), closing(open_reader(str(path), None)) as connection:
        while after < last:
            rows: Any = connection.execute(
                "SELECT height, time_ms, app_hash, envelopes FROM blocks WHERE height > ? AND height <= ? ORDER BY height"
                " LIMIT ?",
                (after, last, _BLOCKS_AT_ONCE),
            ).fetchall()
            if not rows:
                return
            for height, time_ms, app_hash, envelopes in rows:
                yield height, time_ms, app_hash, _ENVELOPES.decode(envelopes)
                after = height


def _ignore_alarm(_kind: str, _identity: bytes, _error: BaseException) -> None:
    """An alarm that was raised when the block was made is raised again; its outcome is in the receipts."""
