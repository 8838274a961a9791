"""A network on one machine is founded as any other, and its directory says what is in it."""

import socket
from pathlib import Path

import pytest

from support.ledger import START_MS
from support.live_node import CHEAP
from traco.client.keystore import KeyStore
from traco.node.configuration import read_config
from traco.node.directory import KEYS_FILE, NodeDirectoryError, read_genesis, require_complete
from traco.node.founding.acceptance import own_member, require_founding
from traco.node.founding.documents import FoundingInvalid
from traco.node.founding.local import (
    NETWORK_FILE,
    PASSPHRASE_FILE,
    PORTS_EACH,
    LocalNetwork,
    LocalPlan,
    free_ports,
    make_local,
    read_local,
)
from traco.node.founding.review import review
from traco.node.founding.signatures import read_cluster_genesis


def made(directory: Path, validators: int = 1, observers: int = 0, spread: bool = False) -> LocalNetwork:
    return make_local(directory, LocalPlan(validators, observers, START_MS, spread), cost=CHEAP)[0]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("local") / "net"
    plan = LocalPlan(4, 1, START_MS, spread=True, channels=True)
    make_local(directory, plan, cost=CHEAP)
    return directory


def test_every_node_is_complete_and_in_the_network_that_all_signed(network: Path) -> None:
    nodes = read_local(network).nodes
    assert [(node.name, node.role) for node in nodes] == [
        ("node1", "validator"), ("node2", "validator"), ("node3", "validator"), ("node4", "validator"), ("node5", "observer"),
    ]  # fmt: skip
    for node in nodes:
        require_complete(network / node.name)
        require_founding(network / node.name, read_genesis(network / node.name))


def test_every_node_has_the_same_genesis_and_a_member_of_its_own(network: Path) -> None:
    folders = [network / node.name for node in read_local(network).nodes]
    assert len({read_genesis(folder) for folder in folders}) == 1
    assert len({own_member(folder) for folder in folders}) == 5


def test_no_port_is_used_twice_and_each_is_configured(network: Path) -> None:
    nodes = read_local(network).nodes
    ports = [port for node in nodes for port in (node.port, node.p2p_port, node.channels_port)]
    assert len(set(ports)) == PORTS_EACH * len(nodes)
    for node in nodes:
        config = read_config(network / node.name)
        assert (config.port, config.engine.p2p_port, config.engine.p2p_host) == (
            node.port,
            node.p2p_port,
            "127.0.0.1",
        )
        assert config.channels.listen == (f"127.0.0.1:{node.channels_port}",)


def test_nodes_do_channel_business_only_where_that_is_wanted(network: Path, tmp_path: Path) -> None:
    assert all(read_config(network / node.name).channels.enabled for node in read_local(network).nodes)
    (node,) = made(tmp_path / "net").nodes
    assert node.channels_port is None
    assert not read_config(tmp_path / "net" / node.name).channels.enabled


def test_one_passphrase_that_only_the_owner_reads_opens_every_key_store(network: Path) -> None:
    path = network / PASSPHRASE_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    for node in read_local(network).nodes:
        with KeyStore.open(network / node.name / KEYS_FILE, path.read_text().strip()) as keys:
            held = keys.keys()
            assert [key.name for key in held] == ["member", "node"]


def test_more_than_two_thirds_of_the_organisations_decide(network: Path) -> None:
    found = review(read_cluster_genesis(read_genesis(network / "node1")))
    assert found["decisions"] == "3 of 4 members of the council"
    assert found["purpose"] == "development"


def test_a_spread_gives_each_node_a_provider_of_its_own(network: Path, tmp_path: Path) -> None:
    found = review(read_cluster_genesis(read_genesis(network / "node1")))
    assert len({row["provider"] for row in found["nodes"]}) == 5
    assert len({row["region"] for row in found["nodes"]}) == 3
    made(tmp_path / "net")
    together = review(read_cluster_genesis(read_genesis(tmp_path / "net" / "node1")))
    assert [row["provider"] for row in together["nodes"]] == ["local"]


@pytest.mark.parametrize(("validators", "observers"), [(0, 1), (1, -1), (32, 1)])
def test_a_network_of_no_or_too_many_nodes_is_not_made(
    tmp_path: Path, validators: int, observers: int
) -> None:
    with pytest.raises(NodeDirectoryError) as caught:
        made(tmp_path / "net", validators, observers)
    assert caught.value.code == "network.size"


def test_a_directory_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(NodeDirectoryError) as caught:
        made(tmp_path)
    assert caught.value.code == "node.not_empty"
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


def test_what_cannot_be_made_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(doing: str) -> None:
        if doing == "genesis and signatures":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_local(tmp_path / "net", LocalPlan(1, 0, START_MS), stop, CHEAP)
    assert list((tmp_path / "net").iterdir()) == []


def test_ports_that_somebody_uses_are_not_chosen() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(NodeDirectoryError) as caught:
            free_ports(1, taken.getsockname()[1])
        assert caught.value.code == "network.no_ports"


def test_ports_beyond_the_last_are_not_chosen() -> None:
    with pytest.raises(NodeDirectoryError):
        free_ports(2, 65_535)


def test_ports_are_in_a_row() -> None:
    found = free_ports(10)
    assert found == list(range(found[0], found[0] + 10))


def test_a_directory_without_a_network_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(NodeDirectoryError) as caught:
        read_local(tmp_path)
    assert caught.value.code == "network.not_local"


@pytest.mark.parametrize(
    "raw",
    [
        b"{}", b'{"format":"traco-local-network/1","network":"00","nodes":[]}',
        b'{"network":"%s","nodes":[{"name":"../x","role":"observer","organisation":"","port":1,"p2p_port":2}]}' % (b"0" * 64),
    ],
)  # fmt: skip
def test_a_description_that_is_none_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / NETWORK_FILE).write_bytes(raw)
    with pytest.raises(FoundingInvalid) as caught:
        read_local(tmp_path)
    assert caught.value.code == "network.not_local"
