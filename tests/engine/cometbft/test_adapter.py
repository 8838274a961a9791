"""Each call of the engine, as our ledger answers it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from support.comet_driver import size_in_block
from support.comet_node import LATER_PEER, PEER, ROOM_BYTES, VALIDATORS, CometNode, Desk, at
from support.counters import ALICE, EITHER, SOLO, Add
from support.ledger import START_MS
from traco.engine.cometbft.abci.messages import (
    AbciParams,
    ApplyResult,
    BlockParams,
    CheckTxType,
    ConsensusParams,
    ExecTxResult,
    OfferResult,
    PublicKey,
    RequestApplySnapshotChunk,
    RequestCheckTx,
    RequestCommit,
    RequestExtendVote,
    RequestFinalizeBlock,
    RequestInfo,
    RequestListSnapshots,
    RequestLoadSnapshotChunk,
    RequestOfferSnapshot,
    RequestPrepareProposal,
    RequestProcessProposal,
    RequestQuery,
    RequestVerifyVoteExtension,
    ResponseApplySnapshotChunk,
    ResponseCheckTx,
    ResponseCommit,
    ResponseExtendVote,
    ResponseFinalizeBlock,
    ResponseInfo,
    ResponseInitChain,
    ResponseListSnapshots,
    ResponseLoadSnapshotChunk,
    ResponseOfferSnapshot,
    ResponsePrepareProposal,
    ResponseProcessProposal,
    ResponseQuery,
    ResponseVerifyVoteExtension,
    ValidatorUpdate,
    Verdict,
    VersionParams,
)
from traco.engine.cometbft.abci.ports import NoSnapshots
from traco.engine.cometbft.adapter import MIN_TRANSACTION_BYTES, validator_updates
from traco.kernel.codec import encode
from traco.kernel.errors import Halt
from traco.kernel.instruction import KernelParameters
from traco.kernel.operations import ScheduleUpgrade, SetParameters

LIMIT = KernelParameters().max_block_bytes


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.ask(desk.genesis())
    return desk


def test_before_the_first_block_info_says_height_zero_without_app_hash() -> None:
    desk = Desk()
    empty = ResponseInfo("traco", "", 1, 0, b"")
    assert desk.ask(RequestInfo()) == empty
    desk.ask(desk.genesis())
    assert desk.ask(RequestInfo()) == empty
    desk.node.restart()
    assert desk.ask(RequestInfo()) == empty


def test_after_a_block_info_says_its_height_and_app_hash_also_while_the_next_is_executed(
    desk: Desk,
) -> None:
    app_hash = desk.run_block().app_hash
    desk.finalize(desk.submitter.envelope("a"))
    assert desk.ask(RequestInfo()) == ResponseInfo("traco", "", 1, 1, app_hash)


def test_init_chain_founds_the_ledger_and_answers_the_app_hash_of_block_0() -> None:
    desk = Desk()
    answer = desk.ask(desk.genesis())
    assert answer == ResponseInitChain(app_hash=desk.node.store.blocks[0].app_hash)


def test_init_chain_takes_a_ledger_that_was_founded_before_and_may_be_repeated() -> None:
    desk = Desk()
    desk.node.application.init_chain()
    desk.node.restart()
    first = desk.ask(desk.genesis())
    assert desk.ask(desk.genesis()) == first
    assert first == ResponseInitChain(app_hash=desk.node.store.blocks[0].app_hash)


def test_what_a_block_changed_counts_for_the_engine_only_once_it_is_committed(desk: Desk) -> None:
    """The engine may be killed in between and begin again, while the ledger's process goes on."""
    desk.finalize(desk.submitter.envelope("set"))
    assert desk.ask(desk.genesis()).app_hash == desk.node.store.blocks[0].app_hash
    desk.run_block(governed(desk, ScheduleUpgrade((SOLO, EITHER), 2, 2)))
    desk.finalize()
    assert desk.ask(RequestInfo()).app_version == 1
    desk.ask(RequestCommit())
    assert desk.ask(RequestInfo()).app_version == 2


