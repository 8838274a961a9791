"""The route that takes many transactions of a channel at once: one durable step of this node for all of them."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, post

from traco.kernel.errors import Failure
from traco.node.api.admission import Admits, admits
from traco.node.api.channel_asking import ask
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.parameters import PathChannel
from traco.node.api.principals import Principal, principal_of
from traco.node.api.problems import Problem
from traco.node.channels.link import ChannelsEnd
from traco.node.channels.requests import Post, Posted

MAX_BATCH: Final = 4_096
BATCH_BYTES: Final = 8_388_608  # half of what the channels' process reads at once
_BATCH: Final = msgspec.msgpack.Decoder(Annotated[tuple[bytes, ...], msgspec.Meta(max_length=MAX_BATCH)])


def batch_route(channels: ChannelReads, end: ChannelsEnd) -> Any:
    """The route."""

    @post(
        "/v1/channels/{channel:str}/transactions/batch", status_code=202, opt=admits(Admits.SUBMITTER),
        operation_id="submitChannelTransactions", request_max_body_size=BATCH_BYTES,
        summary="Submit signed transactions for a channel (a MessagePack array of their bytes); answered once they are durable here",
    )  # fmt: skip
    async def submit_batch(request: Request[Any, Any, Any], channel: PathChannel) -> list[Any]:
        principal, identity = principal_of(request), bytes.fromhex(channel)
        entry = await asyncio.to_thread(channels.admitted, principal, identity)
        try:
            batch = _BATCH.decode(await request.body())
        except ValueError as error:
            raise Problem(400, "request.invalid", f"not an array of transactions: {error}") from None
        results = (await ask(end, Post(identity, entry.member, batch), Posted)).results
        return await asyncio.to_thread(_shown, channels, principal, identity, results)

    return submit_batch


def _shown(
    channels: ChannelReads, principal: Principal, channel: bytes, results: Sequence[tuple[bytes, Failure | None]]
) -> list[Any]:  # fmt: skip
    return [
        {
            "id": identity.hex(), "status": "received" if refusal is None else "refused", "ordinal": -1, "leaf": -1,
            "failure": channels.failure(principal, channel, refusal),
        }
        for identity, refusal in results
    ]  # fmt: skip
