"""Connections of load clients: HTTP/1.1 with the least work, so that the node is measured and not its clients."""

import asyncio
from typing import Final, NamedTuple, Self

OCTETS: Final = "application/octet-stream"
JSON: Final = "application/json"
MAX_ANSWER: Final = 2**24


class Answer(NamedTuple):
    """What came back."""

    status: int
    content: bytes


class Connection:
    """One connection that is kept open; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, headers: bytes) -> None:
        self._reader, self._writer, self._headers = reader, writer, headers

    @classmethod
    async def open(cls, port: int, token: str = "") -> Self:
        """Connect to a node on the loopback address, as whoever made the token."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=MAX_ANSWER)
        access = f"Authorization: Bearer {token}\r\n" if token else ""
        return cls(reader, writer, f"Host: 127.0.0.1:{port}\r\n{access}\r\n".encode())

    async def post(self, path: str, content: bytes, kind: str = OCTETS) -> Answer:
        """Send a body and read the whole answer."""
        head = f"POST {path} HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n".encode()
        return await self._exchange(head, content)

    async def get(self, path: str) -> Answer:
        """Ask, and read the whole answer."""
        return await self._exchange(f"GET {path} HTTP/1.1\r\n".encode(), b"")

    async def _exchange(self, head: bytes, content: bytes) -> Answer:
        self._writer.write(head + self._headers + content)
        await self._writer.drain()
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status = int(answer[9:12])
        for line in answer.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                return Answer(status, await self._reader.readexactly(int(value)))
        raise RuntimeError(f"an answer without a length: {answer!r}")

    async def close(self) -> None:
        """Close it."""
        self._writer.close()
        await self._writer.wait_closed()
