"""A full disk and failing reads, writes and syncs: a clear error, and nothing acknowledged is lost."""

from collections.abc import Callable
from functools import partial
from itertools import count

import apsw
import pytest

from faults import Disk, Faults, Operation, SimulatedVFS
from support.chain import replay
from support.crashes import PATH, SHORT, commits, disk_with, found
from traco.storage import DiskFull, LedgerStore, MediumFailed, StorageHalt, StoreDamaged, StoreStopped
from traco.storage.errors import halting


def run_with(disk: Disk, fault: Callable[[Faults], None]) -> tuple[list[int], StorageHalt | None]:
    """What a node acknowledged before a fault stopped it, and the error; its process then ends."""
    acknowledged: list[int] = []
    with SimulatedVFS(disk) as machine:
        fault(machine.faults)
        try:
            commits(SHORT, 4)(machine, acknowledged)
        except StorageHalt as error:
            return acknowledged, error
    return acknowledged, None


def check_recovery(disk: Disk, acknowledged: list[int], before: int) -> None:
    last = acknowledged[-1] if acknowledged else before
    assert found(disk, SHORT) in (last, last + 1)
    with SimulatedVFS(disk) as machine:
        commits(SHORT, 4)(machine, [])
    assert found(disk, SHORT) == 3


@pytest.mark.parametrize("stop", [0, 2])
def test_a_full_disk_stops_the_store_and_it_goes_on_after_space_is_made(stop: int) -> None:
    start = disk_with(SHORT, stop)
    errors = []
    for free_bytes in range(0, 400_000, 4_500):
        disk = start.copy()
        acknowledged, error = run_with(disk, partial(Faults.disk_full_after, free_bytes=free_bytes))
        errors.append(type(error))
        check_recovery(disk, acknowledged, stop - 1)
        if error is None:
            break
    assert (set(errors[:-1]), errors[-1]) == ({DiskFull}, type(None))


@pytest.mark.parametrize("lasting", [False, True])
@pytest.mark.parametrize("kind", [Operation.WRITE, Operation.SYNC, Operation.READ, Operation.CREATE])
def test_an_io_error_stops_the_store_and_loses_nothing(kind: Operation, lasting: bool) -> None:
    start = disk_with(SHORT, 2)
    errors = set()
    for n in count(1):
        disk = start.copy()
        acknowledged, error = run_with(disk, partial(Faults.io_error_at, n=n, kind=kind, lasting=lasting))
        errors.add(type(error))
        check_recovery(disk, acknowledged, 1)
        if len(acknowledged) == 2 and error is None:
            break
    assert errors == {MediumFailed, type(None)}


def test_after_a_failed_commit_the_store_is_stopped_until_it_is_opened_again() -> None:
    disk = disk_with(SHORT, 2)
    with SimulatedVFS(disk) as machine:
        store = LedgerStore(PATH, vfs=machine.name)
        loaded = store.load()
        assert loaded is not None
        machine.faults.disk_full_after(0)
        with pytest.raises(DiskFull) as full:
            replay(store, SHORT.blocks[2:3], loaded.tree)
        machine.faults.make_space()
        with pytest.raises(StoreStopped) as stopped:
            store.commit(SHORT.blocks[2], loaded.tree)
        store.close()
        commits(SHORT, 4)(machine, [])
    assert (full.value.code, stopped.value.code) == ("storage.disk_full", "storage.stopped")
    assert found(disk, SHORT) == 3


def test_a_bug_in_the_middle_of_a_commit_leaves_the_block_before() -> None:
    disk = disk_with(SHORT, 2)
    with SimulatedVFS(disk) as machine:
        store = LedgerStore(PATH, vfs=machine.name)
        loaded = store.load()
        assert loaded is not None
        broken = SHORT.blocks[2]._replace(record_hash=b"no hash")
        with pytest.raises(StorageHalt):
            replay(store, [broken], loaded.tree)
        store.close()
    assert found(disk, SHORT) == 1


@pytest.mark.parametrize(
    ("raised", "expected", "code"),
    [
        (apsw.FullError("full"), DiskFull, "storage.disk_full"),
        (apsw.IOError("broken"), MediumFailed, "storage.io_error"),
        (apsw.BusyError("busy"), MediumFailed, "storage.io_error"),
        (apsw.CorruptError("bad page"), StoreDamaged, "storage.damaged"),
        (apsw.NotADBError("no"), StoreDamaged, "storage.damaged"),
        (ValueError("not decodable"), StoreDamaged, "storage.damaged"),
    ],
)
def test_each_error_below_has_its_code_text_and_cause(
    raised: Exception, expected: type[StorageHalt], code: str
) -> None:
    with pytest.raises(expected) as caught, halting("some/path"):
        raise raised
    assert (caught.value.code, caught.value.__cause__) == (code, raised)
    assert str(caught.value).startswith(f"{code}: ")
    assert "some/path" in str(caught.value)


def test_other_errors_pass() -> None:
    with pytest.raises(KeyError), halting("some/path"):
        raise KeyError("a bug")
