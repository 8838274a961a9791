"""CometBFT processes over the application that ships in it (kvstore): the engine's own behaviour, without a ledger."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from support.running import free_port
from traco.engine.cometbft.errors import EngineError, EngineFailed
from traco.engine.cometbft.home import (
    EngineKeys,
    EngineSettings,
    EngineTerms,
    create_keys,
    engine_genesis,
    peer_address,
    read_keys,
    write_home,
)
from traco.engine.cometbft.process import EngineProcess, EngineWatch
from traco.engine.cometbft.rpc import EngineClient
from traco.engine.cometbft.runtime import RuntimeDirectory
from traco.kernel.genesis import Genesis, SealTerms, network_id
from traco.kernel.light import chain_id

WAIT_SECONDS: Final = 120.0
FOUNDED_MS: Final = 1_700_000_000_123
TERMS: Final = EngineTerms(empty_block_ms=1_000)


def founding(validators: list[EngineKeys]) -> Genesis:
    """A genesis as far as the engine's is made of it."""
    nodes = [{"role": "validator", "consensus": each.consensus.hex(), "power": 1} for each in validators]
    return Genesis(
        name="Engine", purpose="test", time_ms=FOUNDED_MS, protocol=1, modules={"network": {"nodes": nodes}},
        seal=SealTerms("cometbft", ""),
    )  # fmt: skip


def chain_of(genesis: Genesis) -> str:
    """The name of the chain that a genesis founds."""
    return chain_id(network_id(genesis))


class EngineNode:
    """One engine, its keys, and a client. ``lines`` is what it printed; ``failures`` why it cannot go on."""

    def __init__(self, program: Path, home: Path, runtime: RuntimeDirectory) -> None:
        self.home, self.runtime, self.port = home, runtime, free_port()
        self.keys = read_keys(home) if home.exists() else create_keys(home)
        self.lines: list[str] = []
        self.failures: list[EngineFailed] = []
        watch = EngineWatch(self.lines.append, self.failures.append, lambda: 0)
        self.process = EngineProcess(program, home, runtime.rpc_socket, watch)
        self.client = EngineClient(runtime.rpc_socket)

    @property
    def address(self) -> str:
        """Where others reach it."""
        return f"127.0.0.1:{self.port}"

    def write(self, genesis: Genesis, peers: tuple["EngineNode", ...] = ()) -> None:
        """Its files; with the shipped application instead of ours."""
        settings = EngineSettings(
            moniker=self.home.name, abci_socket=self.runtime.abci_socket, rpc_socket=self.runtime.rpc_socket, p2p_port=self.port,
            peers=tuple(peer_address(peer.keys.peer, peer.address) for peer in peers),
        )  # fmt: skip
        write_home(self.home, engine_genesis(genesis), TERMS, settings)
        path = self.home / "config" / "config.toml"
        path.write_text(path.read_text().replace(f"unix://{self.runtime.abci_socket}", "kvstore"))

    async def reach(self, height: int) -> int:
        """Wait until it has a block of that height; its height."""
        return int(await answer(self._height, lambda found: found >= height))

    async def _height(self) -> int:
        return (await self.client.status()).height


async def answer(ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Ask again and again, through starts and stops, until the answer is wanted."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            found = await ask()
        except EngineError:
            found = None
        if found is not None and wanted(found):
            return found
        assert time.monotonic() < deadline, f"no such answer within {WAIT_SECONDS} s; the last was {found}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def engine_nodes(program: Path, folder: Path, count: int) -> AsyncIterator[list[EngineNode]]:
    """Engines with keys, neither configured nor started; stopped at the end."""
    async with AsyncExitStack() as stack:
        nodes: list[EngineNode] = []
        for number in range(count):
            runtime = stack.enter_context(RuntimeDirectory())
            node = EngineNode(program, folder / f"engine{number}", runtime)
            stack.push_async_callback(node.client.aclose)
            stack.push_async_callback(node.process.stop)
            nodes.append(node)
        yield nodes
