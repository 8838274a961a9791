"""Runs a node: the ledger in this process, the API in another; watches both and stops them in order."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, NamedTuple

from traco.client.keystore import KeyStore
from traco.kernel.errors import Halt, LedgerError
from traco.kernel.genesis import SIGNED_BY_VALIDATORS, network_id, parse_genesis
from traco.node.api.tls import find_authorities, find_certificate
from traco.node.beside import API, keep_channels, keep_projector
from traco.node.child import ApiSettings, ChannelsSettings, ProjectorSettings, begin
from traco.node.configuration import NodeConfig
from traco.node.directory import (
    KEYS_FILE,
    NODE_KEY,
    PRIVATE_UMASK,
    SEAL_KEY,
    NodeDirectoryError,
    read_genesis,
    require_complete,
)
from traco.node.founding.acceptance import own_member, require_founding
from traco.node.ledger import LedgerNode
from traco.node.link import LedgerEnd
from traco.node.logs import log_to
from traco.node.service import name_process
from traco.node.tracing import Tracer, make_tracer
from traco.projections.files import SQLITE_FILE, make_private
from traco.storage import DirectoryLock

API_RESTARTS: Final = (
    5  # an API process that dies more often in a row has a fault that a restart does not cure
)
API_STEADY_SECONDS: Final = 60.0  # an API process that lived so long ends the row
API_STOP_SECONDS: Final = 5.0
BACKLOG: Final = 256

log = logging.getLogger("traco.node")

Given = tuple[ApiSettings, socket.socket, socket.socket | None]
"""What an API process is given besides its link: settings, the socket of REST, that for Prometheus."""


def run_node(
    directory: Path, passphrase: str, config: NodeConfig, on_ready: Callable[[int], None] = lambda _: None
) -> None:  # fmt: skip
    """Run until SIGTERM or SIGINT; ``on_ready`` is called once with the height, when the node answers.

    Raises ``Halt``, ``NodeDirectoryError``, ``KeyStoreError``.

    What is refused before the directory's lock is taken is not logged: the log is that of the node that has the lock.
    """
    os.umask(PRIVATE_UMASK)  # the processes that this one starts inherit it
    require_complete(directory)
    with DirectoryLock(directory):
        name_process("traco-ledger")
        log_to(directory, config.log)
        try:
            _run_node(directory, passphrase, config, on_ready)
        except (LedgerError, OSError) as error:
            log.critical("the node stops: %s", error)
            raise


def _run_node(
    directory: Path, passphrase: str, config: NodeConfig, on_ready: Callable[[int], None]
) -> None:  # fmt: skip
    genesis = read_genesis(directory)
    require_founding(directory, genesis)
    tracer = _check_surroundings(directory, genesis, config)
    with (
        KeyStore.open(directory / KEYS_FILE, passphrase) as keys,
        listening_socket(config.host, config.port) as listener,
        _metrics_socket(config) as metrics_listener,
    ):
        settings = ApiSettings(str(directory), passphrase, config, keys.signer(NODE_KEY).public_key)
        given = (settings, listener, metrics_listener)
        api = start_api(given)  # it gets itself ready while this process reads the state
        try:
            seal_key = (
                None if parse_genesis(genesis).seal.kind == SIGNED_BY_VALIDATORS else keys.signer(SEAL_KEY)
            )
            node = LedgerNode(
                directory, genesis, own_member(directory), keys.signer(NODE_KEY), seal_key, report_alarm,
                config.verifiers, config=config,
            )  # fmt: skip
        except BaseException:
            api.end()
            raise
        node.gateway.tracer = tracer
        try:
            asyncio.run(_run(node, given, api, on_ready))
        finally:
            api.end()
            node.stop()
            tracer.close()
    log.info("the node has stopped")


def _check_surroundings(directory: Path, genesis: bytes, config: NodeConfig) -> Tracer:
    """Find out now, with a text that says what to do, what would end the processes to be started. The ledger's tracer.

    Raises ``NodeDirectoryError``, ``ConfigurationInvalid``, ``AddressInvalid``.
    """
    find_certificate(directory, config)
    find_authorities(directory, config)
    _check_projections(directory, genesis, config)
    return make_tracer(config.tracing, "ledger")


def _check_projections(directory: Path, genesis: bytes, config: NodeConfig) -> None:
    """Where projections are to be kept must be possible. Raises ``AddressInvalid``."""
    if not config.projections.enabled:
        return
    if config.projections.url is None:
        make_private(str(directory / SQLITE_FILE))
        return
    projector = import_module(
        "traco.node.projector"
    )  # only here: nothing else in this process needs SQLAlchemy
    projector.open_projections(directory, network_id(parse_genesis(genesis)), config).close()


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket of the API, made once, so that clients can wait while the API process is started again.

    Raises ``NodeDirectoryError`` (``node.port_in_use``).
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named: asyncio switches Nagle's algorithm off only then, which else costs 40 ms an answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise NodeDirectoryError(
            "node.port_in_use",
            f"the node cannot listen on {host} port {port} ({error.strerror}); stop what uses the port, "
            "or choose another one in the configuration",
        ) from None
    return listener


def _metrics_socket(config: NodeConfig) -> contextlib.AbstractContextManager[socket.socket | None]:
    """The socket for Prometheus, where there is to be one. Raises ``NodeDirectoryError``."""
    if config.metrics.port is None or not config.metrics.enabled:
        return contextlib.nullcontext()
    return listening_socket("127.0.0.1", config.metrics.port)


def report_alarm(kind: str, identity: bytes, error: BaseException) -> None:
    """An alarm of the kernel: a bug in a handler or a broken invariant. The ledger goes on; people must look."""
    log.error("ALARM %s in transaction %s: %r", kind, identity.hex(), error, exc_info=error)


class ApiProcess(NamedTuple):
    """An API process and this side's end of its link; closing that tells it to end."""

    process: BaseProcess
    link: socket.socket

    def end(self) -> None:
        """Close the link and wait for the process; not for ever. Ending twice is harmless."""
        self.link.close()
        self.process.join(API_STOP_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def start_api(given: Given) -> ApiProcess:
    """Start an API process. It answers once ``LedgerEnd`` serves its link."""
    near, far = socket.socketpair()
    with far:
        process = multiprocessing.get_context("spawn").Process(
            target=begin, args=(API, far, *given), name="traco-api", daemon=True
        )
        process.start()
    return ApiProcess(process, near)


async def _run(node: LedgerNode, given: Given, first: ApiProcess, on_ready: Callable[[int], None]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    blocks = await node.start()
    api = asyncio.create_task(_keep_api(node, given, first, on_ready), name="traco-api")
    settings = ProjectorSettings(given[0].directory, given[0].config)
    projector = asyncio.create_task(keep_projector(settings), name="traco-projector")
    own = ChannelsSettings(given[0].directory, given[0].passphrase, given[0].config)
    channels = asyncio.create_task(keep_channels(node, own), name="traco-channels")
    stopped = asyncio.create_task(stopping.wait(), name="traco-stopping")
    log.info("ledger at height %d, %d envelopes recovered", node.application.info().height, node.recovered)
    await asyncio.wait((blocks, api, channels, stopped), return_when=asyncio.FIRST_COMPLETED)
    for task in (api, channels, projector, blocks, stopped):
        task.cancel()
    failures = await asyncio.gather(blocks, api, channels, projector, stopped, return_exceptions=True)
    await node.finish()
    for failure in failures:
        if isinstance(failure, BaseException) and not isinstance(failure, asyncio.CancelledError):
            raise failure


async def _keep_api(
    node: LedgerNode, given: Given, first: ApiProcess, on_ready: Callable[[int], None]
) -> None:
    """Answer the API process, and start another one if it dies. Raises ``Halt`` if that does not help."""
    loop = asyncio.get_running_loop()
    failures, announced = 0, False

    def announce() -> None:
        nonlocal announced
        if not announced:
            announced = True
            on_ready(node.application.info().height)

    api = first
    while failures < API_RESTARTS:
        begun = loop.time()
        code = await _answer_api(node, api, announce)
        failures = 1 if loop.time() - begun >= API_STEADY_SECONDS else failures + 1
        log.error("the API process ended with code %s; starting it again", code)
        api = start_api(given)
    raise Halt(f"the API process ended {API_RESTARTS} times in a row; see node.log for its last words")


async def _answer_api(node: LedgerNode, api: ApiProcess, on_ready: Callable[[], None]) -> int | None:
    """Answer one API process as long as it lives; its exit code."""
    try:
        await LedgerEnd(
            node.gateway, node.sealed, node.figures, on_ready, node.gateway.tracer, node.light
        ).serve(api.link)
    finally:
        await asyncio.to_thread(api.end)
    return api.process.exitcode
