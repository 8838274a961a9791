"""Figures over REST against a real node process: latency of one transfer when idle, rate with many clients, receipts."""

import asyncio
import os
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from bench.load import CHUNK
from bench.machine import percentile
from bench.market import Market, describe, opened, signed, signer
from traco.client.access import make_token, new_grant
from traco.client.keystore import Cost, KeyStore
from traco.kernel.crypto import Scheme
from traco.kernel.finality import verify_receipt
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.holding.messages import Transfer
from traco.node.clock import wall_clock_ms
from traco.node.configuration import CONFIG_FILE, NodeConfig, encode_config
from traco.node.directory import (
    FINGERPRINT_KEY,
    FINGERPRINT_KEYS_FILE,
    GENESIS_FILE,
    KEYS_FILE,
    NODE_KEY,
    SEAL_KEY,
)

PASSPHRASE: Final = "benchmark"  # noqa: S105 -- protects nothing: the keys are derived from published names
PORT: Final = 7_479
CHEAP: Final = Cost(memory_kib=1_024, passes=1, lanes=1)


def prepare(directory: Path) -> tuple[bytes, int]:
    """Make a filled directory one that a node can be started in."""
    genesis, accounts = opened(directory)
    (directory / GENESIS_FILE).write_bytes(genesis)
    (directory / CONFIG_FILE).write_bytes(encode_config(NodeConfig(port=PORT)))
    for file, names in ((KEYS_FILE, (NODE_KEY, SEAL_KEY)), (FINGERPRINT_KEYS_FILE, (FINGERPRINT_KEY,))):
        (directory / file).unlink(missing_ok=True)
        with KeyStore.create(directory / file, PASSPHRASE, CHEAP) as keys:
            for name in names:
                keys.add(name, Scheme.ED25519, seed(name), (name,))
    return genesis, accounts


def token_of(market: Market, owner: int = 0) -> str:
    """An access token of an owner, who may submit; the market's network is one that answers nobody without."""
    grant = new_grant(
        market.network, signer("node").public_key, market.owners[owner], "submit", wall_clock_ms()
    )
    return make_token(grant, market.signers[owner])


def operator_token(market: Market) -> str:
    """An access token of the member that runs the node, who may read everything."""
    grant = new_grant(market.network, signer("node").public_key, market.member, "submit", wall_clock_ms())
    return make_token(grant, market.member_signer)


def seed(name: str) -> bytes:
    """The seed of the benchmark's key of this name, as in ``market``."""
    return sha256(b"bench " + name.encode()).digest()


class Load:
    """Signed transfers for a market, each with its own salt."""

    def __init__(self, market: Market) -> None:
        self._market, self._number = market, 0

    def transfer(self) -> bytes:
        """The next one: account ``n`` pays account ``n + 1``."""
        market, number = self._market, self._number
        self._number += 1
        sender = number % (market.accounts - 1)
        owner = sender % len(market.owners)
        message = Transfer(
            market.owners[owner], market.cash, market.account(sender), market.account(sender + 1), 1, b""
        )
        until = wall_clock_ms() + 240_000
        return signed(market.network, (message,), (market.signers[owner],), until, os.urandom(16))


async def measure(directory: Path, idle: int, seconds: float) -> dict[str, float]:
    """All REST figures on a filled directory."""
    genesis, accounts = prepare(directory)
    market = describe(genesis, network_id(parse_genesis(genesis)), accounts)
    environment = {**os.environ, "TRACO_PASSPHRASE": PASSPHRASE}
    command = [sys.executable, "-m", "traco.cli", "node", "start", str(directory)]
    node = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=60) as client:
            await _ready(client, node)
            client.headers["authorization"] = f"Bearer {operator_token(market)}"
            await _projected(client)
            load = Load(market)
            return {
                **await _idle(client, load, idle), **await _many(client, load, seconds),
                **await _receipt(client, load, genesis),
            }  # fmt: skip
    finally:
        node.terminate()
        node.wait(30)


async def _ready(client: httpx.AsyncClient, node: "subprocess.Popen[bytes]") -> None:
    while node.poll() is None:
        try:
            if (await client.get("/v1/status")).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.05)
    raise RuntimeError("the node did not start; see node.log in its directory")


async def _projected(client: httpx.AsyncClient) -> None:
    """Until projections have everything: a node that was filled by other means has a lot to catch up with."""
    while True:
        progress = (await client.get("/v1/health/progress")).json()
        if progress["projected_height"] == progress["ledger"]["height"]:
            return
        await asyncio.sleep(0.1)


async def _submit(client: httpx.AsyncClient, raw: bytes) -> dict[str, Any]:
    answer = await client.post(
        "/v1/transactions", content=raw, headers={"content-type": "application/octet-stream"}
    )
    result: dict[str, Any] = answer.json()
    if result.get("status") != "final":
        raise RuntimeError(f"a transaction of the load was not final: {result}")
    return result


async def _idle(client: httpx.AsyncClient, load: Load, count: int) -> dict[str, float]:
    """One transfer at a time, from request until final."""
    taken = []
    for _ in range(count):
        raw = load.transfer()
        start = time.perf_counter()
        await _submit(client, raw)
        taken.append((time.perf_counter() - start) * 1e3)
    return {"rest_transfer_p50_ms": percentile(taken, 50), "rest_transfer_p99_ms": percentile(taken, 99)}


async def _many(client: httpx.AsyncClient, load: Load, seconds: float) -> dict[str, float]:
    """Batches of 512 over 8 connections, as many as are answered in ``seconds``."""
    batches = [
        msgspec.msgpack.encode([load.transfer() for _ in range(CHUNK)]) for _ in range(int(20 * seconds))
    ]
    waiting, done = iter(batches), 0
    begun = time.perf_counter()

    async def work() -> None:
        nonlocal done
        for batch in waiting:
            answer = await client.post("/v1/transactions/batch", content=batch)
            results = answer.json()
            if any(result["status"] != "final" for result in results):
                raise RuntimeError("a transaction of the load was not final")
            done += len(results)
            if time.perf_counter() - begun > seconds:
                return

    await asyncio.gather(*(work() for _ in range(8)))
    return {"rest_transfers_per_second": done / (time.perf_counter() - begun)}


async def _receipt(client: httpx.AsyncClient, load: Load, genesis: bytes) -> dict[str, float]:
    """Size of a receipt and time to verify it, the genesis read each time as a stranger would."""
    result = await _submit(client, load.transfer())
    raw = (await client.get(f"/v1/transactions/{result['id']}/receipt")).content
    taken = []
    for _ in range(200):
        start = time.perf_counter()
        verify_receipt(raw, genesis)
        taken.append((time.perf_counter() - start) * 1e3)
    return {"receipt_bytes": len(raw), "receipt_verify_ms": percentile(taken, 50)}
