"""Delivery against payment over two channels: both sides are executed, or both are released, on every member's node."""

from hashlib import sha256
from typing import NamedTuple

import pytest

from channels.seat.purse import Purse
from channels.seat.sites import Sites
from support.virtual_time import run
from traco.channels.seat.errors import SubmissionRefused
from traco.kernel.batch_hold import Movement
from traco.modules.channel.entries import Decided
from traco.modules.channel.events import AttemptDecided
from traco.modules.channel.messages import Attempt, Attest
from traco.modules.channel.parts import LegTerms, SealedLeg, SettlementTerms
from traco.modules.channel.signing import terms_id
from traco.modules.leg.messages import HoldLeg, LegContent, leg_commitment

ALL = "abc"


class Side(NamedTuple):
    """What one party gives the other in a channel."""

    purse: Purse
    giver: str
    taker: str
    content: LegContent
    salt: bytes

    def terms(self) -> LegTerms:
        commitment = leg_commitment(self.salt, self.content)
        return LegTerms(self.purse.channel, commitment, (self.purse.sites.ids[self.taker],))

    async def sealed(self, terms: bytes) -> SealedLeg:
        sites, giver = self.purse.sites, self.purse.sites.ids[self.giver]
        hold = HoldLeg((giver,), terms, self.salt, self.content)
        raw = sites.transaction(self.purse.channel, hold, keys=[self.giver])
        return await sites[self.giver].running.dealer.deal(self.purse.channel, giver, terms, raw)


async def side(sites: Sites, code: str, giver: str, taker: str, amount: int) -> Side:
    """A channel of all with an instrument, of which somebody is to give something."""
    vaults = (sites.ids["d"],)
    terms = sites.terms(*ALL, faults=1, policy=2, custody=2, vaults=vaults)
    purse = Purse(sites, await sites.opened(terms), code)
    await purse.fill("b", "c")
    await sites.settle()
    moved = Movement(purse.instrument, purse.account(giver), purse.account(taker), amount, b"")
    return Side(purse, giver, taker, LegContent((moved,)), sha256(code.encode()).digest())


async def attempted(sites: Sites, after_ms: int = 30_000) -> tuple[Side, Side]:
    """``b`` gives 100 securities for 250 in cash of ``c``'s; the attempt is ordered."""
    sides = [await side(sites, "BOND", "b", "c", 100), await side(sites, "CASH", "c", "b", 250)]
    deadline_ms = sites.root.ledger.time_ms + after_ms
    terms = SettlementTerms(bytes(32), deadline_ms, tuple(each.terms() for each in sides))
    identity = terms_id(sites.network, terms)
    legs = tuple([await each.sealed(identity) for each in sides])
    assert sites.by_node("b", Attempt(sites.ids["b"], terms, legs)) == ""
    return sides[0], sides[1]


def owned(sides: tuple[Side, Side]) -> list[list[tuple[int, ...]]]:
    """What ``b`` and ``c`` have of each, as each node says."""
    return [[each.purse.balances(name, "b", "c") for name in ALL] for each in sides]


async def ended(sites: Sites, sides: tuple[Side, Side], *, committed: bool) -> None:
    """The attempt was decided so, once, and all nodes have applied it."""
    await sites.until(lambda: bool(sites.events(AttemptDecided)))
    await sites.until(lambda: all(sites.has_confirmed(each.purse.channel, *ALL) for each in sides), limit=200)
    (decided,) = sites.events(AttemptDecided)
    assert isinstance(decided, AttemptDecided)
    assert decided.committed == committed
    assert [len(sites.entries(each.purse.channel, Decided)) for each in sides] == [1, 1]


COMMITTED = [[(900, 1_100)] * 3, [(1_250, 750)] * 3]
RELEASED = [[(1_000, 1_000)] * 3, [(1_000, 1_000)] * 3]


def test_both_sides_are_executed_on_all_members_nodes(sites: Sites) -> None:
    async def scene() -> None:
        sides = await attempted(sites)
        await ended(sites, sides, committed=True)
        assert owned(sides) == COMMITTED

    run(scene())


def test_while_it_is_undecided_what_is_held_belongs_to_nobody_and_a_silent_attester_has_it_released_at_the_deadline(
    sites: Sites,
) -> None:
    async def scene() -> None:
        sides = await attempted(sites)
        sites["c"].withheld = (Attest,)
        await sites.tick(6)
        assert owned(sides) == [[(900, 1_000)] * 3, [(1_000, 750)] * 3]
        await ended(sites, sides, committed=False)
        (decided,) = sites.events(AttemptDecided)
        assert isinstance(decided, AttemptDecided)
        assert (decided.reason, decided.silent) == ("deadline", (sites.ids["c"],))
        assert owned(sides) == RELEASED

    run(scene())


def test_an_attester_that_speaks_after_its_point_was_confirmed_still_has_it_committed(sites: Sites) -> None:
    async def scene() -> None:
        sides = await attempted(sites, after_ms=120_000)
        sites["c"].stop()
        await sites.until(lambda: all(sites.has_confirmed(each.purse.channel, "a", "b") for each in sides))
        assert sites.events(AttemptDecided) == []
        sites["c"].start()
        await ended(sites, sides, committed=True)
        assert owned(sides) == COMMITTED

    run(scene())


def test_nodes_that_die_and_lose_a_payload_meanwhile_end_alike(sites: Sites) -> None:
    async def scene() -> None:
        sites["a"].custody.forgets = True
        sides = await attempted(sites, after_ms=120_000)
        for number, name in enumerate(ALL):
            sites[name].fuse.light(9 + 7 * number)
        await ended(sites, sides, committed=True)
        assert owned(sides) == COMMITTED

    run(scene())


def test_a_leg_that_its_channel_refuses_releases_the_other_at_once(sites: Sites) -> None:
    async def scene() -> None:
        rich = await side(sites, "BOND", "b", "c", 100)
        poor = await side(sites, "CASH", "c", "b", 1_001)
        terms = SettlementTerms(bytes(32), sites.root.ledger.time_ms + 300_000, (rich.terms(), poor.terms()))
        identity = terms_id(sites.network, terms)
        legs = (await rich.sealed(identity), await poor.sealed(identity))
        assert sites.by_node("b", Attempt(sites.ids["b"], terms, legs)) == ""
        await ended(sites, (rich, poor), committed=False)
        assert owned((rich, poor)) == RELEASED

    run(scene())


def test_a_leg_sealed_for_other_terms_is_refused(sites: Sites) -> None:
    async def scene() -> None:
        sides = [await side(sites, "BOND", "b", "c", 100), await side(sites, "CASH", "c", "b", 250)]
        legs = tuple(each.terms() for each in sides)
        until_ms = sites.root.ledger.time_ms + 60_000
        meant = SettlementTerms(bytes(32), until_ms, legs)
        other = SettlementTerms(b"\1" * 32, until_ms, legs)
        sealed = tuple([await each.sealed(terms_id(sites.network, meant)) for each in sides])
        assert sites.by_node("b", Attempt(sites.ids["b"], other, sealed)) == "channel.legs_wrong"

    run(scene())


def test_no_leg_is_sealed_for_who_is_not_in_the_channel(sites: Sites) -> None:
    async def scene() -> None:
        bond = await side(sites, "BOND", "b", "c", 100)
        dealer = sites["d"].running.dealer
        with pytest.raises(SubmissionRefused, match="not in that channel"):
            await dealer.deal(bond.purse.channel, sites.ids["d"], bytes(32), b"")

    run(scene())
