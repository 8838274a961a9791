"""SQLite on a simulated disk: what it must keep, and that the check notices when it does not."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import count, product

import apsw
import pytest

from faults import (
    CutMode,
    Disk,
    Operation,
    PowerCut,
    SimulatedVFS,
    Workload,
    count_changes,
    power_cuts,
    run_until_cut,
)

PATH = "/ledger.sqlite"
ROWS = 3


def connect(machine: SimulatedVFS, synchronous: str = "FULL", recover: bool = True) -> apsw.Connection:
    """A connection in WAL mode that checkpoints often, so that power cuts meet checkpoints too.

    `recover`: make durable what a killed process left in the WAL, as a store must before it shows any of it.
    """
    connection = apsw.Connection(PATH, vfs=machine.name)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", synchronous)
    connection.wal_autocheckpoint(12)
    if recover:
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
    return connection


def commit(connection: apsw.Connection, number: int) -> None:
    """One transaction of ROWS rows, each on pages of its own."""
    with connection:
        for row in range(ROWS):
            connection.execute("INSERT INTO entry VALUES (?, ?, ?)", (number, row, bytes([number]) * 3000))


def commit_all(connection: apsw.Connection, numbers: range) -> None:
    """One transaction after the other."""
    for number in numbers:
        commit(connection, number)


def last(connection: apsw.Connection) -> int:
    """The number of the latest commit that the connection sees; 0 if there is none."""
    number = connection.execute("SELECT coalesce(max(number), 0) FROM entry").get
    assert isinstance(number, int)
    return number


def commits(number: int, synchronous: str = "FULL") -> Workload:
    """Opens (or creates) the database, makes that many further commits and closes it."""

    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        connection = connect(machine, synchronous)
        connection.execute("CREATE TABLE IF NOT EXISTS entry (number, row, content, UNIQUE (number, row))")
        first = last(connection) + 1
        for current in range(first, first + number):
            commit(connection, current)
            acknowledged.append(current)
        connection.close()

    return workload


def found(disk: Disk) -> list[int] | None:
    """The numbers of the commits that are there; None if the database is damaged or one is in half."""
    return found_by(disk, recover=False)


def found_by(disk: Disk, recover: bool) -> list[int] | None:
    """As `found`, by a process that makes durable what it finds, or does not, and is killed then."""
    with SimulatedVFS(disk) as machine:
        try:
            connection = connect(machine, recover=recover)
            if connection.pragma("integrity_check") != "ok":
                return None
            if not connection.table_exists(None, "entry"):
                return []
            rows = connection.execute("SELECT number, count(*), sum(length(content)) FROM entry GROUP BY 1")
            counted = rows.fetchall()
        except apsw.Error:
            return None
    numbers = [number for number, _, _ in counted if isinstance(number, int)]
    return numbers if counted == [(number, ROWS, ROWS * 3000) for number in numbers] else None


def losses(
    start: Disk, workload: Workload, before: int, seeds: range, modes: Sequence[CutMode] = tuple(CutMode)
) -> Iterator[str]:
    """Describes each power cut after which the database is not what was acknowledged, or one commit more."""
    # Many cuts leave the same bytes; opening each of those once is enough.
    known: dict[tuple[bytes, ...], list[int] | None] = {}
    for aftermath in power_cuts(start, workload, seeds, modes):
        expected = list(range(1, before + len(aftermath.acknowledged) + 1))
        contents = tuple(aftermath.disk.contents().values())
        if contents not in known:
            known[contents] = found(aftermath.disk)
        actual = known[contents]
        if actual not in (expected, [*expected, len(expected) + 1]):
            yield f"{aftermath.mode} change {aftermath.change} seed {aftermath.seed}: {actual} for {expected}"


def disk_after(workload: Workload) -> Disk:
    """The disk that a workload leaves without a power cut."""
    disk = Disk()
    with SimulatedVFS(disk) as machine:
        workload(machine, [])
    return disk


def test_a_new_database_loses_no_commit_to_a_power_cut() -> None:
    assert list(losses(Disk(), commits(3), before=0, seeds=range(4))) == []


def test_an_existing_database_loses_no_commit_to_a_power_cut() -> None:
    assert list(losses(disk_after(commits(2)), commits(3), before=2, seeds=range(4))) == []


def test_hundreds_of_power_cuts_at_each_change_lose_no_commit() -> None:
    assert list(losses(disk_after(commits(1)), commits(1), before=1, seeds=range(60))) == []


def test_a_second_power_cut_during_recovery_loses_no_commit() -> None:
    for first in power_cuts(Disk(), commits(1), seeds=range(1), modes=[CutMode.TEAR]):
        present = found(first.disk.copy())
        assert present is not None
        assert list(losses(first.disk, commits(1), len(present), range(1), [CutMode.GARBLE])) == []


def test_a_disk_that_lies_about_sync_is_found_out() -> None:
    assert next(losses(Disk(lies_about_sync=True), commits(3), before=0, seeds=range(4)), None) is not None


def test_synchronous_off_is_found_out() -> None:
    assert next(losses(Disk(), commits(3, "OFF"), before=0, seeds=range(4)), None) is not None


def test_synchronous_normal_is_found_out() -> None:
    assert next(losses(Disk(), commits(3, "NORMAL"), before=0, seeds=range(4)), None) is not None


def test_a_killed_process_loses_no_commit_even_without_syncs() -> None:
    for change in range(1, count_changes(Disk(), commits(2, "OFF")) + 1):
        disk = Disk()
        acknowledged: list[int] = []
        with SimulatedVFS(disk) as machine:
            machine.faults.crash_at(change)
            run_until_cut(machine, commits(2, "OFF"), acknowledged)
        actual = found(disk)
        assert actual is not None
        assert actual[: len(acknowledged)] == acknowledged


@pytest.mark.parametrize(("recover", "lost"), [(True, False), (False, True)])
def test_what_a_killed_process_left_is_durable_once_checkpointed(recover: bool, lost: bool) -> None:
    losses_found = 0
    for change in range(1, count_changes(Disk(), commits(1)) + 1):
        disk = Disk()
        with SimulatedVFS(disk) as killed:
            killed.faults.crash_at(change)
            run_until_cut(killed, commits(1), [])
        shown = found_by(disk, recover)
        for seed, mode in product(range(10), CutMode):
            losses_found += found(disk.power_cut(random.Random(seed), mode)) != shown
    assert (losses_found > 0) == lost


def test_every_change_can_be_the_last() -> None:
    for change in range(1, count_changes(Disk(), commits(2)) + 1):
        with SimulatedVFS(Disk()) as machine:
            machine.faults.crash_at(change)
            run_until_cut(machine, commits(2), [])
            assert (machine.faults.power_is_off, machine.faults.changes) == (True, change)


def test_after_a_power_cut_nothing_works() -> None:
    disk = disk_after(commits(1))
    with SimulatedVFS(disk) as machine:
        connection = connect(machine)
        machine.faults.crash_at(machine.faults.changes + 1)
        for _ in range(2):
            with pytest.raises(PowerCut):
                connection.execute("DELETE FROM entry")
        with pytest.raises(PowerCut):
            apsw.Connection("/other.sqlite", vfs=machine.name).execute("CREATE TABLE t (a)")


def test_a_power_cut_in_a_with_block_is_the_context_of_the_error() -> None:
    with SimulatedVFS(disk_after(commits(1))) as machine:
        connection = connect(machine)
        machine.faults.crash_at(machine.faults.changes + 1)
        with pytest.raises(apsw.SQLError) as raised:
            commit(connection, 2)
        assert isinstance(raised.value.__context__, PowerCut)


def test_what_a_workload_raises_with_the_power_on_is_raised() -> None:
    def broken(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        raise LookupError

    with SimulatedVFS(Disk()) as machine, pytest.raises(LookupError):
        run_until_cut(machine, broken, [])


def test_a_crash_point_that_has_passed_is_refused() -> None:
    with SimulatedVFS(Disk()) as machine:
        commits(1)(machine, [])
        with pytest.raises(ValueError):
            machine.faults.crash_at(machine.faults.changes)


def test_readers_see_their_snapshot_while_the_writer_commits() -> None:
    with SimulatedVFS(disk_after(commits(1))) as machine:
        writer, reader = connect(machine), connect(machine)
        with reader:
            before = last(reader)
            commit(writer, 2)
            during = last(reader)
        after = last(reader)
        assert (before, during, after) == (1, 1, 2)


def test_two_writers_exclude_each_other() -> None:
    with SimulatedVFS(disk_after(commits(1))) as machine:
        first, second = connect(machine), connect(machine)
        with first:
            first.execute("DELETE FROM entry")
            with pytest.raises(apsw.BusyError):
                second.execute("DELETE FROM entry")


def test_leaving_the_machine_writes_nothing() -> None:
    disk = Disk()
    with SimulatedVFS(disk) as machine:
        connection = connect(machine)
        connection.execute("CREATE TABLE t (a)")
        changes = machine.faults.changes
    assert machine.faults.changes == changes
    assert disk.paths() == ["/ledger.sqlite", "/ledger.sqlite-wal"]


def test_each_machine_has_its_own_name_and_is_gone_when_left() -> None:
    with SimulatedVFS(Disk()) as first, SimulatedVFS(Disk()) as second:
        assert {first.name, second.name} <= set(apsw.vfs_names())
        assert first.name != second.name
    assert {first.name, second.name} & set(apsw.vfs_names()) == set()


def test_disk_full_leaves_the_database_readable_and_goes_on_after_space_is_made() -> None:
    for free_bytes in range(0, 14_000, 500):
        disk = disk_after(commits(2))
        with SimulatedVFS(disk) as machine:
            connection = connect(machine)
            machine.faults.disk_full_after(free_bytes)
            with pytest.raises(apsw.FullError):
                commit_all(connection, range(3, 20))
            present = last(connection)
            machine.faults.make_space()
            commit(connection, present + 1)
        assert found(disk) == list(range(1, present + 2))


def test_freed_bytes_can_be_used_again() -> None:
    with SimulatedVFS(Disk()) as machine:
        machine.faults.disk_full_after(10)
        assert [machine.faults.take_space(n) for n in (8, 8, -5, 8)] == [8, 2, -5, 5]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Operation.WRITE, apsw.SQLITE_IOERR_WRITE), (Operation.SYNC, apsw.SQLITE_IOERR_FSYNC)],
)
def test_an_io_error_surfaces_and_loses_no_acknowledged_commit(kind: Operation, code: int) -> None:
    codes = set()
    for disk, acknowledged, failure in after_io_errors(kind):
        codes.add(failure)
        for after in power_cuts(disk, commits(0), seeds=range(1), modes=[CutMode.REORDER]):
            actual = found(after.disk)
            assert actual is not None
            assert actual[1 : len(acknowledged) + 1] == acknowledged
    assert codes == {code}


def test_a_sync_that_forgets_loses_no_acknowledged_commit_if_the_machine_restarts() -> None:
    for disk, acknowledged, _ in after_io_errors(Operation.SYNC, forgets_unsynced=True):
        for seed, mode in product(range(10), CutMode):
            actual = found(disk.power_cut(random.Random(seed), mode))
            assert actual is not None
            assert actual[1 : len(acknowledged) + 1] == acknowledged


def test_a_sync_that_forgets_is_found_out_if_only_the_process_restarts() -> None:
    damaged = 0
    for disk, _, _ in after_io_errors(Operation.SYNC, forgets_unsynced=True):
        damaged += sum(found(cut.disk) is None for cut in power_cuts(disk, commits(0), seeds=range(5)))
    assert damaged > 0


def after_io_errors(
    kind: Operation, *, forgets_unsynced: bool = False
) -> Iterator[tuple[Disk, list[int], int]]:
    """For each operation of a kind, failing from there on: the disk, what was acknowledged, the code."""
    start = disk_after(commits(1))
    for n in count(1):
        disk = start.copy()
        acknowledged: list[int] = []
        with SimulatedVFS(disk) as machine:
            machine.faults.io_error_at(n, kind, lasting=True, forgets_unsynced=forgets_unsynced)
            try:
                commits(3)(machine, acknowledged)
            except apsw.IOError as error:
                yield disk, acknowledged, vars(error)["extendedresult"]
            else:
                # SQLite keeps failures to itself while a connection closes: the WAL stays for the next start.
                return


@pytest.mark.parametrize("kind", [Operation.READ, Operation.WRITE, Operation.SYNC, Operation.CREATE])
def test_an_io_error_is_an_apsw_error(kind: Operation) -> None:
    expected = apsw.CantOpenError if kind is Operation.CREATE else apsw.IOError
    with SimulatedVFS(Disk() if kind is Operation.CREATE else disk_after(commits(1))) as machine:
        machine.faults.io_error_at(1, kind)
        with pytest.raises(expected):
            commits(1)(machine, [])


def test_an_io_error_that_does_not_last_is_followed_by_success() -> None:
    disk = disk_after(commits(1))
    with SimulatedVFS(disk) as machine:
        connection = connect(machine)
        machine.faults.io_error_at(1, Operation.SYNC)
        with pytest.raises(apsw.IOError):
            commit(connection, 2)
        commit(connection, 2)
    assert found(disk) == [1, 2]


def test_a_lasting_io_error_ends_with_repair() -> None:
    disk = disk_after(commits(1))
    with SimulatedVFS(disk) as machine:
        connection = connect(machine)
        machine.faults.io_error_at(1, Operation.WRITE, lasting=True)
        for _ in range(2):
            with pytest.raises(apsw.IOError):
                commit(connection, 2)
        machine.faults.repair()
        commit(connection, 2)
    assert found(disk) == [1, 2]


def test_operations_are_counted_from_one() -> None:
    with SimulatedVFS(Disk()) as machine, pytest.raises(ValueError):
        machine.faults.io_error_at(0, Operation.WRITE)


def test_powersafe_overwrite_is_claimed_only_on_request() -> None:
    with SimulatedVFS(Disk()) as cautious, SimulatedVFS(Disk(), powersafe_overwrite=True) as trusting:
        claims = (cautious.characteristics, trusting.characteristics)
    assert claims == (0, apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE)


def test_relative_paths_start_at_the_root() -> None:
    disk = Disk()
    with SimulatedVFS(disk) as machine:
        apsw.Connection("ledger.sqlite", vfs=machine.name).execute("CREATE TABLE t (a)")
    assert disk.paths() == [PATH]


def test_an_absent_database_is_not_created_without_permission() -> None:
    with SimulatedVFS(Disk()) as machine, pytest.raises(apsw.CantOpenError):
        apsw.Connection(PATH, vfs=machine.name, flags=apsw.SQLITE_OPEN_READWRITE)
