"""``traco node config``, ``systemd`` and ``start``: what is set, where it comes from, and what is refused."""

from pathlib import Path

import msgspec
import pytest

from support.api import make_directory
from support.command_line import CommandLine
from traco.cli.problems import ExitCode
from traco.node.configuration import SETTINGS

SECRET = "planted database password"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    make_directory(tmp_path / "node", 7_999)
    return tmp_path / "node"


def test_every_value_is_printed_with_its_source(
    traco: CommandLine, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACO_NODE_LOG__FORMAT", "json")
    found = {row["name"]: row for row in traco("node", "config", node, "--json").document["settings"]}
    assert list(found) == list(SETTINGS)
    assert [
        (found[name]["value"], found[name]["source"]) for name in ("port", "log.format", "log.level")
    ] == [
        (7_999, "node.json"),
        ("json", "TRACO_NODE_LOG__FORMAT"),
        ("info", "default"),
    ]
    assert "TRACO_NODE_LOG__FORMAT" in traco("node", "config", node).out


def test_a_secret_is_shown_as_set_and_no_more(
    traco: CommandLine, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACO_NODE_PROJECTIONS__PASSWORD", SECRET)
    for printed in (traco("node", "config", node), traco("node", "config", node, "--json")):
        assert "(set)" in printed.out
        assert SECRET not in printed.out + printed.err


def test_all_mistakes_are_printed_at_once(
    traco: CommandLine, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (node / "node.json").write_bytes(b'{"prot": 1, "port": 70000}')
    monkeypatch.setenv("TRACO_NODE_PROT", "1")
    printed = traco("node", "config", node, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "node.config_invalid")
    for part in (
        "node.json: prot is unknown",
        "node.json: port: ",
        "environment: TRACO_NODE_PROT is unknown",
    ):
        assert part in printed.problem["detail"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--host", "0.0.0.0"), "node.tls_required"), (("--host", "nowhere"), "node.config_invalid"),
        (("--port", "70000"), "node.config_invalid"), (("--log-level", "loud"), "node.config_invalid"),
        (("--set", "log.keep=0"), "node.config_invalid"), (("--set", "prot=1"), "node.config_invalid"),
        (("--set", "projections.password=x"), "node.config_invalid"), (("--set", "metrics.port=7999"), "node.config_invalid"),
    ],
)  # fmt: skip
def test_a_start_with_a_configuration_that_cannot_be_is_refused(
    traco: CommandLine, node: Path, arguments: tuple[str, str], code: str
) -> None:
    printed = traco("node", "start", node, *arguments, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, code)
    assert not (node / "node.log").exists()


def test_a_setting_without_a_value_is_not_understood(traco: CommandLine, node: Path) -> None:
    printed = traco("node", "start", node, "--set", "port", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.USAGE, "usage.invalid")


def test_a_unit_is_printed_as_it_is(traco: CommandLine, node: Path) -> None:
    printed = traco("node", "systemd", node, "--user", "ledger")
    assert printed.out.startswith("# Save as ")
    assert "User=ledger\n" in printed.out
    assert traco("node", "systemd", node, "--user", "ledger", "--json").document["unit"] == printed.out


def test_a_unit_for_a_path_that_it_cannot_name_is_refused(traco: CommandLine, tmp_path: Path) -> None:
    printed = traco("node", "systemd", tmp_path / "two words", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "unit.invalid")


def test_a_configuration_is_written_as_short_as_the_first_versions(node: Path) -> None:
    assert msgspec.json.decode((node / "node.json").read_bytes()) == {
        "format": "traco-node/1", "host": "127.0.0.1", "port": 7_999, "verifiers": 1,
    }  # fmt: skip
