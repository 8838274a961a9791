"""The projector: a process of its own that follows the ledger and writes the projections.

It reads committed blocks only, so the ledger neither waits for it nor notices if it fails. The supervisor starts it, again and
again with growing pauses where it ends; it ends when its connection to the supervisor closes.
"""

import gc
import logging
import select
import socket
from pathlib import Path
from typing import Final

import apsw

from traco.kernel.errors import LedgerError
from traco.kernel.genesis import network_id, parse_genesis
from traco.modules.composition import compose
from traco.node.child import COLLECTOR, ProjectorSettings, heed_parent_only
from traco.node.configuration import NodeConfig
from traco.node.directory import LEDGER_FILE, read_genesis
from traco.node.logs import log_to
from traco.node.service import name_process
from traco.projections.database import ProjectionDatabase, address
from traco.projections.errors import NotSinceFounding
from traco.projections.projection import Projection
from traco.storage import SnapshotReader
from traco.storage.database import open_reader
from traco.storage.errors import halting
from traco.storage.snapshot import file_identity

POLL_SECONDS: Final = 0.2
"""How often the ledger's file is asked whether it changed: one look into shared memory."""

FOREVER_SECONDS: Final = 3_600.0

log = logging.getLogger("traco.projector")


def open_projections(directory: Path, network: bytes, config: NodeConfig) -> ProjectionDatabase | None:
    """The database that a node's configuration names, which is connected to when it is used; None where it wants none.

    Raises ``AddressInvalid``.
    """
    wanted = config.projections
    if not wanted.enabled:
        return None
    password_file = None if wanted.password_file is None else directory / wanted.password_file
    url = address(directory, wanted.url, password_file)
    return ProjectionDatabase(url if wanted.password is None else url.set(password=wanted.password), network)


def run_projector(connection: socket.socket, settings: ProjectorSettings) -> None:
    """The life of the projector's process: until the supervisor closes the connection. Ends with an error where it fails."""
    heed_parent_only()
    name_process("traco-projector")
    gc.set_threshold(
        *COLLECTOR
    )  # tens of thousands of events on their way are no garbage: saves a quarter of the time
    directory = Path(settings.directory)
    handler = log_to(directory, settings.config.log)
    try:
        with connection:
            follow(directory, settings.config, connection)
    except LedgerError as error:
        log.error("the projector ends: %s", error)  # foreseen: its text says what to do
        raise SystemExit(1) from None
    except BaseException as error:
        log.critical("the projector ends: %r", error, exc_info=error)
        raise
    finally:
        handler.close()


def follow(directory: Path, config: NodeConfig, connection: socket.socket) -> None:
    """Write what the ledger has, then wait for more; until ``connection`` ends.

    Where the node joined by a snapshot and the tables need earlier blocks, that is said once: starting again changes nothing.
    Raises ``ProjectionError``, ``StorageHalt``, ``NodeDirectoryError``.
    """
    try:
        _follow(directory, config, connection)
    except NotSinceFounding as error:
        log.error("there are no projections: %s", error)
        while not _has_ended(connection, FOREVER_SECONDS):
            continue


def _follow(directory: Path, config: NodeConfig, connection: socket.socket) -> None:
    network = network_id(parse_genesis(read_genesis(directory)))
    path = directory / LEDGER_FILE
    reader = SnapshotReader(path, network)
    database = open_projections(directory, network, config)
    if database is None:
        return
    with database, halting(str(path)):
        watching = open_reader(str(path), None, lasting=True)
        try:
            projection = Projection(reader, compose(), database)
            log.info("following the ledger from block %d on", projection.position.height + 1)
            seen, file = -1, file_identity(str(path))
            while not _has_ended(connection, POLL_SECONDS):
                if file_identity(str(path)) != file:
                    return  # another file took its place: begin with that one
                version = _version(watching)
                if version == seen:
                    continue
                seen = version
                while projection.advance():
                    if _has_ended(connection, 0.0):
                        return
        finally:
            watching.close()
            reader.close()


def _version(watching: apsw.Connection) -> int:
    """A number that changes when somebody else commits to the ledger's file."""
    version = watching.pragma("data_version")
    return int(version)


def _has_ended(connection: socket.socket, seconds: float) -> bool:
    """Whether the other side closes within that time; nothing is ever sent."""
    readable, _, _ = select.select([connection], [], [], seconds)
    return bool(readable)
