"""A channel made good again, and joined later, by nodes that call each other over TLS and write snapshots in processes of their own."""

import asyncio
import gc
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.channel_nodes import Nodes, Site, nodes, until
from support.town import salt
from traco.channels.custody.messages import Fetch, Found
from traco.channels.seat.completeness import Completeness
from traco.modules.channel.messages import AcceptEpoch, OfferEpoch
from traco.modules.channel.parts import Terms
from traco.modules.holding.messages import (
    AccountKind,
    CreateInstrument,
    CreditControl,
    DebitControl,
    InstrumentKind,
    Issue,
    OpenAccount,
    Transfer,
    account_id,
    instrument_id,
)
from traco.node.channels.requests import (
    KeyMade,
    MakeKey,
    OffersAre,
    OffersTo,
    Rebuild,
    RebuildIs,
    RebuildOf,
)

# a call that is given up during its handshake leaves its transport to the collector: httpx closes those alone that it has
pytestmark = pytest.mark.filterwarnings("ignore:unclosed (transport|.socket):ResourceWarning")


def play(folder: Path, scene: Callable[[Nodes], Awaitable[None]]) -> None:
    async def run() -> None:
        async with nodes(folder) as found:
            await scene(found)

    asyncio.run(run())
    gc.collect()  # what is left open is noticed here, and not in another test


async def confirmed(found: Nodes, channel: bytes, name: str, *messages: Any) -> bytes:
    identity = await found.send(name, channel, *messages)
    await until(lambda: found.standing(name, channel, identity) == "confirmed")
    return identity


async def filled(found: Nodes, channel: bytes, payments: int) -> None:
    """Accounts of bank and broker, and payments between them."""
    for name in ("bank", "broker"):
        party = found.ids[name]
        opening = OpenAccount(
            party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
        )
        await confirmed(found, channel, name, opening)
    bank = found.ids["bank"]
    note = instrument_id(bank, "NOTE")
    accounts = tuple(account_id(found.ids[name], salt(name)) for name in ("bank", "broker"))
    created = CreateInstrument(bank, "NOTE", InstrumentKind.SECURITY, None, 2, bytes(32), (bank,))
    await confirmed(found, channel, "bank", created, Issue(bank, note, accounts[0], 1_000, b""))
    for number in range(payments):
        paid = Transfer(bank, note, accounts[0], accounts[1], 1, number.to_bytes(4, "big"))
        await confirmed(found, channel, "bank", paid)


async def wiped(found: Nodes, name: str) -> None:
    site = found.sites[name]
    await site.stop()
    shutil.rmtree(site.directory / "channels")
    await site.start()


async def report(found: Nodes, name: str, channel: bytes) -> Completeness:
    site = found.sites[name]
    site.ask(Rebuild(channel), RebuildIs)
    await until(lambda: site.ask(RebuildOf(channel), RebuildIs).report.status != "running")
    return site.ask(RebuildOf(channel), RebuildIs).report


def _problem(site: Site, channel: bytes) -> str:
    assert site.worker is not None
    problem = site.worker.seats.problems.get(channel)
    return "" if problem is None else str(getattr(problem, "code", ""))


def test_a_wiped_node_gets_everything_back_over_tls_and_a_member_that_joins_later_gets_a_snapshot(
    tmp_path: Path,
) -> None:
    async def scene(found: Nodes) -> None:
        channel = await found.opened("bank", "broker")
        await filled(found, channel, 2)
        await wiped(found, "broker")
        made = await report(found, "broker", channel)
        assert (made.status, made.agrees, made.missing, made.here) == ("complete", True, (), 0)
        assert [(each.member, each.payloads) for each in made.fetched] == [(found.ids["bank"], made.payloads)]

        names = ("bank", "broker", "outsider")
        members = tuple(sorted(found.ids[name] for name in names))
        terms = Terms(members, (), 0, 3, 1, None, ("holding", "settlement"))
        key = found.sites["bank"].ask(MakeKey(channel, 2, found.ids["bank"], members), KeyMade).key
        await found.on_root("bank", OfferEpoch(found.ids["bank"], channel, 2, terms, key))
        for name in names:
            site = found.sites[name]
            asked = OffersTo((site.member,))
            await until(
                lambda site=site, asked=asked: [each.status for each in site.ask(asked, OffersAre).offers] == ["ready"]  # type: ignore[misc]
            )  # fmt: skip
            (offered,) = site.ask(asked, OffersAre).offers
            await found.on_root(name, AcceptEpoch(site.member, channel, 2, offered.offer))
        bank = found.ids["bank"]
        source, target = (account_id(found.ids[name], salt(name)) for name in ("bank", "broker"))
        paid = Transfer(bank, instrument_id(bank, "NOTE"), source, target, 1, b"all three must attest")
        await confirmed(found, channel, "bank", paid)
        assert _problem(found.sites["outsider"], channel) == ""
        joined = await report(found, "outsider", channel)
        assert (joined.status, joined.agrees) == ("complete", True)
        assert joined.snapshot is not None
        assert joined.snapshot.member in (found.ids["bank"], found.ids["broker"])

    play(tmp_path, scene)


def test_a_custodian_that_answers_wrongly_over_tls_is_named(tmp_path: Path) -> None:
    async def scene(found: Nodes) -> None:
        channel = await found.opened("bank", "broker", "outsider", faults=0, custody=2)
        await filled(found, channel, 1)
        liar = found.sites["outsider"].worker
        assert liar is not None
        answers: Any = liar._answers
        answer = answers.answer

        async def lying(member: bytes, request: Any) -> Any:
            return Found(b"something else") if isinstance(request, Fetch) else await answer(member, request)

        answers.answer = lying
        await wiped(found, "broker")
        made = await report(found, "broker", channel)
        assert (made.status, made.agrees) == ("complete", True)
        assert [(each.member, each.code) for each in made.wrong] == [
            (found.ids["outsider"], "custody.wrong_bytes")
        ]

    play(tmp_path, scene)
