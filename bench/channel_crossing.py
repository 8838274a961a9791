"""Deliveries against payment across two channels, as two members' clients drive them over REST."""

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from bench.channel_ledger import RootFile
from bench.channel_market import ACCOUNTS, FINEST_S, LOOK_S, Floor, Latency, Settled
from bench.channel_nodes import ChannelNodes, Member, until
from bench.cluster_market import valid_until
from bench.market import signed
from bench.node_process import json_of
from traco.client.channel_deals import AgreedTerms, DraftLeg, agree, draft_leg
from traco.client.forms import from_form
from traco.kernel.batch_hold import Movement
from traco.modules.channel.events import AttemptDecided
from traco.modules.channel.parts import SealedLeg
from traco.modules.leg.messages import LegContent
from traco.node.channels.deal_requests import MAX_TOGETHER

WORKERS: Final = 64
CASH: Final = 3  # of a delivery, in the smallest unit
SECURITIES: Final = 1
UNKNOWN: Final = 404


class Side(NamedTuple):
    """What a member gives in a channel: its leg, signed for the terms."""

    floor: Floor
    giver: Member
    transaction: bytes


class Deal(NamedTuple):
    """A settlement whose parties have agreed and signed."""

    terms: AgreedTerms
    sides: tuple[Side, Side]


def deals(couple: tuple[Floor, Floor], count: int, until_ms: int, bundled: int = 1) -> Iterator[Deal]:
    """Cash in the first channel against securities in the second, both of the same two members; ``bundled`` deliveries each."""
    paying, delivering = couple
    buyer, seller = paying.members[:2]
    for _ in range(count):
        legs = (
            _leg(paying, paying.place.cash, (buyer, seller), bundled, CASH),
            _leg(delivering, delivering.place.security, (seller, buyer), bundled, SECURITIES),
        )
        terms = agree(paying.place.network, [leg.public() for leg in legs], until_ms)
        sides = (
            _side(paying, buyer, legs[0], terms, until_ms),
            _side(delivering, seller, legs[1], terms, until_ms),
        )
        yield Deal(terms, sides)


def _leg(floor: Floor, instrument: bytes, way: tuple[Member, Member], bundled: int, amount: int) -> DraftLeg:
    giver, taker = way
    moved = tuple(
        Movement(
            instrument, floor.account(giver, number % ACCOUNTS), floor.account(taker, number % ACCOUNTS), amount + number, b""
        )
        for number in range(bundled)
    )  # fmt: skip
    return draft_leg(floor.place.network, floor.channel, LegContent(moved), [giver.id], [taker.id])


def _side(floor: Floor, giver: Member, leg: DraftLeg, terms: AgreedTerms, until_ms: int) -> Side:
    hold = leg.hold(terms.id)
    raw = signed(
        floor.place.network, (hold,), (giver.signer,), until_ms, os.urandom(16), ledger=floor.channel
    )
    return Side(floor, giver, raw)


async def _ordered(nodes: ChannelNodes, deal: Deal) -> None:
    """Have both legs sealed, each at its giver's node, and the attempt ordered at the buyer's."""
    legs = await asyncio.gather(*(_sealed(nodes, deal.terms, side) for side in deal.sides))
    form = {"terms": deal.terms.terms, "legs": legs}
    await nodes.post(deal.sides[0].giver.node, "/v1/channels/attempts", form)


async def _sealed(nodes: ChannelNodes, terms: AgreedTerms, side: Side) -> Any:
    form = {"terms": terms.terms, "transaction": side.transaction}
    return (await nodes.post(side.giver.node, f"/v1/channels/{side.floor.channel.hex()}/legs", form))["leg"]


async def _committed(nodes: ChannelNodes, deal: Deal, look_s: float) -> None:
    path = f"/v1/channels/settlements/{deal.terms.id.hex()}"
    connection = await nodes.connection(deal.sides[0].giver.node)

    async def is_decided() -> bool:
        answer = await connection.get(path)
        if answer.status == UNKNOWN:
            return False  # the node has not read the block with the attempt yet
        status = json_of(answer)["status"]
        if status == "aborted":
            raise RuntimeError("a settlement of the load was aborted")
        return bool(status == "committed")

    try:
        await until(is_decided, look_s)
    finally:
        await connection.close()


def couples(floors: Sequence[Floor]) -> list[tuple[Floor, Floor]]:
    """Channels of the same two members, two by two."""
    found, waiting = list[tuple[Floor, Floor]](), dict[tuple[Member, ...], Floor]()
    for floor in floors:
        other = waiting.pop(floor.members, None)
        if other is None:
            waiting[floor.members] = floor
        else:
            found.append((other, floor))
    return found


