"""The seats of a node, put together over its directory, and the loop that lets them do what there is to do."""

import asyncio
import logging
import os
import random
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from traco.channels.custody.receiving import Custodian
from traco.channels.custody.store import CustodyStore
from traco.channels.executing.composition import Compositions
from traco.channels.executing.registry_view import RegistryView
from traco.channels.seat.agent import Draw, Seats
from traco.channels.seat.book import Book
from traco.kernel.errors import Halt
from traco.kernel.execution import Alarm
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.registry import Registry
from traco.kernel.screening import DirectScreener, Screener
from traco.modules.channel.keeper import Keeper
from traco.modules.composition import compose
from traco.node.api.serving import OwnServer
from traco.node.channels.calling import Answers, Calling
from traco.node.channels.desk import Desk
from traco.node.channels.executors import ExecutorPool, executors_lock
from traco.node.channels.keyring import SeatSecrets
from traco.node.channels.link import SOCKET_FILE, serve_requests
from traco.node.channels.root import NodeRoot, RootFacts
from traco.node.channels.stores import BOOK_FILE, CHANNELS_FOLDER, CUSTODY_FILE, ChannelStores
from traco.node.configuration import LogConfig
from traco.node.directory import LEDGER_FILE, read_genesis
from traco.node.link import ApiEnd
from traco.node.peering.caller import Peers
from traco.node.peering.server import peer_server
from traco.node.peering.trust import Trust
from traco.node.remembering import RememberingScreener
from traco.storage import SnapshotReader

LOOK_S: Final = (
    1.0  # between looks where nothing happens: for what could not be fetched, and other nodes' copies of keys
)
TROUBLE_S: Final = (0.1, 0.5, 2.0, 10.0)
"""Pauses after the root refused something, which is mostly tried again: each refusal may be a block of the ledger."""

REMEMBERED: Final = 8_192  # transactions: as many as may wait for some rounds
_LOG: Final = LogConfig()

log = logging.getLogger("traco.channels")


