from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import apsw
import msgspec
import pytest

from support.stored_ledger import SealKey, StoredLedger
from traco.channels.custody.store import CustodyStore
from traco.channels.seat.book import Book
from traco.node.backup import MANIFEST_FILE, FileEntry, back_up, read_manifest
from traco.node.copies import CopyProgress, CopyRefused, digest_of
from traco.node.directory import LEDGER_FILE, OUTBOX_FILE, NodeDirectoryError, require_complete
from traco.node.outbox import Outbox
from traco.node.restore import Expected, Level, Restoration, restore, take_over
from traco.storage import DirectoryLock, OtherNetwork, StorageHalt, differences


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredLedger:
    """A ledger in a directory, which nobody has open."""
    directory = tmp_path_factory.mktemp("node") / "node"
    directory.mkdir()
    ledger = StoredLedger(directory)
    ledger.trade(blocks=60, per_block=4)
    ledger.close()
    (directory / "node.keys").write_bytes(b"encrypted")
    return ledger


@pytest.fixture
def backup(stored: StoredLedger, tmp_path: Path) -> Path:
    back_up(stored.directory, tmp_path / "backup", now_ms=lambda: 5)
    return tmp_path / "backup"


def refused(backup: Path, target: Path, level: Level = "quick") -> str:
    """The code with which the restore is refused; nothing may be left of it."""
    before = sorted(target.parent.iterdir())
    with pytest.raises(CopyRefused) as caught:
        restore(backup, target, level)
    assert sorted(target.parent.iterdir()) == before
    return caught.value.code


def forge(backup: Path, *statements: str) -> None:
    """Change the ledger in a backup, and the manifest with it."""
    with closing(apsw.Connection(str(backup / LEDGER_FILE))) as connection:
        for statement in statements:
            connection.execute(statement)
    manifest = read_manifest(backup)
    files = {**manifest.files, LEDGER_FILE: FileEntry(*digest_of(backup / LEDGER_FILE))}
    changed = msgspec.structs.replace(manifest, files=files)
    (backup / MANIFEST_FILE).write_bytes(msgspec.json.encode(changed))


def test_a_backup_says_what_it_is_of_and_is_private(stored: StoredLedger, backup: Path) -> None:
    manifest = read_manifest(backup)
    info = stored.ledger.application.info()
    assert (manifest.height, manifest.time_ms, manifest.app_hash) == (info[0], info[1], info[2].hex())
    assert (manifest.made_ms, manifest.keys, sorted(manifest.files)) == (
        5, True, ["genesis.json", "ledger.db", "node.keys"],
    )  # fmt: skip
    assert [path.name for path in (backup, *backup.iterdir()) if path.stat().st_mode & 0o077] == []
    assert sorted(path.name for path in backup.iterdir()) == sorted([*manifest.files, MANIFEST_FILE])


@pytest.mark.parametrize("level", ["quick", "full"])
def test_a_restored_backup_is_the_ledger(
    stored: StoredLedger, backup: Path, tmp_path: Path, level: Level
) -> None:
    done = restore(backup, tmp_path / "restored", level, processes=1)
    assert differences(stored.path, tmp_path / "restored" / LEDGER_FILE) == []
    assert done == Restoration(read_manifest(backup), level, 253, sealed=False)
    assert (tmp_path / "restored" / "node.keys").read_bytes() == b"encrypted"
    assert not list((tmp_path / "restored").glob("again*"))


def test_a_backup_without_keys_has_none(stored: StoredLedger, tmp_path: Path) -> None:
    back_up(stored.directory, tmp_path / "backup", keys=False)
    restore(tmp_path / "backup", tmp_path / "restored", "quick")
    assert not (tmp_path / "backup" / "node.keys").exists()
    assert not (tmp_path / "restored" / "node.keys").exists()


