"""The state of every node of a network on this machine is told whether it runs or not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.ledger import START_MS
from support.live_node import CHEAP
from support.small_server import Asked, small_server
from traco.node.founding.local import LocalNetwork, LocalPlan, make_local
from traco.node.founding.operation import DOWN, READY, SILENT, STARTING, look, stop_all
from traco.storage import DirectoryLock


@pytest.fixture
def network(tmp_path: Path) -> LocalNetwork:
    return make_local(tmp_path / "net", LocalPlan(2, 0, START_MS), cost=CHEAP)[0]


def with_port(network: LocalNetwork, url: str) -> LocalNetwork:
    node = msgspec.structs.replace(network.nodes[0], port=int(url.rpartition(":")[2]))
    return msgspec.structs.replace(network, nodes=(node, *network.nodes[1:]))


def test_nodes_that_do_not_run_are_down_at_their_height(tmp_path: Path, network: LocalNetwork) -> None:
    found = look(tmp_path / "net", network)
    assert [(state.state, state.height, state.lag) for state in found] == [(DOWN, 0, 0), (DOWN, 0, 0)]
    assert len({state.app_hash for state in found}) == 1
    assert all(state.bytes > 0 and state.peers_wanted is None for state in found)


def test_a_ledger_that_cannot_be_read_has_no_height(tmp_path: Path, network: LocalNetwork) -> None:
    (tmp_path / "net" / "node2" / "ledger.db").write_bytes(b"no database" * 100)
    found = look(tmp_path / "net", network)
    assert [(state.height, state.lag) for state in found] == [(0, 0), (-1, -1)]


def test_a_node_that_runs_and_is_not_reached_yet_is_starting(tmp_path: Path, network: LocalNetwork) -> None:
    with DirectoryLock(tmp_path / "net" / "node1"):
        assert [state.state for state in look(tmp_path / "net", network)] == [STARTING, DOWN]


def answering(ready: Any, progress: Any) -> Callable[[Asked], None]:
    return lambda asked: asked.say(ready if asked.path.endswith("ready") else progress)


@pytest.mark.parametrize(
    ("ready", "state", "detail"),
    [
        ({"ready": True, "reasons": []}, READY, ""),
        (
            {"ready": False, "reasons": [{"code": "disk.low", "detail": "Make space."}]},
            "disk.low",
            "Make space.",
        ),
        ({"something": "else"}, SILENT, "it does not answer as a node does"),
        ([], SILENT, "it does not answer as a node does"),
    ],
)
def test_a_node_that_runs_says_how_it_is(
    tmp_path: Path, network: LocalNetwork, ready: Any, state: str, detail: str
) -> None:
    progress = {"ledger": {"engine": {"peers_present": 2, "peers_wanted": 3}}}
    with small_server(answering(ready, progress)) as url, DirectoryLock(tmp_path / "net" / "node1"):
        found = look(tmp_path / "net", with_port(network, url))[0]
    assert (found.state, found.detail, found.peers_present, found.peers_wanted) == (state, detail, 2, 3)


@pytest.mark.parametrize("progress", [{}, {"ledger": None}, {"ledger": {"engine": None}}])
def test_a_node_that_says_nothing_of_its_engine_has_unknown_peers(
    tmp_path: Path, network: LocalNetwork, progress: Any
) -> None:
    answer = answering({"ready": True, "reasons": []}, progress)
    with small_server(answer) as url, DirectoryLock(tmp_path / "net" / "node1"):
        found = look(tmp_path / "net", with_port(network, url))[0]
    assert (found.state, found.peers_present, found.peers_wanted) == (READY, None, None)


def test_nodes_that_do_not_run_are_not_stopped(tmp_path: Path, network: LocalNetwork) -> None:
    assert stop_all(tmp_path / "net", network.nodes) == []
