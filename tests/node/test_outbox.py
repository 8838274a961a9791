"""What the outbox has acknowledged is there after any end of the process or of the power."""

from pathlib import Path

import apsw
import pytest

from faults import Disk, Operation, SimulatedVFS, power_cuts
from traco.kernel.errors import Halt
from traco.node.outbox import FORMAT, Outbox, OutboxFailed

PATH = Path("/outbox.db")


def pair(number: int) -> tuple[bytes, bytes]:
    return b"id %d" % number, b"envelope %d " % number * 300


def test_envelopes_are_kept_in_order_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    outbox.put([pair(2), pair(1)])
    outbox.put([pair(3)])
    outbox.close()
    again = Outbox(path)
    assert again.pending() == [pair(2), pair(1), pair(3)]
    again.close()


def test_what_is_done_is_forgotten_with_the_next_write(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.put([pair(1), pair(2)])
    outbox.put([pair(3)], done=[pair(1)[0], b"unknown"])
    assert outbox.pending() == [pair(2), pair(3)]
    outbox.close()


def test_the_same_envelope_twice_is_kept_once(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.put([pair(1)])
    outbox.put([pair(1)])
    assert outbox.pending() == [pair(1)]
    outbox.close()


def test_a_renewed_envelope_replaces_the_old_one_in_one_step() -> None:
    """At no power cut are both gone, or both there: the transactions in them are the same."""

    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        outbox = Outbox(PATH, machine.name)
        outbox.put([pair(2)], done=[pair(1)[0]])

    start = Disk()
    with SimulatedVFS(start) as machine:
        Outbox(PATH, machine.name).put([pair(1)])
    for after in power_cuts(start, workload, range(1)):
        with SimulatedVFS(after.disk) as machine:
            assert Outbox(PATH, machine.name).pending() in ([pair(1)], [pair(2)])


# while the file is made, SQLite deletes a rollback journal when it must not fail: apsw can only report the cut
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_acknowledged_envelopes_survive_a_power_cut_at_every_operation() -> None:
    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        outbox = Outbox(PATH, machine.name)
        for number in range(4):
            outbox.put([pair(number)], done=[pair(number - 2)[0]])
            acknowledged.append(number)
        outbox.close()

    for after in power_cuts(Disk(), workload, range(2)):
        with SimulatedVFS(after.disk) as machine:
            found = [number for number in range(4) if pair(number) in Outbox(PATH, machine.name).pending()]
        last = after.acknowledged[-1] if after.acknowledged else -1
        allowed = [[n for n in (last - 1, last) if n >= 0], [n for n in (last, last + 1) if n >= 0]]
        assert found in allowed, f"{after.mode} {after.change} {after.seed}"


def test_a_full_disk_stops_the_node_with_a_text_and_loses_nothing() -> None:
    disk = Disk()
    with SimulatedVFS(disk) as machine:
        outbox = Outbox(PATH, machine.name)
        outbox.put([pair(1)])
        machine.faults.disk_full_after(100)
        with pytest.raises(OutboxFailed) as caught:
            outbox.put([pair(2)])
        assert "make space" in str(caught.value)
        assert isinstance(caught.value, Halt)
    with SimulatedVFS(disk) as machine:
        assert Outbox(PATH, machine.name).pending() == [pair(1)]


def test_a_failing_sync_is_not_acknowledged() -> None:
    with SimulatedVFS(Disk()) as machine:
        outbox = Outbox(PATH, machine.name)
        machine.faults.io_error_at(1, Operation.SYNC)
        with pytest.raises(OutboxFailed):
            outbox.put([pair(1)])


def test_a_newer_format_is_refused_with_a_text(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(OutboxFailed) as caught:
        Outbox(path)
    assert "install a newer one" in str(caught.value)
    assert path.read_bytes() == before


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"something else " * 1_000)
    with pytest.raises(OutboxFailed):
        Outbox(path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutboxFailed):
        Outbox(tmp_path / "missing" / "outbox.db")


def test_reading_a_damaged_outbox_fails_with_its_own_error(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(path)
    outbox.close()
    connection = apsw.Connection(str(path))
    connection.execute("DROP TABLE outbox")
    connection.close()
    outbox = Outbox(path)
    with pytest.raises(OutboxFailed):
        outbox.pending()
    with pytest.raises(OutboxFailed):
        outbox.put([pair(1)])
    outbox.close()
