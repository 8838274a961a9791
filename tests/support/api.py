"""A whole node in one process: ledger, link and REST interface over a directory, asked through Litestar's test client."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from litestar import Litestar
from litestar.testing import TestClient

from traco.client.keystore import KeyStore
from traco.client.keystore_file import Cost
from traco.client.signer import Signer
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.composition import compose
from traco.node.api.app import make_app
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.channels import channel_routes, confirmations
from traco.node.api.concerns import CONCERNS_FILE, Concerns
from traco.node.api.fingerprints import fingerprint_route
from traco.node.api.inside import Inside
from traco.node.api.process import _fingerprint_service
from traco.node.api.reads import Reads
from traco.node.api.reports import report_routes
from traco.node.api.settings import AccessSettings
from traco.node.channels.keyring import SEATS_FILE, read_seats
from traco.node.channels.link import ChannelsEnd
from traco.node.channels.worker import ChannelWorker
from traco.node.clock import wall_clock_ms
from traco.node.configuration import NodeConfig
from traco.node.directory import (
    KEYS_FILE,
    LEDGER_FILE,
    MEMBER_KEY,
    NODE_KEY,
    SEAL_KEY,
    create,
    founding_member,
)
from traco.node.ledger import LedgerNode
from traco.node.link import ApiEnd, LedgerEnd
from traco.node.projector import open_projections
from traco.projections.database import ProjectionDatabase
from traco.projections.projection import Projection
from traco.storage import SnapshotReader

CHEAP = Cost(memory_kib=8, passes=1, lanes=1)
PASSPHRASE = "words for a test"
URL = "http://127.0.0.1"
Purpose = Literal["development", "test", "production"]


class WholeNode(NamedTuple):
    """A client of a node, and what a test needs to sign for its founding member."""

    client: TestClient[Litestar]
    network: bytes
    member: bytes
    signer: Signer
    app: Litestar
    node: bytes  # the node's public key
    reads: Reads
    projections: ProjectionDatabase | None

    def project(self) -> None:
        """Bring the projections up to the ledger, which nothing does by itself here."""
        assert self.projections is not None
        Projection(self.reads.reader, self.reads.registry, self.projections).catch_up()


def make_directory(directory: Path, port: int = 7_470, purpose: Purpose = "development") -> bytes:
    """A node's directory with cheap keys; its genesis."""
    create(
        directory, PASSPHRASE, name="Test", operator="Example Operator Ltd", purpose=purpose,
        time_ms=wall_clock_ms(), config=NodeConfig(port=port, verifiers=1), cost=CHEAP,
    )  # fmt: skip
    return (directory / "genesis.json").read_bytes()


@contextmanager
def whole_node(
    directory: Path, purpose: Purpose = "development", *, genesis: bytes = b"", seats: tuple[bytes, ...] = (),
    **access: Any,
) -> Generator[WholeNode, None, None]:  # fmt: skip
    """The node runs in the event loop of the application's own test client; ``access``: of ``AccessSettings``,
    or functions of the founding member's id. ``genesis``: of a directory that was made already; ``seats``: members whose
    channel business it does, with the keys in the directory."""
    genesis = genesis or make_directory(directory, purpose=purpose)
    member = founding_member(genesis)
    with KeyStore.open(directory / KEYS_FILE, PASSPHRASE) as keys:
        node = LedgerNode(directory, genesis, member, keys.signer(NODE_KEY), keys.signer(SEAL_KEY), _alarm, 1)
        signer, node_key = keys.signer(MEMBER_KEY), keys.signer(NODE_KEY).public_key
    founding, registry, link = parse_genesis(genesis), compose(), ApiEnd()
    network = network_id(founding)
    reader = SnapshotReader(directory / LEDGER_FILE, network)
    tasks: list[asyncio.Task[None]] = []
    own_link, workers, serving = ApiEnd(), list[ChannelWorker](), list[asyncio.Task[None]]()

    async def start() -> None:
        near, far = socket.socketpair()
        tasks.append(await node.start())
        tasks.append(
            asyncio.create_task(
                LedgerEnd(node.gateway, node.sealed, node.figures, light=node.light).serve(near)
            )
        )
        await link.connect(far)
        if seats:
            tasks.append(await start_worker())

    async def start_worker() -> "asyncio.Task[None]":
        near, far = socket.socketpair()
        serving.append(asyncio.create_task(LedgerEnd(node.gateway, node.sealed, node.figures).serve(near)))
        await own_link.connect(far)
        secrets = read_seats(directory / SEATS_FILE, PASSPHRASE, seats)
        workers.append(ChannelWorker(directory, secrets, own_link, _alarm, wall_clock_ms))
        await workers[0].start({})
        return asyncio.create_task(workers[0].run())

    async def stop() -> None:
        await link.close()
        await own_link.close()
        await asyncio.gather(*serving)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in workers:
            await worker.close()
        await node.finish()

    service = _fingerprint_service(directory, PASSPHRASE, network)

    def height() -> int:
        with reads.snapshot() as snapshot:
            return snapshot.height

    config = NodeConfig()
    projections = open_projections(directory, network, config)
    inside = Inside(directory, config, link, height, projections)
    concerns = Concerns(directory / CONCERNS_FILE, registry)
    reads = Reads(reader, registry, concerns)
    limits = founding.kernel_parameters()
    channels = ChannelReads(directory, reads, network, limits, seats)
    access = {name: value(member) if callable(value) else value for name, value in access.items()}
    settings = AccessSettings(node=node_key, purpose=purpose, **{"operators": frozenset((member,)), **access})
    app = make_app(
        link, reads, registry, genesis, network, founding.kernel_parameters(), [start],
        [inside.stop, stop],
        [
            fingerprint_route(service), *inside.routes, *report_routes(reads, projections),
            *channel_routes(
                channels, ChannelsEnd(directory), limits.max_transaction_bytes, confirmations(link, reads)
            ),
        ],
        access=settings,
    )  # fmt: skip
    try:
        with TestClient(app, base_url=URL, raise_server_exceptions=False) as client:
            yield WholeNode(client, network, member, signer, app, node_key, reads, projections)
    finally:
        channels.close()
        concerns.close()
        reader.close()
        node.stop()
        service._log.close()


def _alarm(kind: str, identity: bytes, error: BaseException) -> None:
    raise AssertionError(f"{kind} in {identity.hex()}") from error