PARAMS = ConsensusParams(BlockParams(LIMIT + ROOM_BYTES, -1), version=VersionParams(1))


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"chain_id": "traco-other"}, "chain id"),
        ({"time": at(START_MS, 1)}, "time"),
        ({"time": at(START_MS + 1)}, "time"),
        ({"initial_height": 2}, "initial height"),
        ({"consensus_params": None}, "protocol"),
        ({"consensus_params": msgspec.structs.replace(PARAMS, version=VersionParams(2))}, "protocol"),
        ({"consensus_params": msgspec.structs.replace(PARAMS, block=BlockParams(LIMIT, -1))}, "block limits"),
        ({"consensus_params": msgspec.structs.replace(PARAMS, abci=AbciParams(9))}, "vote extensions"),
        ({"validators": ()}, "validators"),
        ({"validators": (ValidatorUpdate(PublicKey(VALIDATORS[0][1:]), 10),)}, "validators"),
    ],
)
def test_an_engine_of_another_genesis_is_refused(changes: dict[str, Any], what: str) -> None:
    desk = Desk()
    with pytest.raises(Halt, match=rf"do not agree on the .*{what}"):
        desk.ask(desk.genesis(**changes))


def test_an_engine_that_begins_anew_under_a_ledger_with_blocks_is_refused(desk: Desk) -> None:
    desk.run_block()
    with pytest.raises(Halt, match="this node's engine lost its files"):
        desk.ask(desk.genesis())


def test_check_tx_answers_zero_or_one_with_the_stable_code(desk: Desk) -> None:
    late = desk.submitter.at(START_MS - 60_000).envelope("a")
    assert desk.ask(RequestCheckTx(desk.submitter.at(START_MS).envelope("a"))) == ResponseCheckTx()
    assert desk.ask(RequestCheckTx(b"x")) == ResponseCheckTx(
        1, log="transaction.malformed", codespace="traco"
    )
    assert desk.ask(RequestCheckTx(late)).log == "transaction.expired"


def test_what_passed_the_check_is_screened_in_the_background_and_not_again(desk: Desk) -> None:
    envelope = desk.submitter.envelope("a", "b")
    desk.ask(RequestCheckTx(envelope))
    desk.ask(RequestCheckTx(envelope, CheckTxType.RECHECK))
    desk.run_block(envelope)
    assert desk.node.pool.batches == [2]
    assert (desk.total("a"), desk.total("b")) == (1, 1)


def test_what_is_refused_costs_no_screening(desk: Desk) -> None:
    desk.ask(RequestCheckTx(desk.submitter.at(START_MS - 60_000).envelope("a")))
    desk.run_block(desk.submitter.envelope("a"))
    assert desk.node.pool.batches == []


def test_a_proposal_has_what_is_acceptable_once_and_in_order_within_the_bytes(desk: Desk) -> None:
    first, second, third = (desk.submitter.envelope(name) for name in "abc")
    txs = (first, b"garbage", second, first, third)
    room = sum(map(size_in_block, txs))
    answer = desk.ask(RequestPrepareProposal(room, txs, time=at(START_MS)))
    assert answer == ResponsePrepareProposal((first, second, third))
    short = desk.ask(RequestPrepareProposal(room - size_in_block(third), txs, time=at(START_MS)))
    assert sum(map(size_in_block, short.txs)) <= room - size_in_block(third)
    assert desk.ask(RequestPrepareProposal(1, txs, time=at(START_MS))) == ResponsePrepareProposal()


def judged(desk: Desk, *txs: bytes, time_ms: int = START_MS) -> Verdict:
    answer = desk.ask(RequestProcessProposal(txs, height=1, time=at(time_ms)))
    assert isinstance(answer, ResponseProcessProposal)
    return answer.status


def test_a_proposal_of_acceptable_envelopes_is_voted_for_and_an_empty_one_too(desk: Desk) -> None:
    assert judged(desk, desk.submitter.envelope("a"), desk.submitter.envelope("a")) is Verdict.ACCEPT
    assert judged(desk) is Verdict.ACCEPT


