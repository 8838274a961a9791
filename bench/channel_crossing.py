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
from traco.kernel.batch_hold import Movement
from traco.modules.channel.events import AttemptDecided
from traco.modules.leg.messages import LegContent

WORKERS: Final = 64
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
            _leg(paying, paying.place.cash, (buyer, seller), bundled, 3),
            _leg(delivering, delivering.place.security, (seller, buyer), bundled, 1),
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
