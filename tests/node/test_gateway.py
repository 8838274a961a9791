"""The gateway answers for transactions: once, whoever asks and however often the node is killed."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.counters import BOB, NODE, SOLO, Add, AddLater, Fail, FixedAuthority, Repeat, counter_genesis
from support.gateway import Office, TestSigner, until
from support.ledger import START_MS, Key
from support.memory_store import MemoryStore
from traco.kernel.codec import Codec
from traco.kernel.instruction import ENVELOPE_OVERHEAD
from traco.kernel.transaction import Envelope, RawTransaction, transaction_id
from traco.node import gateway as gateway_module
from traco.node.gateway import GatewayStopped, Status
from traco.node.outbox import OutboxFailed

ENVELOPE: Codec[Envelope] = Codec(Envelope)
RAW: Codec[RawTransaction] = Codec(RawTransaction)


def identity(raw: bytes) -> bytes:
    return transaction_id(bytes(RAW.decode(raw).body))


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 120))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def office(path: Path) -> Iterator[Office]:
    opened = Office(path, MemoryStore())
    yield opened
    opened.outbox.close()


def again(office: Office, now_ms: int | None = None) -> Office:
    """The node killed and started again."""
    office.outbox.close()
    return Office(office.path, office.store, office.genesis, office.now_ms if now_ms is None else now_ms)


def envelopes(office: Office) -> list[Envelope]:
    """Everything that was ordered, envelope by envelope."""
    return [ENVELOPE.decode(raw) for block in office.store.blocks for raw in block.envelopes]


def ordered(office: Office) -> list[bytes]:
    """Every transaction that was ordered."""
    return [raw for envelope in envelopes(office) for raw in envelope.body.transactions]


def test_the_result_comes_when_the_block_is_committed(office: Office) -> None:
    async def work() -> None:
        async with office.running():
            [result] = await office.gateway.submit([office.add()])
        assert (result.status, result.height, result.failure) == (Status.FINAL, 1, None)
        assert office.find(result.identity) == (result.height, result.leaf, None)

    run(work())


def test_a_rejection_has_a_place_and_a_code(office: Office) -> None:
    async def work() -> None:
        async with office.running():
            [result] = await office.gateway.submit([office.sign(Fail(SOLO, "rules"))])
        assert result.status == Status.REJECTED
        assert result.failure is not None
        assert result.failure.code == "counter.above_limit"
        assert office.find(result.identity) == (result.height, result.leaf, result.failure)

    run(work())


def test_the_same_bytes_twice_at_once_are_ordered_once_and_answered_twice(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        async with office.running():
            first, second = await asyncio.gather(office.gateway.submit([raw]), office.gateway.submit([raw]))
        assert first == second
        assert ordered(office) == [raw]
        assert office.total() == 1

    run(work())


def test_the_same_bytes_twice_in_one_submission_are_ordered_once(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        async with office.running():
            first, second = await office.gateway.submit([raw, raw])
        assert first == second
        assert ordered(office) == [raw]

    run(work())


def test_the_same_bytes_later_are_answered_from_memory(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        async with office.running():
            first = await office.gateway.submit([raw])
            assert await office.gateway.submit([raw]) == first
        assert ordered(office) == [raw]

    run(work())


def test_the_same_bytes_after_a_restart_have_the_stored_answer(office: Office) -> None:
    async def work() -> None:
        raws = [office.add(), office.sign(Fail(SOLO, "rules"))]
        async with office.running():
            first = await office.gateway.submit(raws)
        other = again(office)
        async with other.running():
            assert await other.gateway.submit(raws) == first
        assert other.total() == 1
        other.outbox.close()

    run(work())


def test_the_same_bytes_after_their_time_have_the_stored_answer_and_not_expired(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        async with office.running():
            first = await office.gateway.submit([raw])
        other = again(office, office.now_ms + 61_000)
        async with other.running():
            assert await other.gateway.submit([raw]) == first
        other.outbox.close()

    run(work())


def test_signing_anothers_body_with_a_key_that_does_not_count_does_not_refuse_the_rightful_one(
    office: Office,
) -> None:
    async def work() -> None:
        rightful = office.add()
        office._salt -= 1
        squatting = office.sign(Add(SOLO, "a", 1), key=BOB)
        assert identity(rightful) == identity(squatting)
        async with office.running():
            [wrong], [right] = await asyncio.gather(
                office.gateway.submit([squatting]), office.gateway.submit([rightful])
            )
        assert wrong.status == Status.REFUSED
        assert right.status == Status.FINAL

    run(work())


def test_refused_bytes_are_answered_at_once_and_not_remembered(office: Office) -> None:
    async def work() -> None:
        # no blocks are made: a refusal does not wait for one
        [result] = await office.gateway.submit([b"nonsense"])
        assert (result.status, result.identity, result.leaf) == (Status.REFUSED, b"", -1)
        assert result.failure is not None
        assert result.failure.code == "transaction.malformed"
        assert office.gateway.result(b"") is None
        assert office.outbox.pending() == []

    run(work())


def test_a_transaction_refused_inside_the_block_harms_no_neighbour_and_may_come_again(office: Office) -> None:
    async def work() -> None:
        late = office.add("late", valid_ms=700_000)
        async with office.running():
            early, refused = await office.gateway.submit([office.add(), late])
            assert early.status == Status.FINAL
            assert (refused.status, refused.leaf) == (Status.REFUSED, -1)
            assert refused.failure is not None
            assert refused.failure.code == "transaction.too_far_ahead"
            assert office.gateway.result(refused.identity) is None
            office.now_ms += 200_000
            [result] = await office.gateway.submit([late])
        assert result.status == Status.FINAL

    run(work())


def test_an_expired_transaction_is_refused_with_that_code(office: Office) -> None:
    async def work() -> None:
        raw = office.add(valid_ms=0)
        async with office.running():
            [result] = await office.gateway.submit([raw])
        assert result.status == Status.REFUSED
        assert result.failure is not None
        assert result.failure.code == "transaction.expired"

    run(work())


def test_an_empty_submission_has_no_results(office: Office) -> None:
    async def work() -> None:
        assert await office.gateway.submit([]) == []

    run(work())


def test_received_is_answered_when_the_outbox_has_it_and_not_before(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        waiting = asyncio.create_task(office.gateway.submit([raw], until_final=False))
        await until(lambda: bool(office.gateway._ready))
        assert not waiting.done()
        assert office.gateway.result(identity(raw)) is None
        office.gateway._pack()
        [result] = await waiting
        assert result.status == Status.RECEIVED
        assert office.gateway.result(identity(raw)) == result
        assert [ENVELOPE.decode(raw).body.transactions for _, raw in office.outbox.pending()] == [(raw,)]

    run(work())


def test_received_is_answered_at_once_for_what_is_in_the_outbox_already(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        final = asyncio.create_task(office.gateway.submit([raw]))
        await until(lambda: bool(office.gateway._ready))
        office.gateway._pack()
        [result] = await office.gateway.submit([raw], until_final=False)
        assert result.status == Status.RECEIVED
        assert not final.done()
        final.cancel()
        await asyncio.gather(final, return_exceptions=True)

    run(work())


def test_a_submission_of_several_batches_waits_for_the_last_of_them(office: Office) -> None:
    async def work() -> None:
        count = gateway_module.BATCH + 1
        async with office.running():
            results = await office.gateway.submit([office.add() for _ in range(count)])
        assert {result.status for result in results} == {Status.FINAL}
        assert office.total() == count
        assert office.pool.batches == [gateway_module.BATCH, 1]

    run(work())


def test_a_later_batch_is_waited_for_although_the_earlier_one_is_final(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(gateway_module, "BATCH", 1)
        async with office.running():
            office.pool.free = 1
            office.pool.gate.clear()
            waiting = asyncio.create_task(office.gateway.submit([office.add(), office.add()]))
            await until(lambda: office.total() == 1)
            assert len(office.pool.batches) == 2
            assert not waiting.done()
            office.pool.gate.set()
            assert [result.status for result in await waiting] == [Status.FINAL, Status.FINAL]

    run(work())


def test_an_envelope_takes_as_many_transactions_as_the_limit_and_not_one_more(path: Path) -> None:
    async def work() -> None:
        genesis = counter_genesis(parameters={"kernel": {"max_envelope_transactions": 3}})
        office = Office(path, MemoryStore(), genesis)
        async with office.running():
            await office.gateway.submit([office.add() for _ in range(7)])
        assert [len(envelope.body.transactions) for envelope in envelopes(office)] == [3, 3, 1]
        office.outbox.close()

    run(work())


@pytest.mark.parametrize(("spare", "sizes"), [(0, [6]), (-1, [5, 1])])
def test_an_envelope_is_filled_up_to_its_bytes(path: Path, spare: int, sizes: list[int]) -> None:
    async def work() -> None:
        with closing(Office(path.with_name("other"), MemoryStore()).outbox):
            size = len(Office(path.with_name("another"), MemoryStore()).add())
        limit = ENVELOPE_OVERHEAD + 6 * (size + gateway_module.TRANSACTION_OVERHEAD) + spare
        kernel = {"max_envelope_bytes": limit, "max_transaction_bytes": 1_024}
        office = Office(path, MemoryStore(), counter_genesis(parameters={"kernel": kernel}))
        async with office.running():
            await office.gateway.submit([office.add() for _ in range(6)])
        assert [len(envelope.body.transactions) for envelope in envelopes(office)] == sizes
        office.outbox.close()

    run(work())


@pytest.mark.parametrize(("size", "count"), [(1_024, 1), (1_025, 0)])
def test_a_transaction_of_the_largest_size_fits_into_an_envelope_and_no_larger_one(
    path: Path, size: int, count: int
) -> None:
    async def work() -> None:
        kernel = {"max_envelope_bytes": 1_536, "max_transaction_bytes": 1_024}
        office = Office(path, MemoryStore(), counter_genesis(parameters={"kernel": kernel}))
        rest = size - len(office.sign(Repeat(SOLO, bytes(500))))
        raw = office.sign(Repeat(SOLO, bytes(500 + rest)))
        assert len(raw) == size
        async with office.running():
            await office.gateway.submit([raw])
        assert len(envelopes(office)) == count
        office.outbox.close()

    run(work())


def test_submitters_wait_while_too_much_is_ready(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        monkeypatch.setattr(gateway_module, "MAX_READY", 2)
        first = asyncio.create_task(office.gateway.submit([office.add(), office.add()]))
        await until(lambda: len(office.gateway._ready) == 2)
        second = asyncio.create_task(office.gateway.submit([office.add()]))
        for _ in range(50):
            await asyncio.sleep(0)
        assert office.pool.batches == [2]  # not even screened
        async with office.running():
            await asyncio.gather(first, second)
        assert office.total() == 3

    run(work())


def test_submitters_wait_while_too_many_bytes_are_ready(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        raw = office.add()
        monkeypatch.setattr(gateway_module, "MAX_READY_BYTES", len(raw))
        first = asyncio.create_task(office.gateway.submit([raw]))
        await until(lambda: len(office.gateway._ready) == 1)
        second = asyncio.create_task(office.gateway.submit([office.add()]))
        for _ in range(50):
            await asyncio.sleep(0)
        assert office.pool.batches == [1]
        async with office.running():
            await asyncio.gather(first, second)
        assert office.total() == 2

    run(work())


def test_a_slow_batch_does_not_hold_up_others(office: Office) -> None:
    async def work() -> None:
        async with office.running():
            office.pool.gate.clear()
            slow = asyncio.create_task(office.gateway.submit([office.add("slow")]))
            await until(lambda: len(office.pool.batches) == 1)
            gate, office.pool.gate = office.pool.gate, asyncio.Event()
            office.pool.gate.set()
            await office.gateway.submit([office.add("fast")])
            assert not slow.done()
            gate.set()
            await slow

    run(work())


async def packed(office: Office, *raws: bytes) -> None:
    """Submit and write to the outbox, as far as a node comes that is killed before its next block."""
    waiting = asyncio.create_task(office.gateway.submit(raws, until_final=False))
    await until(lambda: len(office.gateway._ready) == len(raws))
    office.gateway._pack()
    assert {result.status for result in await waiting} == {Status.RECEIVED}


def test_what_was_acknowledged_is_ordered_once_after_a_crash_before_the_block(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        await packed(office, raw)
        other = again(office)
        assert other.recovered == 1
        assert other.gateway.result(identity(raw)) is not None
        async with other.running():
            [result] = await other.gateway.submit([raw])
        assert result.status == Status.FINAL
        assert ordered(other) == [raw]
        assert other.total() == 1
        other.outbox.close()

    run(work())


def test_what_was_committed_is_not_ordered_again_after_a_crash_before_forgetting(office: Office) -> None:
    async def work() -> None:
        raw = office.add()
        async with office.running():
            await office.gateway.submit([raw])
            left = office.outbox.pending()  # forgotten with the next write, or an orderly stop
        assert len(left) == 1
        office.outbox.put(left)  # as a crash before either would have left it
        other = again(office)
        assert not other.engine.wants_block()
        async with other.running():
            await other.gateway.submit([other.add("b")])
        assert len(ordered(other)) == 2
        assert other.total() == 1
        assert other.outbox.pending() == []
        other.outbox.close()

    run(work())


def test_what_was_committed_is_not_ordered_again_after_its_time_either(office: Office) -> None:
    async def work() -> None:
        async with office.running():
            await office.gateway.submit([office.add()])
        other = again(office, office.now_ms + 3_600_000)
        assert not other.engine.wants_block()
        other.outbox.close()

    run(work())


def test_acknowledged_transactions_get_a_new_envelope_when_the_old_one_expired(office: Office) -> None:
    async def work() -> None:
        raw, short = office.add(valid_ms=550_000), office.add("short")
        await packed(office, raw, short)
        other = again(office, office.now_ms + 400_000)  # an envelope is valid for 300 s
        assert len(other.outbox.pending()) == 1
        async with other.running():
            await until(lambda: other.total() == 1)
            refused, final = await other.gateway.submit([short, raw])
        assert (refused.status, final.status) == (Status.REFUSED, Status.FINAL)
        assert [len(envelope.body.transactions) for envelope in envelopes(other)] == [2, 1]
        other.outbox.close()

    run(work())


def test_an_envelope_that_expires_while_it_waits_is_renewed(office: Office) -> None:
    async def work() -> None:
        waiting = asyncio.create_task(office.gateway.submit([office.add(valid_ms=599_000)]))
        await until(lambda: bool(office.gateway._ready))
        office.gateway._pack()
        office.now_ms += 400_000  # the machine slept
        async with office.running():
            [result] = await waiting
        assert result.status == Status.FINAL
        assert office.gateway._packed == {}

    run(work())


@pytest.mark.parametrize(
    ("instructions", "status"), [(1, Status.FINAL), (40, Status.REFUSED)], ids=["smaller ones", "none"]
)
def test_what_no_block_can_hold_any_more_is_packed_into_smaller_envelopes_or_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch, instructions: int, status: Status
) -> None:
    async def work() -> None:
        submitted = [office.sign(*[Add(SOLO, "a", 1)] * instructions) for _ in range(9)]
        waiting = asyncio.create_task(office.gateway.submit(submitted))
        await until(lambda: bool(office.gateway._ready))
        office.gateway._pack()
        # as if the council had lowered the limits meanwhile
        sizes = {"max_transaction_bytes": 512, "max_envelope_bytes": 1_024, "max_block_bytes": 1_024}
        small = msgspec.structs.replace(office.engine.limits(), **sizes)
        monkeypatch.setattr(office.engine, "limits", lambda: small)
        monkeypatch.setattr(office.application, "_limits", lambda: small)
        async with office.running():
            results = await waiting
        assert {result.status for result in results} == {status}
        codes = {result.failure and result.failure.code for result in results}
        assert codes == {None if status is Status.FINAL else "transaction.too_large"}
        assert not office.engine.wants_block()
        assert office.outbox.pending() == []

    run(work())


def test_acknowledged_transactions_get_a_new_envelope_when_the_node_has_another_key(office: Office) -> None:
    async def work() -> None:
        office.gateway._signer = TestSigner(Key("the key before"))
        identity, raw = office.gateway._seal((office.add(),))
        office.outbox.put([(identity, raw)])
        other = again(office)
        async with other.running():
            await until(lambda: other.total() == 1)
        assert [envelope.signature.key for envelope in envelopes(other)] == [NODE.public]
        assert other.outbox.pending() == []
        other.outbox.close()

    run(work())


def test_what_came_in_anothers_envelope_is_not_refused_with_the_nodes_own(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        transaction = office.add()
        waiting = asyncio.create_task(office.gateway.submit([transaction]))
        await until(lambda: bool(office.gateway._ready))
        _, theirs = office.gateway._seal((transaction,))
        office.gateway._pack()
        finalized = office.application.finalize_block(
            office.application.info().height + 1, office.now_ms, (theirs,)
        )
        office.application.commit()
        monkeypatch.setattr(FixedAuthority, "member_of_node", lambda *_: None)  # suspended meanwhile
        async with office.running():
            [result] = await waiting
        assert (result.status, result.height) == (Status.FINAL, finalized.block.height)

    run(work())


def test_items_that_fall_due_make_blocks_without_submissions(office: Office) -> None:
    async def work() -> None:
        due = office.now_ms + 5_000
        async with office.running():
            await office.gateway.submit([office.sign(AddLater(SOLO, "later", due))])
            assert office.total("later") == 0
        office.now_ms = due
        async with office.running():
            await until(lambda: office.total("later") == 1)
        assert office.store.blocks[-1].envelopes == ()

    run(work())


def test_an_idle_gateway_sleeps_until_it_is_woken(office: Office) -> None:
    async def work() -> None:
        turns = 0
        original = office.gateway._await_work

        async def counted() -> None:
            nonlocal turns
            turns += 1
            await original()

        office.gateway._await_work = counted  # type: ignore[method-assign]
        async with office.running():
            for _ in range(100):
                await asyncio.sleep(0)
            assert turns == 1
            await office.gateway.submit([office.add()])
        assert len(office.store.blocks) == 2

    run(work())


def test_results_kept_in_memory_are_bounded_and_older_ones_come_from_the_store(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(gateway_module, "REMEMBERED", 3)
        raws = [office.add() for _ in range(5)]
        async with office.running():
            results = await office.gateway.submit(raws)
            assert list(office.gateway._results) == [result.identity for result in results[2:]]
            assert await office.gateway.submit(raws) == results

    run(work())


def test_nothing_is_kept_of_transactions_that_are_done(office: Office) -> None:
    async def work() -> None:
        async with office.running():
            await office.gateway.submit(
                [office.add(), office.add(valid_ms=0), b"x", office.sign(Fail(SOLO, "bug"))]
            )
        gateway = office.gateway
        assert (gateway._entries, gateway._ready, gateway._packed, gateway._received) == ({}, {}, {}, {})
        assert gateway._ready_bytes == 0

    run(work())


def test_a_failing_outbox_stops_the_gateway_and_nobody_waits_for_ever(office: Office) -> None:
    async def work() -> None:
        waiting = asyncio.create_task(office.gateway.submit([office.add()]))
        await until(lambda: bool(office.gateway._ready))
        office.outbox.close()
        async with office.running() as blocks:
            with pytest.raises(OutboxFailed):
                await blocks
        with pytest.raises(GatewayStopped):
            await waiting
        with pytest.raises(GatewayStopped):
            await office.gateway.submit([office.add()])

    run(work())


def test_a_submitter_who_goes_away_does_not_disturb_the_block(office: Office) -> None:
    async def work() -> None:
        waiting = asyncio.create_task(office.gateway.submit([office.add()]))
        await until(lambda: bool(office.gateway._ready))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with office.running() as blocks:
            await until(lambda: office.total() == 1)
            assert not blocks.done()

    run(work())


def test_the_envelope_is_signed_by_the_node_and_valid_for_half_a_window(office: Office) -> None:
    async def work() -> None:
        async with office.running():
            await office.gateway.submit([office.add()])
        [envelope] = envelopes(office)
        assert envelope.signature.key == NODE.public
        assert envelope.body.valid_until == START_MS + 1_000 + 300_000

    run(work())
