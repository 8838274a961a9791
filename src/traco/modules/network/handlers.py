"""One method per instruction: authorise, check, change, emit."""

from typing import Final

from msgspec.structs import replace

from traco.kernel.module import Context
from traco.modules.network import shares, validity
from traco.modules.network.errors import (
    ConsensusKeyNew,
    IsValidator,
    MemberInactive,
    NodeForeign,
    NodeNotRegistered,
    NodeUnchanged,
    NotReady,
    NotValidator,
    ReadyHeightWrong,
    ToleranceLost,
)
from traco.modules.network.events import (
    NodeAdmitted,
    NodeDemoted,
    NodePromoted,
    NodeReady,
    NodeRemoved,
    NodeRotated,
    NodeUpdated,
)
from traco.modules.network.keeper import Keeper
from traco.modules.network.messages import (
    AdmitNode,
    DemoteNode,
    PromoteNode,
    RemoveNode,
    ReportReady,
    RotateNode,
    UpdateNode,
)
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.ports import Members
from traco.modules.network.state import NodeRecord

REPORTED_WITHIN: Final = (
    1_000  # blocks: a report of readiness speaks of one of the last; a busy network makes 20 a second
)
READY_WITHIN: Final = (
    10_000  # blocks that a report is good for: the council's members have to sign one after the other
)
# Blocks that a validator keeps its keys for: each change of its consensus key is a handover in every later receipt, for
# which there is limited room, and a member alone must not be able to fill it before the council can act.
KEY_STANDS: Final = 10_000


