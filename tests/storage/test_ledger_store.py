"""The writer: what it gives back is what it was given, however often it is opened; and when it refuses."""

import random
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.chain import GENESIS, Chain, identity, replay
from support.memory_store import MemoryStore
from traco.kernel.errors import Halt
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.store import LoadedLedger
from traco.storage import (
    LedgerStore,
    Location,
    MediumFailed,
    NewerFormat,
    OtherNetwork,
    SnapshotReader,
    StoreDamaged,
    differences,
)
from traco.storage.schema import SWEEP_BLOCKS, TILE_SLOTS

NETWORK = network_id(parse_genesis(GENESIS))


def key(number: int) -> bytes:
    return b"\x02\x01" + number.to_bytes(4, "big")


def random_chain(seed: int, blocks: int, keys: int = 3 * TILE_SLOTS) -> Chain:
    """Blocks that set, change and delete keys over several tiles; some are empty."""
    rng = random.Random(seed)
    chain = Chain({key(number): b"founded" for number in range(0, keys, 2)})
    for height in range(1, blocks + 1):
        changes: dict[bytes, bytes | None] = {}
        for _ in range(rng.choice((0, 1, 8))):
            value = None if rng.random() < 0.4 else b"%d" % rng.randrange(height) * rng.randrange(40)
            changes[key(rng.randrange(keys))] = value
        chain.add(changes, leaves=rng.choice((0, 1, 4)), after_ms=rng.choice((0, 300, 2_000)))
    return chain


def essence(loaded: LoadedLedger | None) -> tuple[object, ...] | None:
    """What of a loaded ledger must be equal."""
    if loaded is None:
        return None
    live = sorted(pair for pair in loaded.used if pair[1] > loaded.time_ms)
    history = loaded.history.size, loaded.history.root(), loaded.history.encode()
    tree = loaded.tree
    contents = [tree.content(slot) for slot in range(tree.slot_count)]
    return (
        loaded.height,
        loaded.time_ms,
        loaded.app_hash,
        history,
        live,
        tree.first_empty,
        tree.root(),
        contents,
    )


def expected_essence(chain: Chain, height: int) -> tuple[object, ...] | None:
    memory = MemoryStore()
    memory.blocks = chain.blocks[: height + 1]
    return essence(memory.load())


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), reopen_every=st.integers(1, 70))
def test_what_is_loaded_is_what_was_committed_and_opening_often_leaves_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, seed: int, reopen_every: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    chain = random_chain(seed, 2 * SWEEP_BLOCKS + 5)
    straight = LedgerStore(folder / "straight", durable=False)
    replay(straight, chain.blocks)
    straight.close()
    for start in range(0, len(chain.blocks), reopen_every):
        store = LedgerStore(folder / "reopened", durable=False)
        loaded = store.load()
        assert essence(loaded) == expected_essence(chain, start - 1)
        replay(store, chain.blocks[start : start + reopen_every], loaded and loaded.tree)
        store.close()
    assert differences(folder / "reopened", folder / "straight") == []


def test_each_height_around_a_round_of_sweeps_loads_whole(tmp_path: Path) -> None:
    chain = random_chain(5, SWEEP_BLOCKS + 3, keys=5 * TILE_SLOTS)
    store = LedgerStore(tmp_path / "store", durable=False)
    tree = None
    for height, block in enumerate(chain.blocks):
        tree = replay(store, [block], tree)
        assert essence(store.load()) == expected_essence(chain, height)


def test_a_key_that_moved_to_a_slot_swept_earlier_has_its_last_value_only(tmp_path: Path) -> None:
    keys = 3 * TILE_SLOTS
    chain = Chain({key(number): b"v" for number in range(keys)})
    far, near = key(2 * TILE_SLOTS + 5), key(5)
    chain.add({far: None})
    chain.add({near: None})  # its slot is given out before that of the other
    chain.add({far: b"moved"})
    for _ in range(SWEEP_BLOCKS + 2):
        chain.add({})
    store = LedgerStore(tmp_path / "store", durable=False)
    reader = SnapshotReader(tmp_path / "store")
    tree = None
    for height, block in enumerate(chain.blocks):
        tree = replay(store, [block], tree)
        with reader.snapshot() as snapshot:  # type: ignore[union-attr]
            assert (snapshot.get(far), snapshot.get(near)) == (
                chain.states[height].get(far),
                chain.states[height].get(near),
            )
            assert list(snapshot.range(b"\0", b"\xff")) == sorted(chain.states[height])
    assert essence(store.load()) == expected_essence(chain, len(chain.blocks) - 1)


def test_only_the_deltas_of_one_round_are_kept(tmp_path: Path) -> None:
    chain = random_chain(1, SWEEP_BLOCKS + 7)
    replay(LedgerStore(tmp_path / "store", durable=False), chain.blocks)
    rows = apsw.Connection(str(tmp_path / "store")).execute("SELECT min(height), count(*) FROM delta").get
    assert rows == (8, SWEEP_BLOCKS)


