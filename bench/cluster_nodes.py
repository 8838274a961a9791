"""A network of real nodes on this machine that is measured: founded, started, its processor time counted, stopped."""

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from bench.connections import Connection
from bench.node_process import UNLIMITED, json_of
from traco.client.keystore import Cost
from traco.node.clock import wall_clock_ms
from traco.node.configuration import CONFIG_FILE, ProjectionsConfig, encode_config, read_config
from traco.node.founding.local import PASSPHRASE_FILE, LocalNetwork, LocalPlan, make_local

CHEAP: Final = Cost(memory_kib=1_024, passes=1, lanes=1)
START_SECONDS: Final = 120.0
STOP_SECONDS: Final = 60.0
LOOK_S: Final = 0.1
OK: Final = 200


class ClusterNodes:
    """Nodes in ``directory``, made anew, as an asynchronous context. ``projections`` run on the first one only."""

    def __init__(
        self, directory: Path, validators: int, observers: int = 0, *, projections: bool = True
    ) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        directory.parent.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        plan = LocalPlan(validators, observers, wall_clock_ms(), name="bench")
        network, _ = make_local(directory, plan, cost=CHEAP)
        self.network: LocalNetwork = network
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for number, node in enumerate(network.nodes):
            self._configure(directory / node.name, projections=projections and number == 0)

    def _configure(self, directory: Path, *, projections: bool) -> None:
        config = msgspec.structs.replace(
            read_config(directory), limits=UNLIMITED, projections=ProjectionsConfig(enabled=projections)
        )
        (directory / CONFIG_FILE).write_bytes(encode_config(config))

    def configure_engine(self, name: str, **changes: int | bool) -> None:
        """Change a node's engine settings, as of its next start."""
        directory = self.directory / name
        config = read_config(directory)
        config = msgspec.structs.replace(config, engine=msgspec.structs.replace(config.engine, **changes))
        (directory / CONFIG_FILE).write_bytes(encode_config(config))

    @property
    def validators(self) -> list[str]:
        """The names of those that order."""
        return [node.name for node in self.network.nodes if node.role == "validator"]

    @property
    def observers(self) -> list[str]:
        """The names of those that follow; they are not started by themselves."""
        return [node.name for node in self.network.nodes if node.role == "observer"]

    @property
    def passphrase(self) -> str:
        """That of all key stores."""
        return (self.directory / PASSPHRASE_FILE).read_text().strip()

    async def __aenter__(self) -> Self:
        for name in self.validators:
            self.start(name)
        try:
            for name in self.validators:
                await self.ready(name)
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str) -> None:
        """Start one node; it writes its last words to ``NAME.out``."""
        command = [
            sys.executable, "-m", "traco.cli", "node", "start", str(self.directory / name), "--passphrase-file",
            str(self.directory / PASSPHRASE_FILE),
        ]  # fmt: skip
        with (self.directory / f"{name}.out").open("wb") as out:
            self._processes[name] = subprocess.Popen(  # noqa: S603 -- our own program
                command, stdout=out, stderr=out, start_new_session=True
            )

    def stop(self) -> None:
        """Stop all, and wait until they have."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            process.wait(STOP_SECONDS)
        self._processes.clear()

    def stop_one(self, name: str) -> None:
        """Stop one, and wait until it has."""
        process = self._processes.pop(name)
        process.terminate()
        process.wait(STOP_SECONDS)

    def process(self, name: str) -> int:
        """The process of a node, which has others below it."""
        return self._processes[name].pid

    async def connection(self, name: str) -> Connection:
        """A connection to a node; networks for development answer without tokens on this machine."""
        return await Connection.open(self.port(name))

    def port(self, name: str) -> int:
        """The port of a node's REST interface."""
        return next(node.port for node in self.network.nodes if node.name == name)

    async def ready(self, name: str) -> float:
        """Wait until a node is ready; how many seconds that took. Raises ``RuntimeError``."""
        begun = time.perf_counter()
        while time.perf_counter() - begun < START_SECONDS:
            if self._processes[name].poll() is not None:
                raise RuntimeError(f"{name} ended: {(self.directory / f'{name}.out').read_text()}")
            try:
                connection = await self.connection(name)
                answer = await connection.get("/v1/health/ready")
                await connection.close()
                if answer.status == OK:
                    return time.perf_counter() - begun
            except OSError:
                pass  # nobody listens yet
            await asyncio.sleep(LOOK_S)
        raise RuntimeError(f"{name} was not ready in {START_SECONDS:.0f} s")

    async def height(self, name: str) -> int:
        """How far a node's ledger is."""
        connection = await self.connection(name)
        found = json_of(await connection.get("/v1/status"))
        await connection.close()
        return int(found["height"])

    def processor_seconds(self) -> float:
        """Processor time that all processes of all nodes have used so far."""
        return processor_seconds(*(process.pid for process in self._processes.values()))


def processor_seconds(*roots: int) -> float:
    """Processor time (user and system) of these processes and all below them, those that ended included."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = dict(_stats())
    children: dict[int, list[int]] = {}
    for process, (parent, _) in found.items():
        children.setdefault(parent, []).append(process)
    waiting, total = list(roots), 0
    while waiting:
        process = waiting.pop()
        total += found.get(process, (0, 0))[1]
        waiting += children.get(process, [])
    return total / ticks


def _stats() -> Iterator[tuple[int, tuple[int, int]]]:
    """Every process with its parent and its ticks, those of children that it waited for included."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended meanwhile
            yield int(entry.name), (int(fields[1]), sum(map(int, fields[11:15])))
