"""The processes beside the ledger: what each is given, and how the supervisor keeps those without which the ledger goes on.

What runs in them is named here and not imported (``child.begin``): the ledger's process needs no libraries of an API or of a
database of projections, and starts sooner without.
"""

import asyncio
import logging
from typing import Final

from traco.node.child import ChannelsSettings, ProjectorSettings, child, keep
from traco.node.ledger import LedgerNode
from traco.node.link import LedgerEnd

API: Final = "traco.node.api.process:run_api"
PROJECTOR: Final = "traco.node.projector:run_projector"
CHANNELS: Final = "traco.node.channels.process:run_channels"


async def keep_projector(settings: ProjectorSettings) -> None:
    """Start the projector, and start it again whenever it ends. Never raises: without it the ledger goes on."""
    if settings.config.projections.enabled:
        await keep(lambda: _one_projector(settings), "the projector", logging.getLogger("traco.projector"))


async def _one_projector(settings: ProjectorSettings) -> int | None:
    """The life of one projector; its exit code."""
    async with child(PROJECTOR, settings, "traco-projector") as (connection, process):
        connection.setblocking(False)
        # the other side sends nothing: this returns when it is gone
        await asyncio.get_running_loop().sock_recv(connection, 1)
    return process.exitcode


async def keep_channels(node: LedgerNode, settings: ChannelsSettings) -> None:
    """Start the channels' process, and again whenever it ends. Raises what makes the node stop, and nothing else."""
    if not settings.config.channels.enabled:
        await asyncio.get_running_loop().create_future()  # for ever
    await keep(
        lambda: _one_channels(node, settings), "the channels' process", logging.getLogger("traco.channels")
    )


async def _one_channels(node: LedgerNode, settings: ChannelsSettings) -> int | None:
    """The life of one channels' process; its exit code."""
    async with child(CHANNELS, settings, "traco-channels") as (connection, process):
        await LedgerEnd(node.gateway, node.sealed, node.figures, light=node.light).serve(connection)
    return process.exitcode
