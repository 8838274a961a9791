"""What a node has of a channel, measured against the root: the report that a rebuild ends with."""

from typing import Final

from traco.channels.seat.book import Book
from traco.channels.seat.sources import Faults
from traco.kernel.codec import Code, Count, Hash, Id, Record
from traco.modules.channel.parts import ChannelId, Number
from traco.modules.channel.state import Stream

LISTED: Final = 1_000  # entries of each kind that a report names

LIES: Final = frozenset({
    "custody.answer_wrong", "custody.damaged", "custody.wrong_bytes", "snapshot.malformed", "snapshot.other_network",
    "snapshot.other_point", "snapshot.other_state", "snapshot.piece_differs", "snapshot.too_large", "snapshot.untrue",
})  # fmt: skip
"""Answers that nobody gives who holds what it says it holds, and whose software is right."""


class Gave(Record, frozen=True):
    """A member, and how many payloads it gave."""

    member: Id
    payloads: Count


class Refused(Record, frozen=True):
    """A member, and what it answered instead."""

    member: Id
    code: Code


class Lacking(Record, frozen=True):
    """An entry whose payload nobody gives, and what everybody said when it was asked for last."""

    number: Number
    hash: Hash
    answers: tuple[Refused, ...]


class Answered(Record, frozen=True):
    """What a member answered instead of what was asked for, how often, and for which entries: the lowest and the highest.

    With a code of snapshots, these are points.
    """

    member: Id
    code: Code
    times: Count
    first: Count
    last: Count


class Beginning(Record, frozen=True):
    """The snapshot that the channel goes on from here: its point, the entries up to there, and who gave it."""

    ordinal: Count
    entries: Count
    member: Id | None


class Completeness(Record, frozen=True):
    """How complete a channel is here. What is counted is up to the point that the root had when the rebuild began.

    ``status``    running, complete, incomplete (something is missing, or not executed), or differs (the digest is another)
    ``stage``     what is done now: reading, checking, fetching, executing, ended
    ``entries``   of the stream; ``noted`` of them are here, ``payloads`` of those have a payload that counts
    ``here``      payloads that were kept when they were sealed or signed for; ``fetched`` from whom; ``shown`` on the root; ``erased`` are those
                  that the members decided to erase, and that count no more
    ``voided``    entries that are empty; ``missing`` those whose payload nobody gives. ``*_total`` where not all are named
    ``wrong``     who answered with what is not true; ``unanswered`` who did not give what it was asked for
    ``points``    of the stream; up to ``executed`` this node went, to ``digest``
    ``confirmed`` the last point that the root has confirmed, and the digest that it confirmed; ``own`` is this node's of it
    ``agrees``    whether these two are alike; None where this node has not come so far, or nothing is confirmed
    ``snapshot``  where the channel goes on from another member's: what is counted of payloads is behind it
    ``code``, ``text``  what holds the channel up, where something does
    """

    channel: ChannelId
    status: str
    stage: str
    entries: Count
    noted: Count
    payloads: Count
    here: Count
    fetched: tuple[Gave, ...]
    shown: Count
    erased: Count
    voided: tuple[Number, ...]
    voided_total: Count
    missing: tuple[Lacking, ...]
    missing_total: Count
    wrong: tuple[Answered, ...]
    unanswered: tuple[Answered, ...]
    points: Count
    executed: Count
    generation: Count
    digest: Hash | None
    confirmed: Count
    confirmed_digest: Hash | None
    own_digest: Hash | None
    agrees: bool | None
    snapshot: Beginning | None
    code: str
    text: str


class Found(Record, frozen=True):
    """What looking through custody has found so far."""

    payloads: Count
    shown: Count
    erased: Count
    missing: tuple[Lacking, ...]
    missing_total: Count


def completeness(
    book: Book, channel: bytes, target: Stream, now: Stream, found: Found, executed: int, stage: str, problem: tuple[str, str]
) -> Completeness:  # fmt: skip
    """The report. ``target``: the stream when the rebuild began; ``now``: as it is."""
    result, own = book.result(channel, executed), book.result(channel, now.confirmed)
    confirmed = now.digest if now.confirmed else None
    agrees = None if own is None or confirmed is None else own.digest == confirmed
    fetched = [Gave(*each) for each in book.sources(channel, target.entries)]
    voided = [number for number in book.voided(channel) if number <= target.entries]
    noted, faults = min(book.cursor(channel).number, target.entries), book.faults(channel)
    here = found.payloads - found.shown - found.missing_total - sum(each.payloads for each in fetched)
    whole = noted == target.entries and not found.missing_total and executed >= target.ordinal
    return Completeness(
        channel, _status(stage, agrees, is_whole=whole), stage, target.entries, noted, found.payloads, max(0, here),
        tuple(fetched), found.shown, found.erased, tuple(voided[:LISTED]), len(voided), found.missing, found.missing_total,
        _answered(faults, are_lies=True), _answered(faults, are_lies=False), target.ordinal, executed,
        0 if result is None else result.generation, None if result is None else result.digest, now.confirmed, confirmed,
        None if own is None else own.digest, agrees, _beginning(book, channel), *problem,
    )  # fmt: skip


def _beginning(book: Book, channel: bytes) -> Beginning | None:
    base = book.base(channel)
    return Beginning(base.ordinal, base.number, base.member) if base.ordinal else None


def _status(stage: str, agrees: bool | None, *, is_whole: bool) -> str:
    if stage != "ended":
        return "running"
    if agrees is False:
        return "differs"
    return "complete" if is_whole else "incomplete"


def _answered(faults: list[Faults], *, are_lies: bool) -> tuple[Answered, ...]:
    return tuple(Answered(*each) for each in faults if (each.code in LIES) == are_lies)
