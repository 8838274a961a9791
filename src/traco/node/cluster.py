"""The distributed engine of one node, put together: socket server, engine process, peers, seals.

    CometBFT ── ABCI socket ── server ── adapter ── application
        └────── RPC socket ─── client ── engine (broadcast, resubmission), seals, peers

Made with the application, ``run`` inside the event loop until cancelled; it ends the engine before the server that answers it.
"""

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from traco.engine.cometbft.abci.ports import ScreeningMemory, ScreeningPool
from traco.engine.cometbft.abci.server import AbciServer
from traco.engine.cometbft.adapter import ChainTerms, CometAdapter
from traco.engine.cometbft.engine import CometEngine
from traco.engine.cometbft.errors import EngineBusy, EngineError
from traco.engine.cometbft.home import (
    LOG_LEVELS,
    EngineSettings,
    EngineTerms,
    StateSync,
    engine_block_bytes,
    engine_genesis,
    peer_address,
    read_keys,
    write_home,
)
from traco.engine.cometbft.install import find_engine
from traco.engine.cometbft.peers import PeerWatch, WantedPeer
from traco.engine.cometbft.process import EngineProcess, EngineWatch
from traco.engine.cometbft.rpc import EngineClient
from traco.engine.cometbft.runtime import RuntimeDirectory
from traco.engine.cometbft.seals import HandoverStore, Seals
from traco.kernel.application import Application, Finalized
from traco.kernel.errors import Halt
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.light import chain_id, founding_validators
from traco.kernel.state import State
from traco.modules.network.keeper import Keeper
from traco.modules.network.parameters import NetworkParameters
from traco.modules.network.state import NodeRecord
from traco.node.configuration import NodeConfig
from traco.node.directory import ENGINE_FOLDER, EVIDENCE_FILE, TAKEN_OVER_FILE
from traco.node.figures import EngineFigures
from traco.node.joining import Joining
from traco.node.logs import engine_log
from traco.storage import LedgerStore

TWIN_BLOCKS: Final = 10
"""After a takeover, in how many of the last blocks the engine looks for signatures of its own key, made elsewhere."""
FOLLOW_S: Final = 10.0  # between looks for handovers of validators; the engine keeps blocks far longer

log = logging.getLogger("traco.engine")


