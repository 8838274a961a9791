"""The route by which an instrument's registrar shows a regulator how much of it there is on the root and in all its channels."""

import asyncio
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from litestar import Request, post
from litestar.params import JSONBody

from traco.channels.disclosing.total import (
    ChannelTotal,
    ProvenValue,
    TotalFile,
    channels_of,
    edge_key,
    supply_key,
)
from traco.kernel.codec import encode
from traco.kernel.state import State
from traco.kernel.statetree import StateTree
from traco.node.api.admission import Admits, admits
from traco.node.api.channel_asking import ask
from traco.node.api.channel_reads import ChannelReads
from traco.node.api.principals import principal_of
from traco.node.api.reads import Reads
from traco.node.api.transactions import OCTETS, require_exact
from traco.node.api.visibility import hidden
from traco.node.channels.disclosure_requests import TotalIs, TotalOf
from traco.node.channels.link import ChannelsEnd

ANSWER_S: Final = 600.0
_ID: Final = msgspec.Meta(pattern="^[0-9a-f]{32}$(?!\\n)")


class TotalWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The instrument, and the member of this node that shows it (ids in hex)."""

    instrument: Annotated[str, _ID]
    member: Annotated[str, _ID]


class _OnRoot(NamedTuple):
    """What the root's last block says: its network and height, the supply, and the edge of each channel of the member."""

    network: bytes
    height: int
    supply: ProvenValue
    edges: dict[bytes, ProvenValue]


def total_route(channels: ChannelReads, end: ChannelsEnd, reads: Reads) -> Any:
    """The route. Only the member itself shows what is in its channels."""

    @post(
        "/v1/channels/totals", status_code=200, opt=admits(Admits.SUBMITTER), operation_id="proveTotal", media_type=OCTETS,
        summary="A file that proves how much of an instrument there is on the root and in your member's channels, for a regulator",
    )  # fmt: skip
    async def total(request: Request[Any, Any, Any], data: JSONBody[TotalWanted]) -> bytes:
        await require_exact(request, TotalWanted)
        instrument, member = bytes.fromhex(data.instrument), bytes.fromhex(data.member)
        if member not in channels.members or principal_of(request).party not in (None, member):
            raise hidden()
        root = await asyncio.to_thread(_on_root, reads, member, instrument)
        wanted = TotalOf(member, instrument, root.height, tuple(root.edges))
        parts = (await ask(end, wanted, TotalIs, ANSWER_S)).parts
        shown = tuple(
            ChannelTotal(
                each.channel, root.edges[each.channel], each.summary, each.blind, each.state_root, each.history_root,
                each.history_size, each.supply, each.links, reads.height_of(each.origin),
            )
            for each in parts
        )  # fmt: skip
        return encode(TotalFile(root.network, member, instrument, root.height, root.supply, shown))

    return total


def _on_root(reads: Reads, member: bytes, instrument: bytes) -> _OnRoot:
    with reads.snapshot() as snapshot:
        tree = snapshot.tree()
        found = channels_of(State(snapshot), snapshot.height, member)
        edges = {channel: _proven(tree, edge_key(instrument, channel)) for channel in found}
        return _OnRoot(snapshot.network, snapshot.height, _proven(tree, supply_key(instrument)), edges)


def _proven(tree: StateTree, key: bytes) -> ProvenValue:
    return ProvenValue(tree.get(key), tree.prove(key))
