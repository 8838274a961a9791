"""Snapshots are taken at their heights by a process of their own, and a failure is told, not fatal."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.copied import GENESIS, snapshot_of
from support.stored_ledger import StoredLedger
from traco.engine.cometbft import taking
from traco.engine.cometbft.taking import SnapshotTaker
from traco.kernel.state import State
from traco.storage.copying.form import Terms, encode_head, terms_of
from traco.storage.copying.restoring import verify_head
from traco.storage.copying.shelf import Shelf


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[StoredLedger]:
    (tmp_path / "node").mkdir()
    made = StoredLedger(tmp_path / "node")
    yield made
    made.close()


def taker(ledger: StoredLedger, interval: int, kept: int = 2) -> SnapshotTaker:
    shelf = Shelf(ledger.directory / "snapshots", kept)
    return SnapshotTaker(
        ledger.path, shelf, interval, lambda: terms_of(State(ledger.ledger.application.tree))
    )


def shelf_of(ledger: StoredLedger) -> Shelf:
    return Shelf(ledger.directory / "snapshots")


def test_a_snapshot_is_of_the_height_at_which_it_was_begun_and_equal_on_all_nodes(
    ledger: StoredLedger, tmp_path: Path
) -> None:
    async def work() -> None:
        subject = taker(ledger, 1)
        height = ledger.ledger.application.info().height
        expected = snapshot_of(ledger, tmp_path / "other")[1]
        subject.committed(height)
        ledger.trade(3, 2)  # goes on meanwhile
        subject.committed(height + 3)  # left out: one is being taken
        await subject.finished()
        assert (subject.problem, shelf_of(ledger).heights()) == ("", [height])
        assert shelf_of(ledger).head(height) == encode_head(expected)

    asyncio.run(work())


def test_only_multiples_of_the_interval_are_taken_and_the_newest_are_kept(ledger: StoredLedger) -> None:
    async def work() -> None:
        subject = taker(ledger, 4)
        taken = []
        for _ in range(16):
            ledger.trade(1, 1)
            height = ledger.ledger.application.info().height
            subject.committed(height)
            await subject.finished()
            taken += [height] if height % 4 == 0 else []
        assert shelf_of(ledger).heights() == sorted(taken, reverse=True)[:2]

    asyncio.run(work())


def test_without_an_interval_none_is_taken(ledger: StoredLedger) -> None:
    async def work() -> None:
        subject = taker(ledger, 0)
        subject.committed(8)
        await subject.finished()
        assert shelf_of(ledger).heights() == []

    asyncio.run(work())


def test_a_snapshot_that_cannot_be_made_is_told_and_tried_again(ledger: StoredLedger) -> None:
    async def work() -> None:
        subject = taker(ledger, 1)
        folder = ledger.directory / "snapshots"
        folder.write_bytes(b"in the way")
        subject.take()
        assert "no snapshot was taken" in subject.problem
        folder.unlink()
        subject.take()
        await subject.finished()
        assert subject.problem == ""
        subject.take()
        await subject.finished()
        assert "snapshot.exists" in subject.problem

    asyncio.run(work())


def test_a_process_that_dies_is_told(ledger: StoredLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        subject = taker(ledger, 1)
        subject.take()
        await subject.finished()
        assert "ended with code" in subject.problem

    monkeypatch.setattr(taking, "_make_snapshot", _die)
    asyncio.run(work())


def _die(answer: object, order: object) -> None:
    raise SystemExit(3)


def test_a_node_that_stops_leaves_nothing_unfinished(ledger: StoredLedger) -> None:
    async def work() -> None:
        subject = taker(ledger, 1)
        subject.take()
        await subject.stop()
        await subject.stop()
        shelf_of(ledger).clear()
        assert shelf_of(ledger).heights() == []
        assert [path.name for path in shelf_of(ledger).folder.iterdir()] == []

    asyncio.run(work())


def test_terms_are_those_of_the_pinned_state(ledger: StoredLedger, tmp_path: Path) -> None:
    shelf, head = snapshot_of(ledger, tmp_path / "other")
    terms = terms_of(State(ledger.ledger.application.tree))
    assert terms == Terms(head.protocol, head.window_ms)
    assert (
        verify_head(shelf.head(head.height) or b"", GENESIS, ledger.ledger.application.info().app_hash)
        == head
    )
