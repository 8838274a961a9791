"""The torture itself: one network under load, and one fault after the other until the time is over."""

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from torture.report import Counts, Difference, print_counts, say
from torture_cluster.comparison import Comparison
from torture_cluster.faults_disk import DISK_FAULTS
from torture_cluster.faults_lies import LIE_FAULTS
from torture_cluster.faults_members import MEMBER_FAULTS
from torture_cluster.faults_processes import PROCESS_FAULTS
from torture_cluster.faults_wires import WIRE_FAULTS
from torture_cluster.forgeries import check_light_blocks, check_receipt
from torture_cluster.journal import Journal
from torture_cluster.load import Load
from torture_cluster.network import Network, found_network
from torture_cluster.scene import Fault, Scene
from traco.node.audit import audit

FAULTS: Final = {
    fault.name: fault for fault in (*PROCESS_FAULTS, *WIRE_FAULTS, *LIE_FAULTS, *DISK_FAULTS, *MEMBER_FAULTS)
}
END_SECONDS: Final = 15.0  # for the last comparison and the audit
QUIET_SECONDS: Final = 1.0


@contextmanager
def opened_scene(
    network: Network, seed: str, counts: Counts, *, loaded: bool = True, fault: str = ""
) -> Iterator[Scene]:
    """A started network, its accounts filled; under load, or waiting for payments. ``fault``: planted in every node."""
    with network, Journal(network.folder / "journal.jsonl") as journal:
        network.start(fault=fault)
        load = Load(network, journal, counts, seed)
        comparison = Comparison(network, load.books, journal, counts)
        load.found()
        if loaded:
            load.start()
        try:
            yield Scene(network, load, comparison, counts, seed)
        finally:
            load.stop()


def in_turn(chosen: Sequence[Fault], seed: str) -> Iterator[Fault]:
    """Faults for ever: all of them in an order by chance, then all again in another."""
    order = random.Random(f"{seed} order")
    while True:
        yield from order.sample(chosen, len(chosen))


def possible(chosen: Sequence[Fault], counts: Counts) -> list[Fault]:
    """Those that can be done on this machine; the others are named in the report."""
    for fault in chosen:
        if reason := fault.needs():
            counts[f"work: {fault.name} left out: {reason}"] += 1
    return [fault for fault in chosen if not fault.needs()]


def disturb(scene: Scene, chosen: Sequence[Fault], seed: str, until: float) -> None:
    """One fault after the other as long as there is time for any, and everything compared after each."""
    if not chosen:
        return
    too_long = 0  # how many in a row
    for done, fault in enumerate(in_turn(chosen, seed)):
        if done and time.monotonic() + fault.seconds > until:
            too_long += 1
            if too_long == len(chosen):
                return
            continue
        too_long, began = 0, time.monotonic()
        fault.disturb(scene)
        disturbed, recovered = time.monotonic(), scene.settle()
        say(
            f"  {disturbed - began:5.1f} s  {fault.says} ({fault.name}); all follow {recovered:.1f} s later, at block "
            f"{scene.comparison.height}"
        )
        scene.lasting(QUIET_SECONDS)


def finish(scene: Scene) -> None:
    """End the load, compare the rest, look at proofs, stop the nodes in order, and have one execute its ledger again."""
    scene.load.stop()
    scene.conclude()
    check_proofs(scene)
    scene.network.stop()
    scene.comparison.absorb(scene.honest)
    for site in scene.honest[:1]:
        report = audit(site.directory)
        if report.differences:
            raise Difference("audit", f"{site.name}: {report}")
        scene.counts["work: transactions executed again by the audit"] += report.transactions


def check_proofs(scene: Scene) -> None:
    """What each node hands out as proof holds, and its forgeries do not."""
    paid = [identity for identity in scene.comparison.places if identity in scene.comparison.journal.made]
    for site in scene.honest:
        check_receipt(site, scene.network.genesis, scene.random.choice(paid), scene.counts)
        check_light_blocks(site, scene.network.genesis, scene.counts)


def torture(seconds: float, seed: int, only: Sequence[str] = ()) -> int:
    """Torture a network of four for about so many seconds. 0 if it held; prints what was done."""
    until, counts = time.monotonic() + seconds - END_SECONDS, Counts()
    chosen = possible([fault for name, fault in FAULTS.items() if not only or name in only], counts)
    say(f"Torture of a cluster for {seconds:g} seconds with seed {seed}: {len(chosen)} kinds of faults.")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="traco-torture-") as folder,
            opened_scene(found_network(Path(folder)), f"{seed}", counts) as scene,
        ):
            disturb(scene, chosen, f"{seed}", until)
            finish(scene)
    except Difference as difference:
        say(f"DIFFERENCE with seed {seed}: {difference}")
        counts["difference: found"] += 1
    counts["difference: found"] += 0
    print_counts({"cluster": counts})
    return 1 if counts["difference: found"] else 0
