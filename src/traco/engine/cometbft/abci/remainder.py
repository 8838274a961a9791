"""Reads the rest of a long frame in one call of the system, so that the engine can write it without a pause.

While a message of the engine does not fit into the socket, the engine burns a whole core: its timer of 20 ms is one of 20 ns
(decision 4). Read in the usual way, a long message needs the interpreter again for every 200 KB, and may wait for it each
time while a block is executed; the system needs nobody's leave.
"""

import os
import socket
import struct
from typing import Final

LONG_BYTES: Final = 16_384
"""A rest that is shorter than this fits into the socket."""

PATIENCE_MICROSECONDS: Final = 50_000
"""For an engine that is stopped in the middle of a message: other connections wait meanwhile."""


class RemainderReader:
    """A second handle of a connection's socket. To be used in the thread that reads and writes the connection."""

    def __init__(self, descriptor: int) -> None:
        """``descriptor`` stays its owner's."""
        self._socket = socket.socket(fileno=os.dup(descriptor))
        patience = struct.pack("@ll", 0, PATIENCE_MICROSECONDS)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)

    def read(self, size: int) -> bytes:
        """So many bytes; fewer where they do not come, or the connection has ended."""
        buffer = bytearray(size)
        os.set_blocking(self._socket.fileno(), True)
        try:
            count = self._socket.recv_into(buffer, size, socket.MSG_WAITALL)
        except OSError:
            return b""  # nothing came; whatever it is, whoever reads next is told
        finally:
            os.set_blocking(self._socket.fileno(), False)
        return bytes(memoryview(buffer)[:count])

    def close(self) -> None:
        """Close this handle."""
        self._socket.close()