class Cluster:
    """The engine of one node of a cluster, over one application."""

    def __init__(
        self, directory: Path, founding: Genesis, application: Application, pool: ScreeningPool, memory: ScreeningMemory,
        config: NodeConfig, store: LedgerStore, replaced: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """``replaced`` is called when the ledger's file is another one, restored from a snapshot."""
        self._home = (directory / ENGINE_FOLDER).absolute()
        self._founding, self._application = founding, application
        self._taken_over = directory / TAKEN_OVER_FILE
        self._config, self._name = config.engine, directory.name
        self._write_line = engine_log(directory, config.log)
        self._log_level = LOG_LEVELS[config.log.level]
        self._keeper = Keeper()
        self._known: tuple[int, dict[bytes, NodeRecord]] = -1, {}
        self._process: EngineProcess | None = None
        self._keys = read_keys(self._home)
        self._program = find_engine(
            None if self._config.program is None else Path(self._config.program)
        ).program
        with ExitStack() as opened:
            self._runtime = opened.enter_context(RuntimeDirectory())
            self._handovers = HandoverStore(directory / EVIDENCE_FILE)
            opened.callback(self._handovers.close)
            self._opened = opened.pop_all()
        self.client = EngineClient(self._runtime.rpc_socket)
        self.seals = Seals(self.client, self._handovers, founding_validators(founding))
        self.engine = CometEngine(application, self._broadcast, self.seals.evidence)
        self._joining = Joining(directory, founding, application, store, self.seals, self._config, replaced)
        self._state_sync: StateSync | None = None
        self._begun_by: EngineTerms | None = None  # what the engine's files were written by last
        limits = founding.kernel_parameters()
        terms = ChainTerms(
            chain_id(application.network), founding.time_ms, founding.protocol,
            engine_block_bytes(limits.max_block_bytes) - limits.max_block_bytes,
        )  # fmt: skip
        self._bootstrap = dict(map(_bootstrap_peer, self._config.bootstrap_peers))
        self._peers_watch = PeerWatch(self.client, self._keys.peer, self._wanted, self._cut)
        self._adapter = CometAdapter(
            application, terms, pool, memory, validators=self._keeper.validators, peers=self._peers,
            on_block=self._on_block, bootstrap_peers=frozenset(self._bootstrap), snapshots=self._joining.snapshots,
            retain_height=self._joining.retain_height,
            is_joining=lambda: self._peers_watch.sight.is_catching_up,
        )  # fmt: skip
        self._failed: asyncio.Future[None] | None = None

    async def _broadcast(self, envelope: bytes) -> None:
        answer = await self.client.broadcast(envelope)
        if answer.code:
            # our own application judged it well before it was offered: it has been ordered meanwhile, or its time passed
            raise EngineBusy("engine.not_taken", answer.log)

    def _peers(self, state: State) -> dict[bytes, NodeRecord]:
        """Who may connect, by peer id; asked after every block, and read only when a node has changed."""
        revision = self._keeper.revision(state)
        if revision != self._known[0]:
            self._known = revision, self._keeper.peers(state)
        return self._known[1]

    def _wanted(self) -> dict[bytes, WantedPeer]:
        """Who is to be connected: the ledger's nodes; while this node catches up, also those of the configuration."""
        known = {peer: WantedPeer(each.address, each.power) for peer, each in self._known[1].items()}
        if self._application.info().height == 0 or self._peers_watch.sight.is_catching_up:
            return {peer: WantedPeer(address) for peer, address in self._bootstrap.items()} | known
        return known

    async def _cut(self, peers: Collection[bytes]) -> None:
        """End the connections to peers that were removed: the engine drops none but by ending."""
        if self._process is not None:
            self._write_home()
            await self._process.restart(f"{len(peers)} peers are connected that the ledger does not admit")

    def _on_block(self, finalized: Finalized, seconds: float) -> None:
        self.engine.committed(finalized, seconds)
        self._joining.taker.committed(finalized.block.height)

    def _gateways(self) -> list[str]:
        """Those of the other nodes, as far as this one knows the ledger."""
        known = self._keeper.peers(self._application.state)
        return [record.gateway for peer, record in sorted(known.items()) if peer != self._keys.peer]

    def _fail(self, error: BaseException) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def run(self) -> None:
        """Run server and engine until cancelled. Raises ``Halt`` when the node must stop."""
        self._failed = asyncio.get_running_loop().create_future()
        server = AbciServer(self._runtime.abci_socket, self._adapter, self._fail)
        await server.start()
        try:
            watch = EngineWatch(self._write_line, lambda _: None, lambda: self._application.info().height)
            process = EngineProcess(self._program, self._home, self._runtime.rpc_socket, watch)
            self._process = process
            if self._joining.wants_to_join():
                self._state_sync = await self._joining.begin(
                    self._runtime.abci_socket.parent, self._gateways()
                )
            self._write_home()
            await process.start()
            tasks = [
                asyncio.create_task(_outcome(self._failed), name="traco-failed"),
                asyncio.create_task(process.failed(), name="traco-engine-failed"),
                asyncio.create_task(self.engine.run(), name="traco-offers"),
                asyncio.create_task(self._follow(), name="traco-seals"),
                asyncio.create_task(self._peers_watch.run(), name="traco-peers"),
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await process.stop()
        except EngineError as error:
            raise Halt(f"the engine cannot go on. {error}") from error
        finally:
            await self._joining.end()
            await server.stop()
            await self.client.aclose()

    def close(self) -> None:
        """Close the files, when ``run`` has ended."""
        self._opened.close()

    def _write_home(self) -> None:
        """The engine's files, from the ledger's parameters and this node's configuration."""
        config = self._config
        terms = self._terms()
        peers = {each: wanted.address for each, wanted in self._wanted().items()}
        peers.pop(self._keys.peer, None)
        settings = EngineSettings(
            moniker=self._name, abci_socket=self._runtime.abci_socket, rpc_socket=self._runtime.rpc_socket,
            p2p_host=config.p2p_host, p2p_port=config.p2p_port, external_address=config.external_address,
            peers=tuple(peer_address(each, address) for each, address in sorted(peers.items())),
            metrics_port=config.metrics_port, log_level=self._log_level,
            state_sync=self._state_sync if self._joining.wants_to_join() else None,
            twin_blocks=TWIN_BLOCKS if self._taken_over.exists() else 0,
        )  # fmt: skip
        write_home(self._home, engine_genesis(self._founding), terms, settings)
        self._begun_by = terms

    def _terms(self) -> EngineTerms:
        """What the ledger says about the engine now."""
        agreed = self._application.parameters.get(self._application.state, NetworkParameters)
        return engine_terms(agreed, self._founding.kernel_parameters())

    def figures(self) -> EngineFigures:
        """How the engine is, as seen last."""
        sight, process = self._peers_watch.sight, self._process
        agreed = self._terms()
        begun_by = self._begun_by or agreed
        failure = None if process is None else process.failure
        return EngineFigures(
            is_running=process is not None and process.is_running, failure="" if failure is None else str(failure),
            starts=0 if process is None else process.starts, silent_ms=int(sight.silent_s * 1000), height=sight.height,
            is_catching_up=sight.is_catching_up, peers_wanted=sight.wanted, peers_present=sight.present, power=sight.power,
            power_reached=sight.power_reached, empty_block_ms=max(agreed.empty_block_ms, begun_by.empty_block_ms),
            offered_again=self.engine.resent, settings_differ=begun_by != agreed, snapshot_problem=self._joining.taker.problem,
        )  # fmt: skip

    async def _follow(self) -> None:
        """Keep the handovers of validators before their blocks are pruned."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            height = self._application.info().height
            if not self._peers_watch.sight.is_catching_up:
                self._taken_over.unlink(
                    missing_ok=True
                )  # no twin was found, and this node signs itself from now on
            if height > 0:
                try:
                    await self.seals.follow(height)
                except EngineError as error:
                    log.warning(
                        "the handovers of validators could not be looked up, and will be again: %s", error
                    )


def engine_terms(agreed: NetworkParameters, founded: KernelParameters) -> EngineTerms:
    """What the engine's configuration takes from the ledger: its pace as agreed when it is started, its limits as founded.

    A configuration is read at the start only. An engine that began under a lowered limit would not take, nor pass on,
    what is allowed after the limit was raised again; the ledger itself refuses what is beyond the limit in force.
    """
    return EngineTerms(
        empty_block_ms=agreed.empty_block_ms, propose_ms=agreed.propose_ms, propose_step_ms=agreed.propose_step_ms,
        vote_ms=agreed.vote_ms, vote_step_ms=agreed.vote_step_ms, max_envelope_bytes=founded.max_envelope_bytes,
    )  # fmt: skip


async def _outcome(future: "asyncio.Future[None]") -> None:
    """Wait for a future; cancelling the task does not cancel it."""
    await asyncio.shield(future)


def _bootstrap_peer(written: str) -> tuple[bytes, str]:
    """A peer of the configuration, which has checked its form: its id and its address."""
    peer, _, address = written.partition("@")
    return bytes.fromhex(peer), address
