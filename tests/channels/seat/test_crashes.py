"""A node that dies between any two of its steps, and is started again: everything is confirmed, and nothing happens twice.

``TRACO_SEAT_STRIDE=1`` tries every moment of every scene.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from channels.seat.fuses import FileStores, FusedStore
from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.kernel.statetree import StateTree
from traco.kernel.store import CommittedBlock
from traco.modules.channel.entries import Voided
from traco.modules.channel.messages import Supply
from traco.modules.channel.parts import Limits

STRIDE: Final = int(os.environ.get("TRACO_SEAT_STRIDE", "1"))
LONG_STRIDE: Final = int(os.environ.get("TRACO_SEAT_STRIDE", "3"))  # of a scene that takes longer


def at_each_moment(folder: Path, scene: Callable[[Sites, int], int | None], stride: int = STRIDE) -> int:
    """Run a scene over and over, with a longer fuse each time, until it does not burn down; how often it did."""
    died, length = 0, 1
    while True:
        sites = Sites(folder / str(length))
        try:
            left = scene(sites, length)
            assert sites.alarms == []
        finally:
            sites.close()
        if left is not None:
            return died
        died, length = died + 1, length + stride


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_node_may_die_at_any_moment_of_payments(tmp_path: Path, name: str) -> None:
    def scene(sites: Sites, length: int) -> int | None:
        async def play() -> int | None:
            channel = await sites.opened(sites.terms("a", "b"))
            purse = Purse(sites, channel)
            await purse.fill("a", "b")
            starts = sites[name].starts
            sites[name].fuse.light(length)
            paid = [purse.pay("a", "b", 300), purse.pay("b", "a", 50)]
            await sites.until(lambda: purse.is_confirmed(*paid, at=("a", "b")))
            await sites.settle()
            assert [purse.balances(at, "a", "b") for at in ("a", "b")] == [(750, 1_250)] * 2
            assert sites.has_confirmed(channel, "a", "b")
            return sites[name].fuse.left if sites[name].starts == starts else None

        return run(play())

    assert at_each_moment(tmp_path, scene) >= 20


def test_a_node_may_die_at_any_moment_of_a_void_that_takes_back_what_it_executed(tmp_path: Path) -> None:
    def scene(sites: Sites, length: int) -> int | None:
        async def play() -> int | None:
            limits = Limits(answer_ms=60_000)
            vaults = (sites.ids["d"],)
            terms = sites.terms("a", "b", "c", faults=1, policy=2, custody=2, vaults=vaults, limits=limits)
            channel = await sites.opened(terms)
            purse = Purse(sites, channel)
            await purse.fill("a", "b")
            # nobody but its sender has the next payload, though enough have signed for it, and the sender does not show it
            for other in ("b", "c", "d"):
                sites[other].custody.forgets = True
                sites.cut.add((other, "a"))
            sites["a"].withheld = (Supply,)
            paid = purse.pay("a", "b", 300)
            await sites.until(lambda: sites.standing("a", channel, paid) == "executed")
            starts = sites["a"].starts
            sites["a"].fuse.light(length)
            await sites.until(lambda: bool(sites.entries(channel, Voided)), after_ms=20_000)
            for other in ("b", "c", "d"):
                sites[other].custody.forgets = False
            sites.cut.clear()
            await sites.until(lambda: purse.is_confirmed(paid, at=("a", "b", "c")))
            await sites.settle()
            assert [purse.balances(at, "a", "b") for at in ("a", "b", "c")] == [(700, 1_300)] * 3
            assert sites.has_confirmed(channel, "a", "b", "c")
            return sites["a"].fuse.left if sites["a"].starts == starts else None

        return run(play())

    assert at_each_moment(tmp_path, scene, LONG_STRIDE) >= 10


def test_a_point_whose_result_was_noted_and_not_committed_is_executed_without_anybody_asking(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        channel = await sites.opened(sites.terms("a", "b"))
        purse = Purse(sites, channel)
        await purse.fill("a", "b")
        await sites.settle()
        ordinal, fuse = sites.stream(channel).ordinal, sites["b"].fuse
        commit = FusedStore.commit

        def dying(store: FusedStore, block: CommittedBlock, tree: StateTree) -> None:
            if store.fuse is fuse:
                monkeypatch.setattr(FusedStore, "commit", commit)
                fuse.light(1)
            commit(store, block, tree)

        monkeypatch.setattr(FusedStore, "commit", dying)
        purse.pay("a", "b", 300)
        await sites.until(lambda: sites["b"].starts == 2)
        assert sites["b"].book.result(channel, ordinal + 1) is None  # taken back with the start
        await sites.settle()
        for name in ("a", "b"):
            sites[name].stop()
            store = FileStores(sites[name].folder, sites.network, fuse).open(channel)
            loaded = store.load()
            store.close()
            assert loaded is not None
            assert loaded.height == ordinal + 1

    run(scene())
