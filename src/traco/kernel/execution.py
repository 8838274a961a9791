"""The transaction boundary: runs one transaction or due item to an outcome, all or nothing.

This is the one place that turns an unexpected exception into an outcome (``kernel.fault``), because a bug met in a
committed block would otherwise stop every node at every replay.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from msgspec.structs import replace

from traco.kernel.codec import Record, encode
from traco.kernel.due import DueItem, schedule, unschedule
from traco.kernel.errors import (
    DepthExceeded,
    Failure,
    Halt,
    InvariantBroken,
    KernelFault,
    OperationMalformed,
    Refused,
    Rejected,
    TooManyEvents,
)
from traco.kernel.instruction import Event, Instruction, KernelParameters
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.receipt import Receipt
from traco.kernel.registry import Registry
from traco.kernel.state import State

P = TypeVar("P", bound=Record)
T = TypeVar("T")

AUTHORISATION_STEP: Final = 999_999
ADMISSION_STEP: Final = 1_000_000  # ``step`` of a fault in admission; instructions count from 0
INVARIANT_STEP: Final = 1_000_001
DECISION_EVENTS: Final = (
    65_536  # of a kernel transaction that must not refuse, whatever the limit of events came to be
)

Alarm = Callable[[str, bytes, BaseException], None]


class Outcome(NamedTuple):
    """What became of a transaction: its failure, if any, and its encoded receipt."""

    failure: Failure | None
    receipt: bytes


class Execution:
    """The context of one transaction (see ``module.Context``).

    ``step``, ``mark`` and ``charges`` say how far it has come and where it returns to if it fails now: to this mark of the
    undo journal, keeping so many of its events.
    """

    __slots__ = (
        "_limits",
        "_parameters",
        "_registry",
        "block",
        "charges",
        "depth",
        "events",
        "mark",
        "signers",
        "state",
        "step",
        "transaction",
    )

    def __init__(
        self, registry: Registry, parameters: Parameters, state: State, block: BlockContext,
        transaction: bytes, signers: tuple[bytes, ...], limits: KernelParameters,
    ) -> None:  # fmt: skip
        self._registry = registry
        self._parameters = parameters
        self._limits = limits
        self.state = state
        self.block = block
        self.transaction = transaction
        self.signers = signers
        self.depth = 0
        self.step = 0
        self.mark = state.mark()
        self.charges = 0
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        """Add an event to the receipt. Raises ``TooManyEvents``, and ``ValueError`` where no module declares its kind."""
        if type(event) not in self._registry.event_kinds:
            raise ValueError(f"no module declares the event {type(event).__name__}")
        if len(self.events) >= self._limits.max_events:
            raise TooManyEvents(self._limits.max_events)
        self.events.append(event)

    def events_left(self) -> int:
        """How many more events the receipt has room for."""
        return self._limits.max_events - len(self.events)

    def parameters(self, kind: type[P]) -> P:
        """The parameters record of that type in force now."""
        return self._parameters.get(self.state, kind)

    def kernel_parameters(self) -> KernelParameters:
        """The kernel's own parameters in force now."""
        return self._limits

    def set_parameters(self, record: Record) -> None:
        """Replace a parameters record from this block on; only kernel instructions may."""
        self._parameters.put(self.state, self.block.height, record)

    def parameters_type(self, owner: str) -> type[Record] | None:
        """The parameters type of ``kernel`` or a module, or None if there is none (yet)."""
        if self._registry.since_protocol.get(owner, 1) > self.block.protocol:
            return None
        return self._parameters.kind_of(owner)

    def perform(self, instruction: Instruction) -> None:
        """Run another instruction inside this one. Raises ``DepthExceeded``."""
        self._nested(self._registry.handlers[type(instruction)], instruction)

    def apply(self, consequence: bytes) -> None:
        """Run an encoded consequence. Raises ``DepthExceeded``."""
        decoded = self._registry.consequence.trusted(consequence)
        self._nested(self._registry.consequences[type(decoded)], decoded)

    def admit(self, instructions: Sequence[Instruction]) -> None:
        """Ask the admission hooks. Raises what they raise."""
        for hook in self._registry.admission:
            hook(self, instructions)

    def _nested(self, handler: Callable[["Execution", Record], None], message: Record) -> None:
        if self.depth >= self._limits.max_depth:
            raise DepthExceeded(self._limits.max_depth)
        self.depth += 1
        try:
            handler(self, message)
        finally:
            self.depth -= 1

    def decode_instructions(self, raw: bytes) -> tuple[Instruction, ...]:
        """Instructions carried as bytes inside another. Raises ``OperationMalformed``."""
        try:
            decoded = self._registry.instructions.decode(raw)
        except ValueError:
            raise OperationMalformed from None
        if len(decoded) > self._limits.max_instructions:
            raise OperationMalformed
        if any(instruction.since_protocol > self.block.protocol for instruction in decoded):
            raise OperationMalformed
        return decoded

    def schedule(self, due_ms: int, kind: str, key: bytes) -> None:
        """Have a due item run. ``kind`` must be declared by a module."""
        if kind not in self._registry.due:
            raise ValueError(f"no module declares the due item {kind}")
        schedule(self.state, DueItem(due_ms, kind, key))

    def unschedule(self, due_ms: int, kind: str, key: bytes) -> None:
        """Take back what ``schedule`` was asked."""
        unschedule(self.state, DueItem(due_ms, kind, key))


