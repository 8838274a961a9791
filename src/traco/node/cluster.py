"""The distributed engine of one node, put together: socket server, engine process, peers, seals.

    CometBFT ── ABCI socket ── server ── adapter ── application
        └────── RPC socket ─── client ── engine (broadcast, resubmission), seals, peers

Made with the application, ``run`` inside the event loop until cancelled; it ends the engine before the server that answers it.
"""

import asyncio
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from traco.engine.cometbft.abci.ports import ScreeningMemory, ScreeningPool
from traco.engine.cometbft.abci.server import AbciServer
from traco.engine.cometbft.adapter import ChainTerms, CometAdapter
from traco.engine.cometbft.engine import CometEngine
from traco.engine.cometbft.errors import EngineBusy, EngineError
from traco.engine.cometbft.home import (
    EngineSettings,
    EngineTerms,
    engine_block_bytes,
    engine_genesis,
    peer_address,
    read_keys,
    write_home,
)
from traco.engine.cometbft.install import find_engine
from traco.engine.cometbft.process import EngineProcess, EngineWatch, RuntimeDirectory
from traco.engine.cometbft.rpc import EngineClient
from traco.engine.cometbft.seals import HandoverStore, Seals
from traco.kernel.application import Application
from traco.kernel.errors import Halt
from traco.kernel.genesis import Genesis
from traco.kernel.instruction import KernelParameters
from traco.kernel.light import chain_id, founding_validators
from traco.kernel.state import State
from traco.modules.network.keeper import Keeper
from traco.modules.network.parameters import NetworkParameters
from traco.node.configuration import NodeConfig
from traco.node.logs import engine_log

ENGINE_FOLDER: Final = "engine"
EVIDENCE_FILE: Final = "evidence.db"
FOLLOW_S: Final = 10.0  # between looks for handovers of validators; the engine keeps blocks far longer

log = logging.getLogger("traco.engine")


class Cluster:
    """The engine of one node of a cluster, over one application."""

    def __init__(
        self, directory: Path, founding: Genesis, application: Application, pool: ScreeningPool, memory: ScreeningMemory,
        config: NodeConfig,
    ) -> None:  # fmt: skip
        self._home = (directory / ENGINE_FOLDER).absolute()
        self._founding, self._application = founding, application
        self._config, self._name = config.engine, directory.name
        self._write_line = engine_log(directory, config.log)
        self._keeper = Keeper()
        self._known: tuple[int, frozenset[bytes]] = -1, frozenset()
        self._keys = read_keys(self._home)
        self._program = find_engine().program
        with ExitStack() as opened:
            self._runtime = opened.enter_context(RuntimeDirectory())
            self._handovers = HandoverStore(directory / EVIDENCE_FILE)
            opened.callback(self._handovers.close)
            self._opened = opened.pop_all()
        self.client = EngineClient(self._runtime.rpc_socket)
        self.seals = Seals(self.client, self._handovers, founding_validators(founding))
        self.engine = CometEngine(application, self._broadcast, self.seals.evidence)
        limits = founding.kernel_parameters()
        terms = ChainTerms(
            chain_id(application.network), founding.time_ms, founding.protocol,
            engine_block_bytes(limits.max_block_bytes) - limits.max_block_bytes,
        )  # fmt: skip
        self._adapter = CometAdapter(
            application, terms, pool, memory, validators=self._keeper.validators, peers=self._peers,
            on_block=self.engine.committed,
        )  # fmt: skip
        self._failed: asyncio.Future[None] | None = None

    async def _broadcast(self, envelope: bytes) -> None:
        answer = await self.client.broadcast(envelope)
        if answer.code:
            # our own application judged it well before it was offered: it has been ordered meanwhile, or its time passed
            raise EngineBusy("engine.not_taken", answer.log)

    def _peers(self, state: State) -> frozenset[bytes]:
        """Who may connect; asked after every block, and read only when a node has changed."""
        revision = self._keeper.revision(state)
        if revision != self._known[0]:
            self._known = revision, frozenset(self._keeper.peers(state))
        return self._known[1]

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
            self._write_home()
            await process.start()
            tasks = [
                asyncio.create_task(_outcome(self._failed), name="traco-failed"),
                asyncio.create_task(process.failed(), name="traco-engine-failed"),
                asyncio.create_task(self.engine.run(), name="traco-offers"),
                asyncio.create_task(self._follow(), name="traco-seals"),
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
            await server.stop()
            await self.client.aclose()

    def close(self) -> None:
        """Close the files, when ``run`` has ended."""
        self._opened.close()

    def _write_home(self) -> None:
        """The engine's files, from the ledger's parameters and this node's configuration."""
        state, config = self._application.state, self._config
        agreed = self._application.parameters.get(state, NetworkParameters)
        terms = EngineTerms(
            empty_block_ms=agreed.empty_block_ms, propose_ms=agreed.propose_ms, propose_step_ms=agreed.propose_step_ms,
            vote_ms=agreed.vote_ms, vote_step_ms=agreed.vote_step_ms,
            max_envelope_bytes=self._application.parameters.get(state, KernelParameters).max_envelope_bytes,
        )  # fmt: skip
        peers = {each: record.address for each, record in self._keeper.peers(state).items()}
        peers.pop(self._keys.peer, None)
        settings = EngineSettings(
            moniker=self._name, abci_socket=self._runtime.abci_socket, rpc_socket=self._runtime.rpc_socket,
            p2p_host=config.p2p_host, p2p_port=config.p2p_port, external_address=config.external_address,
            peers=tuple(peer_address(each, address) for each, address in sorted(peers.items())),
        )  # fmt: skip
        write_home(self._home, engine_genesis(self._founding), terms, settings)

    async def _follow(self) -> None:
        """Keep the handovers of validators before their blocks are pruned."""
        while True:
            await asyncio.sleep(FOLLOW_S)
            height = self._application.info().height
            if height > 0:
                try:
                    await self.seals.follow(height)
                except EngineError as error:
                    log.warning(
                        "the handovers of validators could not be looked up, and will be again: %s", error
                    )


async def _outcome(future: "asyncio.Future[None]") -> None:
    """Wait for a future; cancelling the task does not cancel it."""
    await asyncio.shield(future)
