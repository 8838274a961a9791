"""Readers see exactly one committed height, beside the writer and without it."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.chain import GENESIS, Chain, identity, replay
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.merkle import root_of
from traco.kernel.stateproof import verify_absence, verify_presence
from traco.kernel.statetree import StateTree
from traco.storage import LedgerStore, Location, MediumFailed, ReadSnapshot, SnapshotReader, StoreDamaged
from traco.storage.schema import PREFIX_BYTES, SWEEP_BLOCKS, TILE_SLOTS


def key(number: int) -> bytes:
    return b"\x02\x01" + number.to_bytes(4, "big")


def make_chain(blocks: int) -> Chain:
    chain = Chain({key(number): b"founded" for number in range(2 * TILE_SLOTS)})
    for height in range(1, blocks + 1):
        chain.add(
            {key(height): b"changed %d" % height, key(3 * height): None, key(10_000 + height): b"new"},
            leaves=height % 4,
        )
    return chain


CHAIN = make_chain(SWEEP_BLOCKS + 20)
LAST = len(CHAIN.blocks) - 1


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with the whole chain."""
    path = tmp_path_factory.mktemp("snapshot") / "store"
    store = LedgerStore(path, durable=False)
    replay(store, CHAIN.blocks)
    store.close()
    return path


def opened(reader: SnapshotReader) -> ReadSnapshot:
    snapshot = reader.snapshot()
    assert snapshot is not None
    return snapshot


@pytest.fixture
def last(path: Path) -> ReadSnapshot:
    """A snapshot of the last block."""
    return opened(SnapshotReader(path))


def test_a_snapshot_says_where_it_stands(last: ReadSnapshot) -> None:
    block = CHAIN.blocks[-1]
    assert (last.height, last.time_ms, last.app_hash) == (LAST, block.time_ms, block.app_hash)
    assert (last.history_size, last.genesis) == (block.history_size, GENESIS)
    assert last.network == network_id(parse_genesis(GENESIS))


def test_every_key_has_its_last_value(last: ReadSnapshot) -> None:
    state = CHAIN.states[-1]
    keys = [key(number) for number in [*range(700), *range(10_000, 10_000 + LAST + 2)]]
    assert [last.get(each) for each in keys] == [state.get(each) for each in keys]


@pytest.mark.parametrize(
    ("start", "stop"),
    [
        (b"", b"\xff"),
        (key(3), key(9)),
        (key(3), key(3)),
        (key(500), key(10_004)),
        (key(10_070), b"\xff"),
        (b"", key(1)),
    ],
)
def test_a_range_has_the_keys_from_start_up_to_but_without_stop(
    last: ReadSnapshot, start: bytes, stop: bytes
) -> None:
    assert list(last.range(start, stop)) == [
        each for each in sorted(CHAIN.states[-1]) if start <= each < stop
    ]


def test_blocks_come_back_as_committed(last: ReadSnapshot) -> None:
    stored = last.blocks(-1, LAST + 5)
    assert [block._asdict() for block in stored] == [
        {name: value for name, value in block._asdict().items() if name in stored[0]._fields}
        for block in CHAIN.blocks
    ]


@pytest.mark.parametrize(
    ("after", "limit", "heights"), [(-1, 2, [0, 1]), (3, 2, [4, 5]), (LAST - 1, 9, [LAST]), (LAST, 9, [])]
)
def test_blocks_are_those_above_a_height_up_to_the_limit(
    last: ReadSnapshot, after: int, limit: int, heights: list[int]
) -> None:
    assert [block.height for block in last.blocks(after, limit)] == heights


def test_one_block_or_none(last: ReadSnapshot) -> None:
    found = [last.block(height) for height in (-1, 0, LAST, LAST + 1)]
    assert [block and block.height for block in found] == [None, 0, LAST, None]


def test_leaves_of_a_block_or_none(last: ReadSnapshot) -> None:
    assert (last.leaves(3), last.leaves(LAST + 1)) == (CHAIN.blocks[3].leaves, ())


def test_every_id_is_found_where_it_is_whether_swept_or_not(last: ReadSnapshot) -> None:
    expected = {
        leaf.identity: Location(block.height, index)
        for block in CHAIN.blocks
        for index, leaf in enumerate(block.leaves)
    }
    assert {each: last.find_transaction(each) for each in expected} == expected


@pytest.mark.parametrize("height", [1, LAST - 1])
def test_an_id_that_only_begins_like_another_is_not_found(last: ReadSnapshot, height: int) -> None:
    known = CHAIN.blocks[height].leaves[0].identity
    assert last.find_transaction(known) == Location(height, 0)
    assert last.find_transaction(known[:PREFIX_BYTES] + bytes(32 - PREFIX_BYTES)) is None
    assert last.find_transaction(identity("unknown")) is None


