"""Each call of the engine, as our ledger answers it."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from support.comet_driver import size_in_block
from support.comet_node import LATER_PEER, PEER, ROOM_BYTES, VALIDATORS, CometNode, Submitter, total
from support.counters import ALICE, EITHER, SOLO
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
    RequestInitChain,
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
    Timestamp,
    ValidatorUpdate,
    Verdict,
    VersionParams,
)
from traco.engine.cometbft.abci.wire import Message
from traco.engine.cometbft.adapter import validator_updates
from traco.kernel.codec import encode
from traco.kernel.errors import Halt
from traco.kernel.instruction import KernelParameters
from traco.kernel.operations import ScheduleUpgrade, SetParameters

LIMIT = KernelParameters().max_block_bytes


def at(time_ms: int, nanos: int = 0) -> Timestamp:
    return Timestamp(time_ms // 1_000, time_ms % 1_000 * 1_000_000 + nanos)


class Office:
    """A node, asked call by call, and somebody who signs."""

    def __init__(self) -> None:
        self.node = CometNode()
        self.submitter = Submitter().at(START_MS)

    def ask(self, request: Message) -> Any:
        """One call."""
        return self.ask_all(request)[0]

    def ask_all(self, *requests: Message) -> list[Any]:
        """Calls in one batch; what they began in the background ends too."""

        async def work() -> list[Message]:
            answers = await self.node.adapter.answer(requests)
            await asyncio.gather(
                *(task for task in asyncio.all_tasks() if task.get_name() == "traco-foreign")
            )
            return answers

        return asyncio.run(asyncio.wait_for(work(), 5))

    def genesis(self, **changes: Any) -> RequestInitChain:
        """The engine's genesis as this ledger wants it, but for the changes."""
        request = RequestInitChain(
            at(START_MS), self.node.terms.chain_id,
            ConsensusParams(BlockParams(LIMIT + ROOM_BYTES, -1), b"", b"", VersionParams(1), AbciParams(), b""),
            tuple(ValidatorUpdate(PublicKey(key[1:]), 10) for key in reversed(VALIDATORS)), b"{}", 1,
        )  # fmt: skip
        return msgspec.structs.replace(request, **changes)

    def finalize(self, *txs: bytes, height: int = 0, time_ms: int = 0) -> ResponseFinalizeBlock:
        """Execute the next block, or the one of that height."""
        info = self.node.application.info()
        time_ms = time_ms or info.time_ms + 1
        answer: ResponseFinalizeBlock = self.ask(
            RequestFinalizeBlock(txs, height=height or info.height + 1, time=at(time_ms))
        )
        return answer

    def run_block(self, *txs: bytes, time_ms: int = 0) -> ResponseFinalizeBlock:
        """Execute and commit the next block."""
        answer = self.finalize(*txs, time_ms=time_ms)
        self.ask(RequestCommit())
        return answer

    def total(self, name: str) -> int:
        """A counter, as committed."""
        return total(self.node.application.state, name)

    def filtered(self, peer: bytes) -> int:
        """The code of the filter's answer."""
        answer = self.node.adapter.answer_at_once(RequestQuery(path="/p2p/filter/id/" + peer.hex()))
        assert isinstance(answer, ResponseQuery)
        return answer.code


@pytest.fixture
def office() -> Office:
    office = Office()
    office.ask(office.genesis())
    return office


def test_before_the_first_block_info_says_height_zero_without_app_hash() -> None:
    office = Office()
    empty = ResponseInfo("traco", "", 1, 0, b"")
    assert office.ask(RequestInfo()) == empty
    office.ask(office.genesis())
    assert office.ask(RequestInfo()) == empty
    office.node.restart()
    assert office.ask(RequestInfo()) == empty


def test_after_a_block_info_says_its_height_and_app_hash_also_while_the_next_is_executed(
    office: Office,
) -> None:
    app_hash = office.run_block().app_hash
    office.finalize(office.submitter.envelope("a"))
    assert office.ask(RequestInfo()) == ResponseInfo("traco", "", 1, 1, app_hash)


def test_init_chain_founds_the_ledger_and_answers_the_app_hash_of_block_0() -> None:
    office = Office()
    answer = office.ask(office.genesis())
    assert answer == ResponseInitChain(app_hash=office.node.store.blocks[0].app_hash)


