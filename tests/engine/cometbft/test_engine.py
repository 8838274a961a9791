"""Envelopes are offered until they are in a block; blocks are handed out; seals come with the next block."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from support.counters import MEMBER, FixedAuthority
from support.gateway import NODE_SIGNER, Office, until
from support.memory_store import MemoryStore
from traco.engine.cometbft import engine as subject
from traco.engine.cometbft.engine import CometEngine
from traco.engine.cometbft.errors import EngineBusy, EngineError, EngineGone, EngineRefused, KnownTransaction
from traco.kernel.errors import Halt, NodeUnknown
from traco.node import gateway as gateway_module
from traco.node.gateway import Gateway, Status


class Network:
    """The rest of the network in one process: what was broadcast, ordered when a test says so."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.application = office.application
        self.seen: list[bytes] = []
        self.refusals: list[EngineError] = []
        self.seals: list[int] = []
        self.engine = CometEngine(self.application, self.broadcast, self.seal)

    async def broadcast(self, envelope: bytes) -> None:
        """As the engine's RPC; the next of ``refusals`` is raised instead, if there is one."""
        self.seen.append(envelope)
        if self.refusals:
            raise self.refusals.pop(0)

    async def seal(self, height: int) -> bytes:
        """The evidence of a block."""
        self.seals.append(height)
        return b"seal of %d" % height

    def decide(self, *envelopes: bytes) -> None:
        """A block of these envelopes."""
        self.office.now_ms += 1
        height = self.application.info().height + 1
        finalized = self.application.finalize_block(height, self.office.now_ms, envelopes)
        self.application.commit()
        self.engine.committed(finalized, 0.25)

    def gateway(self) -> Gateway:
        """A gateway over this engine."""
        office = self.office
        return Gateway(
            self.engine, office.outbox, office.pool, office.screener, self.application.network, MEMBER, NODE_SIGNER,
            office.find, office.meter,
        )  # fmt: skip


@pytest.fixture
def network(tmp_path: Path) -> Network:
    made = Network(Office(tmp_path / "outbox.db", MemoryStore()))
    made.decide()
    made.engine.make_block()
    return made


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "SILENCE_S", 0.0)
    monkeypatch.setattr(subject, "BUSY_S", 0.0)
    monkeypatch.setattr(subject, "SEAL_S", 0.02)
    monkeypatch.setattr(subject, "STALLED_S", 1e9)


def work(network: Network, what: Callable[[Gateway], Awaitable[None]]) -> None:
    """Run something beside engine and gateway."""

    async def all_of_it() -> None:
        gateway = network.gateway()
        tasks = [asyncio.create_task(network.engine.run()), asyncio.create_task(gateway.run())]
        try:
            await asyncio.wait_for(what(gateway), 120)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            network.office.outbox.close()

    asyncio.run(all_of_it())


def test_a_transaction_is_final_when_its_block_is_committed_here(network: Network) -> None:
    async def what(gateway: Gateway) -> None:
        submitted = asyncio.create_task(gateway.submit([network.office.add()]))
        await until(lambda: bool(network.seen))
        network.decide(network.seen[0])
        assert (await submitted)[0].status is Status.FINAL

    work(network, what)


@pytest.mark.parametrize(
    "refusal",
    [EngineBusy("a", ""), EngineGone("a", ""), KnownTransaction("a", "")],
    ids=["busy", "gone", "known"],
)
def test_an_envelope_is_offered_until_it_is_in_a_block(network: Network, refusal: EngineError) -> None:
    network.refusals = [refusal, refusal]

    async def what(gateway: Gateway) -> None:
        submitted = asyncio.create_task(gateway.submit([network.office.add()]))
        await until(lambda: len(network.seen) > 4)
        network.decide(network.seen[0])
        await submitted
        assert len(set(network.seen)) == 1
        assert network.office.total() == 1

    work(network, what)


