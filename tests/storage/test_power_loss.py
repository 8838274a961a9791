"""A machine that stops at any moment leaves block n or n + 1 whole, and never less than was acknowledged."""

import random
from collections.abc import Iterator
from itertools import product

from faults import CutMode, Disk, SimulatedVFS, count_changes, power_cuts, run_until_cut
from support.chain import Chain, replay
from support.crashes import LONG, PATH, SHORT, commits, disk_with, found
from traco.storage import LedgerStore
from traco.storage.schema import SWEEP_BLOCKS


def losses(start: Disk, chain: Chain, stop: int, before: int, seeds: range) -> Iterator[str]:
    """Describes each power cut after which the store has neither what was acknowledged nor one block more."""
    known: dict[tuple[bytes, ...], int] = {}
    for after in power_cuts(start, commits(chain, stop), seeds):
        last = after.acknowledged[-1] if after.acknowledged else before
        contents = tuple(after.disk.contents().values())
        if contents not in known:
            known[contents] = found(after.disk, chain)
        if known[contents] not in (last, last + 1):
            yield f"{after.mode} change {after.change} seed {after.seed}: {known[contents]} for {last}"


def test_a_power_cut_while_founding_and_in_the_first_blocks_loses_nothing() -> None:
    assert list(losses(Disk(), SHORT, 4, before=-1, seeds=range(2))) == []


def test_a_power_cut_while_sweeping_and_dropping_deltas_loses_nothing() -> None:
    start = disk_with(LONG, SWEEP_BLOCKS - 1)
    assert list(losses(start, LONG, SWEEP_BLOCKS + 3, SWEEP_BLOCKS - 2, range(2))) == []


def test_what_is_shown_after_a_kill_is_not_lost_by_a_power_cut() -> None:
    workload = commits(SHORT, 3)
    for change in range(1, count_changes(Disk(), workload) + 1):
        disk = Disk()
        with SimulatedVFS(disk) as killed:
            killed.faults.crash_at(change)
            run_until_cut(killed, workload, [])
        with SimulatedVFS(disk) as machine:
            store = LedgerStore(PATH, vfs=machine.name)
            loaded = store.load()
            shown = -1 if loaded is None else loaded.height
        for seed, mode in product(range(2), (CutMode.DROP, CutMode.GARBLE)):
            assert found(disk.power_cut(random.Random(seed), mode), SHORT) == shown


def test_a_store_goes_on_after_every_power_cut() -> None:
    for after in power_cuts(disk_with(SHORT, 2), commits(SHORT, 3), range(1), [CutMode.TEAR]):
        with SimulatedVFS(after.disk) as machine:
            commits(SHORT, 4)(machine, [])
        assert found(after.disk, SHORT) == 3


def test_a_store_without_syncs_is_found_out() -> None:
    def workload(machine: SimulatedVFS, acknowledged: list[int]) -> None:
        store = LedgerStore(PATH, vfs=machine.name, durable=False)
        loaded = store.load()
        assert loaded is not None
        replay(store, SHORT.blocks[2:4], loaded.tree)
        acknowledged.append(3)

    lost = 0
    for after in power_cuts(disk_with(SHORT, 2), workload, range(4), [CutMode.DROP]):
        lost += bool(after.acknowledged) and found(after.disk, SHORT) < 3
    assert lost > 0
