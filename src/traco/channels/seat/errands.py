"""What a node asks of the root and of other nodes, each errand on its own: one that has to wait holds up no other."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from traco.channels.seat.ports import RootUnavailable

GLANCE_S: Final = 0.25
"""For how long a step waits for errands. What is not done then goes on, and is looked at with the next step."""


class Errands:
    """Those that are under way, one for each key. ``wake`` is called when one ends that brought anything, or stops the node:
    what brought nothing is found again in time, so it need not be tried again at once.
    """

    def __init__(self, wake: Callable[[], None] = lambda: None) -> None:
        self._wake = wake
        self._running: dict[tuple[Any, ...], asyncio.Task[bool]] = {}

    def is_running(self, *key: Any) -> bool:
        """Whether an errand is under way."""
        return key in self._running

    def start(self, key: tuple[Any, ...], work: Coroutine[Any, Any, bool]) -> None:
        """Begin one, which says in the end whether it brought anything. None with its key is under way."""
        task = self._running[key] = asyncio.create_task(work)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        if task.cancelled() or isinstance(task.exception(), RootUnavailable):
            return
        if task.exception() is not None or task.result():
            self._wake()

    async def look(self, glance_s: float = GLANCE_S) -> bool:
        """Wait a little for the first that is done; as ``collect``."""
        if self._running and glance_s:
            await asyncio.wait(self._running.values(), timeout=glance_s, return_when=asyncio.FIRST_COMPLETED)
        return self.collect()

    def collect(self) -> bool:
        """Whether one of those that are done brought anything. Raises what stops the node."""
        moved = False
        for key in [key for key, task in self._running.items() if task.done()]:
            moved = _outcome(self._running.pop(key)) or moved
        return moved

    def abandon(self) -> None:
        """Leave all of them."""
        for task in self._running.values():
            task.cancel()
        self._running.clear()


def _outcome(task: asyncio.Task[bool]) -> bool:
    try:
        return task.result()
    except RootUnavailable:
        return False  # found again with the next step
