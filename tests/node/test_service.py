"""The systemd unit is one that systemd takes, and gives the node no more than it needs; readiness is told."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from traco.node.service import UnitInvalid, name_process, systemd_unit, tell_service_manager

HAS_SYSTEMD = shutil.which("systemd-analyze") is not None


def unit(directory: Path, **more: str) -> str:
    return systemd_unit(
        directory, Path("/etc/traco/passphrase"), more.get("user", "traco"), Path(more.get("command", "/bin/true"))
    )  # fmt: skip


def test_the_unit_restarts_hands_the_passphrase_as_a_credential_and_shuts_the_rest(tmp_path: Path) -> None:
    lines = unit(tmp_path).splitlines()
    for line in (
        "Type=notify", "Restart=on-failure", "LoadCredential=passphrase:/etc/traco/passphrase", "User=traco", "UMask=0077",
        f"ExecStart=/bin/true node start {tmp_path} --passphrase-file %d/passphrase", f"ReadWritePaths={tmp_path}",
        "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet=", "LimitCORE=0",
    ):  # fmt: skip
        assert line in lines


@pytest.mark.parametrize("name", ["two words", "per%cent", 'quo"te', "line\nfeed", "dollar$", "semi;colon"])
def test_a_path_that_a_unit_cannot_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnitInvalid):
        unit(tmp_path / name)
    with pytest.raises(UnitInvalid):
        unit(tmp_path, user=name)


def test_a_home_directory_stays_within_reach_only_where_the_node_is_in_one() -> None:
    assert "ProtectHome=no" in unit(Path("/run/user/1/node"))
    assert "ProtectHome=yes" in unit(Path("/srv/node"))


def test_the_unit_of_a_cluster_node_names_the_folder_of_its_engine(tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    text = systemd_unit(tmp_path, Path("/etc/traco/passphrase"), "traco", Path("/bin/true"), tools)
    assert f"Environment=TRACO_ENGINE_DIR={tools}" in text.splitlines()
    assert "TRACO_ENGINE_DIR" not in unit(tmp_path)


def test_an_engine_in_a_home_directory_stays_within_reach() -> None:
    given = (Path("/srv/node"), Path("/etc/traco/passphrase"), "traco", Path("/bin/true"))
    assert "ProtectHome=no" in systemd_unit(*given, Path("/run/user/1/engine"))
    assert "ProtectHome=yes" in systemd_unit(*given, Path("/opt/engine"))
    with pytest.raises(UnitInvalid):
        systemd_unit(*given, Path("/opt/two words"))


@pytest.mark.skipif(not HAS_SYSTEMD, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    path = tmp_path / "traco-node-of-a-test.service"
    path.write_text(unit(tmp_path))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        tell_service_manager("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_the_service_manager_may_have_an_abstract_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")  # the system chooses an abstract address
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + manager.getsockname()[1:].decode())
        tell_service_manager("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    tell_service_manager("READY=1")


def test_a_process_shows_its_name() -> None:
    before = Path("/proc/self/comm").read_text().strip()
    try:
        name_process("traco-test")
        assert Path("/proc/self/comm").read_text() == "traco-test\n"
    finally:
        name_process(before)
