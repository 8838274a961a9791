"""The node's certificate: what is wrong with it is said before the node starts."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from support.certificates import make_authority, make_certificate, trusting
from traco.node.api.tls import find_authorities, find_certificate
from traco.node.configuration import EngineConfig, NodeConfig, TlsConfig
from traco.node.directory import NodeDirectoryError

TLS = TlsConfig(certificate="node.crt", key="node.key")
SERVED = NodeConfig(host="0.0.0.0", tls=TLS)


def refused(directory: Path, config: NodeConfig = SERVED) -> str:
    with pytest.raises(NodeDirectoryError) as caught:
        find_certificate(directory, config)
    return caught.value.code


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3"])
def test_an_address_that_other_machines_reach_needs_a_certificate(tmp_path: Path, host: str) -> None:
    assert refused(tmp_path, NodeConfig(host=host)) == "node.tls_required"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_loopback_needs_none(tmp_path: Path, host: str) -> None:
    assert find_certificate(tmp_path, NodeConfig(host=host)) is None


def test_the_names_of_the_certificate_are_those_that_clients_may_use(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    found = find_certificate(tmp_path, SERVED)
    assert found is not None
    assert found.names == ("localhost", "node.example", "*.banks.example", "127.0.0.1", "[::1]")


def test_a_certificate_without_names_is_refused(tmp_path: Path) -> None:
    make_certificate(tmp_path, (), ())
    assert refused(tmp_path) == "node.tls_unusable"


def test_when_a_certificate_ends_is_known_and_an_expired_one_stops_no_node(tmp_path: Path) -> None:
    make_certificate(tmp_path, days=-1)  # clients refuse it; the node says so in its health, and goes on
    found = find_certificate(tmp_path, SERVED)
    assert found is not None
    assert found.ends() < datetime.now(UTC)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path) == "node.tls_unusable"


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    make_certificate(tmp_path)[1].chmod(0o640)
    assert refused(tmp_path) == "node.tls_unusable"


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    chain = make_certificate(tmp_path)[0].read_bytes()
    make_certificate(tmp_path)
    (tmp_path / "node.crt").write_bytes(chain)
    assert refused(tmp_path) == "node.tls_unusable"


@pytest.mark.parametrize("name", ["node.crt", "node.key"])
def test_what_is_no_pem_is_refused(tmp_path: Path, name: str) -> None:
    make_certificate(tmp_path)
    (tmp_path / name).write_bytes(b"nonsense")
    assert refused(tmp_path) == "node.tls_unusable"


def shake_hands(directory: Path, client: ssl.SSLContext) -> str | None:
    """The version that a client and the node agree on, without a network."""
    found = find_certificate(directory, SERVED)
    assert found is not None
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = found.context().wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname="node.example")
    for _ in range(10):
        waiting = 0
        for side in (client_side, server_side):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                waiting += 1
        if not waiting:
            return client_side.version()
    raise AssertionError("no end of it")


@pytest.mark.parametrize(
    ("version", "name"), [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")]
)
def test_tls_1_2_and_1_3_are_spoken(tmp_path: Path, version: ssl.TLSVersion, name: str) -> None:
    client = trusting(make_certificate(tmp_path)[0])
    client.minimum_version = client.maximum_version = version
    assert shake_hands(tmp_path, client) == name


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_older_versions_are_not(tmp_path: Path) -> None:
    client = trusting(make_certificate(tmp_path)[0])
    client.set_ciphers("ALL:@SECLEVEL=0")
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        shake_hands(tmp_path, client)


def judging(ca_file: str | None) -> NodeConfig:
    return NodeConfig(engine=EngineConfig(ca_file=ca_file))


def test_authorities_for_the_gateways_of_others_are_those_of_the_file_or_the_systems(tmp_path: Path) -> None:
    authority, _, _ = make_authority(tmp_path)
    assert find_authorities(tmp_path, judging(authority.name)) == authority
    assert find_authorities(tmp_path, judging(None)) is None


@pytest.mark.parametrize("content", [None, b"", b"nonsense"])
def test_a_file_without_authorities_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(NodeDirectoryError, match=r"engine\.ca_file") as caught:
        find_authorities(tmp_path, judging("ca.pem"))
    assert caught.value.code == "node.tls_unusable"
