"""Runs the commands of docs/operations/drills.md in their order."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.page_runs import ROOT, commands, environment, place, run_page

PAGE = (ROOT / "docs" / "operations" / "drills.md").read_text()
ENVIRONMENT = """
```console
$ export TRACO_HOME=$PWD/home TRACO_PASSPHRASE=$(cat net/passphrase 2> none.txt || true)
```
"""
STOP = "traco network stop net || true"


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """Where the commands run; no node is left running there."""
    with place(tmp_path) as made:
        yield made
        subprocess.run(
            ["bash", "-c", STOP], cwd=made, env=environment(made, 1), check=True, capture_output=True
        )


def test_every_drill_of_a_network_works(work: Path) -> None:
    sections = [section for section in PAGE.split("\n## ") if commands(section)]
    assert len(sections) == 4
    for section in sections:
        run_page(ENVIRONMENT + section, work)