def test_envelopes_with_what_is_too_short_for_a_transaction_are_neither_taken_nor_proposed_nor_voted_for(
    desk: Desk,
) -> None:
    """Refusals of thousands of them would take many times their bytes in the ledger of every node."""
    true = desk.submitter.transaction([Add(SOLO, "a", 1)], ALICE)
    assert len(true) > MIN_TRANSACTION_BYTES
    scraps = desk.submitter.of([true, b"x" * (MIN_TRANSACTION_BYTES - 1)])
    assert desk.ask(RequestCheckTx(scraps)).log == "transaction.malformed"
    whole = desk.submitter.of([true, b"x" * MIN_TRANSACTION_BYTES])
    proposed = desk.ask(RequestPrepareProposal(LIMIT, (scraps, whole), time=at(START_MS)))
    assert proposed == ResponsePrepareProposal((whole,))
    assert (judged(desk, scraps), judged(desk, whole)) == (Verdict.REJECT, Verdict.ACCEPT)


def test_screening_begins_with_the_proposal(desk: Desk) -> None:
    envelope = desk.submitter.envelope("a")
    judged(desk, envelope)
    assert desk.node.pool.batches == [1]
    desk.run_block(envelope)
    assert desk.node.pool.batches == [1]


def test_garbage_duplicates_what_was_ordered_what_expired_and_too_much_are_voted_against(
    desk: Desk,
) -> None:
    envelope = desk.submitter.envelope("a")
    assert judged(desk, b"garbage") is Verdict.REJECT
    assert judged(desk, b"") is Verdict.REJECT
    assert judged(desk, envelope, envelope) is Verdict.REJECT
    assert judged(desk, envelope, time_ms=START_MS + 60_000) is Verdict.REJECT
    assert judged(desk, bytes(LIMIT), b"x") is Verdict.REJECT
    assert judged(desk, time_ms=START_MS - 1) is Verdict.REJECT
    desk.run_block(envelope)
    assert judged(desk, envelope) is Verdict.REJECT


def test_a_block_has_one_result_per_transaction_and_the_app_hash_after_it(desk: Desk) -> None:
    envelope = desk.submitter.envelope("a")
    answer = desk.run_block(envelope, b"garbage", envelope)
    assert answer.tx_results == (
        ExecTxResult(),
        ExecTxResult(1, log="transaction.malformed", codespace="traco"),
        ExecTxResult(1, log="transaction.duplicate", codespace="traco"),
    )
    assert answer.app_hash == desk.node.application.info().app_hash
    assert (answer.validator_updates, answer.consensus_param_updates) == ((), None)
    assert desk.total("a") == 1


def test_the_app_hash_stays_over_blocks_that_change_nothing(desk: Desk) -> None:
    assert desk.run_block().app_hash == desk.run_block(b"garbage").app_hash


def test_a_block_may_be_executed_again_and_as_another_before_it_is_committed(desk: Desk) -> None:
    first, second = desk.submitter.envelope("a"), desk.submitter.envelope("b")
    once = desk.finalize(first)
    assert desk.finalize(second) != once
    assert desk.finalize(first) == once
    desk.ask(RequestCommit())
    assert (desk.total("a"), desk.total("b")) == (1, 0)


def test_a_block_executed_and_not_committed_is_executed_again_after_a_restart(desk: Desk) -> None:
    envelope = desk.submitter.envelope("a")
    once = desk.finalize(envelope)
    desk.node.restart()
    assert desk.run_block(envelope) == once
    assert desk.total("a") == 1


def test_a_block_waits_for_its_signatures(desk: Desk) -> None:
    async def work() -> None:
        desk.node.pool.gate.clear()
        request = RequestFinalizeBlock((desk.submitter.envelope("a"),), height=1, time=at(START_MS))
        executing = asyncio.create_task(desk.node.adapter.answer((request,)))
        while not desk.node.pool.batches:
            await asyncio.sleep(0)
        assert await desk.node.adapter.answer((RequestCheckTx(b"x"),)) != []
        assert not executing.done()
        desk.node.pool.gate.set()
        await executing

    asyncio.run(asyncio.wait_for(work(), 120))


