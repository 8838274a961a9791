"""Runs the commands of docs/operations/drills.md in their order."""

from pathlib import Path

from support.page_runs import ROOT, commands, place, run_page

PRELUDE = """
```console
$ export TRACO_HOME=$PWD/home
$ trap 'traco network stop net' EXIT
```
"""


def test_every_drill_of_a_network_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations" / "drills.md").read_text()
    assert len(commands(page)) > 15
    with place(tmp_path) as work:
        run_page(PRELUDE + page, work)
