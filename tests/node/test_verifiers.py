"""Verifier processes: real ones, which answer in order, and whose death is noticed."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.counters import ALICE, SOLO, Add, Repeat, counter_registry
from traco.kernel.codec import ROOT, encode
from traco.kernel.errors import Halt
from traco.kernel.instruction import Instruction, KernelParameters
from traco.kernel.screening import DirectScreener, encode_transaction
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.node.verifiers import VerifierDied, VerifierPool


def make() -> DirectScreener:
    """What each process screens with."""
    return DirectScreener(counter_registry().body, KernelParameters())


def fail() -> DirectScreener:
    """A process that cannot start."""
    raise SystemExit(3)


def signed(number: int, *instructions: Instruction) -> bytes:
    body = encode(Body(bytes(32), ROOT, 1, number.to_bytes(16, "big"), instructions or (Add(SOLO, "a", 1),)))
    return encode_transaction(body, (ALICE.signature(signing_message(transaction_id(body))),))


def run(pool: VerifierPool, work: Callable[[VerifierPool], Coroutine[Any, Any, None]]) -> None:
    async def connected() -> None:
        await pool.connect()
        try:
            await asyncio.wait_for(work(pool), 120)
        finally:
            await pool.disconnect()

    try:
        asyncio.run(connected())
    finally:
        pool.stop()


def test_answers_are_those_of_the_direct_screener_in_order_even_when_callers_go_away() -> None:
    async def work(pool: VerifierPool) -> None:
        direct = make()
        batches = [
            [signed(10 * turn + index) for index in range(turn % 3)] + [b"bad %d" % turn]
            for turn in range(12)
        ]
        calls = [asyncio.create_task(pool.screen(batch)) for batch in batches]
        await asyncio.sleep(0)
        for gone in calls[::3]:  # written already: their answers come and belong to nobody
            gone.cancel()
        for batch, call in list(zip(batches, calls, strict=True))[1::3]:
            assert list(await call) == direct.screen(batch)
        assert [list(await pool.screen(batch)) for batch in batches] == [
            direct.screen(batch) for batch in batches
        ]

    run(VerifierPool(make, 2), work)


def test_huge_batches_do_not_block_the_pipes_and_go_to_the_least_busy() -> None:
    async def work(pool: VerifierPool) -> None:
        large = [signed(number, Repeat(SOLO, bytes(60_000))) for number in range(64)]
        calls = [asyncio.create_task(pool.screen(large)) for _ in range(3)]
        await asyncio.sleep(0)
        first, second = pool._verifiers
        assert sorted((first.outstanding, second.outstanding))[0] > 0
        for call in calls:
            assert [answer.refusal for answer in await call] == [None] * 64
        assert (first.outstanding, second.outstanding) == (0, 0)

    run(VerifierPool(make, 2), work)


def test_the_death_of_a_process_is_told_to_those_who_wait_and_to_the_node() -> None:
    async def work(pool: VerifierPool) -> None:
        watching = asyncio.create_task(pool.watch())
        await pool.screen([signed(1)])
        os.kill(pool.pids[0] or 0, signal.SIGSTOP)
        waiting = asyncio.create_task(pool.screen([signed(1)]))
        await asyncio.sleep(0)
        os.kill(pool.pids[0] or 0, signal.SIGKILL)
        with pytest.raises(VerifierDied):
            await waiting
        with pytest.raises(VerifierDied):
            await watching
        with pytest.raises(VerifierDied):
            await pool.screen([signed(1)])
        assert issubclass(VerifierDied, Halt)

    run(VerifierPool(make, 1), work)


def test_a_process_that_cannot_start_is_noticed() -> None:
    async def work(pool: VerifierPool) -> None:
        with pytest.raises(VerifierDied):
            await pool.watch()

    run(VerifierPool(fail, 1), work)


def test_signals_to_the_whole_process_group_leave_the_verifiers_to_the_node() -> None:
    async def work(pool: VerifierPool) -> None:
        await pool.screen([signed(1)])
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(pool.pids[0] or 0, number)
        assert [answer.refusal for answer in await pool.screen([signed(1)])] == [None]

    run(VerifierPool(make, 1), work)


def test_a_pool_that_was_never_connected_stops() -> None:
    VerifierPool(make, 1).stop()
