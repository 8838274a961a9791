"""Writes a snapshot of a channel in a process of its own, of low priority, so that the channels' process goes on meanwhile.

``python -m traco.node.channels.writing`` takes the order from its standard input, and says what was wrong, or nothing. It gives up
when the process that wants the snapshot has ended.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Final

import msgspec

from traco.channels.seat.archive import Order, write_channel
from traco.kernel.errors import LedgerError
from traco.storage.copying.form import Terms

NICENESS: Final = 10
_MODULE: Final = "traco.node.channels.writing"


class Asked(msgspec.Struct, frozen=True):
    """What the process is given; ``parent`` is who wants it."""

    parent: int
    replica: str
    aside: str
    ordinal: int
    protocol: int
    window_ms: int
    folder: str


async def write_beside(order: Order) -> None:
    """Have a snapshot written. Raises ``OSError`` where that comes to nothing."""
    replica, aside, folder = map(str, (order.replica, order.aside, order.folder))
    asked = Asked(os.getpid(), replica, aside, order.ordinal, *order.terms, folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _MODULE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        said, _ = await process.communicate(msgspec.json.encode(asked))
    except BaseException:
        process.kill()
        raise
    if process.returncode:
        raise OSError(said.decode(errors="replace") or f"its process ended with code {process.returncode}")


def main() -> int:
    """The life of the process; its exit code."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # whoever wants it ends it
    os.nice(NICENESS)
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=Asked)
    terms = Terms(asked.protocol, asked.window_ms)
    order = Order(Path(asked.replica), Path(asked.aside), asked.ordinal, terms, Path(asked.folder))
    try:
        write_channel(order, lambda: os.getppid() == asked.parent)
    except (LedgerError, OSError) as error:
        sys.stdout.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
