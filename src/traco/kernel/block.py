"""Executes one block against the state: upgrades, due items, then envelopes in order. Collects leaves and answers."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from traco.kernel.authorisation import authorise
from traco.kernel.codec import digest, encode
from traco.kernel.due import DueItem, due_items
from traco.kernel.errors import (
    Duplicate,
    Expired,
    Failure,
    NodeUnknown,
    Refused,
    TooFarAhead,
    WrongLedger,
    WrongNetwork,
)
from traco.kernel.execution import Alarm, Execution, Executor
from traco.kernel.instruction import KernelParameters
from traco.kernel.module import BlockContext
from traco.kernel.parameters import Parameters
from traco.kernel.protocol import migrate, protocol_of
from traco.kernel.receipt import NO_SIGNATURES, Leaf, Receipt
from traco.kernel.registry import Registry
from traco.kernel.screening import Screened, ScreenedEnvelope, Screener
from traco.kernel.state import State
from traco.kernel.store import Refusal
from traco.kernel.transaction import Body, EnvelopeBody
from traco.kernel.used_ids import UsedIds

DUE_TAG: Final = b"traco/due/1"


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


class BlockExecution:
    """One pass over one block. Used once."""

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

    def run(self, envelopes: Sequence[bytes]) -> tuple[EnvelopeAnswer, ...]:
        """Execute everything and return an answer per envelope, in order."""
        self._upgrade()
        self._limits = self._parameters.get(self._state, KernelParameters)
        self._executor = Executor(self._registry, self._parameters, self._state, self._block, self._alarm)
        for item in due_items(self._state, self._block.time_ms, self._limits.due_budget):
            self._run_due(item)
        return tuple(self._run_envelope(index, raw) for index, raw in enumerate(envelopes))

    def executed(self) -> Executed:
        """The leaves and refusals of the block."""
        return Executed(tuple(self.leaves), tuple(self.refusals))

    def _upgrade(self) -> None:
        if protocol_of(self._state).current == self._block.protocol:
            return
        limits = self._parameters.get(self._state, KernelParameters)
        identity = digest(b"traco/upgrade/1", self._block.network, self._block.protocol.to_bytes(4, "big"))
        context = Execution(self._registry, self._parameters, self._state, self._block, identity, (), limits)
        migrate(self._registry.modules, context)
        receipt = encode(Receipt(identity, None, tuple(context.events)))
        self.leaves.append(Leaf(identity, NO_SIGNATURES, receipt))

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

    def _run_envelope(self, index: int, raw: bytes) -> EnvelopeAnswer:
        screened = self._screener.screen_envelope(raw)
        try:
            body = self._admitted(screened)
        except Refused as refused:
            return self._refuse_envelope(index, screened.identity, refused.failure())
        if body is None:
            return self._refuse_envelope(index, screened.identity, screened.refusal)
        self._used.add(screened.identity, body.valid_until)
        leaf = len(self.leaves)
        receipt = encode(Receipt(screened.identity, None, ()))
        self.leaves.append(Leaf(screened.identity, screened.signatures, receipt))
        answers = self._run_transactions(index, body.transactions)
        return EnvelopeAnswer(screened.identity, leaf, None, answers)

    def _refuse_envelope(self, index: int, identity: bytes, failure: Failure | None) -> EnvelopeAnswer:
        if failure is None:
            raise ValueError("an envelope is refused with a reason")
        self.refusals.append(Refusal(index, -1, identity, failure))
        return EnvelopeAnswer(identity, -1, failure, ())

    def _admitted(self, screened: ScreenedEnvelope) -> EnvelopeBody | None:
        """The body of an acceptable envelope; None where screening refused it. Raises ``Refused``."""
        if screened.envelope is None:
            return None
        body = screened.envelope.body
        self._check_place_and_time(body.network, body.ledger, body.valid_until)
        key = screened.envelope.signature.key
        if self._registry.authority.member_of_node(self._state, key) != body.member:
            raise NodeUnknown(body.member, key)
        if self._used.contains(screened.identity, body.valid_until):
            raise Duplicate(screened.identity)
        return body

    def _run_transactions(self, index: int, transactions: Sequence[bytes]) -> tuple[Answer, ...]:
        answers = []
        for position, screened in enumerate(self._screener.screen(transactions)):
            answer = self._run_transaction(transactions[position], screened)
            if answer.leaf < 0 and answer.failure is not None:
                self.refusals.append(Refusal(index, position, answer.identity, answer.failure))
            answers.append(answer)
        return tuple(answers)

    def _run_transaction(self, raw: bytes, screened: Screened) -> Answer:
        if screened.refusal is not None:
            return Answer(screened.identity, -1, screened.refusal)
        body = self._registry.transaction.trusted(raw).body
        try:
            self._check_transaction(body, screened)
        except Refused as refused:
            return Answer(screened.identity, -1, refused.failure())
        self._used.add(screened.identity, body.valid_until)
        outcome = self._executor.run_transaction(screened.identity, screened.signers, body.instructions)
        self._state.seal_journal()
        self.leaves.append(Leaf(screened.identity, screened.signatures, outcome.receipt))
        return Answer(screened.identity, len(self.leaves) - 1, outcome.failure)

    def _check_transaction(self, body: Body, screened: Screened) -> None:
        self._check_place_and_time(body.network, body.ledger, body.valid_until)
        if self._used.contains(screened.identity, body.valid_until):
            raise Duplicate(screened.identity)
        authorise(self._registry.authority, self._state, body.instructions, screened.signers)

    def _check_place_and_time(self, network: bytes, ledger: bytes, valid_until: int) -> None:
        block, window = self._block, self._limits.window_ms
        if network != block.network:
            raise WrongNetwork(network)
        if ledger != block.ledger:
            raise WrongLedger(ledger)
        if valid_until <= block.time_ms:
            raise Expired(valid_until, block.time_ms)
        if valid_until > block.time_ms + window:
            raise TooFarAhead(valid_until, block.time_ms, window)
