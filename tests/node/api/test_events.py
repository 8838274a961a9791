"""The stream: every visible event once, in order, from any position; what ends it; and how it waits."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.api import WholeNode, whole_node
from support.ledger import Key
from support.stored_ledger import BANK, BANK_ID, EUR, StoredLedger
from traco.modules.composition import compose
from traco.modules.holding.messages import (
    AccountKind,
    CreditControl,
    DebitControl,
    OpenAccount,
    Transfer,
    account_id,
)
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.node.api import events
from traco.node.api.concerns import CONCERNS_FILE, Concerns
from traco.node.api.events import Filter, Heads, stream
from traco.node.api.principals import LOCAL, AccessDenied, Principal, Role
from traco.node.api.reads import Reads
from traco.node.link import LedgerGone
from traco.storage import SnapshotReader
from traco.storage.committed import Position

START = Position(0, 0, 0)


class Message:
    """One server-sent event."""

    def __init__(self, raw: bytes) -> None:
        fields = dict(line.split(b": ", 1) for line in raw.strip().split(b"\n"))
        self.kind = fields[b"event"].decode()
        self.id = fields.get(b"id", b"").decode()
        self.data: Any = msgspec.json.decode(fields[b"data"])


def parsed(raw: bytes) -> list[Message]:
    return [Message(part) for part in raw.split(b"\n\n") if part]


class Station:
    """A ledger with a bank and a trader, and streams over it."""

    def __init__(self, directory: Path) -> None:
        self.stored = StoredLedger(directory)
        self.registry = compose()
        self.heads = Heads()
        self.reader = SnapshotReader(self.stored.path)
        self.reads = Reads(self.reader, self.registry, Concerns(directory / CONCERNS_FILE, self.registry))
        ledger, salt = self.stored.ledger, bytes(16)
        keys = (PartyKey(Key("trader").public, ("sign", "administer")),)
        assert (
            ledger.submit(RegisterParty(BANK_ID, salt, "organisation", keys, "Trader"), keys=[BANK]).failure
            is None
        )
        self.trader = party_id(BANK_ID, salt)
        opening = OpenAccount(
            self.trader, self.trader, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt
        )
        assert ledger.submit(opening, keys=[Key("trader")]).failure is None
        self.account = account_id(self.trader, salt)
        self.as_trader = Principal(Role.PARTY, self.trader, Key("trader").public, "read")
        self.tell()

    def tell(self) -> None:
        self.heads._tell(self.stored.ledger.application.info().height)

    def pay(self, amount: int) -> None:
        transfer = Transfer(BANK_ID, EUR, self.stored.accounts[0], self.account, amount, b"to the trader")
        assert self.stored.ledger.submit(transfer, keys=[BANK]).failure is None
        self.tell()

    @asynccontextmanager
    async def reading(
        self, principal: Principal | Callable[[], Principal] = LOCAL, after: Position = START,
        wanted: Filter | None = None,
    ) -> AsyncIterator["Reader"]:  # fmt: skip
        find = principal if callable(principal) else lambda: principal
        messages = stream(self.reads, self.heads, find, after, wanted or Filter())
        try:
            yield Reader(messages)
        finally:
            await messages.aclose()  # type: ignore[attr-defined]

    def close(self) -> None:
        self.reader.close()
        assert self.reads.concerns is not None
        self.reads.concerns.close()
        self.stored.close()


class Reader:
    """Takes messages one by one."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._left: list[Message] = []

    async def next(self) -> Message:
        while not self._left:
            self._left = parsed(await asyncio.wait_for(anext(self._chunks), 120))
        return self._left.pop(0)

    async def ledger(self, count: int) -> list[Message]:
        """That many ledger messages; progress in between is left out."""
        found: list[Message] = []
        while len(found) < count:
            message = await self.next()
            if message.kind == "ledger":
                found.append(message)
        return found

    async def ended(self) -> bool:
        with pytest.raises(StopAsyncIteration):
            await anext(self._chunks)
        return True


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    opened = Station(tmp_path)
    yield opened
    opened.close()


def all_events(station: Station) -> list[tuple[str, str]]:
    with station.reads.snapshot() as snapshot:
        found = station.reads.log(snapshot).events_after(snapshot)
        return [(str(each.position), each.event.__struct_config__.tag) for each in found]