def test_what_a_node_keeps_of_channels_is_in_a_backup_but_for_the_replicas(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    (directory / "channels").mkdir(parents=True)
    StoredLedger(directory).close()
    with (
        closing(Book(directory / "channels" / "channels.db")),
        closing(CustodyStore(directory / "channels" / "custody.db")),
    ):
        for name in ("seats.keys", "channels/77.db"):
            (directory / name).write_bytes(b"anything")
        back_up(directory, tmp_path / "whole")
        back_up(directory, tmp_path / "without", keys=False)
    kept = ["channels/channels.db", "channels/custody.db", "genesis.json", "ledger.db", "seats.keys"]
    assert sorted(read_manifest(tmp_path / "whole").files) == kept
    assert sorted(read_manifest(tmp_path / "without").files) == [
        "channels/custody.db",
        "genesis.json",
        "ledger.db",
    ]
    restore(tmp_path / "whole", tmp_path / "restored", "quick")
    with closing(Book(tmp_path / "restored" / "channels" / "channels.db")) as book:
        assert book.read_height() == 0


def test_a_sealed_backup_proves_where_the_ledger_stood(stored: StoredLedger, tmp_path: Path) -> None:
    back_up(stored.directory, tmp_path / "backup", seal=SealKey())
    assert restore(tmp_path / "backup", tmp_path / "restored", "quick").sealed


def test_the_seal_must_be_the_one_of_the_genesis(stored: StoredLedger, tmp_path: Path) -> None:
    class Other(SealKey):
        public_key = b"\x01" + bytes(32)

    with pytest.raises(CopyRefused, match=r"backup\.other_seal"):
        back_up(stored.directory, tmp_path / "backup", seal=Other())


def test_a_backup_never_takes_the_place_of_anything(stored: StoredLedger, backup: Path) -> None:
    with pytest.raises(CopyRefused, match=r"backup\.exists"):
        back_up(stored.directory, backup)
    assert read_manifest(backup).made_ms == 5


def test_a_backup_that_fails_leaves_nothing(stored: StoredLedger, tmp_path: Path) -> None:
    def fail(_: CopyProgress) -> None:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        back_up(stored.directory, tmp_path / "backup", report=fail)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_said_before_anything_is_copied(
    stored: StoredLedger, backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.node.copies.shutil.disk_usage", lambda _: SimpleNamespace(free=50_000))
    with pytest.raises(CopyRefused, match=r"backup\.no_space: it needs \d+ bytes, and 50000 are free"):
        back_up(stored.directory, tmp_path / "other")
    assert refused(backup, tmp_path / "restored") == "restore.no_space"


def test_a_directory_without_a_ledger_is_no_node(stored: StoredLedger, tmp_path: Path) -> None:
    (tmp_path / "genesis.json").write_bytes((stored.directory / "genesis.json").read_bytes())
    with pytest.raises(CopyRefused, match=r"backup\.no_ledger"):
        back_up(tmp_path, tmp_path / "backup")
    with pytest.raises(NodeDirectoryError, match=r"node\.incomplete"):
        back_up(tmp_path / "nothing", tmp_path / "backup")


def test_a_restored_copy_does_not_start_before_it_takes_over_at_its_height(
    stored: StoredLedger, backup: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "restored"
    restore(backup, copy, "quick")
    with pytest.raises(NodeDirectoryError, match=r"node\.restored"):
        require_complete(copy)
    with pytest.raises(CopyRefused, match=r"takeover\.other_height"):
        take_over(copy, 1)
    height = stored.ledger.application.info().height
    assert take_over(copy, height).height == height
    with pytest.raises(CopyRefused, match=r"takeover\.not_restored"):
        take_over(copy, height)
    with pytest.raises(NodeDirectoryError, match=r"node\.incomplete"):
        require_complete(copy)  # this ledger never had a configuration


def test_a_restore_needs_an_empty_directory(backup: Path, tmp_path: Path) -> None:
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "file").touch()
    assert refused(backup, tmp_path / "restored") == "restore.not_empty"
    (tmp_path / "restored" / "file").unlink()
    restore(backup, tmp_path / "restored", "quick")


@pytest.mark.parametrize("name", ["ledger.db", "genesis.json", "node.keys"])
def test_a_changed_file_is_refused(backup: Path, tmp_path: Path, name: str) -> None:
    content = bytearray((backup / name).read_bytes())
    content[len(content) // 2] ^= 1
    (backup / name).write_bytes(content)
    assert refused(backup, tmp_path / "restored") == "backup.altered"


def test_a_shortened_or_missing_file_is_refused(backup: Path, tmp_path: Path) -> None:
    (backup / "ledger.db").write_bytes((backup / "ledger.db").read_bytes()[:-4096])
    assert refused(backup, tmp_path / "restored") == "backup.altered"
    (backup / "ledger.db").unlink()
    assert refused(backup, tmp_path / "restored") == "backup.incomplete"


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[" * 50_000, b'{"format": "traco-backup/2"}'],
)
def test_what_has_no_manifest_is_no_backup(backup: Path, tmp_path: Path, content: bytes) -> None:
    (backup / MANIFEST_FILE).write_bytes(content)
    assert refused(backup, tmp_path / "restored") == "backup.not_a_backup"
    (backup / MANIFEST_FILE).unlink()
    assert refused(backup, tmp_path / "restored") == "backup.not_a_backup"


def test_a_manifest_names_no_file_elsewhere(backup: Path, tmp_path: Path) -> None:
    manifest = msgspec.json.decode((backup / MANIFEST_FILE).read_bytes())
    manifest["files"]["../elsewhere"] = manifest["files"]["ledger.db"]
    (backup / MANIFEST_FILE).write_bytes(msgspec.json.encode(manifest))
    assert refused(backup, tmp_path / "restored") == "backup.not_a_backup"


def test_a_manifest_of_another_height_is_refused(backup: Path, tmp_path: Path) -> None:
    manifest = read_manifest(backup)
    changed = msgspec.structs.replace(manifest, height=manifest.height - 1)
    (backup / MANIFEST_FILE).write_bytes(msgspec.json.encode(changed))
    assert refused(backup, tmp_path / "restored") == "backup.altered"


FORGERIES = {
    "an app hash": "UPDATE blocks SET app_hash = zeroblob(32) WHERE height = 9",
    "a time": "UPDATE blocks SET time_ms = time_ms + 1 WHERE height = 9",
    "a time far ahead": "UPDATE blocks SET time_ms = time_ms + 100000 WHERE height = 1",
    "a leaf": "UPDATE blocks SET leaves = (SELECT leaves FROM blocks WHERE height = 8) WHERE height = 9",
    "an envelope": "UPDATE blocks SET envelopes = (SELECT envelopes FROM blocks WHERE height = 8) WHERE height = 9",
    "no envelopes": "UPDATE blocks SET envelopes = x'90' WHERE height = 9",
    "used ids": "UPDATE blocks SET used = x'90' WHERE height = 9",
    "a record hash": "UPDATE history SET record_hash = zeroblob(32) WHERE position = 3",
    "one record more": "INSERT INTO history VALUES (100000, zeroblob(32))",
    "a missing block": "DELETE FROM blocks WHERE height = 9",
    "a value": "UPDATE state SET value = x'00' WHERE slot = 2",
    "a leaf hash": "UPDATE leaf_tile SET hashes = zeroblob(length(hashes)) WHERE tile = 0",
}


@pytest.mark.parametrize("what", FORGERIES)
def test_the_quick_verification_finds(backup: Path, tmp_path: Path, what: str) -> None:
    forge(backup, FORGERIES[what])
    assert refused(backup, tmp_path / "restored") == "ledger.unsound"


def test_the_full_verification_finds_a_wrong_index(backup: Path, tmp_path: Path) -> None:
    forge(backup, "DELETE FROM transaction_index WHERE entry = (SELECT min(entry) FROM transaction_index)")
    restore(backup, tmp_path / "quick", "quick")  # derived, and no part of what anything commits to
    assert refused(backup, tmp_path / "full", "full") == "ledger.unsound"


def test_a_backup_whose_genesis_is_another_is_refused(backup: Path, tmp_path: Path) -> None:
    forge(backup, "UPDATE meta SET value = zeroblob(32) WHERE name = 'network'")
    with pytest.raises(OtherNetwork):
        restore(backup, tmp_path / "restored", "quick")
    assert not (tmp_path / "restored").exists()


def test_a_damaged_ledger_is_not_backed_up(stored: StoredLedger, tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.mkdir()
    (node / "genesis.json").write_bytes((stored.directory / "genesis.json").read_bytes())
    (node / LEDGER_FILE).write_bytes(b"not a database, but as long as one" * 300)
    with pytest.raises(StorageHalt):
        back_up(node, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes]:
    """A backup, a receipt from before it, and one from after it."""
    folder = tmp_path_factory.mktemp("grown")
    (folder / "node").mkdir()
    ledger = StoredLedger(folder / "node")
    before = ledger.receipt(ledger.transfer(5))
    back_up(folder / "node", folder / "backup")
    after = ledger.receipt(ledger.transfer(6))
    ledger.close()
    return folder / "backup", before, after


def test_a_backup_that_has_what_a_receipt_proves_is_restored(
    grown: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    backup, before, _ = grown
    done = restore(backup, tmp_path / "copy", "quick", [Expected("before", before)])
    take_over(tmp_path / "copy", done.manifest.height, [Expected("before", before)])


def test_a_backup_older_than_a_receipt_is_refused(grown: tuple[Path, bytes, bytes], tmp_path: Path) -> None:
    backup, _, after = grown
    with pytest.raises(CopyRefused, match=r"backup\.older_than_receipt"):
        restore(backup, tmp_path / "copy", "quick", [Expected("after", after)])
    assert not (tmp_path / "copy").exists()


def test_a_copy_does_not_take_over_what_a_receipt_contradicts(
    grown: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    backup, _, after = grown
    height = restore(backup, tmp_path / "copy", "quick").manifest.height
    with pytest.raises(CopyRefused, match=r"backup\.older_than_receipt"):
        take_over(tmp_path / "copy", height, [Expected("after", after)])
    assert (tmp_path / "copy" / "restored.json").exists()


def test_another_history_under_the_same_key_is_found_by_a_receipt(
    grown: tuple[Path, bytes, bytes], tmp_path: Path
) -> None:
    (tmp_path / "fork").mkdir()
    fork = StoredLedger(tmp_path / "fork")
    fork.transfer(7)  # where the original paid 5
    fork.close()
    back_up(tmp_path / "fork", tmp_path / "backup")
    with pytest.raises(CopyRefused, match=r"backup\.other_history"):
        restore(tmp_path / "backup", tmp_path / "copy", "quick", [Expected("before", grown[1])])


def test_work_committed_between_outbox_and_ledger_is_in_the_ledger(tmp_path: Path) -> None:
    """Why the outbox is copied first: in the other order this transfer would be in neither copy."""
    node = tmp_path / "node"
    node.mkdir()
    stored = StoredLedger(node)
    with closing(Outbox(node / OUTBOX_FILE)) as outbox:
        outbox.put([(b"envelope", b"acknowledged")])
        done: list[bytes] = []

        def commit(_: CopyProgress) -> None:
            if not done:  # behind the first copy, before the second
                done.append(stored.transfer(5))
                outbox.put([], [b"envelope"])

        with DirectoryLock(node):  # as a running node has it
            back_up(node, tmp_path / "backup", report=commit)
    restore(tmp_path / "backup", tmp_path / "copy", "full", processes=1)
    with closing(Outbox(tmp_path / "copy" / OUTBOX_FILE)) as copied:
        assert copied.pending() == [(b"envelope", b"acknowledged")]
    info = stored.ledger.application.info()
    stored.close()
    assert read_manifest(tmp_path / "backup").height == info.height


def test_the_ledger_is_copied_as_of_one_block_while_others_are_made(tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.mkdir()
    stored = StoredLedger(node)
    stored.trade(blocks=3, per_block=4)
    height = stored.ledger.application.info().height
    seen: list[int] = []

    def trade(progress: CopyProgress) -> None:
        if progress.step == LEDGER_FILE:
            stored.trade(blocks=1, per_block=4)
            seen.append(progress.done)

    with DirectoryLock(node), pytest.MonkeyPatch.context() as patch:
        patch.setattr("traco.node.backup.PAGES_AT_ONCE", 2)
        back_up(node, tmp_path / "backup", report=trade)
    stored.close()
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert read_manifest(tmp_path / "backup").height == height
    assert restore(tmp_path / "backup", tmp_path / "copy", "full", processes=1).manifest.height == height
