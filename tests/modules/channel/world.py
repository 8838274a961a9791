"""What the tests of channels share: organisations with seats, and instructions about channels in few words.

Whatever is said of an organisation follows from its name: ``Key(name)`` signs for it, ``Key(name + " node")`` is its seat.
Nothing is sealed here: to the root a payload is a hash and a size.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from support.founding import founding
from support.ledger import Key
from traco.kernel.instruction import Event, Instruction
from traco.kernel.module import Module
from traco.kernel.receipt import Receipt
from traco.modules.channel.digests import copy_hash
from traco.modules.channel.entries import Entry
from traco.modules.channel.events import Entered
from traco.modules.channel.messages import (
    AcceptEpoch,
    Attest,
    OfferEpoch,
    OpenChannel,
    OrderBatch,
    SetSeat,
    Tick,
)
from traco.modules.channel.module import ChannelModule
from traco.modules.channel.parts import Attested, EpochKey, Held, LegResult, Shown, Terms
from traco.modules.channel.parts import Receipt as Custody
from traco.modules.channel.signing import channel_id, custody_message, payload_hash
from traco.modules.channel.state import Channel, Stream
from traco.modules.party.module import PartyModule

MEMBERS = ("a", "b", "c", "d", "e")
ORDER_MS = 60_000


def box(name: str) -> bytes:
    """The X25519 key of an organisation."""
    return sha256(b"box " + name.encode()).digest()


def copy_for(name: str, epoch: int = 1) -> bytes:
    """What stands for the wrapped copy of an epoch's key."""
    return b"copy for %s in %d" % (name.encode(), epoch)


