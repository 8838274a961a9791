"""Runs docs/tutorial.md and the way of the README to a first transaction: every command and program, against a node of its own."""

from pathlib import Path

import pytest

from support.page_runs import ROOT, commands, place, printed, programs, run_page

PROGRAMS = ["broker.py", "keeper.py", "market.py", "pay.py", "statement.py", "trade.py", "watch.py"]


@pytest.mark.parametrize("name", ["README.md", "docs/tutorial.md"])
def test_everything_that_the_page_says_to_run_works(name: str, tmp_path: Path) -> None:
    with place(tmp_path) as work:
        run_page((ROOT / name).read_text(), work)


def test_every_program_of_the_tutorial_is_found_and_run_by_a_command() -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text()
    assert sorted(programs(page)) == PROGRAMS
    run = " ".join(commands(page))
    assert [name for name in PROGRAMS if name != "market.py" and f"python {name}" not in run] == []
    assert page.count("```python") == len(PROGRAMS)


def test_what_a_program_prints_is_compared() -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text()
    assert any(line.match("rejected: holding.insufficient") for line in printed(page))
