"""A whole network on one machine, for development: several nodes, made by the same functions as those of a consortium.

network.json   which nodes there are, in which order, with which ports
passphrase     that of all their key stores (mode 0600): for development only
node1 ...      a directory for each node
"""

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import chain
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from traco.client.keystore import PRODUCTION_COST, Cost, KeyStore
from traco.client.private_file import replace_private
from traco.kernel.genesis import Genesis, network_id, write_genesis
from traco.node.channels.settings import ChannelsConfig
from traco.node.configuration import EngineConfig, NodeConfig
from traco.node.directory import KEYS_FILE, MEMBER_KEY, NodeDirectoryError, new_directory
from traco.node.founding.acceptance import accept
from traco.node.founding.assembly import Terms, assemble
from traco.node.founding.card import Card, Organisation, Placement, read_card, write_card
from traco.node.founding.documents import read_document, write_document
from traco.node.founding.preparation import Draft, prepare
from traco.node.founding.signatures import (
    FounderSignature,
    read_cluster_genesis,
    read_signatures,
    require_own_cards,
    sign_founding,
    write_signature,
)

NETWORK_FILE: Final = "network.json"
PASSPHRASE_FILE: Final = "passphrase"  # noqa: S105 -- the name of a file
HOST: Final = "127.0.0.1"
MAX_NODES: Final = 32
FIRST_PORTS: Final = range(20_000, 32_000)
"""Where ports are chosen from: below those that the system hands out for connections."""

PORTS_EACH: Final = 3
SPREAD_REGIONS: Final = 3

Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
NodeName = Annotated[str, msgspec.Meta(pattern=r"^node[1-9][0-9]?\Z")]


class LocalNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One node: its folder's name, what it is founded as, whose it is, the ports of REST, of the engine, and for channels, if it
    does the channel business of its organisation.
    """

    name: NodeName
    role: Literal["validator", "observer"]
    organisation: str
    port: Port
    p2p_port: Port
    channels_port: Port | None = None

    @property
    def url(self) -> str:
        """The address of its REST interface."""
        return f"http://{HOST}:{self.port}"

    @property
    def address(self) -> str:
        """Where the other nodes reach it."""
        return f"{HOST}:{self.p2p_port}"


class LocalNetwork(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of ``network.json``."""

    format: Literal["traco-local-network/1"] = "traco-local-network/1"
    network: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
    nodes: Annotated[tuple[LocalNode, ...], msgspec.Meta(min_length=1, max_length=MAX_NODES)]


class LocalPlan(NamedTuple):
    """What is wanted. ``spread``: every node with a provider of its own, in three regions. ``channels``: every node does the
    channel business of its organisation, once that has taken its seat.
    """

    validators: int
    observers: int
    time_ms: int
    spread: bool = False
    name: str = "Local network"
    first_port: int | None = None
    channels: bool = False


def make_local(
    directory: Path,
    plan: LocalPlan,
    report: Callable[[str], None] = lambda _: None,
    cost: Cost = PRODUCTION_COST,
) -> tuple[LocalNetwork, list[Card]]:
    """Make a network in a new directory; where it cannot be, nothing is left behind. Its description, and its nodes' cards.

    ``report`` is told what is being done. Raises ``NodeDirectoryError``, ``FoundingInvalid``.
    """
    count = plan.validators + plan.observers
    if plan.validators < 1 or plan.observers < 0 or count > MAX_NODES:
        raise NodeDirectoryError(
            "network.size",
            f"a network on one machine has at least one validator and at most {MAX_NODES} nodes",
        )
    with new_directory(directory):
        nodes = _nodes(plan, free_ports(PORTS_EACH * count, plan.first_port))
        passphrase = secrets.token_urlsafe(24)
        replace_private(directory / PASSPHRASE_FILE, passphrase.encode() + b"\n", None)
        cards = []
        for number, node in enumerate(nodes):
            report(f"keys and card of {node.name}")
            cards.append(_prepare(directory / node.name, passphrase, node, _placement(plan, number), cost))
        report("genesis and signatures")
        genesis = _found(directory, passphrase, nodes, cards, plan)
        made = LocalNetwork(network=network_id(genesis).hex(), nodes=nodes)
        replace_private(directory / NETWORK_FILE, write_document(made), None)
    return made, cards


