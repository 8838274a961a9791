"""Nodes that lie, and nodes that die at a chosen moment: between two calls of the engine, or at a crash point of the engine."""

import time
from collections.abc import Callable
from typing import Final

from torture.report import Difference
from torture_cluster.behaviour import PROPOSALS, SPENT_VARIABLE
from torture_cluster.builds import clock_shifted, needs_go
from torture_cluster.network import RECOVERY_SECONDS, START_SECONDS
from torture_cluster.scene import Fault, Scene
from torture_cluster.sites import Site
from traco.engine.cometbft.install import find_engine
from traco.engine.cometbft.rollback import roll_back_engine
from traco.node.compare import compare
from traco.node.directory import ENGINE_FOLDER
from traco.node.rollback import roll_back

LIE_SECONDS: Final = 5.0
ENGINE_CRASH_POINTS: Final = 9  # what a height passes, in v0.39: write-ahead log, commit, block store, state
ENGINE_CRASH_VARIABLE: Final = "FAIL_TEST_INDEX"
CALLS: Final = ("PrepareProposal", "ProcessProposal", "FinalizeBlock", "Commit", "CheckTx")
HOUR_SECONDS: Final = 3_600
BLOCK_TIME_SECONDS: Final = 60
PROGRAM_VARIABLE: Final = "TRACO_NODE_ENGINE__PROGRAM"
ROUNDS: Final = 2


def crash_between_calls(scene: Scene) -> None:
    """The application dies before or after it has answered a call; sometimes the engine is to die as well."""
    for _ in range(ROUNDS):
        (site,) = scene.choose()
        _crash_at_call(scene, site)
        scene.goes_on(scene.honest)
        scene.restart(site)


def _crash_at_call(scene: Scene, site: Site) -> None:
    call, moment = scene.random.choice(CALLS), scene.random.choice(("before", "after"))
    spent = site.directory.with_suffix(".spent")
    spent.unlink(missing_ok=True)
    settings = {SPENT_VARIABLE: str(spent)}
    if scene.random.random() < 0.5:
        settings[ENGINE_CRASH_VARIABLE] = str(scene.random.randrange(ENGINE_CRASH_POINTS))
    scene.restart(site, f"crash={call}:{moment}:{scene.random.randint(1, 6)}", **settings)
    scene.network.await_true(spent.exists, RECOVERY_SECONDS, lambda: f"{site.name} got no further {call}")
    scene.count(f"crash {moment} {call}")


def crash_engine(scene: Scene) -> None:
    """The engine ends at a crash point of its own."""
    for _ in range(ROUNDS):
        (site,) = scene.choose()
        scene.restart(site, "", **{ENGINE_CRASH_VARIABLE: str(scene.random.randrange(ENGINE_CRASH_POINTS))})
        scene.count("engine's own crash point")
        scene.goes_on(scene.honest)


def clock_of_the_application(scene: Scene) -> None:
    """The clock of a node's processes, but for its engine, is an hour ahead or behind."""
    (site,) = scene.choose()
    shift = scene.random.choice((HOUR_SECONDS, -HOUR_SECONDS))
    scene.restart(site, f"clock={shift}")
    scene.count(f"clock of an application {'ahead' if shift > 0 else 'behind'}")
    scene.goes_on(scene.honest)
    scene.load.pay_through(site)
    scene.lasting(LIE_SECONDS)
    scene.restart(site)


def clock_of_the_engine(scene: Scene) -> None:
    """An engine's clock is an hour ahead: the others outvote it. An hour behind: it may stop; the others go on."""
    (site,) = scene.choose()
    shift = scene.random.choice((HOUR_SECONDS, -HOUR_SECONDS))
    program = clock_shifted(shift)
    scene.network.await_recovered(scene.honest)  # building took long
    site.terminate()
    site.await_end()
    site.start(**{PROGRAM_VARIABLE: str(program)})
    scene.count(f"clock of an engine {'ahead' if shift > 0 else 'behind'}")
    if shift > 0:
        site.await_ready(START_SECONDS)
        scene.goes_on(scene.honest)
    scene.lasting(LIE_SECONDS)
    scene.goes_on(scene.others([site]))
    _check_block_time(scene)
    site.kill()
    scene.network.start([site])


def _check_block_time(scene: Scene) -> None:
    """Block time is that of most validators, whatever one of them says."""
    block = scene.others([])[0].blocks(scene.honest[0].height() - 1)[-1]
    if abs(block.time_ms - time.time_ns() // 1_000_000) > BLOCK_TIME_SECONDS * 1_000:
        raise Difference(
            "time",
            f"block {block.height} is at {block.time_ms} ms, and it is {time.time_ns() // 1_000_000} ms",
        )


def propose(kind: str) -> Callable[[Scene], None]:
    """A proposer that proposes what no honest node would; the others refuse it, or do not suffer from it."""

    def lie(scene: Scene) -> None:
        (site,) = scene.choose()
        scene.restart(site, f"propose={kind}")
        scene.count(f"proposer with {kind}")
        others = scene.others([site])
        scene.goes_on(others, blocks=12)
        scene.load.pay_through(scene.random.choice(others))
        scene.load.pay_through(site)  # its own gateway's transactions are taken up by the others
        scene.restart(site)

    return lie


def full_pools(scene: Scene) -> None:
    """All engines' pools hold two transactions only, and are always full."""
    for site in scene.honest:
        site.terminate()
    for site in scene.honest:
        site.await_end()
        site.start("pool=2")
    for site in scene.honest:
        site.await_ready(RECOVERY_SECONDS * 2)
    scene.count("full pools")
    scene.goes_on(scene.honest, blocks=10)
    scene.lasting(LIE_SECONDS)
    for site in scene.honest:
        scene.restart(site)


def wrong_root(scene: Scene) -> None:
    """A validator comes to another state than all others: it stops by itself and says why; the others go on.

    Where they part is found by comparing the two ledgers, and the wrong block is taken back.
    """
    (site,) = scene.choose()
    others = scene.others([site])
    site.terminate()
    site.await_end()
    scene.comparison.absorb([site])
    site.start(f"diverge={site.height() + 5}")
    scene.network.await_true(
        lambda: not site.is_started,
        START_SECONDS,
        lambda: f"{site.name} goes on with a state of its own",
    )
    scene.count("validator with a wrong root")
    if "engine.diverged" not in site.log():
        raise Difference("alarm", f"{site.name} stopped without saying that it diverged: {site.last_words()}")
    found = compare(site.directory, others[0].directory)
    if found.height != site.height() or not found.keys:
        raise Difference(
            "diagnosis", f"{site.name} ends with block {site.height()}, and is said to differ: {found}"
        )
    scene.goes_on(others)
    home = site.directory / ENGINE_FOLDER
    roll_back(site.directory, lambda: roll_back_engine(find_engine(None).program, home))
    scene.network.start([site])


LIE_FAULTS: Final = (
    Fault("crash_calls", "application dies between two calls", crash_between_calls, 40),
    Fault("crash_engine", "engine dies at its own crash points", crash_engine, 25),
    Fault("clock", "an application's clock an hour off", clock_of_the_application, 22),
    Fault("engine_clock", "an engine's clock an hour off", clock_of_the_engine, 40, needs_go),
    *(Fault(f"propose_{kind}", f"a proposer with {kind}", propose(kind), 20) for kind in PROPOSALS),
    Fault("full_pools", "pools that are full", full_pools, 45),
    Fault("wrong_root", "a validator with a wrong root", wrong_root, 60),
)
