"""What the root asks of a sealed payload before it gives it a place: an open channel, the present epoch, and custody.

A payload either has receipts of enough organisations other than its sender's, or stands on the root itself: a custodian
that does not answer can make a batch dearer, but not stop it.
"""

from typing import NamedTuple

from traco.kernel import crypto
from traco.kernel.module import Context
from traco.modules.channel.errors import (
    ChannelNotOpen,
    EpochWrong,
    NotMember,
    PayloadRepeated,
    PayloadTooLarge,
    ReceiptInvalid,
    ReceiptsExpired,
    ReceiptsTooFew,
    TooFarBehind,
)
from traco.modules.channel.keeper import Keeper
from traco.modules.channel.parameters import ChannelParameters
from traco.modules.channel.parts import Held, Payload, Shown
from traco.modules.channel.ports import Members
from traco.modules.channel.signing import custody_message, payload_hash
from traco.modules.channel.state import Channel


class Vouched(NamedTuple):
    """A payload that may be ordered: as the stream names it, who signed to hold it, and how long it is not taken again.

    Later it can be: then its receipts have ended, and every transaction in it has expired.
    """

    payload: Payload
    signers: tuple[bytes, ...]
    until_ms: int


def require_business(keeper: Keeper, context: Context, channel: bytes, epoch: int) -> Channel:
    """The channel, if it takes batches of this epoch. Raises ``ChannelUnknown``, ``ChannelNotOpen``, ``EpochWrong``,
    ``TooFarBehind``.
    """
    record = keeper.require(context.state, channel)
    if record.status != "open":
        raise ChannelNotOpen(channel, record.status)
    if record.epoch != epoch:
        raise EpochWrong(channel, record.epoch, epoch)
    stream = keeper.stream(context.state, channel)
    limit = context.parameters(ChannelParameters).max_points
    if stream.ordinal - stream.confirmed >= limit:
        raise TooFarBehind(channel, stream.ordinal - stream.confirmed, limit)
    return record


def require_member(record: Channel, channel: bytes, party: bytes) -> None:
    """Raise ``NotMember`` unless the party is a member in the present epoch."""
    if not record.epoch or party not in record.terms.members:
        raise NotMember(party, channel)


def vouch(
    keeper: Keeper, members: Members, context: Context, channel: bytes, record: Channel, submitter: bytes,
    payload: Held | Shown,
) -> Vouched:  # fmt: skip
    """Judge what a submitter wants ordered. Raises ``NotMember``, ``PayloadTooLarge``, ``PayloadRepeated`` and what is
    wrong with receipts.
    """
    require_member(record, channel, submitter)
    if isinstance(payload, Shown):
        found = Payload(payload_hash(payload.content), len(payload.content), submitter, payload.content)
        until_ms = context.block.time_ms + context.parameters(ChannelParameters).max_order_ahead_ms
        vouched = Vouched(found, (), until_ms)
    else:
        signers = _signers(keeper, members, context, channel, record, submitter, payload)
        vouched = Vouched(Payload(payload.hash, payload.size, submitter, None), signers, payload.order_by)
    limit = record.terms.limits.max_payload_bytes
    if vouched.payload.size > limit:
        raise PayloadTooLarge(vouched.payload.size, limit)
    before = keeper.ordered(context.state, channel, vouched.payload.hash)
    if before is not None:
        raise PayloadRepeated(before)
    return vouched


def _signers(
    keeper: Keeper, members: Members, context: Context, channel: bytes, record: Channel, submitter: bytes,
    payload: Held,
) -> tuple[bytes, ...]:  # fmt: skip
    """The organisations whose receipts hold, in the order of their places; enough of them, the sender's not counted.

    A seat whose node is not registered any more signs for nobody: its key may be lost, or stolen.
    """
    block, ahead_ms = context.block, context.parameters(ChannelParameters).max_order_ahead_ms
    if not block.time_ms < payload.order_by <= block.time_ms + ahead_ms:
        raise ReceiptsExpired(payload.order_by, block.time_ms, ahead_ms)
    custodians, signers, last = record.terms.custodians(), list[bytes](), -1
    for receipt in payload.receipts:
        if receipt.place <= last or receipt.place >= len(custodians):
            raise ReceiptInvalid(receipt.place, "place")
        custodian, last = custodians[receipt.place], receipt.place
        if custodian == submitter:
            raise ReceiptInvalid(receipt.place, "submitter")
        message = custody_message(
            block.network, channel, custodian, record.epoch, payload.order_by, payload.size, payload.hash
        )
        node = keeper.require_seat(context.state, custodian).node
        if members.member_of_node(context.state, node) != custodian:
            raise ReceiptInvalid(receipt.place, "node")
        if not crypto.is_valid(node, message, receipt.signature):
            raise ReceiptInvalid(receipt.place, "signature")
        signers.append(custodian)
    if len(signers) < record.terms.custody:
        raise ReceiptsTooFew(len(signers), record.terms.custody)
    return tuple(signers)
