"""Shell completion: the script that a shell loads, and what it offers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "import sys; sys.argv[0] = 'traco'; from traco.cli.main import main; main()"


def traco(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own: completion reads its environment and exits.

    Which shell there is, is given here instead of being found out from the parent process.
    """
    environment = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1", **environment}
    return subprocess.run(
        [sys.executable, "-c", START, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )  # fmt: skip


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_shown(shell: str) -> None:
    shown = traco("--show-completion", shell)
    assert shown.returncode == 0
    assert "_TRACO_COMPLETE" in shown.stdout
    assert f"complete_{shell}" in shown.stdout


def test_installing_changes_the_shells_own_files(tmp_path: Path) -> None:
    done = traco("--install-completion", "bash", HOME=str(tmp_path))
    assert done.returncode == 0
    assert "traco" in (tmp_path / ".bashrc").read_text()


@pytest.mark.parametrize(
    ("line", "offered"), [("traco no", "node"), ("traco node st", "start"), ("traco doctor --j", "--json")]
)
def test_groups_commands_and_options_are_offered(line: str, offered: str) -> None:
    words = line.split()
    shown = traco(COMP_WORDS=line, COMP_CWORD=str(len(words) - 1), _TRACO_COMPLETE="complete_bash")
    assert offered in shown.stdout.split()
