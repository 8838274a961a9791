"""What every ledger's replica does whoever drives it: here one that is driven by nothing but its own methods."""

from collections.abc import Sequence

import pytest

from support.counters import ALICE, SOLO, Add, TotalOf, counter_ledger
from support.ledger import Ledger
from support.memory_store import MemoryStore
from traco.kernel.block import BlockRun
from traco.kernel.codec import encode
from traco.kernel.errors import Failure, Halt, Rejected
from traco.kernel.execution import Execution
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import Protocol, protocol_of, write_protocol
from traco.kernel.receipt import NO_SIGNATURES
from traco.kernel.replica import Info, Replica
from traco.kernel.screening import DirectScreener, encode_transaction
from traco.kernel.store import CommittedBlock
from traco.kernel.transaction import Body, signing_message, transaction_id

CHANNEL = b"c" * 32
ROOT_HEIGHT = 700


class Driven(Replica):
    """Runs lists of transactions, at heights of its own, under a context of another height."""

    def __init__(self, like: Ledger) -> None:
        registry = like.registry
        declared = {
            module.name: module.parameters for module in registry.modules if module.parameters is not None
        }
        self.alarms: list[str] = []
        super().__init__(
            like.application._genesis, registry, Parameters(declared), MemoryStore(),
            lambda kind, _, error: self.alarms.append(kind), CHANNEL,
        )  # fmt: skip
        self.screener = DirectScreener(registry.body, like.application._genesis.kernel_parameters())
        write_protocol(self._state, Protocol(1, 0, 0))
        self._found(BlockContext(self.network, CHANNEL, 0, like.time_ms, 1))

    def begun(self, time_ms: int) -> tuple[BlockContext, BlockRun]:
        """A block that has begun."""
        self._begin(self.info().height + 1, time_ms)
        context = BlockContext(self.network, CHANNEL, ROOT_HEIGHT, time_ms, 1)
        run = BlockRun(
            self.registry, self.parameters, self.state, context, self._used, self.screener, self._raise_alarm
        )
        run.begin()
        return context, run

    def _raise_alarm(self, kind: str, identity: bytes, error: BaseException) -> None:
        self.alarms.append(kind)

    def end(self, context: BlockContext, run: BlockRun) -> CommittedBlock:
        """Make it durable."""
        block = self._pending = self._block(self.info().height + 1, context, (b"content",), run.executed())
        self.commit()
        return block

    def total(self, name: str) -> int:
        """A counter."""
        found: int = self.query("counter.total", TotalOf(name))
        return found


def signed(ledger: Ledger, *adds: tuple[str, int]) -> list[bytes]:
    """Transactions of the channel that add to counters."""
    wires = []
    for name, amount in adds:
        body = encode(
            Body(
                ledger.application.network, CHANNEL, ledger.time_ms + 60_000, ledger.salt(),
                (Add(SOLO, name, amount),),
            )
        )  # fmt: skip
        message = signing_message(transaction_id(body))
        wires.append(encode_transaction(body, (ALICE.signature(message),)))
    return wires


@pytest.fixture
def ledger() -> Ledger:
    return counter_ledger()


@pytest.fixture
def driven(ledger: Ledger) -> Driven:
    return Driven(ledger)


def test_lists_of_transactions_run_without_an_envelope(ledger: Ledger, driven: Driven) -> None:
    context, run = driven.begun(ledger.time_ms + 1)
    first = run.run_transactions(0, signed(ledger, ("x", 1), ("x", 2)))
    second = run.run_transactions(3, [*signed(ledger, ("y", 5)), b"not a transaction"])
    block = driven.end(context, run)
    assert [answer.leaf for answer in (*first, *second)] == [0, 1, 2, -1]
    assert len(block.leaves) == 3
    assert [(refusal.envelope, refusal.transaction) for refusal in block.refusals] == [(3, 1)]
    assert (driven.total("x"), driven.total("y")) == (3, 5)


