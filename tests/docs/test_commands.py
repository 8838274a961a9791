"""Every command that a page names exists, with the options that it is given there."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from traco.cli.main import GROUPS, load

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SPAN = re.compile(r"`(traco [^`]+)`")
LINE = re.compile(r"^(?:\$ | {4})(?:.*?(?:\$\(|until |! ))?(traco .*)$", re.MULTILINE)
OF_ALL = {"--help", "--install-completion", "--show-completion"}


@cache
def loaded(group: str) -> Any:
    """The commands of a group, as click has them."""
    return load(group)


def uses(page: str) -> Iterator[str]:
    """What a page says to run, or names."""
    yield from SPAN.findall(page)
    yield from LINE.findall(page)


def wrong(use: str) -> str:
    """What is wrong with the use of a command; nothing, if it can be run."""
    words = re.split(r"\s+", re.sub(r"'[^']*'|\"[^\"]*\"", "TEXT", use).split(" > ")[0].split(" || ")[0])[1:]
    if not words or words[0].startswith("-"):
        return "" if set(words) <= OF_ALL else f"{use}: no such option"
    if words[0] not in GROUPS:
        return f"{use}: no such command"
    command = loaded(words.pop(0))
    while words and hasattr(command, "commands"):
        if words[0] not in command.commands:
            return f"{use}: no such command"
        command = command.commands[words.pop(0)]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    own = words[: words.index("--")] if "--" in words else words
    unknown = [word for word in own if word.startswith("--") and word not in known | OF_ALL]
    return f"{use}: no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_the_page_exists(page: Path) -> None:
    assert [problem for problem in map(wrong, uses(page.read_text())) if problem] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_target_of_make_on_the_page_exists(page: Path) -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(
        r"(?:`|^\$ ?|^ {4}|^)make(?: [A-Z]+=\S+)* ([a-z][a-z-]*)", page.read_text(), re.MULTILINE
    )
    assert sorted(set(named) - there) == []


def test_commands_are_found_in_every_form() -> None:
    page = "run `traco node start DIR`\n```console\n$ traco verify a\n$ until traco node status; do\n```\n\n    traco tx show ID\n"
    assert list(uses(page)) == [
        "traco node start DIR",
        "traco verify a",
        "traco node status; do",
        "traco tx show ID",
    ]


@pytest.mark.parametrize(
    "use", ["traco nonsense", "traco node nonsense", "traco node start node --nonsense", "traco --nonsense"]
)
def test_what_does_not_exist_is_found(use: str) -> None:
    assert wrong(use).startswith(use)


def test_the_pages_name_most_commands() -> None:
    used = " ".join(use for page in PAGES for use in uses(page.read_text()))
    assert len([name for name in GROUPS if f"traco {name}" in used]) > 12
