"""How the demonstration shows itself: numbered steps, lines and small tables; and how it checks what it claims."""

import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

STEPS: Final = 10
NARROWEST, WIDEST = 80, 118  # columns; a terminal in between is filled
INDENT: Final = " " * 7
LOOK_SECONDS: Final = 0.1

Found = TypeVar("Found")


class DemoFailed(Exception):
    """What the demonstration claims did not happen; the text says what."""


class NothingToFinance(Exception):
    """No invoice of the user's folder can be financed; the text says what is needed."""


class Stage:
    """Prints to standard output; ``quiet``: nothing, for what others show. ``steps``: how many there will be."""

    def __init__(self, steps: int = STEPS, *, quiet: bool = False) -> None:
        terminal = Console(highlight=False, emoji=False)
        self._steps = steps
        self._width = max(NARROWEST, min(WIDEST, terminal.width)) if terminal.is_terminal else WIDEST
        self._console = Console(highlight=False, emoji=False, width=self._width, quiet=quiet)
        self._begun = time.monotonic()
        self._step = 0

    def step(self, title: str) -> None:
        """Begin the next numbered step."""
        self._step += 1
        elapsed = time.monotonic() - self._begun
        number, after = f"{self._step:2}/{self._steps}  ", f"  {elapsed:.1f} s"
        first, *more = textwrap.wrap(shown(title), self._width - len(number) - len(after))
        rest = "".join(f"\n{INDENT}{line}" for line in more)
        self._console.print(Text.assemble("\n", (number + first, "bold"), (after, "dim"), (rest, "bold")))

    def say(self, text: str) -> None:
        """A line of the step; a longer one goes on below itself."""
        for line in textwrap.wrap(shown(text), self._width - len(INDENT), break_on_hyphens=False):
            self._console.print(INDENT + line, markup=False, soft_wrap=True)

    def quote(self, text: str) -> None:
        """What another program printed, line by line as it stands."""
        for line in text.rstrip().splitlines():
            self._console.out(INDENT + shown(line), highlight=False)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """A small table."""
        table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(shown(str(cell))) for cell in row))
        with self._console.capture() as captured:
            self._console.print(table, width=self._width - len(INDENT))
        for line in captured.get().splitlines():
            self._console.out(INDENT + line.rstrip(), highlight=False)

    @contextmanager
    def counting(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """For what takes long: shows how many of how many are done, on a terminal, until it is over."""
        with self._console.status(f"{what} ...") as status:
            yield lambda done, total: status.update(f"{what}: {done} of {total}")

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """For what takes a while: says on a terminal what is waited for, until it is over."""
        with self._console.status(f"{what} ..."):
            yield

    def end(self, lines: Sequence[str]) -> None:
        """The last words."""
        elapsed = time.monotonic() - self._begun
        self._console.print(f"\n[bold]Done[/bold] in {elapsed:.1f} s.")
        for line in lines:
            self._console.print(INDENT + line, markup=False, soft_wrap=True)


def expect(holds: bool, claim: str) -> None:
    """Fail the demonstration unless what it claims is so. Raises ``DemoFailed``."""
    if not holds:
        raise DemoFailed(f"this should hold and does not: {claim}")


def until(look: Callable[[], Found | None], seconds: float, claim: str) -> Found:
    """What ``look`` finds, as soon as it finds something. Raises ``DemoFailed`` where it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        expect(time.monotonic() < deadline, f"{claim} (within {seconds:g} s)")
        time.sleep(LOOK_SECONDS)
    return found


def shown(text: str) -> str:
    """Text from a file or a file's name, without anything that a terminal would obey or cannot show."""
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def money(amount: int, currency: str, decimals: int) -> str:
    """An amount in smallest units as people write it."""
    whole, part = divmod(abs(amount), 10**decimals)
    number = f"{whole:,}.{part:0{decimals}d}" if decimals else f"{whole:,}"
    return f"{'-' if amount < 0 else ''}{number} {currency}"
