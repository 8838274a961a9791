"""Executes recorded blocks in a process of its own and prints the app hash after each.

python -m torture.re_execution FILE [--processes n | --threads n] [--plant NAME]
"""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

from support.memory_store import MemoryStore
from torture.checker import transactions_of
from torture.plants import PLANTS
from traco.kernel.application import Application
from traco.kernel.codec import Codec, Record, encode
from traco.kernel.genesis import Genesis, parse_genesis, write_genesis
from traco.kernel.screening import DirectScreener, Screened
from traco.kernel.store import CommittedBlock
from traco.modules.composition import compose
from traco.node.own_screener import make_screener
from traco.node.remembering import RememberingScreener
from traco.node.verifiers import VerifierPool

Screen = Callable[[Sequence[bytes]], Awaitable[Sequence[Screened]]]


class Recording(Record, frozen=True):
    """A genesis document, and the time and envelopes of each block after it."""

    genesis: bytes
    blocks: tuple[tuple[int, tuple[bytes, ...]], ...]


_RECORDING: Codec[Recording] = Codec(Recording)


def record(genesis: Genesis, blocks: Sequence[CommittedBlock]) -> bytes:
    """The recording of a ledger; ``blocks`` begin with the founding."""
    return encode(
        Recording(
            write_genesis(genesis), tuple((block.time_ms, tuple(block.envelopes)) for block in blocks[1:])
        )
    )


async def execute(recording: Recording, screen: Screen | None) -> list[str]:
    """The app hash after each block; ``screen`` screens the transactions beforehand, elsewhere."""
    genesis, registry = parse_genesis(recording.genesis), compose()
    screener = RememberingScreener(DirectScreener(registry.body, genesis.kernel_parameters()))
    application = Application(genesis, registry, MemoryStore(), lambda kind, identity, error: None, screener)
    hashes = [application.init_chain().hex()]
    for height, (time_ms, envelopes) in enumerate(recording.blocks, start=1):
        if screen is not None:
            transactions = list(
                chain.from_iterable(transactions_of(envelope).transactions for envelope in envelopes)
            )
            for raw, answer in zip(transactions, await screen(transactions), strict=True):
                screener.remember(raw, answer)
        application.finalize_block(height, time_ms, envelopes)
        hashes.append(application.commit().app_hash.hex())
    return hashes


async def with_processes(recording: Recording, count: int) -> list[str]:
    """Signatures are checked by verifier processes, as in a node."""
    limits = parse_genesis(recording.genesis).kernel_parameters()
    pool = VerifierPool(partial(make_screener, limits), count)
    await pool.connect()

    async def screen(transactions: Sequence[bytes]) -> Sequence[Screened]:
        answers = await asyncio.gather(*(pool.screen(part) for part in _parts(transactions)))
        return list(chain.from_iterable(answers))

    try:
        return await execute(recording, screen)
    finally:
        await pool.disconnect()
        pool.stop()


async def with_threads(recording: Recording, count: int) -> list[str]:
    """Signatures are checked by threads."""
    screener = make_screener(parse_genesis(recording.genesis).kernel_parameters())
    with ThreadPoolExecutor(count) as threads:

        async def screen(transactions: Sequence[bytes]) -> Sequence[Screened]:
            return list(chain.from_iterable(threads.map(screener.screen, _parts(transactions))))

        return await execute(recording, screen)


def _parts(transactions: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [transactions[start : start + 3] for start in range(0, len(transactions), 3)]


def main() -> None:
    """Print one hash per line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--plant", choices=sorted(PLANTS), default="")
    options = parser.parse_args()
    recording = _RECORDING.decode(options.file.read_bytes())
    with PLANTS[options.plant].planted() if options.plant else contextlib.nullcontext():
        if options.processes:
            hashes = asyncio.run(with_processes(recording, options.processes))
        elif options.threads:
            hashes = asyncio.run(with_threads(recording, options.threads))
        else:
            hashes = asyncio.run(execute(recording, None))
    sys.stdout.write("\n".join(hashes))


if __name__ == "__main__":
    main()
