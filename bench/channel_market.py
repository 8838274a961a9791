"""Business inside channels that is measured: accounts and instruments of two members, deliveries against payment, transfers."""

import asyncio
import os
import random
import time
from collections.abc import Iterator, Sequence
from itertools import combinations, cycle, islice
from typing import Any, Final, NamedTuple

from bench.channel_ledger import RootFile
from bench.channel_nodes import ChannelNodes, Member, send, until
from bench.cluster_market import valid_until
from bench.market import START_AMOUNT, signed
from bench.settlements import Place, Side, delivery
from traco.kernel.instruction import Instruction
from traco.modules.channel.events import Confirmed
from traco.modules.holding.messages import CreateInstrument, Issue, OpenAccount, Transfer
from traco.modules.holding.state import (
    AccountKind,
    CreditControl,
    DebitControl,
    InstrumentKind,
    account_id,
    instrument_id,
)

ACCOUNTS: Final = 10  # of each member in each channel
AT_ONCE: Final = 256  # transactions of one request
BATCH: Final = 100
LOOK_S: Final = 0.1
QUIET_S: Final = 3.0
FINEST_S: Final = 0.005  # between looks where latency is measured


class Floor(NamedTuple):
    """A channel with a market of its first two members in it."""

    channel: bytes
    members: tuple[Member, ...]
    place: Place

    def account(self, member: Member, number: int) -> bytes:
        """The id of a member's account."""
        return account_id(member.id, number.to_bytes(16, "big"))

    def side(self, member: Member, number: int) -> Side:
        """A member as a side of a settlement."""
        return Side(member.id, self.account(member, number), member.signer)


def pairs(members: Sequence[Member], count: int) -> list[tuple[Member, Member]]:
    """So many pairs of members, each as often as the others."""
    return list(islice(cycle(combinations(members, 2)), count))


async def furnished(nodes: ChannelNodes, groups: Sequence[Sequence[Member]]) -> list[Floor]:
    """Channels of these members with instruments and accounts in them, all of it confirmed."""
    channels = await nodes.opened(groups)
    floors = list[Floor]()
    for channel, group in zip(channels, groups, strict=True):
        issuer = group[0].id
        place = Place(nodes.id, channel, instrument_id(issuer, "CASH"), instrument_id(issuer, "BOND"))
        floors.append(Floor(channel, tuple(group), place))
    until_ms = await valid_until(nodes)
    sent = [
        (floor, await _sent(nodes, floor, floor.members[0], [_furnishing(floor, until_ms)]))
        for floor in floors
    ]
    for floor, identities in sent:
        await confirmed(nodes, floor, floor.members[0], identities[-1])
    return floors


def _furnishing(floor: Floor, until_ms: int) -> bytes:
    first, second, *_ = floor.members
    made: list[Instruction] = [
        CreateInstrument(first.id, "CASH", InstrumentKind.CASH, "EUR", 2, bytes(32), (first.id,)),
        CreateInstrument(first.id, "BOND", InstrumentKind.SECURITY, None, 2, bytes(32), (first.id,)),
    ]
    for member in (first, second):
        for number in range(ACCOUNTS):
            account, salt = floor.account(member, number), number.to_bytes(16, "big")
            made.append(
                OpenAccount(
                    member.id, member.id, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
                )
            )
            made += [
                Issue(first.id, instrument, account, START_AMOUNT, b"")
                for instrument in (floor.place.cash, floor.place.security)
            ]
    signers = sorted((first.signer, second.signer), key=lambda each: each.public_key)
    return signed(floor.place.network, made, signers, until_ms, os.urandom(16), ledger=floor.channel)


async def _sent(
    nodes: ChannelNodes, floor: Floor, member: Member, transactions: Sequence[bytes]
) -> list[str]:
    connection = await nodes.connection(member.node)
    try:
        return await send(connection, floor.channel, transactions)
    finally:
        await connection.close()


async def confirmed(
    nodes: ChannelNodes, floor: Floor, member: Member, identity: str, look_s: float = LOOK_S
) -> None:
    """Wait until a transaction is confirmed, as the member's node says. Raises ``RuntimeError`` where it failed."""
    connection = await nodes.connection(member.node)

    async def is_confirmed() -> bool:
        found = await nodes.standing(connection, floor.channel, identity)
        if found["failure"] is not None or found["status"] in ("refused", "disputed"):
            raise RuntimeError(f"a transaction of the load failed: {found}")
        return bool(found["status"] == "confirmed")

    try:
        await until(is_confirmed, look_s)
    finally:
        await connection.close()


class Load(NamedTuple):
    """Deliveries of one channel, by the member at whose node they are submitted, and what they change."""

    floor: Floor
    transactions: tuple[tuple[Member, list[bytes]], ...]
    cash: dict[bytes, int]  # account -> by how much


def deliveries(floor: Floor, count: int, until_ms: int, seed: int) -> Load:
    """Signed deliveries between random accounts of the two, half of them to be submitted at each one's node."""
    choose = random.Random(seed).randrange
    first, second, *_ = floor.members
    made: dict[Member, list[bytes]] = {first: [], second: []}
    cash = dict[bytes, int]()
    for number in range(count):
        members = (first, second) if choose(2) else (second, first)
        buyer, seller = (floor.side(member, choose(ACCOUNTS)) for member in members)
        amount = 1 + choose(1_000)
        for side, change in ((buyer, -3 * amount), (seller, 3 * amount)):
            cash[side.account] = cash.get(side.account, 0) + change
        made[(first, second)[number % 2]].append(delivery(floor.place, buyer, seller, amount, until_ms))
    return Load(floor, tuple(made.items()), cash)


