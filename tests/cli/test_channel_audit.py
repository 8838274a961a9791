"""What ``traco channel audit`` and ``disclose`` refuse before a node is asked; what they find is in tests/channels/disclosing and tests/live."""

from pathlib import Path

import pytest

from support.channel_town import make_members
from support.command_line import PASSPHRASE, CommandLine
from traco.cli.problems import ExitCode


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """The directory of a node that does not run."""
    make_members(tmp_path / "node", passphrase=PASSPHRASE)
    return tmp_path / "node"


@pytest.mark.parametrize("content", [b"", b"not a disclosure", b"\xff" * 100, b"\x00\x00\x00\x01\x90"])
def test_what_is_no_disclosure_is_said(
    traco: CommandLine, tmp_path: Path, node: Path, content: bytes
) -> None:
    (tmp_path / "file").write_bytes(content)
    printed = traco("channel", "audit", tmp_path / "file", "--dir", node, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "disclosure.malformed")


def test_a_total_that_cannot_be_read_is_said(traco: CommandLine, tmp_path: Path, node: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x97\xb5traco.channel-total/1 and more")
    printed = traco("channel", "audit", tmp_path / "file", "--dir", node, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "total.malformed")


def test_a_file_that_is_not_there_and_a_directory_of_no_node_are_said(
    traco: CommandLine, tmp_path: Path, node: Path
) -> None:
    printed = traco("channel", "audit", tmp_path / "none", "--dir", node, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "file.unusable")
    printed = traco("channel", "audit", tmp_path / "none", "--dir", tmp_path, "--json")
    assert printed.code == ExitCode.HALTED


def test_another_networks_genesis_is_said(traco: CommandLine, tmp_path: Path, node: Path) -> None:
    make_members(tmp_path / "other", passphrase=PASSPHRASE)
    other = tmp_path / "other" / "genesis.json"
    printed = traco("channel", "audit", tmp_path / "none", "--dir", node, "--genesis", other, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "genesis.other")


@pytest.mark.parametrize("command", ["close", "votes", "resume"])
def test_what_is_no_id_of_a_channel_is_said(traco: CommandLine, command: str) -> None:
    printed = traco("channel", command, "77", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "channel.id")


def test_a_period_is_given_by_times_or_by_points(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco(
        "channel", "disclose", "77" * 32, "--from", "2026-11-01", "--last-point", "4", "-o", tmp_path / "file", "--json"
    )  # fmt: skip
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "disclosure.period")
    printed = traco("channel", "disclose", "77" * 32, "--from", "soon", "-o", tmp_path / "file", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "time.unusable")
    assert not (tmp_path / "file").exists()
