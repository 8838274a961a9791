"""The five organisations of the channels' demonstration: a node and a seat each, the channels they open, what is in them."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from traco.client.results import NotFound
from traco.client.sdk import LedgerClient
from traco.demo.confidential import Trader
from traco.demo.consortium import HOME, Consortium, Place, at_once
from traco.demo.network import PASSPHRASE_FILE
from traco.demo.stage import expect, until
from traco.modules.holding.messages import CreateInstrument, Issue
from traco.modules.holding.state import InstrumentKind, instrument_id
from traco.modules.party.messages import GrantRole
from traco.node.configuration import CONFIG_FILE
from traco.node.founding.local import free_ports

DEPOSITORY: Final = "depository"
SELLER: Final = "bank-one"
BUYER: Final = "bank-two"
CASH: Final = "cash-operator"
REGISTRY: Final = "registry"
ORGANISATIONS: Final = (
    (DEPOSITORY, "Example Depository", "cloud-a", "north"),
    (SELLER, "Example Bank One", "cloud-b", "south"),
    (CASH, "Example Cash Operator", "cloud-c", "east"),
    (REGISTRY, "Example Registry", "own-data-centre", "west"),
    (BUYER, "Example Bank Two", "cloud-d", "north"),
)
"""Four that order, and Bank Two, whose node follows."""

NAMES: Final = tuple(name for name, *_ in ORGANISATIONS)
COUNCIL: Final = (DEPOSITORY, SELLER, REGISTRY)
PORTS_EACH: Final = 3  # of REST, of the engine, of the seat
START_SECONDS: Final = 120.0

ANSWER_MS: Final = 2_000  # for the bytes of a missing payload

BOND: Final = "BOND-2031"
EURO: Final = "CASH-EUR"
NOMINAL: Final = 18_785_316_200  # cents of what is issued and delivered: numbers that nothing has by chance
FIRST_DELIVERY: Final = 4_611_507_300
CASH_ISSUED: Final = 57_391_864_500


class Opening(NamedTuple):
    """A channel that is to be opened: how people speak of it, its members and vaults, who proposes it, b, its limits."""

    title: str
    members: tuple[str, ...]
    vaults: tuple[str, ...]
    faults: int
    limits: tuple[str, ...] = ()

    @property
    def policy(self) -> int:
        """How many members must agree."""
        return len(self.members) - self.faults


class Assets(NamedTuple):
    """What is held in a channel, and in which accounts of the two banks."""

    channel: bytes
    instrument: bytes
    seller: bytes
    buyer: bytes


class World:
    """The nodes below one directory, and who acts at each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.consortium = Consortium(directory)
        self.traders: dict[str, Trader] = {}

    def prepare(self) -> None:
        """Keys and cards of all nodes, and where each does its channel business."""
        ports = iter(free_ports(PORTS_EACH * len(ORGANISATIONS)))
        places, seats = [], {}
        for name, organisation, provider, region in ORGANISATIONS:
            port, p2p_port, seats[name] = (next(ports) for _ in range(PORTS_EACH))
            places.append(Place(name, organisation, provider, region, port, p2p_port, name == BUYER))
        self.consortium.prepare_all(places)
        for name, port in seats.items():
            path = self.directory / name / CONFIG_FILE
            settings = msgspec.json.decode(path.read_bytes())
            settings["channels"] = {"enabled": True, "listen": [f"127.0.0.1:{port}"]}
            path.write_bytes(msgspec.json.encode(settings))

    def start(self) -> None:
        """Start all nodes, and meet their members."""
        self.consortium.start(*NAMES)
        self.consortium.wait_ready(*NAMES)
        for name, organisation, *_ in ORGANISATIONS:
            self.traders[name] = Trader(name, organisation, self.consortium.member(name, alone=True))

    def take_seats(self) -> None:
        """``traco channel seat`` for each; the channels' processes of all nodes answer then."""
        at_once(lambda name: self.command(name, "channel", "seat", str(self.directory / name)), NAMES)
        for trader in self.traders.values():
            until(trader.is_answered, START_SECONDS, f"the seat of {trader.organisation} works")

    def grant_roles(self) -> None:
        """The council lets the cash operator issue cash."""
        first, *others = [self.traders[name].party for name in COUNCIL]
        parties = tuple(sorted(party.id for party in (first, *others)))
        first.transact(GrantRole(parties, self.traders[CASH].id, "cash_operator"), others=others)

    def open(self, openings: Sequence[Opening]) -> list[bytes]:
        """``traco channel open`` for each; the ids of the channels once all members accepted."""
        opened = at_once(self._propose, openings)
        channels = [bytes.fromhex(each["channel"]) for each in opened]
        for opening, channel in zip(openings, channels, strict=True):
            at_once(self._accepting(channel), opening.members)
            at_once(self._awaiting(opening.title, channel), opening.members)
        return channels

    def _propose(self, opening: Opening) -> dict[str, Any]:
        options = [part for name in opening.members for part in ("--member", f"@{name}")]
        options += [part for name in opening.vaults for part in ("--vault", f"@{name}")]
        options += [part for limit in opening.limits for part in ("--limit", limit)]
        proposer = opening.members[0]
        return self.command(proposer, "channel", "open", *options, "--faults", str(opening.faults))

    def _accepting(self, channel: bytes) -> Callable[[str], None]:
        return lambda name: self.traders[name].accept(channel)

    def _awaiting(self, title: str, channel: bytes) -> Callable[[str], bool]:
        return lambda name: until(
            lambda: self._is_open(name, channel), START_SECONDS, f"{name} has the channel {title}"
        )

    def _is_open(self, name: str, channel: bytes) -> bool:
        try:
            shown = self.traders[name].shown(channel)
        except NotFound:  # its node does not have the block yet that opened it
            return False
        return bool(shown["channel"]["status"] == "open" and shown["executed"])

    def issue(
        self, issuer: str, code: str, kind: InstrumentKind, holder: str, amount: int, channel: bytes
    ) -> Assets:
        """Accounts of both banks in a channel, an instrument of the issuer's, and some of it to one of the banks."""
        trader = self.traders[issuer]
        seller, buyer = at_once(lambda name: self.traders[name].open_account(channel), (SELLER, BUYER))
        instrument = instrument_id(trader.id, code)
        currency = "EUR" if kind is InstrumentKind.CASH else None
        terms = sha256(f"Terms of {code}".encode()).digest()
        trader.do(
            channel,
            CreateInstrument(trader.id, code, kind, currency, 2, terms, (trader.id,)),
            Issue(trader.id, instrument, seller if holder == SELLER else buyer, amount, b"issue"),
        )
        return Assets(channel, instrument, seller, buyer)

    def command(self, name: str, *arguments: str) -> dict[str, Any]:
        """A command of an organisation, given at its own node. Raises ``DemoFailed``."""
        return self.consortium.command(
            *arguments, "--as", f"@{name}", "--url", self.consortium.places[name].url
        )

    def root(self) -> LedgerClient:
        """What anybody in the network can ask about the root: the registry's node."""
        return self.traders[REGISTRY].party.client

    def record(self, channel: bytes) -> dict[str, Any]:
        """A channel as the root has it."""
        found = self.root().query("channel.get", channel=channel)
        expect(found is not None, "the root has the channel")
        return dict(found)

    def confirmed(self, channel: bytes) -> int:
        """Up to which point the root has a channel confirmed."""
        return int(self.record(channel)["stream"]["confirmed"])

    def organisation(self, identity: str) -> str:
        """The name of the organisation with an id in hex."""
        return next(each.organisation for each in self.traders.values() if each.id.hex() == identity)

    def people(self) -> list[str]:
        """What somebody types to go on by hand: home and passphrase."""
        return [
            "--home",
            str(self.directory / HOME),
            "--passphrase-file",
            str(self.directory / PASSPHRASE_FILE),
        ]
