"""The keeper of batches: the only code that writes this module's keys, with every check but who may create, settle, cancel.

Other modules get this object. Value that an own holding allocates is held by the holding module for the batch, without
an expiry of its own: it ends with the batch, or when it is withdrawn.
"""

from typing import Final

from msgspec.structs import replace

from traco.kernel.due import DueItem, is_scheduled
from traco.kernel.module import Context
from traco.kernel.state import State
from traco.modules.settlement.chains import check_fit, destination
from traco.modules.settlement.errors import (
    AllocatedBefore,
    ApprovedBefore,
    BatchEnded,
    BatchExists,
    BatchUnknown,
    BoundByModule,
    DeadlinePast,
    DeadlineWrong,
    Irrevocable,
    LegsExceeded,
    LegUnknown,
    NotComplete,
    NothingAffirmed,
    NothingWithdrawn,
    NotInControl,
    NotReceiver,
    NotSender,
    SettlersWrong,
    WrongAccount,
)
from traco.modules.settlement.events import (
    Affirmed,
    BatchCreated,
    BatchReleased,
    BatchSettled,
    Withdrawn,
)
from traco.modules.settlement.messages import (
    Allocation,
    Allocations,
    Approval,
    Approvals,
    IntoAccount,
    OwnHolding,
    SettlementInstruction,
    batch_id,
    terms_hash,
)
from traco.modules.settlement.parameters import SettlementParameters
from traco.modules.settlement.ports import Holdings, Parties
from traco.modules.settlement.state import BATCHES, Batch, Release, Status, hold_id

EXPIRY: Final = "settlement.expiry"
EXPIRED: Final = "settlement.deadline"  # the reason given with a batch that expired
MAX_CONSEQUENCES: Final = 8