def test_a_block_has_the_replicas_own_height_and_its_context_another(ledger: Ledger, driven: Driven) -> None:
    context, run = driven.begun(ledger.time_ms + 1)
    run.run_transactions(0, signed(ledger, ("x", 1)))
    block = driven.end(context, run)
    assert block.record is not None
    assert (context.height, block.height, block.record.height) == (ROOT_HEIGHT, 1, 1)
    assert driven.info() == Info(1, ledger.time_ms + 1, block.app_hash)


def test_a_kernel_transaction_has_a_leaf_that_nobody_signed(ledger: Ledger, driven: Driven) -> None:
    context, run = driven.begun(ledger.time_ms + 1)
    outcome = run.run_kernel(b"k" * 32, _add, ("x", 4))
    block = driven.end(context, run)
    assert outcome.failure is None
    assert [(leaf.identity, leaf.signatures) for leaf in block.leaves] == [(b"k" * 32, NO_SIGNATURES)]
    assert driven.total("x") == 4


def test_a_kernel_transaction_that_refuses_is_rolled_back_with_its_code(
    ledger: Ledger, driven: Driven
) -> None:
    context, run = driven.begun(ledger.time_ms + 1)
    outcome = run.run_kernel(b"k" * 32, _add_and_refuse, ("x", 4))
    driven.end(context, run)
    assert outcome.failure == Failure("test.refused", ())
    assert (driven.total("x"), driven.alarms) == (0, [])


def test_a_kernel_transaction_with_a_bug_is_a_fault(ledger: Ledger, driven: Driven) -> None:
    context, run = driven.begun(ledger.time_ms + 1)
    outcome = run.run_kernel(b"k" * 32, _add_and_break, ("x", 4))
    driven.end(context, run)
    assert outcome.failure is not None
    assert outcome.failure.code == "kernel.fault"
    assert (driven.total("x"), driven.alarms) == (0, ["kernel.fault"])


def test_protocols_are_entered_one_after_the_other_each_with_a_leaf(ledger: Ledger, driven: Driven) -> None:
    driven._begin(1, ledger.time_ms)
    context = BlockContext(driven.network, CHANNEL, ROOT_HEIGHT, ledger.time_ms, 3)
    run = BlockRun(
        driven.registry,
        driven.parameters,
        driven.state,
        context,
        driven._used,
        driven.screener,
        driven._raise_alarm,
    )
    for protocol in (2, 3):
        write_protocol(driven.state, Protocol(protocol - 1, protocol, ROOT_HEIGHT))
        run.upgrade(protocol)
    run.begin()
    block = driven.end(context, run)
    assert len(dict.fromkeys(leaf.identity for leaf in block.leaves)) == 2
    assert protocol_of(driven.state) == Protocol(3, 0, 0)


def test_a_block_that_is_begun_again_leaves_no_trace(ledger: Ledger, driven: Driven) -> None:
    wires = signed(ledger, ("x", 1))
    before = driven.info()
    _, abandoned = driven.begun(ledger.time_ms + 1)
    abandoned.run_transactions(0, wires)
    context, run = driven.begun(ledger.time_ms + 1)
    answers: Sequence[object] = run.run_transactions(0, wires)
    driven.end(context, run)
    assert len(answers) == 1
    assert (before.height, driven.total("x"), driven.info().height) == (0, 1, 1)


def test_another_height_than_the_next_and_an_earlier_time_halt(ledger: Ledger, driven: Driven) -> None:
    for height, time_ms in ((0, ledger.time_ms), (2, ledger.time_ms), (1, ledger.time_ms - 1)):
        with pytest.raises(Halt):
            driven._begin(height, time_ms)


def test_nothing_to_commit_halts(driven: Driven) -> None:
    with pytest.raises(Halt):
        driven.commit()


class _Refused(Rejected):
    code = "test.refused"

    def fields(self) -> tuple[()]:
        return ()


def _add(context: Execution, subject: tuple[str, int]) -> None:
    context.perform(Add(SOLO, *subject))


def _add_and_refuse(context: Execution, subject: tuple[str, int]) -> None:
    _add(context, subject)
    raise _Refused


def _add_and_break(context: Execution, subject: tuple[str, int]) -> None:
    _add(context, subject)
    raise LookupError("a bug")
