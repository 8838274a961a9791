"""The doctor finds what is planted, says what to do, and changes nothing."""

import os
import resource
import socket
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import apsw
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.api import make_directory
from support.fake_go import make_go
from support.running import free_port
from traco.engine.cometbft.home import create_keys, read_keys
from traco.engine.cometbft.install import DIRECTORY_VARIABLE, PROGRAM, install_engine
from traco.kernel import crypto
from traco.node import doctor
from traco.node.doctor import Finding, Verdict, examine, worst
from traco.storage import DirectoryLock

QUICK = ([0.001, 0.002], 1e9)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(doctor, "measure_disk", lambda _: QUICK)
    monkeypatch.setattr(doctor, "clock_state", lambda: 0)
    make_directory(tmp_path / "node", free_port())
    return tmp_path / "node"


def configure(node: Path, **changes: object) -> None:
    path = node / "node.json"
    path.write_bytes(msgspec.json.encode({**msgspec.json.decode(path.read_bytes()), **changes}))


def findings(node: Path, environment: dict[str, str] | None = None) -> dict[str, Finding]:
    return {finding.check: finding for finding in examine(node, environment or {})}


def certify(node: Path, begins: timedelta, ends: timedelta) -> None:
    """A certificate for 127.0.0.1 in the node's directory, valid between two times from now."""
    key, name, now = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "n")]),
        datetime.now(UTC),
    )
    alternative = x509.SubjectAlternativeName(
        [x509.DNSName("node.example"), x509.IPAddress(ip_address("127.0.0.1"))]
    )
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now + begins).not_valid_after(now + ends)
        .add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for file, content in (
        ("tls.pem", certificate.public_bytes(serialization.Encoding.PEM)),
        ("tls.key", pem),
    ):
        (node / file).write_bytes(content)
        (node / file).chmod(0o600)
    configure(node, tls={"certificate": "tls.pem", "key": "tls.key"})


def test_a_sound_installation_is_all_right_and_is_left_as_it_was(node: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in node.iterdir() if path.name != "lock"}
    found = findings(node)
    assert [finding for finding in found.values() if finding.verdict is not Verdict.OK] == []
    assert list(found) == [
        "configuration", "versions", "libsodium", "files", "permissions", "keys", "space", "disk", "open files", "clock", "port",
        "certificate", "projections", "ledger", "block time",
    ]  # fmt: skip
    after = {path.name: path.stat().st_mtime_ns for path in node.iterdir()}
    assert {name: after[name] for name in before} == before


def lose_keys(node: Path) -> None:
    (node / "node.keys").unlink()


def spoil_keys(node: Path) -> None:
    (node / "node.keys").write_bytes(b"{}")


def open_keys(node: Path) -> None:
    (node / "node.keys").chmod(0o644)


def open_directory(node: Path) -> None:
    node.chmod(0o755)


def break_configuration(node: Path) -> None:
    configure(node, prot=1)


def spoil_ledger(node: Path) -> None:
    (node / "ledger.db").write_bytes(b"not a database" * 1_000)


def newer_ledger(node: Path) -> None:
    with closing(apsw.Connection(str(node / "ledger.db"))) as connection:
        connection.execute("UPDATE meta SET value = x'7f' WHERE name = 'format'")


def headless_ledger(node: Path) -> None:
    with closing(apsw.Connection(str(node / "ledger.db"))) as connection:
        connection.execute("DELETE FROM head")


def want_space(node: Path) -> None:
    configure(node, health={"free_bytes": 2**50})


def lose_certificate(node: Path) -> None:
    configure(node, tls={"certificate": "none.pem", "key": "none.key"})


def expire(node: Path) -> None:
    certify(node, timedelta(days=-10), timedelta(days=-1))


def not_yet(node: Path) -> None:
    certify(node, timedelta(days=1), timedelta(days=90))


def unknown_database(node: Path) -> None:
    configure(node, projections={"url": "postgresql://nobody@127.0.0.1:1/none?connect_timeout=1"})


@pytest.mark.parametrize(
    ("plant", "check"),
    [
        (lose_keys, "files"), (lose_keys, "keys"), (spoil_keys, "keys"), (open_keys, "keys"), (open_keys, "permissions"),
        (open_directory, "permissions"), (break_configuration, "configuration"), (spoil_ledger, "ledger"),
        (newer_ledger, "ledger"), (headless_ledger, "ledger"), (want_space, "space"), (lose_certificate, "certificate"),
        (expire, "certificate"), (not_yet, "certificate"), (unknown_database, "projections"),
    ],
)  # fmt: skip
def test_a_planted_failure_is_found_with_what_to_do(
    node: Path, plant: Callable[[Path], None], check: str
) -> None:
    plant(node)
    finding = findings(node)[check]
    assert (finding.verdict, bool(finding.found), bool(finding.advice)) == (Verdict.FAIL, True, True)


def test_a_certificate_says_its_names_and_end_and_warns_a_month_before(node: Path) -> None:
    certify(node, timedelta(days=-1), timedelta(days=90))
    finding = findings(node)["certificate"]
    assert finding.verdict is Verdict.OK
    assert "node.example, 127.0.0.1" in finding.found
    certify(node, timedelta(days=-1), timedelta(days=10))
    assert findings(node)["certificate"].verdict is Verdict.WARN


def test_a_ledger_ahead_of_the_clock_is_found(node: Path) -> None:
    found = {finding.check: finding for finding in examine(node, {}, lambda: 1_000)}
    assert found["block time"].verdict is Verdict.FAIL
    assert "ahead" in found["block time"].found


