"""Attempts ordered by members' nodes: what runs out in between is sealed anew, what is there is never ordered twice, and who cheats
gets nothing."""

import asyncio
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from channels.seat.sites import Sites
from channels.seat.test_dealing import COMMITTED, Side, ended, owned, side
from support.virtual_time import run
from traco.channels.seat.errors import SubmissionRefused
from traco.channels.seat.ordering import Ordered
from traco.kernel.batch_hold import Movement
from traco.modules.channel.entries import Leg
from traco.modules.channel.messages import Attempt, Attest
from traco.modules.channel.parts import Held, SealedLeg, SettlementTerms
from traco.modules.channel.signing import terms_id
from traco.modules.leg.messages import HoldLeg, LegContent

PARTIES = ("b", "c")


async def agreed(sites: Sites, after_ms: int = 240_000) -> tuple[tuple[Side, Side], SettlementTerms]:
    sides = (await side(sites, "BOND", "b", "c", 100), await side(sites, "CASH", "c", "b", 250))
    until_ms = sites.root.ledger.time_ms + after_ms
    return sides, SettlementTerms(bytes(32), until_ms, tuple(each.terms() for each in sides))


def signed(sites: Sites, each: Side, terms: SettlementTerms) -> bytes:
    hold = HoldLeg((sites.ids[each.giver],), terms_id(sites.network, terms), each.salt, each.content)
    return sites.transaction(each.purse.channel, hold, keys=[each.giver])


async def seal(sites: Sites, each: Side, terms: SettlementTerms, raw: bytes) -> SealedLeg:
    member = sites.ids[each.giver]
    return await sites[each.giver].running.dealer.deal_for(each.purse.channel, member, terms, raw)


async def order(sites: Sites, name: str, terms: SettlementTerms, legs: Sequence[SealedLeg]) -> Ordered:
    task = asyncio.create_task(sites[name].running.ordering.order(sites.ids[name], terms, legs))
    await sites.tick(2)
    return await task


async def refusal(sites: Sites, name: str, terms: SettlementTerms, legs: Sequence[SealedLeg]) -> str:
    with pytest.raises(SubmissionRefused) as refused:
        await order(sites, name, terms, legs)
    return refused.value.code


