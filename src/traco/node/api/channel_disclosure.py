"""The routes by which a member discloses a period of a channel: begin, see how far it is, fetch the file in pieces."""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from traco.client.forms import to_form
from traco.node.api.admission import Admits, admits
from traco.node.api.channel_asking import ask
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.parameters import PathChannel
from traco.node.api.principals import principal_of
from traco.node.api.transactions import OCTETS, require_exact
from traco.node.api.visibility import hidden
from traco.node.channels.disclosure_requests import (
    BeginDisclosure,
    DisclosureIs,
    DisclosureOf,
    DisclosurePiece,
    PieceIs,
)
from traco.node.channels.link import ChannelsEnd

_Number = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
PathDisclosure = Annotated[
    str, PathParameter(pattern="^[0-9a-f]{32}$(?!\n)", description="a disclosure's id in hex")
]
Offset = Annotated[int, QueryParameter(ge=0, le=2**53 - 1, description="the byte to begin with")]


class PeriodWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to disclose: points by their numbers, or by the time of their blocks, ``until_ms`` not included; 0: without bound."""

    first: _Number = 0
    last: _Number = 0
    from_ms: _Number = 0
    until_ms: _Number = 0


def disclosure_routes(channels: ChannelReads, end: ChannelsEnd) -> list[Any]:
    """All of them. Only a member itself discloses, and only it fetches what it disclosed."""

    async def member_of(request: Request[Any, Any, Any], channel: bytes) -> bytes:
        entry = await asyncio.to_thread(channels.admitted, principal_of(request), channel)
        if entry.party is not None:  # somebody whom a member vouches for
            raise hidden()
        return entry.member

    @post(
        "/v1/channels/{channel:str}/disclosures", status_code=202, opt=admits(Admits.SUBMITTER),
        operation_id="discloseChannel", summary="Begin to disclose a period of a channel to somebody outside it",
    )  # fmt: skip
    async def begin(
        request: Request[Any, Any, Any], channel: PathChannel, data: JSONBody[PeriodWanted]
    ) -> dict[str, Any]:
        await require_exact(request, PeriodWanted)
        identity = bytes.fromhex(channel)
        member = await member_of(request, identity)
        wanted = BeginDisclosure(identity, member, data.first, data.last, data.from_ms, data.until_ms)
        return _form(await ask(end, wanted, DisclosureIs))

    @get(
        "/v1/channels/{channel:str}/disclosures/{disclosure:str}", opt=admits(Admits.PRINCIPAL),
        operation_id="getDisclosure", summary="How far a disclosure is that your member began here",
    )  # fmt: skip
    async def standing(
        request: Request[Any, Any, Any], channel: PathChannel, disclosure: PathDisclosure
    ) -> dict[str, Any]:
        identity = bytes.fromhex(channel)
        member = await member_of(request, identity)
        return _form(await ask(end, DisclosureOf(identity, member, bytes.fromhex(disclosure)), DisclosureIs))

    @get(
        "/v1/channels/{channel:str}/disclosures/{disclosure:str}/content", opt=admits(Admits.SUBMITTER), media_type=OCTETS,
        operation_id="getDisclosureContent", summary="Some of the file of a disclosure, from a byte on; empty behind its end",
    )  # fmt: skip
    async def content(
        request: Request[Any, Any, Any], channel: PathChannel, disclosure: PathDisclosure, offset: Offset = 0
    ) -> bytes:
        identity = bytes.fromhex(channel)
        member = await member_of(request, identity)
        wanted = DisclosurePiece(identity, member, bytes.fromhex(disclosure), offset)
        return (await ask(end, wanted, PieceIs)).content

    return [begin, standing, content]


def _form(found: DisclosureIs) -> dict[str, Any]:
    form: dict[str, Any] = to_form(found)
    return {"id": form.pop("identity"), **form}
