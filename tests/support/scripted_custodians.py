"""A transport whose custodians do what a test says: answer, refuse, lie, fail, or take long. Time is virtual."""

import asyncio
from collections.abc import Callable, Mapping

from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import Answer, Refusal, Request

Act = Callable[[Request], Answer]


class Slow:
    """Acts after some seconds."""

    def __init__(self, seconds: float, act: Act) -> None:
        self.seconds = seconds
        self.act = act


class Custodians:
    """``script``: what each member does at its first call, its second and so on; the last is repeated."""

    def __init__(self, script: Mapping[bytes, list[Act | Slow]]) -> None:
        self._script = {member: list(acts) for member, acts in script.items()}
        self.calls = list[tuple[bytes, float]]()
        self.running = 0
        self.most = 0
        self.left = list[bytes]()

    async def call(self, member: bytes, request: Request) -> Answer:
        """Act as scripted."""
        self.calls.append((member, asyncio.get_running_loop().time()))
        acts = self._script[member]
        act = acts.pop(0) if len(acts) > 1 else acts[0]
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if isinstance(act, Slow):
                await asyncio.sleep(act.seconds)
                return act.act(request)
            await asyncio.sleep(0)
            return act(request)
        except asyncio.CancelledError:
            self.left.append(member)
            raise
        finally:
            self.running -= 1

    def asked(self) -> list[bytes]:
        """The members, in the order of the calls."""
        return [member for member, _ in self.calls]


def refusing(code: str) -> Act:
    """Refuses."""
    return lambda _request: Refusal(code)


def unreachable(_request: Request) -> Answer:
    """Cannot be reached."""
    raise TransportFailed("custody.unreachable", "connection refused")
