"""Both databases: tests that ask for ``url`` run with SQLite and with a PostgreSQL server of their own."""

from collections.abc import Generator
from pathlib import Path

import pytest

from projections.random_ledger import RandomLedger
from support.postgresql import Server, programs, running


@pytest.fixture(scope="session")
def server() -> Generator[Server, None, None]:
    found = programs()
    if found is None:
        pytest.skip("PostgreSQL's initdb is nowhere: install the package postgresql")
    with running(found) as started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """The address of an empty database; None is SQLite in the directory that the test gives."""
    if request.param == "sqlite":
        return None
    made: Server = request.getfixturevalue("server")
    return made.database()


def fifty_blocks(folder: Path) -> RandomLedger:
    made = RandomLedger(folder, 1)
    made.run(50)
    return made


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Generator[RandomLedger, None, None]:
    """A ledger of random business, fifty blocks long, to which no test adds any: all of them read the same one."""
    made = fifty_blocks(tmp_path_factory.mktemp("ledger"))
    height = made.application.info().height
    yield made
    assert made.application.info().height == height, "a test that adds blocks takes the ledger `growing`"
    made.close()


@pytest.fixture
def growing(tmp_path: Path) -> Generator[RandomLedger, None, None]:
    """The same ledger, for one test that adds blocks to it."""
    made = fifty_blocks(tmp_path)
    yield made
    made.close()
