"""The engine's four calls about snapshots: what a node gives, and how one joins among peers that lie."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.copied import GENESIS, snapshot_of
from support.ledger import Key, Ledger
from support.stored_ledger import BANK_ID, StoredLedger, genesis
from traco.engine.cometbft.abci.messages import ApplyResult, OfferResult, Snapshot
from traco.engine.cometbft.errors import EngineGone
from traco.engine.cometbft.snapshots import RESTORING_FOLDER, NodeSnapshots
from traco.kernel.codec import encode
from traco.kernel.light import LightInvalid
from traco.kernel.protocol import NEWEST_PROTOCOL
from traco.kernel.receipt import app_hash
from traco.modules.composition import compose
from traco.storage import LedgerStore
from traco.storage.copying.form import STATE_PIECE, decode_head, encode_head, piece_hash, snapshot_hash
from traco.storage.copying.shelf import Shelf
from traco.storage.copying.swap import replace_ledger

SEAL = b"evidence of %d"


class Witness:
    """Evidence is a text with the height; the engine can be away."""

    def __init__(self) -> None:
        self.is_away = False
        self.adopted: list[bytes] = []

    async def evidence(self, height: int) -> bytes:
        if self.is_away:
            raise EngineGone("engine.gone", "away")
        return SEAL % height

    def verify(self, evidence: bytes, height: int, app_hash: bytes) -> None:
        if evidence != SEAL % height:
            raise LightInvalid("light.signature")

    def adopt(self, evidence: bytes) -> None:
        self.adopted.append(evidence)


class Giver:
    """A node with a snapshot, and blocks behind it."""

    def __init__(self, folder: Path) -> None:
        (folder / "giver").mkdir()
        self.original = StoredLedger(folder / "giver")
        self.original.trade(5, 4)
        self.shelf, self.head = snapshot_of(self.original, folder / "giver" / "snapshots")
        self.app_hash = self.original.ledger.application.info().app_hash
        self.height = self.head.height
        self.witness = Witness()
        self.snapshots = NodeSnapshots(
            self.shelf, GENESIS, lambda: self.height, lambda: 0, no_adoption, self.witness
        )


async def no_adoption(path: Path) -> None:
    raise AssertionError("nothing is restored here")


class Joiner:
    """A founded node without blocks."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder / "ledger.db"
        self.store = LedgerStore(self.path)
        self.ledger = Ledger(genesis(), compose(), BANK_ID, Key("bank node"), self.store)
        self.shelf = Shelf(folder / "snapshots")
        self.witness = Witness()
        application = self.ledger.application
        self.snapshots = NodeSnapshots(
            self.shelf, GENESIS, lambda: application.info().height, lambda: self.store.first_height, self.adopt,
            self.witness,
        )  # fmt: skip

    async def adopt(self, path: Path) -> None:
        self.store.replace(lambda: replace_ledger(path, self.path))
        self.ledger.application.reload()


class Both:
    """A giver and a joiner."""

    def __init__(self, folder: Path) -> None:
        self.giver, self.joiner = Giver(folder), Joiner(folder / "joiner")

    def close(self) -> None:
        self.giver.original.close()
        self.joiner.store.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    made = Both(tmp_path)
    yield made
    made.close()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def listed(giver: Giver) -> Snapshot:
    giver.height = giver.head.height + 2
    (snapshot,) = await giver.snapshots.list_snapshots()
    return snapshot


async def chunks(giver: Giver, snapshot: Snapshot) -> list[bytes]:
    return [await giver.snapshots.load_chunk(snapshot.height, 1, index) for index in range(snapshot.chunks)]


def test_a_snapshot_is_listed_once_two_headers_are_behind_it(both: Both) -> None:
    giver = both.giver
    for behind, expected in ((0, 0), (1, 0), (2, 1)):
        giver.height = giver.head.height + behind
        assert len(run(giver.snapshots.list_snapshots())) == expected


