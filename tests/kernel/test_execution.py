"""The transaction boundary: all or nothing, charges apart, and no bug of a module leaves it as an exception."""

from typing import Any

import pytest

from support.counters import (
    ALICE,
    EITHER,
    SOLO,
    UNPRINTABLE,
    Add,
    Added,
    AddLater,
    Charged,
    Counter,
    CounterModule,
    CounterParameters,
    Fail,
    FixedAuthority,
    Note,
    Odd,
    Remove,
    Repeat,
    TotalOf,
    counter_ledger,
    counter_registry,
)
from support.ledger import Ledger
from traco.kernel.codec import encode
from traco.kernel.due import DueItem, due_items, schedule
from traco.kernel.errors import Failure, Halt, Rejected
from traco.kernel.execution import ADMISSION_STEP, AUTHORISATION_STEP, INVARIANT_STEP, Executor
from traco.kernel.instruction import KernelParameters
from traco.kernel.kernel_module import KernelModule
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.receipt import Receipt
from traco.kernel.registry import Registry
from traco.kernel.state import State
from traco.kernel.statetree import StateTree


def total(ledger: Ledger, name: str) -> int:
    found: int = ledger.query("counter.total", TotalOf(name))
    return found


def failure(ledger: Ledger, *instructions: Any) -> Failure:
    answer = ledger.submit(*instructions, keys=[ALICE])
    assert answer.failure is not None
    assert ledger.receipt(answer).failure == answer.failure
    return answer.failure


def fault(step: int) -> Failure:
    return Failure("kernel.fault", (("step", step),))


def test_a_success_has_its_events_in_order_charges_first() -> None:
    ledger = counter_ledger()
    receipt = ledger.succeed(Add(SOLO, "x", 2), Add(SOLO, "x", 3), keys=[ALICE])
    assert (receipt.failure, receipt.events) == (None, (Charged(1), Added("x", 2), Added("x", 5)))
    assert (total(ledger, "x"), total(ledger, "charged")) == (5, 1)


def test_instructions_execute_all_or_none() -> None:
    ledger = counter_ledger()
    assert failure(ledger, Add(SOLO, "x", 2), Fail(SOLO, "rule")).code == "counter.above_limit"
    assert total(ledger, "x") == 0


def test_charges_and_their_events_survive_a_rejection() -> None:
    ledger = counter_ledger()
    answer = ledger.submit(Add(SOLO, "x", 2), Fail(SOLO, "rule"), keys=[ALICE])
    assert ledger.receipt(answer).events == (Charged(1),)
    assert total(ledger, "charged") == 1


def test_a_refusal_by_admission_charges_nothing() -> None:
    ledger = counter_ledger()
    answer = ledger.submit(Fail(SOLO, "admission"), keys=[ALICE])
    assert answer.failure == Failure("counter.not_admitted", ())
    assert ledger.receipt(answer).events == ()
    assert total(ledger, "charged") == 0


@pytest.mark.parametrize(
    ("how", "step"),
    [
        ("admission-bug", ADMISSION_STEP),
        ("bug", 1),
        ("bad-record", 1),
        ("huge-record", 1),
        ("long-key", 1),
        ("undeclared-event", 1),
        ("unknown-due", 1),
        ("bad-due", 1),
        ("refused", 1),
        ("unmarked", 1),
        *((how, 1) for how in UNPRINTABLE),
    ],
)
def test_a_bug_is_a_fault_that_names_its_step(how: str, step: int) -> None:
    ledger = counter_ledger()
    first = [Fail(SOLO, how)] if step == ADMISSION_STEP else [Add(SOLO, "x", 1), Fail(SOLO, how)]
    assert failure(ledger, *first) == fault(step)
    assert [kind for kind, _ in ledger.alarms] == ["kernel.fault"]
    assert (total(ledger, "x"), total(ledger, "fail")) == (0, 0)


def test_steps_that_are_no_instruction_are_far_from_those_that_are() -> None:
    assert (AUTHORISATION_STEP, ADMISSION_STEP, INVARIANT_STEP) == (999_999, 1_000_000, 1_000_001)


