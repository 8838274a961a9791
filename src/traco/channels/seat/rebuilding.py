"""A rebuild of a channel: everything of it is looked for here, fetched where it is not, and executed; then it is compared.

    reading    until the stream is noted as far as the root had it when the rebuild began
    checking   every payload in custody is read and compared with its hash
    fetching   what is missing or damaged is asked for at every custodian, also what was executed long ago
    executing  from the first point on, in a new replica where all is here and had been executed before; else on from where it is
    ended      with a report of completeness

A node that has lost its disk does all but the checking by itself; a rebuild then follows it. Nothing of it is kept: after a crash
the node goes on by itself, and whoever wants the report begins another.
"""

from collections.abc import Callable, Mapping
from typing import Final

from traco.channels.custody.errors import CustodianFailure, PayloadDamaged
from traco.channels.custody.store import CustodyStore
from traco.channels.executing.points import Point
from traco.channels.seat.book import Book
from traco.channels.seat.completeness import LISTED, Completeness, Found, Lacking, Refused, completeness
from traco.channels.seat.hosting import Wanted
from traco.channels.seat.ports import RootReading
from traco.kernel.errors import LedgerError
from traco.modules.channel.entries import Erased
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import Payload
from traco.modules.channel.state import Stream

CHECKED: Final = 64  # points looked through in one step
SOUGHT: Final = 64  # payloads asked for at once
PATIENCE_MS: Final = 20_000
"""A rebuild that got nowhere for so long ends with what there is. The node itself goes on trying."""


class _Rebuild:
    """One of them."""

    def __init__(self, channel: bytes, target: Stream, *, is_anew: bool) -> None:
        self.channel = channel
        self.target = target
        self.is_anew = is_anew
        self.stage = "reading"
        self.checked = 0  # the last point looked through
        self.payloads = self.shown = self.erased = 0
        self.missing: dict[int, Payload] = {}
        self.damaged: set[int] = set()
        self.since_ms: int | None = None  # when it last got further
        self.seen: object = None
        self.report: Completeness | None = None