def test_what_is_not_there_is_answered_with_nothing(both: Both) -> None:
    giver = both.giver
    for height, kind, index in ((1, 1, 0), (giver.head.height, 2, 0), (giver.head.height, 1, 99)):
        assert run(giver.snapshots.load_chunk(height, kind, index)) == b""
    giver.witness.is_away = True
    assert run(giver.snapshots.load_chunk(giver.head.height, 1, len(giver.head.piece_hashes))) == b""


def test_a_node_joins_and_gives_the_snapshot_on(both: Both) -> None:
    async def join() -> None:
        giver, joiner = both.giver, both.joiner
        snapshot = await listed(giver)
        assert await joiner.snapshots.offer(snapshot, giver.app_hash) is OfferResult.ACCEPT
        pieces = await chunks(giver, snapshot)
        for index in reversed(range(snapshot.chunks)):
            answer = await joiner.snapshots.apply_chunk(index, pieces[index], "peer")
            assert answer.result is ApplyResult.ACCEPT
        info = joiner.ledger.application.info()
        assert (info.height, info.app_hash) == (giver.head.height, giver.app_hash)
        assert joiner.witness.adopted == [SEAL % giver.head.height]
        assert joiner.shelf.heights() == [giver.head.height]
        assert [
            joiner.shelf.head(giver.head.height),
            *(joiner.shelf.piece(giver.head.height, index) for index in range(snapshot.chunks - 1)),
        ] == [snapshot.metadata, *pieces[:-1]]
        assert not (joiner.shelf.folder / RESTORING_FOLDER).exists()

    run(join())


def test_a_peer_that_names_a_protocol_to_come_does_not_end_the_joining(both: Both) -> None:
    async def join() -> None:
        true = await listed(both.giver)
        head = encode_head(msgspec.structs.replace(both.giver.head, protocol=NEWEST_PROTOCOL + 1))
        lie = Snapshot(true.height, true.format, true.chunks, snapshot_hash(head), head)
        offer = both.joiner.snapshots.offer
        assert await offer(lie, both.giver.app_hash) is OfferResult.REJECT  # the app hash does not cover it
        assert await offer(true, both.giver.app_hash) is OfferResult.ACCEPT

    run(join())


def test_a_node_with_blocks_of_its_own_is_not_replaced(both: Both) -> None:
    both.joiner.ledger.run_block([])
    snapshot = run(listed(both.giver))
    assert run(both.joiner.snapshots.offer(snapshot, both.giver.app_hash)) is OfferResult.ABORT


def test_a_node_that_joined_and_has_no_block_yet_may_join_again(both: Both) -> None:
    async def join() -> None:
        snapshot = await listed(both.giver)
        pieces = await chunks(both.giver, snapshot)
        for _ in range(2):
            assert await both.joiner.snapshots.offer(snapshot, both.giver.app_hash) is OfferResult.ACCEPT
            for index, piece in enumerate(pieces):
                assert (
                    await both.joiner.snapshots.apply_chunk(index, piece, "")
                ).result is ApplyResult.ACCEPT

    run(join())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"format": 2}, OfferResult.REJECT_FORMAT),
        ({"height": 3}, OfferResult.REJECT_SENDER),
        ({"chunks": 1}, OfferResult.REJECT_SENDER),
        ({"hash": bytes(32)}, OfferResult.REJECT_SENDER),
        ({"metadata": b"something"}, OfferResult.REJECT_SENDER),
    ],
)
def test_a_snapshot_announced_as_something_else_is_refused(
    both: Both, changes: dict[str, Any], expected: OfferResult
) -> None:
    snapshot = msgspec.structs.replace(run(listed(both.giver)), **changes)
    assert run(both.joiner.snapshots.offer(snapshot, both.giver.app_hash)) is expected
    assert run(both.joiner.snapshots.apply_chunk(0, b"", "peer")).result is ApplyResult.ABORT


