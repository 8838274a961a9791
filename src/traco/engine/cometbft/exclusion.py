"""One engine per validator key on a machine: two that sign with one key would break the network's safety.

The lock is a name in the system's table of local sockets, not a file: it is the same for all users and services of the machine
whatever folders they see, and it is gone when the last process that holds it ends, however that ends. The engine inherits it,
so that it outlives a ledger process that was killed as long as the engine does. Two machines are not kept apart by it, nor
are containers with a network of their own.
"""

import asyncio
import errno
import socket
from typing import Final

from traco.engine.cometbft.errors import EngineError, KeyInUse

PATIENCE_SECONDS: Final = 5.0
"""How long an engine is waited for whose ledger process has just been killed."""
POLL_SECONDS: Final = 0.05


class ValidatorLock:
    """Holds a validator's address until ``release``."""

    def __init__(self, address: bytes) -> None:
        """Take it. Raises ``KeyInUse``; ``EngineError`` where the system has no such names."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.bind(b"\0traco/validator/" + address.hex().encode())
        except OSError as error:
            self._socket.close()
            if error.errno == errno.EADDRINUSE:
                raise KeyInUse(
                    "engine.key_in_use",
                    f"another engine on this machine signs with the validator key {address.hex()}. Two engines with one key sign "
                    "contradicting blocks: stop the other one, and use one copy of the node's folder only",
                ) from None
            raise EngineError(
                "engine.platform", f"this system has no abstract local sockets ({error.strerror}); engines run on Linux"
            ) from None  # fmt: skip

    def fileno(self) -> int:
        """The descriptor that the engine inherits."""
        return self._socket.fileno()

    def release(self) -> None:
        """Let go of it; once is enough. The name stays taken while an engine lives that inherited it."""
        self._socket.close()


async def lock_validator(address: bytes) -> ValidatorLock:
    """Take the lock; waits a moment for an engine that is about to end. Raises ``KeyInUse``, ``EngineError``."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while True:
        try:
            return ValidatorLock(address)
        except KeyInUse:
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(POLL_SECONDS)
