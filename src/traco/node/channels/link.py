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
from typing import Final, Protocol

from traco.kernel.codec import Codec, encode
from traco.kernel.errors import LedgerError
from traco.node.channels.requests import Answer, Request

SOCKET_FILE: Final = "channels.sock"
MOST_BYTES: Final = 16_777_216
ANSWER_S: Final = 30.0
_HEAD: Final = struct.Struct(">I")


_REQUEST: Final[Codec[Request]] = Codec(Request)
_ANSWER: Final[Codec[Answer]] = Codec(Answer)


class ChannelsAway(LedgerError):
    """The channels' process does not answer: it is not meant to run, starts, or has failed."""


class Answering(Protocol):
    """The other side's work."""

    async def answer(self, request: Request) -> Answer:
        """The answer to one request."""


class ChannelsEnd:
    """The API's side."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def ask(self, request: Request, seconds: float = ANSWER_S) -> Answer:
        """The answer within so many seconds. Raises ``ChannelsAway``."""
        try:
            async with asyncio.timeout(seconds):
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
        try:
            with suppress(OSError, EOFError):
                await _write(writer, encode(await desk.answer(_REQUEST.decode(await _read(reader)))))
        finally:
            writer.close()  # also where the process ends before there is an answer

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
