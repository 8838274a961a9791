"""A machine that stops at any write of restoring leaves the old ledger as it was, and the new one whole or no store at all."""

from pathlib import Path

import pytest

from faults import Disk, SimulatedVFS, Workload, power_cuts
from support.copied import GENESIS, snapshot_of
from support.crashes import SHORT, disk_with, found
from support.stored_ledger import StoredLedger
from traco.kernel.receipt import app_hash
from traco.storage import LedgerStore, StorageHalt
from traco.storage.copying.restoring import Restoring, verify_head

MADE = "/made.sqlite"


class Offered:
    """The pieces of a small snapshot."""

    def __init__(self, folder: Path) -> None:
        (folder / "node").mkdir()
        ledger = StoredLedger(folder / "node")
        shelf, head = snapshot_of(ledger, folder / "snapshots")
        self.app_hash = ledger.ledger.application.info().app_hash
        raw = shelf.head(head.height)
        assert raw is not None
        self.head = verify_head(raw, GENESIS, self.app_hash)
        self.pieces = [shelf.piece(head.height, index) or b"" for index in range(len(head.piece_hashes))]
        ledger.close()

    def restore(self) -> Workload:
        """Restores beside the old store and acknowledges when it is complete."""

        def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
            making = Restoring(MADE, self.head, GENESIS, vfs=machine.name)
            for index, piece in enumerate(self.pieces):
                making.add(index, piece)
            making.finish()
            acknowledged.append(self.head.height)

        return workload


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Offered:
    return Offered(tmp_path_factory.mktemp("offered"))


def restored(disk: Disk) -> tuple[int, bytes] | None:
    """Height and computed app hash of the new store, None where no store opens."""
    if not disk.exists(MADE):
        return None
    with SimulatedVFS(disk.copy()) as machine:
        try:
            loaded = LedgerStore(MADE, vfs=machine.name).load()
        except StorageHalt:
            return None
        if loaded is None:
            return None
        return loaded.height, app_hash(loaded.tree.root(), loaded.history.root(), loaded.history.size)


def test_a_power_cut_while_restoring_leaves_the_old_ledger_and_a_whole_new_one_or_none(
    offered: Offered,
) -> None:
    start = disk_with(SHORT, 3)
    seen = set()
    for after in power_cuts(start, offered.restore(), range(2)):
        assert found(after.disk, SHORT) == 2
        new = restored(after.disk)
        assert new in (None, (offered.head.height, offered.app_hash))
        if after.acknowledged and after.disk.exists(MADE):
            assert new is not None
        seen.add((bool(after.acknowledged), new is None))
    assert {(False, True), (True, False)} <= seen


def test_a_disk_that_fills_up_while_restoring_leaves_no_store(offered: Offered) -> None:
    disk = disk_with(SHORT, 3)
    used = disk.used_bytes()
    with SimulatedVFS(disk.copy()) as machine:
        offered.restore()(machine, [])
        needed = machine.disk.used_bytes() - used
    for part in range(1, 8):
        failing = disk.copy()
        with SimulatedVFS(failing) as machine:
            machine.faults.disk_full_after(needed * part // 8)
            with pytest.raises(StorageHalt):
                offered.restore()(machine, [])
        assert (found(failing, SHORT), restored(failing)) == (2, None)
