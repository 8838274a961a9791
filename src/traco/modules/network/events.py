"""What happened to the network's nodes, as receipts and projections carry it. Everybody may see them: see README."""

from traco.kernel.codec import Code, Height, Id, PublicKey
from traco.kernel.instruction import Event
from traco.modules.network.state import Address, ConsensusKey, Gateway, PeerId, Placement, VotingPower


class NodeAdmitted(Event, frozen=True, tag="network.node_admitted/1"):
    """A node takes part from now on, as an observer."""

    key: PublicKey
    member: Id
    consensus: ConsensusKey
    peer: PeerId
    address: Address
    gateway: Gateway
    placement: Placement


class NodePromoted(Event, frozen=True, tag="network.node_promoted/1"):
    """A node is a validator with this power from now on; the engine counts it from the next height but one."""

    key: PublicKey
    member: Id
    power: VotingPower


class NodeDemoted(Event, frozen=True, tag="network.node_demoted/1"):
    """A validator is an observer from now on."""

    key: PublicKey
    member: Id
    reason: Code


class NodeRemoved(Event, frozen=True, tag="network.node_removed/1"):
    """A node no longer takes part."""

    key: PublicKey
    member: Id
    reason: Code


class NodeReady(Event, frozen=True, tag="network.node_ready/1"):
    """A node has followed up to this block and is ready to order, its member says."""

    key: PublicKey
    member: Id
    height: Height


class NodeUpdated(Event, frozen=True, tag="network.node_updated/1"):
    """A node is found there from now on."""

    key: PublicKey
    member: Id
    address: Address
    gateway: Gateway
    placement: Placement


class NodeRotated(Event, frozen=True, tag="network.node_rotated/1"):
    """A node has other keys from now on; ``replaced`` is the node key that it had."""

    key: PublicKey
    member: Id
    replaced: PublicKey
    consensus: ConsensusKey
    peer: PeerId
