"""The channels' process ``traco-channels``: has the seats of a node do their business, beside the ledger.

The supervisor starts it, again and again with growing pauses where it ends, and gives it a link to the ledger of its own; it ends
when that closes. Without it the ledger goes on, and so does the root of every channel.
"""

import asyncio
import logging
import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from traco.kernel.errors import LedgerError
from traco.node.channels.alarm import report_alarm
from traco.node.channels.hosting import hosted_members
from traco.node.channels.keyring import SEATS_FILE, SeatSecrets, read_seats
from traco.node.channels.settings import executor_count
from traco.node.channels.worker import LOOK_S, ChannelWorker
from traco.node.child import ChannelsSettings, heed_parent_only
from traco.node.clock import wall_clock_ms
from traco.node.configuration import NodeConfig
from traco.node.directory import NodeDirectoryError
from traco.node.link import ApiEnd, LedgerGone
from traco.node.logs import log_to
from traco.node.service import name_process

log = logging.getLogger("traco.channels")


def run_channels(connection: socket.socket, settings: ChannelsSettings) -> None:
    """The life of the process: until the supervisor closes the connection, or its keys change."""
    heed_parent_only()
    name_process("traco-channels")
    handler = log_to(Path(settings.directory), settings.config.log)
    try:
        asyncio.run(_live(connection, settings))
    except LedgerGone:
        return
    except (LedgerError, OSError) as error:
        log.error("the channels' process ends: %s", error)  # foreseen: its text says what to do
        raise SystemExit(1) from None
    except BaseException as error:
        log.critical("the channels' process ends: %r", error, exc_info=error)
        raise
    finally:
        handler.close()


async def _live(connection: socket.socket, settings: ChannelsSettings) -> None:
    directory = Path(settings.directory)
    gone = asyncio.Event()
    link = ApiEnd(gone.set)
    await link.connect(connection)
    try:
        members = hosted_members(directory, settings.config)
        ended = asyncio.create_task(gone.wait())
        while not ended.done():
            keys = _content(directory)
            seats = read_seats(directory / SEATS_FILE, settings.passphrase, members)
            lacking = [member for member in members if member not in seats]
            if not lacking:
                await _work(directory, settings.config, seats, keys, link, ended)
                return
            log.warning(
                "no channel business is done before there are keys for %s: traco channel seat DIR",
                ", ".join(member.hex() for member in lacking),
            )
            while not ended.done() and _content(directory) == keys:
                await asyncio.wait((ended,), timeout=LOOK_S)
    finally:
        await link.close()


def _content(directory: Path) -> bytes | None:
    """The file of keys as it is; None where there is none.

    Each time it is written it is encrypted anew, so other keys are another content. Its name on the disk would not do: file systems
    give a number that became free to the next file, and the third writing often has that of the first.
    """
    try:
        return (directory / SEATS_FILE).read_bytes()
    except OSError:
        return None


async def _work(
    directory: Path, config: NodeConfig, seats: Mapping[bytes, SeatSecrets], keys: bytes | None, link: ApiEnd,
    ended: "asyncio.Task[bool]",
) -> None:  # fmt: skip
    """Do the seats' business until the ledger is gone or others are there than ``keys``, the file as it was read."""
    with ExitStack() as closing:
        listeners = dict[bytes, socket.socket]()
        for member, address in zip(seats, config.channels.listen, strict=False):
            listeners[member] = closing.enter_context(_listen(address))
        worker = ChannelWorker(
            directory,
            seats,
            link,
            report_alarm,
            wall_clock_ms,
            executor_count(config.channels.processes),
            config.log,
        )
        try:
            await worker.start(listeners)
            running = asyncio.create_task(worker.run(), name="traco-channels")
            try:
                while not (ended.done() or running.done()) and _content(directory) == keys:
                    await asyncio.wait((ended, running), timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    running.result()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        finally:
            await worker.close()


def _listen(address: str) -> socket.socket:
    """Raises ``NodeDirectoryError`` (``node.port_in_use``)."""
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if "[" in host else socket.AF_INET
        )
    except OSError as error:
        raise NodeDirectoryError(
            "node.port_in_use",
            f"the node cannot listen on {address} for other members' nodes ({error.strerror}); stop what uses the port, or "
            "choose another one in channels.listen",
        ) from None