class Rebuilder:
    """All rebuilds of a node, in steps. ``answers``: what custodians said when they were asked last for the payload of an entry;
    ``begin_anew``: has a channel executed in a new replica, from the first point if that can be. ``parts``: how many have come of the snapshot that it waits for.
    """

    def __init__(
        self, keeper: Keeper, book: Book, custody: CustodyStore, problems: Mapping[bytes, LedgerError],
        answers: Callable[[bytes, int], tuple[CustodianFailure, ...]], begin_anew: Callable[[bytes, bool], None],
        parts: Mapping[bytes, int],
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._book = book
        self._custody = custody
        self._problems = problems
        self._answers = answers
        self._begin_anew = begin_anew
        self._parts = parts
        self._rebuilds: dict[bytes, _Rebuild] = {}

    def begin(self, channel: bytes, root: RootReading) -> None:
        """Begin one, unless one is under way."""
        found = self._rebuilds.get(channel)
        if found is None or found.stage == "ended":
            target = self._keeper.stream(root.state, channel)
            # what is being made good after a loss is not begun once more
            is_anew = 0 < target.ordinal <= self._book.executed_to(channel)
            self._rebuilds[channel] = _Rebuild(channel, target, is_anew=is_anew)

    def report(self, channel: bytes, root: RootReading) -> Completeness | None:
        """How far the last rebuild of a channel has come, or what it found; None where none was begun since the start."""
        rebuild = self._rebuilds.get(channel)
        return None if rebuild is None else rebuild.report or self._reported(rebuild, root)

    def wanted(self) -> list[Wanted]:
        """The next payloads that rebuilds look for."""
        return [
            Wanted(rebuild.channel, number, payload)
            for rebuild in self._rebuilds.values()
            if rebuild.stage == "fetching"
            for number, payload in list(rebuild.missing.items())[:SOUGHT]
        ]

    def step(self, root: RootReading, time_ms: int) -> bool:
        """Go on with all of them; whether there is more to do at once."""
        moved = False
        for rebuild in self._rebuilds.values():
            if rebuild.stage != "ended":
                moved = self._step(rebuild, root, time_ms) or moved
        return moved

    def _step(self, rebuild: _Rebuild, root: RootReading, time_ms: int) -> bool:
        before = self._place(rebuild)
        if rebuild.stage == "reading":
            self._read(rebuild)
        elif rebuild.stage == "checking":
            self._check(rebuild)
        elif rebuild.stage == "fetching":
            self._look(rebuild)
        elif self._book.executed_to(rebuild.channel) >= rebuild.target.ordinal:
            rebuild.stage = "ended"
        place = self._place(rebuild)
        if rebuild.since_ms is None or place != rebuild.seen:
            rebuild.seen, rebuild.since_ms = place, time_ms
        elif time_ms - rebuild.since_ms >= PATIENCE_MS:
            rebuild.stage = "ended"
        if rebuild.stage == "ended":
            rebuild.report = self._reported(rebuild, root)
        return place != before

    def _place(self, rebuild: _Rebuild) -> object:
        """What changes as long as it gets further."""
        executed, noted = self._book.executed_to(rebuild.channel), self._book.cursor(rebuild.channel).ordinal
        return (
            rebuild.stage,
            rebuild.checked,
            len(rebuild.missing),
            executed,
            noted,
            self._parts.get(rebuild.channel),
        )

    def _read(self, rebuild: _Rebuild) -> None:
        if self._book.cursor(rebuild.channel).ordinal >= rebuild.target.ordinal:
            rebuild.stage = "checking"

    def _check(self, rebuild: _Rebuild) -> None:
        # what is before a snapshot is not executed here
        rebuild.checked = max(rebuild.checked, self._book.base(rebuild.channel).ordinal)
        for point in self._book.points(rebuild.channel, rebuild.checked, CHECKED):
            if point.context.ordinal > rebuild.target.ordinal:
                break
            self._check_point(rebuild, point)
            rebuild.checked = point.context.ordinal
        if rebuild.checked >= rebuild.target.ordinal:
            rebuild.stage = "fetching"

    def _check_point(self, rebuild: _Rebuild, point: Point) -> None:
        for entry in point.entries:
            if isinstance(entry, Erased):
                self._forgive(rebuild, entry.through)
        for number, payload in point.payloads().items():
            if self._book.is_voided(rebuild.channel, number):
                continue
            rebuild.payloads += 1
            if payload.shown is not None:
                rebuild.shown += 1
                continue
            try:
                is_here = self._custody.get(rebuild.channel, payload.hash) is not None
            except PayloadDamaged:
                rebuild.damaged.add(number)
                is_here = False
            if not is_here:
                rebuild.missing[number] = payload

    def _forgive(self, rebuild: _Rebuild, through: int) -> None:
        """What the members decided to erase is not missed."""
        for number in [number for number in rebuild.missing if number <= through]:
            del rebuild.missing[number]
            rebuild.erased += 1
            rebuild.payloads -= 1

    def _look(self, rebuild: _Rebuild) -> None:
        """Strike what has come, or is void or erased by now, off the list; what is not sought yet has not come."""
        self._forgive(rebuild, self._custody.erased_through(rebuild.channel))
        for number, payload in list(rebuild.missing.items())[:SOUGHT]:
            if self._book.is_voided(rebuild.channel, number):
                rebuild.payloads -= 1
                del rebuild.missing[number]
            elif self._is_here(rebuild, number, payload):
                del rebuild.missing[number]
        if not rebuild.missing:
            rebuild.stage = "executing"
            if rebuild.is_anew:
                self._begin_anew(rebuild.channel, not rebuild.erased)

    def _is_here(self, rebuild: _Rebuild, number: int, payload: Payload) -> bool:
        if number not in rebuild.damaged:
            return self._custody.holds(rebuild.channel, payload.hash)
        try:
            return self._custody.get(rebuild.channel, payload.hash) is not None
        except PayloadDamaged:
            return False

    def _reported(self, rebuild: _Rebuild, root: RootReading) -> Completeness:
        channel, problem = rebuild.channel, self._problems.get(rebuild.channel)
        code = "" if problem is None else str(getattr(problem, "code", ""))
        text = "" if problem is None else str(problem).removeprefix(f"{code}: ")
        missing = tuple(
            Lacking(number, payload.hash, tuple(Refused(*each) for each in self._answers(channel, number)))
            for number, payload in list(rebuild.missing.items())[:LISTED]
        )
        found = Found(rebuild.payloads, rebuild.shown, rebuild.erased, missing, len(rebuild.missing))
        now, executed = self._keeper.stream(root.state, channel), self._book.executed_to(channel)
        return completeness(
            self._book, channel, rebuild.target, now, found, executed, rebuild.stage, (code, text)
        )
