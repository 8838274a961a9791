from pathlib import Path

import pytest

from support.api import make_directory
from support.command_line import CommandLine
from support.running import free_port
from traco.cli.problems import ExitCode
from traco.node import doctor


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(doctor, "measure_disk", lambda _: ([0.001], 1e9))
    make_directory(tmp_path / "node", free_port())
    return tmp_path / "node"


def test_a_sound_installation_passes(traco: CommandLine, node: Path) -> None:
    printed = traco("doctor", node)
    assert printed.code == ExitCode.OK
    assert "libsodium" in printed.out


def test_a_failure_is_shown_with_what_to_do_and_by_the_exit_code(traco: CommandLine, node: Path) -> None:
    (node / "node.keys").chmod(0o644)
    printed = traco("doctor", node, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "doctor.failed")
    failed = [row for row in printed.document["findings"] if row["verdict"] == "fail"]
    assert [row["check"] for row in failed] == ["permissions", "keys"]
    assert all(row["advice"] for row in failed)


def test_a_directory_that_is_no_nodes_is_the_only_finding(traco: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    printed = traco("doctor", tmp_path, "--json")
    assert printed.code == ExitCode.NEGATIVE
    assert printed.document["findings"] == [{
        "check": "directory", "verdict": "fail", "found": f"{tmp_path} is no node's directory",
        "advice": "Make one with: traco node init DIR",
    }]  # fmt: skip


def test_the_doctor_leaves_nothing_where_there_is_no_node(traco: CommandLine, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    traco("doctor", place)
    assert list(place.iterdir()) == []


def test_a_missing_file_of_keys_is_restored_not_given_a_mode(traco: CommandLine, node: Path) -> None:
    (node / "node.keys").unlink()
    found = {row["check"]: row for row in traco("doctor", node, "--json").document["findings"]}
    assert (found["keys"]["found"], found["keys"]["advice"]) == (
        "node.keys is missing",
        "Restore it from a backup.",
    )