def test_a_broken_invariant_is_a_fault_and_charges_stay() -> None:
    ledger = counter_ledger()
    answer = ledger.submit(Add(SOLO, "x", 1313), keys=[ALICE])
    assert answer.failure == fault(INVARIANT_STEP)
    assert ledger.receipt(answer).events == (Charged(1),)
    assert (total(ledger, "x"), total(ledger, "charged"), len(ledger.alarms)) == (0, 1, 1)


def test_an_event_that_no_receipt_can_carry_is_a_fault() -> None:
    class Careless(CounterModule):
        def add(self, context: Any, message: Add) -> None:
            context.emit(Added(message.name, 2**70))

    authority = FixedAuthority()
    registry = Registry([KernelModule(authority), Careless()], authority)
    executor, state, alarms = executor_of(registry)
    outcome = executor.run_transaction(b"i" * 32, (), [Add(SOLO, "x", 1)])
    assert (outcome.failure, alarms) == (fault(INVARIANT_STEP), [OverflowError])
    assert state.before(0).keys() == {b"\xe0\x01charged"}


def executor_of(
    registry: Registry | None = None, limits: KernelParameters | None = None
) -> tuple[Executor, State, list[type[BaseException]]]:
    registry = registry or counter_registry()
    alarms: list[type[BaseException]] = []
    state = State(StateTree())
    parameters = Parameters({"counter": CounterParameters()})
    parameters.put(state, 0, limits or KernelParameters())
    state.seal_journal()
    block = BlockContext(bytes(32), b"", 5, 1_000, 1)
    executor = Executor(
        registry, parameters, state, block, lambda kind, identity, error: alarms.append(type(error))
    )
    return executor, state, alarms


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ("memory", MemoryError),
        ("halt", Halt),
        ("recursion", RecursionError),
        ("interrupt", KeyboardInterrupt),
    ],
)
def test_what_is_no_property_of_the_ledger_stops_the_node(how: str, kind: type[BaseException]) -> None:
    executor, _, alarms = executor_of()
    with pytest.raises(kind):
        executor.run_transaction(b"i" * 32, (), [Fail(SOLO, how)])
    assert alarms == []


def test_a_rejection_raises_no_alarm() -> None:
    ledger = counter_ledger()
    failure(ledger, Fail(SOLO, "rule"))
    assert ledger.alarms == []


def test_fields_of_a_rejection_are_in_the_receipt() -> None:
    ledger = counter_ledger(parameters={"counter": {"limit": 10}})
    expected = (("name", "x"), ("total", 11), ("limit", 10))
    assert failure(ledger, Add(SOLO, "x", 11)) == Failure("counter.above_limit", expected)


def test_a_bug_in_naming_the_actors_refuses_without_a_leaf() -> None:
    ledger = counter_ledger()
    answer = ledger.submit(Odd(SOLO, "bug"), keys=[ALICE])
    assert (answer.leaf, answer.failure) == (-1, fault(AUTHORISATION_STEP))
    assert [type(error) for _, error in ledger.alarms] == [KeyError]


@pytest.mark.parametrize("error", [Halt("x"), MemoryError(), RecursionError()])
def test_a_check_that_stops_the_node_is_not_an_answer(error: Exception) -> None:
    def check() -> None:
        raise error

    with pytest.raises(type(error)):
        executor_of()[0].refusal(b"", check)


@pytest.mark.parametrize("instruction", [Add(SOLO, "x", 1), Fail(SOLO, "rule"), Fail(SOLO, "bug")])
def test_a_charge_that_no_receipt_can_carry_is_a_fault_of_admission(instruction: Any) -> None:
    class Careless(CounterModule):
        def admit(self, context: Any, instructions: Any) -> None:
            self.table.put(context.state, Counter(1), b"charged")
            context.emit(Added("charged", 2**70))

    authority = FixedAuthority()
    executor, state, alarms = executor_of(Registry([KernelModule(authority), Careless()], authority))
    outcome = executor.run_transaction(b"i" * 32, (), [instruction])
    assert outcome.receipt == encode(Receipt(b"i" * 32, fault(ADMISSION_STEP), ()))
    assert (outcome.failure, state.before(0), alarms[-1]) == (fault(ADMISSION_STEP), {}, OverflowError)


