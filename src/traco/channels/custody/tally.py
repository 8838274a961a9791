"""How other members' nodes answer what is asked of them about payloads, counted by member: a custodian that does not answer is
noticed while the others still make up for it.

Nothing is judged here, and nothing is kept: a new start counts anew.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

ANSWERED: Final = "answered"
REFUSED: Final = "refused"  # by a code of ``custody.errors.REFUSALS``: its node is there
SILENT: Final = "silent"
WRONG: Final = "wrong"
OUTCOMES: Final = (ANSWERED, REFUSED, SILENT, WRONG)

_SILENT: Final = frozenset({"custody.unreachable", "custody.timeout", "custody.unanswered"})
_WRONG: Final = frozenset({"custody.wrong_bytes", "custody.answer_wrong", "custody.receipt_forged"})


class Answering(NamedTuple):
    """How a member has answered. ``silent_s``: from the first to the last of the questions in a row that it left without an
    answer, up to now; 0 where it answered the last one.
    """

    counts: Mapping[str, int]
    is_silent: bool
    silent_s: float


class Tally:
    """Counts. ``clock``: seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[bytes, Counter[str]] = {}
        self._silent: dict[
            bytes, tuple[float, float]
        ] = {}  # the first and the last question without an answer

    def note(self, member: bytes, code: str) -> None:
        """A member was asked, and this came of it: an empty code for a right answer."""
        outcome = (
            ANSWERED if not code else SILENT if code in _SILENT else WRONG if code in _WRONG else REFUSED
        )
        self._counts.setdefault(member, Counter())[outcome] += 1
        if outcome != SILENT:
            self._silent.pop(member, None)
            return
        now = self._clock()
        first, _ = self._silent.get(member, (now, now))
        self._silent[member] = first, now

    def members(self) -> dict[bytes, Answering]:
        """Everybody who was asked since the start."""
        return {member: self._of(member, counts) for member, counts in self._counts.items()}

    def _of(self, member: bytes, counts: Mapping[str, int]) -> Answering:
        first, last = self._silent.get(member, (0.0, 0.0))
        return Answering(counts, member in self._silent, last - first)
