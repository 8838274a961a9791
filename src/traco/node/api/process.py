"""The API process: reads snapshots of the store, passes transactions to the ledger process, serves HTTP on loopback."""

import hashlib
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import uvicorn

from traco.client.keystore import KeyStore
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.composition import compose
from traco.node.api.app import make_app
from traco.node.api.fingerprints import fingerprint_route
from traco.node.api.reads import Reads
from traco.node.directory import FINGERPRINT_KEY, FINGERPRINT_KEYS_FILE, FINGERPRINT_LOG, LEDGER_FILE, read_genesis
from traco.node.ledger import wall_clock_ms
from traco.node.link import ApiEnd
from traco.services.doc.fingerprint import FingerprintKey
from traco.services.doc.service import FingerprintService, RateLimit, RequestLog
from traco.storage import SnapshotReader

RATE: Final = RateLimit(burst=200, interval_ms=100)  # per caller: 200 at once, then ten a second
SECRET_MESSAGE: Final = b"traco/fingerprint-secret/1/"


class ApiSettings(NamedTuple):
    """What the API process is given; it travels over a pipe, never on a command line."""

    directory: str
    host: str
    port: int
    passphrase: str


def run_api(settings: ApiSettings, connection: socket.socket) -> None:
    """The life of the API process: until the ledger process ends it."""
    logging.basicConfig(level=logging.WARNING)
    directory = Path(settings.directory)
    genesis = read_genesis(directory)
    founding = parse_genesis(genesis)
    network, registry, link = network_id(founding), compose(), ApiEnd()
    reads = Reads(SnapshotReader(directory / LEDGER_FILE), registry)
    fingerprints = fingerprint_route(_fingerprint_service(directory, settings.passphrase, network))

    app = make_app(
        link, reads, registry, genesis, network, founding.kernel_parameters(), [_connecting(link, connection)],
        [fingerprints],
    )  # fmt: skip
    server = uvicorn.Config(app, settings.host, settings.port, log_level="warning", access_log=False, lifespan="on")
    uvicorn.Server(server).run()


def _connecting(link: ApiEnd, connection: socket.socket) -> Callable[[], Awaitable[None]]:
    async def connect() -> None:
        await link.connect(connection)

    return connect


def _fingerprint_service(directory: Path, passphrase: str, network: bytes) -> FingerprintService:
    """The service with the node's key. The secret of a key version is derived from a signature, which is unique
    for ed25519, so that one key in one encrypted file is all that has to be kept."""
    with KeyStore.open(directory / FINGERPRINT_KEYS_FILE, passphrase) as keys:
        signer = keys.signer(FINGERPRINT_KEY)
    version = 1
    secret = hashlib.sha256(signer.sign(SECRET_MESSAGE + str(version).encode())).digest()
    return FingerprintService(
        network=network, keys=[FingerprintKey(version, secret)], signer=signer, clock_ms=wall_clock_ms,
        limit=RATE, log=RequestLog(directory / FINGERPRINT_LOG),
    )  # fmt: skip