def seen(messages: list[Message]) -> list[tuple[str, str]]:
    assert all(message.id == message.data["position"] for message in messages)
    return [(message.id, message.data["event"]["type"]) for message in messages]


def test_whoever_sees_everything_gets_every_event_once_in_order(station: Station) -> None:
    expected = all_events(station)

    async def work() -> None:
        async with station.reading() as reader:
            assert seen(await reader.ledger(len(expected))) == expected

    asyncio.run(work())


def test_a_stream_resumes_exactly_behind_any_position(station: Station) -> None:
    expected = all_events(station)

    async def work() -> None:
        for index in range(0, len(expected) - 1, 5):
            async with station.reading(after=Position.parse(expected[index][0])) as reader:
                rest = expected[index + 1 :]
                assert seen(await reader.ledger(len(rest))) == rest

    asyncio.run(work())


def test_it_begins_by_saying_where_it_stands(station: Station) -> None:
    async def work() -> None:
        async with station.reading(after=Position(3, 1, 0)) as reader:
            first = await reader.next()
            assert (first.kind, first.id, first.data) == ("progress", "3.1.0", {"position": "3.1.0"})

    asyncio.run(work())


def test_a_party_gets_what_concerns_it_and_nothing_else(station: Station) -> None:
    station.stored.transfer(7)  # between accounts of the bank
    station.pay(5)
    station.stored.transfer(7)

    async def work() -> None:
        async with station.reading(station.as_trader) as reader:
            types = [kind for _, kind in seen(await reader.ledger(3))]
            assert types == ["party.registered/1", "holding.account_opened/1", "holding.moved/1"]
            station.pay(6)
            (paid,) = await reader.ledger(1)
            assert paid.data["event"]["amount"] == 6

    asyncio.run(work())


def test_a_waiting_stream_is_woken_by_the_next_block(station: Station) -> None:
    with station.reads.snapshot() as snapshot:
        newest = Position(snapshot.height, 99, 0)

    async def work() -> None:
        async with station.reading(after=newest) as reader:
            assert (await reader.next()).kind == "progress"
            waiting = asyncio.create_task(reader.ledger(1))
            await asyncio.sleep(0)
            station.pay(9)
            assert (await waiting)[0].data["event"]["amount"] == 9

    asyncio.run(work())


