"""Answers what those who run the node ask of all channels at once."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from traco.channels.seat.agent import Seats
from traco.channels.seat.ports import RootUnavailable
from traco.node.channels.requests import Denied, FiguresAre, FiguresOf
from traco.node.figures import memory_bytes

FRESH_S: Final = 1.0  # however often somebody asks, a look is taken no more often than this


class FiguresDesk:
    """Between the API and the seats. ``clock``: seconds that never go back; ``executors``: the processes that execute channels."""

    def __init__(
        self, seats: Seats, clock: Callable[[], float] = time.monotonic, executors: Callable[[], Sequence[int]] = tuple
    ) -> None:  # fmt: skip
        self._seats = seats
        self._executors = executors
        self._clock = clock
        self._last: tuple[float, FiguresAre] | None = None

    def figures(self, _: FiguresOf) -> FiguresAre | Denied:
        """How everything is, or was a moment ago."""
        now = self._clock()
        if self._last is None or now >= self._last[0] + FRESH_S:
            try:
                self._last = now, FiguresAre(self._seats.figures(), self._memory_bytes())
            except RootUnavailable as error:
                return Denied("channels.away", str(error))
        return self._last[1]

    def _memory_bytes(self) -> int:
        return memory_bytes() + sum(map(memory_bytes, self._executors()))
