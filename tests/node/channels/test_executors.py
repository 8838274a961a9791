"""Channels executed in real processes of their own: the same results as here, and nothing lost or doubled when one of them dies."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from channels.executing.desk import CHANNEL, Node, Ordered, Root, Town, Trade
from support.channel_nodes import Nodes, Site, nodes, until
from support.town import salt
from traco.channels.executing import Compositions, GenerationStale, RegistryView
from traco.channels.executing.errors import ExecutingError, StreamWrong
from traco.channels.executing.points import VOIDED, Content, Nothing
from traco.channels.seat.book import Book
from traco.channels.seat.errors import ExecutorAway
from traco.channels.seat.ports import Ran
from traco.kernel.errors import Halt
from traco.kernel.genesis import write_genesis
from traco.modules.channel.entries import Decided, Tick, Voided
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
from traco.modules.holding.state import HOLDINGS
from traco.node.channels import executors as executors_module
from traco.node.channels.executors import ExecutorPool, ExecutorsStay, executors_lock
from traco.node.channels.file_replica import FileReplica
from traco.node.channels.stores import CHANNELS_FOLDER, ChannelStores
from traco.node.configuration import LogConfig
from traco.node.directory import GENESIS_FILE, LEDGER_FILE
from traco.storage import LedgerStore

ATTEMPT = sha256(b"attempt").digest()
PATIENCE_S = 120.0  # a process has to start, perhaps on a machine with much else to do


class Yard:
    """A directory with a root's ledger, and executors over it."""

    def __init__(self, folder: Path, trade: Trade) -> None:
        self.folder, self.trade = folder, trade
        self.network = trade.town.founding.ledger.application.network

    @asynccontextmanager
    async def pool(self, count: int = 1) -> AsyncIterator[ExecutorPool]:
        limits = self.trade.town.founding.genesis.kernel_parameters()
        lock = executors_lock(self.folder)
        compositions = Compositions(RegistryView(), limits)
        made = ExecutorPool(self.folder, self.network, compositions, LogConfig(), count)
        try:
            yield made
        finally:
            await made.close()
            os.close(lock)

    @property
    def root(self) -> Root:
        return self.trade.town.root

    async def run(self, replica: FileReplica, ordered: Ordered) -> Ran:
        ran = await replica.run(ordered.point, ordered.contents, self.root)
        await replica.keep()
        return ran


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    (tmp_path / CHANNELS_FOLDER).mkdir()
    store = LedgerStore(tmp_path / LEDGER_FILE, durable=False)
    trade = Trade(Town(store=store))
    (tmp_path / GENESIS_FILE).write_bytes(write_genesis(trade.town.founding.genesis))
    yield Yard(tmp_path, trade)
    store.close()