def test_init_chain_takes_a_ledger_that_was_founded_before_and_may_be_repeated() -> None:
    office = Office()
    office.node.application.init_chain()
    office.node.restart()
    first = office.ask(office.genesis())
    assert office.ask(office.genesis()) == first
    assert first == ResponseInitChain(app_hash=office.node.store.blocks[0].app_hash)


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
    office = Office()
    with pytest.raises(Halt, match=rf"do not agree on the .*{what}"):
        office.ask(office.genesis(**changes))


def test_an_engine_that_begins_anew_under_a_ledger_with_blocks_is_refused(office: Office) -> None:
    office.run_block()
    with pytest.raises(Halt, match="this node's engine lost its files"):
        office.ask(office.genesis())


def test_check_tx_answers_zero_or_one_with_the_stable_code(office: Office) -> None:
    late = office.submitter.at(START_MS - 60_000).envelope("a")
    assert office.ask(RequestCheckTx(office.submitter.at(START_MS).envelope("a"))) == ResponseCheckTx()
    assert office.ask(RequestCheckTx(b"x")) == ResponseCheckTx(
        1, log="transaction.malformed", codespace="traco"
    )
    assert office.ask(RequestCheckTx(late)).log == "transaction.expired"


def test_what_passed_the_check_is_screened_in_the_background_and_not_again(office: Office) -> None:
    envelope = office.submitter.envelope("a", "b")
    office.ask(RequestCheckTx(envelope))
    office.ask(RequestCheckTx(envelope, CheckTxType.RECHECK))
    office.run_block(envelope)
    assert office.node.pool.batches == [2]
    assert (office.total("a"), office.total("b")) == (1, 1)


def test_what_is_refused_costs_no_screening(office: Office) -> None:
    office.ask(RequestCheckTx(office.submitter.at(START_MS - 60_000).envelope("a")))
    office.run_block(office.submitter.envelope("a"))
    assert office.node.pool.batches == []


def test_a_proposal_has_what_is_acceptable_once_and_in_order_within_the_bytes(office: Office) -> None:
    first, second, third = (office.submitter.envelope(name) for name in "abc")
    txs = (first, b"garbage", second, first, third)
    room = sum(map(size_in_block, txs))
    answer = office.ask(RequestPrepareProposal(room, txs, time=at(START_MS)))
    assert answer == ResponsePrepareProposal((first, second, third))
    short = office.ask(RequestPrepareProposal(room - size_in_block(third), txs, time=at(START_MS)))
    assert sum(map(size_in_block, short.txs)) <= room - size_in_block(third)
    assert office.ask(RequestPrepareProposal(1, txs, time=at(START_MS))) == ResponsePrepareProposal()


def judged(office: Office, *txs: bytes, time_ms: int = START_MS) -> Verdict:
    answer = office.ask(RequestProcessProposal(txs, height=1, time=at(time_ms)))
    assert isinstance(answer, ResponseProcessProposal)
    return answer.status


def test_a_proposal_of_acceptable_envelopes_is_voted_for_and_an_empty_one_too(office: Office) -> None:
    assert judged(office, office.submitter.envelope("a"), office.submitter.envelope("a")) is Verdict.ACCEPT
    assert judged(office) is Verdict.ACCEPT


def test_screening_begins_with_the_proposal(office: Office) -> None:
    envelope = office.submitter.envelope("a")
    judged(office, envelope)
    assert office.node.pool.batches == [1]
    office.run_block(envelope)
    assert office.node.pool.batches == [1]


def test_garbage_duplicates_what_was_ordered_what_expired_and_too_much_are_voted_against(
    office: Office,
) -> None:
    envelope = office.submitter.envelope("a")
    assert judged(office, b"garbage") is Verdict.REJECT
    assert judged(office, b"") is Verdict.REJECT
    assert judged(office, envelope, envelope) is Verdict.REJECT
    assert judged(office, envelope, time_ms=START_MS + 60_000) is Verdict.REJECT
    assert judged(office, bytes(LIMIT), b"x") is Verdict.REJECT
    assert judged(office, time_ms=START_MS - 1) is Verdict.REJECT
    office.run_block(envelope)
    assert judged(office, envelope) is Verdict.REJECT


def test_a_block_has_one_result_per_transaction_and_the_app_hash_after_it(office: Office) -> None:
    envelope = office.submitter.envelope("a")
    answer = office.run_block(envelope, b"garbage", envelope)
    assert answer.tx_results == (
        ExecTxResult(),
        ExecTxResult(1, log="transaction.malformed", codespace="traco"),
        ExecTxResult(1, log="transaction.duplicate", codespace="traco"),
    )
    assert answer.app_hash == office.node.application.info().app_hash
    assert (answer.validator_updates, answer.consensus_param_updates) == ((), None)
    assert office.total("a") == 1


