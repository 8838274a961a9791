"""What the API asks the channels' process, over a unix socket in the node's directory: one request for each connection.

The directory is its user's alone, so nobody else reaches the socket. Its path may be longer than a socket's name may be;
therefore both sides name it by way of an open directory.
"""

import asyncio
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final, Protocol

import msgspec

from traco.kernel.codec import Codec, Count, Hash, Id, Record, encode
from traco.kernel.errors import Failure, LedgerError
from traco.modules.channel.digests import OutcomeProof, PointSummary
from traco.modules.channel.parts import ChannelId, Epoch, EpochKey

SOCKET_FILE: Final = "channels.sock"
MOST_BYTES: Final = 16_777_216
ANSWER_S: Final = 30.0
_HEAD: Final = struct.Struct(">I")


class Post(Record, frozen=True, tag="post"):
    """Take transactions of a channel in, for which ``member`` answers."""

    channel: ChannelId
    member: Id
    transactions: tuple[bytes, ...]


class Posted(Record, frozen=True, tag="posted"):
    """The answer: the id of each, and why it was not taken, if it was not. The others are durable."""

    results: tuple[tuple[bytes, Failure | None], ...]


class StandingOf(Record, frozen=True, tag="standing_of"):
    """How far a transaction of a channel has come."""

    channel: ChannelId
    identity: Hash


class StandingIs(Record, frozen=True, tag="standing"):
    """The answer: as ``seat.agent.Standing``. ``ordinal`` and ``leaf`` are -1 before it was executed; no name: it is unknown."""

    name: str
    ordinal: int
    leaf: int
    failure: Failure | None
    code: str


class ProofOf(Record, frozen=True, tag="proof_of"):
    """What shows somebody outside what became of a transaction of a channel."""

    channel: ChannelId
    identity: Hash


class ProofIs(Record, frozen=True, tag="proof"):
    """The answer: as ``seat.hosting.Proven``; ``origin`` is the root's transaction that confirmed the last of the points."""

    transaction: bytes
    receipt: bytes
    proof: OutcomeProof
    points: tuple[PointSummary, ...]
    origin: Hash


class ConditionsOf(Record, frozen=True, tag="conditions_of"):
    """What holds up channels here."""

    channels: tuple[ChannelId, ...]


class Condition(Record, frozen=True):
    """Of one channel: up to which point it was read from the root, and what holds it up; empty where nothing does."""

    noted: Count
    code: str
    text: str


class Conditions(Record, frozen=True, tag="conditions"):
    """The answer, in the order of the request."""

    channels: tuple[Condition, ...]


class MakeKey(Record, frozen=True, tag="make_key"):
    """Make the key of an epoch that ``member`` is about to offer to ``members``."""

    channel: ChannelId
    epoch: Epoch
    member: Id
    members: tuple[Id, ...]


class KeyMade(Record, frozen=True, tag="key_made"):
    """The answer: what the offer says of the key."""

    key: EpochKey


class OffersTo(Record, frozen=True, tag="offers_to"):
    """The offers of epochs that wait for these members of this node."""

    members: tuple[Id, ...]


class Offered(Record, frozen=True):
    """An offer, and whether the member can accept it: ``ready``, ``waiting``, or ``wrong`` with a code."""

    channel: ChannelId
    epoch: Epoch
    member: Id
    status: str
    code: str
    offer: Hash


class OffersAre(Record, frozen=True, tag="offers"):
    """The answer."""

    offers: tuple[Offered, ...]


class Denied(Record, frozen=True, tag="denied"):
    """The answer to what is not done: why."""

    code: Annotated[str, msgspec.Meta(min_length=1)]
    text: str


Request = Post | StandingOf | ProofOf | ConditionsOf | MakeKey | OffersTo
Answer = Posted | StandingIs | ProofIs | Conditions | KeyMade | OffersAre | Denied

_REQUEST: Final[Codec[Request]] = Codec(Request)
_ANSWER: Final[Codec[Answer]] = Codec(Answer)


class ChannelsAway(LedgerError):
    """The channels' process does not answer: it is not meant to run, starts, or has failed."""


class Answering(Protocol):
    """The other side's work."""

    def answer(self, request: Request) -> Answer:
        """The answer to one request."""


class ChannelsEnd:
    """The API's side."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def ask(self, request: Request) -> Answer:
        """The answer. Raises ``ChannelsAway``."""
        try:
            async with asyncio.timeout(ANSWER_S):
                with _socket_path(self._directory) as path:
                    reader, writer = await asyncio.open_unix_connection(path)
                try:
                    await _write(writer, encode(request))
                    return _ANSWER.decode(await _read(reader))
                finally:
                    writer.close()
                    with suppress(OSError):
                        await writer.wait_closed()
        except (OSError, EOFError, TimeoutError) as error:
            raise ChannelsAway(
                f"the channels' process does not answer ({type(error).__name__}); node.log says why"
            ) from None


async def serve_requests(directory: Path, desk: Answering) -> asyncio.Server:
    """Answer at the socket until the server is closed. Raises ``OSError``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            await _write(writer, encode(desk.answer(_REQUEST.decode(await _read(reader)))))
        writer.close()

    with _socket_path(directory) as path:
        server = await asyncio.start_unix_server(serve, path)
    (directory / SOCKET_FILE).chmod(0o600)
    return server


@contextmanager
def _socket_path(directory: Path) -> Iterator[str]:
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET_FILE}"
    finally:
        os.close(descriptor)


async def _read(reader: asyncio.StreamReader) -> bytes:
    (size,) = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if size > MOST_BYTES:
        raise EOFError("more than anybody sends")
    return await reader.readexactly(size)


async def _write(writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(_HEAD.pack(len(content)) + content)
    await writer.drain()
