"""Legs of settlements across ledgers: sealed by the node of a member of the leg's channel, for these terms and no others.

Who has all legs orders them together (``channel.attempt``). What becomes of a leg is in the channel and on the root; nothing of
it is kept here but the payload, which is dropped when it was not ordered in time.
"""

from collections.abc import Mapping

from traco.channels.sealing.errors import PayloadRefused
from traco.channels.seat.entrusting import Entrusting
from traco.channels.seat.errors import NotReady, SubmissionRefused
from traco.channels.seat.ports import Root, SeatKeys
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parts import SealedLeg
from traco.modules.channel.signing import leg_message, payload_hash


class Dealer:
    """Seals legs for the members of one node."""

    def __init__(
        self, network: bytes, keeper: Keeper, root: Root, entrusting: Entrusting, seats: Mapping[bytes, SeatKeys]
    ) -> None:  # fmt: skip
        self._network = network
        self._keeper = keeper
        self._root = root
        self._entrusting = entrusting
        self._seats = seats

    async def deal(self, channel: bytes, member: bytes, terms: bytes, transaction: bytes) -> SealedLeg:
        """The leg of the terms (id) that a signed channel transaction holds, with receipts, and ``member``'s signature.

        It must be ordered before its receipts end. Raises ``SubmissionRefused``, ``CustodyStopped``.
        """
        if member not in self._seats:
            raise SubmissionRefused("channel.not_hosted", "the member has no seat on this node; ask its own")
        with self._root.reading() as root:
            record = self._keeper.channel(root.state, channel)
            if record is None or record.status != "open" or member not in record.terms.members:
                raise SubmissionRefused(
                    "channel.not_open", "the member is not in that channel, or it is not open"
                )
            try:
                wanted = self._entrusting.sealed(channel, record, root, member, [transaction])
            except (PayloadRefused, NotReady) as refused:
                raise SubmissionRefused(refused.code, str(refused)) from None
            custodians = self._entrusting.custodians(record, root)
        held = await self._entrusting.held(wanted, custodians)
        message = leg_message(self._network, terms, channel, wanted.epoch, payload_hash(wanted.content))
        return SealedLeg(wanted.epoch, member, held, self._seats[member].node.sign(message))
