"""What a node notes of its channels, and what it makes of that when it is told again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from traco.channels.executing.points import Point
from traco.channels.seat.bases import Base
from traco.channels.seat.book import (
    Appended,
    Book,
    Change,
    ConfirmedTo,
    Emptied,
    Regenerated,
    Result,
    Stood,
)
from traco.modules.channel.entries import PointContext, Tick

CHANNEL, ORIGIN, DIGEST = b"\x07" * 32, b"\x08" * 32, b"\x09" * 32


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    made = Book(tmp_path / "channels.db")
    yield made
    made.close()


def point(ordinal: int) -> Point:
    """A point of one entry, in the block of its number."""
    return Point(PointContext(ordinal, ordinal * 1_000, 3, ordinal), ordinal, (Tick(),), bytes(32))


def rebase(book: Book, result: Result, changes: list[Change]) -> None:
    """Go on from a snapshot of the first point."""
    book.rebase(CHANNEL, Base(1, 1, 1, None), point(1), result, changes, 9)


ATTESTED_ANEW: dict[str, Change] = {"resumed": Regenerated(CHANNEL, 1), "void": Emptied(CHANNEL, 2, 1)}


@pytest.mark.parametrize("first", ATTESTED_ANEW)
def test_generations_behind_a_snapshot_are_those_of_when_they_began_though_all_is_confirmed_by_now(
    book: Book, first: str
) -> None:
    changes: list[Change] = [
        Appended(CHANNEL, point(2)), ATTESTED_ANEW[first], Appended(CHANNEL, point(3)), Regenerated(CHANNEL, 2),
        ConfirmedTo(CHANNEL, 3, DIGEST, ORIGIN),
    ]  # fmt: skip
    book.note(9, [Stood(CHANNEL, "late", 1), *changes])
    rebase(book, Result(2, 1, bytes(32), (), bytes(32)), changes)
    assert [book.generation(CHANNEL, ordinal) for ordinal in (1, 2, 3)] == [2, 2, 2]
    assert (book.confirmed_to(CHANNEL), book.outdated(CHANNEL)) == (3, [])


def test_a_snapshot_of_a_point_that_is_not_confirmed_confirms_nothing(book: Book) -> None:
    book.note(9, [Stood(CHANNEL, "late", 1)])
    rebase(book, Result(0, 1, bytes(32), (), DIGEST), [Appended(CHANNEL, point(2))])
    assert book.confirmed_to(CHANNEL) == 0
    assert not book.is_disputed(CHANNEL)
