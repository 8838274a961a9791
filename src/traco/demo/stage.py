"""How the demonstration shows itself: numbered steps, lines and small tables; and how it checks what it claims."""

import time
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

STEPS: Final = 10
WIDTH: Final = 118


class DemoFailed(Exception):
    """What the demonstration claims did not happen; the text says what."""


class Stage:
    """Prints to standard output."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, emoji=False, width=WIDTH, soft_wrap=False)
        self._begun = time.monotonic()
        self._step = 0

    def step(self, title: str) -> None:
        """Begin the next numbered step."""
        self._step += 1
        elapsed = time.monotonic() - self._begun
        self._console.print(f"\n[bold]{self._step:2}/{STEPS}  {title}[/bold]  [dim]{elapsed:.1f} s[/dim]")

    def say(self, text: str) -> None:
        """A line of the step."""
        self._console.print(f"       {text}", markup=False)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A small table."""
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        table.add_column("       ")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row("", *(str(cell) for cell in row))
        self._console.print(table, markup=False)

    def end(self, lines: Sequence[str]) -> None:
        """The last words."""
        elapsed = time.monotonic() - self._begun
        self._console.print(f"\n[bold]Done[/bold] in {elapsed:.1f} s.")
        for line in lines:
            self._console.print(f"       {line}", markup=False)


def expect(holds: bool, claim: str) -> None:
    """Fail the demonstration unless what it claims is so. Raises ``DemoFailed``."""
    if not holds:
        raise DemoFailed(f"this should hold and does not: {claim}")


def money(amount: int, currency: str, decimals: int) -> str:
    """An amount in smallest units as people write it."""
    whole, part = divmod(amount, 10**decimals)
    return f"{whole:,}.{part:0{decimals}d} {currency}" if decimals else f"{whole:,} {currency}"
