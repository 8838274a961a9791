"""Attempts ordered by members' nodes: what runs out in between is sealed anew, what is there is never ordered twice, and who cheats
gets nothing."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest
from msgspec.structs import replace

from channels.seat.fuses import Died
from channels.seat.sites import Sites
from channels.seat.test_dealing import COMMITTED, Side, ended, owned, side
from support.virtual_time import run
from traco.channels.custody.errors import TransportFailed
from traco.channels.custody.messages import Hold, HoldAll, Signed
from traco.channels.seat.entrusting import ORDER_MS
from traco.channels.seat.errors import SubmissionRefused
from traco.channels.seat.messages import request_codec
from traco.channels.seat.ordering import Ordered
from traco.kernel.batch_hold import Movement
from traco.modules.channel.entries import Leg
from traco.modules.channel.events import AttemptDecided
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


def deal_of(
    sides: tuple[Side, Side], number: int, until_ms: int
) -> tuple[tuple[Side, Side], SettlementTerms]:
    """The sides again, with legs and terms of their own."""
    own = tuple(each._replace(salt=bytes([number]) * 32) for each in sides)
    return (own[0], own[1]), SettlementTerms(
        bytes([number]) * 32, until_ms, tuple(each.terms() for each in own)
    )


async def seal_all(
    sites: Sites, sides: Sequence[Side], terms: Sequence[SettlementTerms], raws: Sequence[bytes]
) -> list[SealedLeg | SubmissionRefused]:
    """Legs of one channel."""
    purse, giver = sides[0].purse, sides[0].giver
    legs = list(zip(terms, raws, strict=True))
    return await sites[giver].running.dealer.deal_all(purse.channel, sites.ids[giver], legs)


async def order_all(
    sites: Sites, name: str, attempts: Sequence[tuple[SettlementTerms, Sequence[SealedLeg]]]
) -> list[Ordered | SubmissionRefused]:
    task = asyncio.create_task(sites[name].running.ordering.order_all(sites.ids[name], attempts))
    await sites.tick(2)
    return await task


def codes(answers: Sequence[object]) -> list[str]:
    return [each.code if isinstance(each, SubmissionRefused) else "" for each in answers]


async def many(
    sites: Sites, count: int
) -> tuple[tuple[Side, Side], list[SettlementTerms], list[list[SealedLeg]]]:
    """So many settlements between the same two, each of whose legs were sealed together."""
    sides = (await side(sites, "BOND", "b", "c", 10), await side(sites, "CASH", "c", "b", 25))
    until_ms = sites.root.ledger.time_ms + 240_000
    found = [deal_of(sides, number, until_ms) for number in range(count)]
    terms = [each for _, each in found]
    sealed = list[list[SealedLeg]]()
    for at in range(2):
        own = [pair[at] for pair, _ in found]
        raws = [signed(sites, each, meant) for each, meant in zip(own, terms, strict=True)]
        dealt = await seal_all(sites, own, terms, raws)
        assert codes(dealt) == [""] * count
        sealed.append([each for each in dealt if isinstance(each, SealedLeg)])
    return sides, terms, [list(pair) for pair in zip(*sealed, strict=True)]


def test_legs_that_are_sealed_together_settle_each_by_itself(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms, legs = await many(sites, 8)
        assert max(len(each) for each in grouped(sites)) > 1
        answers = await order_all(sites, "d", list(zip(terms, legs, strict=True)))
        assert [each.status for each in answers if isinstance(each, Ordered)] == ["undecided"] * 8
        await sites.until(lambda: len(sites.events(AttemptDecided)) == 8)
        await sites.until(
            lambda: all(sites.has_confirmed(each.purse.channel, *"abc") for each in sides), limit=200
        )
        assert owned(sides) == [[(920, 1_080)] * 3, [(1_200, 800)] * 3]

    run(scene())


def grouped(sites: Sites) -> list[tuple[Hold, ...]]:
    """What custodians were asked to hold in one call."""
    found = [request_codec.decode(raw) for _, _, raw in sites.traffic if b"custody.hold_all/1" in raw]
    return [each.requests for each in found if isinstance(each, HoldAll)]


def test_a_leg_that_is_refused_changes_nothing_for_those_sealed_with_it(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms = await agreed(sites)
        bond, until_ms = sides[0], terms.deadline_ms
        found = [deal_of(sides, number, until_ms) for number in range(5)]
        own, meant = [pair[0] for pair, _ in found], [each for _, each in found]
        raws = [signed(sites, each, of) for each, of in zip(own, meant, strict=True)]
        raws[1], raws[3] = b"\xc0", signed(sites, own[3], meant[0])
        meant[4] = replace(meant[4], deadline_ms=1)
        dealt = await seal_all(sites, own, meant, raws)
        assert codes(dealt) == ["", "transaction.malformed", "", "leg.terms_differ", "channel.deadline_wrong"]
        good = dealt[2]
        assert isinstance(good, SealedLeg)
        cash = found[2][0][1]
        other = await seal(sites, cash, meant[2], signed(sites, cash, meant[2]))
        assert (await order(sites, "d", meant[2], [good, other])).status == "undecided"
        assert bond.purse.channel in {entry.ledger for entry in meant[2].legs}

    run(scene())


def test_an_attempt_that_is_refused_changes_nothing_for_those_ordered_with_it(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms, legs = await many(sites, 6)
        forged = replace(legs[1][1], submitter=legs[1][0].submitter)
        attempts = list(zip(terms, legs, strict=True))
        attempts[1] = (terms[1], [legs[1][0], forged])
        attempts[2] = (terms[2], legs[3])  # legs of other terms
        attempts[4] = (terms[4], legs[4][:1])
        attempts[5] = attempts[0]
        answers = await order_all(sites, "d", attempts)
        assert codes(answers) == ["", "", "", "", "channel.legs_wrong", ""]
        failures = [
            each.failure.code if isinstance(each, Ordered) and each.failure is not None else ""
            for each in answers
        ]
        assert failures == ["", "channel.receipt_invalid", "channel.legs_wrong", "", "", ""]
        first, again = answers[0], answers[5]
        assert isinstance(first, Ordered)
        assert isinstance(again, Ordered)
        assert first.attempt == again.attempt
        await sites.until(lambda: len(sites.events(AttemptDecided)) == 2)
        assert [len(sites.entries(each.purse.channel, Leg)) for each in sides] == [2, 2]

    run(scene())


def test_a_ledger_that_does_not_answer_leaves_all_open_and_ordering_them_again_is_safe(sites: Sites) -> None:
    async def scene() -> None:
        sides, terms, legs = await many(sites, 3)
        attempts = list(zip(terms, legs, strict=True))
        sites["b"].root_trouble = "behind"  # they are ordered all the same
        assert codes(await order_all(sites, "b", attempts)) == ["channels.outcome_unknown"] * 3
        sites["b"].root_trouble = ""
        answers = await order_all(sites, "b", attempts)
        assert all(isinstance(each, Ordered) and each.failure is None for each in answers)
        assert [len(sites.entries(each.purse.channel, Leg)) for each in sides] == [3, 3]

    run(scene())


def test_a_custodian_that_lies_about_one_leg_is_left_out_of_that_one_alone(sites: Sites) -> None:
    async def scene() -> None:
        seen = 0

        def lie(request: object, answer: object) -> object:
            nonlocal seen
            is_leg = isinstance(request, Hold) and request.order_by > sites.root.ledger.time_ms + ORDER_MS
            seen += is_leg
            return Signed(bytes([1]) + bytes(64)) if is_leg and seen == 4 else answer

        sites.lies["a"] = lie
        _, terms, legs = await many(sites, 6)
        places = [len(leg.payload.receipts) for pair in legs for leg in pair if isinstance(leg.payload, Held)]
        assert sorted(places) == [2] + [3] * 11
        answers = await order_all(sites, "d", list(zip(terms, legs, strict=True)))
        assert [each.failure for each in answers if isinstance(each, Ordered)] == [None] * 6

    run(scene())


def test_a_node_that_dies_while_it_seals_many_has_promised_nothing_and_seals_them_again(sites: Sites) -> None:
    async def scene() -> None:
        sides = (await side(sites, "BOND", "b", "c", 10), await side(sites, "CASH", "c", "b", 25))
        until_ms = sites.root.ledger.time_ms + 240_000
        found = [deal_of(sides, number, until_ms) for number in range(5)]
        own, terms = [pair[0] for pair, _ in found], [each for _, each in found]
        raws = [signed(sites, each, meant) for each, meant in zip(own, terms, strict=True)]
        for step in range(1, 4):
            sites["b"].fuse.light(step)
            with suppress(Died, TransportFailed):
                await seal_all(sites, own, terms, raws)
            sites["b"].restart()
        dealt = await seal_all(sites, own, terms, raws)
        assert codes(dealt) == [""] * 5
        cash = [pair[1] for pair, _ in found]
        paid = await seal_all(
            sites, cash, terms, [signed(sites, each, of) for each, of in zip(cash, terms, strict=True)]
        )
        pairs = [(meant, [one, two]) for meant, one, two in zip(terms, dealt, paid, strict=True)]
        await order_all(sites, "c", pairs)  # type: ignore[arg-type]  # none was refused
        await sites.until(lambda: len(sites.events(AttemptDecided)) == 5)

    run(scene())