def test_an_engine_that_goes_while_signatures_are_checked_leaves_nothing_behind(desk: Desk) -> None:
    async def work() -> None:
        desk.node.pool.gate.clear()
        request = RequestFinalizeBlock((desk.submitter.envelope("a"),), height=1, time=at(START_MS))
        executing = asyncio.create_task(desk.node.adapter.answer((request,)))
        while not desk.node.pool.batches:
            await asyncio.sleep(0)
        executing.cancel()
        await asyncio.gather(executing, return_exceptions=True)
        desk.node.pool.gate.set()
        assert isinstance((await desk.node.adapter.answer((request,)))[0], ResponseFinalizeBlock)

    asyncio.run(asyncio.wait_for(work(), 120))
    assert desk.node.pool.batches == [1]  # the second time, the answer was there or on its way


def test_a_block_out_of_order_or_before_its_predecessor_halts(desk: Desk) -> None:
    with pytest.raises(Halt, match="block 2 was decided"):
        desk.finalize(height=2)
    with pytest.raises(Halt, match="before its predecessor"):
        desk.finalize(time_ms=START_MS - 1)


def test_block_time_is_cut_to_milliseconds(desk: Desk) -> None:
    desk.ask_all(RequestFinalizeBlock(height=1, time=at(START_MS + 5, 999_999)), RequestCommit())
    assert desk.node.application.info().time_ms == START_MS + 5


def test_commit_tells_of_the_block_and_which_blocks_the_engine_may_forget(desk: Desk) -> None:
    desk.finalize(desk.submitter.envelope("a"))
    assert desk.node.blocks == []
    desk.node.retain = 1
    assert desk.ask(RequestCommit()) == ResponseCommit(1)
    assert [told.block.height for told in desk.node.blocks] == [1]
    assert [answer.leaf for answer in desk.node.blocks[0].answers] == [0]


def test_a_commit_without_a_block_halts(desk: Desk) -> None:
    with pytest.raises(Halt, match="did not have executed"):
        desk.ask(RequestCommit())
    desk.run_block()
    with pytest.raises(Halt, match="did not have executed"):
        desk.ask(RequestCommit())


def update(number: int, power: int) -> ValidatorUpdate:
    return ValidatorUpdate(PublicKey(VALIDATORS[number][1:]), power)


def test_validators_that_changed_are_told_to_the_engine_ascending_by_key(desk: Desk) -> None:
    answer = desk.run_block(desk.submitter.envelope("set", "power", amount=5))
    assert answer.validator_updates == (update(0, 15), update(1, 0), update(3, 0))
    assert desk.run_block().validator_updates == ()
    assert desk.run_block(desk.submitter.envelope("set", amount=1)).validator_updates == (
        update(1, 10),
        update(2, 0),
    )


def test_the_difference_of_validators_counts_from_the_last_commit_however_often_a_block_is_executed(
    desk: Desk,
) -> None:
    changing = desk.submitter.envelope("set")
    expected = (update(1, 0),)
    assert desk.finalize(changing).validator_updates == expected
    assert desk.finalize().validator_updates == ()
    assert desk.finalize(changing).validator_updates == expected
    desk.node.restart()
    assert desk.run_block(changing).validator_updates == expected
    desk.node.restart()
    assert desk.run_block().validator_updates == ()


def test_no_validators_at_all_halt_before_the_engine_fails() -> None:
    with pytest.raises(Halt, match="no validator is left"):
        validator_updates(((VALIDATORS[0], 1),), ())


def governed(desk: Desk, *instructions: Any) -> bytes:
    return desk.submitter.of([desk.submitter.transaction(instructions, ALICE)])


def test_an_upgrade_is_told_to_the_engine_with_the_block_that_enters_it(desk: Desk) -> None:
    assert (
        desk.run_block(governed(desk, ScheduleUpgrade((SOLO, EITHER), 2, 3))).consensus_param_updates is None
    )
    assert desk.run_block().consensus_param_updates is None
    assert desk.ask(RequestInfo()).app_version == 1
    assert desk.run_block().consensus_param_updates == ConsensusParams(version=VersionParams(2))
    assert desk.ask(RequestInfo()).app_version == 2
    assert desk.run_block().consensus_param_updates is None


