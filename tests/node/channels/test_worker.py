"""Nodes of different members do the business of a channel together, over TLS; each reads the ledger and its own files only."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from support.channel_nodes import Nodes, nodes, until
from support.town import salt
from traco.modules.channel.keeper import Keeper
from traco.modules.holding.messages import AccountKind, CreditControl, DebitControl, OpenAccount
from traco.modules.party.messages import RetireNode
from traco.node.channels import worker
from traco.node.channels.link import SOCKET_FILE
from traco.node.channels.requests import Condition, Conditions, ConditionsOf, Denied, MakeKey, Post


def account(place: Nodes, name: str, which: str = "") -> OpenAccount:
    party = place.ids[name]
    return OpenAccount(
        party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name + which)
    )


def test_what_a_member_sends_is_confirmed_on_the_nodes_of_all_members(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            channel = await place.opened("bank", "broker")
            sent = await place.send("bank", channel, account(place, "bank"))
            for name in ("bank", "broker"):
                await until(lambda name=name: place.standing(name, channel, sent) == "confirmed")  # type: ignore[misc]
            with place.sites["bank"].worker.root.reading() as root:  # type: ignore[union-attr]
                point = Keeper().points(root.state, channel, 1, 1)[0][1]
                entry = Keeper().entry(root.state, channel, point.first)
            assert entry is not None
            assert entry.signers == (
                place.ids["broker"],
            )  # it came by the other node's receipt, not on the root

    asyncio.run(scene())


def test_a_node_that_was_away_catches_up_with_what_others_hold(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            channel = await place.opened("bank", "broker", "outsider", policy=2)
            assert (place.sites["outsider"].directory / SOCKET_FILE).exists()
            await place.sites["outsider"].stop()
            assert not (place.sites["outsider"].directory / SOCKET_FILE).exists()
            sent = await place.send("bank", channel, account(place, "bank"))
            await until(lambda: place.standing("bank", channel, sent) == "confirmed")
            await place.sites["outsider"].start()
            await until(lambda: place.standing("outsider", channel, sent) == "confirmed")

    asyncio.run(scene())


def test_a_payload_goes_on_the_root_where_nobody_else_answers(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            channel = await place.opened("bank", "broker")
            await place.sites["broker"].stop()
            sent = await place.send("bank", channel, account(place, "bank"))
            await until(lambda: place.standing("bank", channel, sent) == "executed")
            await place.sites["broker"].start()
            await until(lambda: place.standing("broker", channel, sent) == "confirmed")

    asyncio.run(scene())


def test_business_is_for_members_that_have_their_seat_here(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            channel = await place.opened("bank", "broker")
            raw = place.wire(channel, "bank", account(place, "bank"))
            for name, member, code in (
                ("broker", "bank", "channel.not_hosted"), ("outsider", "outsider", "channel.not_member"),
            ):  # fmt: skip
                denied = place.sites[name].ask(Post(channel, place.ids[member], (raw,)), Denied)
                assert denied.code == code
            members = tuple(sorted(place.ids[name] for name in ("bank", "broker")))
            wanted = MakeKey(channel, 2, place.ids["bank"], members)
            assert place.sites["broker"].ask(wanted, Denied).code == "channel.not_hosted"
            nothing = place.sites["outsider"].ask(ConditionsOf((channel,)), Conditions)
            assert nothing.channels == (Condition(0, "", ""),)

    asyncio.run(scene())


def test_what_came_in_meanwhile_is_sent_as_soon_as_what_was_on_its_way_is_ordered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            channel = await place.opened("bank", "broker")
            monkeypatch.setattr(worker, "LOOK_S", 3_600.0)  # nobody looks by himself any more
            sent = [
                await place.send("bank", channel, account(place, "bank", str(number))) for number in (1, 2)
            ]
            for each in sent:
                await until(lambda each=each: place.standing("broker", channel, each) == "confirmed")  # type: ignore[misc]

    asyncio.run(scene())


def test_what_the_root_refuses_is_not_sent_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            channel = await place.opened("bank", "broker")
            bank = place.sites["bank"]
            assert bank.worker is not None
            root = bank.worker.root
            monkeypatch.setattr(worker, "TROUBLE_S", (3_600.0,))
            await place.on_root("bank", RetireNode(place.ids["bank"], bank.secrets.keys.node.public_key))
            await place.send("bank", channel, account(place, "bank"))
            await until(lambda: root.refusals)
            refused = root.refusals
            for _ in range(3):
                await place.on_root("outsider", place.sites["outsider"].seat())
            assert root.refusals == refused

    asyncio.run(scene())


def test_a_seat_that_is_elsewhere_now_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            assert "another seat" not in caplog.text
            broker = place.sites["broker"]
            moved = replace(broker.seat(), box=bytes(31) + b"\x09")
            await place.on_root("broker", moved)
            await until(lambda: "another seat" in caplog.text)
            assert f"another seat for {broker.member.hex()}" in caplog.text

    asyncio.run(scene())


def test_a_replica_that_was_lost_is_executed_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with nodes(tmp_path) as place:
            channel = await place.opened("bank", "broker")
            sent = await place.send("bank", channel, account(place, "bank"))
            await until(lambda: place.standing("broker", channel, sent) == "confirmed")
            await place.sites["broker"].stop()
            for path in (place.sites["broker"].directory / "channels").glob(f"{channel.hex()}.*"):
                path.unlink()
            await place.sites["broker"].start()
            await until(lambda: place.standing("broker", channel, sent) == "confirmed")
            again = await place.send("broker", channel, account(place, "broker"))
            await until(lambda: place.standing("bank", channel, again) == "confirmed")

    asyncio.run(scene())
