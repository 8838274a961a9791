"""HTTP to one node, or to several of one network: problem documents become errors, and what got no answer is asked again.

Asking again is safe: reads change nothing, and a transaction's id makes it count once however often it is sent. Only
what may not be repeated (the fingerprint service counts requests) is sent once. Between attempts there are pauses, longer
each time and never the same for two clients, so that many do not come back at one moment; a node that says when to come
back (429, 503 with Retry-After) is believed. Where several gateways are known, each is tried before there is a pause.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from math import inf
from random import SystemRandom
from typing import Any, Final, NamedTuple

import msgspec

from traco.client.gateways import Gateways
from traco.client.results import (
    AccessDenied,
    ClientError,
    NodeProblem,
    NodeUnreachable,
    StrangeAnswer,
    TimedOut,
    problem_of_status,
)
from traco.client.wire import Answer, NoAnswer, Received, Stream, Wire

ANSWER_SECONDS: Final = 60.0
PAUSES_SECONDS: Final = (0.1, 0.3, 1.0, 2.0)
"""Waits between attempts: enough for a node's interface to be started again by its supervisor."""

JITTER: Final = 0.5
"""A pause is as long as said, or up to this part of it longer or shorter."""

_PASSING: Final = frozenset({429, 502, 503, 504})  # the node or what stands before it will be able to answer
_NOT_FIELDS: Final = frozenset({"type", "title", "status"})
_CHANCE: Final = SystemRandom()


class Deadline(NamedTuple):
    """Until when a call may take, by the wire's clock, and how many seconds that were at its beginning."""

    at: float = inf
    seconds: float = inf


NEVER: Final = Deadline()

Credential = Callable[[str, bool, Deadline], Awaitable[str]]
"""Gives an access token for the gateway at an address, or nothing; True: what the last request had did not hold."""

Enter = Callable[[str, Deadline], Awaitable[None]]
"""Looks at a gateway before it is asked for the first time; raises where it must not be."""


class Patience(NamedTuple):
    """How long a client goes on asking.

    ``pauses`` in seconds: one attempt more than there are pauses. ``answer_seconds``: what an attempt may take.
    ``longest_wait``: a node that wants to be asked again later than this many seconds is not waited for.
    """

    pauses: tuple[float, ...] = PAUSES_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    longest_wait: float = 30.0


class Request:
    """One thing to ask, by as many attempts as it takes.

    ``accept``: statuses that are answers too. ``once``: not to be repeated. ``is_open``: needs no access token.
    ``deadline`` is for all attempts. ``at``: by this gateway alone. Afterwards ``is_in_doubt`` says whether an attempt without
    an answer may have been carried out (``doubted``: at which gateways), and ``url`` which gateway was asked last.
    """

    def __init__(
        self, method: str, path: str, content: bytes | None = None, *, kind: str = "application/json",
        accept: tuple[int, ...] = (), once: bool = False, is_open: bool = False, deadline: Deadline = NEVER, at: str = "",
    ) -> None:  # fmt: skip
        self.method, self.path, self.content = method, path, content
        self.headers: Mapping[str, str] = {} if content is None else {"content-type": kind}
        self.accept, self.once, self.is_open, self.deadline = accept, once, is_open, deadline
        self.at, self.url = at, at
        self.doubted: set[str] = set()

    @property
    def is_in_doubt(self) -> bool:
        """Whether an attempt without an answer may have been carried out."""
        return bool(self.doubted)


