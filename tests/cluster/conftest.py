"""Every test here runs real CometBFT processes. Those with a ``scene`` share a network of four nodes with the rest of their file."""

from collections.abc import Iterator

import pytest

from support.engine import the_engine
from torture.report import Counts
from torture_cluster.endurance import opened_scene
from torture_cluster.network import found_network
from torture_cluster.scene import Scene
from traco.engine.cometbft.install import InstalledEngine


@pytest.fixture(scope="session", autouse=True)
def engine() -> InstalledEngine:
    """The installed engine; nodes that tests start find it too."""
    return the_engine()


@pytest.fixture(scope="module")
def scene(engine: InstalledEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Four nodes with accounts that are filled; no load but what a test makes. Left as whole as it was found."""
    with opened_scene(
        found_network(tmp_path_factory.mktemp("network")), "tests", Counts(), loaded=False
    ) as scene:
        yield scene
