"""Runs a node: the ledger in this process, the API in another; watches both and stops them in order."""

import asyncio
import logging
import multiprocessing
import os
import signal
import socket
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final

from traco.client.keystore import KeyStore
from traco.kernel.errors import Halt, LedgerError
from traco.node.api.process import ApiSettings, run_api
from traco.node.directory import (
    KEYS_FILE,
    NODE_KEY,
    PRIVATE_UMASK,
    SEAL_KEY,
    NodeConfig,
    NodeDirectoryError,
    founding_member,
    read_config,
    read_genesis,
    require_complete,
)
from traco.node.ledger import LedgerNode
from traco.node.link import LedgerEnd
from traco.storage import DirectoryLock

API_RESTARTS: Final = (
    5  # an API process that dies more often in a row has a fault that a restart does not cure
)
API_STEADY_SECONDS: Final = 60.0  # an API process that lived so long ends the row
API_STOP_SECONDS: Final = 5.0
BACKLOG: Final = 256

log = logging.getLogger("traco.node")


def run_node(directory: Path, passphrase: str) -> None:
    """Run until SIGTERM or SIGINT. Raises ``Halt``, ``NodeDirectoryError``, ``KeyStoreError``."""
    os.umask(PRIVATE_UMASK)  # the processes that this one starts inherit it
    try:
        _run_node(directory, passphrase)
    except (LedgerError, OSError) as error:
        log.critical("the node stops: %s", error)
        raise


def _run_node(directory: Path, passphrase: str) -> None:
    require_complete(directory)
    genesis, config = read_genesis(directory), read_config(directory)
    with (
        DirectoryLock(directory),
        KeyStore.open(directory / KEYS_FILE, passphrase) as keys,
        listening_socket(config) as listener,
    ):
        node = LedgerNode(
            directory, genesis, founding_member(genesis), keys.signer(NODE_KEY), keys.signer(SEAL_KEY),
            report_alarm, config.verifiers,
        )  # fmt: skip
        try:
            asyncio.run(_run(node, ApiSettings(str(directory), passphrase), listener))
        finally:
            node.stop()
    log.info("the node has stopped")


def listening_socket(config: NodeConfig) -> socket.socket:
    """The socket of the API, made once, so that clients can wait while the API process is started again.

    Raises ``NodeDirectoryError`` (``node.port_in_use``).
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # with the protocol named: asyncio switches Nagle's algorithm off only then, which else costs 40 ms an answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((config.host, config.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise NodeDirectoryError(
            "node.port_in_use",
            f"the node cannot listen on {config.host} port {config.port} ({error.strerror}); stop what uses the port, "
            "or choose another one in node.json",
        ) from None
    return listener


def report_alarm(kind: str, identity: bytes, error: BaseException) -> None:
    """An alarm of the kernel: a bug in a handler or a broken invariant. The ledger goes on; people must look."""
    log.error("ALARM %s in transaction %s: %r", kind, identity.hex(), error, exc_info=error)


async def _run(node: LedgerNode, settings: ApiSettings, listener: socket.socket) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    blocks = await node.start()
    api = asyncio.create_task(_keep_api(node, settings, listener), name="traco-api")
    stopped = asyncio.create_task(stopping.wait(), name="traco-stopping")
    log.info("ledger at height %d, %d envelopes recovered", node.application.info().height, node.recovered)
    await asyncio.wait((blocks, api, stopped), return_when=asyncio.FIRST_COMPLETED)
    for task in (api, blocks, stopped):
        task.cancel()
    failures = await asyncio.gather(blocks, api, stopped, return_exceptions=True)
    await node.finish()
    for failure in failures:
        if isinstance(failure, BaseException) and not isinstance(failure, asyncio.CancelledError):
            raise failure


async def _keep_api(node: LedgerNode, settings: ApiSettings, listener: socket.socket) -> None:
    """Start the API process, answer it, and start it again if it dies. Raises ``Halt`` if that does not help."""
    loop = asyncio.get_running_loop()
    failures = 0
    while failures < API_RESTARTS:
        begun = loop.time()
        code = await _one_api(node, settings, listener)
        failures = 1 if loop.time() - begun >= API_STEADY_SECONDS else failures + 1
        log.error("the API process ended with code %s; starting it again", code)
    raise Halt(f"the API process ended {API_RESTARTS} times in a row; see node.log for its last words")


async def _one_api(node: LedgerNode, settings: ApiSettings, listener: socket.socket) -> int | None:
    """The life of one API process; its exit code."""
    near, far = socket.socketpair()
    with far:
        process = multiprocessing.get_context("spawn").Process(
            target=run_api, args=(settings, far, listener), name="traco-api", daemon=True
        )
        process.start()
    try:
        await LedgerEnd(node.gateway, node.sealed).serve(near)
    finally:
        await asyncio.to_thread(_end, process)
    return process.exitcode


def _end(process: BaseProcess) -> None:
    """Wait for a process whose link is closed, which tells it to end; not for ever."""
    process.join(API_STOP_SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
