"""What a seat's process says to one of its executors, and hears: records of the kernel's codec behind their length, in order, over a
socket that only these two have. What comes from others is inside as bytes.
"""

import struct
from collections.abc import Mapping
from typing import Final

from traco.channels.executing.errors import BeyondHorizon, ExecutingError, GenerationStale
from traco.channels.executing.points import Content, Nothing, Point
from traco.channels.executing.replica import ExecutedPoint
from traco.channels.seat.book import StoredPoint
from traco.kernel.codec import Codec, Record, TimeMs, encode
from traco.kernel.errors import Halt
from traco.modules.channel.parts import ChannelId, Number
from traco.node.configuration import LogConfig

HEAD: Final = struct.Struct(">I")  # the length of what follows


class Begin(Record, frozen=True):
    """The first thing an executor hears, which it does not answer: whose it is. ``parent``: the seats' process."""

    parent: int
    directory: str
    log: LogConfig


class Given(Record, frozen=True):
    """The content of an entry: its transactions, or that there are none, and why."""

    number: Number
    transactions: tuple[bytes, ...]
    code: str


class Execute(Record, frozen=True, tag="execute"):
    """Execute a point of a channel, behind those that were committed. Answer: ``Executed``, ``Failed``."""

    channel: ChannelId
    point: StoredPoint
    contents: tuple[Given, ...]


class Commit(Record, frozen=True, tag="commit"):
    """Make the point durable that was executed last. Answer: ``Done``."""

    channel: ChannelId


class Close(Record, frozen=True, tag="close"):
    """Close a channel's file. Answer: ``Done``."""

    channel: ChannelId


class Executed(Record, frozen=True, tag="executed"):
    """What executing gave. Nothing of it is durable."""

    executed: ExecutedPoint
    due_ms: TimeMs | None


class Done(Record, frozen=True, tag="done"):
    """It is done."""


class Failed(Record, frozen=True, tag="failed"):
    """The point cannot be executed now: the error's code, its words, and its numbers where somebody acts by them."""

    code: str
    text: str
    numbers: tuple[int, ...]


class Stopped(Record, frozen=True, tag="stopped"):
    """This node cannot be relied on any more (``Halt``); the words say why."""

    text: str


Request = Execute | Commit | Close
Answer = Executed | Done | Failed | Stopped

BEGIN: Final[Codec[Begin]] = Codec(Begin)
REQUEST: Final[Codec[Request]] = Codec(Request)
ANSWER: Final[Codec[Answer]] = Codec(Answer)


def framed(message: Begin | Request | Answer) -> bytes:
    """A message as it is sent."""
    content = encode(message)
    return HEAD.pack(len(content)) + content


def asked(channel: bytes, point: Point, contents: Mapping[int, Content]) -> Execute:
    """The request to execute a point."""
    stored = StoredPoint(point.context, point.first, point.entries, point.chain)
    given = (
        Given(number, (), content.code) if isinstance(content, Nothing) else Given(number, content, "")
        for number, content in contents.items()
    )
    return Execute(channel, stored, tuple(given))


def given(request: Execute) -> tuple[Point, dict[int, Content]]:
    """The point to execute, and its contents."""
    stored = request.point
    point = Point(stored.context, stored.first, stored.entries, stored.chain)
    contents: dict[int, Content] = {
        each.number: Nothing(each.code) if each.code else each.transactions for each in request.contents
    }
    return point, contents


def failed(error: ExecutingError) -> Failed:
    """What is said of an error."""
    numbers: tuple[int, ...] = ()
    if isinstance(error, GenerationStale):
        numbers = (error.number,)
    elif isinstance(error, BeyondHorizon):
        numbers = (error.height, error.needed, error.horizon)
    return Failed(error.code, str(error).removeprefix(f"{error.code}: "), numbers)


def require_done(channel: bytes, answer: Answer) -> Executed | None:
    """What executing gave, or None where something else was asked for. Raises what the executor said: ``ExecutingError``, ``Halt``."""
    if isinstance(answer, Stopped):
        raise Halt(answer.text)
    if isinstance(answer, Failed):
        # those by which somebody acts come back as what they were
        if answer.code == GENERATION_STALE:
            raise GenerationStale(channel, *answer.numbers)
        if answer.code == BEYOND_HORIZON:
            raise BeyondHorizon(*answer.numbers)
        raise ExecutingError(answer.code, answer.text)
    return answer if isinstance(answer, Executed) else None


GENERATION_STALE: Final = "executing.generation"
BEYOND_HORIZON: Final = "executing.beyond_horizon"