@pytest.mark.parametrize(("state", "verdict"), [(0, Verdict.OK), (5, Verdict.WARN), (None, Verdict.WARN)])
def test_a_clock_that_is_not_synchronised_is_said(
    node: Path, monkeypatch: pytest.MonkeyPatch, state: int | None, verdict: Verdict
) -> None:
    monkeypatch.setattr(doctor, "clock_state", lambda: state)
    assert findings(node)["clock"].verdict is verdict


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [(([0.001], 1e9), Verdict.OK), (([0.05], 1e9), Verdict.WARN), (([0.001], 1e6), Verdict.WARN)],
)
def test_a_slow_disk_is_said(
    node: Path, monkeypatch: pytest.MonkeyPatch, measured: tuple[list[float], float], verdict: Verdict
) -> None:
    monkeypatch.setattr(doctor, "measure_disk", lambda _: measured)
    assert findings(node)["disk"].verdict is verdict


def test_a_disk_that_cannot_be_written_is_found(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(doctor, "measure_disk", fail)
    assert findings(node)["disk"] == Finding(
        "disk",
        Verdict.FAIL,
        "it cannot be written: Read-only file system",
        "Check disk, mount and permissions.",
    )


def test_the_disk_is_measured_without_leaving_anything(tmp_path: Path) -> None:
    syncs, speed = doctor.measure_disk(tmp_path, syncs=3, size=1_048_576)
    assert (len(syncs), speed > 0, list(tmp_path.iterdir())) == (3, True, [])


def test_a_low_limit_of_open_files_is_said(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert findings(node)["open files"].verdict is Verdict.WARN


def test_a_port_that_another_uses_is_found(node: Path) -> None:
    port = msgspec.json.decode((node / "node.json").read_bytes())["port"]
    with socket.create_server(("127.0.0.1", port)):
        finding = findings(node)["port"]
    assert finding.verdict is Verdict.FAIL
    assert "node.port_in_use" in finding.found


def test_the_port_is_the_nodes_own_while_it_runs(node: Path) -> None:
    with DirectoryLock(node):
        finding = findings(node)["port"]
    assert finding.verdict is Verdict.OK
    assert f"process {os.getpid()}" in finding.found


def test_another_libsodium_is_found(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise crypto.LibraryUnsuitable("planted")

    monkeypatch.setattr(crypto, "check_library", fail)
    assert findings(node)["libsodium"].verdict is Verdict.FAIL


@pytest.mark.parametrize(("name", "value"), [("LEAST_PYTHON", (9, 0)), ("LEAST_SQLITE", (9, 0))])
def test_old_versions_are_found(
    node: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: tuple[int, int]
) -> None:
    monkeypatch.setattr(doctor, name, value)
    assert findings(node)["versions"].verdict is Verdict.FAIL


def test_projections_that_are_off_are_no_fault(node: Path) -> None:
    configure(node, projections={"enabled": False})
    assert findings(node)["projections"] == Finding("projections", Verdict.OK, "off")


def test_a_variable_that_nobody_knows_is_found(node: Path) -> None:
    assert findings(node, {"TRACO_NODE_PROT": "1"})["configuration"].verdict is Verdict.FAIL


def test_a_directory_that_is_none_fails_without_a_fault(tmp_path: Path) -> None:
    found = findings(tmp_path / "missing")
    assert {check: finding.verdict for check, finding in found.items()} == {"directory": Verdict.FAIL}
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ([], Verdict.OK),
        ([Verdict.OK, Verdict.WARN], Verdict.WARN),
        ([Verdict.FAIL, Verdict.WARN], Verdict.FAIL),
    ],
)
def test_the_worst_verdict_counts(verdicts: list[Verdict], expected: Verdict) -> None:
    assert worst([Finding("x", verdict, "") for verdict in verdicts]) is expected


def test_the_machines_clock_tells_its_state_or_nothing() -> None:
    assert doctor.clock_state() in (None, 0, 1, 2, 3, 4, 5)


def test_a_damaged_node_is_still_examined_as_one(node: Path) -> None:
    for name in ("genesis.json", "node.json"):
        (node / name).unlink()
    found = findings(node)
    assert {found[check].verdict for check in ("configuration", "files", "ledger")} == {Verdict.FAIL}


@pytest.fixture
def cluster_node(node: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's directory with an engine's folder, and an engine that is installed."""
    install_engine(tmp_path / "tools", lambda _: None, make_go(tmp_path / "go"))
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "tools"))
    create_keys(node / "engine")
    configure(node, engine={"p2p_port": free_port()})
    return node


def test_a_node_that_orders_alone_has_no_engine_to_examine(node: Path) -> None:
    assert "engine" not in findings(node)


def test_the_engine_of_a_cluster_is_examined(cluster_node: Path) -> None:
    found = findings(cluster_node)["engine"]
    assert found.verdict is Verdict.OK
    assert read_keys(cluster_node / "engine").peer.hex() in found.found


def test_an_engine_that_is_not_what_was_installed_is_found(cluster_node: Path, tmp_path: Path) -> None:
    (tmp_path / "tools" / PROGRAM).write_bytes(b"another")
    found = findings(cluster_node)["engine"]
    assert (found.verdict, found.advice) == (Verdict.FAIL, "Run: traco engine install")


@pytest.mark.parametrize("damage", ["config/priv_validator_key.json", "data/priv_validator_state.json"])
def test_an_engine_that_must_not_start_is_found(cluster_node: Path, damage: str) -> None:
    (cluster_node / "engine" / damage).unlink()
    found = findings(cluster_node)["engine"]
    assert found.verdict is Verdict.FAIL
    assert "second copy" in found.advice


def test_a_port_for_other_nodes_that_is_taken_is_found(cluster_node: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(cluster_node, engine={"p2p_port": taken.getsockname()[1]})
        found = findings(cluster_node)["engine"]
    assert found.verdict is Verdict.FAIL
    assert "p2p_port" in found.advice