def test_the_app_hash_stays_over_blocks_that_change_nothing(office: Office) -> None:
    assert office.run_block().app_hash == office.run_block(b"garbage").app_hash


def test_a_block_may_be_executed_again_and_as_another_before_it_is_committed(office: Office) -> None:
    first, second = office.submitter.envelope("a"), office.submitter.envelope("b")
    once = office.finalize(first)
    assert office.finalize(second) != once
    assert office.finalize(first) == once
    office.ask(RequestCommit())
    assert (office.total("a"), office.total("b")) == (1, 0)


def test_a_block_executed_and_not_committed_is_executed_again_after_a_restart(office: Office) -> None:
    envelope = office.submitter.envelope("a")
    once = office.finalize(envelope)
    office.node.restart()
    assert office.run_block(envelope) == once
    assert office.total("a") == 1


def test_a_block_waits_for_its_signatures(office: Office) -> None:
    async def work() -> None:
        office.node.pool.gate.clear()
        request = RequestFinalizeBlock((office.submitter.envelope("a"),), height=1, time=at(START_MS))
        executing = asyncio.create_task(office.node.adapter.answer((request,)))
        while not office.node.pool.batches:
            await asyncio.sleep(0)
        assert await office.node.adapter.answer((RequestCheckTx(b"x"),)) != []
        assert not executing.done()
        office.node.pool.gate.set()
        await executing

    asyncio.run(asyncio.wait_for(work(), 5))


def test_an_engine_that_goes_while_signatures_are_checked_leaves_nothing_behind(office: Office) -> None:
    async def work() -> None:
        office.node.pool.gate.clear()
        request = RequestFinalizeBlock((office.submitter.envelope("a"),), height=1, time=at(START_MS))
        executing = asyncio.create_task(office.node.adapter.answer((request,)))
        while not office.node.pool.batches:
            await asyncio.sleep(0)
        executing.cancel()
        await asyncio.gather(executing, return_exceptions=True)
        office.node.pool.gate.set()
        assert isinstance((await office.node.adapter.answer((request,)))[0], ResponseFinalizeBlock)

    asyncio.run(asyncio.wait_for(work(), 5))
    assert office.node.pool.batches == [1]  # the second time, the answer was there or on its way


def test_a_block_out_of_order_or_before_its_predecessor_halts(office: Office) -> None:
    with pytest.raises(Halt, match="block 2 was decided"):
        office.finalize(height=2)
    with pytest.raises(Halt, match="before its predecessor"):
        office.finalize(time_ms=START_MS - 1)


def test_block_time_is_cut_to_milliseconds(office: Office) -> None:
    office.ask_all(RequestFinalizeBlock(height=1, time=at(START_MS + 5, 999_999)), RequestCommit())
    assert office.node.application.info().time_ms == START_MS + 5


def test_commit_tells_of_the_block_and_which_blocks_the_engine_may_forget(office: Office) -> None:
    office.finalize(office.submitter.envelope("a"))
    assert office.node.blocks == []
    office.node.retain = 1
    assert office.ask(RequestCommit()) == ResponseCommit(1)
    assert [told.block.height for told in office.node.blocks] == [1]
    assert [answer.leaf for answer in office.node.blocks[0].answers] == [0]


def test_a_commit_without_a_block_halts(office: Office) -> None:
    with pytest.raises(Halt, match="did not have executed"):
        office.ask(RequestCommit())
    office.run_block()
    with pytest.raises(Halt, match="did not have executed"):
        office.ask(RequestCommit())


def update(number: int, power: int) -> ValidatorUpdate:
    return ValidatorUpdate(PublicKey(VALIDATORS[number][1:]), power)


def test_validators_that_changed_are_told_to_the_engine_ascending_by_key(office: Office) -> None:
    answer = office.run_block(office.submitter.envelope("set", "power", amount=5))
    assert answer.validator_updates == (update(0, 15), update(1, 0), update(3, 0))
    assert office.run_block().validator_updates == ()
    assert office.run_block(office.submitter.envelope("set", amount=1)).validator_updates == (
        update(1, 10),
        update(2, 0),
    )


