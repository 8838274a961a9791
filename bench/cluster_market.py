"""The benchmark's market on a cluster: filled by ordinary transactions through a gateway, and signed loads on it."""

import asyncio
import os
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Final

import msgspec

from bench.cluster_nodes import ClusterNodes
from bench.connections import Connection
from bench.market import OWNERS, PER_TRANSACTION, Market, instructions_of, signed, signer
from bench.node_process import json_of
from traco.client.keystore import KeyStore
from traco.client.signer import Signer
from traco.kernel.instruction import Instruction
from traco.modules.holding.messages import Transfer
from traco.modules.holding.state import instrument_id
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.messages import GrantRole, party_id
from traco.node.directory import KEYS_FILE, MEMBER_KEY

VALID_MS: Final = 240_000
PER_REQUEST: Final = 32
FILLING: Final = 8  # requests at a time while the market is filled
INSTRUMENTS: Final = 2
PER_ACCOUNT: Final = 3  # instructions: to open it, and to issue two holdings
FINAL: Final = b'"status":"final"'


def market_of(nodes: ClusterNodes, accounts: int, keys: ExitStack) -> Market:
    """The market whose operator is the member of the first node. ``keys`` keeps its key store open."""
    operator = member_signer(nodes, nodes.network.nodes[0].name, keys)
    member = founding_member_id(operator.public_key)
    owners = tuple(party_id(member, number.to_bytes(16, "big")) for number in range(OWNERS))
    return Market(
        b"", bytes.fromhex(nodes.network.network), member, instrument_id(member, "BENCH-CASH"),
        instrument_id(member, "BENCH-SECURITY"), owners, tuple(signer(f"owner {number}") for number in range(OWNERS)),
        operator, operator, operator, accounts,
    )  # fmt: skip


def member_signer(nodes: ClusterNodes, name: str, keys: ExitStack) -> Signer:
    """The key of the member that a node belongs to. ``keys`` keeps its key store open."""
    store = keys.enter_context(KeyStore.open(nodes.directory / name / KEYS_FILE, nodes.passphrase))
    return store.signer(MEMBER_KEY)


async def fill(nodes: ClusterNodes, market: Market, keys: ExitStack) -> None:
    """Give the operator its role by decision of the council, then make parties, instruments, accounts and holdings."""
    first = nodes.network.nodes[0].name
    connection = await nodes.connection(first)
    founders = [
        member_signer(nodes, node.name, keys) for node in nodes.network.nodes if node.role == "validator"
    ]
    council = founders[: 2 * len(founders) // 3 + 1]
    parties = tuple(sorted(founding_member_id(each.public_key) for each in council))
    until = await valid_until(nodes)
    grant = signed(
        market.network, (GrantRole(parties, market.member, "cash_operator"),), council, until, os.urandom(16)
    )
    await submit(connection, [grant])
    await connection.close()
    making = instructions_of(market)
    # Accounts need owners and instruments, which make one request; they do not need each other. The instructions of
    # one account stay together.
    await _submit_all(nodes, market, _lists(islice(making, OWNERS + INSTRUMENTS), PER_TRANSACTION))
    await _submit_all(nodes, market, _lists(making, PER_TRANSACTION // PER_ACCOUNT * PER_ACCOUNT))


def _lists(instructions: Iterator[Instruction], size: int) -> Iterator[list[Instruction]]:
    return iter(lambda: list(islice(instructions, size)), [])


async def _submit_all(nodes: ClusterNodes, market: Market, transactions: Iterator[list[Instruction]]) -> None:
    """Submit transactions of these instructions through the first node, several requests at a time."""

    async def work() -> None:
        connection = await nodes.connection(nodes.network.nodes[0].name)
        while chunk := list(islice(transactions, PER_REQUEST)):
            until = await valid_until(nodes)
            signers = (market.member_signer,)
            await submit(
                connection, [signed(market.network, each, signers, until, os.urandom(16)) for each in chunk]
            )
        await connection.close()

    await asyncio.gather(*(work() for _ in range(FILLING)))


async def valid_until(nodes: ClusterNodes) -> int:
    """A limit of validity, counted from the ledger's time."""
    connection = await nodes.connection(nodes.validators[0])  # a new one: nodes close those that were idle
    found = json_of(await connection.get("/v1/status"))
    await connection.close()
    return int(found["time_ms"]) + VALID_MS


async def submit(connection: Connection, transactions: Sequence[bytes]) -> None:
    """Submit a batch and wait until all of it is final. Raises ``RuntimeError``."""
    await submit_body(connection, msgspec.msgpack.encode(transactions), len(transactions))


async def submit_body(connection: Connection, body: bytes, count: int) -> None:
    """As ``submit``, for an encoded batch."""
    answer = await connection.post("/v1/transactions/batch", body)
    if answer.content.count(FINAL) != count:
        raise RuntimeError(f"a transaction of the load was not final: {answer.content[:500]!r}")


def transfers(market: Market, count: int, until: int, seed: int, *, hot: bool = False) -> list[bytes]:
    """Signed transfers between random accounts, or all into account 0."""
    choose, made = random.Random(seed).randrange, []
    for _ in range(count):
        sender = choose(1, market.accounts)
        receiver = 0 if hot else choose(market.accounts)
        if receiver == sender:
            receiver = (sender + 1) % market.accounts
        owner = sender % len(market.owners)
        accounts = market.account(sender), market.account(receiver)
        transfer = Transfer(market.owners[owner], market.cash, *accounts, 1 + choose(1_000), b"")
        made.append(signed(market.network, (transfer,), (market.signers[owner],), until, os.urandom(16)))
    return made