def test_events_are_limited() -> None:
    ledger = counter_ledger(parameters={"kernel": {"max_events": 3}})
    assert len(ledger.succeed(Note(SOLO, 2, b""), keys=[ALICE]).events) == 3
    assert failure(ledger, Note(SOLO, 3, b"")) == Failure("kernel.too_many_events", (("limit", 3),))


def test_a_consequence_runs_in_the_same_transaction() -> None:
    ledger = counter_ledger()
    receipt = ledger.succeed(Note(SOLO, 0, b"bumped"), keys=[ALICE])
    assert receipt.events == (Charged(1), Added("bumped", 1))


def test_a_consequence_that_does_not_decode_is_a_fault() -> None:
    assert failure(counter_ledger(), Note(SOLO, 0, b"not a code")) == fault(0)


def nested(levels: int) -> Any:
    inner: Any = Add(SOLO, "x", 1)
    for _ in range(levels):
        inner = Repeat(SOLO, encode((inner,)))
    return inner


def test_instructions_inside_instructions_have_a_depth() -> None:
    ledger = counter_ledger(parameters={"kernel": {"max_depth": 3}})
    ledger.succeed(nested(3), keys=[ALICE])
    assert failure(ledger, nested(4)) == Failure("kernel.depth_exceeded", (("limit", 3),))
    assert total(ledger, "x") == 1


def test_the_depth_is_that_of_nesting_not_of_number() -> None:
    ledger = counter_ledger(parameters={"kernel": {"max_depth": 1}})
    ledger.succeed(Repeat(SOLO, encode((Add(SOLO, "x", 1),) * 5)), Note(SOLO, 0, b"y"), keys=[ALICE])
    assert total(ledger, "x") == 5


def test_the_depth_does_not_shrink_by_what_was_done_before() -> None:
    ledger = counter_ledger(parameters={"kernel": {"max_depth": 1}})
    operation = encode((Add(SOLO, "x", 1), Add(SOLO, "x", 1), nested(1)))
    assert failure(ledger, Repeat(SOLO, operation)).code == "kernel.depth_exceeded"


@pytest.mark.parametrize(
    "operation", [b"", b"\x90\x90", b"\xc0", encode((["nope/1"],)), b"\xdc\x00\x00", b"\x91" * 9_000]
)
def test_an_operation_that_does_not_decode_is_rejected(operation: bytes) -> None:
    assert failure(counter_ledger(), Repeat(SOLO, operation)).code == "kernel.operation_malformed"


def test_an_operation_has_no_more_instructions_than_a_transaction() -> None:
    ledger = counter_ledger(parameters={"kernel": {"max_instructions": 3}})
    ledger.succeed(Repeat(SOLO, encode((Add(SOLO, "x", 1),) * 3)), keys=[ALICE])
    assert (
        failure(ledger, Repeat(SOLO, encode((Add(SOLO, "x", 1),) * 4))).code == "kernel.operation_malformed"
    )


def test_a_rejected_transaction_schedules_nothing() -> None:
    ledger = counter_ledger()
    failure(ledger, AddLater(SOLO, "x", ledger.time_ms + 5_000), Fail(SOLO, "rule"))
    assert ledger.application.next_due_ms() is None


def test_a_scheduled_item_can_be_taken_back() -> None:
    ledger = counter_ledger()
    ledger.succeed(AddLater(SOLO, "x", ledger.time_ms + 5_000, cancelled=True), keys=[ALICE])
    assert ledger.application.next_due_ms() is None


def test_a_rejected_deletion_is_undone() -> None:
    ledger = counter_ledger(modules={"counter": {"x": 5}})
    failure(ledger, Remove(SOLO, "x"), Fail(SOLO, "rule"))
    assert total(ledger, "x") == 5
    ledger.succeed(Remove(SOLO, "x"), keys=[ALICE])
    assert total(ledger, "x") == 0


