"""The routes of a rebuild: begin one, and see how far it is or what it found."""

import asyncio
from typing import Any

from litestar import Request, get, post

from traco.client.forms import to_form
from traco.node.api.admission import Admits, admits
from traco.node.api.channel_asking import ask
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.parameters import PathChannel
from traco.node.api.principals import Principal, principal_of
from traco.node.api.problems import Problem
from traco.node.api.visibility import hidden
from traco.node.channels.link import ChannelsEnd
from traco.node.channels.requests import Rebuild, RebuildIs, RebuildOf


def rebuild_routes(channels: ChannelReads, end: ChannelsEnd) -> list[Any]:
    """Both. Only a member itself has its channel rebuilt, and sees the report: not the parties that it vouches for."""

    def require_member(principal: Principal, channel: bytes) -> None:
        if channels.admitted(principal, channel).party is not None:
            raise hidden()

    @post(
        "/v1/channels/{channel:str}/rebuild", status_code=202, opt=admits(Admits.SUBMITTER), operation_id="rebuildChannel",
        summary="Have this node look for everything of a channel, execute it, and compare; answered at once",
    )  # fmt: skip
    async def begin(request: Request[Any, Any, Any], channel: PathChannel) -> dict[str, Any]:
        identity = bytes.fromhex(channel)
        await asyncio.to_thread(require_member, principal_of(request), identity)
        form: dict[str, Any] = to_form((await ask(end, Rebuild(identity), RebuildIs)).report)
        return form

    @get(
        "/v1/channels/{channel:str}/rebuild/report", opt=admits(Admits.PRINCIPAL), operation_id="getRebuild",
        summary="How far the rebuild of a channel is, and in the end how complete and right the channel is here",
    )  # fmt: skip
    async def seen(request: Request[Any, Any, Any], channel: PathChannel) -> dict[str, Any]:
        identity = bytes.fromhex(channel)
        await asyncio.to_thread(require_member, principal_of(request), identity)
        try:
            form: dict[str, Any] = to_form((await ask(end, RebuildOf(identity), RebuildIs)).report)
        except Problem as problem:
            if problem.code == "channel.not_rebuilt":
                raise Problem(404, problem.code, str(problem.detail)) from None
            raise
        return form

    return [begin, seen]
