"""A whole node in one process: ledger, link and REST interface over a directory, asked through Litestar's test client."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from litestar import Litestar
from litestar.testing import TestClient

from traco.client.keystore import KeyStore
from traco.client.keystore_file import Cost
from traco.client.signer import Signer
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.composition import compose
from traco.node.api.app import make_app
from traco.node.api.fingerprints import fingerprint_route
from traco.node.api.process import _fingerprint_service
from traco.node.api.reads import Reads
from traco.node.directory import (
    KEYS_FILE,
    LEDGER_FILE,
    MEMBER_KEY,
    NODE_KEY,
    SEAL_KEY,
    NodeConfig,
    create,
    founding_member,
)
from traco.node.ledger import LedgerNode, wall_clock_ms
from traco.node.link import ApiEnd, LedgerEnd
from traco.storage import SnapshotReader

CHEAP = Cost(memory_kib=8, passes=1, lanes=1)
PASSPHRASE = "words for a test"
URL = "http://127.0.0.1"


class WholeNode(NamedTuple):
    """A client of a node, and what a test needs to sign for its founding member."""

    client: TestClient[Litestar]
    network: bytes
    member: bytes
    signer: Signer
    app: Litestar


def make_directory(directory: Path, port: int = 7_470) -> bytes:
    """A node's directory with cheap keys; its genesis."""
    create(
        directory, PASSPHRASE, name="Test", operator="Example Operator Ltd", purpose="test",
        time_ms=wall_clock_ms(), config=NodeConfig(port=port, verifiers=1), cost=CHEAP,
    )  # fmt: skip
    return (directory / "genesis.json").read_bytes()


@contextmanager
def whole_node(directory: Path) -> Generator[WholeNode, None, None]:
    """The node runs in the event loop of the application's own test client."""
    genesis = make_directory(directory)
    member = founding_member(genesis)
    with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
        node = LedgerNode(directory, genesis, member, keys.signer(NODE_KEY), keys.signer(SEAL_KEY), _alarm, 1)
        signer = keys.signer(MEMBER_KEY)
    founding, registry, link = parse_genesis(genesis), compose(), ApiEnd()
    network = network_id(founding)
    reader = SnapshotReader(directory / LEDGER_FILE, network)
    tasks: list[asyncio.Task[None]] = []

    async def start() -> None:
        near, far = socket.socketpair()
        tasks.append(await node.start())
        tasks.append(asyncio.create_task(LedgerEnd(node.gateway, node.sealed).serve(near)))
        await link.connect(far)

    async def stop() -> None:
        await link.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await node.finish()

    service = _fingerprint_service(directory, PASSPHRASE, network)
    app = make_app(
        link, Reads(reader, registry), registry, genesis, network, founding.kernel_parameters(), [start], [stop],
        [fingerprint_route(service)],
    )  # fmt: skip
    try:
        with TestClient(app, base_url=URL, raise_server_exceptions=False) as client:
            yield WholeNode(client, network, member, signer, app)
    finally:
        reader.close()
        node.stop()
        service._log.close()


def _alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise AssertionError(f"{kind} in {identity.hex()}") from error
