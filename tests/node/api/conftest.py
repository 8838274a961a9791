"""One whole node for all tests of the REST interface: making one takes a second."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.api import WholeNode, whole_node


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeNode]:
    directory: Path = tmp_path_factory.mktemp("api") / "node"
    with whole_node(directory) as opened:
        yield opened
