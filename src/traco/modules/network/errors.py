"""Why an instruction about the network's nodes is rejected.

Rejected
├── NodeUnknown, NodeExists, NodeNotRegistered, NodeForeign, NodeUnchanged, MemberInactive    which node, whose
├── ConsensusKeyWrong, ConsensusKeyUsed, ConsensusKeyNew, PeerTaken         its keys
├── AddressWrong, GatewayWrong                                              where it is
├── IsValidator, NotValidator, NotReady, ReadyHeightWrong                   its role
├── LastValidator, ToleranceLost, ShareExceeded                             what the network needs
└── TooManyNodes, TooManyValidators
"""

from dataclasses import dataclass
from typing import ClassVar

from traco.kernel.errors import Rejected


@dataclass(eq=False)
class NodeUnknown(Rejected):
    """No node with this key takes part in the network."""

    code: ClassVar[str] = "network.node_unknown"
    says: ClassVar[str] = "No node with key {key} is in the network."
    advice: ClassVar[str] = "Check the node key (traco network nodes), or have the council admit the node."
    key: bytes


@dataclass(eq=False)
class NodeExists(Rejected):
    """The node takes part already."""

    code: ClassVar[str] = "network.node_exists"
    says: ClassVar[str] = "A node with key {key} is in the network already."
    advice: ClassVar[str] = "Nothing is to be done; for another node, make a new node key."
    key: bytes


@dataclass(eq=False)
class NodeNotRegistered(Rejected):
    """The member has not registered this node key, or is not active."""

    code: ClassVar[str] = "network.node_not_registered"
    says: ClassVar[str] = "Member {member} has no node with key {key} in the registry of parties."
    advice: ClassVar[str] = "The member registers the key first (party.register_node); it must be active."
    member: bytes
    key: bytes


@dataclass(eq=False)
class NodeForeign(Rejected):
    """A member speaks for its own nodes only."""

    code: ClassVar[str] = "network.node_foreign"
    says: ClassVar[str] = "The node with key {key} is not one of {party}."
    advice: ClassVar[str] = "Its own member must send this."
    party: bytes
    key: bytes


@dataclass(eq=False)
class NodeUnchanged(Rejected):
    """The node is so already."""

    code: ClassVar[str] = "network.node_unchanged"
    says: ClassVar[str] = "The node with key {key} has all of this already."
    advice: ClassVar[str] = "Nothing is to be done."
    key: bytes


@dataclass(eq=False)
class MemberInactive(Rejected):
    """The node's member is not active."""

    code: ClassVar[str] = "network.member_inactive"
    says: ClassVar[str] = "The node's member {member} is not an active member."
    advice: ClassVar[str] = "Reactivate the member first, or remove its nodes."
    member: bytes


@dataclass(eq=False)
class ConsensusKeyWrong(Rejected):
    """The engine cannot use this consensus key."""

    code: ClassVar[str] = "network.consensus_key_wrong"
    says: ClassVar[str] = "{key} cannot be a consensus key ({reason})."
    advice: ClassVar[str] = (
        "Give the node's consensus key, an ed25519 key with its scheme byte (01), other than its node key."
    )
    key: bytes
    reason: str


@dataclass(eq=False)
class ConsensusKeyUsed(Rejected):
    """A consensus key serves one node, once: votes signed with it long ago must not count for another, nor again."""

    code: ClassVar[str] = "network.consensus_key_used"
    says: ClassVar[str] = "The consensus key {key} is in use, or was before and is retired for ever."
    advice: ClassVar[str] = "Make a new consensus key for the node."
    key: bytes


@dataclass(eq=False)
class ConsensusKeyNew(Rejected):
    """Every change of a validator's key lengthens the evidence in all receipts from then on, which has a limit."""

    code: ClassVar[str] = "network.consensus_key_new"
    says: ClassVar[str] = (
        "The validator with node key {key} has not had its keys for {blocks} blocks yet; its consensus key stays as it is."
    )
    advice: ClassVar[str] = (
        "Rotate later; if its key was stolen, ask the council to demote the node: an observer may rotate at any time."
    )
    key: bytes
    blocks: int


@dataclass(eq=False)
class PeerTaken(Rejected):
    """Another node has this peer id."""

    code: ClassVar[str] = "network.peer_taken"
    says: ClassVar[str] = "Another node has the peer id {peer}."
    advice: ClassVar[str] = "Make a new peer key for the node, or check which node the id is of."
    peer: bytes


@dataclass(eq=False)
class AddressWrong(Rejected):
    """Not an address that other nodes can dial."""

    code: ClassVar[str] = "network.address_wrong"
    says: ClassVar[str] = "The address is not one that other nodes can dial."
    advice: ClassVar[str] = (
        "Write host:port, the host as a name in lower case, an IPv4 address or an IPv6 address in brackets, the port 1 to "
        "65535."
    )


