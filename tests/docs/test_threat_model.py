"""The page of threats names files and tests that exist."""

import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
ROW = re.compile(r"^\|\s*([STRIDE]{1,2})\s*\|(.*)\|$", re.MULTILINE)
TEST = re.compile(r"`(?:(tests/[\w/]+\.py): )?(test_\w+)`")
BOUNDARIES = (
    "client",
    "network",
    "API process",
    "ledger process",
    "verifiers",
    "projector",
    "disk",
    "backups",
)


@cache
def known_tests() -> dict[str, set[str]]:
    """The names of all tests, with the files that have them."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE):
            found.setdefault(name, set()).add(path.relative_to(ROOT).as_posix())
    return found


def rows() -> list[tuple[str, list[str]]]:
    """The rows of the tables of threats: the letter, and threat, defence, place, test, what remains."""
    return [
        (letter, [cell.strip() for cell in rest.split(" | ")])
        for letter, rest in ROW.findall(PAGE.read_text())
    ]


def test_every_test_that_is_named_exists() -> None:
    named = set(TEST.findall(PAGE.read_text()))
    assert len(named) > 40
    assert (
        sorted(
            name
            for file, name in named
            if file not in {"", *known_tests().get(name, ())} or name not in known_tests()
        )
        == []
    )


def test_every_threat_has_a_defence_a_place_and_a_test() -> None:
    assert len(rows()) > 40
    incomplete = [
        cells[0] for _, cells in rows() if len(cells) != 5 or not all(cells[:3]) or not TEST.search(cells[3])
    ]
    assert incomplete == []


def test_every_file_that_is_named_exists() -> None:
    places = [name for _, cells in rows() for name in re.findall(r"`([\w/]+\.(?:py|js|md))`", cells[2])]
    assert len(places) > 30
    assert sorted({name for name in places if not (ROOT / "src" / "traco" / name).exists()}) == []


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_each_boundary_is_looked_at_for_every_kind_of_threat(boundary: str) -> None:
    headings = re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)
    section = next(text for text in headings if boundary.lower() in text.partition("\n")[0].lower())
    letters = {letter for found, _ in ROW.findall(section) for letter in found}
    said = set(re.findall(r"^No ([STRIDE]):", section, re.MULTILINE))
    assert letters | said == set("STRIDE")


def test_what_does_not_exist_is_found() -> None:
    assert "test_that_nobody_wrote" not in known_tests()
    assert TEST.findall("`test_a` and `tests/node/test_b.py: test_c`") == [
        ("", "test_a"),
        ("tests/node/test_b.py", "test_c"),
    ]