def test_a_due_item_runs_as_a_transaction_of_its_own() -> None:
    executor, state, alarms = executor_of()
    item = DueItem(5, "counter.later", b"x")
    schedule(state, item)
    outcome = executor.run_due(b"i" * 32, item)
    assert outcome.receipt == encode(Receipt(b"i" * 32, None, (Added("x", 1),)))
    assert (due_items(state, 9, 9), alarms) == ([], [])


@pytest.mark.parametrize(
    ("item", "error"),
    [
        (DueItem(5, "counter.later", b"faulty-due"), ZeroDivisionError),
        (DueItem(5, "counter.later", b"\xff"), UnicodeDecodeError),
        (DueItem(5, "unknown", b""), KeyError),
    ],
)
def test_a_faulty_due_item_leaves_the_queue(item: DueItem, error: type[Exception]) -> None:
    executor, state, alarms = executor_of()
    schedule(state, item)
    outcome = executor.run_due(b"i" * 32, item)
    assert outcome.receipt == encode(Receipt(b"i" * 32, fault(0), ()))
    assert (due_items(state, 9, 9), alarms) == ([], [error])


def test_a_due_item_that_fails_has_no_events() -> None:
    class Hasty(CounterModule):
        def _add(self, context: Any, name: str, amount: int) -> None:
            super()._add(context, name, amount)
            raise ZeroDivisionError

    authority = FixedAuthority()
    executor, state, _ = executor_of(Registry([KernelModule(authority), Hasty()], authority))
    outcome = executor.run_due(b"i" * 32, DueItem(5, "counter.later", b"x"))
    assert outcome.receipt == encode(Receipt(b"i" * 32, fault(0), ()))
    assert state.before(0) == {}


def test_a_due_item_is_held_to_the_invariants() -> None:
    executor, _, _ = executor_of()
    for _ in range(1_312):
        executor.run_due(b"i" * 32, DueItem(5, "counter.later", b"x"))
    assert executor.run_due(b"i" * 32, DueItem(5, "counter.later", b"x")).failure == fault(INVARIANT_STEP)


def test_invariants_see_what_admission_changed_too() -> None:
    seen: list[list[bytes]] = []

    class Watching(CounterModule):
        def no_1313(self, state: State, before: Any) -> None:
            seen.append([key[2:] for key in before])

    authority = FixedAuthority()
    executor, _, _ = executor_of(Registry([KernelModule(authority), Watching()], authority))
    executor.run_transaction(b"i" * 32, (), [Add(SOLO, "x", 1)])
    assert seen == [[b"charged", b"x"]]


def test_a_context_knows_parameters_limits_and_transaction() -> None:
    seen: list[Any] = []

    class Curious(CounterModule):
        def add(self, context: Any, message: Add) -> None:
            seen.extend((
                context.parameters(CounterParameters), context.kernel_parameters(), context.parameters_type("counter"),
                context.parameters_type("nobody"), context.transaction, context.signers, context.block.height,
            ))  # fmt: skip

    authority = FixedAuthority()
    limits = KernelParameters(max_events=5)
    executor, _, _ = executor_of(Registry([KernelModule(authority), Curious()], authority), limits)
    executor.run_transaction(b"i" * 32, (b"k",), [Add(EITHER, "x", 1)])
    assert seen == [CounterParameters(), limits, CounterParameters, None, b"i" * 32, (b"k",), 5]


def test_a_rejection_that_no_module_declares_is_still_an_outcome() -> None:
    class Private(Rejected):
        code = "private.reason"

        def failure(self) -> Failure:
            return Failure("private.reason", ())

    class Refusing(CounterModule):
        def add(self, context: Any, message: Add) -> None:
            raise Private

    authority = FixedAuthority()
    executor, _, alarms = executor_of(Registry([KernelModule(authority), Refusing()], authority))
    outcome = executor.run_transaction(b"i" * 32, (), [Add(SOLO, "x", 1)])
    assert (outcome.failure, alarms) == (Failure("private.reason", ()), [])
