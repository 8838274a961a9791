"""The routes of channels: which there are, what is in them, transactions for them, keys of epochs on offer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody, PathParameter

from traco.client.channel_receipts import make_channel_receipt
from traco.client.forms import to_form
from traco.kernel.errors import Failure
from traco.node.api.admission import Admits, admits
from traco.node.api.channel_asking import ask
from traco.node.api.channel_batches import batch_route
from traco.node.api.channel_deal_batches import deal_batch_routes
from traco.node.api.channel_deals import deal_routes
from traco.node.api.channel_disclosure import disclosure_routes
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.channel_rebuild import rebuild_routes
from traco.node.api.channel_total import total_route
from traco.node.api.parameters import PathChannel, TransactionId
from traco.node.api.principals import principal_of
from traco.node.api.problems import Problem
from traco.node.api.reads import Reads
from traco.node.api.transactions import OCTETS, require_exact
from traco.node.api.visibility import hidden
from traco.node.channels.link import ChannelsEnd
from traco.node.channels.requests import (
    Conditions,
    ConditionsOf,
    KeyMade,
    MakeKey,
    OffersAre,
    OffersTo,
    Post,
    Posted,
    ProofIs,
    ProofOf,
    StandingIs,
    StandingOf,
)
from traco.node.link import ApiEnd

Confirmation = Callable[[bytes], Awaitable[bytes]]
"""The finality receipt of a transaction of the root, by its id, whomever it concerns."""

PathQuery = Annotated[
    str, PathParameter(pattern="^[a-z_.]{1,64}$(?!\n)", description="a query of the channel's modules")
]
_ID: Final = msgspec.Meta(pattern="^[0-9a-f]{32}$(?!\\n)")


class KeyWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The channel and epoch that ``member`` is about to offer, and the members that shall have its key (ids in hex)."""

    channel: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$(?!\\n)")]
    epoch: Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]
    member: Annotated[str, _ID]
    members: Annotated[list[Annotated[str, _ID]], msgspec.Meta(min_length=1, max_length=64)]


class QueryWanted(msgspec.Struct, frozen=True):
    """The fields of the query's request, as for ``/v1/queries``."""


def confirmations(link: ApiEnd, reads: Reads) -> Confirmation:
    """The root's receipts, from this node."""

    async def receipt(identity: bytes) -> bytes:
        # of a member's attestation, which says nothing of content: whoever may see the channel's transaction may show it
        return reads.finality(identity, await link.seal(reads.height_of(identity)))

    return receipt


def channel_routes(
    channels: ChannelReads, end: ChannelsEnd, max_transaction_bytes: int, confirmation: Confirmation
) -> list[Any]:  # fmt: skip
    """All of them. Without members on this node, nobody finds a channel here. ``confirmation``: the root's own receipts."""
    return [
        *_list_routes(channels, end),
        *_transaction_routes(channels, end, max_transaction_bytes, confirmation),
        batch_route(channels, end),
        *rebuild_routes(channels, end),
        _query_route(channels),
        _key_route(channels, end),
        *deal_routes(channels, end),
        *deal_batch_routes(channels, end),
        *disclosure_routes(channels, end),
        total_route(channels, end, channels.root),
    ]


def _list_routes(channels: ChannelReads, end: ChannelsEnd) -> list[Any]:
    @get(
        "/v1/channels", opt=admits(Admits.PRINCIPAL), operation_id="listChannels",
        summary="The channels of your member on this node, and the epochs on offer to it",
    )  # fmt: skip
    async def listed(request: Request[Any, Any, Any]) -> dict[str, Any]:
        if not channels.members:
            return {"items": [], "offers": []}
        rows = await asyncio.to_thread(channels.listed, principal_of(request))
        ids = tuple(bytes.fromhex(row["id"]) for row in rows)
        conditions = await ask(end, ConditionsOf(ids), Conditions)
        members = await asyncio.to_thread(channels.own, principal_of(request))
        offers = await ask(end, OffersTo(members), OffersAre)
        return {
            "items": [{**row, "problem": found.code or None} for row, found in zip(rows, conditions.channels, strict=True)],
            "offers": to_form(offers.offers),
        }  # fmt: skip

    @get(
        "/v1/channels/{channel:str}", opt=admits(Admits.PRINCIPAL), operation_id="getChannel",
        summary="A channel as the root has it, how far it was executed here, and what holds it up",
    )  # fmt: skip
    async def shown(request: Request[Any, Any, Any], channel: PathChannel) -> dict[str, Any]:
        identity = bytes.fromhex(channel)
        found = await asyncio.to_thread(channels.shown, principal_of(request), identity)
        (condition,) = (await ask(end, ConditionsOf((identity,)), Conditions)).channels
        problem = {"code": condition.code, "text": condition.text} if condition.code else None
        return {**found, "noted": condition.noted, "problem": problem}

    @get(
        "/v1/channels/{channel:str}/missing", opt=admits(Admits.PRINCIPAL), operation_id="listMissing",
        summary="Entries of a channel whose payload was reported missing and is not there yet",
    )  # fmt: skip
    async def missing(request: Request[Any, Any, Any], channel: PathChannel) -> dict[str, Any]:
        rows = await asyncio.to_thread(channels.missing, principal_of(request), bytes.fromhex(channel))
        return {"items": rows}

    return [listed, shown, missing]


