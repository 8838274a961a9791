"""Whatever happens while a new ledger file takes the place of the old one, one of the two is there whole."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from support.chain import Chain, replay
from traco.storage import LedgerStore, MediumFailed, SnapshotReader
from traco.storage.copying import swap
from traco.storage.copying.swap import replace_ledger


def key(number: int) -> bytes:
    return b"\x02\x01" + number.to_bytes(4, "big")


def chain(word: bytes, blocks: int) -> Chain:
    made = Chain({key(number): word for number in range(20)})
    for height in range(1, blocks + 1):
        made.add({key(height): word + b"%d" % height}, leaves=2)
    return made


OLD, NEW = chain(b"old", 5), chain(b"new", 9)


def stored(path: Path, content: Chain) -> Path:
    store = LedgerStore(path)
    replay(store, content.blocks)
    store.close()
    return path


def found(path: Path) -> bytes:
    store = LedgerStore(path)
    loaded = store.load()
    store.close()
    assert loaded is not None
    return loaded.app_hash


def leave_log(path: Path) -> None:
    """Commit something that stays beside the database, as a killed process leaves it."""
    aside = path.with_name("aside.db")
    shutil.copy(path, aside)
    connection = apsw.Connection(str(aside))
    connection.wal_autocheckpoint(0)
    connection.execute("CREATE TABLE later (one)")
    for end in ("", "-wal"):
        shutil.copy(f"{aside}{end}", f"{path}{end}")
    connection.close()
    aside.unlink()


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(9))
def test_a_process_that_ends_between_two_steps_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    made, target = stored(tmp_path / "made.db", NEW), stored(tmp_path / "ledger.db", OLD)
    writing = apsw.Connection(
        str(target)
    )  # something committed is still beside the database, as after a kill
    writing.execute("PRAGMA journal_mode=WAL")
    writing.wal_autocheckpoint(0)
    writing.execute("CREATE TABLE later (one)")
    steps = swap._steps

    def some(first: Path, second: Path) -> list[Callable[[], object]]:
        def end() -> None:
            raise Killed

        return [*steps(first, second)[:step], end]

    monkeypatch.setattr(swap, "_steps", some)
    assert len(steps(made, target)) == 9
    with pytest.raises(Killed):
        replace_ledger(made, target)
    expected = NEW if step == 8 else OLD
    assert found(target) == expected.blocks[-1].app_hash
    assert apsw.Connection(str(target)).table_exists(None, "later") == (expected is OLD)


def test_the_new_file_is_there_alone_afterwards(tmp_path: Path) -> None:
    made, target = stored(tmp_path / "made.db", NEW), stored(tmp_path / "ledger.db", OLD)
    replace_ledger(made, target)
    assert sorted(os.listdir(tmp_path)) == ["ledger.db"]
    assert found(target) == NEW.blocks[-1].app_hash
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_place_where_no_ledger_was_is_taken(tmp_path: Path) -> None:
    replace_ledger(stored(tmp_path / "made.db", NEW), tmp_path / "ledger.db")
    assert found(tmp_path / "ledger.db") == NEW.blocks[-1].app_hash


def test_a_reader_that_keeps_the_old_file_open_prevents_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, target = stored(tmp_path / "made.db", NEW), stored(tmp_path / "ledger.db", OLD)
    monkeypatch.setattr("traco.storage.database._BUSY_MS", 1)
    store = LedgerStore(target)
    reader = SnapshotReader(target)
    with reader.snapshot():  # type: ignore[union-attr]
        more = chain(b"old", 6).blocks[-1]
        replay(store, [more], store.load().tree)  # type: ignore[union-attr]
        with pytest.raises(MediumFailed):
            replace_ledger(made, target)
    store.close()
    assert made.exists()
    assert found(target) == more.app_hash


def test_a_reader_of_the_old_file_that_closes_leaves_the_log_of_the_new_one(tmp_path: Path) -> None:
    made, target = stored(tmp_path / "made.db", NEW), stored(tmp_path / "ledger.db", OLD)
    reader = SnapshotReader(target)
    reader.snapshot().close()  # type: ignore[union-attr]
    replace_ledger(made, target)
    store = LedgerStore(target)
    loaded = store.load()
    assert loaded is not None
    replay(store, [chain(b"new", 10).blocks[-1]], loaded.tree)
    reader.close()
    assert target.with_name("ledger.db-wal").stat().st_size > 0
    store.close()


def test_an_open_store_goes_on_from_the_file_that_took_the_place(tmp_path: Path) -> None:
    made, target = stored(tmp_path / "made.db", NEW), stored(tmp_path / "ledger.db", OLD)
    store = LedgerStore(target)
    store.replace(lambda: replace_ledger(made, target))
    loaded = store.load()
    assert loaded is not None
    assert loaded.app_hash == NEW.blocks[-1].app_hash
    replay(store, [chain(b"new", 10).blocks[-1]], loaded.tree)
    store.close()


def test_a_store_whose_replacement_failed_has_the_old_file_open(tmp_path: Path) -> None:
    target = stored(tmp_path / "ledger.db", OLD)
    store = LedgerStore(target)
    with pytest.raises(MediumFailed):
        store.replace(lambda: replace_ledger(tmp_path / "missing.db", target))
    loaded = store.load()
    assert loaded is not None
    assert loaded.app_hash == OLD.blocks[-1].app_hash
    store.close()


def test_a_reader_finds_the_file_that_took_the_place(tmp_path: Path) -> None:
    made, target = stored(tmp_path / "made.db", NEW), stored(tmp_path / "ledger.db", OLD)
    reader = SnapshotReader(target)
    before = reader.snapshot()
    assert before is not None
    assert before.app_hash == OLD.blocks[-1].app_hash
    before.close()
    replace_ledger(made, target)
    with reader.snapshot() as after:  # type: ignore[union-attr]
        assert (after.app_hash, after.get(key(9))) == (NEW.blocks[-1].app_hash, b"new9")
    reader.close()
