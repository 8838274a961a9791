"""The instructions about the nodes of the network. All came with protocol 2.

Policy classes: ``govern`` (the council: who takes part, and who orders), ``administer`` (a member about its own nodes).
A node is known by its node key, which its member registered with the party module before (``party.register_node``).
"""

from typing import ClassVar

from traco.kernel.codec import Code, Height, Id, PublicKey
from traco.kernel.instruction import PartyInstruction
from traco.modules.network.state import Address, ConsensusKey, Gateway, PeerId, Placement, VotingPower
from traco.modules.party.messages import CouncilInstruction


class AdmitNode(CouncilInstruction, frozen=True, tag="network.admit_node/1"):
    """The council lets a node of ``member`` into the network, as an observer.

    ``consensus`` (ed25519) signs its votes should it become a validator; ``peer`` is its id among the engines. Refused
    where the member is not active or did not register the node key, where another node has or had the consensus key or
    has the peer id, and where address or gateway are not what others can dial.
    """

    since_protocol: ClassVar[int] = 2

    member: Id
    key: PublicKey
    consensus: ConsensusKey
    peer: PeerId
    address: Address
    gateway: Gateway = ""
    placement: Placement = Placement()


class PromoteNode(CouncilInstruction, frozen=True, tag="network.promote_node/1"):
    """The council makes an observer a validator with this voting power, or gives a validator another power.

    An observer must have said that it is ready (``network.report_ready``) within the last 10,000 blocks. Refused where a
    provider or region would get more of the voting power than the parameters allow, and where the network, which now
    goes on without any one validator, would then stop without the greatest.
    """

    since_protocol: ClassVar[int] = 2

    key: PublicKey
    power: VotingPower


class DemoteNode(CouncilInstruction, frozen=True, tag="network.demote_node/1"):
    """The council makes a validator an observer. It may be promoted again once it says anew that it is ready.

    Refused for the last validator, and where the network, which now goes on without any one validator, would not any more.
    """

    since_protocol: ClassVar[int] = 2

    key: PublicKey
    reason: Code


class RemoveNode(CouncilInstruction, frozen=True, tag="network.remove_node/1"):
    """The council puts a node out of the network, whatever its member's status. Its consensus key never comes back.

    For a validator refused as ``network.demote_node`` is. That the node key may submit envelopes is another matter: see
    ``party.retire_node`` and the member's status.
    """

    since_protocol: ClassVar[int] = 2

    key: PublicKey
    reason: Code


class ReportReady(PartyInstruction, frozen=True, tag="network.report_ready/1"):
    """A member says that its observer has followed up to block ``height``, one of the last 1,000, and is ready to order."""

    policy_class: ClassVar[str] = "administer"
    since_protocol: ClassVar[int] = 2

    key: PublicKey
    height: Height


class UpdateNode(PartyInstruction, frozen=True, tag="network.update_node/1"):
    """A member says anew where its node is: address, gateway and placement, all of them.

    For a validator that moves to another provider or region refused where that would get more of the voting power than
    the parameters allow.
    """

    policy_class: ClassVar[str] = "administer"
    since_protocol: ClassVar[int] = 2

    key: PublicKey
    address: Address
    gateway: Gateway
    placement: Placement


class RotateNode(PartyInstruction, frozen=True, tag="network.rotate_node/1"):
    """A member gives its node other keys: node key, consensus key, peer id. What stays is given as it is.

    The new node key must be registered with the party module before, which one transaction can do, and retire the old one
    behind: ``party.register_node``, ``network.rotate_node``, ``party.retire_node``. Role and power stay; the engine takes
    the new consensus key at the next height but one, so the node must run with it by then. The old one never comes back.
    Refused for the consensus key of a validator that has not had its keys for 10,000 blocks, those of the founding excepted.
    """

    policy_class: ClassVar[str] = "administer"
    since_protocol: ClassVar[int] = 2

    key: PublicKey
    new_key: PublicKey
    consensus: ConsensusKey
    peer: PeerId
