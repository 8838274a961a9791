"""Runs the section "Drills" of docs/operating.md; the drills of backups have tests of their own."""

from pathlib import Path

from support.page_runs import ROOT, commands, place, run_page

PRELUDE = """
```console
$ export TRACO_HOME=$PWD/home TRACO_PASSPHRASE='an exercise, not a secret'
$ traco node init node --port 7470
$ traco node start node > node.out &
$ until traco node status > status.txt 2> waiting.txt; do sleep 0.2; done
$ traco instrument create bond --code BOND --kind security --as @operator
```
"""


def drills(page: str) -> str:
    """The section of the page."""
    begin = page.index("## Drills\n")
    return page[begin : page.index("\n## ", begin)]


def test_every_drill_that_is_not_of_backups_works(tmp_path: Path) -> None:
    page = drills((ROOT / "docs" / "operating.md").read_text())
    assert len(commands(page)) > 12
    with place(tmp_path) as work:
        run_page(PRELUDE + page, work)
