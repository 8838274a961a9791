"""The CometBFT that tests of a cluster use: the one in ``TRACO_ENGINE_DIR``, else in build/engine, built there on first use."""

import functools
import os
from pathlib import Path

import pytest

from traco.engine.cometbft.errors import EngineMissing
from traco.engine.cometbft.install import DIRECTORY_VARIABLE, InstalledEngine, install_engine

ROOT = Path(__file__).parents[2]
OUT_OF_REACH = ("engine.no_go", "engine.not_built")


@functools.cache
def the_engine() -> InstalledEngine:
    """The engine, for this process and those that it starts. Skips where neither Go nor its modules can be had, but not in CI."""
    directory = os.environ.setdefault(DIRECTORY_VARIABLE, str(ROOT / "build" / "engine"))
    try:
        return install_engine(Path(directory), lambda _: None)
    except EngineMissing as missing:
        if missing.code not in OUT_OF_REACH or os.environ.get("CI"):
            raise
        pytest.skip(f"there is no CometBFT: {missing}")
