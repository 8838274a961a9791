"""What an audit of a disclosed period finds."""

from typing import Literal, NamedTuple

What = Literal["opening", "state", "outcome", "outcomes", "legs", "digest"]


class Difference(NamedTuple):
    """The first thing that is not as the members confirmed it.

    ``what``   opening: the state before the period; state: the one behind a point; outcome: of one transaction; outcomes:
               there are more or fewer; legs: what became of legs of settlements; digest: all that can be said
    ``point``  or, where nothing narrows it down, all of ``point`` to ``through``
    """

    what: What
    point: int
    through: int
    entry: int | None
    transaction: bytes | None
    expected: str
    found: str


class Counts(NamedTuple):
    """What was executed again."""

    points: int = 0
    entries: int = 0
    payloads: int = 0
    voided: int = 0
    unreadable: int = 0
    transactions: int = 0
    rejected: int = 0
    refused: int = 0


class AuditReport(NamedTuple):
    """The result. The period is as the members confirmed it exactly if ``difference`` is None.

    ``parties`` acted or were hosted in transactions of the period. ``confirmed``: the point whose confirmation on the root covers
    the last that was executed, and its digest there. ``attesters``: who stands for that digest, where the root still says so.
    """

    channel: bytes
    member: bytes
    first: int
    last: int
    from_ms: int
    until_ms: int
    counts: Counts
    parties: tuple[bytes, ...]
    confirmed: int
    digest: bytes
    attesters: tuple[bytes, ...]
    difference: Difference | None