@dataclass(eq=False)
class GatewayWrong(Rejected):
    """Not the address of a gateway."""

    code: ClassVar[str] = "network.gateway_wrong"
    says: ClassVar[str] = "The gateway is not an address that clients can use."
    advice: ClassVar[str] = (
        "Write https://host, with a port and a path if need be, without user, query or fragment; or leave it empty."
    )


@dataclass(eq=False)
class IsValidator(Rejected):
    """The node is a validator already, with the power that is asked for where one is."""

    code: ClassVar[str] = "network.is_validator"
    says: ClassVar[str] = "The node with key {key} is a validator with power {power} already."
    advice: ClassVar[str] = "Nothing is to be done; name another power to change it."
    key: bytes
    power: int


@dataclass(eq=False)
class NotValidator(Rejected):
    """Only validators can be demoted."""

    code: ClassVar[str] = "network.not_validator"
    says: ClassVar[str] = "The node with key {key} is an observer."
    advice: ClassVar[str] = "Nothing is to be done; network.remove_node puts it out of the network."
    key: bytes


@dataclass(eq=False)
class NotReady(Rejected):
    """An observer that has not caught up would stop the network as a validator."""

    code: ClassVar[str] = "network.not_ready"
    says: ClassVar[str] = (
        "The node with key {key} last said at block {ready_height} that it is ready (0: never); this is block {height}."
    )
    advice: ClassVar[str] = (
        "Its member reports it ready once it has caught up (network.report_ready), at most {limit} blocks before."
    )
    key: bytes
    ready_height: int
    height: int
    limit: int


@dataclass(eq=False)
class ReadyHeightWrong(Rejected):
    """A report of readiness speaks of one of the last blocks."""

    code: ClassVar[str] = "network.ready_height_wrong"
    says: ClassVar[str] = (
        "The node is reported ready at block {height}, which is not one of {lowest} to {highest}."
    )
    advice: ClassVar[str] = "Report the node's present height once it has caught up."
    height: int
    lowest: int
    highest: int


@dataclass(eq=False)
class LastValidator(Rejected):
    """Without a validator the network stops for good."""

    code: ClassVar[str] = "network.last_validator"
    says: ClassVar[str] = "No validator would be left."
    advice: ClassVar[str] = "Promote another node first."


@dataclass(eq=False)
class ToleranceLost(Rejected):
    """The network goes on without any one validator, and afterwards would not."""

    code: ClassVar[str] = "network.tolerance_lost"
    says: ClassVar[str] = (
        "The greatest validator would have {greatest} of {total} voting power, a third or more: the network, which now goes "
        "on without any one validator, would stop without that one."
    )
    advice: ClassVar[str] = "Promote another node first, so that no validator has a third of the power."
    total: int
    greatest: int


@dataclass(eq=False)
class ShareExceeded(Rejected):
    """Too much of the voting power would stand in one place."""

    code: ClassVar[str] = "network.share_exceeded"
    says: ClassVar[str] = (
        'The {what} "{place}" would have {share_ppm} ppm of the voting power; the limit is {limit_ppm} ppm.'
    )
    advice: ClassVar[str] = (
        "Place the node elsewhere, give it less power, or promote nodes elsewhere first; nodes that do not say where they "
        "are count as one."
    )
    what: str
    place: str
    share_ppm: int
    limit_ppm: int


@dataclass(eq=False)
class TooManyNodes(Rejected):
    """The network has as many nodes as its parameters allow."""

    code: ClassVar[str] = "network.too_many_nodes"
    says: ClassVar[str] = "The network has {limit} nodes, as many as its parameters allow."
    advice: ClassVar[str] = "Remove a node first, or have the council raise max_nodes."
    limit: int


@dataclass(eq=False)
class TooManyValidators(Rejected):
    """More validators than the engine serves well."""

    code: ClassVar[str] = "network.too_many_validators"
    says: ClassVar[str] = "The network has {limit} validators, the most there may be."
    advice: ClassVar[str] = "Demote one first."
    limit: int


ERRORS = (
    NodeUnknown, NodeExists, NodeNotRegistered, NodeForeign, NodeUnchanged, MemberInactive, ConsensusKeyWrong,
    ConsensusKeyUsed, ConsensusKeyNew, PeerTaken, AddressWrong, GatewayWrong, IsValidator, NotValidator, NotReady, ReadyHeightWrong,
    LastValidator, ToleranceLost, ShareExceeded, TooManyNodes, TooManyValidators,
)  # fmt: skip
