"""What a failing medium is called: SQLite's own code, the file, and what to do."""

import os
from pathlib import Path

import apsw
import pytest

from support.chain import replay
from support.crashes import SHORT
from traco.storage import LedgerStore, MediumFailed, SnapshotReader
from traco.storage.medium import MEANINGS, reason_of

FRAME_BYTES = 24 + 4_096


def cut_short(tmp_path: Path) -> tuple[Path, SnapshotReader]:
    """A store that ended without a checkpoint, as when its process is killed, and whose log then lost its last frame."""
    path = tmp_path / "ledger.db"
    store = LedgerStore(path)
    replay(store, SHORT.blocks[:3])
    reader = SnapshotReader(path)
    snapshot = reader.snapshot()
    assert snapshot is not None
    snapshot.close()
    store.close()  # the reader keeps the log
    log = tmp_path / "ledger.db-wal"
    os.truncate(log, log.stat().st_size - FRAME_BYTES)
    return path, reader


def test_a_log_that_is_shorter_than_its_readers_know_is_named_with_what_to_do(tmp_path: Path) -> None:
    path, reader = cut_short(tmp_path)
    with pytest.raises(MediumFailed) as raised:
        LedgerStore(path)
    reader.close()
    text = str(raised.value)
    assert f"disk I/O error (SQLITE_IOERR_SHORT_READ, of {path} or {path}-wal: it is shorter" in text
    assert "end all of them" in text


def test_without_its_readers_a_log_that_was_cut_short_is_read_up_to_its_last_whole_block(
    tmp_path: Path,
) -> None:
    path, reader = cut_short(tmp_path)
    reader.close()
    store = LedgerStore(path)
    loaded = store.load()
    assert loaded is not None
    assert (loaded.height, loaded.app_hash) == (1, SHORT.blocks[1].app_hash)
    replay(store, SHORT.blocks[2:4], loaded.tree)
    store.close()


def raised_by(code: str) -> apsw.Error:
    error = apsw.exception_for(int(apsw.mapping_extended_result_codes[code]))
    assert isinstance(error, apsw.Error)
    return error


@pytest.mark.parametrize(
    ("code", "files", "advice"),
    [
        ("SQLITE_IOERR_SHORT_READ", "/l.db or /l.db-wal", "end all of them"),
        ("SQLITE_IOERR_READ", "/l.db or /l.db-wal", "errors of the disk"),
        ("SQLITE_IOERR_WRITE", "/l.db or /l.db-wal", "quota"),
        ("SQLITE_IOERR_FSYNC", "/l.db or /l.db-wal", "errors of the disk"),
        ("SQLITE_IOERR_DIR_FSYNC", "/l.db or /l.db-wal", "errors of the disk"),
        ("SQLITE_IOERR_SHMSIZE", "/l.db-shm", "make space"),
        ("SQLITE_IOERR_SHMMAP", "/l.db-shm", "local disk"),
        ("SQLITE_IOERR_SHMLOCK", "/l.db or /l.db-shm", "no locks"),
        ("SQLITE_IOERR_RDLOCK", "/l.db or /l.db-shm", "no locks"),
        ("SQLITE_IOERR_NOMEM", "/l.db", "memory"),
        ("SQLITE_IOERR_VNODE", "/l.db or /l.db-wal", "errors of the disk"),
        ("SQLITE_CANTOPEN_ISDIR", "/l.db or /l.db-wal or /l.db-shm", "a file"),
        ("SQLITE_READONLY_DBMOVED", "/l.db or /l.db-wal or /l.db-shm", "reading only"),
        ("SQLITE_BUSY_RECOVERY", "/l.db", "end that one"),
    ],
)
def test_each_code_names_its_files_and_what_to_do(code: str, files: str, advice: str) -> None:
    reason = reason_of(raised_by(code), "/l.db")
    assert f"({code}, of {files}: " in reason
    assert advice in reason.partition(files)[2]


def test_every_code_of_a_failing_medium_that_sqlite_knows_has_a_meaning() -> None:
    known = [name for name in apsw.mapping_extended_result_codes if isinstance(name, str)]
    meant = tuple(code for meaning in MEANINGS for code in meaning.codes)
    families = ("SQLITE_IOERR_", "SQLITE_CANTOPEN_", "SQLITE_READONLY_", "SQLITE_BUSY_")
    failing = [name for name in known if name.startswith(families)]
    assert [name for name in failing if not name.startswith(meant)] == []
    assert len(failing) > 40


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (apsw.Error("broken"), "broken"),
        (apsw.exception_for(apsw.SQLITE_ERROR), "(SQLITE_ERROR)"),
        (apsw.exception_for(apsw.SQLITE_CANTOPEN), "(SQLITE_CANTOPEN, of /l.db or /l.db-wal or /l.db-shm: "),
    ],
)
def test_without_an_extended_code_the_plain_one_is_named_if_there_is_any(
    error: apsw.Error, text: str
) -> None:
    assert text in reason_of(error, "/l.db")