class Executor:
    """Runs transactions and due items of one block against its state."""

    def __init__(
        self, registry: Registry, parameters: Parameters, state: State, block: BlockContext, alarm: Alarm
    ) -> None:
        self._registry = registry
        self._parameters = parameters
        self._state = state
        self._block = block
        self._alarm = alarm
        self._limits = parameters.get(state, KernelParameters)

    def refusal(self, identity: bytes, check: Callable[..., None], *arguments: Any) -> Failure | None:
        """Why ``check`` with these arguments refuses a transaction or envelope before it runs, if it does.

        A check asks modules (the authority, an instruction's actors), so a bug there must not stop every node either: the
        transaction is refused with ``kernel.fault``, without a leaf.
        """
        error = _attempt(check, *arguments)
        if error is None or isinstance(error, Refused):
            return None if error is None else error.failure()
        self._alarm("kernel.fault", identity, error)
        return KernelFault(AUTHORISATION_STEP).failure()

    def run_transaction(
        self, identity: bytes, signers: tuple[bytes, ...], instructions: Sequence[Instruction]
    ) -> Outcome:
        """Admit and execute an authorised transaction.

        Charges made on admission, and their events, survive a rejection by what follows.
        """
        context = self._context(identity, signers)
        return self._outcome(context, self._admit_and_execute, instructions)

    def _admit_and_execute(self, context: Execution, instructions: Sequence[Instruction]) -> None:
        context.step = ADMISSION_STEP
        context.admit(instructions)
        context.mark, context.charges = self._state.mark(), len(context.events)
        handlers = self._registry.handlers
        for step, instruction in enumerate(instructions):
            context.step = step
            handlers[type(instruction)](context, instruction)

    def run_due(self, identity: bytes, item: DueItem) -> Outcome:
        """Run a due item as a kernel transaction. It leaves the queue whatever becomes of it."""
        unschedule(self._state, item)
        context = self._context(identity, ())
        return self._outcome(context, self._run_due_item, item)

    def _run_due_item(self, context: Execution, item: DueItem) -> None:
        self._registry.due[item.kind](context, item.key)

    def run_kernel(self, identity: bytes, action: Callable[[Execution, T], None], subject: T) -> Outcome:
        """Run ``action`` on ``subject`` as a kernel transaction: nobody signs it, and no limit of events stops it."""
        limits = replace(self._limits, max_events=DECISION_EVENTS)
        context = Execution(self._registry, self._parameters, self._state, self._block, identity, (), limits)
        return self._outcome(context, action, subject)

    def _outcome(self, context: Execution, action: Callable[[Execution, T], None], subject: T) -> Outcome:
        """Run ``action`` on ``subject``, check the invariants, write the receipt; on failure roll back as far as it had come."""
        start = context.mark
        result = _attempt(self._run_and_conclude, context, action, subject)
        if isinstance(result, bytes):
            return Outcome(None, result)
        if isinstance(result, Rejected):
            failure = self._failure(context, result)
        else:
            self._alarm("kernel.fault", context.transaction, result)
            failure = KernelFault(context.step).failure()
        self._state.rollback(context.mark)
        events = tuple(context.events[: context.charges])
        try:
            return Outcome(failure, encode(Receipt(context.transaction, failure, events)))
        except (OverflowError, TypeError, ValueError) as error:  # what admission emitted cannot be written
            self._alarm("kernel.fault", context.transaction, error)
        self._state.rollback(start)
        failure = KernelFault(ADMISSION_STEP).failure()
        return Outcome(failure, encode(Receipt(context.transaction, failure, ())))

    def _run_and_conclude(
        self, context: Execution, action: Callable[[Execution, T], None], subject: T
    ) -> bytes:
        start = context.mark
        action(context, subject)
        context.step = INVARIANT_STEP
        self._check_invariants(start)
        return encode(Receipt(context.transaction, None, tuple(context.events)))

    def _context(self, identity: bytes, signers: tuple[bytes, ...]) -> Execution:
        return Execution(
            self._registry, self._parameters, self._state, self._block, identity, signers, self._limits
        )

    def _check_invariants(self, start: int) -> None:
        before = self._state.before(start)
        touched = 0
        for key in before:
            touched |= 1 << key[0]
        for watched, invariant in self._registry.invariants:
            if touched & watched:
                invariant(self._state, before)

    def _failure(self, context: Execution, rejection: Rejected) -> Failure:
        """The failure as it stands in the receipt; a broken invariant, or fields no receipt can carry, are faults."""
        step = context.step
        try:
            failure = rejection.failure()
            if not all(type(value) in (bool, int, str, bytes) for _, value in failure.fields):
                raise TypeError(f"a field of {failure.code} has a type that no receipt can carry")
            encode(failure)
        except (AttributeError, ValueError, OverflowError, TypeError) as error:
            self._alarm("kernel.fault", context.transaction, error)
            return KernelFault(step).failure()
        if isinstance(rejection, InvariantBroken):
            self._alarm("kernel.fault", context.transaction, rejection)
            return KernelFault(step).failure()
        return failure


def _attempt(action: Callable[..., T], *arguments: Any) -> T | Exception:
    """What ``action`` returns, or the exception it ended in: the transaction boundary, see the module's docstring.

    What is no property of the ledger's content leaves it: it stops this node.
    """
    try:
        return action(*arguments)
    except (Halt, MemoryError, RecursionError):
        raise
    except Exception as error:
        return error
