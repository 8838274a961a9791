"""uvicorn's server, as the processes beside the ledger run it."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import uvicorn


class OwnServer(uvicorn.Server):
    """A server that leaves signals alone, ends when ``should_exit`` is set, and waits briefly only for TLS to begin."""

    handshake_seconds: ClassVar[float] = 10.0

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. uvicorn cannot say how long a handshake may take; connections without one count in none of its limits."""
        if self.config.ssl is None:
            await super().startup(sockets)
            return
        loop: Any = asyncio.get_running_loop()
        loop.create_server = partial(loop.create_server, ssl_handshake_timeout=self.handshake_seconds)
        try:
            await super().startup(sockets)
        finally:
            del loop.create_server  # the class's own again

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """No signal handlers: the ledger process stops this one, after it has stopped itself."""
        yield