class Transport:
    """Requests to gateways of one network, over a wire."""

    def __init__(self, urls: str | Sequence[str], wire: Wire, patience: Patience) -> None:
        self.gateways = Gateways(urls)
        self.wire = wire
        self.patience = patience
        self.credential: Credential | None = None
        self.enter: Enter | None = None

    @property
    def url(self) -> str:
        """The gateway that is asked now."""
        return self.gateways.current

    def deadline(self, timeout: float | None) -> Deadline:
        """So many seconds from now; None: never."""
        return NEVER if timeout is None else Deadline(self.wire.now() + timeout, timeout)

    async def get(
        self, path: str, deadline: Deadline = NEVER, *, is_open: bool = False, at: str = ""
    ) -> bytes:
        """What a path answers to a read. Raises ``NodeUnreachable``, ``NodeProblem``, ``ClientClosed``."""
        return (await self.ask(Request("GET", path, is_open=is_open, deadline=deadline, at=at))).content

    async def ask(self, request: Request) -> Answer:
        """The answer to a request. Raises ``NodeUnreachable``, ``NodeProblem``, ``ClientClosed``."""
        for pause in () if request.once else self.patience.pauses:
            try:
                return await self._round(request)
            except (NodeUnreachable, NodeProblem) as error:
                seconds = self._wait(error, pause)
                if seconds is None:
                    raise
                if self.wire.now() + seconds >= request.deadline.at:
                    raise self._timed_out(request, error) from None
                await self.wire.sleep(seconds)
        return await self._round(request)

    async def _round(self, request: Request) -> Answer:
        """One attempt; where it fails for reasons that others need not have, one at each of the other gateways."""
        left = 1 if request.at or request.once else len(self.gateways.usable)
        while True:
            request.url = request.at or self.gateways.current
            try:
                return await self._once(request)
            except (NodeUnreachable, NodeProblem) as error:
                left -= 1
                if left == 0 or not is_passing(error) or not self.gateways.advance(request.url):
                    raise

    def _wait(self, error: ClientError, pause: float) -> float | None:
        """How long to wait before the next attempt; None where there shall be none."""
        if isinstance(error, TimedOut):
            return None
        asked = 0.0
        if isinstance(error, NodeProblem):
            asked = error.retry_after or 0.0
            if error.status not in _PASSING or asked > self.patience.longest_wait:
                return None
        # never sooner than asked for, and not all at the same moment
        return max(asked, pause * (1 - JITTER)) + _CHANCE.uniform(0, 2 * JITTER * pause)

    def pause_after(self, error: ClientError, failures: int, longest: float) -> float | None:
        """As between attempts, for somebody who goes on asking; None where it is of no use, or patience has no pauses."""
        pauses = self.patience.pauses
        if not pauses:
            return None
        doubled = pauses[-1] * 2.0 ** min(failures - len(pauses) + 1, 32)
        return self._wait(error, pauses[failures] if failures < len(pauses) else min(longest, doubled))

    async def _once(self, request: Request) -> Answer:
        """One attempt, or two where the access token had to be renewed."""
        if self.enter is not None and not request.is_open:
            await self.enter(request.url, request.deadline)
        answer = await self._send(request, renew=False)
        problem = self._problem(request, answer)
        if isinstance(problem, AccessDenied) and self._is_renewable(request):
            answer = await self._send(request, renew=True)
            problem = self._problem(request, answer)
        if problem is None:
            return answer
        raise problem

    def _is_renewable(self, request: Request) -> bool:
        return self.credential is not None and not request.is_open

    async def _send(self, request: Request, *, renew: bool) -> Answer:
        url = request.url
        proof = {} if request.is_open else await self._proof(url, renew, request.deadline)
        seconds = min(self.patience.answer_seconds, request.deadline.at - self.wire.now())
        if seconds <= 0:
            raise self._timed_out(request, None)
        headers = {**request.headers, **proof}
        try:
            return await self.wire.request(
                request.method, url + request.path, request.content, headers, seconds
            )
        except NoAnswer as error:
            if error.may_have_arrived:
                request.doubted.add(url)
            if self.wire.now() >= request.deadline.at:
                raise TimedOut(url, request.deadline.seconds, error.reason) from None
            raise NodeUnreachable(url, error.reason) from None

    async def _proof(self, url: str, renew: bool, deadline: Deadline) -> dict[str, str]:
        """The header that says who asks; none where nobody has to."""
        if self.credential is None:
            return {}
        token = await self.credential(url, renew, deadline)
        return {"authorization": f"Bearer {token}"} if token else {}

    async def stream(self, path: str, headers: Mapping[str, str], idle_seconds: float) -> Stream:
        """The answer to a GET as it comes; one attempt at the gateway that is asked now. Raises as ``get``."""
        url = self.url
        stream = await self._opened(url, path, headers, idle_seconds, renew=False)
        if stream.status == 401 and self.credential is not None:
            await stream.close()
            stream = await self._opened(url, path, headers, idle_seconds, renew=True)
        if stream.status == 200:
            return stream
        received = Received()
        try:
            while chunk := await stream.read():
                received.add(chunk)
        except NoAnswer as error:
            raise NodeUnreachable(url, error.reason) from None
        finally:
            await stream.close()
        raise problem_in(Answer(stream.status, stream.headers, received.whole()))

    async def _opened(
        self, url: str, path: str, headers: Mapping[str, str], idle_seconds: float, *, renew: bool
    ) -> Stream:
        proof = await self._proof(url, renew, NEVER)
        try:
            return await self.wire.stream(url + path, {**headers, **proof}, idle_seconds)
        except NoAnswer as error:
            raise NodeUnreachable(url, error.reason) from None

    def _problem(self, request: Request, answer: Answer) -> NodeProblem | None:
        if 200 <= answer.status < 300 or answer.status in request.accept:
            return None
        # a node that failed, or lost its ledger while it waited for it, may have passed the request on before
        if answer.status >= 500:
            request.doubted.add(request.url)
        return problem_in(answer)

    def _timed_out(self, request: Request, error: ClientError | None) -> TimedOut:
        reason = "no time was left" if error is None else error.detail
        if isinstance(error, NodeUnreachable):
            reason = error.reason
        return TimedOut(request.url, request.deadline.seconds, reason)


def is_passing(error: ClientError) -> bool:
    """Whether another gateway of the network may answer what this one did not."""
    if isinstance(error, NodeProblem):
        return error.status in _PASSING
    return isinstance(error, NodeUnreachable) and not isinstance(error, TimedOut)


def problem_in(answer: Answer) -> NodeProblem:
    """The error that an answer with an error status stands for."""
    try:
        document: Any = msgspec.json.decode(answer.content)
        code, detail = str(document.pop("code")), str(document.pop("detail"))
        if advice := document.pop("advice", ""):
            detail = f"{detail.rstrip('.')}. {advice}"
    except (ValueError, AttributeError, KeyError, TypeError):
        if answer.status in _PASSING:  # something before the node said it
            detail = "What stands before the node cannot reach it, or limits requests. Ask again later."
            code, document = f"http.{answer.status}", {}
        else:
            return StrangeAnswer(answer.status, f"http.{answer.status}")
    fields = {name: value for name, value in document.items() if name not in _NOT_FIELDS}
    return problem_of_status(answer.status, code, detail, fields, _retry_after(answer))


def _retry_after(answer: Answer) -> float | None:
    """The seconds that the node asks for. Its other form, a date, would need clocks that agree: Traco sends none."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def decoded(content: bytes) -> Any:
    """The value of JSON. Raises ``StrangeAnswer``."""
    try:
        return msgspec.json.decode(content)
    except ValueError:
        raise StrangeAnswer from None
