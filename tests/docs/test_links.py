"""Every relative link in the project's pages leads somewhere, to the very heading where it names one."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = {"build", "mutants", "node_modules", "dist"}
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def pages() -> list[Path]:
    """Every Markdown file of the project."""
    folders, found = [ROOT], []
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.name in SKIPPED or (path.name.startswith(".") and path.name != ".github"):
                continue
            if path.is_dir():
                folders.append(path)
            elif path.suffix == ".md":
                found.append(path)
    return found


def links(text: str) -> Iterator[str]:
    """The targets of a page's links and pictures, which are not those in code."""
    plain = FENCE.sub("", text)
    # what stands in code is no link, but a link's text may be code
    masked = CODE.sub(lambda found: "x" * len(found[0]), plain)
    yield from LINK.findall(masked)


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them: the second of a name gets ``-1``."""
    found: set[str] = set()
    for title in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        plain = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number, name = 0, plain
        while name in found:
            number += 1
            name = f"{plain}-{number}"
        found.add(name)
    return found


def broken(page: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere."""
    wrong = []
    for target in links(text):
        if ELSEWHERE.match(target):
            continue
        name, _, anchor = target.partition("#")
        path = (page.parent / unquote(name)).resolve()
        if name and not (path.exists() and path.is_relative_to(ROOT)):
            wrong.append(target)
            continue
        if anchor and anchor not in anchors(path.read_text() if name else text):
            wrong.append(target)
    return wrong


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken(page, page.read_text()) == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](README.md)", []),
        ("[a](docs/)", []),
        ("[a](nowhere.md)", ["nowhere.md"]),
        ("![a](docs/nowhere.png)", ["docs/nowhere.png"]),
        ("[a](../elsewhere.md)", ["../elsewhere.md"]),
        ("[`a`](#b)\n# A", ["#b"]),
        ("[a](#a-b_c-1)\n# A b_c\n## `A` b_c!", []),
        ("[a](README.md#no-such-heading)", ["README.md#no-such-heading"]),
        ("[a](https://example.org/nowhere.md)", []),
        ("`[a](nowhere.md)`\n```sh\n[a](nowhere.md)\n```\n", []),
    ],
)
def test_what_leads_nowhere_is_found(text: str, wrong: list[str]) -> None:
    assert broken(ROOT / "planted.md", text) == wrong


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in links(page.read_text()):
            path = (page.parent / target.partition("#")[0]).resolve()
            if not ELSEWHERE.match(target) and path.suffix == ".md" and path.exists():
                waiting.append(path)
    assert sorted(set((ROOT / "docs").rglob("*.md")) - reached) == []
