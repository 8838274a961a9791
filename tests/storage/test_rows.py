"""The bytes of rows: golden forms, and that everything comes back."""

import pytest

from support.chain import Chain, leaves_of
from traco.kernel.receipt import NO_SIGNATURES, Leaf
from traco.kernel.stateproof import END_OF_CHAIN
from traco.storage.rows import (
    Delta,
    SlotRow,
    decode_delta,
    decode_leaves,
    decode_link,
    decode_used,
    delta_of,
    encode_leaves,
    encode_link,
    encode_used,
    entry_location,
    first_empty_column,
    index_entries,
    pack_row,
    unpack_row,
)


@pytest.mark.parametrize(
    ("row", "packed"),
    [
        (SlotRow(7, b"key", b"value"), b"000000000007003keyvalue"),
        (SlotRow(123456789012, b"k" * 512, b""), b"123456789012512" + b"k" * 512),
        (SlotRow(0, b"", b""), b"000000000000000"),
        (SlotRow(3, b"", b"\xff" * 8), b"000000000003000" + b"\xff" * 8),
    ],
)
def test_a_slot_as_one_string(row: SlotRow, packed: bytes) -> None:
    assert (pack_row(*row), unpack_row(packed)) == (packed, row)


@pytest.mark.parametrize("packed", [b"", b"00000000000x003key", b"000000000007"])
def test_what_is_no_slot_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError):
        unpack_row(packed)


@pytest.mark.parametrize("slot", [0, 1, 2**40, END_OF_CHAIN])
def test_links_of_the_chain_of_empty_slots_come_back(slot: int) -> None:
    assert decode_link(encode_link(slot)) == slot


def test_the_first_empty_slot_is_null_where_there_is_none() -> None:
    assert [first_empty_column(slot) for slot in (1, END_OF_CHAIN)] == [1, None]


def test_leaves_come_back_whether_the_receipt_has_their_id_or_not() -> None:
    leaves = (
        *leaves_of(1, 3),
        Leaf(b"i" * 32, b"s" * 32, b"short"),
        Leaf(b"i" * 32, NO_SIGNATURES, b"r" * 60),
    )
    assert decode_leaves(encode_leaves(leaves)) == leaves


def test_a_leaf_does_not_repeat_what_its_receipt_has() -> None:
    signed, unsigned = leaves_of(1, 2)[1], leaves_of(1, 1)[0]
    assert len(encode_leaves([signed])) == len(signed.receipt) + 32 + 8
    assert len(encode_leaves([unsigned])) == len(unsigned.receipt) + 8


def test_used_ids_come_back_in_order() -> None:
    block = Chain({b"k": b"v"}).add({}, leaves=3)
    used = (block.used[1], (b"\x05" * 32, block.time_ms - 1), block.used[0])
    block = block._replace(used=used)
    assert tuple(decode_used(encode_used(block), block.time_ms, block.leaves)) == used


@pytest.mark.parametrize("where", [b"\x02", b"\xff"])
def test_a_used_id_of_a_leaf_that_is_not_there_is_refused(where: bytes) -> None:
    with pytest.raises(ValueError):
        decode_used(b"\x91\x92" + where + b"\x05", 0, leaves_of(1, 2))


def test_the_last_leaf_can_have_a_used_id() -> None:
    leaves = leaves_of(1, 2)
    assert decode_used(b"\x91\x92\x01\x05", 7, leaves) == [(leaves[1].identity, 12)]


def test_a_delta_has_what_a_block_changed() -> None:
    chain = Chain({b"a": b"1", b"b": b"2", b"c": b"3"})
    block = chain.add({b"b": None, b"c": b"4", b"x": None}, leaves=2)
    delta = delta_of(block, chain.tree)
    rows = [SlotRow(1, b"a", b"1"), SlotRow(2, b"", b"\xff" * 8), SlotRow(3, b"c", b"4")]
    assert [unpack_row(row) for row in delta.rows] == rows
    assert delta.leaf_hashes == chain.tree.leaf_hashes(1, 4)
    assert delta.deleted == (b"b", b"x")
    assert delta.id_prefixes == b"".join(leaf.identity[:6] for leaf in block.leaves)


def test_the_head_has_a_leaf_but_no_content() -> None:
    chain = Chain({})
    block = chain.add({b"a": b"1"})
    assert [unpack_row(row) for row in delta_of(block, chain.tree).rows] == [
        SlotRow(0, b"", b""),
        SlotRow(1, b"a", b"1"),
    ]


def test_the_bytes_of_a_delta_are_pinned() -> None:
    raw = bytes.fromhex("950191c4026162c403686173 91c40164c406707265666978")
    assert decode_delta(raw) == Delta((b"ab",), b"has", (b"d",), b"prefix")


def test_entries_of_the_transaction_index_say_where_each_id_is() -> None:
    entries = index_entries(b"aaaaaabbbbbb", 2**40 - 1)
    assert entries == [b"aaaaaa\xff\xff\xff\xff\xff\0\0\0", b"bbbbbb\xff\xff\xff\xff\xff\0\0\x01"]
    assert [entry_location(entry) for entry in entries] == [(2**40 - 1, 0), (2**40 - 1, 1)]
