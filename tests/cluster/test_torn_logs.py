"""What the torture tears off a ledger's log was committed and is nowhere else; a start that fails leaves something to look at."""

import os
from pathlib import Path

import apsw
import pytest

from support.chain import replay
from support.crashes import SHORT
from torture_cluster.faults_disk import FRAME_BYTES, LEDGER_LOG, log_alone
from torture_cluster.remains import remains
from traco.node.directory import LEDGER_FILE
from traco.storage import LedgerStore
from traco.storage.database import open_reader


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """The database of three blocks whose log was not moved into it, as after a kill; nobody has it open."""
    return left(tmp_path / LEDGER_FILE, 3)


def left(path: Path, stop: int, *, moved: bool = False) -> Path:
    """Commit blocks up to the one before ``stop``, and end as if killed. ``moved``: the database has them too."""
    store = LedgerStore(path)
    loaded = store.load()
    if loaded is None:
        replay(store, SHORT.blocks[:stop])
    else:
        replay(store, SHORT.blocks[loaded.height + 1 : stop], loaded.tree)
    reader = open_reader(str(path), None, lasting=True)  # whoever closes it last moves nothing
    assert reader.execute("SELECT count(*) FROM blocks").get
    if moved:
        reader.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    store.close()
    reader.close()
    return path


def height(path: Path) -> int:
    store = LedgerStore(path)
    loaded = store.load()
    store.close()
    return -1 if loaded is None else loaded.height


def test_what_is_torn_off_is_the_end_of_what_was_committed(ledger: Path) -> None:
    log = ledger.with_name(LEDGER_LOG)
    with log.open("ab") as file:
        file.write(bytes(5 * FRAME_BYTES))  # as left by a longer log before
    os.truncate(log, log_alone(ledger).stop - 1)
    assert height(ledger) == 1


def test_nothing_before_the_end_of_what_was_committed_is_torn_off(ledger: Path) -> None:
    os.truncate(ledger.with_name(LEDGER_LOG), log_alone(ledger).stop)
    assert height(ledger) == 2


def test_what_the_database_has_already_is_not_torn_off(tmp_path: Path) -> None:
    assert not log_alone(left(tmp_path / LEDGER_FILE, 3, moved=True))


def test_a_ledger_that_nobody_wrote_has_nothing_to_tear_off(tmp_path: Path) -> None:
    assert not log_alone(tmp_path / LEDGER_FILE)


def test_the_remains_of_a_node_are_its_files_its_disk_the_limits_and_who_has_it_open(ledger: Path) -> None:
    reader = open_reader(str(ledger), None, lasting=True)
    assert reader.execute("SELECT count(*) FROM blocks").get
    told = remains(ledger.parent)
    reader.close()
    assert f"{ledger.stat().st_size:,} 644 {LEDGER_FILE}\n" in told
    assert "bytes free" in told
    assert "limits: size of a file " in told
    assert f"process {os.getpid()} (this one): {LEDGER_FILE}, {LEDGER_FILE}-shm, {LEDGER_FILE}-wal" in told