class Handlers:
    """The rules of this module's instructions. ``keeper`` writes, ``members`` says who is who."""

    def __init__(self, keeper: Keeper, members: Members) -> None:
        self._keeper = keeper
        self._members = members

    def admit(self, context: Context, message: AdmitNode) -> None:
        """Let a node into the network as an observer."""
        # authorise
        self._members.require_council(context.state, message.parties)
        # check
        record = NodeRecord(
            message.member, message.key, message.consensus, message.peer, message.address, message.gateway,
            message.placement, "observer", 0, 0,
        )  # fmt: skip
        check_record(context, self._members, record)
        # change
        self._keeper.admit(context, record)
        # emit
        context.emit(
            NodeAdmitted(
                message.key, message.member, message.consensus, message.peer, message.address, message.gateway,
                message.placement,
            )
        )  # fmt: skip

    def promote(self, context: Context, message: PromoteNode) -> None:
        """Make an observer a validator, or give a validator another power."""
        # authorise
        self._members.require_council(context.state, message.parties)
        # check
        record = self._keeper.require(context.state, message.key)
        if not self._members.is_member(context.state, record.member):
            raise MemberInactive(record.member)
        if record.power == message.power:
            raise IsValidator(message.key, record.power)
        if record.role == "observer":
            _check_ready(context, record)
        # change
        promoted = replace(record, role="validator", power=message.power, ready_height=0)
        self._change_power(context, record, promoted)
        if promoted.power > record.power:
            self._check_provider(context, promoted)
            self._check_region(context, promoted)
        # emit
        context.emit(NodePromoted(message.key, record.member, message.power))

    def demote(self, context: Context, message: DemoteNode) -> None:
        """Make a validator an observer."""
        # authorise
        self._members.require_council(context.state, message.parties)
        # check
        record = self._keeper.require(context.state, message.key)
        if record.role != "validator":
            raise NotValidator(message.key)
        # change
        self._change_power(context, record, replace(record, role="observer", power=0, ready_height=0))
        # emit
        context.emit(NodeDemoted(message.key, record.member, message.reason))

    def remove(self, context: Context, message: RemoveNode) -> None:
        """Put a node out of the network."""
        # authorise
        self._members.require_council(context.state, message.parties)
        # check
        record = self._keeper.require(context.state, message.key)
        # change
        self._change_power(context, record, None)
        # emit
        context.emit(NodeRemoved(message.key, record.member, message.reason))

    def report_ready(self, context: Context, message: ReportReady) -> None:
        """Note that an observer has followed up to a block."""
        # authorise
        record = self._require_own(context, message.party, message.key)
        # check
        if record.role == "validator":
            raise IsValidator(message.key, record.power)
        highest = context.block.height - 1
        lowest = max(1, highest - REPORTED_WITHIN + 1)
        if not lowest <= message.height <= highest:
            raise ReadyHeightWrong(message.height, lowest, highest)
        # change
        self._keeper.replace(context, record, replace(record, ready_height=message.height))
        # emit
        context.emit(NodeReady(message.key, message.party, message.height))

    def update(self, context: Context, message: UpdateNode) -> None:
        """Say anew where a node is."""
        # authorise
        record = self._require_own(context, message.party, message.key)
        # check
        validity.check_address(message.address)
        validity.check_gateway(message.gateway)
        updated = replace(
            record, address=message.address, gateway=message.gateway, placement=message.placement
        )
        if updated == record:
            raise NodeUnchanged(message.key)
        # change
        self._keeper.replace(context, record, updated)
        if updated.placement.provider != record.placement.provider:
            self._check_provider(context, updated)
        if updated.placement.region != record.placement.region:
            self._check_region(context, updated)
        # emit
        context.emit(
            NodeUpdated(message.key, message.party, message.address, message.gateway, message.placement)
        )

    def rotate(self, context: Context, message: RotateNode) -> None:
        """Give a node other keys; role, power and placement stay, so no share and no tolerance changes."""
        # authorise
        record = self._require_own(context, message.party, message.key)
        # check
        rotated = replace(
            record, key=message.new_key, consensus=message.consensus, peer=message.peer, ready_height=0
        )
        if (rotated.key, rotated.consensus, rotated.peer) == (record.key, record.consensus, record.peer):
            raise NodeUnchanged(message.key)
        check_record(context, self._members, rotated)
        is_new = record.power > 0 and rotated.consensus != record.consensus and self._is_new(context, record)
        # change
        self._keeper.replace(context, record, rotated)
        if is_new:  # said after what is wrong with the new keys themselves
            raise ConsensusKeyNew(record.key, KEY_STANDS)
        # emit
        context.emit(
            NodeRotated(message.new_key, message.party, message.key, message.consensus, message.peer)
        )

    def _is_new(self, context: Context, record: NodeRecord) -> bool:
        """Whether the node had other keys ``KEY_STANDS`` blocks ago, or was none; the founding is long ago."""
        then = self._keeper.as_of(context.state, max(0, context.block.height - KEY_STANDS), record.key)
        return then is None or then.consensus != record.consensus

    def _require_own(self, context: Context, party: bytes, key: bytes) -> NodeRecord:
        """The acting party's own node. Admission checks its status too: a proposal may run later."""
        record = self._keeper.require(context.state, key)
        if record.member != party:
            raise NodeForeign(party, key)
        if not self._members.is_member(context.state, party):
            raise MemberInactive(party)
        return record

    def _change_power(self, context: Context, before: NodeRecord, after: NodeRecord | None) -> None:
        """Write the change; a network that goes on without any one validator must stay so. Raises ``ToleranceLost``."""
        was = self._keeper.validators(context.state)
        if after is None:
            self._keeper.remove(context, before)
        else:
            self._keeper.replace(context, before, after)
        now = self._keeper.validators(context.state)
        if shares.tolerates_one(was) and not shares.tolerates_one(now):
            raise ToleranceLost(shares.total_of(now), shares.greatest_of(now))

    def _check_provider(self, context: Context, record: NodeRecord) -> None:
        """After a change that gave the node's provider more power, within the limit."""
        if record.power:
            limits = context.parameters(NetworkParameters)
            validators = self._keeper.validator_nodes(context.state)
            shares.check_provider(validators, record.placement.provider, limits)

    def _check_region(self, context: Context, record: NodeRecord) -> None:
        """After a change that gave the node's region more power, within the limit."""
        if record.power:
            limits = context.parameters(NetworkParameters)
            validators = self._keeper.validator_nodes(context.state)
            shares.check_region(validators, record.placement.region, limits)


def check_record(context: Context, members: Members, record: NodeRecord) -> None:
    """A node that is to be admitted or gets other keys: its member's, with keys and addresses that can be used.

    Raises ``NodeNotRegistered``, ``ConsensusKeyWrong``, ``AddressWrong``, ``GatewayWrong``.
    """
    if members.member_of_node(context.state, record.key) != record.member:
        raise NodeNotRegistered(record.member, record.key)
    validity.check_keys(record)
    validity.check_address(record.address)
    validity.check_gateway(record.gateway)


def _check_ready(context: Context, record: NodeRecord) -> None:
    height = context.block.height
    if not record.ready_height or height - record.ready_height > READY_WITHIN:
        raise NotReady(record.key, record.ready_height, height, READY_WITHIN)
