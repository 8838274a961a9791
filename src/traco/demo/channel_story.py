"""Five organisations with confidential channels: trades that the others cannot read, and what becomes of loss and lies."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from traco.demo.channel_audit import Audit
from traco.demo.channel_deal import Settling
from traco.demo.channel_faults import Faults
from traco.demo.channel_privacy import REFERENCE, Privacy
from traco.demo.channel_proof import prove
from traco.demo.channel_rebuild import Loss
from traco.demo.channel_world import (
    ANSWER_MS,
    BOND,
    BUYER,
    CASH,
    CASH_ISSUED,
    DEPOSITORY,
    EURO,
    FIRST_DELIVERY,
    NOMINAL,
    ORGANISATIONS,
    SELLER,
    Assets,
    Opening,
    World,
)
from traco.demo.confidential import Done
from traco.demo.stage import Stage, expect, money
from traco.modules.holding.messages import Transfer
from traco.modules.holding.state import InstrumentKind

STEPS: Final = 13
QUICK: Final = (f"answer_ms={ANSWER_MS}", "decision_blocks=1")
OPENINGS: Final = (
    Opening("securities", (DEPOSITORY, SELLER, BUYER), (CASH,), 1, QUICK),
    Opening("cash", (CASH, SELLER, BUYER), (DEPOSITORY,), 1, QUICK),
    Opening("all-members", (SELLER, DEPOSITORY, BUYER), (), 0),
)


class ChannelStory:
    """One run over an empty directory."""

    def __init__(self, directory: Path, stage: Stage) -> None:
        self._stage = stage
        self.world = World(directory)
        self._shown: list[tuple[str, str]] = []

    def tell(self) -> None:
        """Run all steps; the nodes are stopped whatever happens. Raises ``DemoFailed`` and what the SDK raises."""
        try:
            self._found()
            self._seats()
            loss = Loss(self.world, self._stage)
            loss.keep()
            securities, cash, strict = self._open()
            bond, euro = self._issue(securities, cash)
            self.world.traders[SELLER].open_account(strict)
            delivery = self._deliver(bond)
            settling = Settling(self.world, self._stage, bond, euro)
            self._scene(
                "settlement across two channels",
                "Delivery versus payment, across two channels",
                settling.settle,
            )
            privacy = Privacy(self.world, self._stage, bond, euro)
            self._scene("those outside", "Those outside see hashes and ciphertext only", privacy.outsiders)
            self._scene(
                "receipt for an outsider", "One delivery is proved to the registry, by a file",
                lambda: prove(self.world, self._stage, securities, delivery),
            )  # fmt: skip
            names = {
                opening.title: channel
                for opening, channel in zip(OPENINGS, (securities, cash, strict), strict=True)
            }
            self._scene(
                "lost disk", "Bank Two's disk is lost, and its channels come back", lambda: loss.recover(bond, names)
            )  # fmt: skip
            self.world.consortium.kill(BUYER)
            faults = Faults(self.world, self._stage, bond, cash, strict)
            self._scene(
                "lie, b = 1", "A member lies, where the terms stand one liar", faults.lie_where_one_may
            )
            self._scene("lie, b = 0", "A member lies, where all must agree", faults.lie_where_none_may)
            self._scene(
                "false custody",
                "Two custodians sign for a payload that nobody can show",
                faults.sign_for_nothing,
            )
            self._scene("silent party", "A party keeps silent, and the deadline decides", settling.give_up)
            audit = Audit(self.world, self._stage, bond)
            self._scene("audit", "A regulator is given one month, and executes it again", audit.month)
            self._summary()
        finally:
            self.world.consortium.stop()

    def _scene(self, label: str, title: str, play: Callable[[], str]) -> None:
        """A step that ends in what was checked, for the table at the end."""
        self._stage.step(title)
        self._shown.append((label, play()))

    def _found(self) -> None:
        self._stage.step("Five organisations make a node each, and found a network")
        self.world.prepare()
        self.world.consortium.found("Example Registry")
        rows = [
            (
                organisation,
                "follows" if name == BUYER else "orders",
                provider,
                self.world.consortium.places[name].url,
            )
            for name, organisation, provider, _ in ORGANISATIONS
        ]
        self._stage.table(("organisation", "its node", "provider", "gateway"), rows)

    def _seats(self) -> None:
        self._stage.step("The nodes start, and each takes the seat of its organisation")
        with self._stage.waiting("five nodes start"):
            self.world.start()
        self.world.take_seats()
        self.world.grant_roles()
        self._stage.say(
            "a seat has keys of its own: one signs receipts and attestations, one opens the keys of channels; what the root knows of "
            "it lets nodes prove themselves to each other"
        )

    def _open(self) -> tuple[bytes, bytes, bytes]:
        self._stage.step(
            "Channels are offered, and accepted by each member after its node has checked the key"
        )
        channels = self.world.open(OPENINGS)
        rows = []
        for opening, channel in zip(OPENINGS, channels, strict=True):
            names = [
                self.world.traders[name].organisation.removeprefix("Example ") for name in opening.members
            ]
            vaults = [
                self.world.traders[name].organisation.removeprefix("Example ") for name in opening.vaults
            ]
            rows.append((
                opening.title, ", ".join(names), ", ".join(vaults) or "none",
                f"b = {opening.faults}, {opening.policy} of {len(names)} agree", f"{channel.hex()[:16]}...",
            ))  # fmt: skip
        self._stage.table(("channel", "members", "vault (no key)", "terms", "id"), rows)
        securities, cash, strict = channels
        return securities, cash, strict

    def _issue(self, securities: bytes, cash: bytes) -> tuple[Assets, Assets]:
        self._stage.step("Inside: a bond and cash are issued, and delivered")
        bond = self.world.issue(DEPOSITORY, BOND, InstrumentKind.SECURITY, SELLER, NOMINAL, securities)
        euro = self.world.issue(CASH, EURO, InstrumentKind.CASH, BUYER, CASH_ISSUED, cash)
        self._stage.say(
            f"{money(NOMINAL, 'EUR', 2)} nominal of {BOND} to Example Bank One in securities, {money(CASH_ISSUED, 'EUR', 2)} to Example "
            "Bank Two in cash"
        )
        return bond, euro

    def _deliver(self, bond: Assets) -> Done:
        seller, buyer = self.world.traders[SELLER], self.world.traders[BUYER]
        moved = Transfer(seller.id, bond.instrument, bond.seller, bond.buyer, FIRST_DELIVERY, REFERENCE)
        done = seller.do(bond.channel, moved)
        buyer.wait(bond.channel, done.identity)
        for trader in (seller, buyer):
            expect(
                trader.available(bond.channel, bond.instrument, bond.buyer) == FIRST_DELIVERY,
                f"{trader.organisation} sees the delivery",
            )
        self._stage.say(
            f"{money(FIRST_DELIVERY, 'EUR', 2)} nominal to Example Bank Two, confirmed by the channel's policy after {done.seconds:.1f} s; both "
            "banks' nodes say the same"
        )
        return done

    def _summary(self) -> None:
        self._stage.say("all in all:")
        self._stage.table(("what was shown", "checked"), self._shown)
