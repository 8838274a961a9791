"""Runs docs/first-transaction.md: every command of the page, in its order, against a node of its own."""

from pathlib import Path

from support.page_runs import ROOT, place, run_page


def test_every_command_of_the_first_transaction_works(tmp_path: Path) -> None:
    with place(tmp_path) as work:
        run_page((ROOT / "docs" / "first-transaction.md").read_text(), work)
