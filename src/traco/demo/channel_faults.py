"""Members of channels that lie, lose and keep silent, and what the others, and the root, make of it.

Bank Two's node is off: what its seat says here, the demonstration signs with its keys.
"""

from collections.abc import Iterable
from typing import Final

from traco.demo.channel_world import ANSWER_MS, BUYER, CASH, DEPOSITORY, SELLER, Assets, World
from traco.demo.confidential import Trader
from traco.demo.dishonest import Dishonest
from traco.demo.root_events import about, awaited
from traco.demo.stage import Stage, expect, until
from traco.modules.holding.messages import Transfer

AGREE_SECONDS: Final = 60.0
VOID_SECONDS: Final = 60.0


class Faults:
    """The scenes. ``assets``: what the banks deliver in the channel of securities; ``cash``: another channel; ``strict``: one
    with b = 0.
    """

    def __init__(self, world: World, stage: Stage, assets: Assets, cash: bytes, strict: bytes) -> None:
        self._world, self._stage, self._assets, self._cash, self._strict = world, stage, assets, cash, strict
        self._liar = self._seat(BUYER)

    def _seat(self, name: str) -> Dishonest:
        return Dishonest(
            self._world.directory / name, self._world.consortium.passphrase, self._world.traders[name].id
        )

    def _deliver(self, trader: Trader, amount: int) -> Transfer:
        return Transfer(
            trader.id,
            self._assets.instrument,
            self._assets.seller,
            self._assets.buyer,
            amount,
            b"small delivery",
        )

    # a lie that is outvoted

    def lie_where_one_may(self) -> str:
        """In a channel with b = 1 a wrong digest is flagged, and business goes on."""
        channel, seller = self._assets.channel, self._world.traders[SELLER]
        seller.do(channel, self._deliver(seller, 100))
        ordinal, said = self._liar.attest_wrongly(self._world.root(), channel)
        named = [each["member"] for each in about(said.events_of("channel.dissented/1"), channel=channel)]
        expect(named == [self._liar.member.hex()], f"the root names who attests otherwise: {named}")
        expect(self._status(channel) == "open", "a channel that stands one liar stays open")
        after = seller.do(channel, self._deliver(seller, 200))
        self._stage.say(
            f"securities (b = 1): {self._world.organisation(named[0])} attests another digest for point {ordinal}; the root names it; "
            f"the next delivery is confirmed at point {after.ordinal} after {after.seconds:.1f} s"
        )
        return f"{self._world.organisation(named[0])} named at point {ordinal}; open, point {after.ordinal} confirmed"

    # a lie that cannot be outvoted

    def lie_where_none_may(self) -> str:
        """In a channel with b = 0 the same lie suspends that channel, it alone, and names who lied."""
        channel, seller = self._strict, self._world.traders[SELLER]
        seller.send(channel, seller.opening())
        until(
            lambda: self._votes(channel) == 2, AGREE_SECONDS, "the two honest members attest the newest point"
        )
        ordinal, said = self._liar.attest_wrongly(self._world.root(), channel)
        named = [each["member"] for each in about(said.events_of("channel.dissented/1"), channel=channel)]
        expect(named == [self._liar.member.hex()], f"the root names who attests otherwise: {named}")
        expect(self._status(channel) == "suspended", "a channel that stands no liar is suspended")
        after = seller.do(self._assets.channel, self._deliver(seller, 300))
        expect(self._status(self._assets.channel) == "open", "no other channel is suspended")
        self._stage.say(
            f"all-members (b = 0): the same at point {ordinal}, where all three must agree: this channel is suspended, and "
            f"{self._world.organisation(named[0])} named; the others go on (securities: point {after.ordinal} confirmed)"
        )
        return (
            f"suspended at point {ordinal}, {self._world.organisation(named[0])} named; other channels open"
        )

    def _votes(self, channel: bytes) -> int:
        points = self._world.root().query("channel.points", channel=channel, limit=1_000)["points"]
        record = self._world.record(channel)["stream"]
        newest = points[-1] if points else None
        if newest is None or newest["ordinal"] <= record["confirmed"]:
            return 0
        return len(newest["point"]["votes"])

    def _status(self, channel: bytes) -> str:
        return str(self._world.record(channel)["channel"]["status"])

    # custody that was signed for and never was

    def sign_for_nothing(self) -> str:
        """Two custodians sign for a payload that nobody can show: they are named, the entry is void, business goes on."""
        world, channel = self._world, self._assets.channel
        custodians = [self._seat(DEPOSITORY), self._seat(CASH)]
        number, ordered = self._liar.order_nothing(world.root(), channel, custodians)
        begun_ms = world.root().block(ordered.height)["time_ms"]
        seller, operator = world.traders[SELLER], world.traders[CASH]
        waiting = seller.send(channel, self._deliver(seller, 400))
        operator.open_account(self._cash)
        until(lambda: self._entries(channel) > number, AGREE_SECONDS, "the delivery behind it is ordered")
        expect(seller.standing(channel, waiting) == "received", "what is behind the missing entry waits")
        self._stage.say(
            f"entry {number} of the securities channel is a hash of nothing, ordered by {world.traders[BUYER].organisation}, "
            f"with receipts of {self._people(each.member.hex() for each in custodians)}; a delivery behind it waits, the cash channel goes on"
        )
        with self._stage.waiting("the others ask every custodian, then on the root"):
            reported = awaited(world.root(), "channel.missing_reported/1", VOID_SECONDS, channel=channel)
            failed = awaited(world.root(), "channel.custody_failed/1", VOID_SECONDS, channel=channel)
        asked, taken = (reported.time_ms - begun_ms) / 1_000, (failed.time_ms - reported.time_ms) / 1_000
        expect(taken * 1_000 >= ANSWER_MS, "the terms' time to answer has passed")
        expect(failed.event["number"] == number, f"the entry that nobody could show: {failed.event}")
        expect(
            set(failed.event["signers"]) == {each.member.hex() for each in custodians}, "who signed is named"
        )
        result = seller.wait(channel, waiting)
        self._stage.say(
            f"reported missing after {asked:.0f} s of asking; unanswered for {taken:.1f} s (the terms allow {ANSWER_MS / 1_000:.0f} s), so the root "
            f"voids the entry and names {self._people(failed.event['signers'])}; the delivery behind it is confirmed at point {result.ordinal}"
        )
        return f"entry {number} void; named: {self._people(failed.event['signers'])}"

    def _entries(self, channel: bytes) -> int:
        return int(self._world.record(channel)["stream"]["entries"])

    def _people(self, identities: Iterable[str]) -> str:
        return " and ".join(sorted(self._world.organisation(each) for each in identities))
