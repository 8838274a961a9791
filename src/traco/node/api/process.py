"""The API process: reads snapshots of the store, passes transactions to the ledger process, serves HTTP,
with TLS where other machines reach it."""

import hashlib
import logging
import socket
from pathlib import Path
from typing import Any, Final

import uvicorn

from traco.client.keystore import KeyStore
from traco.kernel.genesis import network_id, parse_genesis
from traco.kernel.instruction import KernelParameters
from traco.modules.composition import compose
from traco.node.api.app import make_app
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.channels import channel_routes, confirmations
from traco.node.api.concerns import CONCERNS_FILE, Concerns
from traco.node.api.fingerprints import fingerprint_route
from traco.node.api.guard import MAX_HEADER_BYTES
from traco.node.api.inside import Inside
from traco.node.api.patience import PatientProtocol
from traco.node.api.reads import Reads
from traco.node.api.reports import report_routes
from traco.node.api.serving import OwnServer
from traco.node.api.settings import AccessSettings
from traco.node.api.tls import find_certificate
from traco.node.channels.hosting import hosted_members
from traco.node.channels.link import ChannelsEnd
from traco.node.child import ApiSettings
from traco.node.clock import wall_clock_ms
from traco.node.configuration import NodeConfig
from traco.node.directory import (
    FINGERPRINT_KEY,
    FINGERPRINT_KEYS_FILE,
    FINGERPRINT_LOG,
    LEDGER_FILE,
    read_genesis,
)
from traco.node.founding.acceptance import own_member
from traco.node.link import ApiEnd
from traco.node.logs import log_to
from traco.node.projector import open_projections
from traco.node.service import name_process
from traco.node.verifiers import leave_signals_to_parent
from traco.services.doc.fingerprint import FingerprintKey
from traco.services.doc.service import FingerprintService, RateLimit, RequestLog
from traco.storage import SnapshotReader

RATE: Final = RateLimit(burst=200, interval_ms=100)  # per caller: 200 at once, then ten a second
OVERALL_RATE: Final = RateLimit(
    burst=2_000, interval_ms=10
)  # all callers: 2,000 at once, then a hundred a second
SECRET_MESSAGE: Final = b"traco/fingerprint-secret/1/"
STOP_SECONDS: Final = 2  # for answers on their way when the node stops


def access_settings(
    config: NodeConfig, purpose: str, node: bytes, member: bytes, host_names: tuple[str, ...] | None
) -> AccessSettings:
    """Who may ask the node, by its configuration. ``member``, who founded the network and runs the node, is an operator.

    ``host_names`` are those of its certificate; None where it has none.
    """
    return AccessSettings(
        node=node, purpose=purpose, host=config.host, tls=host_names is not None, host_names=host_names or (),
        operators=frozenset((member, *map(bytes.fromhex, config.operators))),
        auditors=frozenset(map(bytes.fromhex, config.auditors)), limits=config.limits,
    )  # fmt: skip


def run_api(
    connection: socket.socket, settings: ApiSettings, listener: socket.socket, metrics_listener: socket.socket | None
) -> None:  # fmt: skip
    """The life of the API process: until the ledger process closes the connection, however it ends."""
    leave_signals_to_parent()
    name_process("traco-api")
    directory = Path(settings.directory)
    log_to(directory, settings.config.log)
    with connection, listener:
        try:
            _serve(settings, connection, listener, metrics_listener)
        except BaseException as error:
            logging.getLogger("traco.api").critical("the API process ends: %r", error, exc_info=error)
            raise


def _serve(
    settings: ApiSettings, connection: socket.socket, listener: socket.socket, metrics_listener: socket.socket | None
) -> None:  # fmt: skip
    directory = Path(settings.directory)
    genesis = read_genesis(directory)
    founding = parse_genesis(genesis)
    network, registry = network_id(founding), compose()
    reads = Reads(
        SnapshotReader(directory / LEDGER_FILE, network), registry, Concerns(directory / CONCERNS_FILE, registry)
    )  # fmt: skip
    certificate = find_certificate(directory, settings.config)
    access = access_settings(
        settings.config, founding.purpose, settings.node, own_member(directory),
        None if certificate is None else certificate.names,
    )  # fmt: skip
    fingerprints = fingerprint_route(_fingerprint_service(directory, settings.passphrase, network))
    projections = open_projections(directory, network, settings.config)

    def end() -> None:
        server.should_exit = True
        app.state.following.heads.stop()

    link = ApiEnd(on_gone=end)
    channels = _channel_routes(directory, settings.config, link, reads, network, founding.kernel_parameters())

    def height() -> int:
        with reads.snapshot() as snapshot:
            return snapshot.height

    def first_height() -> int:
        with reads.snapshot() as snapshot:
            return snapshot.first_height

    inside = Inside(directory, settings.config, link, height, projections, metrics_listener, first_height)

    async def connect() -> None:
        await link.connect(connection)
        await link.ready()  # the socket listens already: whoever connects from now on is answered

    app = make_app(
        link,
        reads,
        registry,
        genesis,
        network,
        founding.kernel_parameters(),
        [connect, inside.start],
        [inside.stop, link.close],
        [fingerprints, *inside.routes, *report_routes(reads, projections), *channels],
        access=access,
    )
    inside.observe(app)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", http=PatientProtocol, proxy_headers=False,
        server_header=False, limit_concurrency=access.limits.requests_at_once_all + access.limits.streams_all,
        timeout_graceful_shutdown=STOP_SECONDS, h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        ssl_context_factory=None if certificate is None else lambda _config, _make: certificate.context(),
    )  # fmt: skip
    server = OwnServer(config)
    server.run(sockets=[listener])


def _channel_routes(
    directory: Path, config: NodeConfig, link: ApiEnd, reads: Reads, network: bytes, limits: KernelParameters
) -> list[Any]:
    channels = ChannelReads(directory, reads, network, limits, hosted_members(directory, config))
    end, largest = ChannelsEnd(directory), limits.max_transaction_bytes
    return channel_routes(channels, end, largest, confirmations(link, reads))


def _fingerprint_service(directory: Path, passphrase: str, network: bytes) -> FingerprintService:
    """The service with the node's key. The secret of a key version is derived from a signature, which is unique
    for ed25519, so that one key in one encrypted file is all that has to be kept."""
    with KeyStore.open(directory / FINGERPRINT_KEYS_FILE, passphrase) as keys:
        signer = keys.signer(FINGERPRINT_KEY)
    version = 1
    secret = hashlib.sha256(signer.sign(SECRET_MESSAGE + str(version).encode())).digest()
    return FingerprintService(
        network=network, keys=[FingerprintKey(version, secret)], signer=signer, clock_ms=wall_clock_ms,
        limit=RATE, overall=OVERALL_RATE, log=RequestLog(directory / FINGERPRINT_LOG),
    )  # fmt: skip
