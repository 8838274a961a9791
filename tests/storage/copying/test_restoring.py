"""A restored ledger is the one that the snapshot was taken of, and goes on with the same hashes; liars are told apart."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.copied import GENESIS, Copied, restored, snapshot_of
from support.ledger import Key, Ledger
from support.stored_ledger import BANK_ID, StoredLedger, genesis
from traco.kernel.codec import encode
from traco.kernel.genesis import write_genesis
from traco.kernel.merkle import Frontier
from traco.kernel.receipt import block_leaf_hash
from traco.modules.composition import compose
from traco.storage import LedgerStore, StoreDamaged, check_pages
from traco.storage.copying.form import (
    IDS_PIECE,
    STATE_PIECE,
    PieceRefused,
    SnapshotHead,
    SnapshotRefused,
    decode_head,
    encode_head,
    piece_hash,
    snapshot_hash,
)
from traco.storage.copying.restoring import Restoring, verify_head


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Copied]:
    made = Copied(tmp_path)
    yield made
    made.close()


def contents(ledger: Ledger) -> list[object]:
    tree = ledger.application.tree
    return [tree.content(slot) for slot in range(tree.slot_count)]


def test_a_restored_state_is_that_of_the_original_slot_by_slot(copied: Copied) -> None:
    assert contents(copied.ledger) == contents(copied.original.ledger)
    first, second = copied.ledger.application.info(), copied.original.ledger.application.info()
    assert (first.height, first.app_hash) == (second.height, second.app_hash)
    assert (copied.store.first_height, copied.original.store.first_height) == (second.height, 0)


def test_the_blocks_that_follow_give_equal_hashes_and_answers(copied: Copied) -> None:
    for _ in range(60):
        copied.original.trade(1, 5)
        answers = copied.follow()
        assert copied.ledger.application.info() == copied.original.ledger.application.info()
        assert answers == [answer.failure for answer in copied.original.answers]
    check_pages(copied.store.path)


def test_a_restored_ledger_goes_on_after_being_opened_again(copied: Copied) -> None:
    for _ in range(3):
        copied.original.trade(1, 5)
        copied.follow()
    copied.store.close()
    copied.store = LedgerStore(copied.store.path)
    copied.ledger = Ledger(genesis(), compose(), BANK_ID, Key("bank node"), copied.store)
    copied.original.trade(1, 5)
    copied.follow()
    assert copied.ledger.application.info() == copied.original.ledger.application.info()


def test_an_id_used_before_the_snapshot_is_a_duplicate_behind_it(copied: Copied) -> None:
    original = copied.original.ledger
    raw = original.transaction([copied.original._something()], Key("bank"))
    original.run_block([raw])
    shelf, head = snapshot_of(copied.original, copied.shelf.folder.with_name("later"))
    store = restored(
        shelf, head, original.application.info().app_hash, copied.shelf.folder.with_name("later.db")
    )
    joined = Ledger(genesis(), compose(), BANK_ID, Key("bank node"), store)
    joined._salt, joined.time_ms = original._salt, original.time_ms
    answers = [each.run_block([raw])[0].failure for each in (original, joined)]
    assert [answer.code for answer in answers if answer] == ["transaction.duplicate"] * 2
    assert joined.application.info() == original.application.info()
    store.close()


def test_inherited_ids_are_forgotten_when_the_window_has_passed(copied: Copied) -> None:
    application = copied.ledger.application
    assert application._used._inherited
    copied.original.ledger.run_block([], after_ms=copied.head.window_ms)
    copied.follow()
    assert not application._used._inherited
    copied.store.close()
    copied.store = LedgerStore(copied.store.path)
    loaded = copied.store.load()
    assert loaded is not None
    assert list(loaded.inherited) == []


def test_a_restored_store_can_be_the_source_of_a_snapshot_once_a_window_has_passed(
    copied: Copied, tmp_path: Path
) -> None:
    again = StoredLedger.__new__(StoredLedger)
    again.path, again.ledger = Path(copied.store.path), copied.ledger
    with pytest.raises(SnapshotRefused, match=r"snapshot\.not_yet"):
        snapshot_of(again, tmp_path / "second")
    copied.original.trade(1, 2)
    copied.follow()
    with pytest.raises(SnapshotRefused, match=r"snapshot\.not_yet"):
        snapshot_of(again, tmp_path / "second")
    copied.original.ledger.run_block([], after_ms=copied.head.window_ms)
    copied.follow()
    copied.original.trade(1, 2)
    copied.follow()
    shelf, head = snapshot_of(again, tmp_path / "second")
    assert (shelf.head(head.height), head) == (
        encode_head(head),
        snapshot_of(copied.original, tmp_path / "third")[1],
    )
    restored(shelf, head, copied.ledger.application.info().app_hash, tmp_path / "second.db").close()


def test_the_founding_alone_can_be_restored(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.db")
    founded = StoredLedger.__new__(StoredLedger)
    founded.path, founded.ledger = (
        tmp_path / "ledger.db",
        Ledger(genesis(), compose(), BANK_ID, Key("bank node"), store),
    )
    shelf, head = snapshot_of(founded, tmp_path / "snapshots")
    assert (head.height, head.time_ms, head.id_starts) == (0, genesis().time_ms, ())
    again = restored(shelf, head, founded.ledger.application.info().app_hash, tmp_path / "restored.db")
    loaded = again.load()
    assert loaded is not None
    assert loaded.tree.root() == founded.ledger.application.tree.root()
    for each in (store, again):
        each.close()


# What is not believed


class Offered:
    """A snapshot as a stranger offers it."""

    def __init__(self, copied: Copied) -> None:
        raw = copied.shelf.head(copied.head.height)
        assert raw is not None
        self.raw, self.app_hash = raw, copied.app_hash
        self.pieces = [
            copied.shelf.piece(copied.head.height, index) or b""
            for index in range(len(copied.head.piece_hashes))
        ]

    def restoring(self, path: Path, head: SnapshotHead | None = None) -> Restoring:
        return Restoring(path, head or verify_head(self.raw, GENESIS, self.app_hash), GENESIS)


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Offered:
    made = Copied(tmp_path_factory.mktemp("offered"), 8)
    made.close()
    return Offered(made)


def test_pieces_may_come_in_any_order_and_more_than_once(offered: Offered, tmp_path: Path) -> None:
    making = offered.restoring(tmp_path / "made.db")
    for index, piece in [*enumerate(offered.pieces), *reversed(list(enumerate(offered.pieces)))]:
        making.add(index, piece)
    assert making.missing == frozenset()
    making.finish()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(piece=st.integers(0, 10), bit=st.integers(0))
def test_a_piece_with_any_bit_changed_is_refused_by_the_fault_of_its_sender(
    offered: Offered, tmp_path_factory: pytest.TempPathFactory, piece: int, bit: int
) -> None:
    index = piece % len(offered.pieces)
    raw = bytearray(offered.pieces[index])
    bit %= len(raw) * 8
    raw[bit // 8] ^= 1 << bit % 8
    making = offered.restoring(tmp_path_factory.mktemp("flipped") / "made.db")
    with pytest.raises(PieceRefused):
        making.add(index, bytes(raw))
    assert index in making.missing
    making.add(index, offered.pieces[index])
    making.discard()


def test_a_piece_that_the_head_does_not_have_is_refused(offered: Offered, tmp_path: Path) -> None:
    making = offered.restoring(tmp_path / "made.db")
    for index in (-1, len(offered.pieces)):
        with pytest.raises(PieceRefused):
            making.add(index, offered.pieces[0])
    making.discard()


def lie(offered: Offered, index: int, piece: Any, **changes: Any) -> tuple[SnapshotHead, bytes]:
    """A head that has the hash of a piece which its maker changed."""
    raw = encode(piece)
    head = decode_head(offered.raw)
    hashes = tuple(
        piece_hash(raw) if each == index else known for each, known in enumerate(head.piece_hashes)
    )
    return msgspec.structs.replace(head, piece_hashes=hashes, **changes), raw


def other_value(offered: Offered) -> tuple[SnapshotHead, int, bytes]:
    piece = STATE_PIECE.decode(offered.pieces[0])
    key, next_key, value = piece.slots[3]  # type: ignore[misc]
    slots = (*piece.slots[:3], (key, next_key, value + b"\0"), *piece.slots[4:])
    head, raw = lie(offered, 0, msgspec.structs.replace(piece, slots=slots))
    return head, 0, raw


def fewer_slots(offered: Offered) -> tuple[SnapshotHead, int, bytes]:
    piece = STATE_PIECE.decode(offered.pieces[0])
    head, raw = lie(offered, 0, msgspec.structs.replace(piece, slots=piece.slots[:-1]))
    return head, 0, raw


def no_piece(offered: Offered) -> tuple[SnapshotHead, int, bytes]:
    head, raw = lie(offered, 0, ("state", 0))
    return head, 0, raw


def with_ids(
    offered: Offered, change: Callable[[Any], Any], **changes: Any
) -> tuple[SnapshotHead, int, bytes]:
    index = len(offered.pieces) - 1
    head, raw = lie(offered, index, change(IDS_PIECE.decode(offered.pieces[index])), **changes)
    return head, index, raw


def other_id(offered: Offered) -> tuple[SnapshotHead, int, bytes]:
    def change(piece: Any) -> Any:
        first = piece.blocks[0]
        blocks = (msgspec.structs.replace(first, leaves=bytes(32) + first.leaves[32:]), *piece.blocks[1:])
        return msgspec.structs.replace(piece, blocks=blocks)

    return with_ids(offered, change)


def fewer_ids(offered: Offered) -> tuple[SnapshotHead, int, bytes]:
    def change(piece: Any) -> Any:
        last = piece.blocks[-1]
        blocks = (*piece.blocks[:-1], msgspec.structs.replace(last, leaves=last.leaves[64:]))
        return msgspec.structs.replace(piece, blocks=blocks)

    return with_ids(offered, change)


def forgotten_block(offered: Offered) -> tuple[SnapshotHead, int, bytes]:
    """A head that says the window begins later than it does, with a piece that leads to the history root all the same."""

    def change(piece: Any) -> Any:
        edge = Frontier()
        edge.append(block_leaf_hash(piece.blocks[0].record))
        return msgspec.structs.replace(piece, first=1, before=edge.encode(), blocks=piece.blocks[1:])

    return with_ids(offered, change, id_starts=(1,))


def later_time(offered: Offered) -> tuple[SnapshotHead, int, bytes]:
    return with_ids(offered, lambda piece: piece, time_ms=decode_head(offered.raw).time_ms + 1)


LIES = [other_value, fewer_slots, no_piece, other_id, fewer_ids, forgotten_block, later_time]


@pytest.mark.parametrize("made_up", LIES)
def test_a_piece_that_its_maker_changed_gives_the_snapshot_away(
    offered: Offered, tmp_path: Path, made_up: Callable[[Offered], tuple[SnapshotHead, int, bytes]]
) -> None:
    head, index, raw = made_up(offered)
    assert verify_head(encode_head(head), GENESIS, offered.app_hash) == head
    making = offered.restoring(tmp_path / "made.db", head)
    with pytest.raises(SnapshotRefused, match=r"snapshot\.untrue"):
        making.add(index, raw)
    making.discard()


@pytest.mark.parametrize("changes", [{"protocol": 9}, {"window_ms": 599_999}])
def test_terms_that_the_state_does_not_have_give_the_snapshot_away(
    offered: Offered, tmp_path: Path, changes: dict[str, int]
) -> None:
    head = msgspec.structs.replace(decode_head(offered.raw), **changes)
    making = offered.restoring(tmp_path / "made.db", head)
    for index, piece in enumerate(offered.pieces):
        making.add(index, piece)
    with pytest.raises(SnapshotRefused, match=r"snapshot\.untrue"):
        making.finish()
    making.discard()
    with pytest.raises(StoreDamaged):
        LedgerStore(tmp_path / "made.db")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"network": bytes(32)}, "snapshot.other_network"),
        ({"ledger": b"c" * 32}, "snapshot.other_network"),
        ({"state_root": bytes(32)}, "snapshot.other_state"),
        ({"frontier": ()}, "snapshot.malformed"),
        ({"history_size": 1}, "snapshot.malformed"),
        ({"state_starts": (1,)}, "snapshot.malformed"),
        ({"state_starts": ()}, "snapshot.malformed"),
        ({"id_starts": ()}, "snapshot.malformed"),
        ({"id_starts": (2**40,)}, "snapshot.malformed"),
        ({"piece_hashes": ()}, "snapshot.malformed"),
        ({"first_empty": 0}, "snapshot.malformed"),
        ({"slot_count": 0}, "snapshot.malformed"),
    ],
)
def test_a_head_that_is_not_of_this_state_is_refused(
    offered: Offered, changes: dict[str, Any], code: str
) -> None:
    raw = encode_head(msgspec.structs.replace(decode_head(offered.raw), **changes))
    with pytest.raises(SnapshotRefused) as refused:
        verify_head(raw, GENESIS, offered.app_hash)
    assert refused.value.code == code


def test_a_head_for_another_app_hash_or_of_strange_bytes_is_refused(offered: Offered) -> None:
    for raw, app_hash in (
        (offered.raw, bytes(32)),
        (offered.raw[:-1], offered.app_hash),
        (bytes(4_000_000), bytes(32)),
    ):
        with pytest.raises(SnapshotRefused):
            verify_head(raw, GENESIS, app_hash)
    other = write_genesis(msgspec.structs.replace(genesis(), name="Other"))
    with pytest.raises(SnapshotRefused, match=r"snapshot\.other_network"):
        verify_head(offered.raw, other, offered.app_hash)


def test_a_file_that_was_not_finished_is_no_store(offered: Offered, tmp_path: Path) -> None:
    making = offered.restoring(tmp_path / "made.db")
    with pytest.raises(RuntimeError):
        making.finish()
    for index, piece in enumerate(offered.pieces):
        making.add(index, piece)
    making.discard()
    with pytest.raises(StoreDamaged):
        LedgerStore(tmp_path / "made.db")


def test_the_hash_of_a_snapshot_is_that_of_its_head(offered: Offered) -> None:
    assert snapshot_hash(offered.raw) != snapshot_hash(
        encode_head(msgspec.structs.replace(decode_head(offered.raw), height=1))
    )
