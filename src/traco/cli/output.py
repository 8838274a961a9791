"""What the command prints: one JSON document on standard output for programs, tables for people, problems apart.

Standard output carries answers only. Problems, progress and prompts go to standard error.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from traco.cli.problems import Problem

WIDTH_IN_PIPES: Final = 240  # wide enough that no id is folded


class Output:
    """Where answers go. ``as_json``: one JSON document, and nothing else on standard output."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def record(self, document: Mapping[str, Any], title: str = "") -> None:
        """One thing: its names and values."""
        if self.as_json:
            write_json(document)
            return
        table = Table(box=None, show_header=False, pad_edge=False, title=title or None, title_justify="left")
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in document.items():
            for label, text in _lines(name.replace("_", " "), value):
                table.add_row(label, text)
        self._print(table)

    def rows(self, name: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """Several things of one kind. The JSON document has them, with all their fields, under ``name``."""
        found = list(rows)
        if self.as_json:
            write_json({name: found})
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column.replace("_", " "), overflow="fold")
        for row in found:
            table.add_row(*(_text(row.get(column)) for column in columns))
        self._print(table if found else f"no {name.replace('_', ' ')}")

    def titled(self, title: str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
        """One of several tables of an answer for people; programs get the answer as one document."""
        sys.stdout.write(f"\n{title}\n\n")
        self.rows(title.lower(), rows, columns)

    def document(self, document: Mapping[str, Any], text: str) -> None:
        """One thing with a text of its own for people."""
        if self.as_json:
            write_json(document)
        else:
            sys.stdout.write(text.rstrip("\n") + "\n")

    def note(self, text: str) -> None:
        """Something for people on standard error; nothing where a program reads."""
        if not self.as_json:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()

    def _print(self, content: Any) -> None:
        console = Console(highlight=False, markup=False, emoji=False)
        if not console.is_terminal:
            console = Console(highlight=False, markup=False, emoji=False, width=WIDTH_IN_PIPES)
        with console.capture() as captured:
            console.print(content)
        sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def write_json(document: Any) -> None:
    """One JSON document and a line feed on standard output."""
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")


def write_problem(problem: Problem, as_json: bool) -> None:
    """The problem on standard error."""
    if as_json:
        sys.stderr.write(msgspec.json.encode(problem.document()).decode() + "\n")
    else:
        sys.stderr.write(f"error: {plain(problem.detail)}\n       [{plain(problem.code)}]\n")
        if "transaction" in problem.fields:
            sys.stderr.write(f"       transaction {plain(str(problem.fields['transaction']))}\n")


def _lines(label: str, value: Any) -> list[tuple[str, str]]:
    """The rows of one field: structured values get a row per part."""
    if isinstance(value, Mapping) and value:
        return [line for name, inner in value.items() for line in _lines(f"{label}.{name}", inner)]
    if isinstance(value, list | tuple) and value:
        return [line for index, inner in enumerate(value) for line in _lines(f"{label}[{index}]", inner)]
    return [(label, _text(value))]


def _text(value: Any) -> str:
    if value is None or value == () or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list | tuple):
        return plain(msgspec.json.encode(value).decode())
    return plain(str(value))


def plain(text: str) -> str:
    """A text of others without what makes a terminal do or show something else: such characters are written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign == "\n" else sign.encode("unicode_escape").decode()
        for sign in text
    )