async def crossed_together(nodes: ChannelNodes, floors: Sequence[Floor], count: int) -> Settled:
    """As ``crossed``, each delivery a settlement of its own, by clients that hand over many at a time: as those of the load
    inside channels do.
    """
    until_ms, found = await valid_until(nodes), couples(floors)
    made = [list(deals(couple, count, until_ms)) for couple in found]
    before = [await _owned(nodes, couple) for couple in found]
    used, begun = nodes.processor_seconds(), time.perf_counter()
    await asyncio.gather(*(_all_ordered(nodes, group) for group in made))
    for couple, owned in zip(found, before, strict=True):
        await _moved(nodes, couple, (owned[0] - CASH * count, owned[1] - SECURITIES * count))
    taken, used = time.perf_counter() - begun, nodes.processor_seconds() - used
    total = sum(map(len, made))
    return Settled(total / taken, used / total)


async def _owned(nodes: ChannelNodes, couple: tuple[Floor, Floor]) -> tuple[int, int]:
    """What the two givers of a couple's deliveries own of what they give, as settled: without what is set aside."""
    paying, delivering = couple
    buyer, seller = paying.members[:2]
    return (
        await _held(nodes, paying, buyer, paying.place.cash),
        await _held(nodes, delivering, seller, delivering.place.security),
    )


async def _held(nodes: ChannelNodes, floor: Floor, member: Member, instrument: bytes) -> int:
    form = {"account": floor.account(member, 0), "instrument": instrument}
    found = await nodes.post(member.node, f"/v1/channels/{floor.channel.hex()}/queries/holding.get", form)
    return int(found["answer"]["available"]) + int(found["answer"]["bucket"])


async def _moved(nodes: ChannelNodes, couple: tuple[Floor, Floor], wanted: tuple[int, int]) -> None:
    async def has_moved() -> bool:
        return await _owned(nodes, couple) == wanted

    await until(has_moved, LOOK_S)


async def _all_ordered(nodes: ChannelNodes, group: Sequence[Deal]) -> None:
    """Have a couple's legs sealed and ordered, so many at a time; the next are sealed while these are ordered."""
    ordering = list[asyncio.Task[None]]()
    for at in range(0, len(group), MAX_TOGETHER):
        part = group[at : at + MAX_TOGETHER]
        legs = await asyncio.gather(*(_sealed_together(nodes, part, number) for number in range(2)))
        ordering.append(asyncio.create_task(_ordered_together(nodes, part, legs)))
    await asyncio.gather(*ordering)


async def _sealed_together(nodes: ChannelNodes, part: Sequence[Deal], number: int) -> list[SealedLeg]:
    side = part[0].sides[number]
    wanted = [{"terms": deal.terms.terms, "transaction": deal.sides[number].transaction} for deal in part]
    path = f"/v1/channels/{side.floor.channel.hex()}/legs/batch"
    rows = await nodes.post(side.giver.node, path, wanted)
    return [from_form(SealedLeg, row["leg"]) for row in rows]


async def _ordered_together(
    nodes: ChannelNodes, part: Sequence[Deal], legs: Sequence[Sequence[SealedLeg]]
) -> None:
    wanted = [
        {"terms": deal.terms.terms, "legs": pair}
        for deal, pair in zip(part, zip(*legs, strict=True), strict=True)
    ]
    rows = await nodes.post(part[0].sides[0].giver.node, "/v1/channels/attempts/batch", wanted)
    refused = [row["failure"] for row in rows if row["failure"] is not None]
    if refused:
        raise RuntimeError(f"a settlement of the load was refused: {refused[0]}")


async def crossed(nodes: ChannelNodes, floors: Sequence[Floor], count: int, bundled: int = 1) -> Settled:
    """Deliveries per second until each is decided in both of its channels, many at a time, ``bundled`` to a settlement."""
    until_ms = await valid_until(nodes)
    made = [list(deals(couple, count, until_ms, bundled)) for couple in couples(floors)]
    waiting = iter([deal for group in zip(*made, strict=True) for deal in group])

    async def work() -> None:
        for deal in waiting:
            await _ordered(nodes, deal)

    used, begun = nodes.processor_seconds(), time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WORKERS)))
    for group in made:
        for deal in group:
            await _committed(nodes, deal, LOOK_S)
    taken, used = time.perf_counter() - begun, nodes.processor_seconds() - used
    total = bundled * sum(map(len, made))
    return Settled(total / taken, used / total)


async def idle_crossing(nodes: ChannelNodes, floors: Sequence[Floor], times: int) -> list[Latency]:
    """From the attempt's submission, its legs being sealed, until the node says that it is committed."""
    found, file = list[Latency](), RootFile(nodes.directory / nodes.validators[0])
    until_ms = await valid_until(nodes)
    for deal in deals(couples(floors)[0], times, until_ms):
        legs = await asyncio.gather(*(_sealed(nodes, deal.terms, side) for side in deal.sides))
        height, begun = file.height(), time.perf_counter()
        form = {"terms": deal.terms.terms, "legs": legs}
        await nodes.post(deal.sides[0].giver.node, "/v1/channels/attempts", form)
        await _committed(nodes, deal, FINEST_S)
        taken = (time.perf_counter() - begun) * 1e3
        decided = next(at for at, event in file.events(height) if isinstance(event, AttemptDecided))
        found.append(Latency(taken, decided - height))
        await asyncio.sleep(LOOK_S)
    file.close()
    return found
