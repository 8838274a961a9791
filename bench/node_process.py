"""A node that is measured: a real process over a filled market, its load clients with tokens of the market's owners."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from bench.connections import Answer, Connection
from bench.market import Market, describe
from bench.rest import PASSPHRASE, PORT, operator_token, prepare, token_of
from traco.kernel.genesis import network_id, parse_genesis
from traco.node.api.settings import ApiLimits
from traco.node.configuration import CONFIG_FILE, NodeConfig, ProjectionsConfig, encode_config

MANY: Final = 1_000_000
UNLIMITED: Final = ApiLimits(
    requests_per_second=MANY, request_burst=MANY, anonymous_per_second=MANY, anonymous_burst=MANY
)
START_SECONDS: Final = 180.0
OK: Final = 200
PROJECTIONS_FILE: Final = "projections.db"


class Node:
    """A node process over a market's directory, as an asynchronous context. It starts without old projections."""

    def __init__(self, directory: Path, *, projections: bool, limits: ApiLimits = UNLIMITED) -> None:
        genesis, accounts = prepare(directory)
        self.directory = directory
        self.market: Market = describe(genesis, network_id(parse_genesis(genesis)), accounts)
        config = NodeConfig(port=PORT, limits=limits, projections=ProjectionsConfig(enabled=projections))
        (directory / CONFIG_FILE).write_bytes(encode_config(config))
        self.start_seconds = 0.0

    async def __aenter__(self) -> Self:
        environment = {**os.environ, "TRACO_PASSPHRASE": PASSPHRASE}
        command = [sys.executable, "-m", "traco.cli", "node", "start", str(self.directory)]
        begun = time.perf_counter()
        self._process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
        try:
            await self._ready()
        except BaseException:
            self._stop()
            raise
        self.start_seconds = time.perf_counter() - begun
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)

    async def _ready(self) -> None:
        """Until it takes business."""
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                connection = await Connection.open(PORT)
                try:
                    if (await connection.get("/v1/status")).status == OK:
                        return
                finally:
                    await connection.close()
            except (OSError, asyncio.IncompleteReadError):
                pass
            await asyncio.sleep(0.02)
        raise RuntimeError(f"the node did not start; see node.log in {self.directory}")

    async def connection(self, owner: int = 0) -> Connection:
        """A connection with the token of an owner, who may submit."""
        return await Connection.open(PORT, token_of(self.market, owner % len(self.market.owners)))

    async def operator(self) -> Connection:
        """A connection of the member that runs the node."""
        return await Connection.open(PORT, operator_token(self.market))

    async def heights(self, connection: Connection) -> tuple[int, int]:
        """How far the ledger is, and how far its projections are."""
        progress: Any = json_of(await connection.get("/v1/health/progress"))
        projected = progress["projected_height"]
        return int(progress["ledger"]["height"]), -1 if projected is None else int(projected)


def json_of(answer: Answer) -> dict[str, Any]:
    """The JSON object of a good answer. Raises ``RuntimeError``."""
    if answer.status != OK:
        raise RuntimeError(f"the node answered {answer.status}: {answer.content[:500]!r}")
    document: dict[str, Any] = msgspec.json.decode(answer.content)
    return document