class World:
    """A ledger of five organisations, all of whom are the council, two of them enough."""

    def __init__(
        self,
        parameters: dict[str, Any] | None = None,
        seats: Sequence[str] = MEMBERS,
        modules: Sequence[Module] = (),
    ) -> None:
        party = PartyModule()
        self.module = ChannelModule(party.keeper)
        made = founding(
            MEMBERS, [self.module, *modules], party=party, threshold=2, protocol=3,
            parameters={"channel": parameters} if parameters else {},
        )  # fmt: skip
        self.ledger, self.ids, self.keys, self.party = made.ledger, made.ids, made.keys, party
        self.genesis = made.genesis
        self.keeper = self.module.keeper
        self.network = self.ledger.application.network
        self.names = {identity: name for name, identity in self.ids.items()}
        for name in seats:
            self.do(name, self.seat(name))

    @property
    def state(self) -> Any:
        return self.ledger.application.state

    def check(self) -> None:
        """Every invariant of the whole ledger holds, and nothing raised an alarm."""
        assert self.ledger.check_invariants() == []
        assert self.ledger.alarms == []

    # acting

    def signer(self, name: str, instruction: Instruction) -> Key:
        """The key that an instruction of an organisation needs: its node's or its own."""
        return Key(f"{name} node") if instruction.policy_class == "node" else self.keys[name]

    def do(self, name: str, instruction: Instruction) -> Receipt:
        """Have an organisation do something."""
        return self.ledger.succeed(instruction, keys=[self.signer(name, instruction)])

    def deny(self, name: str, instruction: Instruction) -> str:
        """The code with which an organisation is refused something."""
        return self.ledger.reject(instruction, keys=[self.signer(name, instruction)])

    def sign(self, name: str, instruction: Instruction) -> bytes:
        """A signed transaction, for blocks with several."""
        return self.ledger.transaction([instruction], self.signer(name, instruction))

    def wait(self, ms: int) -> list[Event]:
        """Let time pass in one block; the events of what fell due."""
        self.ledger.run_block(after_ms=ms)
        leaves = self.ledger.store.blocks[-1].leaves
        receipts = [self.ledger.registry.receipt.decode(leaf.receipt) for leaf in leaves]
        return [event for receipt in receipts for event in receipt.events]

    def parties(self, *names: str) -> tuple[bytes, ...]:
        return tuple(sorted(self.ids[name] for name in names))

    # channels

    def terms(self, *names: str, **changes: Any) -> Terms:
        """Terms of a channel of these members: no faults and all must agree, unless ``changes`` say otherwise."""
        members = self.parties(*names)
        fields: dict[str, Any] = {
            "members": members, "vaults": (), "faults": 0, "policy": len(members), "custody": 1, "adjudicator": None,
            "modules": ("holding", "settlement"), **changes,
        }  # fmt: skip
        return Terms(**fields)

    def epoch_key(self, terms: Terms, epoch: int = 1) -> EpochKey:
        copies = tuple(copy_hash(copy_for(self.names[member], epoch)) for member in terms.members)
        return EpochKey(sha256(b"key %d" % epoch).digest(), copies)

    def opened(self, terms: Terms, creator: str | None = None) -> bytes:
        """A channel that all members have accepted; its id."""
        name = creator or self.names[terms.members[0]]
        salt = self.ledger.salt()
        channel = channel_id(self.network, self.ids[name], salt)
        self.do(name, OpenChannel(self.ids[name], salt, terms, self.epoch_key(terms)))
        self.accept_all(channel, terms, 1)
        assert self.channel(channel).status == "open"
        return channel

    def accept_all(self, channel: bytes, terms: Terms, epoch: int) -> None:
        for member in terms.members:
            self.do(self.names[member], self.acceptance(self.names[member], channel, epoch))

    def acceptance(self, name: str, channel: bytes, epoch: int = 1) -> AcceptEpoch:
        """Of whatever is on offer now."""
        open_offer = self.keeper.offer(self.state, channel)
        return AcceptEpoch(self.ids[name], channel, epoch, bytes(32) if open_offer is None else open_offer.id)

    def offer(self, name: str, channel: bytes, terms: Terms, epoch: int) -> OfferEpoch:
        return OfferEpoch(self.ids[name], channel, epoch, terms, self.epoch_key(terms, epoch))

    def channel(self, channel: bytes) -> Channel:
        return self.keeper.require(self.state, channel)

    def stream(self, channel: bytes) -> Stream:
        return self.keeper.stream(self.state, channel)

    # instructions

    def seat(self, name: str, **changes: Any) -> SetSeat:
        fields: dict[str, Any] = {
            "node": Key(f"{name} node").public, "box": box(name), "certificate": b"certificate",
            "address": f"https://{name}.example:8443", **changes,
        }  # fmt: skip
        return SetSeat(self.ids[name], **fields)

    def custody(self, name: str, channel: bytes, held: Held, epoch: int | None = None) -> Custody:
        """The receipt of a custodian."""
        record = self.channel(channel)
        message = custody_message(
            self.network, channel, self.ids[name], record.epoch if epoch is None else epoch, held.order_by, held.size,
            held.hash,
        )  # fmt: skip
        place = record.terms.custodians().index(self.ids[name])
        return Custody(place, Key(f"{name} node").sign(message))

    def held(self, channel: bytes, content: bytes, *custodians: str, epoch: int | None = None) -> Held:
        """A payload that these custodians hold."""
        order_by = self.ledger.time_ms + ORDER_MS
        bare = Held(payload_hash(content), len(content), order_by, (Custody(0, bytes(65)),))
        receipts = [self.custody(name, channel, bare, epoch) for name in custodians]
        return replace(bare, receipts=tuple(sorted(receipts, key=lambda receipt: receipt.place)))

    def batch(
        self, name: str, channel: bytes, content: bytes, *custodians: str, epoch: int | None = None
    ) -> OrderBatch:
        """A batch of ``name``'s; held by the first other member where no custodians are named."""
        record = self.channel(channel)
        others = [self.names[member] for member in record.terms.members if member != self.ids[name]]
        held = self.held(channel, content, *(custodians or others[: record.terms.custody]), epoch=epoch)
        return OrderBatch(self.ids[name], channel, record.epoch if epoch is None else epoch, held)

    def shown(self, name: str, channel: bytes, content: bytes) -> OrderBatch:
        return OrderBatch(self.ids[name], channel, self.channel(channel).epoch, Shown(content))

    def tick(self, name: str, channel: bytes) -> Tick:
        return Tick(self.ids[name], channel)

    def word(
        self,
        channel: bytes,
        ordinal: int,
        text: str = "true",
        generation: int = 0,
        legs: Sequence[LegResult] = (),
    ) -> Attested:
        """A digest of a point; the same text is the same digest."""
        return Attested(
            channel, generation, ordinal, sha256(f"{ordinal} {text}".encode()).digest(), tuple(legs)
        )

    def attest(self, name: str, *words: Attested) -> Attest:
        return Attest(self.ids[name], words)


def entries_of(receipt: Receipt) -> list[Entry]:
    """The entries that a transaction put into streams."""
    return [event.entry for event in receipt.events if isinstance(event, Entered)]


def events_of(receipt: Receipt, kind: type[Event]) -> list[Any]:
    """The events of a kind in a receipt."""
    return [event for event in receipt.events if isinstance(event, kind)]
