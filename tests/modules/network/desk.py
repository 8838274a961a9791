"""What the tests of the network share: founding nodes by their members' names, and instructions about them in few words."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from support.founding import founding
from support.ledger import Key
from traco.kernel.codec import encode
from traco.kernel.instruction import Instruction
from traco.kernel.module import Module
from traco.kernel.operations import SetParameters
from traco.kernel.receipt import Receipt
from traco.modules.network.messages import (
    AdmitNode,
    DemoteNode,
    PromoteNode,
    RemoveNode,
    ReportReady,
    RotateNode,
    UpdateNode,
)
from traco.modules.network.module import NetworkModule
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.state import NodeRecord, Placement
from traco.modules.party.messages import RegisterNode
from traco.modules.party.module import PartyModule

MEMBERS = ("a", "b", "c", "d")


class Node(NamedTuple):
    """The public side of a node: everything follows from its name. A founding node is called as its member is."""

    name: str

    @property
    def key(self) -> bytes:
        return Key(f"{self.name} node").public

    @property
    def consensus(self) -> bytes:
        return Key(f"{self.name} consensus").public

    @property
    def peer(self) -> bytes:
        return sha256(f"{self.name} peer".encode()).digest()[:20]

    @property
    def address(self) -> str:
        return f"{self.name}.example:26656"

    def section(self, member: int | str, power: int = 1, **fields: Any) -> dict[str, Any]:
        """The node in the genesis."""
        return {
            "member": member, "key": self.key.hex(), "consensus": self.consensus.hex(), "peer": self.peer.hex(),
            "address": self.address, "role": "validator" if power else "observer", "power": power, **fields,
        }  # fmt: skip


class Desk:
    """A ledger of members with a node each; ``validators`` says which of the founding nodes order, with which power.

    ``fields`` adds to the genesis of a node by its name. All members are the council, of whom ``threshold`` act together.
    """

    def __init__(
        self, validators: Mapping[str, int] | None = None, *, fields: Mapping[str, dict[str, Any]] | None = None,
        parameters: dict[str, Any] | None = None, threshold: int = 2, protocol: int = 2,
        modules: Sequence[Module] = (), sections: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        powers = dict.fromkeys(MEMBERS, 1) if validators is None else validators
        founded = [
            Node(name).section(name, powers.get(name, 0), **(fields or {}).get(name, {})) for name in MEMBERS
        ]
        party = PartyModule()
        self.network = NetworkModule(party.keeper, party.founders)
        later = protocol < NetworkModule.since_protocol
        made = founding(
            MEMBERS, [self.network, *modules], party=party, threshold=threshold, protocol=protocol,
            parameters={"network": parameters} if parameters else {},
            sections=sections if sections is not None else {} if later else {"network": {"nodes": founded}},
        )  # fmt: skip
        self.ledger, self.ids, self.keys, self.party = made.ledger, made.ids, made.keys, party
        self.keeper = self.network.keeper

    @property
    def state(self) -> Any:
        return self.ledger.application.state

    def check(self) -> None:
        """Every invariant of the whole ledger holds, and nothing raised an alarm."""
        assert self.ledger.check_invariants() == []
        assert self.ledger.alarms == []

    # acting

    def council(self, *names: str) -> tuple[bytes, ...]:
        return tuple(self.ids[name] for name in names or ("a", "b"))

    def govern(self, instruction: Instruction) -> Receipt:
        """Have a and b, who are enough of the council, do something."""
        return self.ledger.succeed(instruction, keys=[self.keys["a"], self.keys["b"]])

    def refuse(self, instruction: Instruction) -> str:
        """The code with which the council is refused something."""
        return self.ledger.reject(instruction, keys=[self.keys["a"], self.keys["b"]])

    def do(self, name: str, *instructions: Instruction) -> Receipt:
        """Have one member do something."""
        return self.ledger.succeed(*instructions, keys=[self.keys[name]])

    def deny(self, name: str, *instructions: Instruction) -> str:
        """The code with which one member is refused something."""
        return self.ledger.reject(*instructions, keys=[self.keys[name]])

    def set_parameters(self, **changes: Any) -> None:
        self.govern(SetParameters(self.council(), "network", encode(NetworkParameters(**changes))))

    # instructions

    def admission(self, name: str, member: str = "a", **changes: Any) -> AdmitNode:
        node = Node(name)
        fields: dict[str, Any] = {
            "parties": self.council(), "member": self.ids[member], "key": node.key, "consensus": node.consensus,
            "peer": node.peer, "address": node.address, **changes,
        }  # fmt: skip
        return AdmitNode(**fields)

    def promotion(self, name: str, power: int = 1) -> PromoteNode:
        return PromoteNode(self.council(), Node(name).key, power)

    def demotion(self, name: str) -> DemoteNode:
        return DemoteNode(self.council(), Node(name).key, "test")

    def removal(self, name: str) -> RemoveNode:
        return RemoveNode(self.council(), Node(name).key, "test")

    def report(self, name: str, member: str = "a", height: int | None = None) -> ReportReady:
        reached = self.ledger.application.info().height if height is None else height
        return ReportReady(self.ids[member], Node(name).key, reached)

    def move(self, name: str, member: str | None = None, **place: str) -> UpdateNode:
        """An update of nothing but the placement."""
        node = Node(name)
        return UpdateNode(self.ids[member or name], node.key, node.address, "", Placement(**place))

    def rotation(self, name: str, to: str, member: str | None = None, **changes: Any) -> RotateNode:
        new = Node(to)
        fields: dict[str, Any] = {"new_key": new.key, "consensus": new.consensus, "peer": new.peer, **changes}
        return RotateNode(self.ids[member or name], Node(name).key, **fields)

    # steps

    def register(self, name: str, member: str = "a") -> None:
        """Register a node key with the party module."""
        self.do(member, RegisterNode(self.ids[member], Node(name).key))

    def admit(self, name: str, member: str = "a", **changes: Any) -> None:
        """Register and admit a node, as an observer."""
        self.register(name, member)
        self.govern(self.admission(name, member, **changes))

    def promote(self, name: str, member: str = "a", power: int = 1) -> None:
        """Have an observer reported ready and promoted."""
        self.do(member, self.report(name, member))
        self.govern(self.promotion(name, power))

    # looking

    def node(self, name: str) -> NodeRecord:
        return self.keeper.require(self.state, Node(name).key)

    def powers(self) -> dict[str, int]:
        """The power of each validator by the name of its member: as the engine is told, against the records."""
        found = {}
        for consensus, power in self.keeper.validators(self.state):
            record = self.keeper.node_of_consensus(self.state, consensus)
            assert record is not None
            assert record.power == power
            found[next(name for name, identity in self.ids.items() if identity == record.member)] = power
        return found
