"""An event loop whose time passes only when nothing else can happen, so that a simulation takes no time to wait."""

import asyncio
import selectors
from collections.abc import Mapping
from typing import Any

from torture.report import Difference


class _Waiting(selectors.BaseSelector):
    """Instead of waiting for sockets, moves the clock."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now; else ``timeout`` passes."""
        ready = self._real.select(0)
        if not ready and timeout is None:
            raise Difference("progress", "everybody waits, and nothing will ever happen")
        if not ready and timeout:
            self.seconds += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """As the real one."""
        return self._real.unregister(fileobj)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """As the real one."""
        return self._real.get_map()

    def close(self) -> None:
        """As the real one."""
        self._real.close()


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Its time starts at 0."""

    def __init__(self) -> None:
        self._waiting = _Waiting()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._waiting.seconds

    @property
    def milliseconds(self) -> int:
        """The same in whole milliseconds."""
        return round(self._waiting.seconds * 1_000)
