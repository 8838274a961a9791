"""Runs docs/cluster.md: every command of the page, in its order, on networks of its own."""

import subprocess
from pathlib import Path

import pytest

from support import page_runs
from support.page_runs import ROOT, place, run_page

SECONDS = 900  # two minutes on an idle machine with two cores


@pytest.mark.slow
def test_every_command_of_the_page_about_clusters_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_runs, "SECONDS", SECONDS)
    with place(tmp_path) as work:
        try:
            run_page((ROOT / "docs" / "cluster.md").read_text(), work)
        finally:
            traco = tmp_path / "bin" / "traco"
            for command in (["node", "stop", "net/node5"], ["network", "stop", "net"]):
                subprocess.run([traco, *command], cwd=work, check=False, capture_output=True)
