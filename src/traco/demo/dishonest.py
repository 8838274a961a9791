"""What dishonest members of a channel say, signed with the keys of their own seats: no node of this software would say it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from traco.channels.seat.ports import SeatKeys
from traco.client.results import TransactionResult
from traco.client.sdk import LedgerClient
from traco.modules.channel.messages import Attest, OrderBatch
from traco.modules.channel.parts import Attested, Held, Receipt
from traco.modules.channel.signing import custody_message
from traco.node.channels.keyring import SEATS_FILE, read_seats

ORDER_AHEAD_MS: Final = 600_000
CLAIMED_BYTES: Final = 640  # of a payload that does not exist


class Dishonest:
    """A member whose operator uses its seat's keys by hand, through whatever gateway."""

    def __init__(self, directory: Path, passphrase: str, member: bytes) -> None:
        self.member = member
        self._keys: SeatKeys = read_seats(directory / SEATS_FILE, passphrase, [member])[member].keys

    def attest_wrongly(self, client: LedgerClient, channel: bytes) -> tuple[int, TransactionResult]:
        """Attest a digest by chance for the newest point of a channel; which one, and what came of it."""
        points = client.query("channel.points", channel=channel, limit=1_000)["points"]
        ordinal, point = points[-1]["ordinal"], points[-1]["point"]
        word = Attested(channel, point["generation"], ordinal, os.urandom(32))
        return ordinal, client.transact([Attest(self.member, (word,))], [self._keys.node])

    def sign_for(
        self, network: bytes, channel: bytes, epoch: int, place: int, order_by: int, payload: bytes
    ) -> Receipt:
        """A custody receipt, as custodian at ``place``, for a payload (hash) that nobody sent it."""
        message = custody_message(network, channel, self.member, epoch, order_by, CLAIMED_BYTES, payload)
        return Receipt(place, self._keys.node.sign(message))

    def order_nothing(
        self, client: LedgerClient, channel: bytes, accomplices: "Sequence[Dishonest]"
    ) -> tuple[int, TransactionResult]:
        """Order a hash of nothing, with receipts of ``accomplices``; the number of the entry, and what came of it."""
        record = client.query("channel.get", channel=channel)["channel"]
        terms, epoch = record["terms"], record["epoch"]
        custodians = [bytes.fromhex(each) for each in (*terms["members"], *terms["vaults"])]
        payload, order_by = os.urandom(32), client.status().time_ms + ORDER_AHEAD_MS
        receipts = sorted(
            (
                each.sign_for(
                    client.network, channel, epoch, custodians.index(each.member), order_by, payload
                )
                for each in accomplices
            ),
            key=lambda receipt: receipt.place,
        )
        held = Held(payload, CLAIMED_BYTES, order_by, tuple(receipts))
        result = client.transact([OrderBatch(self.member, channel, epoch, held)], [self._keys.node])
        (entered,) = result.events_of("channel.entered/1")
        return int(entered["number"]), result
