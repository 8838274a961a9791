"""The API process: reads snapshots of the store, passes transactions to the ledger process, serves HTTP on loopback."""

import hashlib
import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import uvicorn

from traco.client.keystore import KeyStore
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.composition import compose
from traco.node.api.app import make_app
from traco.node.api.fingerprints import fingerprint_route
from traco.node.api.patience import PatientProtocol
from traco.node.api.reads import Reads
from traco.node.directory import (
    FINGERPRINT_KEY,
    FINGERPRINT_KEYS_FILE,
    FINGERPRINT_LOG,
    LEDGER_FILE,
    NODE_LOG,
    read_genesis,
)
from traco.node.ledger import wall_clock_ms
from traco.node.link import ApiEnd
from traco.node.verifiers import leave_signals_to_parent
from traco.services.doc.fingerprint import FingerprintKey
from traco.services.doc.service import FingerprintService, RateLimit, RequestLog
from traco.storage import SnapshotReader

RATE: Final = RateLimit(burst=200, interval_ms=100)  # per caller: 200 at once, then ten a second
OVERALL_RATE: Final = RateLimit(
    burst=2_000, interval_ms=10
)  # all callers: 2,000 at once, then a hundred a second
SECRET_MESSAGE: Final = b"traco/fingerprint-secret/1/"
MAX_REQUESTS: Final = 512  # at once; what comes beyond them is told to come back
STOP_SECONDS: Final = 2  # for answers on their way when the node stops


class ApiSettings(NamedTuple):
    """What the API process is given; it travels over a pipe, never on a command line."""

    directory: str
    passphrase: str


class ApiServer(uvicorn.Server):
    """A server that leaves signals alone and ends when ``should_exit`` is set."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """No signal handlers: the ledger process stops this one, after it has stopped itself."""
        yield


def run_api(settings: ApiSettings, connection: socket.socket, listener: socket.socket) -> None:
    """The life of the API process: until the ledger process closes the connection, however it ends."""
    leave_signals_to_parent()
    directory = Path(settings.directory)
    logging.basicConfig(
        filename=directory / NODE_LOG,
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    with connection, listener:
        try:
            _serve(directory, settings.passphrase, connection, listener)
        except BaseException as error:
            logging.getLogger("traco.api").critical("the API process ends: %r", error, exc_info=error)
            raise


def _serve(directory: Path, passphrase: str, connection: socket.socket, listener: socket.socket) -> None:
    genesis = read_genesis(directory)
    founding = parse_genesis(genesis)
    network, registry = network_id(founding), compose()
    reads = Reads(SnapshotReader(directory / LEDGER_FILE, network), registry)
    fingerprints = fingerprint_route(_fingerprint_service(directory, passphrase, network))

    def end() -> None:
        server.should_exit = True

    link = ApiEnd(on_gone=end)

    async def connect() -> None:
        await link.connect(connection)

    app = make_app(
        link,
        reads,
        registry,
        genesis,
        network,
        founding.kernel_parameters(),
        [connect],
        [link.close],
        [fingerprints],
    )
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="on", ws="none", http=PatientProtocol, proxy_headers=False,
        server_header=False, limit_concurrency=MAX_REQUESTS, timeout_graceful_shutdown=STOP_SECONDS,
    )  # fmt: skip
    server = ApiServer(config)
    server.run(sockets=[listener])


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
