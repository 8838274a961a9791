"""From transactions that this node answers for to batches in the stream: sealed, held by custodians, ordered.

    outbox -> seal under the present epoch -> receipts (or the payload itself on the root) -> ordered -> executed -> forgotten

What was sealed and not ordered, for whatever reason, goes back and is sealed again: ids are used up once inside the channel.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from traco.channels.custody.collecting import PATIENCE, CustodianSeat, Patience, Wanted, collect_receipts
from traco.channels.custody.errors import ReceiptsMissing
from traco.channels.custody.messages import Transport
from traco.channels.custody.store import CustodyStore, NewPayload
from traco.channels.sealing.keys import Place
from traco.channels.sealing.payloads import MAX_TRANSACTIONS, seal, sealed_size
from traco.channels.seat.book import Book, Waiting
from traco.channels.seat.instructing import Instructing
from traco.channels.seat.ports import RootReading, SeatKeys
from traco.channels.seat.secrets import Secrets
from traco.modules.channel.errors import PayloadRepeated
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.messages import OrderBatch
from traco.modules.channel.parts import Held, Shown
from traco.modules.channel.signing import payload_hash
from traco.modules.channel.state import Channel

ORDER_MS: Final = 60_000  # for how long receipts are asked for


class Sender:
    """Seals and orders for the members of one node."""

    def __init__(
        self, network: bytes, keeper: Keeper, book: Book, custody: CustodyStore, secrets: Secrets, transport: Transport,
        instructing: Instructing, seats: Mapping[bytes, SeatKeys], draw: Callable[[], float], patience: Patience = PATIENCE,
    ) -> None:  # fmt: skip
        self._network = network
        self._keeper = keeper
        self._book = book
        self._custody = custody
        self._secrets = secrets
        self._transport = transport
        self._instructing = instructing
        self._seats = seats
        self._draw = draw
        self._patience = patience

    async def send(self, channel: bytes, root: RootReading) -> bool:
        """Order one batch of a channel; whether there was one. Raises ``RootUnavailable``, ``BookStopped``,
        ``CustodyStopped``.
        """
        record = self._keeper.channel(root.state, channel)
        if record is None or record.status != "open":
            return False
        secret = self._secrets.find(channel, record.epoch)
        if secret is None:
            return False
        limit = record.terms.limits.max_payload_bytes
        batch = _first_fitting(self._book.unsealed(channel, MAX_TRANSACTIONS), limit)
        if not batch:
            return False
        place = Place(self._network, channel, record.epoch)
        content = seal([waiting.raw for waiting in batch], secret, place, limit)
        sender, identities = batch[0].member, [waiting.identity for waiting in batch]
        self._book.sealed(channel, identities, payload_hash(content))
        order_by = root.time_ms + ORDER_MS
        self._custody.keep(
            [NewPayload(channel, payload_hash(content), record.epoch, sender, order_by, "own", content)]
        )
        payload = await self._held(channel, record, root, sender, content, order_by)
        answer = await self._instructing.submit(
            sender, OrderBatch(sender, channel, record.epoch, payload), root
        )
        if answer.code and answer.code != PayloadRepeated.code:
            self._book.sealed(channel, identities, None)
        return True

    async def _held(
        self, channel: bytes, record: Channel, root: RootReading, sender: bytes, content: bytes, order_by: int
    ) -> Held | Shown:
        """Receipts of custodians; or the payload itself, where too few of them answer."""
        wanted = Wanted(self._network, channel, record.epoch, order_by, sender, content, record.terms.custody)
        try:
            receipts = await collect_receipts(
                wanted, self._custodians(record, root), self._transport, self._draw, self._patience
            )
        except ReceiptsMissing:
            return Shown(content)
        return Held(payload_hash(content), len(content), order_by, receipts)

    def _custodians(self, record: Channel, root: RootReading) -> tuple[CustodianSeat, ...]:
        found = list[CustodianSeat]()
        for place, member in enumerate(record.terms.custodians()):
            seat = self._keeper.seat(root.state, member)
            if seat is not None:
                found.append(CustodianSeat(place, member, seat.node))
        return tuple(found)


def _first_fitting(waiting: Sequence[Waiting], limit: int) -> list[Waiting]:
    """The oldest transactions of one member that fit into a payload together."""
    chosen = list[Waiting]()
    for candidate in waiting:
        if candidate.member != waiting[0].member:
            break
        if chosen and sealed_size([other.raw for other in (*chosen, candidate)]) > limit:
            break
        chosen.append(candidate)
    return chosen