class Keeper:
    """Batches from creation to their one end."""

    def __init__(self, parties: Parties, holdings: Holdings) -> None:
        self._parties = parties
        self._holdings = holdings

    # reads

    def get(self, state: State, batch: bytes) -> Batch | None:
        """The batch, open or ended, or None."""
        return BATCHES.get(state, batch)

    def require_open(self, state: State, batch: bytes) -> Batch:
        """The open batch. Raises ``BatchUnknown``, ``BatchEnded``."""
        found = BATCHES.get(state, batch)
        if found is None:
            raise BatchUnknown(batch)
        if found.status != "open":
            raise BatchEnded(batch, found.status)
        return found

    # changes

    def create(
        self, context: Context, requestor: bytes, legs: tuple[SettlementInstruction, ...],
        settlers: tuple[bytes, ...], auto: bool, deadline_ms: int, on_settle: tuple[bytes, ...],
        on_release: tuple[bytes, ...], salt: bytes,
    ) -> bytes:  # fmt: skip
        """Create a batch and return its id, ``batch_id(requestor, salt)``.

        Consequences are encoded records of types that modules declare. Those of ``on_settle`` run after all legs, may
        refuse, and then nothing happens; those of ``on_release`` run after everything is released, and must never refuse:
        an expiry that is refused leaves the batch to be cancelled or withdrawn by hand.
        Raises ``BatchExists``, ``LegsExceeded``, ``SettlersWrong``, ``DeadlineWrong``, the party module's refusal of a
        party and the holding module's of an instrument.
        """
        if len(on_settle) > MAX_CONSEQUENCES or len(on_release) > MAX_CONSEQUENCES:
            raise ValueError("a module attaches more consequences than a batch carries")
        state, batch = context.state, batch_id(requestor, salt)
        if BATCHES.get(state, batch) is not None:
            raise BatchExists(batch)
        self._check_terms(context, legs, settlers, auto, deadline_ms)
        terms = terms_hash(legs, settlers, auto, deadline_ms, on_settle, on_release)
        nothing = (None,) * len(legs)
        record = Batch(
            requestor, "open", deadline_ms, terms, len(legs), auto, settlers, legs, nothing, nothing, on_settle,
            on_release,
        )  # fmt: skip
        BATCHES.put(state, record, batch)
        context.schedule(deadline_ms, EXPIRY, batch)
        context.emit(BatchCreated(batch, requestor, legs, deadline_ms))
        return batch

    def affirm(
        self, context: Context, party: bytes, batch: bytes, allocations: Allocations, approvals: Approvals
    ) -> None:
        """Add parts that ``party`` gives; value from own holdings is held. Settles a complete batch that is ``auto``.

        Raises ``BatchUnknown``, ``BatchEnded``, ``DeadlinePast``, ``NothingAffirmed``, ``LegUnknown``,
        ``AllocatedBefore``, ``ApprovedBefore``, ``NotSender``, ``NotReceiver``, ``WrongAccount``, ``NotInControl``, what
        ``check_fit`` raises, and the holding module's refusals.
        """
        record = self._in_time(context, batch)
        if not allocations and not approvals:
            raise NothingAffirmed
        state, legs = context.state, record.legs
        allocated, approved = list(record.allocations), list(record.approvals)
        for leg, allocation in allocations:
            if leg >= len(legs):
                raise LegUnknown(leg, len(legs))
            if allocated[leg] is not None:
                raise AllocatedBefore(leg)
            self._check_allocation(state, party, legs[leg], leg, allocation)
            allocated[leg] = allocation
        for leg, approval in approvals:
            if leg >= len(legs):
                raise LegUnknown(leg, len(legs))
            if approved[leg] is not None:
                raise ApprovedBefore(leg)
            self._check_approval(state, party, legs[leg], leg, approval)
            approved[leg] = approval
        check_fit(legs, allocated, approved, context.parameters(SettlementParameters).max_chain)
        for leg, allocation in allocations:
            if isinstance(allocation, OwnHolding):
                self._hold(context, batch, leg, legs[leg], allocation.account)
        grown = _with_parts(record, tuple(allocated), tuple(approved))
        complete = grown.complete
        context.emit(Affirmed(batch, party, _indexes(allocations), _indexes(approvals), complete))
        if complete and record.auto:
            self._settle(context, batch, grown)
        else:
            BATCHES.put(state, grown, batch)

    def withdraw(self, context: Context, party: bytes, batch: bytes) -> None:
        """Take back all parts that are ``party``'s to give, and release what they held.

        From a batch that a module made no value is withdrawn before its expiry was tried: it would be sold or spent while
        the module counts on it.
        Raises ``BatchUnknown``, ``BatchEnded``, ``Irrevocable``, ``BoundByModule``, ``NothingWithdrawn``.
        """
        state, record = context.state, self.require_open(context.state, batch)
        if record.complete and context.block.time_ms < record.deadline_ms:
            raise Irrevocable(batch, record.deadline_ms)
        allocated = tuple(
            leg
            for leg, allocation in enumerate(record.allocations)
            if allocation is not None and self._may_allocate(state, party, record.legs[leg], allocation)
        )
        approved = tuple(
            leg
            for leg, approval in enumerate(record.approvals)
            if approval is not None and self._may_approve(state, party, record.legs[leg], approval)
        )
        if not allocated and not approved:
            raise NothingWithdrawn(party, batch)
        if allocated and self._is_bound(state, batch, record):
            raise BoundByModule(batch)
        for leg in allocated:
            self._release_hold(context, batch, leg, record.allocations[leg])
        rest = _with_parts(
            record,
            tuple(None if leg in allocated else part for leg, part in enumerate(record.allocations)),
            tuple(None if leg in approved else part for leg, part in enumerate(record.approvals)),
        )
        BATCHES.put(state, rest, batch)
        context.emit(Withdrawn(batch, party, allocated, approved))

    def settle(self, context: Context, batch: bytes) -> None:
        """Settle a complete batch: all legs, then its consequences.

        Raises ``BatchUnknown``, ``BatchEnded``, ``DeadlinePast``, ``NotComplete``, and what a movement or a consequence
        refuses: a closed account, a transfer check.
        """
        record = self._in_time(context, batch)
        if not record.complete:
            missing = record.allocations.count(None) + record.approvals.count(None)
            raise NotComplete(batch, missing)
        self._settle(context, batch, record)

    def cancel(self, context: Context, batch: bytes, reason: str) -> None:
        """End an open batch, complete or not, and release everything held. Raises ``BatchUnknown``, ``BatchEnded``."""
        self._release(context, batch, self.require_open(context.state, batch), "cancelled", reason)

    def expire(self, context: Context, batch: bytes) -> None:
        """The due item of a deadline: the batch ends, if it is open."""
        record = BATCHES.get(context.state, batch)
        if record is not None and record.status == "open":
            self._release(context, batch, record, "expired", EXPIRED)

    # the ends of a batch

    def _settle(self, context: Context, batch: bytes, record: Batch) -> None:
        self._end(context, batch, record, "settled")
        for leg, allocation in enumerate(record.allocations):
            if isinstance(allocation, OwnHolding):
                instruction = record.legs[leg]
                self._holdings.execute_hold(
                    context, hold_id(batch, leg), destination(record.approvals, leg), instruction.amount,
                    instruction.reference,
                )  # fmt: skip
        context.emit(BatchSettled(batch))
        for consequence in record.on_settle:
            context.apply(consequence)

    def _release(self, context: Context, batch: bytes, record: Batch, status: Release, reason: str) -> None:
        self._end(context, batch, record, status)
        for leg, allocation in enumerate(record.allocations):
            self._release_hold(context, batch, leg, allocation)
        context.emit(BatchReleased(batch, status, reason))
        for consequence in record.on_release:
            context.apply(consequence)

    def _end(self, context: Context, batch: bytes, record: Batch, status: Status) -> None:
        """Write the end before anything else happens: whatever a consequence does, the batch has ended."""
        ended = Batch(
            record.requestor, status, record.deadline_ms, record.terms, record.size, record.auto, (), (), (), (),
            (), (),
        )  # fmt: skip
        BATCHES.put(context.state, ended, batch)
        context.unschedule(record.deadline_ms, EXPIRY, batch)

    def _hold(
        self, context: Context, batch: bytes, leg: int, instruction: SettlementInstruction, account: bytes
    ) -> None:
        self._holdings.hold(
            context, hold_id(batch, leg), account, instruction.instrument, instruction.amount, batch, 0,
            instruction.reference,
        )  # fmt: skip

    def _release_hold(self, context: Context, batch: bytes, leg: int, allocation: Allocation | None) -> None:
        if isinstance(allocation, OwnHolding):
            self._holdings.release_hold(context, hold_id(batch, leg))

    # checks

    def _is_bound(self, state: State, batch: bytes, record: Batch) -> bool:
        """Whether a module is to learn how the batch ends, and may yet: past the deadline too, while the expiry waits."""
        made_by_module = bool(record.on_settle or record.on_release)
        return made_by_module and is_scheduled(state, DueItem(record.deadline_ms, EXPIRY, batch))

    def _in_time(self, context: Context, batch: bytes) -> Batch:
        record = self.require_open(context.state, batch)
        if context.block.time_ms >= record.deadline_ms:
            raise DeadlinePast(batch, record.deadline_ms)
        return record

    def _check_terms(
        self, context: Context, legs: tuple[SettlementInstruction, ...], settlers: tuple[bytes, ...], auto: bool,
        deadline_ms: int,
    ) -> None:  # fmt: skip
        state, limits, time_ms = (
            context.state,
            context.parameters(SettlementParameters),
            context.block.time_ms,
        )
        if not 1 <= len(legs) <= limits.max_legs:
            raise LegsExceeded(len(legs), limits.max_legs)
        named = dict.fromkeys(settlers)
        if len(named) != len(settlers) or len(settlers) > limits.max_settlers or auto == bool(settlers):
            raise SettlersWrong(len(settlers), limits.max_settlers)
        if not time_ms < deadline_ms <= time_ms + limits.max_life_ms:
            raise DeadlineWrong(time_ms, limits.max_life_ms)
        instruments: dict[bytes, None] = {}
        for leg in legs:
            named[leg.sender] = named[leg.receiver] = instruments[leg.instrument] = None
        for party in named:
            self._parties.require_active(state, party)
        for instrument in instruments:
            self._holdings.require_open_instrument(state, instrument)

    def _check_allocation(
        self, state: State, party: bytes, instruction: SettlementInstruction, leg: int, allocation: Allocation
    ) -> None:
        if isinstance(allocation, OwnHolding):
            account = allocation.account
            if self._holdings.require_open_account(state, account).owner != instruction.sender:
                raise WrongAccount(account, leg)
            if not self._may_allocate(state, party, instruction, allocation):
                raise NotInControl(party, account, leg)
        elif party != instruction.sender:
            raise NotSender(party, leg)

    def _check_approval(
        self, state: State, party: bytes, instruction: SettlementInstruction, leg: int, approval: Approval
    ) -> None:
        if isinstance(approval, IntoAccount):
            account, receiver = approval.account, instruction.receiver
            if self._holdings.require_open_account(state, account).owner != receiver:
                raise WrongAccount(account, leg)
            if not self._holdings.controls_credit(state, account, party):
                raise NotInControl(party, account, leg)
        if not self._may_approve(state, party, instruction, approval):
            raise NotReceiver(party, leg)

    def _may_allocate(
        self, state: State, party: bytes, instruction: SettlementInstruction, allocation: Allocation
    ) -> bool:
        """Whether the part is this party's to give: who controls the debits of an account is asked, else the sender."""
        if isinstance(allocation, OwnHolding):
            return self._holdings.controls_debit(state, allocation.account, party)
        return party == instruction.sender

    def _may_approve(
        self, state: State, party: bytes, instruction: SettlementInstruction, approval: Approval
    ) -> bool:
        """As ``_may_allocate`` for credits. An account that is open to all takes nothing without its owner."""
        if party == instruction.receiver:
            return True
        if not isinstance(approval, IntoAccount):
            return False
        account, control = approval.account, self._holdings.controls_credit
        return control(state, account, party) and not control(state, account, instruction.receiver)


def _with_parts(
    record: Batch, allocations: tuple[Allocation | None, ...], approvals: tuple[Approval | None, ...]
) -> Batch:
    return replace(record, allocations=allocations, approvals=approvals)


def _indexes(parts: Allocations | Approvals) -> tuple[int, ...]:
    return tuple([leg for leg, _ in parts])
