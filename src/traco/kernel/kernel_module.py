"""The module of the kernel's own instructions (see ``operations``): what every ledger has, whatever else it does."""

from collections.abc import Sequence

import msgspec

from traco.kernel.batch_hold import BatchHoldEnded, BatchHoldExists
from traco.kernel.codec import Codec, Hash, Record
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.errors import (
    DepthExceeded,
    InvariantBroken,
    KernelFault,
    OperationMalformed,
    RecordTooLarge,
    TooManyEvents,
)
from traco.kernel.instruction import Instruction
from traco.kernel.module import Authority, Context, Module, Query
from traco.kernel.operations import (
    EXPIRY,
    MAX_LIFE_MS,
    PROPOSAL_TABLE,
    Approve,
    Approved,
    ApprovedBefore,
    CouncilNeeded,
    ParametersInvalid,
    ParametersSet,
    Proposal,
    ProposalEnded,
    ProposalForeign,
    ProposalLife,
    ProposalUnknown,
    Propose,
    Proposed,
    ScheduleUpgrade,
    SetParameters,
    UpgradeInvalid,
    UpgradeScheduled,
    Withdraw,
    proposal_id,
)
from traco.kernel.protocol import Protocol, protocol_of, write_protocol
from traco.kernel.state import State, Table


class ProposalQuery(Record, frozen=True):
    """Asks for an open proposal."""

    proposal: Hash


