"""Organisations with a node each and a root between them, in memory and in one thread: the same seed gives the same run.

A block of the root is made by ``tick``; submissions made before it are in it. Calls between nodes arrive at once, unless a
test says otherwise.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from support.founding import founding
from support.ledger import Key, Ledger
from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.receiving import Custodian, Standing
from traco.channels.custody.store import CustodyStore
from traco.channels.sealing.keys import BoxSecret
from traco.channels.seat.agent import Draw, Seats
from traco.channels.seat.answering import Answering
from traco.channels.seat.book import Book
from traco.channels.seat.ports import ChannelStore, RootAnswer, RootBlock, SeatKeys
from traco.kernel.codec import encode
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import Instruction
from traco.kernel.receipt import Receipt
from traco.kernel.screening import encode_transaction
from traco.kernel.state import State
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.modules.channel import ChannelModule
from traco.modules.channel.messages import AcceptEpoch, OpenChannel, SetSeat
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.parts import EpochKey, Terms
from traco.modules.channel.signing import channel_id
from traco.modules.party import PartyModule
from traco.storage import LedgerStore

NAMES = ("a", "b", "c", "d")


class Reading(NamedTuple):
    """The root as of a block. In memory nothing changes it while it is read: blocks are made between steps only."""

    height: int
    time_ms: int
    state: State


class MemoryRoot:
    """The one root, as every node has it. Submissions wait for the next block."""

    def __init__(self, ledger: Ledger, genesis: Genesis) -> None:
        self.ledger, self._genesis = ledger, genesis
        self.waiting: list[tuple[bytes, asyncio.Future[RootAnswer]]] = []

    @property
    def genesis(self) -> Genesis:
        return self._genesis

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        application = self.ledger.application
        yield Reading(application.info().height, application.info().time_ms, application.state)

    def blocks(self, after: int, limit: int) -> Iterator[RootBlock]:
        for block in self.ledger.store.blocks[after + 1 : after + 1 + limit]:
            receipts = [self.ledger.registry.receipt.decode(leaf.receipt) for leaf in block.leaves]
            events = tuple(
                event for receipt in receipts if receipt.failure is None for event in receipt.events
            )
            yield RootBlock(block.height, block.time_ms, events)

    async def submit(self, transaction: bytes) -> RootAnswer:
        answer: asyncio.Future[RootAnswer] = asyncio.get_running_loop().create_future()
        self.waiting.append((transaction, answer))
        return await answer

    def make_block(self, after_ms: int = 1_000) -> None:
        """Order what waits."""
        waiting, self.waiting = self.waiting, []
        answers = self.ledger.run_block([raw for raw, _ in waiting], after_ms)
        for (_, future), answer in zip(waiting, answers, strict=True):
            if not future.done():
                future.set_result(RootAnswer("" if answer.failure is None else answer.failure.code))


class NodeKey:
    """A node key of a test, as seats have it."""

    def __init__(self, name: str) -> None:
        self._key = Key(f"{name} node")

    @property
    def public_key(self) -> bytes:
        return self._key.public

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


class FileStores:
    """Stores of channels in a folder, without waiting for the disk."""

    def __init__(self, folder: Path, network: bytes) -> None:
        self._folder, self._network = folder, network

    def open(self, channel: bytes) -> ChannelStore:
        return LedgerStore(self._path(channel), self._network, channel, durable=False)

    def discard(self, channel: bytes) -> None:
        for suffix in ("", "-wal", "-shm"):
            self._path(channel).with_name(self._path(channel).name + suffix).unlink(missing_ok=True)

    def _path(self, channel: bytes) -> Path:
        return self._folder / f"{channel.hex()}.db"


class RootFacts:
    """What a custodian asks of the root."""

    def __init__(self, root: MemoryRoot, module: ChannelModule) -> None:
        self._root, self._module = root, module
        self.network = root.ledger.application.network

    @property
    def time_ms(self) -> int:
        return self._root.ledger.application.info().time_ms

    @property
    def max_order_ahead_ms(self) -> int:
        return ChannelParameters().max_order_ahead_ms

    def standing(self, channel: bytes) -> Standing | None:
        found = self._module.keeper.channel(self._root.ledger.application.state, channel)
        return None if found is None else Standing(found.status, found.epoch, found.terms)


class Site:
    """One organisation's node: ``start`` it, and again after ``stop``, with what is on its disk."""

    def __init__(self, name: str, folder: Path, sites: "Sites") -> None:
        self.name, self.folder, self._sites = name, folder, sites
        self.member = sites.ids[name]
        self.keys = SeatKeys(NodeKey(name), (BoxSecret(Key(f"{name} box").seed),))
        self.seats: Seats | None = None
        folder.mkdir()
        self.start()

    def start(self) -> None:
        self.book = Book(self.folder / "channels.db")
        self.custody = CustodyStore(self.folder / "custody.db")
        root = self._sites.root
        random = Random(f"{self._sites.seed} {self.name}")
        self.seats = Seats(
            root, {self.member: self.keys}, self.book, self.custody, Wire(self._sites, self.name),
            FileStores(self.folder, root.ledger.application.network), self._sites.alarm,
            Draw(random.random, random.randbytes),
        )  # fmt: skip
        custodian = Custodian(
            RootFacts(root, self._sites.module), self.custody, {self.member: self.keys.node}
        )
        self.answering = Answering(custodian, self.book)

    def stop(self) -> None:
        if self.seats is not None:
            self.seats.close()
            self.book.close()
            self.custody.close()
        self.seats = None

    @property
    def running(self) -> Seats:
        assert self.seats is not None, f"{self.name} does not run"
        return self.seats


