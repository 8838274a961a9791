"""Several nodes that do channel business over one ledger, in one event loop: each has members, files and sockets of its own.

The ledger is an embedded one, whose file all of them read; what differs from a cluster is only who orders.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from support.api import CHEAP, PASSPHRASE
from support.channel_town import MEMBERS, make_members, member_of
from support.town import NamedKey, salt
from traco.client.keystore import KeyStore
from traco.client.sdk import sign_body
from traco.kernel.codec import ROOT, encode
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.instruction import Instruction
from traco.kernel.transaction import Body
from traco.modules.channel.messages import AcceptEpoch, OpenChannel, SetSeat
from traco.modules.channel.parts import Terms
from traco.modules.channel.signing import channel_id
from traco.modules.party.messages import RegisterNode
from traco.node.channels.keyring import SEATS_FILE, SeatSecrets, make_seat
from traco.node.channels.requests import (
    KeyMade,
    MakeKey,
    Offered,
    OffersAre,
    OffersTo,
    Post,
    Posted,
    Request,
    StandingIs,
    StandingOf,
)
from traco.node.channels.worker import ChannelWorker
from traco.node.clock import wall_clock_ms
from traco.node.directory import KEYS_FILE, LEDGER_FILE, NODE_KEY, SEAL_KEY, founding_member
from traco.node.ledger import LedgerNode
from traco.node.link import ApiEnd, LedgerEnd

T = TypeVar("T")
LONGEST_S = 30.0


class Site:
    """The node of one member: ``start`` it, and again after ``stop``."""

    def __init__(self, name: str, directory: Path, ledger: LedgerNode, executors: int = 0) -> None:
        self.name, self.directory, self.member = name, directory, member_of(name)
        self._ledger = ledger
        self.executors = executors
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        with KeyStore.create(directory / SEATS_FILE, PASSPHRASE, CHEAP) as store:
            self.secrets: SeatSecrets = make_seat(store, self.member)
        self.worker: ChannelWorker | None = None

    def seat(self) -> SetSeat:
        """What the root is told of it."""
        keys = self.secrets.keys
        return SetSeat(
            self.member,
            keys.node.public_key,
            keys.boxes[-1].public_key,
            self.secrets.certificate.der,
            self.address,
        )

    async def start(self) -> None:
        near, far = socket.socketpair()
        gateway = self._ledger.gateway
        self._serving = asyncio.create_task(
            LedgerEnd(gateway, self._ledger.sealed, self._ledger.figures).serve(near)
        )
        self._link = ApiEnd()
        await self._link.connect(far)
        self.worker = ChannelWorker(
            self.directory, {self.member: self.secrets}, self._link, _alarm, wall_clock_ms, self.executors
        )
        await self.worker.start({self.member: self.listener})
        self.running = asyncio.create_task(self.worker.run())

    async def stop(self) -> None:
        if self.worker is None:
            return
        self.running.cancel()
        await asyncio.gather(self.running, return_exceptions=True)
        await self.worker.close()
        await self._link.close()
        await self._serving
        self.worker = None

    def ask(self, request: Request, kind: type[T]) -> T:
        """The answer that its API would get, to a question that is answered at once."""
        assert self.worker is not None
        try:
            self.worker.desk.answer(request).send(None)
        except StopIteration as done:
            answer = done.value
        else:
            raise AssertionError("it is not answered at once")
        assert isinstance(answer, kind), answer
        return answer


class Nodes:
    """All of them, and the ledger."""

    def __init__(self, ledger: LedgerNode, network: bytes, folder: Path, executors: int) -> None:
        self.ledger, self.network = ledger, network
        self.ids = {name: member_of(name) for name in MEMBERS}
        self.sites: dict[str, Site] = {}
        self._salt = 0
        for name in MEMBERS:
            directory = folder / name
            directory.mkdir()
            (directory / LEDGER_FILE).symlink_to(folder / "node" / LEDGER_FILE)
            (directory / "genesis.json").symlink_to(folder / "node" / "genesis.json")
            self.sites[name] = Site(name, directory, ledger, executors)

    def wire(self, ledger: bytes, name: str, *messages: Instruction) -> bytes:
        """A transaction of a ledger, signed by a member."""
        self._salt += 1
        body = Body(self.network, ledger, wall_clock_ms() + 60_000, self._salt.to_bytes(16, "big"), messages)
        return sign_body(encode(body), [NamedKey(name)])

    async def on_root(self, name: str, *messages: Instruction) -> None:
        """Have it done on the root."""
        (result,) = await self.ledger.gateway.submit((self.wire(ROOT, name, *messages),), True)
        assert result.failure is None, result

    async def opened(self, *names: str, **changes: Any) -> bytes:
        """A channel of these members, offered by the first and accepted by all."""
        members = tuple(sorted(self.ids[name] for name in names))
        terms = replace(Terms(members, (), 0, len(members), 1, None, ("holding", "settlement")), **changes)
        proposer, opening = self.ids[names[0]], salt("-".join(names))
        channel = channel_id(self.network, proposer, opening)
        made = self.sites[names[0]].ask(MakeKey(channel, 1, proposer, members), KeyMade)
        await self.on_root(names[0], OpenChannel(proposer, opening, terms, made.key))
        for name in names:
            site = self.sites[name]
            await until(lambda site=site: _is_ready(site))  # type: ignore[misc]
            await self.on_root(name, AcceptEpoch(site.member, channel, 1, _offers(site)[0].offer))
        return channel

    async def send(self, name: str, channel: bytes, *messages: Instruction) -> bytes:
        """Submit at a member's own node, as soon as that knows of the channel; the id."""
        request = Post(channel, self.ids[name], (self.wire(channel, name, *messages),))
        ((identity, failure),) = self.sites[name].ask(request, Posted).results
        assert failure is None, failure
        return identity

    def standing(self, name: str, channel: bytes, identity: bytes) -> str:
        """How far it is, as a node says."""
        return self.sites[name].ask(StandingOf(channel, identity), StandingIs).name


def _is_ready(site: Site) -> bool:
    return [each.status for each in _offers(site)] == ["ready"]


def _offers(site: Site) -> tuple[Offered, ...]:
    return site.ask(OffersTo((site.member,)), OffersAre).offers


async def until(holds: Callable[[], Any], seconds: float = LONGEST_S) -> None:
    """Let the others work until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0)


@asynccontextmanager
async def nodes(folder: Path, executors: int = 0) -> AsyncIterator[Nodes]:
    """Their seats are on the ledger. ``executors``: processes of each node that execute channels."""
    genesis = make_members(folder / "node")
    with KeyStore.open(folder / "node" / KEYS_FILE, PASSPHRASE) as keys:
        ledger = LedgerNode(
            folder / "node",
            genesis,
            founding_member(genesis),
            keys.signer(NODE_KEY),
            keys.signer(SEAL_KEY),
            _alarm,
            1,
        )
    blocks = await ledger.start()
    made = Nodes(ledger, network_id(parse_genesis(genesis)), folder, executors)
    try:
        for name, site in made.sites.items():
            await made.on_root(
                name, RegisterNode(site.member, site.secrets.keys.node.public_key), site.seat()
            )
            await site.start()
        yield made
    finally:
        for site in made.sites.values():
            await site.stop()
            site.listener.close()
        blocks.cancel()
        await asyncio.gather(blocks, return_exceptions=True)
        await ledger.finish()
        ledger.stop()


def _alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise AssertionError(f"{kind} in {identity.hex()}") from error
