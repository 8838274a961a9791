"""Processes that are killed, stopped where they are, and missed: one, two and all of four."""

from collections.abc import Callable
from typing import Final

from torture.report import Difference
from torture_cluster.network import RECOVERY_SECONDS
from torture_cluster.scene import Fault, Scene
from torture_cluster.sites import Site
from torture_cluster.wires import between

PAUSE_SECONDS: Final = 10.0
HALT_SECONDS: Final = 4.0
ROUNDS: Final = 3
SILENCE_SECONDS: Final = 1.0  # what was on its way has arrived by then
ISOLATED_PAYMENTS: Final = 5


def _comes_back(scene: Scene, site: Site, process: Callable[[], int | None], before: int | None) -> None:
    """Another process takes the place of one that was killed. Raises ``Difference``."""
    scene.network.await_true(
        lambda: process() not in (None, before), RECOVERY_SECONDS, lambda: f"{site.name} stays without a process"
    )  # fmt: skip


def kill_engine(scene: Scene) -> None:
    """The engine alone; the ledger process starts it again."""
    for _ in range(ROUNDS):
        (site,) = scene.choose()
        before = site.engine()
        if site.kill_engine():
            scene.count("engine killed")
        _comes_back(scene, site, site.engine, before)
        scene.lasting(scene.random.uniform(0.0, 1.5))


def kill_ledger(scene: Scene) -> None:
    """The application alone; its engine ends with it, and the keeper starts both."""
    for _ in range(ROUNDS):
        (site,) = scene.choose()
        before = site.ledger()
        if site.kill_ledger():
            scene.count("application killed")
            scene.comparison.check_durable(site)
        _comes_back(scene, site, site.ledger, before)
        scene.lasting(scene.random.uniform(0.0, 1.5))


def kill_both(scene: Scene) -> None:
    """Application and engine in the same moment, in either order."""
    (site,) = scene.choose()
    kills = [site.kill_engine, site.kill_ledger]
    scene.random.shuffle(kills)
    for kill in kills:
        kill()
    scene.count("application and engine killed")


def kill_one_node(scene: Scene) -> None:
    """All processes of a node, as when its machine fails: three go on, and it catches up."""
    (site,) = scene.choose()
    scene.kill(site)
    scene.count("node killed")
    others = scene.others([site])
    scene.goes_on(others)
    scene.load.pay_through(scene.random.choice(others))
    scene.network.start([site])


def kill_two_nodes(scene: Scene) -> None:
    """Two of four: the network halts and loses nothing; with one back it resumes."""
    sites = scene.choose(2)
    scene.kill(*sites)
    scene.count("two nodes killed")
    scene.halts(scene.others(sites), HALT_SECONDS)
    scene.network.start(sites[:1])
    scene.goes_on(scene.others(sites[1:]))
    scene.network.start(sites[1:])


def kill_all_nodes(scene: Scene) -> None:
    """The power fails everywhere."""
    scene.kill(*scene.honest)
    scene.count("all nodes killed")
    scene.network.start(scene.honest)


def pause_node(scene: Scene) -> None:
    """A node stands still for ten seconds and goes on as if nothing had been."""
    (site,) = scene.choose()
    stopped = site.pause()
    try:
        scene.count("node stopped for ten seconds")
        scene.goes_on(scene.others([site]))
        scene.lasting(PAUSE_SECONDS)
    finally:
        site.resume(stopped)


def pause_engine_or_ledger(scene: Scene) -> None:
    """Only half of a node stands still: the other half waits for it."""
    (site,) = scene.choose()
    half = scene.random.choice([site.ledger, site.engine])()
    if half is None:
        return
    stopped = site.pause_only(half)
    try:
        scene.count("half a node stopped")
        scene.goes_on(scene.others([site]))
        scene.lasting(PAUSE_SECONDS / 2)
    finally:
        site.resume(stopped)


def stop_and_start(scene: Scene) -> None:
    """A node is stopped in order, and started again."""
    (site,) = scene.choose()
    site.terminate()
    code = site.await_end()
    if code:
        raise Difference("stop", f"{site.name} ended with {code}: {site.last_words()}")
    scene.count("node stopped in order")
    scene.network.start([site])


def kill_isolated(scene: Scene) -> None:
    """What a gateway acknowledged while its node was cut off from all others is nowhere but in its outbox; then it is killed."""
    (site,) = scene.choose()
    with scene.load.paused():  # a gateway that has enough on its way takes no more
        scene.network.wires.hold(between([[site.name], [each.name for each in scene.others([site])]]))
        scene.lasting(SILENCE_SECONDS)
        scene.load.acknowledged_by(site, ISOLATED_PAYMENTS)
        scene.kill(site)
    scene.count("node killed while cut off")
    scene.network.wires.heal()
    scene.network.start([site])
    scene.network.await_recovered(scene.honest)
    scene.comparison.await_promises(scene.honest, RECOVERY_SECONDS)


PROCESS_FAULTS: Final = (
    Fault("kill_engine", "engine killed with signal 9", kill_engine, 10),
    Fault("kill_ledger", "application killed with signal 9", kill_ledger, 15),
    Fault("kill_both", "application and engine killed together", kill_both, 8),
    Fault("kill_one_node", "one of four down: goes on", kill_one_node, 15),
    Fault("kill_two_nodes", "two of four down: halts, loses nothing, resumes", kill_two_nodes, 25),
    Fault("kill_all_nodes", "all four killed", kill_all_nodes, 20),
    Fault("kill_isolated", "cut off, then killed: its outbox remembers", kill_isolated, 20),
    Fault("pause_node", "a node stopped and continued", pause_node, 16),
    Fault("pause_half", "application or engine stopped and continued", pause_engine_or_ledger, 12),
    Fault("stop_and_start", "a node stopped in order and started", stop_and_start, 10),
)
