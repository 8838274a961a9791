import msgspec
import pytest

from support.command_line import CommandLine
from traco import __version__
from traco.cli.main import GROUPS
from traco.cli.problems import MEANINGS, ExitCode


def test_the_version_is_printed(traco: CommandLine) -> None:
    assert traco("--version") == (0, f"traco {__version__}\n", "")


def test_without_arguments_the_help_is_shown(traco: CommandLine) -> None:
    printed = traco()
    assert printed.code == ExitCode.USAGE
    assert "verify" in printed.err


def test_the_help_lists_every_group_and_every_exit_code(traco: CommandLine) -> None:
    printed = traco("--help")
    assert printed.code == 0
    assert all(f"\n  {name}" in printed.out for name in GROUPS)
    assert all(f"\n{int(code):5}  " in printed.out for code in MEANINGS)


@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"demo"}))
def test_every_group_has_a_help(traco: CommandLine, group: str) -> None:
    printed = traco(group, "--help")
    assert printed.code == 0
    assert "Usage: traco" in printed.out


@pytest.mark.parametrize(
    "arguments", [("nothing",), ("party", "nothing"), ("party", "show"), ("party", "list", "--limit", "x")]
)
def test_a_wrong_command_line_is_a_usage_error(traco: CommandLine, arguments: tuple[str, ...]) -> None:
    printed = traco(*arguments)
    assert (printed.code, printed.out) == (ExitCode.USAGE, "")
    assert "Error:" in printed.err


def test_a_wrong_command_line_is_a_problem_for_programs(traco: CommandLine) -> None:
    printed = traco("party", "show", "--json")
    assert (printed.code, printed.out) == (ExitCode.USAGE, "")
    assert printed.problem["code"] == "usage.invalid"
    assert printed.problem["exit_code"] == ExitCode.USAGE


def test_a_node_that_does_not_answer_has_its_own_exit_code(
    traco: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traco.cli.session.PAUSES", ())
    printed = traco("node", "status", "--url", "http://127.0.0.1:1", "--json")
    assert (printed.code, printed.out) == (ExitCode.NODE, "")
    assert printed.problem["code"] == "node.unreachable"


def test_a_problem_for_people_has_text_and_code(traco: CommandLine) -> None:
    printed = traco("name", "remove", "nobody")
    assert printed == (
        ExitCode.INPUT, "", "error: There is no name 'nobody'; see: traco name list\n       [name.unknown]\n",
    )  # fmt: skip


def test_a_problem_for_programs_is_one_object(traco: CommandLine) -> None:
    assert msgspec.json.decode(traco("name", "remove", "nobody", "--json").err) == {
        "code": "name.unknown", "detail": "There is no name 'nobody'; see: traco name list", "exit_code": 8,
    }  # fmt: skip


def test_an_unknown_party_needs_no_node_to_be_refused(traco: CommandLine) -> None:
    assert traco("party", "show", "@nobody", "--json").problem["code"] == "name.unknown"


def test_acting_without_a_party_is_a_usage_error(traco: CommandLine) -> None:
    printed = traco("holding", "close-account", "00" * 16, "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.USAGE, "usage.no_party")