def test_a_snapshot_of_another_app_hash_is_refused(both: Both) -> None:
    assert run(both.joiner.snapshots.offer(run(listed(both.giver)), bytes(32))) is OfferResult.REJECT_SENDER


def test_a_lying_peer_is_named_and_the_piece_fetched_again(both: Both) -> None:
    async def join() -> None:
        giver, joiner = both.giver, both.joiner
        snapshot = await listed(giver)
        pieces = await chunks(giver, snapshot)
        await joiner.snapshots.offer(snapshot, giver.app_hash)
        for index, piece in enumerate(pieces):
            for wrong in (b"", piece[:-1] + bytes([piece[-1] ^ 1])):
                answer = await joiner.snapshots.apply_chunk(index, wrong, "liar")
                assert (answer.result, answer.refetch_chunks, answer.reject_senders) == (
                    ApplyResult.RETRY, (index,), ("liar",),
                )  # fmt: skip
            assert (await joiner.snapshots.apply_chunk(index, piece, "peer")).result is ApplyResult.ACCEPT
        assert joiner.ledger.application.info().app_hash == giver.app_hash

    run(join())


def test_a_snapshot_whose_maker_lied_is_dropped_and_the_old_ledger_stays(both: Both) -> None:
    async def join() -> None:
        giver, joiner = both.giver, both.joiner
        before = joiner.ledger.application.info()
        snapshot, lie = lying(await listed(giver), (await chunks(giver, await listed(giver)))[0])
        assert await joiner.snapshots.offer(snapshot, giver.app_hash) is OfferResult.ACCEPT
        assert (await joiner.snapshots.apply_chunk(0, lie, "peer")).result is ApplyResult.REJECT_SNAPSHOT
        assert (await joiner.snapshots.apply_chunk(0, lie, "peer")).result is ApplyResult.ABORT
        assert joiner.ledger.application.info() == before
        assert not (joiner.shelf.folder / RESTORING_FOLDER).exists()

    run(join())


def lying(snapshot: Snapshot, piece: bytes) -> tuple[Snapshot, bytes]:
    """The snapshot with a first piece of more money."""
    found = STATE_PIECE.decode(piece)
    key, next_key, value = found.slots[2]  # type: ignore[misc]
    slots = (*found.slots[:2], (key, next_key, value + b"0"), *found.slots[3:])
    lie = encode(msgspec.structs.replace(found, slots=slots))
    head = decode_head(snapshot.metadata)
    raw = encode_head(msgspec.structs.replace(head, piece_hashes=(piece_hash(lie), *head.piece_hashes[1:])))
    return msgspec.structs.replace(snapshot, metadata=raw, hash=snapshot_hash(raw)), lie


def test_what_an_interrupted_process_left_is_cleared(both: Both) -> None:
    async def begin() -> None:
        await both.joiner.snapshots.offer(await listed(both.giver), both.giver.app_hash)

    run(begin())
    folder = both.joiner.shelf.folder
    assert (folder / RESTORING_FOLDER).exists()
    NodeSnapshots(both.joiner.shelf, GENESIS, lambda: 0, lambda: 0, no_adoption, Witness())
    assert list(folder.iterdir()) == []
    loaded = LedgerStore(both.joiner.path).load()
    assert loaded is not None
    assert loaded.app_hash == app_hash(loaded.tree.root(), loaded.history.root(), loaded.history.size)


@pytest.mark.parametrize(
    ("height", "retain", "evidence", "expected"),
    [
        (500, 0, 100, lambda oldest: 0),
        (500, 10, 100, lambda oldest: min(401, oldest)),
        (500, 200, 100, lambda oldest: min(301, oldest)),
        (10, 200, 100, lambda oldest: 0),
    ],
)
def test_the_engine_keeps_what_evidence_and_offered_snapshots_need(
    both: Both, height: int, retain: int, evidence: int, expected: Callable[[int], int]
) -> None:
    oldest = both.giver.head.height
    assert both.giver.snapshots.retain_height(height, retain, evidence) == expected(oldest)
