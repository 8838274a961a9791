"""The instructions about channels on the root. All came with protocol 3.

Policy classes: ``administer`` (a member about its seat), ``trade`` (what a member decides: opening, accepting, voting),
``node`` (what a member's node does by itself: one signature by a node key of the member).
"""

from typing import Annotated, ClassVar, Final

import msgspec

from traco.kernel.codec import Code, Count, Hash, Id, PublicKey, Salt
from traco.kernel.instruction import Instruction, PartyInstruction
from traco.modules.channel.parts import (
    MAX_COPY_BYTES,
    MAX_LEGS,
    Attested,
    BoxKey,
    Certificate,
    ChannelId,
    Epoch,
    EpochKey,
    Held,
    Number,
    PayloadBytes,
    RootLeg,
    SealedLeg,
    SeatAddress,
    SettlementTerms,
    Shown,
    Terms,
)

NODE: Final = "node"  # the policy class of what a member's node does by itself


class SetSeat(PartyInstruction, frozen=True, tag="channel.set_seat/1"):
    """A member says where it does its channel business: node key, X25519 key, certificate and address of its transport.

    Replaces what it said before; epochs that began keep the keys they began with. Refused where the node key is not
    registered for the member.
    """

    policy_class: ClassVar[str] = "administer"
    since_protocol: ClassVar[int] = 3

    node: PublicKey
    box: BoxKey
    certificate: Certificate
    address: SeatAddress


class OpenChannel(PartyInstruction, frozen=True, tag="channel.open/1"):
    """A member proposes a channel, with its first epoch. Its id is ``signing.channel_id(network, party, salt)``.

    It is open once its members have accepted (``channel.accept``). Refused where terms contradict themselves: see README.
    """

    since_protocol: ClassVar[int] = 3

    salt: Salt
    terms: Terms
    key: EpochKey


class OfferEpoch(PartyInstruction, frozen=True, tag="channel.offer_epoch/1"):
    """A member proposes the next epoch: another key, and, if wanted, other terms.

    Refused while another offer is open, and where ``epoch`` is not the next one.
    """

    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    epoch: Epoch
    terms: Terms
    key: EpochKey


class AcceptEpoch(PartyInstruction, frozen=True, tag="channel.accept/1"):
    """A member says that it has the key of the offered epoch, that every copy is right, and that it agrees to the terms.

    ``offer`` is the id of what it accepts (``signing.offer_id``): an offer of the same epoch that comes after another one
    lapsed is not meant.
    """

    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    epoch: Epoch
    offer: Hash


class GiveCopy(PartyInstruction, frozen=True, tag="channel.give_copy/1"):
    """The wrapped copy of a member that does not answer, on the root for it to fetch. Refused unless it has the offered hash."""

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    epoch: Epoch
    member: Id
    copy: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_COPY_BYTES)]


class OrderBatch(PartyInstruction, frozen=True, tag="channel.order/1"):
    """A member's node orders a sealed batch.

    Refused with too few, foreign, repeated or expired receipts, in another epoch than the channel's, where the hash was
    ordered before, and where the channel is not open.
    """

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    epoch: Epoch
    payload: Held | Shown


class Tick(PartyInstruction, frozen=True, tag="channel.tick/1"):
    """A member's node says that something is due in the channel; its time moves on. Refused twice in one block."""

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    channel: ChannelId


class Attest(PartyInstruction, frozen=True, tag="channel.attest/1"):
    """A member's node says what executing gave, for points of one or many channels.

    An item that is of no use (of an old generation, of a point that is not there or confirmed alike) changes nothing and
    refuses nothing: others of the list still count. Refused where the party is in one of the channels not a member, nor
    was one at the point.
    """

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    items: Annotated[tuple[Attested, ...], msgspec.Meta(min_length=1, max_length=256)]


class ReportMissing(PartyInstruction, frozen=True, tag="channel.report_missing/1"):
    """A member's node cannot get the payload of an entry. Whoever has it may answer; unanswered, the signers of its receipts
    are named, and the entry is voided unless it is confirmed. Refused where the root itself carries the payload.
    """

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    number: Number


class Supply(PartyInstruction, frozen=True, tag="channel.supply/1"):
    """The bytes of a payload that was reported missing, by any member of the network. Refused unless they have its hash.

    The root carries them from then on: the payload is not reported missing again.
    """

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    number: Number
    content: PayloadBytes


class VoteVoid(PartyInstruction, frozen=True, tag="channel.vote_void/1"):
    """A member votes to void an entry because it stops its executors: one of the first point that is not confirmed."""

    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    number: Number
    generation: Count


class VoteClose(PartyInstruction, frozen=True, tag="channel.vote_close/1"):
    """A member votes to close the channel: when the policy has, no business enters it any more.

    Refused unless the channel is open, and while a settlement across ledgers is undecided in it.
    """

    since_protocol: ClassVar[int] = 3

    channel: ChannelId


class VoteErase(PartyInstruction, frozen=True, tag="channel.vote_erase/1"):
    """A member says that it holds a snapshot of the confirmed ``ordinal`` and agrees that payloads up to there be erased.

    Refused while a payload is missing, a settlement undecided or the channel suspended.
    """

    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    ordinal: Number


class Disclose(PartyInstruction, frozen=True, tag="channel.disclose/1"):
    """A member puts on record that it disclosed something, as a salted commitment: nobody learns what or to whom."""

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    channel: ChannelId
    commitment: Hash


class Resume(Instruction, frozen=True, tag="channel.resume/1"):
    """The adjudicator, or the council once the channel's limit has passed, lets a suspended channel go on.

    Every point that is not confirmed is attested anew. ``parties``: the adjudicator, or enough members of the council.
    """

    policy_class: ClassVar[str] = "govern"
    since_protocol: ClassVar[int] = 3

    parties: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=64)]
    channel: ChannelId

    def actors(self) -> tuple[bytes, ...]:
        """Those who decide."""
        return self.parties


class EndChannel(Instruction, frozen=True, tag="channel.end/1"):
    """The adjudicator, or the council once the limit has passed, closes a suspended channel at its last confirmed point.

    Refused while a settlement across ledgers is undecided in it: at its deadline it is.
    """

    policy_class: ClassVar[str] = "govern"
    since_protocol: ClassVar[int] = 3

    parties: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1, max_length=64)]
    channel: ChannelId
    reason: Code

    def actors(self) -> tuple[bytes, ...]:
        """Those who decide."""
        return self.parties


class Attempt(PartyInstruction, frozen=True, tag="channel.attempt/1"):
    """A member's node orders all legs of a settlement at once. ``legs`` stand in the order of the terms'.

    The member need not take part: what counts are the signatures on each leg, for these terms, of the seat that sealed it
    or of those who act on the root. Refused whole where any leg's batch would be, where an attempt at the terms is
    undecided or committed, where the deadline is past or farther away than a channel allows, and where more would leave a
    channel than came in.
    """

    policy_class: ClassVar[str] = NODE
    since_protocol: ClassVar[int] = 3

    terms: SettlementTerms
    legs: Annotated[tuple[SealedLeg | RootLeg, ...], msgspec.Meta(min_length=2, max_length=MAX_LEGS)]
