"""How a node's processes live and die together: real ones, started by the command."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.running import Running, free_port, is_alive, make, wait_until


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A directory that the tests of this file start one after the other, and its address."""
    directory = tmp_path_factory.mktemp("live") / "node"
    return directory, make(directory)


@pytest.fixture
def node(place: tuple[Path, str]) -> Iterator[Running]:
    with Running(*place) as running:
        running.ready()
        yield running


def is_free(url: str) -> bool:
    port = int(url.rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_killed_api_process_comes_back_and_sigterm_stops_all_in_order(node: Running) -> None:
    verifier, api = node.child("traco-verifier"), node.child("traco-api")
    os.kill(api, signal.SIGKILL)
    node.ready()
    assert node.child("traco-verifier") == verifier
    assert node.child("traco-api") != api
    assert "the API process ended with code -9" in node.log()
    children = node.children()
    node.process.terminate()
    assert node.ends() == 0
    assert not any(map(is_alive, children))
    assert is_free(node.url)
    assert node.log().rstrip().endswith("the node has stopped")
    assert not [word for word in ("Traceback", "Exception", "Warning") if word in node.said() + node.log()]


def test_what_a_node_writes_is_for_its_own_user(node: Running, place: tuple[Path, str]) -> None:
    written = {path.name for path in place[0].iterdir()}
    assert {"ledger.db", "outbox.db", "node.log", "fingerprints.log"} <= written
    assert [path.name for path in (place[0], *place[0].iterdir()) if path.stat().st_mode & 0o077] == []


def test_ctrl_c_in_the_foreground_stops_all_without_a_word(node: Running) -> None:
    children = node.children()
    os.killpg(node.process.pid, signal.SIGINT)
    assert node.ends() == 0
    assert not any(map(is_alive, children))
    assert not [word for word in ("Traceback", "Exception", "Warning") if word in node.said() + node.log()]


def test_after_kill_9_nothing_is_left_behind_and_it_starts_again(
    node: Running, place: tuple[Path, str]
) -> None:
    children = node.children()
    node.process.kill()
    node.process.wait()
    wait_until(lambda: not any(map(is_alive, children)))
    assert is_free(node.url)
    with Running(*place) as again:
        again.ready()
        with Running(*place) as second:
            assert second.ends() == 7
            assert f"in use by process {again.process.pid}" in " ".join(second.said().split())
            assert "CRITICAL" not in second.log()  # the log is the running node's


def test_the_death_of_a_verifier_stops_the_node_with_a_message(place: tuple[Path, str]) -> None:
    with Running(*place) as node:
        node.ready()
        verifier, api = node.child("traco-verifier"), node.child("traco-api")
        os.kill(verifier, signal.SIGKILL)
        assert node.ends() == 7
        assert "a verifier process ended" in node.said()
        assert "the node stops: a verifier process ended" in node.log()
        assert not is_alive(api)


def test_a_wrong_passphrase_is_refused(place: tuple[Path, str]) -> None:
    with Running(*place, passphrase="other words") as node:
        assert node.ends() == 6
        assert "keystore." in node.said()
        assert "Traceback" not in node.said()


def test_a_port_in_use_is_said_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "node"
    url = make(directory)
    port = int(url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)), Running(directory, url) as node:
        assert node.ends() == 7
        assert "node.port_in_use" in node.said()
        assert node.log().count("CRITICAL") == 1
        assert free_port() != port
