"""Runs a node: the ledger in this process, the API in another; watches both and stops them in order."""

import asyncio
import logging
import multiprocessing
import signal
import socket
from pathlib import Path
from typing import Final

from traco.client.keystore import KeyStore
from traco.kernel.errors import Halt
from traco.node.api.process import ApiSettings, run_api
from traco.node.directory import (
    KEYS_FILE,
    NODE_KEY,
    SEAL_KEY,
    founding_member,
    read_config,
    read_genesis,
)
from traco.node.ledger import LedgerNode
from traco.node.link import LedgerEnd
from traco.storage import DirectoryLock

API_RESTARTS: Final = 5  # an API process that dies more often than this has a fault that a restart does not cure

log = logging.getLogger("traco.node")


def run_node(directory: Path, passphrase: str) -> None:
    """Run until SIGTERM or SIGINT. Raises ``Halt``, ``NodeDirectoryError``, ``KeyStoreError``."""
    genesis, config = read_genesis(directory), read_config(directory)
    with DirectoryLock(directory), KeyStore.open(directory / KEYS_FILE, passphrase) as keys:
        node = LedgerNode(
            directory, genesis, founding_member(genesis), keys.signer(NODE_KEY), keys.signer(SEAL_KEY),
            report_alarm, config.verifiers,
        )  # fmt: skip
        settings = ApiSettings(str(directory), config.host, config.port, passphrase)
        try:
            asyncio.run(_run(node, settings))
        finally:
            node.stop()


def report_alarm(kind: str, identity: bytes, error: BaseException) -> None:
    """An alarm of the kernel: a bug in a handler or a broken invariant. The ledger goes on; people must look."""
    log.error("ALARM %s in transaction %s: %r", kind, identity.hex(), error, exc_info=error)


async def _run(node: LedgerNode, settings: ApiSettings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    blocks = await node.start()
    api = asyncio.create_task(_keep_api(node, settings))
    stopped = asyncio.create_task(stopping.wait())
    log.info("ledger at height %d, %d envelopes recovered", node.application.info().height, node.recovered)
    await asyncio.wait((blocks, api, stopped), return_when=asyncio.FIRST_COMPLETED)
    for task in (api, blocks):
        task.cancel()
    failures = await asyncio.gather(api, blocks, return_exceptions=True)
    await node.finish()
    for failure in failures:
        if isinstance(failure, Exception):
            raise failure


async def _keep_api(node: LedgerNode, settings: ApiSettings) -> None:
    """Start the API process, answer it, and start it again if it dies. Raises ``Halt`` if that does not help."""
    for _ in range(API_RESTARTS):
        near, far = socket.socketpair()
        process = multiprocessing.get_context("spawn").Process(
            target=run_api, args=(settings, far), name="traco-api", daemon=True
        )
        process.start()
        far.close()
        try:
            await LedgerEnd(node.gateway, node.sealed).serve(near)
        finally:
            process.terminate()
            await asyncio.to_thread(process.join, 5)
        log.error("the API process ended with code %s; starting it again", process.exitcode)
    raise Halt(f"the API process ended {API_RESTARTS} times; see the log for its last words")
