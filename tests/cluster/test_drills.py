"""Runs the commands of docs/operations/drills.md in their order, and those of the first channel in docs/channels.md."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.page_runs import ROOT, commands, environment, place, run_page

PAGE = (ROOT / "docs" / "operations" / "drills.md").read_text()
CHANNELS = (ROOT / "docs" / "channels.md").read_text()
FIRST_CHANNEL = CHANNELS.partition("### A first channel of your own\n")[2].partition("\n### ")[0]
START = """
```console
$ traco network start net
```
"""
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


def test_every_drill_of_a_network_works_and_then_a_first_channel(work: Path) -> None:
    sections = [section for section in PAGE.split("\n## ") if commands(section)]
    assert len(sections) == 4
    for section in sections:
        run_page(ENVIRONMENT + section, work)
    assert len(commands(FIRST_CHANNEL)) > 20
    run_page(ENVIRONMENT + START + FIRST_CHANNEL, work)
