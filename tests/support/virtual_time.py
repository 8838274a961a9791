"""An event loop whose clock is not the machine's: when nothing else is to do, time jumps to the next timer.

So what waits for seconds is tested without waiting, and in the same order on every run. Nothing outside the loop can be
waited for: where no timer is left and tasks still wait, they would wait for ever, and the loop says so.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class WaitsForEver(RuntimeError):
    """Tasks wait for something that cannot happen any more."""


class _Selector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if not found and timeout is None:
            raise WaitsForEver
        if not found and timeout is not None:
            self.now += max(0.0, timeout)
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` from second 0 on; ``asyncio.get_running_loop().time()`` is how far it has come."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