def read_local(directory: Path) -> LocalNetwork:
    """The network that was made in a directory. Raises ``NodeDirectoryError``, ``FoundingInvalid``."""
    try:
        raw = (directory / NETWORK_FILE).read_bytes()
    except OSError as error:
        raise NodeDirectoryError(
            "network.not_local",
            f"{directory} has no network ({NETWORK_FILE}: {error.strerror}); make one with: traco network local 4 DIR",
        ) from None
    return read_document(raw, LocalNetwork, "network.not_local", NETWORK_FILE)


def _nodes(plan: LocalPlan, ports: list[int]) -> tuple[LocalNode, ...]:
    return tuple(
        LocalNode(
            name=f"node{number + 1}", role="validator" if number < plan.validators else "observer",
            organisation=f"Organisation {number + 1}", port=port, p2p_port=p2p_port,
            channels_port=channels_port if plan.channels else None,
        )
        for number, (port, p2p_port, channels_port) in enumerate(zip(*[iter(ports)] * PORTS_EACH, strict=True))
    )  # fmt: skip


def _placement(plan: LocalPlan, number: int) -> Placement:
    if not plan.spread:
        return Placement(operator="", provider="local", region="local", zone="")
    return Placement(
        operator=f"Organisation {number + 1}", provider=f"provider-{number + 1}",
        region=f"region-{number % SPREAD_REGIONS + 1}", zone=f"zone-{number + 1}",
    )  # fmt: skip


def _prepare(directory: Path, passphrase: str, node: LocalNode, placement: Placement, cost: Cost) -> Card:
    listen = () if node.channels_port is None else (f"{HOST}:{node.channels_port}",)
    config = NodeConfig(
        port=node.port, engine=EngineConfig(p2p_host=HOST, p2p_port=node.p2p_port),
        channels=ChannelsConfig(enabled=bool(listen), listen=listen),
    )  # fmt: skip
    draft = Draft(Organisation(name=node.organisation), node.address, node.url, placement)
    return prepare(directory, passphrase, draft, config, cost=cost)


def _found(
    directory: Path, passphrase: str, nodes: tuple[LocalNode, ...], cards: list[Card], plan: LocalPlan
) -> Genesis:
    """As the founders of a consortium do, each reading what the others wrote."""
    terms = Terms(
        name=plan.name, purpose="development", threshold=2 * plan.validators // 3 + 1, time_ms=plan.time_ms,
        fingerprints=nodes[0].organisation,
    )  # fmt: skip
    received = [read_card(write_card(card)) for card in cards]
    document = write_genesis(assemble(received[: plan.validators], received[plan.validators :], terms))
    signatures = [
        _sign(directory / node.name, passphrase, document, card)
        for node, card in zip(nodes, cards, strict=True)
    ]
    genesis = read_cluster_genesis(document)
    for node in nodes:
        found = chain.from_iterable(read_signatures(write_signature(each), node.name) for each in signatures)
        accept(directory / node.name, genesis, list(found))
    return genesis


def _sign(directory: Path, passphrase: str, document: bytes, card: Card) -> FounderSignature:
    genesis = read_cluster_genesis(document)
    require_own_cards(genesis, [card])
    with KeyStore.open(directory / KEYS_FILE, passphrase) as keys:
        return sign_founding(genesis, card.statement.member, keys.signer(MEMBER_KEY))


def free_ports(count: int, first: int | None = None) -> list[int]:
    """Ports in a row that nobody uses at the moment. Raises ``NodeDirectoryError`` (``network.no_ports``)."""
    for start in _starts(count) if first is None else (first,):
        ports = list(range(start, start + count))
        if ports[-1] <= 65_535 and _are_free(ports):
            return ports
    raise NodeDirectoryError(
        "network.no_ports",
        f"no {count} ports in a row are free; stop what uses them, or choose others: --first-port",
    )


def _starts(count: int) -> Iterator[int]:
    """Where a row may begin, from a place by chance on, so that two networks made at once differ."""
    starts = FIRST_PORTS[::count]
    turn = secrets.randbelow(len(starts))
    return chain(starts[turn:], starts[:turn])


def _are_free(ports: list[int]) -> bool:
    with ExitStack() as opened, suppress(OSError):
        for port in ports:
            opened.enter_context(socket.create_server((HOST, port)))
        return True
    return False
