"""Who is not admitted, who was removed and comes back, and who runs twice."""

import shutil
from typing import Final

from torture.report import Difference
from torture_cluster.network import RECOVERY_SECONDS, START_SECONDS
from torture_cluster.scene import Fault, Scene
from torture_cluster.sites import Site
from traco.modules.network.messages import AdmitNode, PromoteNode, RemoveNode, ReportReady
from traco.modules.network.state import Placement
from traco.modules.party.messages import RegisterNode
from traco.node.backup import back_up
from traco.node.restore import restore, take_over

KNOCKING_SECONDS: Final = 6.0
LASTING_SECONDS: Final = 3.0  # a connection that lives so long was let in
CATCH_UP_PER_SECOND: Final = 40.0  # blocks, while four others share two cores with it
CUT_SECONDS: Final = 45.0  # nodes look every few seconds, and restart their engines one after the other


def unknown_node(scene: Scene) -> None:
    """A node that nobody admitted tries to connect, and is refused."""
    _unknown_node(scene).kill()


def _unknown_node(scene: Scene) -> Site:
    site = scene.network.stranger()
    site.start()
    site.await_ready(START_SECONDS)
    _stays_out(scene, site, "a node that nobody admitted")
    scene.count("unknown node")
    return site


def removed_validator_returns(scene: Scene) -> None:
    """An unknown node is refused; admitted, it follows; promoted, it orders; removed, it is cut off and stays out."""
    site = _unknown_node(scene)
    _admit(scene, site)
    behind = scene.honest[0].height()
    scene.network.await_height(behind, [site], RECOVERY_SECONDS + behind / CATCH_UP_PER_SECOND)
    scene.network.await_recovered([*scene.honest, site])
    scene.count("node admitted")
    _promote(scene, site)
    (missing,) = scene.choose()
    scene.kill(missing)
    scene.goes_on([*scene.others([missing]), site])  # four of five
    scene.network.start([missing])
    scene.network.await_recovered([*scene.honest, site])
    scene.comparison.absorb([*scene.honest, site])
    _decide(scene, RemoveNode(_council(scene), _key(site), "torture"))
    scene.count("validator removed")
    scene.network.await_true(
        lambda: not scene.network.wires.connected(site.name, LASTING_SECONDS), CUT_SECONDS,
        lambda: f"{site.name} was removed and is still connected",
    )  # fmt: skip
    scene.network.await_recovered(scene.honest)
    site.kill()
    site.start()
    site.await_ready(START_SECONDS)
    _stays_out(scene, site, "a validator that was removed and returned")
    scene.count("removed validator returned")
    site.kill()


def _stays_out(scene: Scene, site: Site, who: str) -> None:
    """It tries for a while, and nobody keeps a connection to it or tells it a block."""
    before = site.height()
    for _ in range(3):
        scene.lasting(KNOCKING_SECONDS / 3)
        if scene.network.wires.connected(site.name, LASTING_SECONDS):
            raise Difference("filter", f"{who} was let in")
    if site.height() > before:
        raise Difference("filter", f"{who} was given blocks up to {site.height()}")


def _council(scene: Scene) -> tuple[bytes, ...]:
    return (scene.load.books.issuer.member,)


def _key(site: Site) -> bytes:
    return bytes.fromhex(site.card.statement.node)


def _decide(
    scene: Scene, *decided: AdmitNode | PromoteNode | RegisterNode | RemoveNode | ReportReady
) -> None:
    """The first organisation, of which one is enough in this council and which has the node, decides through its gateway."""
    books = scene.load.books
    scene.load.submit(books.issuer, books.sign(books.issuer, decided))


def _admit(scene: Scene, site: Site) -> None:
    said = site.card.statement
    place = Placement(*(getattr(said.placement, name) for name in ("operator", "provider", "region", "zone")))
    _decide(
        scene, RegisterNode(site.member, _key(site)),
        AdmitNode(
            _council(scene), site.member, _key(site), bytes.fromhex(said.consensus), bytes.fromhex(said.peer), said.address,
            said.gateway, place,
        ),
    )  # fmt: skip


def _promote(scene: Scene, site: Site) -> None:
    _decide(
        scene,
        ReportReady(site.member, _key(site), site.height()),
        PromoteNode(_council(scene), _key(site), 1),
    )
    scene.count("node promoted")


def runs_twice(scene: Scene) -> None:
    """A copy of a node's directory is started while the node runs: its validator's key is in use, and it does not start."""
    (site,) = scene.choose()
    copy = site.copy_beside()
    try:
        copy.start()
        code = copy.await_end(START_SECONDS)
        if code == 0 or "engine.key_in_use" not in copy.log():
            raise Difference("twice", f"a copy of {site.name} runs beside it: {code}, {copy.last_words()}")
        scene.count("second node with one key")
    finally:
        copy.kill()
        shutil.rmtree(copy.directory)


def restored_elsewhere(scene: Scene) -> None:
    """A backup is restored on another machine and takes over, though the first still runs: two validators have one key.

    It is held back until somebody says that it may start. Then one of four breaks the rules, and the others stand it.
    """
    (site,) = scene.choose()
    folder = site.directory.with_name(f"{site.directory.name}-restored")
    backup = site.directory.with_name(f"{site.directory.name}-backup")
    made = back_up(site.directory, backup)
    restore(backup, folder, "quick")
    copy = site.beside(folder)
    try:
        copy.start()
        if copy.await_end(START_SECONDS) == 0 or "node.restored" not in copy.last_words():
            raise Difference(
                "twice", f"a restored copy of {site.name} was not held back: {copy.last_words()}"
            )
        scene.count("restored copy held back")
        take_over(folder, made.height, network_height=max(scene.network.heights(scene.honest).values()))
        copy.start("machine=second")
        copy.await_ready(START_SECONDS)
        scene.count("two machines with one key")
        scene.lasting(LASTING_SECONDS)
        scene.goes_on(scene.others([site]))
        scene.comparison.absorb([*scene.honest, copy])
    finally:
        copy.kill()
        scene.comparison.forget(copy)
        shutil.rmtree(folder)
        shutil.rmtree(backup)


MEMBER_FAULTS: Final = (
    Fault("unknown_node", "a node that nobody admitted", unknown_node, 20),
    Fault("members", "unknown node, admitted, promoted, removed, returned", removed_validator_returns, 75),
    Fault("runs_twice", "a copy of a node beside it", runs_twice, 10),
    Fault("restored_elsewhere", "a backup restored elsewhere while the first runs", restored_elsewhere, 40),
)