class Wire:
    """Calls from one node to the others."""

    def __init__(self, sites: "Sites", caller: str) -> None:
        self._sites, self._caller = sites, caller

    async def call(self, member: bytes, request: Any) -> Any:
        await asyncio.sleep(0)
        name = self._sites.names[member]
        site = self._sites.sites[name]
        if site.seats is None or (self._caller, name) in self._sites.cut:
            raise TransportFailed("custody.unreachable", "the line is cut")
        answer = site.answering.answer(self._sites.ids[self._caller], request)
        changed = self._sites.lies.get(name)
        return answer if changed is None else changed(request, answer)


class Sites:
    """All of them. Close it in the end."""

    def __init__(self, folder: Path, names: Sequence[str] = NAMES, seed: int = 1) -> None:
        self.seed = seed
        party = PartyModule()
        self.module = ChannelModule(party.keeper)
        made = founding(
            names, [self.module], party=party, threshold=2, protocol=3, roles={"a": ("cash_operator",)}
        )
        self.ids, self.keys, self.root = made.ids, made.keys, MemoryRoot(made.ledger, made.genesis)
        self.names = {identity: name for name, identity in self.ids.items()}
        self.network = made.ledger.application.network
        self.cut: set[tuple[str, str]] = set()
        self.lies: dict[str, Any] = {}
        self.alarms: list[tuple[str, BaseException]] = []
        self.sites = {name: Site(name, folder / name, self) for name in names}
        for name, site in self.sites.items():
            seat = SetSeat(self.ids[name], site.keys.node.public_key, site.keys.boxes[-1].public_key, b"", "")
            self.root.ledger.succeed(seat, keys=[self.keys[name]])
        self._salt = 0

    def alarm(self, kind: str, identity: bytes, error: BaseException) -> None:
        self.alarms.append((kind, error))

    def close(self) -> None:
        for site in self.sites.values():
            site.stop()

    @property
    def state(self) -> State:
        return self.root.ledger.application.state

    def __getitem__(self, name: str) -> Site:
        return self.sites[name]

    # time

    async def tick(self, blocks: int = 1, after_ms: int = 1_000) -> bool:
        """So many blocks; before each, every node that runs does what it can. Whether any did something in the end."""
        moved = False
        for _ in range(blocks):
            steps = [
                asyncio.create_task(site.seats.step())
                for site in self.sites.values()
                if site.seats is not None
            ]
            pending: set[asyncio.Task[bool]] = set(steps)
            while pending:
                # a step that waits for the root waits for a block; everything else goes on without one
                _, pending = await asyncio.wait(pending, timeout=60.0)
                if pending and self.root.waiting:
                    self.root.make_block(after_ms)
            moved = any(step.result() for step in steps)
            self.root.make_block(after_ms)
        return moved

    async def settle(self, limit: int = 40) -> None:
        """Blocks until nobody has anything to do."""
        quiet = 0
        for _ in range(limit):
            done = len(self.root.ledger.store.blocks)
            await self.tick()
            # every node has read the blocks of the tick before, and what it had to say would be in those of this one
            quiet = (
                quiet + 1 if not any(block.leaves for block in self.root.ledger.store.blocks[done:]) else 0
            )
            if quiet == 2:
                return
        raise AssertionError("they never come to rest")

    # acting

    def terms(self, *names: str, **changes: Any) -> Terms:
        members = tuple(sorted(self.ids[name] for name in names))
        fields: dict[str, Any] = {
            "members": members, "vaults": (), "faults": 0, "policy": len(members), "custody": 1, "adjudicator": None,
            "modules": ("holding", "settlement"), **changes,
        }  # fmt: skip
        return Terms(**fields)

    def on_root(self, name: str, instruction: Instruction) -> Receipt:
        return self.root.ledger.succeed(instruction, keys=[self.keys[name]])

    def offered(self, name: str, channel: bytes, terms: Terms, epoch: int = 1) -> EpochKey:
        """The key that a node makes for an offer."""
        with self.root.reading() as root:
            return self.sites[name].running.offers.make(channel, epoch, terms.members, root)

    async def accept_all(self, channel: bytes, terms: Terms, epoch: int = 1) -> None:
        """Every member accepts as soon as its node says that it can."""
        await self.settle()
        for member in terms.members:
            with self.root.reading() as root:
                (offer,) = self.sites[self.names[member]].running.offers.open_offers(root)
            assert (offer.channel, offer.status, offer.code) == (channel, "ready", "")
            self.on_root(self.names[member], AcceptEpoch(member, channel, epoch))

    async def opened(self, terms: Terms) -> bytes:
        """A channel that all members accepted; its id."""
        name, salt = self.names[terms.members[0]], self.root.ledger.salt()
        channel = channel_id(self.network, self.ids[name], salt)
        key = self.offered(name, channel, terms)
        self.on_root(name, OpenChannel(self.ids[name], salt, terms, key))
        await self.accept_all(channel, terms)
        return channel

    def transaction(self, channel: bytes, *instructions: Instruction, keys: Sequence[str]) -> bytes:
        """A transaction of a channel, signed by these parties."""
        self._salt += 1
        until = self.root.ledger.time_ms + 300_000
        body = encode(Body(self.network, channel, until, self._salt.to_bytes(16, "big"), tuple(instructions)))
        message = signing_message(transaction_id(body))
        return encode_transaction(
            body, tuple(sorted((self.keys[key].signature(message) for key in keys), key=lambda s: s.key))
        )

    def send(self, name: str, channel: bytes, *instructions: Instruction, keys: Sequence[str] = ()) -> bytes:
        """Have a node send a transaction; its id."""
        raw = self.transaction(channel, *instructions, keys=keys or [name])
        (screened,) = self.sites[name].running.submit(channel, self.ids[name], [raw])
        assert screened.refusal is None, screened.refusal
        return screened.identity

    def standing(self, name: str, channel: bytes, identity: bytes) -> str:
        """How far it is, as a node says; with the code where it was rejected or refused."""
        found = self.sites[name].running.standing(channel, identity)
        if found is None:
            return "unknown"
        failure = None if found.outcome is None else found.outcome.failure
        return f"{found.name} {found.code}{'' if failure is None else failure.code}".strip()