def test_the_difference_of_validators_counts_from_the_last_commit_however_often_a_block_is_executed(
    office: Office,
) -> None:
    changing = office.submitter.envelope("set")
    expected = (update(1, 0),)
    assert office.finalize(changing).validator_updates == expected
    assert office.finalize().validator_updates == ()
    assert office.finalize(changing).validator_updates == expected
    office.node.restart()
    assert office.run_block(changing).validator_updates == expected
    office.node.restart()
    assert office.run_block().validator_updates == ()


def test_no_validators_at_all_halt_before_the_engine_fails() -> None:
    with pytest.raises(Halt, match="no validator is left"):
        validator_updates(((VALIDATORS[0], 1),), ())


def governed(office: Office, *instructions: Any) -> bytes:
    return office.submitter.of([office.submitter.transaction(instructions, ALICE)])


def test_an_upgrade_is_told_to_the_engine_with_the_block_that_enters_it(office: Office) -> None:
    assert (
        office.run_block(governed(office, ScheduleUpgrade((SOLO, EITHER), 2, 3))).consensus_param_updates
        is None
    )
    assert office.run_block().consensus_param_updates is None
    assert office.ask(RequestInfo()).app_version == 1
    assert office.run_block().consensus_param_updates == ConsensusParams(version=VersionParams(2))
    assert office.ask(RequestInfo()).app_version == 2
    assert office.run_block().consensus_param_updates is None


def test_a_new_limit_of_blocks_is_told_to_the_engine(office: Office) -> None:
    larger = encode(KernelParameters(max_block_bytes=2 * LIMIT))
    answer = office.run_block(governed(office, SetParameters((SOLO, EITHER), "kernel", larger)))
    expected = ConsensusParams(block=BlockParams(2 * LIMIT + ROOM_BYTES, -1))
    assert answer.consensus_param_updates == expected


def test_only_nodes_on_the_ledger_pass_the_filter_and_each_commit_renews_it(office: Office) -> None:
    office.run_block()
    assert (office.filtered(PEER), office.filtered(LATER_PEER)) == (0, 1)
    office.finalize(office.submitter.envelope("peer"))
    assert office.filtered(LATER_PEER) == 1
    office.ask(RequestCommit())
    assert (office.filtered(PEER), office.filtered(LATER_PEER)) == (0, 0)


def test_bootstrap_peers_pass_until_there_is_a_block() -> None:
    office = Office()
    assert (office.filtered(b"b" * 20), office.filtered(PEER)) == (0, 1)
    office.ask(office.genesis())
    assert (office.filtered(b"b" * 20), office.filtered(PEER)) == (0, 0)
    office.run_block()
    assert (office.filtered(b"b" * 20), office.filtered(PEER)) == (1, 0)


def test_addresses_pass_and_ids_that_are_none_do_not(office: Office) -> None:
    def code(path: str) -> int:
        answer = office.ask(RequestQuery(path=path))
        assert isinstance(answer, ResponseQuery)
        return answer.code

    assert code("/p2p/filter/addr/127.0.0.1:26656") == 0
    assert code("/p2p/filter/id/") == 1
    assert code("/p2p/filter/id/xyz") == 1
    assert code("/p2p/filter/id/" + PEER.hex() + "00") == 1
    assert code("/store") == 1


def test_only_queries_are_answered_outside_of_the_ledger(office: Office) -> None:
    assert office.node.adapter.answer_at_once(RequestInfo()) is None


def test_votes_carry_no_extensions(office: Office) -> None:
    assert office.ask(RequestExtendVote()) == ResponseExtendVote()
    verdicts: Sequence[Any] = office.ask_all(
        RequestVerifyVoteExtension(), RequestVerifyVoteExtension(vote_extension=b"x")
    )
    assert verdicts == [
        ResponseVerifyVoteExtension(Verdict.ACCEPT),
        ResponseVerifyVoteExtension(Verdict.REJECT),
    ]


def test_a_node_without_snapshots_says_so(office: Office) -> None:
    answers = office.ask_all(
        RequestListSnapshots(),
        RequestOfferSnapshot(),
        RequestLoadSnapshotChunk(),
        RequestApplySnapshotChunk(),
    )
    assert answers == [
        ResponseListSnapshots(), ResponseOfferSnapshot(OfferResult.ABORT), ResponseLoadSnapshotChunk(),
        ResponseApplySnapshotChunk(ApplyResult.ABORT),
    ]  # fmt: skip
