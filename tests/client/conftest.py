"""Gateways in front of one ledger, for all tests of the client: making them takes seconds."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.replicas import Replicas, clients, replicas


@pytest.fixture(scope="package")
def made_replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with replicas(tmp_path_factory.mktemp("replicas") / "box") as opened:
        yield opened


@pytest.fixture
def place(made_replicas: Replicas) -> Replicas:
    """The gateways, as honest as they were made."""
    for gateway in made_replicas.gateways:
        gateway.behind, gateway.is_down, gateway.loses_answers = 0, False, False
        gateway.answers.clear()
        gateway.requests.clear()
    return made_replicas


@pytest.fixture(params=["asynchronous", "synchronous"])
def several(place: Replicas, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A client of all gateways, of both kinds."""
    yield from clients(place, request.param)
