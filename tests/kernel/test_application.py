"""The calls of an engine: founding, proposals, finalize again and again, commit, restart."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.counters import (
    ALICE,
    BOB,
    MEMBER,
    NODE,
    SOLO,
    Add,
    AddLater,
    Fail,
    Remove,
    TotalOf,
    counter_genesis,
    counter_ledger,
    counter_registry,
)
from support.ledger import START_MS, Ledger
from support.memory_store import MemoryStore
from traco.kernel.application import Application
from traco.kernel.errors import Halt
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.merkle import root_of
from traco.kernel.receipt import (
    BlockRecord,
    app_hash,
    block_leaf_hash,
    receipts_root,
    transactions_root,
)


def add(ledger: Ledger, name: str = "x", amount: int = 1) -> bytes:
    return ledger.envelope([ledger.transaction([Add(SOLO, name, amount)], ALICE)])


def total(ledger: Ledger, name: str) -> int:
    found: int = ledger.query("counter.total", TotalOf(name))
    return found


def comparable(ledger: Ledger) -> Any:
    """All that a node could differ in: what the store has, the tree slot by slot, and the last answer."""
    tree = ledger.application.tree
    return (
        ledger.store.blocks,
        [tree.content(slot) for slot in range(tree.slot_count)],
        ledger.application.info(),
    )


def test_an_empty_store_is_not_founded() -> None:
    application = Application(counter_genesis(), counter_registry(), MemoryStore(), lambda *_: None)
    assert application.info() == (0, 0, b"")


def test_founding_makes_block_0() -> None:
    ledger = counter_ledger(modules={"counter": {"x": 5}})
    block = ledger.store.blocks[0]
    assert (block.height, block.time_ms, block.protocol, block.record, block.leaves) == (
        0,
        START_MS,
        1,
        None,
        (),
    )
    assert block.app_hash == app_hash(block.state_root, root_of([]), 0)
    assert ledger.application.info() == (0, START_MS, block.app_hash)
    assert parse_genesis(ledger.store.genesis) == counter_genesis(modules={"counter": {"x": 5}})
    assert total(ledger, "x") == 5


def test_init_chain_returns_the_app_hash_once() -> None:
    application = Application(counter_genesis(), counter_registry(), MemoryStore(), lambda *_: None)
    assert application.init_chain() == application.info().app_hash
    with pytest.raises(Halt):
        application.init_chain()


def test_init_chain_after_a_restart_halts() -> None:
    with pytest.raises(Halt):
        counter_ledger(counter_ledger().store).application.init_chain()


def test_commit_without_a_finalized_block_halts() -> None:
    ledger = counter_ledger()
    with pytest.raises(Halt):
        ledger.application.commit()
    ledger.run_block()
    with pytest.raises(Halt):
        ledger.application.commit()


@pytest.mark.parametrize("height", [-1, 0, 2, 3])
def test_another_height_than_the_next_halts(height: int) -> None:
    with pytest.raises(Halt):
        counter_ledger().application.finalize_block(height, START_MS, [])


def test_time_may_stand_still_but_not_go_back() -> None:
    application = counter_ledger().application
    application.finalize_block(1, START_MS, [])
    with pytest.raises(Halt):
        application.finalize_block(1, START_MS - 1, [])


def test_a_failed_finalize_leaves_nothing_to_commit() -> None:
    application = counter_ledger().application
    application.finalize_block(1, START_MS, [])
    with pytest.raises(Halt):
        application.finalize_block(2, START_MS, [])
    with pytest.raises(Halt):
        application.commit()


def test_the_app_hash_is_constant_over_empty_blocks() -> None:
    ledger = counter_ledger()
    ledger.succeed(Add(SOLO, "x", 1), keys=[ALICE])
    before = ledger.application.info().app_hash
    for _ in range(3):
        ledger.run_block()
    assert ledger.application.info().app_hash == before
    assert [block.record for block in ledger.store.blocks[-3:]] == [None] * 3


def test_a_block_of_refusals_alone_changes_no_hash() -> None:
    ledger = counter_ledger()
    before = ledger.application.info().app_hash
    ledger.application.finalize_block(1, START_MS + 1, [b"junk"])
    ledger.application.commit()
    assert (ledger.application.info().app_hash, len(ledger.store.blocks[-1].refusals)) == (before, 1)


def test_a_rejected_transaction_changes_the_history() -> None:
    ledger = counter_ledger()
    before = ledger.store.blocks[-1]
    ledger.reject(Fail(SOLO, "admission"), keys=[ALICE])
    after = ledger.store.blocks[-1]
    assert (after.state_root, after.history_size) == (before.state_root, 1)
    assert after.app_hash != before.app_hash


def test_the_history_has_one_leaf_per_block_with_leaves() -> None:
    ledger = counter_ledger()
    for number in range(7):
        ledger.run_block([ledger.transaction([Add(SOLO, "x", 1)], ALICE)] if number % 3 else [])
        last = ledger.store.blocks[-1]
        hashes = [block.record_hash for block in ledger.store.blocks if block.record_hash]
        assert (last.history_size, last.history_root) == (len(hashes), root_of(hashes))
        assert last.app_hash == app_hash(last.state_root, last.history_root, last.history_size)


def test_the_block_record_commits_to_the_leaves_and_the_state() -> None:
    ledger = counter_ledger()
    ledger.succeed(Add(SOLO, "x", 1), keys=[ALICE])
    block = ledger.store.blocks[-1]
    assert block.record == BlockRecord(
        1, ledger.time_ms, transactions_root(block.leaves), receipts_root(block.leaves), block.state_root, 2
    )
    assert block.record_hash == block_leaf_hash(block.record)
    assert block.state_root == ledger.application.tree.root()


def scenario(ledger: Ledger) -> list[tuple[int, list[bytes]]]:
    """Blocks as (milliseconds later, envelopes) that add, remove, fail, schedule and let fall due."""
    now = ledger.time_ms

    def one(*instructions: Any) -> bytes:
        return ledger.envelope([ledger.transaction(instructions, ALICE)])

    return [
        (1_000, [one(Add(SOLO, "a", 1), Add(SOLO, "b", 2)), one(AddLater(SOLO, "c", now + 2_500))]),
        (1_000, [one(Remove(SOLO, "a")), one(Fail(SOLO, "bug")), b"junk"]),
        (1_000, [one(Add(SOLO, "d", 3)), one(Add(SOLO, "a", 4))]),
        (1_000, []),
        (1_000, [one(Remove(SOLO, "d"), Add(SOLO, "e", 1))]),
    ]


def finalize(ledger: Ledger, after_ms: int, envelopes: list[bytes]) -> Any:
    info = ledger.application.info()
    return ledger.application.finalize_block(info.height + 1, info.time_ms + after_ms, envelopes)


def plain() -> Ledger:
    ledger = counter_ledger()
    for after_ms, envelopes in scenario(ledger):
        finalize(ledger, after_ms, envelopes)
        ledger.application.commit()
    return ledger


def test_the_same_blocks_give_the_same_everything() -> None:
    assert comparable(plain()) == comparable(plain())


def test_finalize_repeated_gives_the_same_result() -> None:
    ledger = counter_ledger()
    for after_ms, envelopes in scenario(ledger):
        results = [finalize(ledger, after_ms, envelopes) for _ in range(3)]
        assert results[0] == results[1] == results[2]
        ledger.application.commit()
    assert comparable(ledger) == comparable(plain())


def test_another_block_finalized_before_leaves_no_trace() -> None:
    ledger = counter_ledger()
    blocks = scenario(ledger)
    for index, (after_ms, envelopes) in enumerate(blocks):
        for other in (index - 1, -1):
            finalize(ledger, 7_000, [*blocks[other][1], add(ledger, "other", 9)])
        finalize(ledger, after_ms, envelopes)
        ledger.application.commit()
    assert comparable(ledger) == comparable(plain())


def test_reads_of_an_abandoned_block_leave_no_trace() -> None:
    ledger = counter_ledger()
    blocks = scenario(ledger)
    for after_ms, envelopes in blocks:
        finalize(
            ledger, 9_000, [ledger.envelope([ledger.transaction([Add(SOLO, n, 9) for n in "abcde"], ALICE)])]
        )
        assert total(ledger, "a") >= 9
        ledger.application.next_due_ms()
        finalize(ledger, after_ms, envelopes)
        ledger.application.commit()
    assert comparable(ledger) == comparable(plain())


def test_a_finalize_that_ended_in_an_exception_leaves_no_trace() -> None:
    ledger = counter_ledger()
    for after_ms, envelopes in scenario(ledger):
        for how, kind in (("halt", Halt), ("memory", MemoryError)):
            broken = ledger.envelope([
                ledger.transaction([Add(SOLO, "a", 9)], ALICE), ledger.transaction([Fail(SOLO, how)], ALICE),
            ])  # fmt: skip
            with pytest.raises(kind):
                finalize(ledger, after_ms, [*envelopes, broken])
        finalize(ledger, after_ms, envelopes)
        ledger.application.commit()
    assert comparable(ledger) == comparable(plain())


def test_an_abandoned_block_uses_no_id_up() -> None:
    ledger = counter_ledger()
    raw = add(ledger)
    finalize(ledger, 1_000, [raw])
    finalize(ledger, 1_000, [])
    ledger.application.commit()
    assert finalize(ledger, 1_000, [raw]).answers[0].failure is None


@pytest.mark.parametrize("stop", range(6))
def test_a_restart_at_any_block_continues_identically(stop: int) -> None:
    ledger = counter_ledger()
    blocks = scenario(ledger)
    for number, (after_ms, envelopes) in enumerate(blocks):
        if number == stop:
            ledger = counter_ledger(ledger.store)
        finalize(ledger, after_ms, envelopes)
        if number == stop - 1:
            ledger = counter_ledger(ledger.store)  # finalized but not committed
            finalize(ledger, after_ms, envelopes)
        ledger.application.commit()
    assert comparable(counter_ledger(ledger.store)) == comparable(plain())


def test_a_store_with_another_app_hash_halts() -> None:
    store = counter_ledger().store
    store.blocks[-1] = store.blocks[-1]._replace(app_hash=bytes(32))
    with pytest.raises(Halt):
        counter_ledger(store)


def test_a_store_that_cannot_commit_leaves_the_block_finalized() -> None:
    class Full(MemoryStore):
        full = False

        def commit(self, block: Any, tree: Any) -> None:
            if self.full:
                raise Halt("no space")
            super().commit(block, tree)

    store = Full()
    ledger = counter_ledger(store)
    finalize(ledger, 1_000, [add(ledger)])
    store.full = True
    with pytest.raises(Halt):
        ledger.application.commit()
    assert ledger.application.info().height == 0
    store.full = False
    assert ledger.application.commit().height == 1


def test_check_tx_has_the_refusal_of_screening() -> None:
    refusal = counter_ledger().application.check_tx(b"junk", START_MS)
    assert refusal is not None
    assert refusal.code == "transaction.malformed"


def test_check_tx_changes_nothing() -> None:
    ledger = counter_ledger()
    raw = add(ledger)
    assert [ledger.application.check_tx(raw, START_MS) for _ in range(2)] == [None, None]
    assert comparable(ledger) == comparable(counter_ledger())


def test_check_tx_speaks_of_the_time_it_is_given() -> None:
    ledger = counter_ledger()
    raw = add(ledger)
    codes = [ledger.application.check_tx(raw, START_MS + life) for life in (59_999, 60_000)]
    assert [refusal and refusal.code for refusal in codes] == [None, "transaction.expired"]


def test_a_proposal_has_acceptable_envelopes_once_and_in_order() -> None:
    ledger = counter_ledger()
    one, two = add(ledger), add(ledger)
    expired = msgspec.msgpack.encode(["junk"])
    chosen = ledger.application.prepare_proposal([two, expired, one, two, b""], 1_000_000, START_MS)
    assert chosen == (two, one)


def test_a_proposal_leaves_out_what_does_not_fit() -> None:
    ledger = counter_ledger()
    large = ledger.envelope([ledger.transaction([Add(SOLO, "x", 1)] * 9, ALICE)])
    small, third = add(ledger), add(ledger)
    room = len(small) + len(third)
    propose = ledger.application.prepare_proposal
    assert propose([small, large, third], room, START_MS) == (small, third)
    assert propose([small, large, third], room - 1, START_MS) == (small,)


def test_the_size_of_a_block_is_a_parameter_too() -> None:
    sizes = {"max_transaction_bytes": 1_024, "max_envelope_bytes": 2_000, "max_block_bytes": 2_000}
    ledger = counter_ledger(parameters={"kernel": sizes})
    envelopes = [add(ledger) for _ in range(9)]
    chosen = ledger.application.prepare_proposal(envelopes, 1_000_000, START_MS)
    size = len(envelopes[0])
    assert len(chosen) == 2_000 // size
    assert ledger.application.process_proposal(chosen, START_MS)
    assert not ledger.application.process_proposal(envelopes[: len(chosen) + 1], START_MS)


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_a_block_of_exactly_the_size_may_be_voted_for(spare: int, fits: bool) -> None:
    def proposed(ledger: Ledger) -> list[bytes]:
        five = [ledger.transaction([Add(SOLO, "x", 1)], ALICE) for _ in range(5)]
        return [ledger.envelope(five), ledger.envelope(five)]

    size = sum(len(raw) for raw in proposed(counter_ledger())) + spare
    sizes = {"max_transaction_bytes": 1_024, "max_envelope_bytes": 1_536, "max_block_bytes": size}
    ledger = counter_ledger(parameters={"kernel": sizes})
    envelopes = proposed(ledger)
    assert ledger.application.process_proposal(envelopes, START_MS) == fits
    assert (len(ledger.application.prepare_proposal(envelopes, 10_000, START_MS)) == 2) == fits


def test_what_prepare_proposes_process_accepts() -> None:
    ledger = counter_ledger()
    chosen = ledger.application.prepare_proposal([add(ledger), b"junk", add(ledger)], 10_000, START_MS)
    assert len(chosen) == 2
    assert ledger.application.process_proposal(chosen, START_MS)
    assert ledger.application.process_proposal((), START_MS)


def test_a_proposal_is_refused_for_one_bad_envelope() -> None:
    ledger = counter_ledger()
    assert not ledger.application.process_proposal([add(ledger), b"junk"], START_MS)


def test_a_proposal_is_refused_for_a_repeated_envelope() -> None:
    ledger = counter_ledger()
    raw = add(ledger)
    assert not ledger.application.process_proposal([raw, raw], START_MS)


def test_a_proposal_is_refused_for_a_time_before_the_last_block() -> None:
    application = counter_ledger().application
    assert application.process_proposal([], START_MS)
    assert not application.process_proposal([], START_MS - 1)


def test_proposals_change_nothing() -> None:
    ledger = counter_ledger()
    chosen = ledger.application.prepare_proposal([add(ledger)], 10_000, START_MS)
    ledger.application.process_proposal(chosen, START_MS)
    assert comparable(ledger) == comparable(counter_ledger())


def test_an_unknown_query_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        counter_ledger().application.query("nobody.asks", TotalOf("x"))


def test_a_channel_is_a_ledger_of_its_own() -> None:
    store = MemoryStore()
    application = Application(counter_genesis(), counter_registry(), store, lambda *_: None, ledger=b"c" * 32)
    application.init_chain()
    root = counter_ledger()
    assert application.network == root.application.network == network_id(counter_genesis())
    refusal = application.check_tx(add(root), START_MS)
    assert refusal is not None
    assert refusal.code == "transaction.wrong_ledger"


def test_the_member_and_node_of_the_tests_are_known() -> None:
    authority = counter_registry().authority
    state = counter_ledger().application.state
    assert authority.member_of_node(state, NODE.public) == MEMBER
    assert authority.member_of_node(state, BOB.public) is None


def test_hash_seeds_do_not_matter() -> None:
    tests = Path(__file__).parents[1]
    path = os.pathsep.join((str(tests), str(tests.parent / "src")))
    outputs = []
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path}
        command = [sys.executable, "-W", "error", "-m", "support.replay_script"]
        outputs.append(
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
        )
    assert outputs[0] == outputs[1] == outputs[2]
    assert len(dict.fromkeys(outputs[0].split())) == 12
