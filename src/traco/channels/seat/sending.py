"""From transactions that this node answers for to batches in the stream: sealed, held by custodians, ordered.

    outbox -> seal under the present epoch -> receipts (or the payload itself on the root) -> ordered -> see ``outbox``

What was sealed and refused by the root is sealed again. Where the root did not answer, the same payload is ordered again first: the
root takes it once. Sealing what may have been ordered is safe all the same, for ids are used up once inside the channel.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from traco.channels.custody.collecting import CustodianSeat, Wanted
from traco.channels.sealing.payloads import MAX_TRANSACTIONS, sealed_size
from traco.channels.seat.book import Book, Waiting
from traco.channels.seat.entrusting import Entrusting
from traco.channels.seat.errands import Errands
from traco.channels.seat.errors import NotReady
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.ports import RootReading
from traco.kernel.parameters import Parameters
from traco.modules.channel.errors import PayloadRepeated
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import OrderBatch
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.signing import payload_hash
from traco.modules.channel.state import Channel

LEAST_BYTES: Final = 128  # a signed transaction has more: no more than this lets fit need be looked at
TOO_LARGE: Final = "channel.too_large"
CLOSED: Final = "channel.closed"
NOT_MEMBER: Final = "channel.not_member"

_LIMITS: Final = Parameters({"channel": ChannelParameters()})


class _Unsure(NamedTuple):
    """An order to which the root did not answer: it may be in a block, and is not taken after ``until_ms``."""

    order: OrderBatch
    payload: bytes
    until_ms: int


class Sender:
    """Seals and orders for the members of one node. ``held_up``: where it cannot, and why."""

    def __init__(
        self, keeper: Keeper, book: Book, entrusting: Entrusting, instructing: Instructing, errands: Errands
    ) -> None:  # fmt: skip
        self._keeper = keeper
        self._book = book
        self._entrusting = entrusting
        self._instructing = instructing
        self._errands = errands
        self._unsure: dict[bytes, _Unsure] = {}
        self.held_up: dict[bytes, NotReady] = {}

    def send(self, root: RootReading, *, is_current: bool) -> None:
        """Begin to order a batch of each channel that has something to send. ``is_current``: all blocks of the root are noted."""
        self.held_up.clear()
        for channel in dict.fromkeys((*self._unsure, *self._book.posted())):
            if not self._errands.is_running("send", channel):
                self._send(channel, root, is_current=is_current)

    def _send(self, channel: bytes, root: RootReading, *, is_current: bool) -> None:
        unsure, until_ms = self._unsure.get(channel), self._instructing.until(root)
        if unsure is not None:
            if root.time_ms < unsure.until_ms:
                self._errands.start(("send", channel), self._order(unsure, until_ms))
            elif is_current:  # it is in a block that was read, or in none
                self._book.unseal(channel, unsure.payload)
                del self._unsure[channel]
            return
        record = self._keeper.channel(root.state, channel)
        if record is None:
            return
        batch = self._batch(channel, record, is_current=is_current)
        if not batch or record.status != "open" or self._is_far_behind(channel, root):
            return
        raws = [each.raw for each in batch]
        try:
            wanted = self._entrusting.sealed(channel, record, root, batch[0].member, raws)
        except NotReady as error:
            self.held_up[channel] = error
            return
        payload = payload_hash(wanted.content)
        self._book.sealed(channel, [each.identity for each in batch], payload)
        custodians = self._entrusting.custodians(record, root)
        self._errands.start(("send", channel), self._hold_and_order(wanted, custodians, until_ms))

    def _batch(self, channel: bytes, record: Channel, *, is_current: bool) -> list[Waiting]:
        """What goes into one payload. What never can is refused, unless it may have been ordered before."""
        limit, members = record.terms.limits.max_payload_bytes, record.terms.members
        waiting = self._book.unsealed(channel, min(MAX_TRANSACTIONS, max(1, limit // LEAST_BYTES)))
        refused = dict[bytes, str]()
        for each in waiting:
            if record.status == "closed":
                refused[each.identity] = CLOSED
            elif each.member not in members:
                refused[each.identity] = NOT_MEMBER
            elif sealed_size([each.raw]) > limit:
                refused[each.identity] = TOO_LARGE
        if refused and is_current and channel not in self._book.unexecuted():
            self._book.refuse(channel, refused)
        return _first_fitting([each for each in waiting if each.identity not in refused], limit)

    def _is_far_behind(self, channel: bytes, root: RootReading) -> bool:
        """Whether the root takes no batches because too little of the channel is confirmed."""
        stream = self._keeper.stream(root.state, channel)
        return stream.ordinal - stream.confirmed >= _LIMITS.get(root.state, ChannelParameters).max_points

    async def _hold_and_order(
        self, wanted: Wanted, custodians: tuple[CustodianSeat, ...], until_ms: int
    ) -> bool:
        """Receipts of custodians, or the payload itself where too few of them answer; then a place in the stream."""
        held = await self._entrusting.held(wanted, custodians)
        order = OrderBatch(wanted.sender, wanted.channel, wanted.epoch, held)
        return await self._order(_Unsure(order, payload_hash(wanted.content), wanted.order_by), until_ms)

    async def _order(self, unsure: _Unsure, until_ms: int) -> bool:
        order = unsure.order
        self._unsure[order.channel] = unsure
        code = await self._instructing.submit(order.party, order, min(until_ms, unsure.until_ms))
        del self._unsure[order.channel]
        if code and code != PayloadRepeated.code:
            self._book.unseal(order.channel, unsure.payload)
            return False
        return True


def _first_fitting(waiting: Sequence[Waiting], limit: int) -> list[Waiting]:
    """The oldest transactions of one member that fit into a payload together."""
    same = list(takewhile(lambda each: each.member == waiting[0].member, waiting))
    count = bisect_right(
        range(1, len(same) + 1), limit, key=lambda count: sealed_size([each.raw for each in same[:count]])
    )
    return same[:count]