def test_after_a_round_without_changes_everything_is_swept(tmp_path: Path) -> None:
    chain = random_chain(2, 20)
    for _ in range(SWEEP_BLOCKS - 1):
        chain.add({})
    replay(LedgerStore(tmp_path / "store", durable=False), chain.blocks)
    connection = apsw.Connection(str(tmp_path / "store"))
    rows = connection.execute("SELECT key, value FROM state WHERE key IS NOT NULL ORDER BY key").fetchall()
    tiles: list[Any] = connection.execute("SELECT hashes FROM leaf_tile ORDER BY tile").fetchall()
    entries = connection.execute("SELECT count(*) FROM transaction_index").get
    assert rows == sorted(chain.states[-1].items())
    assert b"".join(hashes for (hashes,) in tiles) == chain.tree.leaf_hashes(0, chain.tree.slot_count)
    assert entries == sum(len(block.leaves) for block in chain.blocks)


def test_ids_are_found_by_the_writer_whether_swept_or_not(tmp_path: Path) -> None:
    chain = random_chain(4, SWEEP_BLOCKS + 9)
    store = LedgerStore(tmp_path / "store", durable=False)
    assert (store.find_transaction(identity("any")), store.leaves(0)) == (None, ())
    replay(store, chain.blocks)
    expected = {
        leaf.identity: Location(block.height, index)
        for block in chain.blocks
        for index, leaf in enumerate(block.leaves)
    }
    for opened in (store, LedgerStore(tmp_path / "store")):
        assert {each: opened.find_transaction(each) for each in expected} == expected
        assert [opened.leaves(block.height) for block in chain.blocks] == [
            block.leaves for block in chain.blocks
        ]
        assert opened.leaves(len(chain.blocks)) == ()


@pytest.mark.parametrize("wrong", [b"", b"\0", identity("1 0")[:31], identity("unknown")])
def test_what_is_no_id_of_a_leaf_is_not_found(tmp_path: Path, wrong: bytes) -> None:
    chain = Chain({key(1): b"v"})
    chain.add({}, leaves=2)
    store = LedgerStore(tmp_path / "store", durable=False)
    replay(store, chain.blocks)
    assert store.find_transaction(wrong) is None


def test_nothing_is_loaded_before_the_founding(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "store")
    assert store.load() is None
    store.close()
    assert LedgerStore(tmp_path / "store").load() is None


def test_a_used_id_outside_the_leaves_is_kept(tmp_path: Path) -> None:
    chain = Chain({key(1): b"v"})
    block = chain.add({}, leaves=2)
    odd = (b"\x07" * 32, block.time_ms + 9_000)
    chain.blocks[-1] = block._replace(used=(*block.used, odd))
    store = LedgerStore(tmp_path / "store")
    replay(store, chain.blocks)
    loaded = store.load()
    assert loaded is not None
    assert list(loaded.used) == [*block.used, odd]


def test_ids_that_expired_before_the_last_block_are_not_loaded(tmp_path: Path) -> None:
    chain = Chain({key(1): b"v"})
    until = max(until for _, until in chain.add({}, leaves=3).used)
    chain.add({}, after_ms=until - chain.blocks[1].time_ms - 1)
    store = LedgerStore(tmp_path / "store")
    tree = replay(store, chain.blocks)
    before = store.load()
    replay(store, [chain.add({}, after_ms=1)], tree)
    after = store.load()
    assert before is not None
    assert after is not None
    assert (len(list(before.used)), list(after.used)) == (2, [])


@pytest.mark.parametrize("height", [0, 1, 3])
def test_a_block_that_is_not_the_next_is_refused_and_harms_nothing(tmp_path: Path, height: int) -> None:
    chain = random_chain(1, 3)
    store = LedgerStore(tmp_path / "store")
    tree = replay(store, chain.blocks[:2])
    with pytest.raises(Halt):
        store.commit(chain.blocks[height], tree)
    replay(store, chain.blocks[2:], tree)
    assert essence(store.load()) == expected_essence(chain, 3)


def test_a_founded_store_is_not_founded_again(tmp_path: Path) -> None:
    chain = random_chain(1, 0)
    store = LedgerStore(tmp_path / "store")
    replay(store, chain.blocks)
    with pytest.raises(Halt):
        store.found(GENESIS, chain.blocks[0], chain.tree)


def test_nothing_is_committed_before_the_founding(tmp_path: Path) -> None:
    chain = random_chain(1, 1)
    with pytest.raises(Halt):
        LedgerStore(tmp_path / "store").commit(chain.blocks[1]._replace(height=0), chain.tree)


def founded(path: Path) -> Path:
    store = LedgerStore(path)
    replay(store, random_chain(1, 3).blocks)
    store.close()
    return path


