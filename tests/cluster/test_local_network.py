"""The commands of a consortium, on one machine: a network is made, run, joined, and decides who takes part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.command_line import CommandLine
from support.running import wait_until
from traco.cli.problems import ExitCode
from traco.node.founding.local import free_ports, read_local
from traco.node.founding.operation import look, start_all, stop_all


@pytest.fixture
def traco(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "home", monkeypatch, capfd)


class Net:
    """Two validators on this machine, and the commands that their operators give."""

    def __init__(self, traco: CommandLine, directory: Path) -> None:
        self.traco, self.directory = traco, directory
        self.passphrase = ("--passphrase-file", directory / "passphrase", "--json")

    def do(self, *arguments: str | Path) -> Any:
        printed = self.traco(*arguments, *self.passphrase)
        assert printed.code == 0, printed.err
        return printed.document

    def nodes(self) -> dict[str, str]:
        """The roles of all nodes on the ledger, by their addresses."""
        found = self.traco("network", "nodes", "--json").document["nodes"]
        return {row["address"]: row["role"] for row in found}


@pytest.fixture(params=[("2", "0")])
def net(request: pytest.FixtureRequest, traco: CommandLine, tmp_path: Path) -> Iterator[Net]:
    directory = tmp_path / "net"
    validators, observers = request.param
    made = ("network", "local", validators, directory, "--observers", observers, "--provider-spread")
    assert traco(*made, "--json").code == 0
    try:
        yield Net(traco, directory)
    finally:
        stop_all(directory, read_local(directory).nodes)


def add_third(net: Net) -> None:
    """A third node, of the first organisation, described as the others are so that it is run like them."""
    port, p2p_port = free_ports(2)
    network = read_local(net.directory)
    third = msgspec.structs.replace(
        network.nodes[0], name="node3", role="observer", port=port, p2p_port=p2p_port
    )
    whole = msgspec.structs.replace(network, nodes=(*network.nodes, third))
    (net.directory / "network.json").write_bytes(msgspec.json.encode(whole))
    net.do(
        "node", "init", net.directory / "node3", "--engine", "cometbft", "--operator", "Organisation 1", "--address", third.address,
        "--port", str(port), "--provider", "third", "--member-keys", net.directory / "node1" / "node.keys",
    )  # fmt: skip


@pytest.mark.slow
def test_a_network_is_run_joined_and_governed_by_its_commands(net: Net, tmp_path: Path) -> None:
    directory, traco = net.directory, net.traco
    started = traco("network", "start", directory, "--json")
    assert started.code == 0, started.err
    assert [row["state"] for row in started.document["nodes"]] == ["ready", "ready"]
    assert traco("network", "start", directory, "--json").code == 0  # those that run are left alone

    add_third(net)
    node = directory / "node3"
    net.do("network", "register", node / "card.json", "--as", "@org1")
    refused = traco("network", "admit", node, "--as", "@org1", *net.passphrase)
    assert (refused.code, refused.problem["code"]) == (ExitCode.REJECTED, "kernel.council_needed")

    # one signs, the file goes to the other, who signs and submits it
    file = tmp_path / "admit.tx"
    net.do("network", "admit", node, "--as", "@org1", "--with", "@org2", "--write", file)
    early = traco("tx", "submit", file, "--json")
    assert early.problem["code"] == "transaction.signature_missing"
    assert net.do("tx", "sign", file, "--as", "@org2")["signatures"] == 2
    assert traco("tx", "submit", file, "--json").document["status"] == "final"

    first = directory / "node1"
    accept = ("network", "accept", node, first / "genesis.json", first / "founding.json", "--name", "org1")
    net.do(*accept)
    book = msgspec.json.decode((traco.home / "addresses.json").read_bytes())
    assert book["names"]["org1"]["keystore"] == str((first / "node.keys").resolve())
    network = read_local(directory)
    assert start_all(directory, network.nodes, 120.0, lambda states: None) == []

    net.do("network", "ready", node, "--as", "@org1")
    net.do("network", "promote", node, "--as", "@org1", "--also", "@org2")
    assert set(net.nodes().values()) == {"validator"}
    shown = traco("network", "placement", "--json").document
    assert sorted(place["place"] for place in shown["providers"]) == ["provider-1", "provider-2", "third"]
    height = max(state.height for state in look(directory, network))
    wait_until(lambda: min(state.height for state in look(directory, network)) > height)
    assert len({state.app_hash for state in look(directory, network)}) == 1

    net.do("network", "update", node, "--zone", "b", "--as", "@org1")
    key = msgspec.json.decode((node / "card.json").read_bytes())["statement"]["node"]
    net.do("network", "demote", key[:16], "--reason", "maintenance", "--as", "@org1", "--also", "@org2")
    assert net.nodes()[network.nodes[2].address] == "observer"
    net.do("network", "remove", key, "--reason", "done", "--as", "@org1", "--also", "@org2")
    assert network.nodes[2].address not in net.nodes()

    assert traco("network", "stop", directory, "--json").document["stopped"] == ["node3", "node2", "node1"]
    assert [state.state for state in look(directory, network)] == ["down", "down", "down"]


@pytest.mark.slow
def test_a_node_that_cannot_start_is_named_with_its_reason(net: Net) -> None:
    (net.directory / "node1" / "founding.json").unlink()
    printed = net.traco("network", "start", net.directory, "--node", "node1", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NODE, "network.not_started")
    assert "node.incomplete" in printed.problem["detail"]
    assert [entry["name"] for entry in printed.problem["nodes"]] == ["node1"]


@pytest.mark.slow
@pytest.mark.parametrize("net", [("1", "1")], indirect=True)
def test_a_restored_node_gets_every_block_from_the_others(net: Net, tmp_path: Path) -> None:
    directory, traco = net.directory, net.traco
    assert traco("network", "start", directory, "--json").code == 0
    second = directory / "node2"
    made = traco("node", "backup", second, tmp_path / "backup", "--json").document
    assert traco("network", "stop", directory, "--node", "node2", "--json").document["stopped"] == ["node2"]
    second.rename(tmp_path / "lost")

    assert traco("node", "restore", tmp_path / "backup", second, "--json").code == 0
    assert (
        traco("network", "start", directory, "--node", "node2", "--json").problem["code"]
        == "network.not_started"
    )
    takeover = ("node", "takeover", second, "--at-height", str(made["height"]))
    assert traco(*takeover, "--json").problem["code"] == "takeover.network_height"
    height = max(state.height for state in look(directory, read_local(directory)))
    assert traco(*takeover, "--network-height", str(height), "--json").code == 0
    started = traco("network", "start", directory, "--node", "node2", "--json")
    assert started.code == 0, started.err
    network = read_local(directory)
    wait_until(lambda: min(state.height for state in look(directory, network)) > height)
    assert len({state.app_hash for state in look(directory, network)}) == 1
