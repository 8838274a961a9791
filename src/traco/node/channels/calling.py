"""Questions between seats: answered here where the member's seat is on this node, else by the node that has it.

Who answers others is sure of who asks. Therefore a call goes out in the name of one member of this node: the one that asks for
itself, or one that takes part in the channel.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.grouping import GroupedCustodian
from traco.channels.custody.messages import HoldAll, Refusal
from traco.channels.custody.receiving import Asked, Custodian, Root
from traco.channels.seat.answering import Answering, Giving, all_said
from traco.channels.seat.book import Book
from traco.channels.seat.messages import (
    Answer,
    GetCopy,
    GetPart,
    GetSnapshot,
    Request,
    answer_codec,
    request_codec,
)
from traco.kernel.codec import encode
from traco.kernel.errors import Halt
from traco.node.peering.caller import Peers
from traco.node.peering.errors import PeerFailed

_BUSY: Final = "custody.busy"
_UNREACHABLE: Final = "custody.unreachable"


class Answers:
    """Answers for all members of this node. ``stop`` is told what makes it impossible to answer any more."""

    def __init__(self, custodian: Custodian, book: Book, stop: Callable[[Halt], None]) -> None:
        self._answering = Answering(custodian, book)
        self._grouped = GroupedCustodian(custodian.answer)
        self._stop = stop

    def give_from(self, snapshots: Giving) -> None:
        """Give snapshots of channels from now on."""
        self._answering.snapshots = snapshots

    async def answer(self, member: bytes, request: Request) -> Answer:
        """The answer to a request of a member. Raises ``Halt``: then nothing was signed or given."""
        if isinstance(request, GetCopy | GetSnapshot | GetPart):
            return self._answering.answer(member, request)
        if isinstance(request, HoldAll):
            asked = (self._grouped.answer(Asked(member, each)) for each in request.requests)
            return all_said(await asyncio.gather(*asked))
        return await self._grouped.answer(Asked(member, request))

    async def answer_bytes(self, member: bytes, raw: bytes) -> bytes:
        """The same on the wire, for anything that comes."""
        try:
            request = request_codec.decode(raw)
        except ValueError:
            return encode(Refusal("custody.malformed"))
        try:
            return encode(await self.answer(member, request))
        except Halt as error:
            self._stop(error)
            return encode(Refusal(_BUSY))


class Calling:
    """Calls by the seats of this node. ``peers``: how each of its members reaches others, if it does."""

    def __init__(
        self, peers: Mapping[bytes, Peers | None], root: Root, answer: Callable[[bytes, Request], Awaitable[Answer]]
    ) -> None:  # fmt: skip
        self._peers = peers
        self._root = root
        self._answer = answer

    async def call(self, member: bytes, request: Request) -> Any:
        """The answer of the seat of ``member``: an ``Answer`` to its request. Raises ``TransportFailed``, and ``Halt`` where it is on this node."""
        caller = self._caller(member, request)
        if member in self._peers:
            return await self._answer(caller, request)
        peers = self._peers[caller]
        if peers is None:
            raise TransportFailed(_UNREACHABLE, "this node calls nobody; set channels.listen")
        try:
            # who asks has a patience of its own
            raw = await peers.call(member, encode(request), attempts=1)
        except PeerFailed as failed:
            code = _BUSY if failed.code == "peer.busy" else _UNREACHABLE
            raise TransportFailed(code, str(failed)) from None
        try:
            return answer_codec.decode(raw)
        except ValueError:
            raise TransportFailed("custody.answer_wrong", "the other node gave no answer to that") from None

    def _caller(self, member: bytes, request: Request) -> bytes:
        if isinstance(request, GetCopy):
            return request.member
        channel = request.requests[0].channel if isinstance(request, HoldAll) else request.channel
        standing = self._root.standing(channel)
        taking_part = () if standing is None else standing.terms.custodians()
        if standing is not None and isinstance(request, GetSnapshot | GetPart):
            taking_part = standing.terms.members  # a vault is given none
        own = [each for each in taking_part if each in self._peers]
        others = [each for each in own if each != member]
        return next(iter((*others, *own, *self._peers)))
