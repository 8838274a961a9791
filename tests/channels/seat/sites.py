"""Organisations with a node each and a root between them, in memory and in one thread: the same seed gives the same run.

A block of the root is made by ``tick``; submissions made before it are in it. Calls between nodes arrive at once, unless a
test says otherwise.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

from channels.seat.fuses import Died, FileStores, Fuse, FusedBook, FusedCustody
from support.founding import Founding, founding
from support.ledger import Key, Ledger
from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import AllSaid, Hold, HoldAll
from traco.channels.custody.receiving import Custodian, Standing
from traco.channels.sealing.keys import BoxSecret
from traco.channels.seat.agent import Draw, Seats
from traco.channels.seat.answering import Answering
from traco.channels.seat.messages import request_codec
from traco.channels.seat.ports import RootAnswer, RootBlock, RootUnavailable, SeatKeys, Stores
from traco.kernel.codec import encode
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import Event, Instruction
from traco.kernel.receipt import Receipt
from traco.kernel.screening import encode_transaction
from traco.kernel.state import State
from traco.kernel.transaction import Body, signing_message, transaction_id
from traco.modules.channel.events import Entered
from traco.modules.channel.messages import AcceptEpoch, OfferEpoch, OpenChannel, OrderBatch, SetSeat
from traco.modules.channel.module import ChannelModule
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.parts import EpochKey, Terms
from traco.modules.channel.signing import channel_id
from traco.modules.channel.state import Channel, Stream
from traco.modules.party.module import PartyModule

T = TypeVar("T")

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
            found = [
                (event, each.identity) for each in receipts if each.failure is None for event in each.events
            ]
            events, origins = tuple(event for event, _ in found), tuple(origin for _, origin in found)
            yield RootBlock(block.height, block.time_ms, events, origins)

    async def submit(self, transaction: bytes) -> RootAnswer:
        answer: asyncio.Future[RootAnswer] = asyncio.get_running_loop().create_future()
        self.waiting.append((transaction, answer))
        return await answer

    async def submit_all(self, transactions: Sequence[bytes]) -> list[RootAnswer]:
        return await asyncio.gather(*(self.submit(each) for each in transactions))

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


class OwnRoot:
    """The root as one node has it, which may die when it submits, or be cut off: then nobody knows what was ordered."""

    def __init__(self, root: MemoryRoot, site: "Site") -> None:
        self._root, self._site = root, site
        self.genesis, self.reading = root.genesis, root.reading

    def blocks(self, after: int, limit: int) -> Iterator[RootBlock]:
        return self._root.blocks(after, limit)

    async def submit(self, transaction: bytes) -> RootAnswer:
        with self._site.fuse.around():
            body = self._root.ledger.registry.transaction.decode(transaction).body
            self._site.submitted += body.instructions
            is_withheld = isinstance(body.instructions[0], self._site.withheld)
            if is_withheld or self._site.root_trouble == "before":
                raise RootUnavailable
            answering = self._root.submit(transaction)
            if self._site.root_trouble == "behind":
                task = asyncio.ensure_future(answering)
                await asyncio.sleep(0)
                task.cancel()  # it stays where it is, and will be ordered
                raise RootUnavailable
            return await answering

    async def submit_all(self, transactions: Sequence[bytes]) -> list[RootAnswer]:
        return await asyncio.gather(*(self.submit(each) for each in transactions))


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
        self.fuse = Fuse()
        self.root_trouble = (
            ""  # "before" or "behind": the root does not answer, before or after it took a transaction
        )
        self.withheld: tuple[type[Instruction], ...] = ()  # instructions that never get to the root
        self.submitted = self._sites.submitted
        self.starts = 0
        folder.mkdir(parents=True)
        self.start()

    def start(self) -> None:
        self.fuse.renew()
        self.starts += 1
        root = self._sites.root
        self.book, self.custody = self.open_book(), self.open_custody()
        random = Random(f"{self._sites.seed} {self.name} {self.starts}")
        stores = self.stores(root.ledger.application.network)
        # one whose disk is simulated has none
        self.archive = stores.archive() if isinstance(stores, FileStores) else None
        self.seats = Seats(
            OwnRoot(root, self), {self.member: self.keys}, self.book, self.custody, Wire(self._sites, self.name),
            stores, self._sites.alarm, Draw(random.random, random.randbytes), archive=self.archive,
        )  # fmt: skip
        custodian = Custodian(
            RootFacts(root, self._sites.module), self.custody, {self.member: self.keys.node}
        )
        self.answering = Answering(custodian, self.book)
        self.answering.snapshots = self.seats

    def open_book(self) -> FusedBook:
        return FusedBook(self.folder / "channels.db", self.fuse)

    def open_custody(self) -> FusedCustody:
        return FusedCustody(self.folder / "custody.db", self.fuse, self.member)

    def stores(self, network: bytes) -> Stores:
        return FileStores(self.folder, network, self.fuse)

    def stop(self) -> None:
        if self.seats is not None:
            self.seats.close()
            self.book.close()
            self.custody.close()
        self.seats = None

    def restart(self) -> None:
        self.stop()
        self.start()

    async def step(self) -> bool:
        """What the node can do now; where it dies over that, it is started again."""
        try:
            moved = await self.running.step()
        except Died:
            moved = True
        if self.fuse.is_burnt:
            self.restart()
        return moved

    @property
    def running(self) -> Seats:
        assert self.seats is not None, f"{self.name} does not run"
        return self.seats


class Wire:
    """Calls from one node to the others. All that passes is kept."""

    def __init__(self, sites: "Sites", caller: str) -> None:
        self._sites, self._caller = sites, caller

    async def call(self, member: bytes, request: Any) -> Any:
        sites = self._sites
        name = sites.names[member]
        if isinstance(request, HoldAll) and (name in sites.lies or self._caller in sites.forgeries):
            # who lies is told of one request at a time
            return AllSaid(tuple([await self.call(member, each) for each in request.requests]))
        with sites.sites[self._caller].fuse.around():
            await asyncio.sleep(sites.delays.get(name, 0))
            site = sites.sites[name]
            if site.seats is None or (self._caller, name) in sites.cut:
                raise TransportFailed("custody.unreachable", "the line is cut")
            changed = sites.forgeries.get(self._caller)
            request = request if changed is None else changed(name, request)
            sites.traffic.append((self._caller, name, encode(request)))
            try:
                answer = site.answering.answer(sites.ids[self._caller], request)
            except Died:
                raise TransportFailed("custody.unreachable", "it died") from None
            changed = sites.lies.get(name)
            answer = answer if changed is None else changed(request, answer)
            sites.traffic.append((name, self._caller, encode(answer)))
            return answer


class Sites:
    """All of them. Close it in the end."""

    def __init__(self, folder: Path, names: Sequence[str] = NAMES, seed: int = 1) -> None:
        self.seed = seed
        made, self.module = self.founded(names)
        self.ids, self.keys, self.root = made.ids, made.keys, MemoryRoot(made.ledger, made.genesis)
        self.names = {identity: name for name, identity in self.ids.items()}
        self.network = made.ledger.application.network
        self.cut: set[tuple[str, str]] = set()
        self.lies: dict[str, Any] = {}  # what a node answers instead, from request and answer
        self.forgeries: dict[
            str, Any
        ] = {}  # what a node asks instead, from the name of who is asked and the request
        self.delays: dict[str, float] = {}  # seconds until a node answers
        self.submitted: list[Instruction] = []  # what nodes wanted of the root
        self.traffic: list[tuple[str, str, bytes]] = []  # sender, receiver, message
        self.alarms: list[tuple[str, BaseException]] = []
        self.sites = {name: self.site(name, folder / name) for name in names}
        for name, site in self.sites.items():
            seat = SetSeat(self.ids[name], site.keys.node.public_key, site.keys.boxes[-1].public_key, b"", "")
            self.root.ledger.succeed(seat, keys=[self.keys[name]])
        self._salt = 0

    def founded(self, names: Sequence[str]) -> tuple[Founding, ChannelModule]:
        """The root's ledger, with its module of channels."""
        party = PartyModule()
        module = ChannelModule(party.keeper)
        roles = {"a": ("cash_operator",)}
        return founding(names, [module], party=party, threshold=2, protocol=3, roles=roles), module

    def site(self, name: str, folder: Path) -> Site:
        """An organisation's node."""
        return Site(name, folder, self)

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
                asyncio.create_task(site.step()) for site in self.sites.values() if site.seats is not None
            ]
            pending: set[asyncio.Task[bool]] = set(steps)
            while pending:
                # a step that waits for the root waits for a block; everything else goes on without one
                _, pending = await asyncio.wait(pending, timeout=60.0)
                if pending and self.root.waiting:
                    self.root.make_block(after_ms)
            results = [step.result() for step in steps]  # of each: what stops a node fails the test
            moved = any(results)
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

    async def until(self, holds: Callable[[], bool], limit: int = 100, after_ms: int = 1_000) -> None:
        """Blocks until something holds."""
        for _ in range(limit):
            if holds():
                return
            await self.tick(after_ms=after_ms)
        raise AssertionError("it never holds")

    # looking

    def stream(self, channel: bytes) -> Stream:
        return self.module.keeper.stream(self.state, channel)

    def record(self, channel: bytes) -> Channel:
        return self.module.keeper.require(self.state, channel)

    def events(self, *kinds: type[Event]) -> list[Event]:
        """Everything of these kinds that the root has said, in order."""
        return [
            event
            for block in self.root.blocks(0, 1_000_000)
            for event in block.events
            if isinstance(event, kinds)
        ]

    def entries(self, channel: bytes, kind: type[T]) -> list[T]:
        """The entries of this kind in a channel's stream."""
        found = [event for event in self.events(Entered) if isinstance(event, Entered)]
        return [event.entry for event in found if event.channel == channel and isinstance(event.entry, kind)]

    def orders(self, channel: bytes) -> list[OrderBatch]:
        """The orders of batches of a channel that nodes have submitted, in order."""
        found = [each for each in self.submitted if isinstance(each, OrderBatch)]
        return [order for order in found if order.channel == channel]

    def held(self) -> list[Hold]:
        """The payloads that nodes have sent to custodians, in order."""
        requests = [request_codec.decode(raw) for _, _, raw in self.traffic if b"custody.hold" in raw]
        return [
            hold
            for request in requests
            for hold in (request.requests if isinstance(request, HoldAll) else (request,))
            if isinstance(hold, Hold)
        ]

    def has_confirmed(self, channel: bytes, *names: str) -> bool:
        """Whether these nodes have all of the root's stream, all of it is confirmed, and they agree with what is."""
        stream = self.stream(channel)
        results = [self.sites[name].book.result(channel, stream.ordinal) for name in names]
        return stream.confirmed == stream.ordinal and all(
            result is not None and result.digest == stream.digest for result in results
        )

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

    def by_node(self, name: str, instruction: Instruction) -> str:
        """What becomes of an instruction that a node signs, whatever its software would do: a code, or nothing."""
        answer = self.root.ledger.submit(instruction, keys=[Key(f"{name} node")])
        return "" if answer.failure is None else answer.failure.code

    async def rotate(self, name: str, channel: bytes, terms: Terms) -> None:
        """Have the next epoch begin."""
        epoch = self.record(channel).epoch + 1
        key = self.offered(name, channel, terms, epoch)
        self.on_root(name, OfferEpoch(self.ids[name], channel, epoch, terms, key))
        await self.accept_all(channel, terms, epoch)

    def offered(self, name: str, channel: bytes, terms: Terms, epoch: int = 1) -> EpochKey:
        """The key that a node makes for an offer."""
        with self.root.reading() as root:
            return self.sites[name].running.offers.make(channel, epoch, terms.members, root)

    async def accept_all(self, channel: bytes, terms: Terms, epoch: int = 1) -> None:
        """Every member accepts as soon as its node says that it can."""
        await self.tick(4)
        for member in terms.members:
            with self.root.reading() as root:
                (offer,) = self.sites[self.names[member]].running.offers.open_offers(root)
            assert (offer.channel, offer.status, offer.code) == (channel, "ready", "")
            self.on_root(self.names[member], AcceptEpoch(member, channel, epoch, offer.offer.id))

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
        """Have a node send a transaction; its id. Where it dies over that, it is started again and asked again."""
        raw = self.transaction(channel, *instructions, keys=keys or [name])
        return self.send_signed(name, channel, raw)

    def send_signed(self, name: str, channel: bytes, raw: bytes) -> bytes:
        """The same with what is signed already."""
        site = self.sites[name]
        try:
            (screened,) = site.running.submit(channel, self.ids[name], [raw])
        except Died:
            site.restart()
            (screened,) = site.running.submit(channel, self.ids[name], [raw])
        assert screened.refusal is None, screened.refusal
        return screened.identity

    def standing(self, name: str, channel: bytes, identity: bytes) -> str:
        """How far it is, as a node says; with the code where it was rejected or refused."""
        found = self.sites[name].running.standing(channel, identity)
        if found is None:
            return "unknown"
        failure = None if found.outcome is None else found.outcome.failure
        return f"{found.name} {found.code}{'' if failure is None else failure.code}".strip()
