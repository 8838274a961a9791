"""What the engine costs by itself: four validators with the key-value store that ships in it, and payloads of our size.

Same configuration files as ours, no socket and no Python below: its processor time per transfer is what ours is held against.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.cluster_nodes import processor_seconds
from bench.market import genesis_of
from traco.engine.cometbft.errors import EngineError
from traco.engine.cometbft.home import (
    EngineSettings,
    EngineTerms,
    create_keys,
    engine_genesis,
    peer_address,
    write_home,
)
from traco.engine.cometbft.install import find_engine
from traco.engine.cometbft.rpc import EngineClient
from traco.kernel.genesis import SealTerms
from traco.node.founding.local import free_ports

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
IN_FLIGHT: Final = 4  # for each validator, as ours
LOOK_S: Final = 0.05


class Cost(NamedTuple):
    """Payloads per second, and processor seconds of all four validators per payload."""

    per_second: float
    processor_seconds: float


async def measure(directory: Path, validators: int, payload_bytes: int, count: int) -> Cost:
    """Order ``count`` payloads of so many bytes, offered to all validators in turn."""
    shutil.rmtree(directory, ignore_errors=True)
    program, ports = find_engine().program, free_ports(validators)
    homes = [directory / f"kv{number}" for number in range(validators)]
    keys = [create_keys(home) for home in homes]
    founders = [{"role": "validator", "power": 1, "consensus": each.consensus.hex()} for each in keys]
    seal = SealTerms("cometbft", "")
    genesis = engine_genesis(
        msgspec.structs.replace(genesis_of(), seal=seal, modules={"network": {"nodes": founders}})
    )
    processes: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="kv-") as sockets:
        clients = []
        for number, home in enumerate(homes):
            others = [index for index in range(validators) if index != number]
            socket = Path(sockets) / f"{number}"
            settings = EngineSettings(
                moniker=home.name, abci_socket=socket, rpc_socket=socket, p2p_host=HOST, p2p_port=ports[number],
                peers=tuple(peer_address(keys[each].peer, f"{HOST}:{ports[each]}") for each in others), log_level="error",
            )  # fmt: skip
            write_home(home, genesis, EngineTerms(), settings)
            command = [str(program), "start", "--home", str(home), "--proxy_app", "kvstore"]
            with (home / "out").open("wb") as out:
                processes.append(subprocess.Popen(command, stdout=out, stderr=out))  # noqa: S603 -- the engine itself
            clients.append(EngineClient(socket))
        try:
            await _started(clients)
            used, begun = processor_seconds(*(each.pid for each in processes)), time.perf_counter()
            await asyncio.gather(*(_offer(client, payload_bytes, count // validators) for client in clients))
            await _ordered(directory, clients)
            taken = time.perf_counter() - begun
            used = processor_seconds(*(each.pid for each in processes)) - used
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
            for client in clients:
                await client.aclose()
    ordered = count // validators * validators
    return Cost(ordered / taken, used / ordered)


async def _started(clients: list[EngineClient]) -> None:
    deadline = time.perf_counter() + START_SECONDS
    for client in clients:
        while time.perf_counter() < deadline:
            try:
                if (await client.status()).height > 0 and len(await client.peers()) == len(clients) - 1:
                    break
            except EngineError:
                pass
            await asyncio.sleep(LOOK_S)
        else:
            raise RuntimeError("the engines with their own store did not start")


async def _offer(client: EngineClient, size: int, count: int) -> None:
    """Payloads of the form that the store takes: ``key=value`` without another sign of equality."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one() -> None:
        async with slots:
            payload = os.urandom(16).hex() + "=" + os.urandom(size // 2 - 17).hex()
            before = (await client.status()).height
            await client.broadcast(payload.encode())
            while (await client.status()).height <= before:
                await asyncio.sleep(LOOK_S)

    await asyncio.gather(*(one() for _ in range(count)))


async def _ordered(directory: Path, clients: list[EngineClient]) -> None:
    """Wait until no pool has anything left."""
    for client in clients:
        while await client.waiting():
            await asyncio.sleep(LOOK_S)
