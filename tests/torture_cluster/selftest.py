"""Plants known faults of this layer, one at a time, and shows that the torture finds every one. Without one, it finds nothing."""

import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, NamedTuple
from unittest.mock import patch

from torture.report import Counts, Difference, print_table, say
from torture_cluster.endurance import check_proofs, opened_scene
from torture_cluster.faults_members import unknown_node
from torture_cluster.faults_processes import kill_all_nodes, kill_isolated
from torture_cluster.network import RECOVERY_SECONDS, found_network
from torture_cluster.scene import Scene

LOAD_SECONDS: Final = 3.0
KILLS: Final = 6


class Plant(NamedTuple):
    """A fault: ``behaviour`` is planted in every node, ``planted`` in this process. ``drill`` must end with ``found_by``."""

    says: str
    drill: Callable[[Scene], None]
    found_by: str
    behaviour: str = ""
    planted: Callable[[], AbstractContextManager[object]] = nullcontext


def killed_under_load(scene: Scene) -> None:
    """All nodes are killed while clients are being answered."""
    told = scene.comparison.journal.highest
    scene.network.await_true(
        lambda: len(told) == len(scene.honest), RECOVERY_SECONDS, lambda: f"only {list(told)} answered"
    )  # fmt: skip
    scene.lasting(LOAD_SECONDS)
    kill_all_nodes(scene)


def killed_several_times(scene: Scene) -> None:
    """Until it is found: one kill may come when clients were told only of blocks that are durable by chance."""
    for _ in range(KILLS):
        killed_under_load(scene)
        scene.settle()


def proofs(scene: Scene) -> None:
    """All blocks so far, and receipts and headers of every node."""
    scene.lasting(LOAD_SECONDS)
    scene.comparison.absorb()
    check_proofs(scene)


def everything(scene: Scene) -> None:
    """What the plants are found by, where nothing is planted."""
    for drill in (killed_under_load, kill_isolated, unknown_node, proofs):
        drill(scene)


def evidence_without_power() -> AbstractContextManager[object]:
    """Whoever judges receipts is content with any signature."""
    return patch("traco.kernel.light.evidence.total_power", lambda validators: 0)


def light_client_without_power() -> AbstractContextManager[object]:
    """A live client does not count the power of those who signed."""
    return patch("traco.kernel.light.live.verify_power", lambda signed, validators: None)


PLANTS: Final[dict[str, Plant]] = {
    "nothing": Plant("nothing: no false alarm", everything, ""),
    "undurable_commit": Plant("a commit is acknowledged before it is durable", killed_several_times, "durability", "undurable=5"),
    "forgetful_outbox": Plant("an outbox that forgets", kill_isolated, "lost", "forgetful=yes"),
    "open_filter": Plant("a filter that lets everyone in", unknown_node, "filter", "filter=open"),
    "light_client": Plant("a light client that skips the power check", proofs, "light", planted=light_client_without_power),
    "evidence": Plant("receipts judged without the power check", proofs, "light", planted=evidence_without_power),
    "same_bug": Plant("all nodes make the same mistake", proofs, "execution", "diverge=1"),
}  # fmt: skip


def search(name: str, seed: int) -> Difference | None:
    """Torture a network with this fault; what was found."""
    plant = PLANTS[name]
    try:
        with (
            tempfile.TemporaryDirectory(prefix="traco-selftest-") as folder,
            plant.planted(),
            opened_scene(found_network(Path(folder)), f"{seed}", Counts(), fault=plant.behaviour) as scene,
        ):
            plant.drill(scene)
            scene.settle()
            scene.load.stop()
            scene.conclude()
    except Difference as difference:
        return difference
    return None


def run_selftest(seed: int) -> bool:
    """Whether every planted fault was found, by the check that is for it. Prints a table."""
    rows, is_complete = [], True
    for name, plant in PLANTS.items():
        began = time.monotonic()
        found = search(name, seed)
        check = "" if found is None else found.check
        is_complete &= check == plant.found_by
        text = "nothing was found" if found is None else found.text.partition("\n")[0][:160]
        say(f"  {time.monotonic() - began:5.1f} s  {name}: {text}")
        rows.append(
            (name, plant.says, check or "nothing", "as it should be" if check == plant.found_by else "WRONG")
        )
    say("")
    print_table(("fault", "what it does", "found by", ""), rows)
    return is_complete
