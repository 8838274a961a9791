"""What each kind of entry does inside a channel. Those that are only about the channel change nothing there."""

from typing import Final

from traco.channels.executing.composition import Composition
from traco.channels.executing.errors import GenerationStale, NotHeldHere
from traco.channels.executing.points import NOT_A_LEG, VOIDED, Content, Nothing
from traco.channels.executing.record import EMPTIED, EPOCHS, Emptied, EpochRecord, number_part
from traco.kernel.block import BlockRun
from traco.kernel.codec import Code, Hash, Record, digest
from traco.kernel.errors import Failure
from traco.kernel.execution import Alarm
from traco.kernel.module import BlockContext
from traco.kernel.state import State
from traco.kernel.store import Refusal
from traco.modules.channel.entries import Batch, Decided, Entry, EpochBegun, Leg, Voided
from traco.modules.channel.parts import LegResult
from traco.modules.leg.messages import HoldLeg
from traco.modules.leg.ports import Entering

DECISION_TAG: Final = b"traco/decision/1"


class LegOutcome(Record, frozen=True):
    """What became of a leg: held, or refused with a code."""

    attempt: Hash
    held: bool
    code: Code | None = None

    def result(self) -> LegResult:
        """As it is attested."""
        return LegResult(self.attempt, self.held)


class EntriesRun:
    """One pass over the entries of a point, in the order of the stream. ``legs`` are the results."""

    def __init__(
        self, composition: Composition, run: BlockRun, state: State, block: BlockContext, alarm: Alarm
    ) -> None:
        self._composition = composition
        self._run = run
        self._state = state
        self._block = block
        self._alarm = alarm
        self.legs: list[LegOutcome] = []

    def run(self, index: int, number: int, entry: Entry, content: Content | None) -> None:
        """Execute one entry. Those that change nothing inside are not looked at."""
        state = self._state
        if isinstance(content, Nothing):
            self._run.refusals.append(Refusal(index, -1, b"", Failure(content.code, ())))
            if content.code == VOIDED:
                EMPTIED.put(state, Emptied(), number_part(number))
            if isinstance(entry, Leg):
                self.legs.append(LegOutcome(entry.attempt, held=False, code=content.code))
        elif isinstance(entry, Batch) and content is not None:
            self._run.run_transactions(index, content)
        elif isinstance(entry, Leg) and content is not None:
            self._run_leg(index, entry, content)
        elif isinstance(entry, Decided):
            self._decide(entry)
        elif isinstance(entry, EpochBegun):
            EPOCHS.put(state, EpochRecord(entry.epoch, entry.terms))
        elif isinstance(entry, Voided):
            if EMPTIED.get(state, number_part(entry.number)) is None:
                raise GenerationStale(self._block.ledger, entry.number)
            EMPTIED.delete(state, number_part(entry.number))

    def _run_leg(self, index: int, entry: Leg, transactions: tuple[bytes, ...]) -> None:
        if not self._is_leg(transactions):
            self._run.refusals.append(Refusal(index, -1, b"", Failure(NOT_A_LEG, ())))
            self.legs.append(LegOutcome(entry.attempt, held=False, code=NOT_A_LEG))
            return
        edges = tuple((edge.instrument, edge.amount) for edge in entry.edges)
        leg = Entering(entry.attempt, entry.terms, entry.commitment, edges)
        with self._composition.door.entering(leg):
            (answer,) = self._run.run_transactions(index, transactions)
        code = None if answer.failure is None else answer.failure.code
        self.legs.append(LegOutcome(entry.attempt, answer.failure is None, code))

    def _is_leg(self, transactions: tuple[bytes, ...]) -> bool:
        """Whether it is one transaction with the one instruction to hold a leg."""
        if len(transactions) != 1:
            return False
        try:
            body = self._composition.registry.transaction.decode(transactions[0]).body
        except ValueError:
            return False
        return [type(instruction) for instruction in body.instructions] == [HoldLeg]

    def _decide(self, entry: Decided) -> None:
        legs = self._composition.legs
        if legs is None:
            return  # no leg was ever held here
        network, ledger = self._block.network, self._block.ledger
        identity = digest(DECISION_TAG, network, ledger, entry.attempt)
        action = legs.execute if entry.committed else legs.release
        outcome = self._run.run_kernel(identity, action, entry.attempt)
        if outcome.failure is not None:
            error = NotHeldHere(ledger, entry.attempt, outcome.failure.code)
            self._alarm(error.code, entry.attempt, error)
