"""Which block writes what: every slot and every id has its turn exactly once in a round."""

import pytest

from traco.storage.index import Location
from traco.storage.rows import Delta, index_entry, pack_row
from traco.storage.schema import SWEEP_BLOCKS, TILE_SLOTS
from traco.storage.sweep import Pending

SLOTS = range(0, (SWEEP_BLOCKS + 2) * TILE_SLOTS, TILE_SLOTS // 2)
PREFIXES = [bytes([first]) + b"aaaaa" for first in range(256)]


def delta(slots: range = SLOTS, value: bytes = b"v") -> Delta:
    return Delta(tuple(pack_row(slot, b"key", value) for slot in slots), b"", (), b"".join(PREFIXES))


@pytest.mark.parametrize("height", [0, 1, SWEEP_BLOCKS - 1, SWEEP_BLOCKS, 3 * SWEEP_BLOCKS + 7])
def test_a_block_writes_the_tiles_whose_number_has_its_remainder(height: int) -> None:
    pending = Pending()
    pending.add(delta(), height)
    rows, _ = pending.take(height)
    expected = [slot for slot in SLOTS if slot // TILE_SLOTS % SWEEP_BLOCKS == height % SWEEP_BLOCKS]
    assert rows == {slot: pack_row(slot, b"key", b"v") for slot in expected}


@pytest.mark.parametrize("start", [1, 20, SWEEP_BLOCKS])
def test_one_round_writes_every_slot_and_every_id_once(start: int) -> None:
    pending = Pending()
    pending.add(delta(), start)
    taken = [pending.take(height) for height in range(start, start + SWEEP_BLOCKS)]
    assert sorted(slot for rows, _ in taken for slot in rows) == list(SLOTS)
    entries = sorted(entry for _, entries in taken for entry in entries)
    assert entries == [index_entry(prefix, start, leaf) for leaf, prefix in enumerate(PREFIXES)]
    assert all(entries for _, entries in taken)


def test_what_was_taken_is_not_taken_again() -> None:
    pending = Pending()
    pending.add(delta(), 1)
    pending.take(1)
    assert pending.take(1 + SWEEP_BLOCKS) == ({}, [])


def test_the_last_content_of_a_slot_is_written() -> None:
    pending = Pending()
    pending.add(delta(range(3), b"old"), 1)
    pending.add(delta(range(1), b"new"), 2)
    rows, _ = pending.take(SWEEP_BLOCKS)
    assert [row[-3:] for _, row in sorted(rows.items())] == [b"new", b"old", b"old"]


def test_an_id_is_found_until_it_is_taken() -> None:
    pending = Pending()
    pending.add(delta(), 7)
    wanted = PREFIXES[255] + bytes(26)
    before = list(pending.find(wanted))
    pending.take(SWEEP_BLOCKS - 1)
    assert (before, list(pending.find(wanted))) == ([Location(7, 255)], [])
