from pathlib import Path

import pytest

from support.command_line import CommandLine
from support.consortium import prepared
from traco.cli.problems import ExitCode

pytestmark = pytest.mark.usefixtures("cheap_keys")


@pytest.fixture
def card(traco: CommandLine, tmp_path: Path) -> Path:
    traco("node", "init", tmp_path / "node", "--json")
    return prepared(tmp_path, "Bank B").directory / "card.json"


@pytest.mark.parametrize("verb", ["admit", "register", "promote"])
def test_a_card_that_was_changed_decides_nothing(traco: CommandLine, card: Path, verb: str) -> None:
    card.write_text(card.read_text().replace('"region": "de"', '"region": "fr"'))
    printed = traco("network", verb, card, "--as", "@operator", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.REFUSED, "founding.card_invalid")


def test_who_signs_later_needs_a_file(traco: CommandLine, card: Path) -> None:
    printed = traco("network", "admit", card, "--as", "@operator", "--with", "00" * 16, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.USAGE, "usage.no_file")


@pytest.mark.parametrize("node", ["01ab", "nobody", "zz" * 33])
def test_what_names_no_node_is_refused(traco: CommandLine, card: Path, node: str) -> None:
    printed = traco("network", "promote", node, "--as", "@operator", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.INPUT, "node.unusable")


def test_a_node_that_does_not_run_is_not_ready(traco: CommandLine, card: Path) -> None:
    printed = traco("network", "ready", card.parent, "--as", "@operator", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NODE, "node.unreachable")
