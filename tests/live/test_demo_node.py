"""The demonstration of a node's daily life, run as users run it."""

import subprocess
import sys
from pathlib import Path

import pytest

from traco.demo.browser import find_browser
from traco.demo.node_story import STEPS

ROOT = Path(__file__).parents[2]
TIMEOUT = 900
Shown = tuple[Path, subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    directory = tmp_path_factory.mktemp("demo") / "demo-node"
    command = [sys.executable, "-m", "traco.cli", "demo-node", "--dir", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT, cwd=ROOT)
    return directory, done


def test_it_exits_with_zero(shown: Shown) -> None:
    assert (shown[1].returncode, shown[1].stderr) == (0, "")


def test_it_shows_every_step(shown: Shown) -> None:
    steps = [line for line in shown[1].stdout.splitlines() if f"/{STEPS}  " in line[:8]]
    assert [int(line[:2]) for line in steps] == list(range(1, STEPS + 1))


def test_it_reconciles_before_and_after_the_restore(shown: Shown) -> None:
    assert shown[1].stdout.count("figures compared, no break") == 2


def test_it_leaves_a_statement_for_spreadsheets(shown: Shown) -> None:
    assert (shown[0] / "statement.csv").read_text().startswith("time,height,cause,")


@pytest.mark.skipif(find_browser() is None, reason="there is no Chromium (Debian package: chromium)")
def test_it_takes_pictures_of_the_explorer(shown: Shown) -> None:
    pictures = sorted(path.name for path in shown[0].glob("explorer-*.png") if path.stat().st_size > 20_000)
    assert pictures == ["explorer-bank.png", "explorer-invoice.png", "explorer-overview.png"]
