"""The stream of committed events: server-sent events (WHATWG HTML, 9.2) of ``GET /v1/events``, resumed by position.

    with client.events(after=position, type="holding.") as events:
        for event in events:
            print(event.event["type"], event.transaction.hex())
            keep(event.position)  # where it survives; from there it goes on

A position is ``height.leaf.event``. Each event comes once and in order, however often the connection breaks in between:
the stream goes on behind the last position it knows. It ends only when the caller closes it, or with an error.
"""

import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlencode

import msgspec

from traco.client.gateways import ForkDetected, GatewayFault
from traco.client.node_session import NodeSession
from traco.client.results import ClientError, NodeProblem, NodeUnreachable, StrangeAnswer
from traco.client.transport import NEVER, is_passing
from traco.client.wire import NoAnswer, Stream

PATH: Final = "/v1/events"
IDLE_SECONDS: Final = 45.0
"""Three times as long as a node is ever silent: then the connection is dead."""

OUTAGE_SECONDS: Final = 600.0
"""How long a stream tries to reach its node again, unless the caller says otherwise."""

BEHIND: Final = "stream.position_ahead"
"""A node's word that it does not have the block of a position yet."""

MAX_MESSAGE_BYTES: Final = 4_194_304
LONGEST_PAUSE_SECONDS: Final = 10.0
HEADERS: Final = {"accept": "text/event-stream", "cache-control": "no-store"}
_POSITION: Final = re.compile(r"(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})\.(0|[1-9][0-9]{0,15})", re.ASCII)


class LedgerEvent(NamedTuple):
    """A committed event: where it is, its block's time, the id of its transaction, and its form with a ``type``.

    ``kind`` is ``transaction``, or what else of the block had the event, such as an item that fell due. ``verified``: a
    receipt shows it, and not the gateway alone.
    """

    position: str
    time_ms: int
    transaction: bytes
    event: Mapping[str, Any]
    kind: str
    verified: bool = False


Check = Callable[[LedgerEvent, str], Awaitable[LedgerEvent]]
"""Looks at an event that the gateway at an address streamed. Raises ``GatewayFault``."""


class Message(NamedTuple):
    """A server-sent message."""

    event: str
    identity: str
    content: bytes


