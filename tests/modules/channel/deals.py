"""Settlements across channels in few words: terms, sealed legs, attempts, and what members say of them."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from modules.channel.world import World, events_of
from support.ledger import Key
from traco.kernel.receipt import Receipt
from traco.modules.channel.events import AttemptDecided
from traco.modules.channel.messages import Attempt, Attest
from traco.modules.channel.parts import (
    EdgeMovement,
    Held,
    LegResult,
    LegTerms,
    RootLeg,
    SealedLeg,
    SettlementTerms,
    Shown,
)
from traco.modules.channel.signing import attempt_id, leg_message, payload_hash, terms_id
from traco.modules.channel.state import AttemptRecord, LegState

SOON_MS = 30_000


class Made(NamedTuple):
    """An attempt that was ordered."""

    identity: bytes
    terms: bytes
    receipt: Receipt


class Deals:
    """What organisations of a world do to settle across channels."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._contents = 0

    # terms

    def leg(
        self, channel: bytes, *attesters: str, edges: Sequence[tuple[bytes, int]] = (), commitment: int = 1
    ) -> LegTerms:
        movements = tuple(EdgeMovement(instrument, amount) for instrument, amount in edges)
        return LegTerms(channel, bytes([commitment]) * 32, self.world.parties(*attesters), movements)

    def terms(self, *legs: LegTerms, within_ms: int = SOON_MS) -> SettlementTerms:
        salt = self.world.ledger.salt().rjust(32, b"\0")
        return SettlementTerms(salt, self.world.ledger.time_ms + within_ms, legs)

    # attempts

    def sealed(
        self, name: str, terms: SettlementTerms, channel: bytes, *, epoch: int | None = None,
        payload: Held | Shown | None = None, signer: str | None = None,
    ) -> SealedLeg:  # fmt: skip
        """A leg that the member's seat sealed and signed; its payload is held by others, another one each time."""
        world = self.world
        self._contents += 1
        present = world.channel(channel).epoch if epoch is None else epoch
        if payload is None:
            batch = world.batch(name, channel, b"leg %d" % self._contents, epoch=epoch)
            payload = batch.payload
        hashed = payload_hash(payload.content) if isinstance(payload, Shown) else payload.hash
        message = leg_message(world.network, terms_id(world.network, terms), channel, present, hashed)
        return SealedLeg(present, world.ids[name], payload, Key(f"{signer or name} node").sign(message))

    def first_member(self, channel: bytes) -> str:
        return self.world.names[self.world.channel(channel).terms.members[0]]

    def attempt(self, terms: SettlementTerms, *legs: SealedLeg | RootLeg, by: str | None = None) -> Attempt:
        """An attempt at the terms; where no legs are given, the first member of each channel seals them."""
        given = legs or tuple(
            self.sealed(self.first_member(leg.ledger), terms, leg.ledger) for leg in terms.legs
        )
        relay = by or self.first_member(terms.legs[-1].ledger)
        return Attempt(self.world.ids[relay], terms, given)

    def order(self, message: Attempt) -> Made:
        """Have an attempt ordered by the party that it names."""
        receipt = self.world.do(self.world.names[message.party], message)
        terms = terms_id(self.world.network, message.terms)
        return Made(attempt_id(self.world.network, terms, receipt.identity), terms, receipt)

    def refuse(self, message: Attempt) -> str:
        """The code with which an attempt is refused."""
        return self.world.deny(self.world.names[message.party], message)

    def try_terms(self, terms: SettlementTerms) -> Made:
        return self.order(self.attempt(terms))

    # looking

    def record(self, made: Made) -> AttemptRecord:
        found = self.world.keeper.attempt(self.world.state, made.identity)
        assert found is not None, "it is decided"
        return found

    def is_undecided(self, made: Made) -> bool:
        return self.world.keeper.attempt(self.world.state, made.identity) is not None

    def leg_state(self, made: Made, channel: bytes) -> LegState:
        return next(leg for leg in self.record(made).legs if leg.ledger == channel)

    def status(self, made: Made) -> str | None:
        found = self.world.keeper.settlement(self.world.state, made.terms)
        return None if found is None else found.status

    # words

    def say(
        self, name: str, made: Made, channel: bytes, held: bool | None = True, *, text: str = "true", ordinal: int = 0
    ) -> Receipt:  # fmt: skip
        """Have a member attest the point of a leg, and say what became of it there (None: nothing)."""
        return self.world.do(name, self.word(name, made, channel, held, text=text, ordinal=ordinal))

    def word(
        self, name: str, made: Made, channel: bytes, held: bool | None = True, *, text: str = "true", ordinal: int = 0
    ) -> Attest:  # fmt: skip
        world, leg = self.world, self.leg_state(made, channel)
        results = () if held is None else (LegResult(made.identity, held),)
        at = ordinal or leg.ordinal
        point = world.keeper.point(world.state, channel, at)
        assert point is not None
        return world.attest(name, world.word(channel, at, text, point.generation, results))

    def all_say(self, made: Made, channel: bytes, *names: str) -> Receipt:
        """Have these members (none: all) attest that the leg is held; the last receipt."""
        members = [self.world.names[member] for member in self.leg_state(made, channel).members]
        receipts = [self.say(name, made, channel) for name in names or members]
        return receipts[-1]


def decision(receipt: Receipt) -> AttemptDecided | None:
    """The decision that a transaction made, if any."""
    found = events_of(receipt, AttemptDecided)
    assert len(found) <= 1
    return found[0] if found else None


def decided_now(world: World) -> list[AttemptDecided]:
    """The decisions of the last block."""
    leaves = world.ledger.store.blocks[-1].leaves
    receipts = [world.ledger.registry.receipt.decode(leaf.receipt) for leaf in leaves]
    return [event for receipt in receipts for event in events_of(receipt, AttemptDecided)]


def with_leg(terms: SettlementTerms, place: int, **changes: object) -> SettlementTerms:
    """The terms with one leg changed."""
    legs = list(terms.legs)
    legs[place] = replace(legs[place], **changes)
    return replace(terms, legs=tuple(legs))