def test_without_events_it_says_up_to_where_all_was_seen(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PROGRESS_SECONDS", 0.0)
    station.stored.transfer(7)
    station.tell()
    height = station.stored.ledger.application.info().height

    async def work() -> None:
        async with station.reading(station.as_trader, Position(height - 1, 9, 0)) as reader:
            assert (await reader.next()).id == f"{height - 1}.9.0"
            progress = await reader.next()
            assert (progress.kind, progress.id) == ("progress", f"{height}.2.0")

    asyncio.run(work())


@pytest.mark.parametrize(
    ("wanted", "types"),
    [
        (Filter(prefix="holding.moved"), {"holding.moved/1"}),
        (Filter(prefix="party."), {"party.registered/1"}),
    ],
)
def test_the_type_filter_takes_types_that_begin_so(station: Station, wanted: Filter, types: set[str]) -> None:
    station.pay(5)
    expected = [each for each in all_events(station) if each[1] in types]

    async def work() -> None:
        async with station.reading(wanted=wanted) as reader:
            assert seen(await reader.ledger(len(expected))) == expected

    asyncio.run(work())


def test_the_party_filter_takes_what_concerns_a_party(station: Station) -> None:
    station.stored.transfer(7)
    station.pay(5)

    async def work() -> None:
        async with station.reading(wanted=Filter(party=station.trader)) as reader:
            types = [kind for _, kind in seen(await reader.ledger(3))]
            assert types == ["party.registered/1", "holding.account_opened/1", "holding.moved/1"]

    asyncio.run(work())


def test_the_account_filter_takes_what_names_an_account(station: Station) -> None:
    station.stored.transfer(7)
    station.pay(5)

    async def work() -> None:
        async with station.reading(wanted=Filter(account=station.account)) as reader:
            types = [kind for _, kind in seen(await reader.ledger(2))]
            assert types == ["holding.account_opened/1", "holding.moved/1"]

    asyncio.run(work())


def test_a_principal_that_is_none_any_more_ends_its_stream(station: Station) -> None:
    gone: list[bool] = []

    def find() -> Principal:
        if gone:
            raise AccessDenied("access.key_unknown", "gone", "advice")
        return station.as_trader

    async def work() -> None:
        async with station.reading(find) as reader:
            await reader.ledger(2)
            gone.append(True)
            station.pay(5)
            end = await reader.next()
            assert (end.kind, end.data["code"]) == ("end", "access.key_unknown")
            assert await reader.ended()

    asyncio.run(work())


def test_when_the_node_stops_streams_end_and_say_so(station: Station) -> None:
    async def work() -> None:
        async with station.reading(after=Position(10_000, 0, 0)) as reader:
            assert (await reader.next()).kind == "progress"
            waiting = asyncio.create_task(reader.next())
            await asyncio.sleep(0)
            station.heads.stop()
            end = await waiting
            assert (end.kind, end.data["code"]) == ("end", "node.stopping")
            assert await reader.ended()

    asyncio.run(work())


def test_a_reader_that_takes_too_long_is_ended(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SLOW_SECONDS", 0.0)

    async def work() -> None:
        async with station.reading() as reader:
            await reader.ledger(1)
            reader._left.clear()
            end = await reader.next()
            assert (end.kind, end.data["code"]) == ("end", "stream.slow")
            assert await reader.ended()

    asyncio.run(work())


def test_only_so_many_events_are_read_at_once(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "CHUNK", 3)
    monkeypatch.setattr(events, "CHUNK_BLOCKS", 2)
    monkeypatch.setattr(events, "LOOKED", 2)
    expected = all_events(station)

    async def work() -> None:
        chunks = stream(station.reads, station.heads, lambda: LOCAL, START, Filter())
        assert len(parsed(await anext(chunks))) == 1
        assert len(parsed(await anext(chunks))) <= 3
        async with station.reading() as reader:
            assert seen(await reader.ledger(len(expected))) == expected

    asyncio.run(work())


@pytest.fixture(scope="module")
def stopping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeNode]:
    """A node whose streams end at once, because a test client waits for the end of an answer."""
    with whole_node(tmp_path_factory.mktemp("stopping") / "node") as node:
        node.app.state.following.heads.ended = True
        yield node


@pytest.mark.parametrize(
    ("query", "last_event_id", "position"),
    [("", "", "0.0.0"), ("?after=0.1.0", "", "0.1.0"), ("?after=0.1.0", "0.2.2", "0.2.2"), (f"?type=party.&party={'ab' * 16}", "", "0.0.0")],
)  # fmt: skip
def test_the_route_begins_where_it_is_asked_to(
    stopping: WholeNode, query: str, last_event_id: str, position: str
) -> None:
    headers = {"last-event-id": last_event_id} if last_event_id else {}
    answer = stopping.client.get(f"/v1/events{query}", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    assert [(each.kind, each.id) for each in parsed(answer.content)] == [("progress", position), ("end", "")]


@pytest.mark.parametrize(
    "query", ["after=1", "after=01.2.3", "after=x", "party=zz", "account=ab", "after=" + "9" * 70]
)
def test_what_is_no_position_or_id_is_a_bad_request(stopping: WholeNode, query: str) -> None:
    answer = stopping.client.get(f"/v1/events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "request.invalid")


def test_heads_follow_the_ledger_until_it_is_gone() -> None:
    async def work() -> None:
        heads, told = Heads(), iter([3, 7])

        async def next_block(after: int) -> int:
            try:
                return next(told)
            except StopIteration:
                raise LedgerGone from None

        await heads.follow(next_block)
        assert heads.height == 7
        assert await heads.beyond(6, 0.0)
        assert not await heads.beyond(7, 0.0)

    asyncio.run(work())


def test_a_party_that_sees_little_is_told_how_far_it_has_come(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "LOOKED", 4)

    async def work() -> None:
        stranger = Principal(Role.PARTY, bytes(16), None, "read")
        async with station.reading(stranger) as reader:
            places = [Position.parse((await reader.next()).id) for _ in range(5)]
            assert places == sorted(set(places))

    asyncio.run(work())