_NOT_EXECUTED: Final[dict[str, Any]] = {"ordinal": -1, "leaf": -1, "events": []}


def _transaction_routes(
    channels: ChannelReads, end: ChannelsEnd, max_transaction_bytes: int, confirmation: Confirmation
) -> list[Any]:  # fmt: skip
    @post(
        "/v1/channels/{channel:str}/transactions", status_code=202, opt=admits(Admits.SUBMITTER),
        operation_id="submitChannelTransaction", request_max_body_size=2 * max_transaction_bytes,
        summary="Submit one signed transaction for a channel (its bytes as the body); answered once it is durable here",
    )  # fmt: skip
    async def submit(request: Request[Any, Any, Any], channel: PathChannel) -> Response[Any]:
        principal, identity = principal_of(request), bytes.fromhex(channel)
        entry = await asyncio.to_thread(channels.admitted, principal, identity)
        raw = await request.body()
        ((made, refusal),) = (await ask(end, Post(identity, entry.member, (raw,)), Posted)).results
        failure = await asyncio.to_thread(channels.failure, principal, identity, refusal)
        status = "received" if failure is None else "refused"
        shown = {"id": made.hex(), "status": status, "failure": failure, **_NOT_EXECUTED}
        return Response(shown, status_code=202 if failure is None else 422)

    @get(
        "/v1/channels/{channel:str}/transactions/{identity:str}", opt=admits(Admits.PRINCIPAL),
        operation_id="getChannelTransaction",
        summary="How far a channel's transaction has come: received, executed, confirmed or refused; its events, or why it failed",
    )  # fmt: skip
    async def transaction(
        request: Request[Any, Any, Any], channel: PathChannel, identity: TransactionId
    ) -> dict[str, Any]:
        principal, ledger, raw = principal_of(request), bytes.fromhex(channel), bytes.fromhex(identity)
        await asyncio.to_thread(channels.admitted, principal, ledger)
        found = await ask(end, StandingOf(ledger, raw), StandingIs)
        events = await asyncio.to_thread(channels.told, principal, ledger, raw)
        if not found.name or events is None:
            raise _unknown(identity)
        failure = Failure(found.code, ()) if found.code else found.failure
        return {
            "id": identity, "status": found.name, "ordinal": found.ordinal, "leaf": found.leaf,
            "failure": await asyncio.to_thread(channels.failure, principal, ledger, failure), "events": events,
        }  # fmt: skip

    @get(
        "/v1/channels/{channel:str}/transactions/{identity:str}/receipt", opt=admits(Admits.PRINCIPAL), media_type=OCTETS,
        operation_id="getChannelReceipt",
        summary="The receipt of a confirmed transaction of a channel, for anybody outside to verify offline",
    )  # fmt: skip
    async def receipt(
        request: Request[Any, Any, Any], channel: PathChannel, identity: TransactionId
    ) -> bytes:
        principal, ledger, raw = principal_of(request), bytes.fromhex(channel), bytes.fromhex(identity)
        await asyncio.to_thread(channels.admitted, principal, ledger)
        # one that is hidden, and one that is not there, are answered alike
        standing = await ask(end, StandingOf(ledger, raw), StandingIs)
        if not standing.name or await asyncio.to_thread(channels.told, principal, ledger, raw) is None:
            raise _unknown(identity)
        found = await ask(end, ProofOf(ledger, raw), ProofIs)
        said = await confirmation(found.origin)
        return make_channel_receipt(found.transaction, found.receipt, found.proof, found.points, said)

    return [submit, transaction, receipt]


def _unknown(identity: str) -> Problem:
    return Problem(
        404, "transaction.unknown", f"no transaction {identity} of the channel is known; check the id"
    )


def _query_route(channels: ChannelReads) -> Any:
    @post(
        "/v1/channels/{channel:str}/queries/{name:str}", status_code=200, opt=admits(Admits.PRINCIPAL),
        operation_id="queryChannel", summary="A query of a module inside a channel, answered from this node's replica",
    )  # fmt: skip
    async def query(
        request: Request[Any, Any, Any], channel: PathChannel, name: PathQuery, data: JSONBody[QueryWanted]
    ) -> dict[str, Any]:
        form = await request.json()
        return await asyncio.to_thread(
            channels.query, principal_of(request), bytes.fromhex(channel), name, form
        )

    return query


def _key_route(channels: ChannelReads, end: ChannelsEnd) -> Any:
    @post(
        "/v1/channels/keys", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="makeEpochKey",
        summary="Make the key of an epoch that your member is about to offer; what the offer says of it",
    )  # fmt: skip
    async def make_key(request: Request[Any, Any, Any], data: JSONBody[KeyWanted]) -> dict[str, Any]:
        await require_exact(request, KeyWanted)
        principal, member = principal_of(request), bytes.fromhex(data.member)
        # only the member itself: a party that it vouches for may do business in channels, not rule them
        if member not in channels.members or principal.party not in (None, member):
            raise hidden()
        members = tuple(map(bytes.fromhex, data.members))
        made = await ask(end, MakeKey(bytes.fromhex(data.channel), data.epoch, member, members), KeyMade)
        form: dict[str, Any] = to_form(made.key)
        return form

    return make_key