def test_a_new_limit_of_blocks_is_told_to_the_engine(desk: Desk) -> None:
    larger = encode(KernelParameters(max_block_bytes=2 * LIMIT))
    answer = desk.run_block(governed(desk, SetParameters((SOLO, EITHER), "kernel", larger)))
    expected = ConsensusParams(block=BlockParams(2 * LIMIT + ROOM_BYTES, -1))
    assert answer.consensus_param_updates == expected


def test_only_nodes_on_the_ledger_pass_the_filter_and_each_commit_renews_it(desk: Desk) -> None:
    desk.run_block()
    assert (desk.filtered(PEER), desk.filtered(LATER_PEER)) == (0, 1)
    desk.finalize(desk.submitter.envelope("peer"))
    assert desk.filtered(LATER_PEER) == 1
    desk.ask(RequestCommit())
    assert (desk.filtered(PEER), desk.filtered(LATER_PEER)) == (0, 0)


def test_bootstrap_peers_pass_until_there_is_a_block() -> None:
    desk = Desk()
    assert (desk.filtered(b"b" * 20), desk.filtered(PEER)) == (0, 1)
    desk.ask(desk.genesis())
    assert (desk.filtered(b"b" * 20), desk.filtered(PEER)) == (0, 0)
    desk.run_block()
    assert (desk.filtered(b"b" * 20), desk.filtered(PEER)) == (1, 0)


def test_addresses_pass_and_ids_that_are_none_do_not(desk: Desk) -> None:
    def code(path: str) -> int:
        answer = desk.ask(RequestQuery(path=path))
        assert isinstance(answer, ResponseQuery)
        return answer.code

    assert code("/p2p/filter/addr/127.0.0.1:26656") == 0
    assert code("/p2p/filter/id/") == 1
    assert code("/p2p/filter/id/xyz") == 1
    assert code("/p2p/filter/id/" + PEER.hex() + "00") == 1
    assert code("/store") == 1


def test_only_queries_are_answered_outside_of_the_ledger(desk: Desk) -> None:
    assert desk.node.adapter.answer_at_once(RequestInfo()) is None


def test_votes_carry_no_extensions(desk: Desk) -> None:
    assert desk.ask(RequestExtendVote()) == ResponseExtendVote()
    verdicts: Sequence[Any] = desk.ask_all(
        RequestVerifyVoteExtension(), RequestVerifyVoteExtension(vote_extension=b"x")
    )
    assert verdicts == [
        ResponseVerifyVoteExtension(Verdict.ACCEPT),
        ResponseVerifyVoteExtension(Verdict.REJECT),
    ]


def test_a_node_without_snapshots_says_so(desk: Desk) -> None:
    answers = desk.ask_all(
        RequestListSnapshots(),
        RequestOfferSnapshot(),
        RequestLoadSnapshotChunk(),
        RequestApplySnapshotChunk(),
    )
    assert answers == [
        ResponseListSnapshots(), ResponseOfferSnapshot(OfferResult.ABORT), ResponseLoadSnapshotChunk(),
        ResponseApplySnapshotChunk(ApplyResult.ABORT),
    ]  # fmt: skip


class Restoring(NoSnapshots):
    """A chunk of another node's ledger is all of it."""

    def __init__(self, node: CometNode, other: CometNode) -> None:
        self._node, self._other = node, other

    async def apply_chunk(self, index: int, chunk: bytes, sender: str) -> ResponseApplySnapshotChunk:
        self._node.store.blocks[:] = self._other.store.blocks
        self._node.application.reload()
        return ResponseApplySnapshotChunk(ApplyResult.ACCEPT)


def test_after_the_last_chunk_of_a_snapshot_all_answers_are_those_of_the_restored_ledger(
    desk: Desk,
) -> None:
    desk.run_block(desk.submitter.envelope("peer", "set"))
    info = desk.ask(RequestInfo())
    joining = Desk()
    joining.node.snapshots = Restoring(joining.node, desk.node)
    joining.node.restart()
    joining.ask(RequestApplySnapshotChunk())
    assert joining.ask(RequestInfo()) == info
    assert joining.filtered(LATER_PEER) == 0
    empty = desk.run_block(), joining.run_block()
    assert empty[0] == empty[1]