def test_a_prefix_across_the_border_of_two_ids_is_not_found(last: ReadSnapshot) -> None:
    first, second = (leaf.identity for leaf in CHAIN.blocks[LAST - LAST % 4 - 2].leaves[:2])
    assert last.find_transaction((first[3:PREFIX_BYTES] + second[:3]).ljust(32, b"\0")) is None


@pytest.mark.parametrize("start", [0, 5])
def test_history_hashes_are_those_of_the_log(last: ReadSnapshot, start: int) -> None:
    hashes = [block.record_hash for block in CHAIN.blocks if block.record_hash]
    assert last.history_hashes(start, 9) == hashes[start:9]
    assert root_of(last.history_hashes(0, last.history_size)) == CHAIN.blocks[-1].history_root


def test_the_tree_proves_presence_and_absence(last: ReadSnapshot) -> None:
    tree, root = last.tree(), CHAIN.blocks[-1].state_root
    verify_presence(tree.prove(key(10_001)), key(10_001), b"new", root)
    verify_absence(tree.prove(key(9_999)), key(9_999), root)


def test_a_snapshot_stays_where_it_is_while_the_writer_goes_on(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "store", durable=False)
    tree = replay(store, CHAIN.blocks[:6])
    reader = SnapshotReader(tmp_path / "store")
    with opened(reader) as old:
        replay(store, CHAIN.blocks[6:], tree)
        with opened(reader) as new:
            assert (old.height, new.height) == (5, LAST)
        for height, snapshot in ((5, old),):
            assert list(snapshot.range(b"", b"\xff")) == sorted(CHAIN.states[height])
            assert snapshot.get(key(5)) == CHAIN.states[height][key(5)]
            assert snapshot.tree().root() == CHAIN.blocks[height].state_root
            assert len(snapshot.blocks(-1, 100)) == height + 1


def check(snapshot: ReadSnapshot) -> int:
    """Compare a snapshot with the chain at its height."""
    with snapshot:
        height = snapshot.height
        state, block = CHAIN.states[height], CHAIN.blocks[height]
        assert snapshot.app_hash == block.app_hash
        assert {each: snapshot.get(each) for each in snapshot.range(b"", b"\xff")} == state
        assert (snapshot.block(height) is not None, snapshot.block(height + 1)) == (True, None)
        if block.leaves:
            assert snapshot.find_transaction(block.leaves[-1].identity) == Location(
                height, len(block.leaves) - 1
            )
    return height


def test_readers_beside_the_writer_see_exactly_a_committed_height(tmp_path: Path) -> None:
    path = tmp_path / "store"
    store = LedgerStore(path, durable=False, checkpoint_pages=50)
    tree = replay(store, CHAIN.blocks[:2])
    reader = SnapshotReader(path)
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        while not done.is_set():
            seen.append(check(opened(reader)))

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        replay(store, CHAIN.blocks[2:], tree)
        done.set()
        for each in readers:
            each.result()
    assert check(opened(reader)) == LAST
    reader.close()
    assert set(seen) <= set(range(1, LAST + 1))


def test_another_process_reads_beside_the_writer(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "store", durable=False)
    replay(store, CHAIN.blocks[:4])
    code = "import sys; from traco.storage import SnapshotReader; print(SnapshotReader(sys.argv[1]).snapshot().height)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    other = subprocess.run(command, env=environment, capture_output=True, check=True)
    assert int(other.stdout) == 3


def test_reading_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    reader = SnapshotReader(path)
    check(opened(reader))
    with opened(reader) as snapshot, pytest.raises(Exception, match="readonly"):
        snapshot._connection.execute("DELETE FROM blocks")
    reader.close()
    assert path.read_bytes() == before


def test_there_is_no_snapshot_before_the_founding(tmp_path: Path) -> None:
    LedgerStore(tmp_path / "store").close()
    reader = SnapshotReader(tmp_path / "store")
    assert (reader.snapshot(), reader.snapshot()) == (None, None)


def test_there_is_no_snapshot_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(MediumFailed):
        SnapshotReader(tmp_path / "store").snapshot()


def test_a_closed_snapshot_is_not_used_again(path: Path) -> None:
    snapshot = opened(SnapshotReader(path))
    snapshot.close()
    snapshot.close()
    with pytest.raises(RuntimeError):
        snapshot.block(1)


def test_a_store_without_a_delta_that_is_needed_is_damaged(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "store", durable=False)
    replay(store, CHAIN.blocks[:5])
    store._connection.execute("DELETE FROM delta WHERE height = 3")
    with pytest.raises(StoreDamaged):
        SnapshotReader(tmp_path / "store").snapshot()


def test_the_kernel_reads_state_through_a_snapshot(last: ReadSnapshot) -> None:
    tree = StateTree()
    tree.apply(CHAIN.states[-1])
    assert list(last.range(key(1), key(600))) == list(tree.range(key(1), key(600)))
