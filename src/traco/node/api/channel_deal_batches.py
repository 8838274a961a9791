"""The routes that seal many legs of a channel, and order many attempts, at once: for whoever has many settlements under way.

Each is judged, answered and refused by itself, as if it had been asked alone; what they share is the way to custodians and to the
ledger, and durable steps of this node and of the custodians'.
"""

import asyncio
from typing import Annotated, Any

import msgspec
from litestar import Request, post

from traco.client.forms import form_type, from_form, to_form
from traco.kernel.codec import Record
from traco.kernel.errors import Failure
from traco.node.api.admission import Admits, admits
from traco.node.api.channel_asking import ask
from traco.node.api.channel_deals import MOST_BYTES, ordering_member, rehearse_leg
from traco.node.api.channel_reads import ChannelReads, Entry
from traco.node.api.parameters import PathChannel
from traco.node.api.principals import Principal, principal_of
from traco.node.api.problems import Problem
from traco.node.api.transactions import json_body, require_exact
from traco.node.channels.deal_requests import (
    MAX_TOGETHER,
    AllDealt,
    AllOrdered,
    AttemptOrdered,
    DealAll,
    Dealt,
    LegWanted,
    NotDone,
    OneAttempt,
    OrderAll,
)
from traco.node.channels.link import ChannelsEnd


def deal_batch_routes(channels: ChannelReads, end: ChannelsEnd) -> list[Any]:
    """Both of them."""
    return [_seal_route(channels, end), _order_route(channels, end)]


def _many(kind: type[Record]) -> Any:
    """The JSON type of several records."""
    limits = msgspec.Meta(min_length=1, max_length=MAX_TOGETHER)
    return Annotated[(list.__class_getitem__(form_type(kind)), limits)]


def _seal_route(channels: ChannelReads, end: ChannelsEnd) -> Any:
    form = _many(LegWanted)

    async def seal_batch(request: Request[Any, Any, Any], channel: PathChannel, data: Any) -> list[Any]:
        await require_exact(request, form)
        principal, identity = principal_of(request), bytes.fromhex(channel)
        entry = await asyncio.to_thread(channels.admitted, principal, identity)
        wanted: tuple[LegWanted, ...] = tuple(
            from_form(LegWanted, msgspec.to_builtins(each)) for each in data
        )
        problems = await asyncio.to_thread(_rehearsed, channels, principal, entry, wanted)
        good = tuple(each for each, problem in zip(wanted, problems, strict=True) if problem is None)
        dealt = iter(
            () if not good else (await ask(end, DealAll(identity, entry.member, good), AllDealt)).legs
        )
        return [
            _shown_leg(next(dealt)) if problem is None else _shown_problem(problem) for problem in problems
        ]

    seal_batch.__annotations__["data"] = json_body(form)
    return post(
        "/v1/channels/{channel:str}/legs/batch", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="sealLegs",
        request_max_body_size=MOST_BYTES,
        summary="Seal up to 64 legs of a channel; each is sealed or refused as if it had been asked alone",
    )(seal_batch)  # fmt: skip


def _rehearsed(
    channels: ChannelReads, principal: Principal, entry: Entry, wanted: tuple[LegWanted, ...]
) -> list[Problem | None]:
    """Of each leg, why its channel would refuse it now."""
    found = list[Problem | None]()
    for each in wanted:
        try:
            rehearse_leg(channels, principal, entry, each)
            found.append(None)
        except Problem as problem:
            if problem.status >= 500:
                raise
            found.append(problem)
    return found


def _shown_leg(dealt: Dealt | NotDone) -> dict[str, Any]:
    if isinstance(dealt, NotDone):
        return {"leg": None, "failure": {"code": dealt.code, "fields": {}, "text": dealt.text}}
    return {"leg": to_form(dealt.leg), "failure": None}


def _shown_problem(problem: Problem) -> dict[str, Any]:
    return {"leg": None, "failure": {"code": problem.code, "fields": problem.fields, "text": problem.detail}}


def _order_route(channels: ChannelReads, end: ChannelsEnd) -> Any:
    form = _many(OneAttempt)

    async def order_batch(request: Request[Any, Any, Any], data: Any) -> list[Any]:
        await require_exact(request, form)
        wanted: tuple[OneAttempt, ...] = tuple(
            from_form(OneAttempt, msgspec.to_builtins(each)) for each in data
        )
        member = await asyncio.to_thread(ordering_member, channels, principal_of(request))
        answer = await ask(end, OrderAll(member, wanted), AllOrdered)
        return [_shown_attempt(channels, each) for each in answer.attempts]

    order_batch.__annotations__["data"] = json_body(form)
    return post(
        "/v1/channels/attempts/batch", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="orderAttempts",
        request_max_body_size=MOST_BYTES,
        summary="Order up to 64 attempts; each is ordered whole, or refused, as if it had been asked alone",
    )(order_batch)  # fmt: skip


def _shown_attempt(channels: ChannelReads, answer: AttemptOrdered | NotDone) -> dict[str, Any]:
    if isinstance(answer, NotDone):
        failure: dict[str, Any] | None = {"code": answer.code, "fields": {}, "text": answer.text}
        return {"attempt": None, "status": None, "transaction": None, "failure": failure}
    failure = None if answer.failure is None else _shown_failure(channels, answer.failure)
    return {
        "attempt": answer.attempt.hex() or None, "status": answer.status or None,
        "transaction": answer.transaction.hex() or None, "failure": failure,
    }  # fmt: skip


def _shown_failure(channels: ChannelReads, failure: Failure) -> dict[str, Any]:
    return {
        "code": failure.code, "fields": to_form(dict(failure.fields)), "text": channels.root_text(failure),
    }  # fmt: skip
