"""Tests that pages name as holding a property exist, and files that pages name too."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "src").rglob("*.md"))]
TEST = re.compile(r"(?<![\w/])(test_\w+)(?![\w/]*\.py)")
FILE = re.compile(r"`((?:tests|src|docs|examples|tools)/[\w./-]+)`")


@cache
def known_tests() -> set[str]:
    """The names of all tests, and of what stands for one: the machines of hypothesis, and files."""
    files = list((ROOT / "tests").rglob("test_*.py"))
    text = "\n".join(path.read_text() for path in files)
    functions = re.findall(r"^(?:    )?(?:async )?def (test_\w+)", text, re.MULTILINE)
    return {*functions, *re.findall(r"^(test_\w+) =", text, re.MULTILINE), *(path.stem for path in files)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    assert sorted(set(TEST.findall(page.read_text())) - known_tests()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    assert [name for name in FILE.findall(page.read_text()) if not (ROOT / name).exists()] == []
