"""Transactions become a sealed payload that custodians hold, or that can only be ordered with its bytes on the root."""

from collections.abc import Callable, Sequence
from typing import Final

from traco.channels.custody.collecting import PATIENCE, CustodianSeat, Patience, Wanted, collect_receipts
from traco.channels.custody.errors import ReceiptsMissing
from traco.channels.custody.messages import Transport
from traco.channels.custody.store import CustodyStore, NewPayload
from traco.channels.custody.tally import Tally
from traco.channels.sealing.keys import Place
from traco.channels.sealing.payloads import seal
from traco.channels.seat.errors import NotReady
from traco.channels.seat.ports import RootReading
from traco.channels.seat.secrets import Secrets
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import Held, Shown
from traco.modules.channel.signing import payload_hash
from traco.modules.channel.state import Channel
from traco.modules.party.keeper import Keeper as Parties

ORDER_MS: Final = 60_000  # for how long receipts are asked for


class Entrusting:
    """Seals for members of this node. ``draw`` gives numbers from 0 to 1."""

    def __init__(
        self, network: bytes, keeper: Keeper, custody: CustodyStore, secrets: Secrets, transport: Transport,
        draw: Callable[[], float], patience: Patience = PATIENCE, tally: Tally | None = None,
    ) -> None:  # fmt: skip
        self._network = network
        self._keeper = keeper
        self._custody = custody
        self._secrets = secrets
        self._transport = transport
        self._draw = draw
        self._patience = patience
        self._tally = tally
        self._parties = Parties()

    def sealed(
        self, channel: bytes, record: Channel, root: RootReading, sender: bytes, transactions: Sequence[bytes],
        order_ms: int = ORDER_MS,
    ) -> Wanted:  # fmt: skip
        """A payload of the present epoch, held here, to be ordered within ``order_ms``. Raises ``NotReady``, ``PayloadRefused``, ``CustodyStopped``."""
        wanted = self.made(channel, record, root, sender, transactions, order_ms)
        (refused,) = self.kept([wanted])
        if refused is not None:
            raise refused
        return wanted

    def made(
        self, channel: bytes, record: Channel, root: RootReading, sender: bytes, transactions: Sequence[bytes],
        order_ms: int,
    ) -> Wanted:  # fmt: skip
        """As ``sealed``; nothing holds it yet. Raises ``NotReady``, ``PayloadRefused``."""
        secret = self._secrets.find(channel, record.epoch)
        if secret is None:
            raise NotReady(channel, f"this node has no key of epoch {record.epoch} yet")
        place, order_by = Place(self._network, channel, record.epoch), root.time_ms + order_ms
        content = seal(transactions, secret, place, record.terms.limits.max_payload_bytes)
        return Wanted(self._network, channel, record.epoch, order_by, sender, content, record.terms.custody)

    def kept(self, payloads: Sequence[Wanted]) -> list[NotReady | None]:
        """Hold payloads here, all in one durable step; for each, why it is not. Raises ``CustodyStopped``."""
        new = [
            NewPayload(
                each.channel, payload_hash(each.content), each.epoch, each.sender, each.order_by, "own", each.content
            )
            for each in payloads
        ]  # fmt: skip
        if not new:
            return []
        return [
            None
            if refused is None
            else NotReady(each.channel, f"the payload cannot be kept here ({refused})")
            for each, refused in zip(payloads, self._custody.keep(new), strict=True)
        ]

    def custodians(self, record: Channel, root: RootReading) -> tuple[CustodianSeat, ...]:
        """Who may sign for payloads of the channel: the root counts no receipt of a seat whose node key was retired."""
        found = list[CustodianSeat]()
        for place, member in enumerate(record.terms.custodians()):
            seat = self._keeper.seat(root.state, member)
            if seat is not None and self._parties.member_of_node(root.state, seat.node) == member:
                found.append(CustodianSeat(place, member, seat.node))
        return tuple(found)

    async def held(self, wanted: Wanted, custodians: tuple[CustodianSeat, ...]) -> Held | Shown:
        """Receipts of custodians, or the payload itself where too few of them answer."""
        try:
            receipts = await collect_receipts(
                wanted, custodians, self._transport, self._draw, self._patience, self._tally
            )
        except ReceiptsMissing:
            return Shown(wanted.content)
        return Held(payload_hash(wanted.content), len(wanted.content), wanted.order_by, receipts)
