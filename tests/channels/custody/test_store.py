"""What was kept is there, whole, until it may go; strangers cannot fill the disk; a failing medium stops all receipts."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import apsw
import pytest

from faults import CutMode, Disk, Operation, SimulatedVFS, count_changes, power_cuts, run_until_cut
from support.sealed import ANNA, BERT, CHANNEL, EPOCH, payload, seed
from traco.channels.custody.errors import CustodyStopped, PayloadDamaged
from traco.channels.custody.store import (
    FORMAT,
    ChannelCustody,
    CustodyLimits,
    CustodyStore,
    NewPayload,
    Role,
)
from traco.kernel.errors import Halt
from traco.modules.channel.signing import payload_hash

PATH = Path("/custody.db")
OTHER_CHANNEL = seed("other channel")
MARGIN_MS = 1_000
LIMITS = CustodyLimits(
    sender_bytes=2_000, sender_payloads=4, total_bytes=3_000, margin_ms=MARGIN_MS
)  # fmt: skip


def new(
    name: str, *, sender: bytes = ANNA, order_by: int = 10_000, role: Role = "own", size: int = 100, channel: bytes = CHANNEL,
    number: int | None = None,
) -> NewPayload:  # fmt: skip
    content = payload(name, size)
    return NewPayload(channel, payload_hash(content), EPOCH, sender, order_by, role, content, number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "custody.db"


@pytest.fixture
def store(path: Path) -> Iterator[CustodyStore]:
    opened = CustodyStore(path, LIMITS)
    yield opened
    opened.close()


def codes(store: CustodyStore, *payloads: NewPayload) -> list[str]:
    return ["" if refused is None else refused.code for refused in store.keep(payloads)]


def found(store: CustodyStore, each: NewPayload) -> bytes | None:
    return store.get(each.channel, each.hash)


def damage(path: Path, each: NewPayload, statement: str) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(statement, (each.hash,))
    connection.close()


def test_what_was_kept_is_there_after_a_restart(path: Path) -> None:
    store = CustodyStore(path)
    assert codes(store, new("a"), new("b")) == ["", ""]
    store.close()
    again = CustodyStore(path)
    assert [found(again, each) for each in (new("a"), new("b"), new("c"))] == [
        new("a").content,
        new("b").content,
        None,
    ]
    again.close()


def test_a_payload_belongs_to_its_channel(store: CustodyStore) -> None:
    store.keep([new("a")])
    assert store.get(OTHER_CHANNEL, new("a").hash) is None


def test_bytes_that_do_not_have_the_hash_are_refused_and_the_rest_is_kept(store: CustodyStore) -> None:
    wrong = new("a")._replace(content=new("b").content)
    assert codes(store, wrong, new("c")) == ["custody.wrong_bytes", ""]
    assert found(store, wrong) is None
    assert found(store, new("c")) == new("c").content


def test_a_sender_may_have_so_many_payloads_waiting(store: CustodyStore) -> None:
    assert codes(store, *(new(name) for name in "abcde")) == ["", "", "", "", "custody.sender_full"]
    assert codes(store, new("e", sender=BERT)) == [""]


def test_a_sender_may_have_so_many_bytes_waiting(store: CustodyStore) -> None:
    assert codes(store, new("a", size=1_500), new("b", size=1_500), new("c")) == [
        "",
        "custody.sender_full",
        "",
    ]


def test_what_waits_is_bounded_in_all(store: CustodyStore) -> None:
    assert codes(store, new("a", size=1_500), new("b", size=1_500, sender=BERT)) == ["", "custody.full"]


def test_limits_hold_after_a_restart(path: Path) -> None:
    store = CustodyStore(path, LIMITS)
    store.keep([new(name) for name in "abcd"])
    store.close()
    again = CustodyStore(path, LIMITS)
    assert codes(again, new("e")) == ["custody.sender_full"]
    again.close()


def test_what_was_ordered_does_not_wait_any_more(store: CustodyStore) -> None:
    store.keep([new(name) for name in "abcd"])
    assert store.mark_ordered(CHANNEL, [(new("a").hash, 1)]) == []
    assert codes(store, new("e"), new("f")) == ["", "custody.sender_full"]


def test_what_is_ordered_is_never_refused(store: CustodyStore) -> None:
    many = [new(str(number), size=900, number=number) for number in range(1, 9)]
    assert codes(store, *many) == [""] * 8


def test_what_was_dropped_or_erased_makes_room(store: CustodyStore) -> None:
    store.keep([new("a", size=1_500)])
    other = new("b", size=1_500, sender=BERT)
    assert codes(store, other) == ["custody.full"]
    store.drop_expired(10_000 + MARGIN_MS)
    assert codes(store, other) == [""]
    store.mark_ordered(CHANNEL, [(other.hash, 1)])
    store.erase(CHANNEL, 1)
    assert codes(store, new("c", size=1_500)) == [""]


def test_the_same_payload_again_is_kept_once_and_longer(store: CustodyStore) -> None:
    assert codes(store, new("a"), new("a"), new("a", order_by=20_000), new("a", order_by=5)) == [""] * 4
    assert store.statistics()[CHANNEL].payloads == 1
    assert store.drop_expired(10_000 + MARGIN_MS) == 0
    assert store.drop_expired(20_000 + MARGIN_MS) == 1


def test_what_is_not_ordered_goes_after_its_receipts_and_a_margin(store: CustodyStore) -> None:
    store.keep([new("a"), new("b", order_by=10_001), new("c")])
    store.mark_ordered(CHANNEL, [(new("c").hash, 7)])
    assert store.drop_expired(10_000 + MARGIN_MS - 1) == 0
    assert store.drop_expired(10_000 + MARGIN_MS) == 1
    assert [found(store, new(name)) is None for name in "abc"] == [True, False, False]


def test_marking_names_what_is_not_here(store: CustodyStore) -> None:
    store.keep([new("a")])
    places = [(new("b").hash, 1), (new("a").hash, 2), (new("c").hash, 3)]
    assert store.mark_ordered(CHANNEL, places) == [new("b").hash, new("c").hash]


def test_no_receipt_is_due_for_what_was_ordered_before(store: CustodyStore) -> None:
    store.keep([new("a")])
    store.mark_ordered(CHANNEL, [(new("a").hash, 1)])
    assert codes(store, new("a", order_by=99_000)) == ["custody.already_ordered"]


def test_a_fetched_payload_is_kept_as_ordered(store: CustodyStore) -> None:
    store.keep([new("a")])
    assert codes(store, new("a", number=4), new("b", number=5)) == ["", ""]
    assert store.drop_expired(10**12) == 0
    assert store.statistics()[CHANNEL].last == 5


def test_erasing_takes_what_was_ordered_up_to_an_entry(store: CustodyStore) -> None:
    store.keep([new("a"), new("b"), new("c"), new("a", channel=OTHER_CHANNEL)])
    store.mark_ordered(CHANNEL, [(new("a").hash, 1), (new("b").hash, 2)])
    store.mark_ordered(OTHER_CHANNEL, [(new("a").hash, 1)])
    assert store.erase(CHANNEL, 1) == 1
    kept = [new("b"), new("c"), new("a", channel=OTHER_CHANNEL)]
    assert found(store, new("a")) is None
    assert [found(store, each) is None for each in kept] == [False] * 3


def test_one_that_was_ordered_twice_stays_as_long_as_the_later_entry(store: CustodyStore) -> None:
    store.keep([new("a")])
    for number in (9, 3):
        store.mark_ordered(CHANNEL, [(new("a").hash, number)])
    assert store.erase(CHANNEL, 8) == 0
    assert store.erase(CHANNEL, 9) == 1


def test_what_was_erased_is_not_kept_again_whoever_still_brings_it(store: CustodyStore, path: Path) -> None:
    erased, later = new("erased", number=3), new("later", number=4)
    assert codes(store, erased, later) == ["", ""]
    store.erase(CHANNEL, 3)
    store.erase(CHANNEL, 2)
    assert codes(store, erased, later) == ["custody.erased", ""]
    assert codes(store, new("elsewhere", number=3, channel=OTHER_CHANNEL)) == [""]
    assert [store.erased_through(channel) for channel in (CHANNEL, OTHER_CHANNEL)] == [3, 0]
    assert (found(store, erased), found(store, later)) == (None, later.content)


def test_a_file_of_before_erasures_were_remembered_is_opened(path: Path) -> None:
    CustodyStore(path, LIMITS).close()
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("DROP TABLE erased")
    opened = CustodyStore(path, LIMITS)
    assert codes(opened, new("kept", number=1)) == [""]
    assert opened.erase(CHANNEL, 1) == 1
    opened.close()


def test_erased_bytes_are_in_no_file_any_more(store: CustodyStore, path: Path) -> None:
    each = new("a", size=1_000)
    store.keep([each])
    store.mark_ordered(CHANNEL, [(each.hash, 1)])
    piece = each.content[100:200]
    files = [path, path.with_name("custody.db-wal")]
    assert any(piece in file.read_bytes() for file in files)
    store.erase(CHANNEL, 1)
    assert not any(piece in file.read_bytes() for file in files)


def test_statistics_count_per_channel(store: CustodyStore) -> None:
    store.keep([new("a"), new("b"), new("c", channel=OTHER_CHANNEL, role="vault")])
    store.mark_ordered(CHANNEL, [(new("b").hash, 3)])
    size = len(new("a").content)
    assert store.statistics() == {
        CHANNEL: ChannelCustody(2, 2 * size, 1, size, 3, "own"),
        OTHER_CHANNEL: ChannelCustody(1, size, 1, size, 0, "vault"),
    }


DAMAGES = [
    "UPDATE payloads SET content = zeroblob(size) WHERE hash = ?",
    "UPDATE payloads SET content = substr(content, 2) WHERE hash = ?",
    "UPDATE payloads SET size = size + 1 WHERE hash = ?",
]


@pytest.mark.parametrize("statement", DAMAGES)
def test_a_damaged_payload_is_reported_and_not_served(
    store: CustodyStore, path: Path, statement: str
) -> None:
    store.keep([new("a"), new("b")])
    damage(path, new("a"), statement)
    with pytest.raises(PayloadDamaged) as caught:
        found(store, new("a"))
    assert (caught.value.code, caught.value.payload) == ("custody.damaged", new("a").hash)
    assert found(store, new("b")) == new("b").content


def test_a_damaged_payload_counts_as_not_here_when_it_is_ordered(store: CustodyStore, path: Path) -> None:
    store.keep([new("a")])
    damage(path, new("a"), DAMAGES[0])
    assert store.mark_ordered(CHANNEL, [(new("a").hash, 1)]) == [new("a").hash]


def test_reading_all_again_finds_what_is_damaged(store: CustodyStore, path: Path) -> None:
    names = "abcdefg"
    for name in names:
        store.keep([new(name, number=1)])
    for name in "be":
        damage(path, new(name), DAMAGES[0])
    after, found_damaged, turns = 0, list[tuple[bytes, bytes]](), 0
    while after or not turns:
        after, damaged = store.inspect(after, 3)
        found_damaged += damaged
        turns += 1
    assert found_damaged == [(CHANNEL, new("b").hash), (CHANNEL, new("e").hash)]
    assert turns == 3


def test_reading_an_empty_store_again_finds_nothing(store: CustodyStore) -> None:
    assert store.inspect(0, 10) == (0, ())


@pytest.mark.parametrize("statement", DAMAGES)
def test_a_damaged_payload_is_made_whole_by_keeping_it_again(
    store: CustodyStore, path: Path, statement: str
) -> None:
    store.keep([new("a", order_by=20_000)])
    damage(path, new("a"), statement)
    assert codes(store, new("a", role="vault")) == [""]
    assert found(store, new("a")) == new("a").content
    assert store.drop_expired(10_000 + MARGIN_MS) == 0


def test_a_damaged_payload_that_was_ordered_is_made_whole_and_stays_ordered(
    store: CustodyStore, path: Path
) -> None:
    store.keep([new("a", number=6)])
    damage(path, new("a"), DAMAGES[0])
    assert codes(store, new("a")) == ["custody.already_ordered"]
    assert found(store, new("a")) == new("a").content
    assert store.statistics()[CHANNEL].last == 6


# while the file is made, SQLite deletes a rollback journal when it must not fail: apsw can only report the cut
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_kept_payloads_survive_a_power_cut_at_every_operation() -> None:
    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        store = CustodyStore(PATH, vfs=machine.name)
        for number in range(3):
            store.keep([new(f"a{number}"), new(f"b{number}", order_by=1)])
            acknowledged.append(number)
            store.mark_ordered(CHANNEL, [(new(f"a{number}").hash, number + 1)])
            store.drop_expired(10**9)
        store.erase(CHANNEL, 1)
        acknowledged.append(3)
        store.close()

    for after in power_cuts(Disk(), workload, range(1)):
        with SimulatedVFS(after.disk) as machine:
            store = CustodyStore(PATH, vfs=machine.name)
            there = [number for number in range(3) if found(store, new(f"a{number}")) is not None]
            if 3 in after.acknowledged:
                assert there == [1, 2]
            else:
                erasing = after.acknowledged == (0, 1, 2)
                assert set(after.acknowledged) - ({0} if erasing else set()) <= set(there)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_a_killed_process_wrote_is_durable_before_it_counts_as_kept() -> None:
    """The process ends at any operation, the next one finds the payload there, says that it is kept, and the power fails."""

    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        CustodyStore(PATH, vfs=machine.name).keep([new("a")])

    for change in range(1, count_changes(Disk(), workload) + 1):
        disk = Disk()
        with SimulatedVFS(disk) as machine:
            machine.faults.crash_at(change)
            run_until_cut(machine, workload, [])
        with SimulatedVFS(disk) as machine:
            CustodyStore(PATH, vfs=machine.name).keep([new("a")])
            left = [disk.power_cut(Random(f"{change} {mode.value}"), mode) for mode in CutMode]
        for after in left:
            with SimulatedVFS(after) as machine:
                assert found(CustodyStore(PATH, vfs=machine.name), new("a")) == new("a").content, change


def test_a_full_disk_stops_the_store_with_a_text_and_loses_nothing() -> None:
    disk = Disk()
    with SimulatedVFS(disk) as machine:
        store = CustodyStore(PATH, vfs=machine.name)
        store.keep([new("a")])
        machine.faults.disk_full_after(100)
        with pytest.raises(CustodyStopped) as caught:
            store.keep([new("b")])
        assert "Check the disk and its space" in str(caught.value)
        assert isinstance(caught.value, Halt)
        machine.faults.make_space()
        with pytest.raises(CustodyStopped):
            store.keep([new("b")])
    with SimulatedVFS(disk) as machine:
        assert found(CustodyStore(PATH, vfs=machine.name), new("a")) == new("a").content


@pytest.mark.parametrize("operation", [Operation.WRITE, Operation.SYNC])
def test_after_a_failed_write_or_sync_nothing_is_answered_any_more(operation: Operation) -> None:
    with SimulatedVFS(Disk()) as machine:
        store = CustodyStore(PATH, vfs=machine.name)
        store.keep([new("a")])
        machine.faults.io_error_at(1, operation)
        with pytest.raises(CustodyStopped):
            store.keep([new("b")])
        for ask in (
            lambda: store.keep([new("b")]),
            lambda: store.get(CHANNEL, new("a").hash),
            lambda: store.mark_ordered(CHANNEL, []),
            lambda: store.drop_expired(0),
            lambda: store.erase(CHANNEL, 1),
            store.statistics,
        ):
            with pytest.raises(CustodyStopped):
                ask()


def test_a_newer_format_is_refused_with_a_text(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(CustodyStopped) as caught:
        CustodyStore(path)
    assert "install a newer one" in str(caught.value)
    assert path.read_bytes() == before


def test_what_is_no_database_or_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "custody.db"
    path.write_bytes(b"something else " * 1_000)
    for wrong in (path, tmp_path / "missing" / "custody.db"):
        with pytest.raises(CustodyStopped):
            CustodyStore(wrong)
