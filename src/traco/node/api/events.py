"""The stream of committed events: server-sent events with positions, resumable, each principal's own view.

    event: ledger       id: 12.3.0    data: {"position", "time_ms", "transaction", "event"}
    event: progress     id: 12.4.0    data: {"position"}      everything up to there was seen; at the start, then every 15 s
    event: end                        data: {"code", "detail"}    the node ends the stream; resume behind the last id

A reader that is slower than the ledger is served at its own pace: nothing is kept for it but a position. One that takes
nothing for long is ended.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, get
from litestar.response import Stream

from traco.client.forms import to_form
from traco.kernel.registry import tag_of
from traco.kernel.state import State
from traco.node.api.admission import Admits, admits_stream
from traco.node.api.authentication import Principals
from traco.node.api.event_fields import FIELDS, Kind
from traco.node.api.parameters import AfterPosition, LastEventId, OptionalId, TypePrefix
from traco.node.api.principals import Principal
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads
from traco.node.api.sight import Sight
from traco.node.link import LedgerGone
from traco.storage import ReadSnapshot
from traco.storage.committed import (
    BeforeSnapshot,
    CommittedEvent,
    Position,
    PositionInvalid,
    blocks_after,
    end_of,
    height_before,
    newest,
)

CHUNK: Final = 512  # events that are read at once
LOOKED: Final = 8_192  # events that are looked through at once, seen or not
CHUNK_BLOCKS: Final = 64  # blocks that are looked through at once
PROGRESS_SECONDS: Final = 15.0
SLOW_SECONDS: Final = 30.0  # for one chunk to be taken
MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}


class Heads:
    """The newest block, for all streams of the process: told by the ledger process, never asked for in a circle."""

    def __init__(self) -> None:
        self.height = -1
        self.ended = False
        self._changed = asyncio.Event()

    async def follow(self, next_block: Callable[[int], Awaitable[int]]) -> None:
        """Take in every new height until the ledger process ends. ``next_block``: as ``ApiEnd.next_block``."""
        with suppress(LedgerGone):
            while True:
                self._tell(await next_block(self.height))

    def stop(self) -> None:
        """End all streams."""
        self.ended = True
        self._tell(self.height)

    def _tell(self, height: int) -> None:
        self.height = height
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def beyond(self, height: int, seconds: float) -> bool:
        """Wait for a block above a height; whether there is one, or the streams end. False after ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.height <= height and not self.ended:
                    await self._changed.wait()
                return True
        return False


class Filter(NamedTuple):
    """Which of the events that a principal sees it wants."""

    prefix: str = ""
    party: bytes | None = None
    account: bytes | None = None

    def wants(self, event: Any, sight: Sight | None) -> bool:
        """Whether an event is wanted. ``sight`` is that of ``party``; without it the event must name the party itself."""
        if not tag_of(type(event)).startswith(self.prefix):
            return False
        if self.account is not None and not _names(event, Kind.ACCOUNT, self.account):
            return False
        if sight is None:
            return self.party is None or _names(event, Kind.PARTY, self.party)
        return sight.sees_event(event)


class Chunk(NamedTuple):
    """Messages to send, the position behind all that was looked at, and whether there is more already."""

    messages: bytes
    position: Position
    height: int
    more: bool


def events_route(reads: Reads, principals: Principals, heads: Heads) -> Any:
    """The route of the stream."""

    @get(
        "/v1/events", opt=admits_stream(Admits.PRINCIPAL), operation_id="streamEvents", media_type=MEDIA_TYPE,
        summary="Committed events as a stream of server-sent events, resumable behind any position",
    )  # fmt: skip
    async def events(
        request: Request[Any, Any, Any], after: AfterPosition = "", type_prefix: TypePrefix = "",
        party: OptionalId = None, account: OptionalId = None, last_event_id: LastEventId = "",
    ) -> Stream:  # fmt: skip
        wanted = Filter(type_prefix, _identity(party), _identity(account))
        start = _start(reads, last_event_id or after)
        authorization = request.headers.getall("authorization", [])

        def again() -> Principal:
            return principals.of(authorization)

        return Stream(stream(reads, heads, again, start, wanted), media_type=MEDIA_TYPE, headers=HEADERS)

    return events