def test_what_was_never_ordered_in_its_time_is_packed_anew(network: Network) -> None:
    async def what(gateway: Gateway) -> None:
        transaction = network.office.add(valid_ms=590_000)
        submitted = asyncio.create_task(gateway.submit([transaction]))
        await until(lambda: bool(network.seen))
        first = network.seen[0]
        network.office.now_ms += 400_000  # beyond the half window that an envelope is valid
        network.decide()
        await until(lambda: network.seen[-1] != first)
        network.decide(first, network.seen[-1])
        assert (await submitted)[0].status is Status.FINAL
        assert network.office.total() == 1

    work(network, what)


def test_an_envelope_in_a_block_that_is_about_to_be_committed_is_not_given_up(network: Network) -> None:
    async def what(gateway: Gateway) -> None:
        submitted = asyncio.create_task(gateway.submit([network.office.add()]))
        await until(lambda: bool(network.seen))
        envelope = network.seen[0]
        height = network.application.info().height + 1
        finalized = network.application.finalize_block(height, network.office.now_ms + 1, (envelope,))
        await until(lambda: len(network.seen) > 3)
        network.application.commit()
        network.engine.committed(finalized, 0.25)
        assert (await submitted)[0].status is Status.FINAL

    work(network, what)


def test_an_envelope_in_a_block_that_takes_the_nodes_right_away_is_not_given_up_before_the_commit(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def what(gateway: Gateway) -> None:
        submitted = asyncio.create_task(gateway.submit([network.office.add()]))
        await until(lambda: bool(network.seen))
        height = network.application.info().height + 1
        finalized = network.application.finalize_block(height, network.office.now_ms + 1, network.seen[:1])
        monkeypatch.setattr(FixedAuthority, "member_of_node", lambda *_: None)  # as the block's end has it
        for _ in range(50):
            await asyncio.sleep(0)
        network.application.commit()
        network.engine.committed(finalized, 0.25)
        assert (await submitted)[0].status is Status.FINAL

    work(network, what)


def test_an_envelope_of_a_node_that_lost_its_right_is_given_up_with_the_next_block(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def what(gateway: Gateway) -> None:
        submitted = asyncio.create_task(gateway.submit([network.office.add()]))
        await until(lambda: bool(network.seen))
        monkeypatch.setattr(FixedAuthority, "member_of_node", lambda *_: None)
        for _ in range(9):
            await asyncio.sleep(0)
        network.decide()
        (result,) = await submitted
        assert (result.status, result.failure and result.failure.code) == (Status.REFUSED, NodeUnknown.code)

    work(network, what)


def test_an_envelope_made_when_the_ledger_was_further_on_is_waited_for(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_at = network.engine.block_time_ms() + 3_600_000
    with monkeypatch.context() as ahead:
        ahead.setattr(network.engine, "block_time_ms", lambda: made_at)
        identity, envelope = network.gateway()._seal((network.office.add(valid_ms=4_000_000),))
    network.office.outbox.put([(identity, envelope)])

    async def what(gateway: Gateway) -> None:
        gateway.recover()
        await until(lambda: len(network.seen) > 3)
        assert gateway.occupancy().on_way == 1
        network.office.now_ms = made_at
        network.decide()
        network.decide(envelope)
        await until(lambda: gateway.occupancy().on_way == 0)
        assert network.office.total() == 1

    work(network, what)


def test_an_envelope_beyond_a_lowered_limit_is_packed_into_smaller_ones(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def what(gateway: Gateway) -> None:
        transactions = [network.office.add() for _ in range(9)]
        submitted = asyncio.create_task(gateway.submit(transactions))
        await until(lambda: bool(network.seen))
        first = network.seen[0]
        small = msgspec.structs.replace(
            network.engine.limits(), max_transaction_bytes=512, max_envelope_bytes=1_024
        )
        monkeypatch.setattr(network.engine, "limits", lambda: small)
        for _ in range(9):
            network.decide()
            for _ in range(9):
                await asyncio.sleep(0)
        fitting = [raw for raw in dict.fromkeys(network.seen) if len(raw) <= 1_024]
        assert first not in fitting
        network.decide(*fitting)
        assert {result.status for result in await submitted} == {Status.FINAL}
        assert network.office.total() == 9

    work(network, what)


def test_envelopes_of_others_pass_through(network: Network) -> None:
    async def what(gateway: Gateway) -> None:
        transaction = network.office.add()
        submitted = asyncio.create_task(gateway.submit([transaction]))
        await until(lambda: bool(network.seen))
        ours = network.seen[0]
        other = network.gateway()  # another gateway of the same member, with the same transaction
        again = asyncio.create_task(other.run())
        resubmitted = asyncio.create_task(other.submit([transaction]))
        await until(lambda: any(each != ours for each in network.seen))
        theirs = next(each for each in network.seen if each != ours)
        again.cancel()
        resubmitted.cancel()
        await asyncio.gather(again, resubmitted, return_exceptions=True)
        network.engine.on_work(gateway._work.set)
        network.decide(theirs, ours)
        result = (await submitted)[0]
        assert (result.status, network.office.total()) == (Status.FINAL, 1)

    work(network, what)


def test_more_than_a_few_envelopes_at_a_time_wait_for_room(network: Network) -> None:
    async def what(gateway: Gateway) -> None:
        submitted = []
        for index in range(subject.IN_FLIGHT + 3):
            submitted.append(asyncio.create_task(gateway.submit([network.office.add(f"n{index}")])))
            packed = min(index + 1, subject.IN_FLIGHT)
            await until(lambda packed=packed: len(set(network.seen)) == packed)  # type: ignore[misc]
        await until(lambda: len(gateway._ready) == 3)
        assert len(set(network.seen)) == subject.IN_FLIGHT
        network.decide(*dict.fromkeys(network.seen))
        await until(lambda: len(set(network.seen)) == subject.IN_FLIGHT + 1)
        network.decide(network.seen[-1])
        for each in submitted:
            assert (await each)[0].status is Status.FINAL

    work(network, what)


def test_in_a_network_without_blocks_submissions_become_durable_all_the_same(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject, "STALLED_S", 0.0)
    monkeypatch.setattr(gateway_module, "ROOM_S", 0.0)

    async def what(gateway: Gateway) -> None:
        for index in range(subject.IN_FLIGHT + 3):
            (result,) = await gateway.submit([network.office.add(f"n{index}")], until_final=False)
            assert result.status is Status.RECEIVED

    work(network, what)


def test_an_envelope_that_the_engine_never_takes_stops_the_node(network: Network) -> None:
    network.refusals = [EngineRefused("engine.refused", "too large")]

    async def what(_: Gateway) -> None:
        running = asyncio.create_task(network.engine.run())
        envelope = envelope_of(network)
        network.engine.offer(envelope)
        with pytest.raises(Halt, match="never takes"):
            await running

    asyncio.run(asyncio.wait_for(what(network.gateway()), 120))


def envelope_of(network: Network) -> bytes:
    """An envelope as the gateway packs it."""
    network.office.gateway._send((b"k",), (network.office.add(),))
    pending: bytes = network.office.outbox.pending()[0][1]
    return pending


def test_a_seal_is_of_a_block_whose_successor_is_committed(network: Network) -> None:
    async def what(_: Gateway) -> None:
        sealing = asyncio.create_task(network.engine.sealed(1))
        await asyncio.sleep(0)
        network.decide()
        assert await sealing == (b"seal of 1", 1)

    work(network, what)


def test_a_seal_that_does_not_come_is_answered_with_the_one_at_hand(network: Network) -> None:
    async def what(_: Gateway) -> None:
        assert await network.engine.sealed(1) == (b"", 0)

    work(network, what)


def test_who_needs_no_height_gets_a_seal_as_soon_as_there_can_be_one(network: Network) -> None:
    async def what(_: Gateway) -> None:
        network.decide()
        assert await network.engine.sealed(0) == (b"seal of 1", 1)

    work(network, what)


def test_one_seal_serves_all_who_need_no_newer_one(network: Network) -> None:
    async def what(_: Gateway) -> None:
        for each in (1, 2, 3):
            network.decide()
            assert network.application.info().height == each + 1
        assert (
            await network.engine.sealed(2) == await network.engine.sealed(3) == await network.engine.sealed(0)
        )
        assert network.seals == [3]

    work(network, what)
