"""Clients that connect and then say nothing: over TLS, before any request and therefore before any limit of requests."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest
from uvicorn import Config

from support.certificates import make_certificate, trusting
from traco.node.api.patience import PatientProtocol
from traco.node.api.serving import OwnServer
from traco.node.api.tls import Certificate
from traco.node.supervisor import listening_socket

LONGEST = 20.0  # of the test, not of what it measures


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Served:
    """A server with TLS for as long as the context lasts."""

    def __init__(self, directory: Path) -> None:
        self.chain, key = make_certificate(directory)
        certificate = Certificate(self.chain, key, ("localhost",))
        config = Config(
            answer, log_config=None, lifespan="off", ws="none", http=PatientProtocol,
            ssl_context_factory=lambda _config, _make: certificate.context(),
        )  # fmt: skip
        self.listener: socket.socket = listening_socket("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self._server = OwnServer(config)

    async def __aenter__(self) -> "Served":
        self._serving = asyncio.create_task(self._server.serve(sockets=[self.listener]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._serving


def test_a_connection_without_a_handshake_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnServer, "handshake_seconds", 0.1)

    async def silent() -> bytes:
        async with asyncio.timeout(LONGEST), Served(tmp_path) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            try:
                return await reader.read()
            finally:
                writer.close()

    assert asyncio.run(silent()) == b""


def test_a_client_that_speaks_tls_is_answered(tmp_path: Path) -> None:
    async def asked() -> bytes:
        async with asyncio.timeout(LONGEST), Served(tmp_path) as served:
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", served.port, ssl=trusting(served.chain), server_hostname="localhost"
            )
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            try:
                return await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()

    assert asyncio.run(asked()).startswith(b"HTTP/1.1 204")
