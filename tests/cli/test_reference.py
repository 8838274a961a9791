from pathlib import Path

import pytest

from traco.cli.reference import pages, write

FOLDER = Path(__file__).parents[2] / "docs" / "reference"
PAGES = ["cli.md", "errors.md", "events.md", "instructions.md", "queries.md", "rest.md"]
BY_HAND = ["wire-format.md"]  # tests/independent/test_wire_format.py compares it with the definitions


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_what_the_definitions_give(name: str) -> None:
    assert (FOLDER / name).read_text() == pages()[name], "run `make reference` and commit the result"


def test_there_are_no_other_pages() -> None:
    assert sorted([*pages(), *BY_HAND]) == sorted(path.name for path in FOLDER.glob("*.md"))


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path / "reference")
    first = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "reference").iterdir()}
    write(tmp_path / "reference")
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "reference").iterdir()} == first
