"""Delivery versus payment across two channels: settled, and given up at its deadline because a party keeps silent."""

import time
from typing import Final, NamedTuple

from traco.client.channel_deals import (
    AgreedTerms,
    Deals,
    DraftLeg,
    ReadyLeg,
    agree,
    draft_leg,
    leg_transaction,
)
from traco.client.collecting import add_signatures
from traco.demo.channel_world import BUYER, CASH, SELLER, Assets, World
from traco.demo.confidential import Trader
from traco.demo.root_events import awaited, entered
from traco.demo.stage import Stage, expect, money, until
from traco.kernel.batch_hold import Movement
from traco.modules.leg.messages import LegContent

BOUGHT: Final = 5_204_117_600  # cents: nominal, and its price
PRICE: Final = 5_172_846_900
LONG_MS: Final = 120_000
SHORT_MS: Final = 6_000
DECIDED_SECONDS: Final = 60.0
UNDECIDED: Final = "undecided"


class Position(NamedTuple):
    """What each of two banks has in a channel: all of the holding of the seller, and of the buyer."""

    seller: dict[str, int]
    buyer: dict[str, int]


class Settling:
    """The scenes, of the bond in one channel against cash in the other."""

    def __init__(self, world: World, stage: Stage, bond: Assets, cash: Assets) -> None:
        self._world, self._stage, self._bond, self._cash = world, stage, bond, cash

    def settle(self) -> str:
        """Both legs, at one position of the root."""
        world, seller, buyer = self._world, self._world.traders[SELLER], self._world.traders[BUYER]
        before = self._positions(seller)
        agreed, legs = self._agree(LONG_MS)
        ready = [self._sealed(agreed, legs[0], seller, seller), self._sealed(agreed, legs[1], buyer, buyer)]
        begun = time.monotonic()
        Deals(seller.party.client).order(agreed, ready)
        self._decided(agreed, seller, "committed")
        taken = time.monotonic() - begun
        until(
            lambda: self._is_paid(seller, before), DECIDED_SECONDS, f"{seller.organisation} sees both moved"
        )
        until(lambda: self._is_paid(buyer, before), DECIDED_SECONDS, f"{buyer.organisation} sees both moved")
        self._stage.table(
            ("leg", "channel", "moves", "signed by", "must attest, too"),
            [
                (
                    "1",
                    "securities",
                    f"{money(BOUGHT, 'EUR', 2)} nominal",
                    seller.organisation,
                    buyer.organisation,
                ),
                ("2", "cash", money(PRICE, "EUR", 2), buyer.organisation, seller.organisation),
            ],
        )
        decided = awaited(world.root(), "channel.attempt_decided/1", DECIDED_SECONDS, terms=agreed.id)
        expect(decided.event["committed"] is True, f"the root decided to commit: {decided.event}")
        places = {
            entered(world.root(), "decided", DECIDED_SECONDS, channel=each.channel).position.split(".")[0]
            for each in (self._bond, self._cash)
        }
        expect(places == {decided.position.split(".")[0]}, f"one block decides in both channels: {places}")
        self._stage.say(
            f"ordered in one transaction of the root, held in both channels, attested, and committed in both by block {places.pop()}, "
            f"after {taken:.1f} s; both banks' nodes have moved both"
        )
        return f"committed after {taken:.1f} s; {money(BOUGHT, 'EUR', 2)} nominal against {money(PRICE, 'EUR', 2)}"

    def _is_paid(self, trader: Trader, before: tuple[Position, Position]) -> bool:
        (bond, cash), (bond_before, cash_before) = self._positions(trader), before
        return (
            bond.buyer["available"] == bond_before.buyer.get("available", 0) + BOUGHT
            and bond.seller["available"] == bond_before.seller["available"] - BOUGHT
            and cash.seller.get("available", 0) == cash_before.seller.get("available", 0) + PRICE
            and cash.buyer["available"] == cash_before.buyer["available"] - PRICE
        )

    def give_up(self) -> str:
        """The buyer has signed and then says nothing: its node, which must attest, is off."""
        world, seller, operator = self._world, self._world.traders[SELLER], self._world.traders[CASH]
        buyer = world.traders[BUYER]
        before = self._positions(seller)
        agreed, legs = self._agree(SHORT_MS)
        ready = [
            self._sealed(agreed, legs[0], seller, seller),
            self._sealed(agreed, legs[1], buyer, operator),
        ]
        Deals(seller.party.client).order(agreed, ready)
        held = until(
            lambda: self._set_aside(seller, before), DECIDED_SECONDS, "both channels hold their legs"
        )
        self._stage.say(
            f"the same trade again, due within {SHORT_MS // 1_000} s; {buyer.organisation} signed its leg, its node is off. Held meanwhile: "
            f"{money(held, 'EUR', 2)} nominal that {seller.organisation} cannot dispose of"
        )
        with self._stage.waiting("until the deadline"):
            self._decided(agreed, seller, "aborted")
        until(
            lambda: self._positions(seller) == before, DECIDED_SECONDS, "all is as it was, in both channels"
        )
        decided = awaited(world.root(), "channel.attempt_decided/1", DECIDED_SECONDS, terms=agreed.id)
        event = decided.event
        expect(decided.time_ms >= agreed.terms.deadline_ms, f"not before the deadline: {decided}")
        silent = [world.organisation(each) for each in event["silent"]]
        expect(
            event["committed"] is False and event["reason"] == "deadline", f"the deadline decided: {event}"
        )
        expect(silent == [buyer.organisation], f"who kept silent is named: {silent}")
        self._stage.say(
            f"aborted at the deadline; the root names who kept silent: {', '.join(silent)}; every holding is as it was"
        )
        return f"aborted at the deadline, {', '.join(silent)} named, holds released in both channels"

    def _set_aside(self, trader: Trader, before: tuple[Position, Position]) -> int:
        """How much of the bond the seller cannot dispose of, once the cash is held as well."""
        bond, cash = self._positions(trader)
        held = before[0].seller["available"] - bond.seller["available"]
        return held if held and cash.buyer["available"] < before[1].buyer["available"] else 0

    # steps

    def _agree(self, within_ms: int) -> tuple[AgreedTerms, tuple[DraftLeg, DraftLeg]]:
        """Each side drafts its leg; terms hold what both may show the other, for those who are in one channel only."""
        seller, buyer, network = (
            self._world.traders[SELLER],
            self._world.traders[BUYER],
            self._world.root().network,
        )
        bond, cash = self._bond, self._cash
        legs = (
            draft_leg(
                network, bond.channel, LegContent((Movement(bond.instrument, bond.seller, bond.buyer, BOUGHT, b"trade"),)),
                [seller.id], [buyer.id],
            ),
            draft_leg(
                network, cash.channel, LegContent((Movement(cash.instrument, cash.buyer, cash.seller, PRICE, b"trade"),)),
                [buyer.id], [seller.id],
            ),
        )  # fmt: skip
        deadline_ms = self._world.root().status().time_ms + within_ms
        return agree(network, [leg.public() for leg in legs], deadline_ms), legs

    def _sealed(self, agreed: AgreedTerms, leg: DraftLeg, signing: Trader, at: Trader) -> ReadyLeg:
        """A leg, signed by its party, sealed at the node of a member of its channel."""
        raw = add_signatures(leg_transaction(agreed, leg), signing.party.signers)
        return Deals(at.party.client).seal(agreed, raw, leg.ledger)

    def _decided(self, agreed: AgreedTerms, trader: Trader, wanted: str) -> None:
        def status() -> str | None:
            found = str(Deals(trader.party.client).settlement(agreed.id)["status"])
            return None if found == UNDECIDED else found

        found = until(status, DECIDED_SECONDS, "the settlement is decided")
        expect(found == wanted, f"the settlement is {wanted}: {found}")

    def _positions(self, trader: Trader) -> tuple[Position, Position]:
        """What a node's replicas of both channels say."""
        found = []
        for assets in (self._bond, self._cash):
            seller = trader.holding(assets.channel, assets.instrument, assets.seller)
            found.append(Position(seller, trader.holding(assets.channel, assets.instrument, assets.buyer)))
        return found[0], found[1]
