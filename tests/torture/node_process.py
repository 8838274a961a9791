"""A real node in a process of its own, driven over its standard input and output, to be killed at any moment.

    python -m torture.node_process DIR

Requests and answers are frames: four bytes of length, then MessagePack. The first frame out says that it is ready.
"""

import asyncio
import sys
from pathlib import Path
from typing import Final

from torture.world import NODE, SEAL, NodeKey
from traco.kernel.codec import Codec, Record, encode
from traco.node.directory import founding_member, read_genesis
from traco.node.gateway import GatewayStopped
from traco.node.ledger import LedgerNode
from traco.storage import DirectoryLock

LENGTH_BYTES: Final = 4


class Ask(Record, frozen=True):
    """Transactions to submit; answers carry the same number."""

    number: int
    until_final: bool
    transactions: tuple[bytes, ...]


class Told(Record, frozen=True):
    """(status, height, leaf, code) for each transaction; ``ready`` alone is the first frame."""

    number: int
    results: tuple[tuple[str, int, int, str], ...]


ASK: Final[Codec[Ask]] = Codec(Ask)
TOLD: Final[Codec[Told]] = Codec(Told)
READY: Final = -1


def frame(record: Record) -> bytes:
    """A record as it goes through the pipe."""
    payload = encode(record)
    return len(payload).to_bytes(LENGTH_BYTES, "big") + payload


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next payload, or None at the end."""
    try:
        size = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None


def alarm(kind: str, identity: bytes, error: BaseException) -> None:
    """A bug in a handler: the torture reads it in the log."""
    sys.stderr.write(f"ALARM {kind} {identity.hex()} {error!r}\n")


def tell(record: Told) -> None:
    """Write an answer."""
    sys.stdout.buffer.write(frame(record))
    sys.stdout.buffer.flush()


async def _answer(node: LedgerNode, ask: Ask) -> None:
    try:
        results = await node.gateway.submit(ask.transactions, ask.until_final)
    except GatewayStopped:
        return
    tell(
        Told(
            ask.number,
            tuple(
                (str(each.status), each.height, each.leaf, "" if each.failure is None else each.failure.code)
                for each in results
            ),
        )
    )


async def _serve(node: LedgerNode) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    blocks = await node.start()
    tell(Told(READY, ()))
    asked: set[asyncio.Task[None]] = set()
    while (payload := await read_frame(reader)) is not None and not blocks.done():
        task = asyncio.create_task(_answer(node, ASK.decode(payload)))
        asked.add(task)
        task.add_done_callback(asked.discard)
    await asyncio.gather(*asked)
    if blocks.done():
        blocks.result()
    blocks.cancel()
    await asyncio.gather(blocks, return_exceptions=True)
    await node.finish()


def main() -> None:
    """Run until the standard input ends, or for ever."""
    directory = Path(sys.argv[1])
    genesis = read_genesis(directory)
    with DirectoryLock(directory):
        node = LedgerNode(
            directory, genesis, founding_member(genesis), NodeKey(NODE), NodeKey(SEAL), alarm, verifiers=1
        )
        try:
            asyncio.run(_serve(node))
        finally:
            node.stop()


if __name__ == "__main__":
    main()