def test_what_ran_out_before_it_was_ordered_is_sealed_again_and_nobody_signs_again(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        raws = [signed(sites, each, terms) for each in sides]
        sealed = [await seal(sites, each, terms, raw) for each, raw in zip(sides, raws, strict=True)]
        await sites.rotate("a", sides[0].purse.channel, sites.record(sides[0].purse.channel).terms)
        await sites.tick(2)
        assert await refusal(sites, "d", terms, sealed) == "channel.epoch_wrong"
        payload = sealed[1].payload
        assert isinstance(payload, Held)
        ended_before = replace(sealed[1], payload=replace(payload, order_by=sites.root.ledger.time_ms))
        sealed[0] = await seal(sites, sides[0], terms, raws[0])
        assert await refusal(sites, "d", terms, [sealed[0], ended_before]) == "channel.receipts_expired"
        sealed[1] = await seal(sites, sides[1], terms, raws[1])
        assert (await order(sites, "d", terms, sealed)).status == "undecided"
        await ended(sites, sides, committed=True)
        assert owned(sides) == COMMITTED

    run(scene())


def test_receipts_last_until_the_deadline(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        payload = (await seal(sites, sides[0], terms, signed(sites, sides[0], terms))).payload
        assert isinstance(payload, Held)
        assert payload.order_by == terms.deadline_ms

    run(scene())


def test_who_orders_again_is_told_what_is_there_and_nothing_is_ordered_twice(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        sealed = [await seal(sites, each, terms, signed(sites, each, terms)) for each in sides]
        for name in PARTIES:
            sites[name].withheld = (Attest,)
        first = await order(sites, "d", terms, sealed)
        again = await order(sites, "b", terms, sealed)
        assert (again.attempt, again.status, again.transaction) == (first.attempt, "undecided", b"")
        for name in PARTIES:
            sites[name].withheld = ()
        await ended(sites, sides, committed=True)
        last = await order(sites, "c", terms, sealed)
        assert (last.attempt, last.status) == (first.attempt, "committed")
        assert [len(sites.entries(each.purse.channel, Leg)) for each in sides] == [1, 1]

    run(scene())


def test_two_who_order_at_once_have_ordered_the_same_attempt(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        sealed = [await seal(sites, each, terms, signed(sites, each, terms)) for each in sides]
        tasks = [
            asyncio.create_task(sites[name].running.ordering.order(sites.ids[name], terms, sealed))
            for name in PARTIES
        ]
        await sites.tick(3)
        first, second = [await task for task in tasks]
        assert first.attempt == second.attempt
        assert {first.failure, second.failure} == {None}

    run(scene())


def test_no_leg_is_sealed_that_is_not_the_one_that_the_terms_commit_to(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        bond, cash = sides
        other = replace(terms, salt=b"\1" * 32)
        less = Movement(cash.purse.instrument, cash.purse.account("c"), cash.purse.account("b"), 1, b"")
        cheap = cash._replace(content=LegContent((less,)))
        hold = HoldLeg((sites.ids["b"],), terms_id(sites.network, terms), bond.salt, bond.content)
        cases = {
            "leg.terms_differ": (bond, terms, signed(sites, bond, other)),
            "leg.commitment_differs": (cash, terms, signed(sites, cheap, terms)),
            "transaction.wrong_ledger": (
                bond, terms, sites.transaction(cash.purse.channel, hold, keys=["b"])
            ),
            "entry.not_a_leg": (bond, terms, sites.transaction(bond.purse.channel, hold, hold, keys=["b"])),
            "transaction.malformed": (bond, terms, b"\xc0"),
            "channel.legs_wrong": (
                bond, replace(terms, legs=(terms.legs[1],) * 2), signed(sites, bond, terms)
            ),
            "channel.deadline_wrong": (bond, replace(terms, deadline_ms=1), signed(sites, bond, terms)),
        }  # fmt: skip
        for code, (each, meant, raw) in cases.items():
            with pytest.raises(SubmissionRefused) as refused:
                await seal(sites, each, meant, raw)
            assert refused.value.code == code
        assert sites.submitted == [each for each in sites.submitted if not isinstance(each, Attempt)]

    run(scene())


def test_an_attempt_is_ordered_with_the_legs_of_its_terms_in_their_places(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        bond, cash = [await seal(sites, each, terms, signed(sites, each, terms)) for each in sides]
        assert await refusal(sites, "b", terms, [bond]) == "channel.legs_wrong"
        assert (
            await refusal(sites, "b", replace(terms, deadline_ms=1), [bond, cash]) == "channel.deadline_wrong"
        )
        far = replace(terms, deadline_ms=terms.deadline_ms + 3_600_000)
        assert await refusal(sites, "b", far, [bond, cash]) == "channel.too_early"
        swapped = await order(sites, "b", terms, [cash, bond])
        forged = await order(sites, "b", terms, [bond, replace(cash, submitter=bond.submitter)])
        replayed = await order(sites, "b", replace(terms, salt=b"\1" * 32), [bond, cash])
        for answer in (swapped, forged, replayed):
            assert answer.failure is not None
            assert answer.failure.code in ("channel.legs_wrong", "channel.receipt_invalid")
        assert sites.entries(sides[0].purse.channel, Leg) == []

    run(scene())


def test_only_a_member_with_a_seat_on_the_node_has_it_order(sites: Sites) -> None:
    async def scene() -> None:
        _, terms = await agreed(sites)
        with pytest.raises(SubmissionRefused, match="no seat"):
            await sites["b"].running.ordering.order(sites.ids["c"], terms, [])

    run(scene())


def test_a_ledger_that_does_not_answer_leaves_it_open_and_ordering_again_is_safe(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        sealed = [await seal(sites, each, terms, signed(sites, each, terms)) for each in sides]
        sites["b"].root_trouble = "before"
        assert await refusal(sites, "b", terms, sealed) == "channels.outcome_unknown"
        sites["b"].root_trouble = ""
        assert (await order(sites, "b", terms, sealed)).status == "undecided"

    run(scene())


def test_how_an_attempt_ended_is_noted_in_each_channel_and_survives_a_restart(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites, after_ms=20_000)
        sealed = [await seal(sites, each, terms, signed(sites, each, terms)) for each in sides]
        sites["c"].withheld = (Attest,)
        ordered = await order(sites, "d", terms, sealed)
        await ended(sites, sides, committed=False)
        identity = terms_id(sites.network, terms)
        for name in ("a", "b"):
            sites[name].restart()
            found = sites[name].book.settled(identity)
            assert found is not None
            decision, channels = found
            assert (decision.attempt, decision.committed, decision.reason) == (
                ordered.attempt,
                False,
                "deadline",
            )
            assert decision.silent == (sites.ids["c"],)
            assert sorted(channels) == sorted(each.purse.channel for each in sides)
        assert sites["d"].book.settled(identity) is None  # in none of its channels

    run(scene())
