"""The network against a naive model of dictionaries, over arbitrary sequences of instructions by arbitrary members."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from modules.network.desk import MEMBERS, Desk, Node
from support.ledger import Key
from traco.kernel.instruction import Instruction
from traco.modules.network.messages import (
    AdmitNode,
    DemoteNode,
    PromoteNode,
    RemoveNode,
    ReportReady,
    RotateNode,
    UpdateNode,
)
from traco.modules.network.state import Placement
from traco.modules.party.messages import DecideStatus, RegisterNode

PROVIDERS = ("one", "two", "three")
LIMIT_PPM = 600_000
MAX_NODES = 7
NODES, CONSENSUS, PEERS = (tuple(range(9)), tuple(range(16)), tuple(range(9)))

members = st.sampled_from(MEMBERS)
numbers = st.integers(0, 8)
consensus_numbers = st.integers(0, 15)
powers = st.sampled_from([1, 1, 1, 2, 3, 10])
places = st.sampled_from(PROVIDERS)
mostly = st.sampled_from([True, True, True, False])  # whether to help the instruction to succeed


def node_key(number: int) -> bytes:
    return Node(MEMBERS[number]).key if number < 4 else Key(f"node {number}").public


def consensus_key(number: int) -> bytes:
    return Node(MEMBERS[number]).consensus if number < 4 else Key(f"consensus {number}").public


def peer_id(number: int) -> bytes:
    return Node(MEMBERS[number]).peer if number < 4 else bytes([number]) * 20


@dataclass(frozen=True)
class Modelled:
    """What the model knows of a node."""

    member: str
    consensus: int
    peer: int
    provider: str
    power: int = 0
    ready: int = 0


@dataclass
class Books:
    """Nodes by number, who registered which node key, which consensus keys were ever used."""

    nodes: dict[int, Modelled] = field(default_factory=dict)
    registered: dict[int, str] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    suspended: set[str] = field(default_factory=set)

    def powers(self) -> list[int]:
        return [node.power for node in self.nodes.values() if node.power]

    def tolerates(self) -> bool:
        total = sum(self.powers())
        return all((total - power) * 3 > total * 2 for power in self.powers()) and total > 0

    def share_exceeded(self, provider: str) -> bool:
        here = sum(node.power for node in self.nodes.values() if node.provider == provider)
        return here * 1_000_000 > LIMIT_PPM * sum(self.powers())


class NetworkMachine(RuleBasedStateMachine):
    """Submits, and asks the model whether it had to succeed."""

    def __init__(self) -> None:
        super().__init__()
        fields = {name: {"placement": {"provider": PROVIDERS[n % 3]}} for n, name in enumerate(MEMBERS)}
        parameters = {"max_provider_ppm": LIMIT_PPM, "max_nodes": MAX_NODES}
        self.desk = Desk({"a": 1, "b": 1, "c": 1, "d": 0}, fields=fields, parameters=parameters)
        self.books = Books()
        for n, name in enumerate(MEMBERS):
            self.books.nodes[n] = Modelled(name, n, n, PROVIDERS[n % 3], int(n < 3))
            self.books.registered[n] = name
            self.books.used.add(n)
        self.revision = self.desk.keeper.revision(self.desk.state)

    @property
    def height(self) -> int:
        return self.desk.ledger.application.info().height

    def submit(self, name: str, instruction: Instruction, after: Books | None) -> None:
        """``after``: the books if it must succeed, None if it must be refused."""
        keys = [self.desk.keys["a"], self.desk.keys["b"]] if name == "council" else [self.desk.keys[name]]
        answer = self.desk.ledger.submit(instruction, keys=keys)
        assert (answer.failure is None) == (after is not None), answer.failure
        if after is not None:
            self.books = after
            self.revision += 1

    def with_node(self, number: int, node: Modelled | None, renamed: int | None = None) -> Books:
        """The books with one node changed, removed or under another key."""
        nodes = {n: known for n, known in self.books.nodes.items() if n != number}
        used = set(self.books.used)
        if node is not None:
            nodes[number if renamed is None else renamed] = node
            used.add(node.consensus)
        return replace(self.books, nodes=nodes, used=used)

    def keeps_tolerance(self, after: Books) -> bool:
        return after.tolerates() or not self.books.tolerates()

    def active(self, member: str) -> bool:
        return member not in self.books.suspended

    @rule(member=st.sampled_from("cd"))
    def suspend_or_reactivate(self, member: str) -> None:
        status = "active" if member in self.books.suspended else "suspended"
        self.desk.govern(DecideStatus(self.desk.council(), self.desk.ids[member], status, "test"))  # type: ignore[arg-type]
        self.books.suspended ^= {member}

    @rule(member=members, number=numbers)
    def register(self, member: str, number: int) -> None:
        if number not in self.books.registered and self.active(member):
            self.desk.do(member, RegisterNode(self.desk.ids[member], node_key(number)))
            self.books.registered[number] = member

    @rule(
        member=members,
        number=numbers,
        consensus=consensus_numbers,
        peer=numbers,
        provider=places,
        willing=mostly,
    )
    def admit(
        self, member: str, number: int, consensus: int, peer: int, provider: str, willing: bool
    ) -> None:
        books = self.books
        if willing:
            absent = [n for n in NODES if n not in books.nodes]
            number = absent[number % len(absent)]
            self.register(member, number)
            member = books.registered.get(number, member)
            consensus = self.unused(consensus)
            peer = self.free_peer(peer)
        expected = (
            books.registered.get(number) == member
            and self.active(member)
            and number not in books.nodes
            and consensus not in books.used
            and peer not in {node.peer for node in books.nodes.values()}
            and len(books.nodes) < MAX_NODES
        )
        message = AdmitNode(
            self.desk.council(), self.desk.ids[member], node_key(number), consensus_key(consensus), peer_id(peer), "n:1",
            placement=Placement(provider=provider),
        )  # fmt: skip
        after = self.with_node(number, Modelled(member, consensus, peer, provider))
        self.submit("council", message, after if expected else None)

    @rule(number=numbers, power=powers, willing=mostly)
    def promote(self, number: int, power: int, willing: bool) -> None:
        number = self.admitted(number, willing, lambda node: self.active(node.member))
        node = self.books.nodes.get(number)
        if node is not None and willing and not node.power:
            self.report(number, node.member, 0, willing=True)
            node = self.books.nodes[number]
        message = PromoteNode(self.desk.council(), node_key(number), power)
        if node is None:
            self.submit("council", message, None)
            return
        after = self.with_node(number, replace(node, power=power, ready=0))
        ready = node.power > 0 or (node.ready > 0 and self.height + 1 - node.ready <= 10_000)
        expected = (
            self.active(node.member)
            and power != node.power
            and ready
            and self.keeps_tolerance(after)
            and not (power > node.power and after.share_exceeded(node.provider))
        )
        self.submit("council", message, after if expected else None)

    @rule(number=numbers, willing=mostly)
    def demote(self, number: int, willing: bool) -> None:
        number = self.admitted(number, willing, lambda node: node.power > 0)
        node = self.books.nodes.get(number)
        message = DemoteNode(self.desk.council(), node_key(number), "test")
        if node is None or not node.power:
            self.submit("council", message, None)
            return
        after = self.with_node(number, replace(node, power=0, ready=0))
        expected = bool(after.powers()) and self.keeps_tolerance(after)
        self.submit("council", message, after if expected else None)

    @rule(number=numbers, willing=mostly)
    def remove(self, number: int, willing: bool) -> None:
        number = self.admitted(number, willing, lambda node: self.tall())
        node = self.books.nodes.get(number)
        message = RemoveNode(self.desk.council(), node_key(number), "test")
        after = self.with_node(number, None)
        expected = node is not None and bool(after.powers()) and self.keeps_tolerance(after)
        self.submit("council", message, after if expected else None)

    @rule(number=numbers, member=members, back=st.integers(-1, 3), willing=mostly)
    def report(self, number: int, member: str, back: int, willing: bool) -> None:
        number = self.admitted(
            number, willing and number not in self.books.nodes, lambda node: not node.power
        )
        node = self.books.nodes.get(number)
        if node is not None and willing:
            member = node.member
        height = max(0, self.height - back)
        message = ReportReady(self.desk.ids[member], node_key(number), height)
        expected = (
            node is not None and node.member == member and self.active(member) and not node.power and 0 < height <= self.height
        )  # fmt: skip
        after = None if node is None else self.with_node(number, replace(node, ready=height))
        self.submit(member, message, after if expected else None)

    @rule(number=numbers, member=members, provider=places, port=st.integers(1, 2), willing=mostly)
    def update(self, number: int, member: str, provider: str, port: int, willing: bool) -> None:
        number = self.admitted(number, willing, lambda node: self.active(node.member))
        node = self.books.nodes.get(number)
        if node is not None and willing:
            member = node.member
        place = Placement(provider=provider, zone=f"{self.height}")  # never what it was
        message = UpdateNode(self.desk.ids[member], node_key(number), f"n:{port}", "", place)
        after = None if node is None else self.with_node(number, replace(node, provider=provider))
        moved = node is not None and node.provider != provider and node.power > 0
        expected = (
            node is not None
            and node.member == member
            and self.active(member)
            and not (moved and after is not None and after.share_exceeded(provider))
        )
        self.submit(member, message, after if expected else None)

    @rule(
        number=numbers, member=members, to=numbers, consensus=consensus_numbers, peer=numbers, willing=mostly
    )
    def rotate(self, number: int, member: str, to: int, consensus: int, peer: int, willing: bool) -> None:
        books = self.books
        number = self.admitted(number, willing, lambda node: self.active(node.member))
        node = books.nodes.get(number)
        if node is not None and willing:
            member = node.member
            own = [n for n, owner in books.registered.items() if owner == member and n not in books.nodes]
            to = own[to % len(own)] if own else number
            consensus = self.unused(consensus)
            peer = self.free_peer(peer) if peer % 2 else node.peer
        message = RotateNode(
            self.desk.ids[member], node_key(number), node_key(to), consensus_key(consensus), peer_id(peer)
        )
        if node is None:
            self.submit(member, message, None)
            return
        others = {n: known for n, known in books.nodes.items() if n != number}
        expected = (
            node.member == member
            and self.active(member)
            and (to, consensus, peer) != (number, node.consensus, node.peer)
            and books.registered.get(to) == member
            and to not in others
            and (consensus == node.consensus or consensus not in books.used)
            and peer not in {known.peer for known in others.values()}
            and (
                consensus == node.consensus or not node.power or number == node.consensus < len(MEMBERS)
            )  # as founded
        )
        after = self.with_node(number, replace(node, consensus=consensus, peer=peer, ready=0), to)
        self.submit(member, message, after if expected else None)

    @precondition(lambda self: self.height < 40)
    @rule(blocks=st.integers(1, 3))
    def wait(self, blocks: int) -> None:
        for _ in range(blocks):
            self.desk.ledger.run_block()

    def admitted(self, number: int, willing: bool, fits: Callable[[Modelled], bool]) -> int:
        """An admitted node that fits, where one is willing and there is one."""
        fitting = [n for n, node in sorted(self.books.nodes.items()) if fits(node)]
        return fitting[number % len(fitting)] if willing and fitting else number

    def tall(self) -> bool:
        """Whether there are nodes enough to remove some."""
        return len(self.books.nodes) > 4

    def unused(self, number: int) -> int:
        free = [n for n in CONSENSUS if n not in self.books.used]
        return free[number % len(free)] if free else number

    def free_peer(self, number: int) -> int:
        taken = {node.peer for node in self.books.nodes.values()}
        free = [n for n in PEERS if n not in taken]
        return free[number % len(free)]

    @invariant()
    def every_node_is_as_modelled(self) -> None:
        state, keeper = self.desk.state, self.desk.keeper
        found = {
            record.key: (record.member, record.consensus, record.peer, record.placement.provider, record.power, record.ready_height)
            for record in keeper.peers(state).values()
        }  # fmt: skip
        assert found == {
            node_key(n): (
                self.desk.ids[node.member], consensus_key(node.consensus), peer_id(node.peer), node.provider, node.power, node.ready,
            )
            for n, node in self.books.nodes.items()
        }  # fmt: skip
        assert [keeper.node(state, node_key(n)) is not None for n in NODES] == [
            n in self.books.nodes for n in NODES
        ]

    @invariant()
    def the_engine_is_told_what_the_model_says(self) -> None:
        state, keeper = self.desk.state, self.desk.keeper
        expected = {consensus_key(n.consensus): n.power for n in self.books.nodes.values() if n.power}
        assert keeper.validators(state) == tuple(sorted(expected.items()))
        assert len(expected) >= 1
        assert keeper.revision(state) == self.revision
        self.desk.check()


TestNetwork = NetworkMachine.TestCase
TestNetwork.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
