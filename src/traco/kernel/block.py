"""Executes one block against the state: upgrades, due items, then transactions in order. Collects leaves and answers.

``BlockRun`` has what every ledger's block is made of; the root's block is made of envelopes (``BlockExecution``), that of a
channel of entries (``traco.channels.executing``).
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from traco.kernel.authorisation import authorise
from traco.kernel.codec import digest, encode
from traco.kernel.due import DueItem, due_items, is_scheduled
from traco.kernel.errors import (
    Duplicate,
    Expired,
    Failure,
    Halt,
    NodeUnknown,
    TooFarAhead,
    UnknownInstruction,
    WrongLedger,
    WrongNetwork,
)
from traco.kernel.execution import Alarm, Execution, Executor, Outcome
from traco.kernel.instruction import KernelParameters
from traco.kernel.module import Authority, BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import migrate, protocol_of
from traco.kernel.receipt import NO_SIGNATURES, Leaf, Receipt
from traco.kernel.registry import Registry, tag_of
from traco.kernel.screening import Screened, Screener, check_size
from traco.kernel.state import State
from traco.kernel.store import Refusal
from traco.kernel.transaction import Body, Envelope, EnvelopeBody
from traco.kernel.used_ids import UsedIds

DUE_TAG: Final = b"traco/due/1"
UPGRADE_TAG: Final = b"traco/upgrade/1"

T = TypeVar("T")


class Answer(NamedTuple):
    """What became of one transaction of an envelope. ``leaf`` is its index in the block, -1 where it has none.

    With a leaf, ``failure`` is the rejection in its receipt; without, the refusal.
    """

    identity: bytes
    leaf: int
    failure: Failure | None


class EnvelopeAnswer(NamedTuple):
    """What became of an envelope; where it was refused, ``transactions`` is empty."""

    identity: bytes
    leaf: int
    failure: Failure | None
    transactions: tuple[Answer, ...]


class Executed(NamedTuple):
    """What a block put into its trees, and what it carried without effect."""

    leaves: tuple[Leaf, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class BlockRun:
    """One pass over one block. Used once: ``upgrade`` where the protocol changes, ``begin``, then what the block has."""

    def __init__(
        self, registry: Registry, parameters: Parameters, state: State, block: BlockContext,
        used: UsedIds, screener: Screener, alarm: Alarm,
    ) -> None:  # fmt: skip
        self._registry = registry
        self._parameters = parameters
        self._state = state
        self._block = block
        self._used = used
        self._screener = screener
        self._alarm = alarm
        self.leaves: list[Leaf] = []
        self.refusals: list[Refusal] = []

    def executed(self) -> Executed:
        """The leaves and refusals of the block."""
        return Executed(tuple(self.leaves), tuple(self.refusals))

    def upgrade(self, protocol: int) -> None:
        """Enter the protocol that the state says is upcoming: one leaf."""
        limits = self._parameters.get(self._state, KernelParameters)
        block = self._block._replace(protocol=protocol)
        ledger = block.ledger.ljust(32, b"\0")
        identity = digest(UPGRADE_TAG, block.network, ledger, protocol.to_bytes(4, "big"))
        context = Execution(self._registry, self._parameters, self._state, block, identity, (), limits)
        migrate(self._registry.modules, context)
        receipt = encode(Receipt(identity, None, tuple(context.events)))
        self.leaves.append(Leaf(identity, NO_SIGNATURES, receipt))

    def begin(self) -> None:
        """Take the limits in force and run what is due."""
        self._limits = self._parameters.get(self._state, KernelParameters)
        self._executor = Executor(self._registry, self._parameters, self._state, self._block, self._alarm)
        for item in due_items(self._state, self._block.time_ms, self._limits.due_budget):
            if is_scheduled(self._state, item):
                self._run_due(item)

    def run_kernel(self, identity: bytes, action: Callable[[Execution, T], None], subject: T) -> Outcome:
        """Run what nobody signs, such as a decision made elsewhere, as a kernel transaction: one leaf."""
        outcome = self._executor.run_kernel(identity, action, subject)
        self._state.seal_journal()
        self.leaves.append(Leaf(identity, NO_SIGNATURES, outcome.receipt))
        return outcome

    def _run_due(self, item: DueItem) -> None:
        block = self._block
        identity = digest(
            DUE_TAG,
            block.network,
            block.ledger.ljust(32, b"\0"),
            block.height.to_bytes(8, "big"),
            encode(item),
        )
        outcome = self._executor.run_due(identity, item)
        self._state.seal_journal()
        self.leaves.append(Leaf(identity, NO_SIGNATURES, outcome.receipt))

    def run_transactions(self, index: int, transactions: Sequence[bytes]) -> tuple[Answer, ...]:
        """Execute transactions in order and answer each; ``index`` is the place in the block of what carried them."""
        answers = []
        judged = self._screener.screen(transactions)
        if len(judged) != len(transactions):
            raise Halt(f"{len(judged)} answers of the verifiers for {len(transactions)} transactions")
        for position, screened in enumerate(judged):
            answer = self._run_transaction(transactions[position], screened)
            if answer.leaf < 0 and answer.failure is not None:
                self.refusals.append(Refusal(index, position, answer.identity, answer.failure))
            answers.append(answer)
        return tuple(answers)

    def _run_transaction(self, raw: bytes, screened: Screened) -> Answer:
        if screened.refusal is not None:
            return Answer(screened.identity, -1, screened.refusal)
        body = self._registry.transaction.trusted(raw).body
        failure = self._executor.refusal(screened.identity, self._check_transaction, raw, body, screened)
        if failure is not None:
            return Answer(screened.identity, -1, failure)
        self._used.add(screened.identity, body.valid_until)
        outcome = self._executor.run_transaction(screened.identity, screened.signers, body.instructions)
        self._state.seal_journal()
        self.leaves.append(Leaf(screened.identity, screened.signatures, outcome.receipt))
        return Answer(screened.identity, len(self.leaves) - 1, outcome.failure)

    def _check_transaction(self, raw: bytes, body: Body, screened: Screened) -> None:
        # the limits in force may be lower than those of the founding, which screening knows
        limits = self._limits
        check_size("the transaction", len(raw), limits.max_transaction_bytes)
        check_size("the number of signatures", len(screened.signers), limits.max_signatures)
        check_size("the number of instructions", len(body.instructions), limits.max_instructions)
        check_place_and_time(body, self._block, limits.window_ms)
        for instruction in body.instructions:
            if instruction.since_protocol > self._block.protocol:
                raise UnknownInstruction(tag_of(type(instruction)))
        if self._used.contains(screened.identity, body.valid_until):
            raise Duplicate(screened.identity)
        authorise(self._registry.authority, self._state, body.instructions, screened.signers)


class BlockExecution(BlockRun):
    """A block of the root: envelopes in the order that the engine gave them."""

    def run(self, envelopes: Sequence[bytes]) -> tuple[EnvelopeAnswer, ...]:
        """Execute everything and return an answer per envelope, in order."""
        if protocol_of(self._state).current != self._block.protocol:
            self.upgrade(self._block.protocol)
        self.begin()
        return tuple(self._run_envelope(index, raw) for index, raw in enumerate(envelopes))

    def _run_envelope(self, index: int, raw: bytes) -> EnvelopeAnswer:
        screened = self._screener.screen_envelope(raw)
        envelope, identity = screened.envelope, screened.identity
        if envelope is None:
            return self._refuse_envelope(index, identity, screened.refusal)
        failure = self._executor.refusal(identity, self._check_envelope, raw, envelope, identity)
        if failure is not None:
            return self._refuse_envelope(index, identity, failure)
        body = envelope.body
        self._used.add(screened.identity, body.valid_until)
        leaf = len(self.leaves)
        receipt = encode(Receipt(screened.identity, None, ()))
        self.leaves.append(Leaf(screened.identity, screened.signatures, receipt))
        answers = self.run_transactions(index, body.transactions)
        return EnvelopeAnswer(screened.identity, leaf, None, answers)

    def _refuse_envelope(self, index: int, identity: bytes, failure: Failure | None) -> EnvelopeAnswer:
        if failure is None:
            raise Halt("the screener refuses an envelope without a reason")
        self.refusals.append(Refusal(index, -1, identity, failure))
        return EnvelopeAnswer(identity, -1, failure, ())

    def _check_envelope(self, raw: bytes, envelope: Envelope, identity: bytes) -> None:
        check_size("the envelope", len(raw), self._limits.max_envelope_bytes)
        count = len(envelope.body.transactions)
        check_size("the number of transactions", count, self._limits.max_envelope_transactions)
        authority, window_ms = self._registry.authority, self._limits.window_ms
        check_envelope(envelope, identity, self._block, window_ms, authority, self._state, self._used)


def check_place_and_time(body: Body | EnvelopeBody, block: BlockContext, window_ms: int) -> None:
    """Raises ``WrongNetwork``, ``WrongLedger``, ``Expired``, ``TooFarAhead``."""
    if body.network != block.network:
        raise WrongNetwork(body.network)
    if body.ledger != block.ledger:
        raise WrongLedger(body.ledger)
    if body.valid_until <= block.time_ms:
        raise Expired(body.valid_until, block.time_ms)
    if body.valid_until > block.time_ms + window_ms:
        raise TooFarAhead(body.valid_until, block.time_ms, window_ms)


def check_envelope(
    envelope: Envelope, identity: bytes, block: BlockContext, window_ms: int, authority: Authority, state: State,
    used: UsedIds,
) -> None:  # fmt: skip
    """Whether a well-formed envelope may have a leaf in the block. Raises what ``check_place_and_time`` raises,
    ``NodeUnknown``, ``Duplicate``.
    """
    body = envelope.body
    check_place_and_time(body, block, window_ms)
    if authority.member_of_node(state, envelope.signature.key) != body.member:
        raise NodeUnknown(body.member, envelope.signature.key)
    if used.contains(identity, body.valid_until):
        raise Duplicate(identity)