class Settled(NamedTuple):
    """What a run did: deliveries per second until all are confirmed at the node that took them, processor seconds of each."""

    per_second: float
    processor: float


async def settled(nodes: ChannelNodes, loads: Sequence[Load]) -> Settled:
    """Submit everything, wait until it is confirmed, and see that all of it happened."""
    count = sum(len(each) for load in loads for _, each in load.transactions)
    before = [await _balances(nodes, load.floor, load.cash) for load in loads]
    used, begun = nodes.processor_seconds(), time.perf_counter()
    await asyncio.gather(*(_submit_all(nodes, node, loads) for node in nodes.validators))
    taken, used = time.perf_counter() - begun, nodes.processor_seconds() - used
    after = [await _balances(nodes, load.floor, load.cash) for load in loads]
    for load, was, now in zip(loads, before, after, strict=True):
        if {account: now[account] - was[account] for account in now} != load.cash:
            raise RuntimeError("not every delivery of the load happened as it was submitted")
    return Settled(count / taken, used / count)


async def _submit_all(nodes: ChannelNodes, node: str, loads: Sequence[Load]) -> None:
    """Submit a node's part, some of each channel after the other, and wait for the last of each channel."""
    own = [
        (load.floor, member, [transactions[at : at + AT_ONCE] for at in range(0, len(transactions), AT_ONCE)])
        for load in loads
        for member, transactions in load.transactions
        if member.node == node
    ]
    connection, last = await nodes.connection(node), dict[bytes, str]()
    for number in range(max(len(chunks) for _, _, chunks in own)):
        for floor, _, chunks in own:
            if number < len(chunks):
                last[floor.channel] = (await send(connection, floor.channel, chunks[number]))[-1]
    await connection.close()
    for floor, member, _ in own:
        await confirmed(nodes, floor, member, last[floor.channel], 2 * LOOK_S)


async def _balances(nodes: ChannelNodes, floor: Floor, accounts: dict[bytes, int]) -> dict[bytes, int]:
    node, found = floor.members[0].node, dict[bytes, int]()
    for account in accounts:
        found[account] = (await held(nodes, node, floor, account))["available"]
    return found


async def held(nodes: ChannelNodes, node: str, floor: Floor, account: bytes) -> Any:
    """What an account of a channel holds in cash."""
    form = {"account": account, "instrument": floor.place.cash}
    return (await nodes.post(node, f"/v1/channels/{floor.channel.hex()}/queries/holding.get", form))["answer"]


def payments(floor: Floor, count: int, until_ms: int) -> Iterator[bytes]:
    """Signed transfers of the first member's to the second's accounts."""
    first, second, *_ = floor.members
    for number in range(count):
        accounts = floor.account(first, number % ACCOUNTS), floor.account(second, number % ACCOUNTS)
        transfer = Transfer(first.id, floor.place.cash, *accounts, 1 + number, b"")
        yield signed(
            floor.place.network, (transfer,), (first.signer,), until_ms, os.urandom(16), ledger=floor.channel
        )


class Latency(NamedTuple):
    """How long it took, in ms, and in blocks of the root up to the one that says so."""

    ms: float
    blocks: int


async def idle_latency(nodes: ChannelNodes, floor: Floor, times: int) -> list[Latency]:
    """From submitting one transfer until the node says that it is confirmed, with nothing else going on."""
    member, found, file = floor.members[0], list[Latency](), RootFile(nodes.directory / floor.members[0].node)
    for raw in payments(floor, times, await valid_until(nodes)):
        height, begun = file.height(), time.perf_counter()
        (identity,) = await _sent(nodes, floor, member, [raw])
        await confirmed(nodes, floor, member, identity, FINEST_S)
        taken = (time.perf_counter() - begun) * 1e3
        at = next(at for at, event in file.events(height) if isinstance(event, Confirmed))
        found.append(Latency(taken, at - height))
        await asyncio.sleep(LOOK_S)
    file.close()
    return found


async def overhead_bytes(nodes: ChannelNodes, floors: Sequence[Floor], rounds: int) -> float:
    """Bytes on the root for each transaction, which come in batches of a hundred, in all channels at once."""
    file = RootFile(nodes.directory / nodes.validators[0])
    height, until_ms = file.height(), await valid_until(nodes)
    made = {floor: list(payments(floor, rounds * BATCH, until_ms)) for floor in floors}
    for number in range(rounds):
        parts = [made[floor][number * BATCH : (number + 1) * BATCH] for floor in floors]
        sent = await asyncio.gather(
            *(_sent(nodes, floor, floor.members[0], part) for floor, part in zip(floors, parts, strict=True))
        )
        for floor, identities in zip(floors, sent, strict=True):
            await confirmed(nodes, floor, floor.members[0], identities[-1], FINEST_S)
    await asyncio.sleep(QUIET_S)  # words of members whom the policy did not wait for count too
    found = file.ordered_bytes(height) / (len(floors) * rounds * BATCH)
    file.close()
    return found