def scene(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await work()

    asyncio.run(limited())


def pay(trade: Trade, amount: int) -> bytes:
    return trade.town.pay("seller", trade.bond, trade.seller, trade.buyer, amount)


def lived(trade: Trade) -> None:
    """Payments, one of them refused, something void, something that cannot be opened, legs held and refused, both decisions."""
    town, node = trade.town, trade.node
    node.run(town.batch(pay(trade, 10), pay(trade, 5_000), b"nonsense"))
    other = sha256(b"other").digest()
    node.run(town.enter(ATTEMPT, town.leg("seller", trade.move(300))), town.unopened("payload.not_authentic"))
    node.run(town.enter(other, town.leg("seller", trade.move(9_000))), Tick())
    node.run(Decided(ATTEMPT, committed=True), town.batch(pay(trade, 20)))
    third = sha256(b"third").digest()
    node.run(town.enter(third, town.leg("seller", trade.move(100))))
    node.run(town.batch(pay(trade, 1)), Decided(third, committed=False))
    emptied = town.order(town.unopened(VOIDED))
    node.take(emptied)
    node.run(Voided(emptied.point.first, 1))


def test_an_executor_finds_what_is_found_here(yard: Yard) -> None:
    async def work() -> None:
        trade = yard.trade
        lived(trade)
        again, due = Node(trade.town), list[int | None]()
        for ordered in trade.town.points:
            again.take(ordered)
            due.append(again.replica.next_due_ms())
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            ran = [await yard.run(replica, ordered) for ordered in trade.town.points]
            assert [each.executed for each in ran] == trade.node.executed
            assert [each.due_ms for each in ran] == due
            assert {len(each.executed.legs) for each in ran} == {0, 1}
            assert any(each.executed.refusals for each in ran)
            assert replica.info() == trade.node.replica.info()
            assert replica.cursor == trade.node.replica.cursor
            assert replica.next_due_ms() == trade.node.replica.next_due_ms()
            tree, history = replica.at(replica.cursor.ordinal) or (None, None)
            assert tree is not None
            assert history is not None
            assert (tree.root(), history.root()) == (
                trade.node.replica.tree.root(),
                trade.node.replica.history.root(),
            )
            assert replica.at(1) is None
            held = HOLDINGS.get(replica.state, trade.bond, trade.buyer)
            assert held == trade.node.held(trade.bond, trade.buyer)
            modules, expected = replica.registry.modules, trade.node.replica.registry.modules
            assert [each.name for each in modules] == [each.name for each in expected]
            replica.close()

    scene(work)


def test_what_was_executed_is_read_where_it_is_and_after_a_start(yard: Yard) -> None:
    async def work() -> None:
        lived(yard.trade)
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            for ordered in yard.trade.town.points:
                await yard.run(replica, ordered)
            opened = pool.open(CHANNEL)
            for executed in yard.trade.node.executed:
                for index, leaf in enumerate(executed.leaves):
                    for each in (replica, opened):
                        assert each.find_transaction(leaf.identity) == (executed.ordinal, index)
                        assert each.leaves(executed.ordinal) == executed.leaves
            assert opened.find_transaction(bytes(32)) is None
            opened.close()
            replica.close()

    scene(work)


def test_what_is_executed_is_found_once_its_commit_is_under_way(yard: Yard) -> None:
    async def work() -> None:
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            first, second = yard.trade.town.points[:2]
            await yard.run(replica, first)
            ran = await replica.run(second.point, second.contents, yard.root)
            # its result is not in the book yet, so it may be given up
            identity = ran.executed.leaves[0].identity
            assert (replica.leaves(2), replica.find_transaction(identity)) == ((), None)
            assert await replica.run(second.point, second.contents, yard.root) == ran
            keeping = asyncio.create_task(replica.keep())
            await asyncio.sleep(0)
            assert (replica.leaves(2), replica.find_transaction(identity)) == (ran.executed.leaves, (2, 0))
            assert replica.cursor.ordinal == 1
            await keeping
            assert (replica.cursor.ordinal, pool.open(CHANNEL).cursor.ordinal) == (2, 2)
            replica.close()

    scene(work)


def test_errors_of_executing_come_back_and_nothing_stops(yard: Yard) -> None:
    async def work() -> None:
        town, node = yard.trade.town, yard.trade.node
        paid = town.order(town.batch(pay(yard.trade, 1)))
        voided = town.order(Voided(paid.point.first, 1))
        node.take(paid)
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            for ordered in town.points[:-1]:
                await yard.run(replica, ordered)
            with pytest.raises(GenerationStale) as stale:
                await replica.run(voided.point, {}, yard.root)
            assert stale.value.number == paid.point.first
            with pytest.raises(ExecutingError, match=r"executing\.stream"):
                await replica.run(town.points[0].point, {}, yard.root)
            ahead = voided.point._replace(context=town.points[-1].point.context, chain=bytes(32))
            with pytest.raises(ExecutingError) as wrong:
                await replica.run(ahead, {}, yard.root)
            assert wrong.value.code == StreamWrong(CHANNEL, "").code
            # without what became void, in a file that is new, as the seat does it
            replica.close()
            ChannelStores(yard.folder, yard.network).discard(CHANNEL)
            again, opened = Node(town), pool.open(CHANNEL)
            assert opened.cursor.ordinal == 0
            for ordered in town.points:
                contents: dict[int, Content] = dict(ordered.contents)
                if ordered is paid:
                    contents[paid.point.first] = Nothing(VOIDED)
                changed = Ordered(ordered.point, contents)
                assert (await yard.run(opened, changed)).executed == again.take(changed)
            opened.close()

    scene(work)


def test_a_commit_of_nothing_stops_the_node(yard: Yard) -> None:
    async def work() -> None:
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            with pytest.raises(Halt, match="commit without"):
                await replica.keep()

    scene(work)


def test_an_executor_that_dies_before_the_commit_leaves_nothing_of_the_point(yard: Yard) -> None:
    async def work() -> None:
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            first, second = yard.trade.town.points[:2]
            await yard.run(replica, first)
            before = await replica.run(second.point, second.contents, yard.root)
            (pid,) = pool.pids
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(ExecutorAway):
                await replica.keep()
            replica.close()
            again = pool.open(CHANNEL)
            assert again.cursor.ordinal == 1
            assert await again.run(second.point, second.contents, yard.root) == before
            await again.keep()
            assert pool.pids != [pid]
            again.close()

    scene(work)


def test_an_executor_that_dies_behind_the_commit_has_the_point(yard: Yard) -> None:
    async def work() -> None:
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            first, second, third = yard.trade.town.points[:3]
            await yard.run(replica, first)
            await replica.run(second.point, second.contents, yard.root)
            line = pool._executors[0]._line
            assert line is not None
            asyncio.get_running_loop().remove_reader(line._near)  # the answer gets lost
            keeping = asyncio.create_task(replica.keep())
            await until(lambda: pool.open(CHANNEL).cursor.ordinal == 2, PATIENCE_S)
            line.end()
            with pytest.raises(ExecutorAway):
                await keeping
            replica.close()
            again = pool.open(CHANNEL)
            assert again.cursor.ordinal == 2
            assert (await yard.run(again, third)).executed == yard.trade.node.executed[2]
            again.close()

    scene(work)


def test_one_that_ends_again_at_once_is_left_alone_for_a_while(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(executors_module, "_MODULE", "traco.nothing_of_this_name")
        point = yard.trade.town.points[0]
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            for _ in range(3):
                with pytest.raises(ExecutorAway):
                    await replica.run(point.point, point.contents, yard.root)
            assert pool._executors[0]._failures == 2  # the third was not tried
            replica.close()

    scene(work)


def test_one_that_does_not_answer_is_ended_where_its_file_has_to_be_closed(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work() -> None:
        monkeypatch.setattr(executors_module, "PATIENCE_S", 0.1)
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            await yard.run(replica, yard.trade.town.points[0])
            (pid,) = pool.pids
            os.kill(pid, signal.SIGSTOP)
            replica.close()
            assert pool.pids == []

    scene(work)


def test_channels_are_shared_out_and_stay_where_they_are(yard: Yard) -> None:
    async def work() -> None:
        async with yard.pool(2) as pool:
            channels = [bytes([number]) * 32 for number in range(4)]
            found = [pool._executor(channel) for channel in channels]
            assert [each.channels for each in pool._executors] == [2, 2]
            assert [pool._executor(channel) for channel in channels] == found
            assert pool.pids == []  # nothing was executed yet

    scene(work)


def test_closing_waits_for_what_is_under_way(yard: Yard) -> None:
    async def work() -> None:
        async with yard.pool() as pool:
            replica = pool.open(CHANNEL)
            first = yard.trade.town.points[0]
            running = asyncio.create_task(replica.run(first.point, first.contents, yard.root))
            await until(lambda: pool.pids, PATIENCE_S)
            replica.close()
            assert running.done() or pool._executors[0]._line is not None
            assert (await running).executed == yard.trade.node.executed[0]
            # it is closed there: what was executed is given up
            assert pool.open(CHANNEL).cursor.ordinal == 0

    scene(work)


def test_who_comes_later_waits_for_executors_of_a_process_before(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors_module, "PATIENCE_S", 0.1)
    first = executors_lock(yard.folder)
    with pytest.raises(ExecutorsStay, match="traco-executor"):
        executors_lock(yard.folder)
    os.close(first)
    os.close(executors_lock(yard.folder))


# whole nodes


class Trading:
    """An instrument of the bank, of which it pays the broker, in a channel of both."""

    def __init__(self, place: Nodes, channel: bytes) -> None:
        self.place, self.channel = place, channel
        self.note = instrument_id(place.ids["bank"], "NOTE")

    def account(self, name: str) -> bytes:
        return account_id(self.place.ids[name], salt(name))

    async def begin(self) -> None:
        bank = self.place.ids["bank"]
        for name in ("bank", "broker"):
            party = self.place.ids[name]
            await self.send(name, OpenAccount(
                party, party, AccountKind.OWN, DebitControl.OWNER, CreditControl.OPEN, None, salt(name)
            ))  # fmt: skip
        create = CreateInstrument(bank, "NOTE", InstrumentKind.SECURITY, None, 2, bytes(32), (bank,))
        await self.send("bank", create)
        await self.send("bank", Issue(bank, self.note, self.account("bank"), 1_000, b""))

    async def pay(self, amount: int) -> None:
        accounts = (self.account("bank"), self.account("broker"))
        await self.send("bank", Transfer(self.place.ids["bank"], self.note, *accounts, amount, b""))

    async def send(self, name: str, *messages: Any) -> None:
        sent = await self.place.send(name, self.channel, *messages)
        for each in ("bank", "broker"):
            await until(
                lambda each=each: self.place.standing(each, self.channel, sent) == "confirmed",  # type: ignore[misc]
                PATIENCE_S,
            )

    def owned(self, at: str, name: str) -> int:
        worker = self.place.sites[at].worker
        assert worker is not None
        replica = worker.seats.hosted(self.channel).replica
        found = HOLDINGS.get(replica.state, self.note, self.account(name))
        return 0 if found is None else found.available


def kill(site: Site) -> None:
    """All executors of a node die, and are gone."""
    assert site.worker is not None
    assert site.worker.executors is not None
    for pid in site.worker.executors.pids:
        os.kill(pid, signal.SIGKILL)


def test_payments_go_on_where_executors_die_at_any_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At rest; with the result in the book and not committed; committed, and nobody was told."""
    noting, keeping = Book.executed, FileReplica.keep
    deaths: list[str] = []

    async def work() -> None:
        async with nodes(tmp_path, executors=1) as place:
            trading = Trading(place, await place.opened("bank", "broker"))
            await trading.begin()
            bank = place.sites["bank"]
            kill(bank)
            await trading.pay(1)

            def noted(book: Book, *given: Any) -> None:
                noting(book, *given)
                if "noted" not in deaths:
                    deaths.append("noted")
                    kill(bank)

            monkeypatch.setattr(Book, "executed", noted)
            await trading.pay(10)

            async def kept(replica: FileReplica) -> None:
                await keeping(replica)
                if "kept" not in deaths:
                    deaths.append("kept")
                    kill(bank)
                    raise ExecutorAway

            monkeypatch.setattr(FileReplica, "keep", kept)
            await trading.pay(100)
            assert deaths == ["noted", "kept"]
            for at in ("bank", "broker"):
                assert (trading.owned(at, "bank"), trading.owned(at, "broker")) == (889, 111)
            assert bank.worker is not None
            assert bank.worker.seats.problems == {}

    asyncio.run(work())


def test_a_node_that_executes_elsewhere_and_one_that_does_not_agree(tmp_path: Path) -> None:
    async def work() -> None:
        async with nodes(tmp_path, executors=1) as place:
            broker = place.sites["broker"]
            await broker.stop()
            broker.executors = 0
            await broker.start()
            trading = Trading(place, await place.opened("bank", "broker"))
            await trading.begin()
            await trading.pay(5)  # both must attest the same
            await broker.stop()
            broker.executors = 2
            await broker.start()
            await trading.pay(6)
            assert trading.owned("broker", "broker") == 11
            assert trading.owned("bank", "broker") == 11

    asyncio.run(work())
