"""The routes of settlements across channels: seal a leg, order an attempt, and what became of it.

Who may submit in a channel may have a leg of it sealed. Any member with a seat on the node may order an attempt, and parties that
it vouches for: it can neither change a leg nor leave one out. What became of terms is for those who are in one of their channels;
who acts in a leg on the root alone asks ``/v1/queries/channel.settlement``.
"""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.params import PathParameter

from traco.client.forms import form_type, from_form, to_form
from traco.kernel.codec import Id, Record
from traco.kernel.errors import Failure
from traco.modules.channel.parts import MAX_LEGS, RootLeg, SealedLeg, SettlementTerms
from traco.modules.channel.signing import terms_id
from traco.modules.leg.ports import Entering
from traco.node.api.admission import Admits, admits
from traco.node.api.channel_asking import ask
from traco.node.api.channel_reads import ChannelReads, Entry
from traco.node.api.parameters import PathChannel
from traco.node.api.principals import Principal, principal_of
from traco.node.api.problems import Problem
from traco.node.api.transactions import json_body, require_exact
from traco.node.api.visibility import hidden
from traco.node.channels.deal_requests import (
    AttemptOrdered,
    Deal,
    Dealt,
    LegWanted,
    OrderAttempt,
    SettlementIs,
    SettlementOf,
)
from traco.node.channels.link import ChannelsEnd

MOST_BYTES: Final = (
    2_097_152  # of an attempt in JSON, whose ciphertexts must fit into one transaction of the root
)
HASH_BYTES: Final = 32
PathTerms = Annotated[
    str, PathParameter(pattern="^[0-9a-f]{64}$(?!\n)", description="the id of terms in hex")
]


class AttemptWanted(Record, frozen=True):
    """The terms, and their legs in the same order: sealed, or for the root signed. ``member``: who orders; yours by default."""

    terms: SettlementTerms
    legs: Annotated[tuple[SealedLeg | RootLeg, ...], msgspec.Meta(min_length=1, max_length=MAX_LEGS)]
    member: Id | None = None


def deal_routes(channels: ChannelReads, end: ChannelsEnd) -> list[Any]:
    """All of them."""
    return [_seal_route(channels, end), _order_route(channels, end), _settlement_route(channels, end)]


def _seal_route(channels: ChannelReads, end: ChannelsEnd) -> Any:
    form = form_type(LegWanted)

    async def seal(request: Request[Any, Any, Any], channel: PathChannel, data: Any) -> dict[str, Any]:
        await require_exact(request, form)
        wanted: LegWanted = from_form(LegWanted, msgspec.to_builtins(data))
        principal, identity = principal_of(request), bytes.fromhex(channel)
        entry = await asyncio.to_thread(channels.admitted, principal, identity)
        await asyncio.to_thread(rehearse_leg, channels, principal, entry, wanted)
        dealt = await ask(end, Deal(identity, entry.member, wanted.terms, wanted.transaction), Dealt)
        return {"leg": to_form(dealt.leg)}

    seal.__annotations__["data"] = json_body(form)
    return post(
        "/v1/channels/{channel:str}/legs", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="sealLeg",
        summary="Seal a channel's leg of a settlement, held by custodians, for its terms; safe to ask again",
    )(seal)  # fmt: skip


def _order_route(channels: ChannelReads, end: ChannelsEnd) -> Any:
    form = form_type(AttemptWanted)

    async def order(request: Request[Any, Any, Any], data: Any) -> dict[str, Any]:
        await require_exact(request, form)
        wanted: AttemptWanted = from_form(AttemptWanted, msgspec.to_builtins(data))
        member = await asyncio.to_thread(ordering_member, channels, principal_of(request), wanted.member)
        answer = await ask(end, OrderAttempt(member, wanted.terms, wanted.legs), AttemptOrdered)
        if answer.failure is not None:
            raise _refused(channels, answer.failure)
        return {
            "attempt": answer.attempt.hex(), "status": answer.status, "transaction": answer.transaction.hex() or None,
        }  # fmt: skip

    order.__annotations__["data"] = json_body(form)
    return post(
        "/v1/channels/attempts", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="orderAttempt",
        request_max_body_size=MOST_BYTES,
        summary="Order all legs of a settlement across channels at once, or none; terms that are under way are answered alike",
    )(order)  # fmt: skip


def _settlement_route(channels: ChannelReads, end: ChannelsEnd) -> Any:
    @get(
        "/v1/channels/settlements/{terms:str}", opt=admits(Admits.PRINCIPAL), operation_id="getSettlement",
        summary="What became of terms across channels: undecided, committed, aborted; why, and who has said what of which leg",
    )  # fmt: skip
    async def settlement(request: Request[Any, Any, Any], terms: PathTerms) -> dict[str, Any]:
        if not channels.members:
            raise hidden()
        found = await ask(end, SettlementOf(bytes.fromhex(terms)), SettlementIs)
        ledgers = found.channels or tuple(leg.ledger for leg in found.legs if leg.ledger)
        principal = principal_of(request)
        own = await asyncio.to_thread(channels.among, principal, ledgers)
        if not own:
            raise hidden()  # terms that nobody attempted are answered alike
        if principal.party not in (
            None,
            *channels.members,
        ):  # a party has to do with its member's channels only
            found = msgspec.structs.replace(found, legs=tuple(leg for leg in found.legs if leg.ledger in own))
        shown: dict[str, Any] = to_form(found)
        return {"terms": terms, **{name: value for name, value in shown.items() if name != "type"}}

    return settlement


def rehearse_leg(channels: ChannelReads, principal: Principal, entry: Entry, wanted: LegWanted) -> None:
    """See that the channel would hold the leg as it is now. Raises ``Problem``; nothing was sent then."""
    agreed = [leg for leg in wanted.terms.legs if leg.ledger == entry.channel]
    if len(agreed) != 1:
        raise Problem(422, "channel.legs_wrong", "these terms have no leg in this channel, or two")
    edges = tuple((edge.instrument, edge.amount) for edge in agreed[0].edges)
    leg = Entering(bytes(HASH_BYTES), terms_id(channels.network, wanted.terms), agreed[0].commitment, edges)
    failure = channels.rehearsed(entry, leg, wanted.transaction)
    if failure is not None:
        shown = channels.failure(principal, entry.channel, failure) or {}
        raise Problem(
            422,
            failure.code,
            shown["text"],
            shown["fields"],
            advice="The channel would refuse this leg now; nothing was sent.",
        )


def ordering_member(channels: ChannelReads, principal: Principal, wanted: bytes | None = None) -> bytes:
    """The member of this node that orders for who asks. Raises ``Problem`` where there is none."""
    own = channels.own(principal)
    if not own or (wanted is not None and wanted not in own):
        raise hidden()
    return own[0] if wanted is None else wanted


def _refused(channels: ChannelReads, failure: Failure) -> Problem:
    """What the root said no to; nothing was ordered."""
    return Problem(422, failure.code, channels.root_text(failure), to_form(dict(failure.fields)))