class Messages:
    """Takes the bytes of a stream apart, however they are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._event = ""
        self._identity = ""
        self._content: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that are complete now. Raises ``StrangeAnswer`` for one that never ends."""
        lines = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            message = self._line(line)
            if message is not None:
                yield message
        if len(self._rest) + self._size > MAX_MESSAGE_BYTES:
            raise StrangeAnswer

    def _line(self, line: bytes) -> Message | None:
        if not line:
            return self._complete()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._content.append(value)
            self._size += len(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name == b"id":
            self._identity = value.decode("utf-8", "replace")
        return None  # comments, and fields that are not known, have no effect

    def _complete(self) -> Message | None:
        event, content = self._event, self._content
        self._event, self._content, self._size = "", [], 0
        return Message(event or "message", self._identity, b"\n".join(content)) if content or event else None


class EventStream:
    """Asynchronous iteration over ``LedgerEvent``.

    ``position`` is how far it has seen everything, also where events did not match its filters: keep it to resume.
    """

    def __init__(
        self, node: NodeSession, filters: Mapping[str, str], after: str | None,
        outage_seconds: float = OUTAGE_SECONDS, check: Check | None = None,
    ) -> None:  # fmt: skip
        self._node = node
        self._check = check
        self._url = node.transport.url  # of the gateway that streams
        self._transport = node.transport
        self._filters = dict(filters)
        self._accepted = (-1, 0, 0) if after is None else parse_position(after)
        self.position = after
        self._outage_seconds = outage_seconds
        self._stream: Stream | None = None
        self._messages = Messages()
        self._waiting: deque[LedgerEvent | str] = (
            deque()
        )  # not given out yet; positions for progress behind them
        self._broken: NodeUnreachable | None = None
        self._heard = 0  # messages on this connection
        self._failures = 0
        self._silent_since: float | None = None
        self._is_closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> LedgerEvent:
        """The next event. Raises ``NodeProblem``; ``NodeUnreachable`` after an outage that is too long."""
        while True:
            while not self._waiting:
                if self._is_closed:
                    raise StopAsyncIteration
                await self._read()
            event = self._waiting[0]
            found = await self._looked_at(event) if isinstance(event, LedgerEvent) else None
            if not self._waiting or self._waiting[0] is not event:
                continue  # closed meanwhile, or begun again at another gateway
            self._waiting.popleft()
            if found is not None:
                self.position = found.position
                return found
            self.position = event if isinstance(event, str) else event.position

    async def _looked_at(self, event: LedgerEvent) -> LedgerEvent | None:
        """The event, checked where that is wanted; None where the stream begins again at another gateway."""
        if self._check is None:
            return event
        try:
            return await self._check(event, self._url)
        except GatewayFault as fault:
            if isinstance(fault, ForkDetected) or not self._transport.gateways.leave(fault):
                await self.close()
                raise
            await self._drop()
            self._waiting.clear()
            self._accepted = (-1, 0, 0) if self.position is None else parse_position(self.position)
            return None

    async def close(self) -> None:
        """End it; iteration stops."""
        self._is_closed = True
        self._waiting.clear()
        await self._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def _read(self) -> None:
        """Take the next bytes in; where there is no connection, make one."""
        try:
            if self._broken is not None:
                error, self._broken = self._broken, None
                raise error
            if self._stream is None:
                await self._node.status(NEVER)  # after an outage it may be a node of another network
                self._url = self._transport.url
                self._stream = await self._transport.stream(self._path(), HEADERS, IDLE_SECONDS)
                self._messages, self._heard = Messages(), 0
            self._take(await self._stream.read())
        except NoAnswer as error:
            await self._lost(NodeUnreachable(self._transport.url, error.reason))
        except StrangeAnswer:
            await self.close()
            raise
        except (NodeUnreachable, NodeProblem) as error:
            await self._lost(error)

    def _take(self, chunk: bytes) -> None:
        if not chunk:
            self._break("it ended the stream")
        for message in self._messages.feed(chunk):
            if message.event == "end":  # the node stops; it, or another, will be there again
                self._break("it stopped")
                return
            self._accept(message)

    def _break(self, reason: str) -> None:
        """The connection is of no more use; what has come by it is given out first."""
        self._broken = NodeUnreachable(self._transport.url, reason)

    def _accept(self, message: Message) -> None:
        """An event to be given out, or progress."""
        self._heard += 1
        if self._heard > 1:  # the first comes at once, also from a node that then ends every stream
            self._failures, self._silent_since = 0, None
        event = _event(message) if message.event == "ledger" else None
        if event is None and message.event != "progress":
            return
        try:
            position = parse_position(message.identity if event is None else event.position)
        except (ClientError, TypeError):  # not the form, or no text at all
            raise StrangeAnswer from None
        if position > self._accepted:
            self._accepted = position
            self._waiting.append(message.identity if event is None else event)

    async def _lost(self, error: NodeUnreachable | NodeProblem) -> None:
        """Wait before the next connection. Raises ``error`` where there shall be none."""
        await self._drop()
        now = self._transport.wire.now()
        self._silent_since = now if self._silent_since is None else self._silent_since
        pause = self._pause_after(error)
        self._failures += 1
        if pause is None or now + pause - self._silent_since > self._outage_seconds:
            await self.close()
            raise error
        await self._transport.wire.sleep(pause)

    def _pause_after(self, error: NodeUnreachable | NodeProblem) -> float | None:
        """How long to wait before the next connection; None where there shall be none.

        Where there are several gateways, each is tried before there is a pause; and one may be some blocks behind another.
        """
        gateways, failures = self._transport.gateways, self._failures
        several = len(gateways.usable)
        if several == 1:
            return self._transport.pause_after(error, failures, LONGEST_PAUSE_SECONDS)
        is_behind = isinstance(error, NodeProblem) and error.code == BEHIND
        if is_behind or is_passing(error):
            if gateways.advance(self._url) and (failures + 1) % several:
                return 0.0
            error = NodeUnreachable(self._url, error.code) if is_behind else error
        return self._transport.pause_after(error, failures // several, LONGEST_PAUSE_SECONDS)

    async def _drop(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.close()

    def _path(self) -> str:
        asked = dict(self._filters)
        if self.position is not None:
            asked["after"] = self.position
        return f"{PATH}?{urlencode(asked)}" if asked else PATH


def parse_position(text: str) -> tuple[int, int, int]:
    """Height, leaf and event of a position. Raises ``ClientError`` (``stream.position_invalid``)."""
    found = _POSITION.fullmatch(text)
    if found is None:
        detail = f"{text[:64]!r} is no position: it must be height.leaf.event, such as 12.3.0."
        raise ClientError("stream.position_invalid", detail)
    height, leaf, event = map(int, found.groups())
    return height, leaf, event


def _event(message: Message) -> LedgerEvent:
    try:
        form = msgspec.json.decode(message.content)
        return LedgerEvent(
            form["position"],
            form["time_ms"],
            bytes.fromhex(form["transaction"]),
            dict(form["event"]),
            form["kind"],
        )
    except (ValueError, KeyError, TypeError):
        raise StrangeAnswer from None