async def stream(
    reads: Reads, heads: Heads, principal: Callable[[], Principal], position: Position, wanted: Filter
) -> AsyncIterator[bytes]:
    """What a stream sends. The principal is looked at again before each chunk: its key may be gone by then."""
    clock = asyncio.get_running_loop().time
    yield _progress(position)
    height = -1
    while not heads.ended:
        try:
            chunk = await asyncio.to_thread(_read, reads, principal(), position, wanted)
        except Problem as problem:
            yield _end(problem.code, problem.detail)
            return
        height, position = chunk.height, chunk.position
        if chunk.messages:
            begun = clock()
            yield chunk.messages
            if clock() - begun > SLOW_SECONDS:
                yield _end("stream.slow", "the reader took too long; resume behind the last id")
                return
        if not chunk.more and not await heads.beyond(height, PROGRESS_SECONDS):
            yield _progress(position)
    yield _end("node.stopping", "the node is stopping; resume behind the last id when it is up")


def _read(reads: Reads, principal: Principal, after: Position, wanted: Filter) -> Chunk:
    """The next events behind a position, as far as they are seen and wanted."""
    parts: list[bytes] = []
    position, looked = after, 0
    with reads.snapshot() as snapshot:
        view, sight = reads.view(snapshot, principal), _sight(reads, snapshot, principal, wanted.party)
        log = reads.log(snapshot)
        for number, block in enumerate(blocks_after(snapshot, _above(snapshot, after))):
            for each in log.events(block, after):
                if len(parts) >= CHUNK or looked >= LOOKED:
                    return Chunk(b"".join(parts) or _progress(position), position, snapshot.height, True)
                position, looked = each.position, looked + 1
                if wanted.wants(each.event, sight) and view.sees_event(each.leaf, each.event):
                    parts.append(_ledger(each))
            position = max(after, end_of(block))
            if number >= CHUNK_BLOCKS and block.height < snapshot.height:
                return Chunk(b"".join(parts) or _progress(position), position, snapshot.height, True)
        return Chunk(b"".join(parts), position, snapshot.height, False)


def _sight(reads: Reads, snapshot: ReadSnapshot, principal: Principal, party: bytes | None) -> Sight | None:
    """What a filter's party sees. Not for other parties: whom else an event concerns would tell whose accounts and bids are."""
    if party is None or not (principal.reads_everything or party == principal.party):
        return None
    if reads.concerns is None:
        raise ValueError("nothing is known of what concerns a party")
    reads.concerns.require(snapshot)
    return Sight(party, reads.registry, State(snapshot), reads.concerns)


def _names(event: Any, kind: Kind, identity: bytes) -> bool:
    named: Iterator[Any] = (
        getattr(event, name) for name in event.__struct_fields__ if FIELDS.get(name) is kind
    )
    return any(value == identity for value in named)


def _identity(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text)


def _start(reads: Reads, text: str) -> Position:
    """Behind which position a stream begins; without one, behind the newest block. Raises ``Problem``."""
    with reads.snapshot() as snapshot:
        if text:
            try:
                position = Position.parse(text)
            except PositionInvalid as error:
                raise Problem(400, "request.invalid", str(error)) from None
            if position.height > snapshot.height:
                raise Problem(
                    400, "stream.position_ahead", f"the last block is {snapshot.height}, the position is of a later one",
                    advice="The node was restored to an earlier state, or is another one: events behind the last block that both "
                    "have may differ. Compare with a receipt before going on.",
                )  # fmt: skip
            _above(snapshot, position)
            return position
        return newest(snapshot)


def _above(snapshot: ReadSnapshot, after: Position) -> int:
    """The height above which a stream goes on behind a position. Raises ``Problem`` where events would be left out."""
    try:
        return height_before(snapshot, after)
    except BeforeSnapshot as error:
        advice = "Resume at a gateway that has the blocks, or begin anew."
        raise Problem(400, "stream.before_snapshot", error.detail, advice=advice) from None


def _message(kind: str, data: dict[str, Any], position: str = "") -> bytes:
    head = f"event: {kind}\n" + (f"id: {position}\n" if position else "")
    return head.encode() + b"data: " + msgspec.json.encode(data) + b"\n\n"


def _ledger(each: CommittedEvent) -> bytes:
    position = str(each.position)
    data = {
        "position": position, "time_ms": each.leaf.time_ms, "transaction": each.leaf.identity.hex(), "kind": each.leaf.kind.value,
        "event": to_form(each.event),
    }  # fmt: skip
    return _message("ledger", data, position)


def _progress(position: Position) -> bytes:
    return _message("progress", {"position": str(position)}, str(position))


def _end(code: str, detail: str) -> bytes:
    return _message("end", {"code": code, "detail": detail})
