"""The council schedules a protocol: nodes with the release that has it go on past its height, one without it stops before."""

from pathlib import Path

import pytest

from torture.report import Counts
from torture_cluster.behaviour import NEXT_PROTOCOL, PROVIDER_LIMIT_PPM, next_release
from torture_cluster.endurance import check_proofs, opened_scene
from torture_cluster.network import RECOVERY_SECONDS, START_SECONDS, found_network
from torture_cluster.scene import Scene
from torture_cluster.sites import Site
from traco.engine.cometbft.install import InstalledEngine
from traco.kernel.operations import ScheduleUpgrade
from traco.kernel.parameters import Parameters
from traco.kernel.state import State
from traco.modules.network.parameters import NetworkParameters
from traco.node.directory import LEDGER_FILE
from traco.storage import SnapshotReader

RELEASE = "release=next"
PARAMETERS = Parameters({"network": NetworkParameters()})
BLOCKS_AHEAD = 6
ADVICE = "Install a release that has it and start again; nothing is lost."


def install(scene: Scene, *sites: Site) -> None:
    """These nodes go on in their directories with the next release."""
    for site in sites:
        site.terminate()
    for site in sites:
        site.await_end()
        site.start(RELEASE)
    for site in sites:
        site.await_ready(START_SECONDS)


def schedule(scene: Scene, site: Site, height: int) -> None:
    """The council, of which one member is enough here, decides."""
    decision = ScheduleUpgrade((site.member,), NEXT_PROTOCOL, height)
    scene.load.submit(site, scene.load.books.sign(site, [decision]))


def protocols(site: Site, height: int) -> tuple[int, ...]:
    """Which protocol the block before a height ran, and which the one at it."""
    return tuple(block.protocol for block in site.blocks(height - 2, 2))


def provider_limit(site: Site) -> int:
    """A parameter of the network as a node's state has it."""
    snapshot = SnapshotReader(site.directory / LEDGER_FILE).snapshot()
    assert snapshot is not None
    with snapshot:
        return PARAMETERS.get(State(snapshot.tree()), NetworkParameters).max_provider_ppm


def stops_before(scene: Scene, site: Site, height: int) -> None:
    """The node ends by itself with the block before this height, and says which release it needs."""
    scene.network.await_true(
        lambda: not site.is_started, RECOVERY_SECONDS, lambda: f"{site.name} goes on at {site.height()}"
    )
    said = (
        f"block {height} needs protocol {NEXT_PROTOCOL}; this software has 1 to {NEXT_PROTOCOL - 1}. {ADVICE}"
    )
    assert said in site.log()
    assert said in site.out.read_text()
    assert (site.await_end() != 0, site.height()) == (True, height - 1)


@pytest.mark.slow
def test_three_of_four_enter_a_protocol_at_its_height_and_the_fourth_stops_before_it_until_it_is_updated(
    engine: InstalledEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = found_network(tmp_path)
    next_release(monkeypatch.setattr)  # for the ledger in memory that executes every block again
    with opened_scene(network, "upgrade", Counts(), loaded=False) as scene:
        *updated, late = scene.honest
        install(scene, *updated)
        height = max(site.height() for site in updated) + BLOCKS_AHEAD
        schedule(scene, updated[0], height)
        stops_before(scene, late, height)
        scene.goes_on(updated)
        for site in updated:
            scene.load.pay_through(site)
        late.start()
        stops_before(scene, late, height)

        late.start(RELEASE)
        late.await_ready(START_SECONDS)
        scene.settle()
        scene.load.pay_through(late)
        scene.settle()
        assert {protocols(site, height) for site in scene.honest} == {(NEXT_PROTOCOL - 1, NEXT_PROTOCOL)}
        assert {provider_limit(site) for site in scene.honest} == {PROVIDER_LIMIT_PPM}
        scene.comparison.check_money()
        check_proofs(scene)
