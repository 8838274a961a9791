"""``traco engine``: installs what is not there, and says truly what is."""

from pathlib import Path

import pytest

from support.command_line import CommandLine
from support.fake_go import make_go
from traco.cli.problems import ExitCode
from traco.engine.cometbft.install import DIRECTORY_VARIABLE, MODULE_HASH, PROGRAM, VERSION


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path / "engine"))
    return tmp_path / "engine"


def test_what_was_installed_is_shown(traco: CommandLine, folder: Path, tmp_path: Path) -> None:
    made = traco("engine", "install", "--from-go", make_go(tmp_path / "go"), "--json").document
    assert made["program"] == str(folder / PROGRAM)
    assert (made["version"], made["go"], made["module_hash"]) == (VERSION, "go1.26.1", MODULE_HASH)
    assert traco("engine", "status", "--json").document == made


def test_for_people_it_says_the_same(traco: CommandLine, folder: Path, tmp_path: Path) -> None:
    printed = traco("engine", "install", "--from-go", make_go(tmp_path / "go"))
    assert printed.code == ExitCode.OK
    assert VERSION in printed.out


def test_without_an_engine_the_answer_is_no(traco: CommandLine, folder: Path) -> None:
    printed = traco("engine", "status", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "engine.not_installed")
    assert printed.problem["directory"] == str(folder)


def test_a_changed_program_is_reported(traco: CommandLine, folder: Path, tmp_path: Path) -> None:
    traco("engine", "install", "--from-go", make_go(tmp_path / "go"))
    (folder / PROGRAM).write_bytes(b"another")
    printed = traco("engine", "status", "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.NEGATIVE, "engine.changed")


def test_an_installation_that_cannot_be_made_says_why(
    traco: CommandLine, folder: Path, tmp_path: Path
) -> None:
    printed = traco("engine", "install", "--from-go", make_go(tmp_path / "go", version="go1.20"), "--json")
    assert (printed.code, printed.problem["code"]) == (ExitCode.HALTED, "engine.no_go")
    assert not (folder / PROGRAM).exists()
