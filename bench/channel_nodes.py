"""A network whose nodes do channel business, each for its own member: seats, channels, transactions inside them."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from bench.cluster_market import member_signer, submit, valid_until
from bench.cluster_nodes import CHEAP, ClusterNodes
from bench.connections import JSON, Answer, Connection
from bench.market import signed
from bench.node_process import json_of
from traco.client.forms import from_form, to_form
from traco.client.keystore import KeyStore
from traco.client.signer import Signer
from traco.kernel.instruction import Instruction
from traco.modules.channel.messages import AcceptEpoch, OpenChannel, SetSeat
from traco.modules.channel.parts import EpochKey, Terms
from traco.modules.channel.signing import channel_id
from traco.modules.party.genesis import founding_member_id
from traco.modules.party.messages import GrantRole, RegisterNode
from traco.node.channels.keyring import SEATS_FILE, SeatSecrets, make_seat
from traco.node.channels.settings import ChannelsConfig
from traco.node.configuration import CONFIG_FILE, encode_config, read_config
from traco.node.founding.local import free_ports

T = TypeVar("T")

LOOK_S: Final = 0.2
LONGEST_S: Final = 300.0
PER_REQUEST: Final = 32
TAKEN: Final = b'"status":"received"'
ACCEPTED: Final = 202


class Member(NamedTuple):
    """An organisation, its node, and its key on the ledger."""

    node: str
    id: bytes
    signer: Signer


class ChannelNodes(ClusterNodes):
    """As ``ClusterNodes``, with channels enabled. Once it runs, ``seat`` the members."""

    def __init__(self, directory: Path, validators: int) -> None:
        self._addresses = [f"127.0.0.1:{port}" for port in free_ports(validators)]
        self._left = iter(self._addresses)
        super().__init__(directory, validators, projections=False)
        self.members: list[Member] = []
        self._seats = [
            self._made_seat(name) for name in self.validators
        ]  # the nodes find them when they start

    def _made_seat(self, name: str) -> SeatSecrets:
        with ExitStack() as keys:
            member = founding_member_id(member_signer(self, name, keys).public_key)
            store = keys.enter_context(
                KeyStore.create(self.directory / name / SEATS_FILE, self.passphrase, CHEAP)
            )
            return make_seat(store, member)

    def _configure(self, directory: Path, *, projections: bool) -> None:
        super()._configure(directory, projections=projections)
        channels = ChannelsConfig(enabled=True, listen=(next(self._left),))
        config = msgspec.structs.replace(read_config(directory), channels=channels)
        (directory / CONFIG_FILE).write_bytes(encode_config(config))

    async def seat(self, keys: ExitStack) -> None:
        """Give each member its seat, and the role of a cash operator, which the first has from its market.

        ``keys`` keeps key stores open.
        """
        for name, address, seat in zip(self.validators, self._addresses, self._seats, strict=True):
            signer = member_signer(self, name, keys)
            member = founding_member_id(signer.public_key)
            self.members.append(Member(name, member, signer))
            node, box = seat.keys.node.public_key, seat.keys.boxes[-1].public_key
            said = SetSeat(member, node, box, seat.certificate.der, f"https://{address}")
            await self.on_root([(signer, [RegisterNode(member, node), said])])
        council = sorted(self.members, key=lambda each: each.id)[: 2 * len(self.members) // 3 + 1]
        parties = tuple(each.id for each in council)
        for each in self.members[1:]:
            grant = GrantRole(parties, each.id, "cash_operator")
            raw = signed(
                self.id, (grant,), [one.signer for one in council], await valid_until(self), os.urandom(16)
            )
            await self._on_root([raw])

    @property
    def id(self) -> bytes:
        """The network's id."""
        return bytes.fromhex(self.network.network)

    async def on_root(self, wanted: Sequence[tuple[Signer, Sequence[Instruction]]]) -> None:
        """Have these instructions done on the root, each list in a transaction."""
        until = await valid_until(self)
        await self._on_root([signed(self.id, each, (by,), until, os.urandom(16)) for by, each in wanted])

    async def _on_root(self, transactions: Sequence[bytes]) -> None:
        connection = await self.connection(self.validators[0])
        for at in range(0, len(transactions), PER_REQUEST):
            await submit(connection, transactions[at : at + PER_REQUEST])
        await connection.close()

    async def get(self, node: str, path: str) -> Any:
        """What a node answers."""
        connection = await self.connection(node)
        try:
            return json_of(await connection.get(path))
        finally:
            await connection.close()

    async def post(self, node: str, path: str, form: Any) -> Any:
        """What a node answers to a form."""
        connection = await self.connection(node)
        try:
            return json_of(await connection.post(path, msgspec.json.encode(to_form(form)), JSON))
        finally:
            await connection.close()

    # channels

    async def opened(self, groups: Sequence[Sequence[Member]]) -> list[bytes]:
        """Channels of these members, each proposed by the first and open on the nodes of all."""
        channels, offers = list[bytes](), list[tuple[Signer, list[Instruction]]]()
        for group in groups:
            creator, salt = group[0], os.urandom(16)
            members = tuple(sorted(each.id for each in group))
            terms = Terms(
                members,
                (),
                0 if len(group) == 2 else 1,
                len(group) - (len(group) > 2),
                1 + (len(group) > 2),
                None,
                ("holding", "settlement"),
            )
            channel = channel_id(self.id, creator.id, salt)
            form = {"channel": channel, "epoch": 1, "member": creator.id, "members": members}
            key = from_form(EpochKey, await self.post(creator.node, "/v1/channels/keys", form))
            offers.append((creator.signer, [OpenChannel(creator.id, salt, terms, key)]))
            channels.append(channel)
        await self.on_root(offers)
        for member in self.members:
            own = {channel for channel, group in zip(channels, groups, strict=True) if member in group}
            await until(lambda member=member, own=own: self._accepted(member, own))  # type: ignore[misc]
        for channel, group in zip(channels, groups, strict=True):
            await until(lambda channel=channel, group=group: self._is_open(group, channel))  # type: ignore[misc]
        return channels

    async def _accepted(self, member: Member, channels: set[bytes]) -> bool:
        """Accept all of them at once, as soon as the member's node has all keys."""
        offers = (await self.get(member.node, "/v1/channels"))["offers"]
        ready = {
            bytes.fromhex(each["channel"]): bytes.fromhex(each["offer"])
            for each in offers
            if each["status"] == "ready"
        }
        if not channels <= set(ready):
            return False
        await self.on_root(
            [(member.signer, [AcceptEpoch(member.id, channel, 1, ready[channel])]) for channel in channels]
        )
        return True

    async def _is_open(self, group: Sequence[Member], channel: bytes) -> bool:
        found = [await self.get(each.node, f"/v1/channels/{channel.hex()}") for each in group]
        return all(each["executed"] >= 1 and each["stream"]["confirmed"] >= 1 for each in found)

    async def standing(self, connection: Connection, channel: bytes, identity: str) -> dict[str, Any]:
        """How far a transaction of a channel has come."""
        return json_of(await connection.get(f"/v1/channels/{channel.hex()}/transactions/{identity}"))


async def send(connection: Connection, channel: bytes, transactions: Sequence[bytes]) -> list[str]:
    """Submit transactions of a channel; their ids. Raises ``RuntimeError`` where one was not taken."""
    path = f"/v1/channels/{channel.hex()}/transactions/batch"
    answer: Answer = await connection.post(path, msgspec.msgpack.encode(transactions))
    if answer.status != ACCEPTED or answer.content.count(TAKEN) != len(transactions):
        raise RuntimeError(
            f"a transaction of a channel was not taken: {answer.status} {answer.content[:500]!r}"
        )
    return [each["id"] for each in msgspec.json.decode(answer.content)]


async def until(holds: Callable[[], Any], look_s: float = LOOK_S) -> None:
    """Look until something holds. Raises ``RuntimeError`` when it takes too long."""
    end = time.monotonic() + LONGEST_S
    while not await holds():
        if time.monotonic() > end:
            raise RuntimeError("it never came")
        await asyncio.sleep(look_s)