class KernelModule(Module):
    """Proposals, parameters and upgrades. ``authority`` says whose keys count and who the council is."""

    name = "kernel"
    prefix = KERNEL_PREFIX

    def __init__(self, authority: Authority) -> None:
        super().__init__()
        self._authority = authority
        self._proposals: Table[Proposal] = Table(KERNEL_PREFIX, PROPOSAL_TABLE, Proposal)
        self.instructions = {
            Propose: self.propose,
            Approve: self.approve,
            Withdraw: self.withdraw,
            SetParameters: self.set_parameters,
            ScheduleUpgrade: self.schedule_upgrade,
        }
        self.events = (Proposed, Approved, ProposalEnded, ParametersSet, UpgradeScheduled)
        self.errors = (
            KernelFault, InvariantBroken, TooManyEvents, DepthExceeded, OperationMalformed, RecordTooLarge,
            ProposalUnknown, ProposalForeign, ProposalLife, ApprovedBefore, CouncilNeeded, ParametersInvalid,
            UpgradeInvalid, BatchHoldExists, BatchHoldEnded,
        )  # fmt: skip
        self.due = {EXPIRY: self.expire}
        self.queries = {
            "kernel.proposal": Query(ProposalQuery, self.proposal, "An open proposal and its approvals.")
        }

    def proposal(self, state: State, request: ProposalQuery) -> Proposal | None:
        """The open proposal, or None."""
        return self._proposals.get(state, request.proposal)

    def propose(self, context: Context, message: Propose) -> None:
        """Put an operation on the ledger with the approval of the key that signed."""
        # check
        time_ms = context.block.time_ms
        if not time_ms < message.expires_ms <= time_ms + MAX_LIFE_MS:
            raise ProposalLife(time_ms, MAX_LIFE_MS)
        inner = context.decode_instructions(message.operation)
        for instruction in inner:
            if instruction.actors() != (message.party,) or instruction.policy_class == "approve":
                raise ProposalForeign(message.party)
        if not inner:
            raise OperationMalformed
        # change
        identity = proposal_id(context.block.network, message.party, message.salt, message.operation)
        if self._proposals.get(context.state, identity) is not None:
            raise ApprovedBefore(identity)
        context.schedule(message.expires_ms, EXPIRY, identity)
        proposal = Proposal(message.party, message.operation, message.expires_ms, ())
        context.emit(Proposed(identity, message.party, message.expires_ms))
        self._add_approvals(context, identity, proposal, inner)

    def approve(self, context: Context, message: Approve) -> None:
        """Add an approval; run the operation when it is complete."""
        proposal = self._open(context, message.party, message.proposal)
        if proposal.expires_ms <= context.block.time_ms:
            raise ProposalUnknown(message.proposal)  # its due item waits for budget
        inner = context.decode_instructions(proposal.operation)
        self._add_approvals(context, message.proposal, proposal, inner)

    def withdraw(self, context: Context, message: Withdraw) -> None:
        """End a proposal of one's own party."""
        self._end(context, message.proposal, self._open(context, message.party, message.proposal))
        context.emit(ProposalEnded(message.proposal, message.party, lapsed=False))

    def expire(self, context: Context, key: bytes) -> None:
        """A proposal's time has come: it lapses if it is still open."""
        proposal = self._proposals.get(context.state, key)
        if proposal is None:
            raise ProposalUnknown(key)  # cannot be: whatever ends a proposal takes its expiry back
        self._end(context, key, proposal)
        context.emit(ProposalEnded(key, proposal.party, lapsed=True))

    def _open(self, context: Context, party: bytes, identity: bytes) -> Proposal:
        proposal = self._proposals.get(context.state, identity)
        if proposal is None or proposal.party != party:
            raise ProposalUnknown(identity)
        return proposal

    def _end(self, context: Context, identity: bytes, proposal: Proposal) -> None:
        context.unschedule(proposal.expires_ms, EXPIRY, identity)
        self._proposals.delete(context.state, identity)

    def _add_approvals(
        self, context: Context, identity: bytes, proposal: Proposal, inner: Sequence[Instruction]
    ) -> None:
        eligible = self._eligible(context.state, proposal.party, inner)
        added = tuple(key for key in context.signers if key in eligible and key not in proposal.approvals)
        if not added:
            raise ApprovedBefore(identity)
        approvals = proposal.approvals + added
        complete = self._complete(context.state, proposal.party, inner, approvals)
        context.emit(Approved(identity, proposal.party, added, complete))
        if not complete:
            updated = Proposal(proposal.party, proposal.operation, proposal.expires_ms, approvals)
            self._proposals.put(context.state, updated, identity)
            return
        self._end(context, identity, proposal)
        context.admit(inner)  # a proposal is no way around roles, pauses and quotas
        for instruction in inner:
            context.perform(instruction)

    def _eligible(self, state: State, party: bytes, inner: Sequence[Instruction]) -> dict[bytes, None]:
        keys: dict[bytes, None] = {}
        for instruction in inner:
            requirement = self._authority.requirement(state, party, instruction)
            if requirement is not None:
                keys.update(dict.fromkeys(sorted(requirement.keys)))
        return keys

    def _complete(
        self, state: State, party: bytes, inner: Sequence[Instruction], approvals: tuple[bytes, ...]
    ) -> bool:
        for instruction in inner:
            requirement = self._authority.requirement(state, party, instruction)
            if requirement is None:
                return False
            if sum(key in requirement.keys for key in approvals) < requirement.threshold:
                return False
        return True

    def _check_council(self, state: State, parties: tuple[bytes, ...]) -> None:
        members, threshold = self._authority.council(state)
        found = sum(member in parties for member in members)
        if found < threshold or found != len(parties):
            raise CouncilNeeded(threshold, found)

    def set_parameters(self, context: Context, message: SetParameters) -> None:
        """Replace a parameters record by decision of the council."""
        # authorise
        self._check_council(context.state, message.parties)
        # check
        kind = context.parameters_type(message.owner)
        if kind is None:
            raise ParametersInvalid(message.owner)
        codec: Codec[Record] = Codec(kind)
        try:
            record = codec.decode(message.record)
        except (ValueError, msgspec.MsgspecError):
            raise ParametersInvalid(message.owner) from None
        # change
        context.set_parameters(record)
        # emit
        context.emit(ParametersSet(message.owner, message.record))

    def schedule_upgrade(self, context: Context, message: ScheduleUpgrade) -> None:
        """Schedule the next protocol by decision of the council."""
        # authorise
        self._check_council(context.state, message.parties)
        # check
        current = protocol_of(context.state).current
        if message.protocol != current + 1 or message.height <= context.block.height:
            raise UpgradeInvalid(current + 1, context.block.height)
        # change
        write_protocol(context.state, Protocol(current, message.protocol, message.height))
        # emit
        context.emit(UpgradeScheduled(message.protocol, message.height))