class ChannelWorker:
    """Does the channel business of some members. Make it inside an event loop, ``start`` it, ``close`` it in the end."""

    def __init__(
        self, directory: Path, seats: Mapping[bytes, SeatSecrets], link: ApiEnd, alarm: Alarm, now_ms: Callable[[], int],
        executors: int = 0, log_config: LogConfig = _LOG,
    ) -> None:  # fmt: skip
        """``executors``: how many processes execute channels; 0: none, it is done in this one. Raises ``Halt``, ``OSError``."""
        genesis = parse_genesis(read_genesis(directory))
        self._directory, self._link = directory, link
        network = network_id(genesis)
        self._secrets = dict(seats)
        self._work = asyncio.Event()
        self._halted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._trusts: dict[bytes, Trust] = {}
        self._seats_seen: dict[bytes, bool] = {}
        self._block: asyncio.Task[int] | None = None
        self._running = AsyncExitStack()
        (directory / CHANNELS_FOLDER).mkdir(mode=0o700, exist_ok=True)
        self.executors: ExecutorPool | None = None
        with ExitStack() as opened:
            opened.callback(os.close, executors_lock(directory))
            if executors:
                compositions = Compositions(RegistryView(), genesis.kernel_parameters())
                self.executors = ExecutorPool(directory, network, compositions, log_config, executors)
            reader = SnapshotReader(directory / LEDGER_FILE, network)
            opened.callback(reader.close)
            self.root = NodeRoot(reader, compose(), genesis, link, now_ms)
            self._book = Book(directory / BOOK_FILE)
            opened.callback(self._book.close)
            custody = CustodyStore(directory / CUSTODY_FILE)
            opened.callback(custody.close)
            keys = {member: each.keys for member, each in seats.items()}
            self._keeper = Keeper()
            facts = RootFacts(self.root, self._keeper)
            custodian = Custodian(facts, custody, {member: each.node for member, each in keys.items()})
            self._answers = Answers(custodian, self._book, self._halt)
            self._peers: dict[bytes, Peers | None] = dict.fromkeys(keys)
            calling = Calling(self._peers, facts, self._answers.answer)
            stores = ChannelStores(directory, network)
            self.seats = Seats(
                self.root, keys, self._book, custody, calling, stores, alarm, Draw(random.random, os.urandom), now_ms,
                self._work.set, stores.archive(), partial(_remembering, genesis.kernel_parameters()), self.executors,
            )  # fmt: skip
            self._answers.give_from(self.seats)
            opened.callback(self.seats.close)
            pool = self.executors
            self.desk = Desk(
                self.seats, self._book, self.root, keys, self._work.set, self._halt, lambda: pool.pids if pool else ()
            )  # fmt: skip
            self._opened = opened.pop_all()

    def _halt(self, error: Halt) -> None:
        if not self._halted.done():
            self._halted.set_exception(error)

    async def start(self, listeners: Mapping[bytes, socket.socket]) -> None:
        """Answer the API, and other members' nodes at the sockets of those members that have one."""
        server = await serve_requests(self._directory, self.desk)
        self._running.callback((self._directory / SOCKET_FILE).unlink, missing_ok=True)
        self._running.callback(server.close)
        for member, listener in listeners.items():
            trust = self._trusts[member] = Trust(self._secrets[member].certificate.pem)
            peers = self._peers[member] = Peers(trust, member=member)
            self._running.push_async_callback(peers.close)
            serving = peer_server(trust, self._answers.answer_bytes)
            task = asyncio.create_task(serving.serve(sockets=[listener]), name="traco-peers")
            self._running.push_async_callback(_end, serving, task)

    async def run(self) -> None:
        """Do what there is to do until this is cancelled. Raises ``LedgerError``, ``LedgerGone``."""
        working = asyncio.create_task(self._loop(), name="traco-seats")
        try:
            done, _ = await asyncio.wait((working, self._halted), return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)

    async def step(self) -> bool:
        """Do what can be done now; whether there was anything. Raises ``LedgerError``."""
        if self.root.seats_changed:
            self._renew()
        return await self.seats.step(0)

    async def _loop(self) -> None:
        trouble, root = 0, self.root
        refused, accepted = root.refusals, root.accepted
        while True:
            self._work.clear()
            if root.accepted > accepted:
                trouble, accepted = 0, root.accepted
            if root.refusals > refused:
                refused = root.refusals
                await asyncio.sleep(TROUBLE_S[min(trouble, len(TROUBLE_S) - 1)])
                trouble += 1
            if await self.step():
                await asyncio.sleep(0)
            else:
                await self._wait()

    async def _wait(self) -> None:
        """Until there is a block that was not read, or something was asked; not for long. Raises ``LedgerGone``."""
        # one question at a time: the other side keeps each until it has the answer
        if self._block is None:
            self._block = asyncio.create_task(self._link.next_block(self.root.read_height))
        work = asyncio.create_task(self._work.wait())
        try:
            await asyncio.wait((self._block, work), timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
        if self._block.done():
            block, self._block = self._block, None
            block.result()

    def _renew(self) -> None:
        """Believe the seats that the ledger has now; say where it has another than this node's own."""
        peers = self.root.peers()
        for trust in self._trusts.values():
            trust.renew(peers)
        with self.root.reading() as root:
            for member, secrets in self._secrets.items():
                seat = self._keeper.seat(root.state, member)
                keys = secrets.keys
                is_ours = (
                    seat is not None
                    and seat.node == keys.node.public_key
                    and seat.box in {each.public_key for each in keys.boxes}
                )
                if self._seats_seen.get(member) != is_ours:
                    self._seats_seen[member] = is_ours
                    if is_ours:
                        log.info("doing the channel business of %s", member.hex())
                    else:
                        log.warning(
                            "the ledger has another seat for %s than this node: traco channel seat DIR",
                            member.hex(),
                        )

    async def close(self) -> None:
        """Answer nobody any more, and close the files."""
        if self._block is not None:
            self._block.cancel()
            await asyncio.gather(self._block, return_exceptions=True)
        await self._running.aclose()
        await self.desk.close()
        self._halted.cancel()
        try:
            self._opened.close()  # the replicas too, for which the executors are asked
        finally:
            if self.executors is not None:
                await self.executors.close()


def _remembering(limits: KernelParameters, registry: Registry) -> Screener:
    """Signatures of what was submitted here are checked when it comes in, and not again when it is executed."""
    return RememberingScreener(DirectScreener(registry.body, limits), REMEMBERED, 1)


async def _end(server: OwnServer, task: "asyncio.Task[None]") -> None:
    server.should_exit = server.force_exit = True  # whoever waits for an answer asks again
    await asyncio.gather(task, return_exceptions=True)