def test_the_store_of_this_network_and_ledger_opens(tmp_path: Path) -> None:
    assert LedgerStore(founded(tmp_path / "store"), NETWORK, b"").load() is not None


@pytest.mark.parametrize(("network", "ledger"), [(bytes(32), b""), (NETWORK, b"c" * 32)])
def test_the_store_of_another_network_or_ledger_is_refused(
    tmp_path: Path, network: bytes, ledger: bytes
) -> None:
    path = founded(tmp_path / "store")
    with pytest.raises(OtherNetwork) as raised:
        LedgerStore(path, network, ledger)
    assert (raised.value.code, raised.value.network, raised.value.ledger) == (
        "storage.other_network",
        NETWORK,
        b"",
    )
    assert NETWORK.hex() in str(raised.value)
    with pytest.raises(OtherNetwork):
        SnapshotReader(path, network, ledger).snapshot()


def change(path: Path, statement: str) -> Path:
    connection = apsw.Connection(str(path))
    connection.execute(statement)
    connection.close()
    return path


def test_a_newer_format_is_refused_by_name(tmp_path: Path) -> None:
    path = change(founded(tmp_path / "store"), "UPDATE meta SET value = x'03' WHERE name = 'format'")
    with pytest.raises(NewerFormat) as raised:
        LedgerStore(path)
    assert (raised.value.code, raised.value.found, raised.value.supported) == ("storage.newer_format", 3, 2)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE meta",
        "DELETE FROM meta WHERE name = 'format'",
        "UPDATE meta SET value = x'00' WHERE name = 'format'",
        "DELETE FROM meta WHERE name = 'genesis'",
        "DELETE FROM head",
        "UPDATE head SET height = height - 1",
        "UPDATE head SET height = height + 1",
        "UPDATE head SET frontier = x''",
        "UPDATE head SET frontier = x'90'",
        "UPDATE head SET frontier = replace(hex(frontier), 'A', 'B') || 'x'",
        "UPDATE delta SET changes = x'c0'",
        "UPDATE blocks SET history_root = zeroblob(32)",
    ],
)
def test_a_store_that_cannot_be_resumed_is_damaged(tmp_path: Path, statement: str) -> None:
    try:
        path = change(founded(tmp_path / "store"), statement)
    except apsw.ConstraintError:
        return  # the schema itself keeps text out
    with pytest.raises(StoreDamaged) as raised:
        LedgerStore(path)
    assert raised.value.code == "storage.damaged"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE head SET slot_count = slot_count + 1",
        "UPDATE head SET slot_count = 4611686018427387904",
        "UPDATE head SET first_empty = 1",
        "DELETE FROM state WHERE slot = 3",
        "UPDATE state SET slot = 0 WHERE slot = 3",
        "UPDATE state SET slot = -1 WHERE slot = 3",
        "UPDATE state SET key = x'020100000000' WHERE slot = 3",
        "UPDATE leaf_tile SET tile = tile + 9",
        "DELETE FROM state",
        "UPDATE blocks SET used = x'9192cd270f00' WHERE used_until > 0",
        "UPDATE blocks SET leaves = x'00' WHERE used_until > 0",
    ],
)
def test_a_state_that_cannot_have_been_is_damaged(tmp_path: Path, statement: str) -> None:
    store = LedgerStore(change(founded(tmp_path / "store"), statement))
    with pytest.raises(StoreDamaged):
        store.load()


def test_a_head_behind_the_last_block_is_damaged_though_the_history_is_the_same(tmp_path: Path) -> None:
    chain = Chain({key(1): b"v"})
    chain.add({key(1): b"w"})
    store = LedgerStore(tmp_path / "store")
    replay(store, chain.blocks)
    store.close()
    change(tmp_path / "store", "UPDATE head SET height = 0")
    with pytest.raises(StoreDamaged):
        LedgerStore(tmp_path / "store")


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "store").write_bytes(b"something else entirely" * 500)
    with pytest.raises(StoreDamaged):
        LedgerStore(tmp_path / "store")


def test_a_directory_in_the_place_of_the_store_is_an_io_error(tmp_path: Path) -> None:
    with pytest.raises(MediumFailed) as raised:
        LedgerStore(tmp_path)
    assert (raised.value.code, str(tmp_path) in str(raised.value)) == ("storage.io_error", True)


def test_a_reader_that_keeps_the_log_does_not_keep_the_writer_from_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.storage.database._BUSY_MS", 0)
    path = tmp_path / "store"
    chain = random_chain(1, 3)
    first = LedgerStore(path)
    tree = replay(first, chain.blocks[:3])
    with SnapshotReader(path).snapshot() as snapshot:  # type: ignore[union-attr]
        replay(first, chain.blocks[3:], tree)
        second = LedgerStore(path)
        assert (snapshot.height, essence(second.load())) == (2, expected_essence(chain, 3))
