"""Executing a channel's stream: the same points give the same results, whenever they come."""

from pathlib import Path

import pytest

from channels.executing.desk import CHANNEL, Node, Town, Trade
from support.ledger import Key
from traco.channels.executing import (
    ContentMissing,
    GenerationStale,
    Nothing,
    StreamWrong,
    executed_of,
)
from traco.channels.executing.points import VOIDED, Content, chain_behind
from traco.kernel import protocol
from traco.kernel.errors import Halt
from traco.kernel.module import Context
from traco.kernel.protocol import protocol_of
from traco.modules.channel.entries import (
    Closed,
    Decided,
    EpochBegun,
    Erased,
    Resumed,
    Suspended,
    Tick,
    Voided,
)
from traco.modules.holding.events import Moved
from traco.modules.party.messages import ChangeKeys, SetStatus
from traco.modules.party.state import PartyKey
from traco.modules.settlement.events import BatchReleased
from traco.modules.settlement.messages import CreateBatch, SettlementInstruction, batch_id
from traco.storage import LedgerStore, SnapshotReader


def test_a_payment_inside_moves_value_inside() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    executed = node.do(town.pay("seller", trade.bond, trade.seller, trade.buyer, 30))
    assert [type(event) for event in node.receipts(executed)[0].events] == [Moved]
    assert trade.balances() == [(970, 0, 0), (30, 0, 0)]
    assert node.broken() == []


def test_the_height_of_a_channel_is_the_ordinal_and_its_time_that_of_the_root() -> None:
    trade = Trade()
    info = trade.node.replica.info()
    assert info.height == len(trade.town.points)
    assert info.time_ms == trade.town.time_ms


def test_two_nodes_that_get_points_at_different_times_have_equal_hashes() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    late = Node(town)
    for amount in range(1, 6):
        node.do(town.pay("seller", trade.bond, trade.seller, trade.buyer, amount))
        if amount == 3:
            late.take_all()
    town.founding.register("newcomer", sponsor="seller")
    late.take_all()
    assert late.executed == node.executed


def test_a_point_executed_twice_before_it_is_committed_gives_the_same() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    payment = town.batch(town.pay("seller", trade.bond, trade.seller, trade.buyer, 30))
    ordered = town.order(payment, payment, Tick())
    first = node.replica.execute(ordered.point, ordered.contents, town.root)
    assert node.replica.execute(ordered.point, ordered.contents, town.root) == first
    assert node.take(ordered) == first


def test_a_transaction_ordered_again_is_refused_without_a_leaf() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    payment = town.pay("seller", trade.bond, trade.seller, trade.buyer, 30)
    node.do(payment)
    again = node.run(town.batch(payment))
    assert again.leaves == ()
    assert [refusal.failure.code for refusal in again.refusals] == ["transaction.duplicate"]


def test_a_transaction_of_another_ledger_is_refused() -> None:
    trade = Trade()
    town = trade.town
    message = town.pay("seller", trade.bond, trade.seller, trade.buyer, 1)
    decoded = trade.node.replica.registry.transaction.decode(message).body.instructions
    wires = [town.sign("seller", *decoded, ledger=other) for other in (b"", b"c" * 32)]
    executed = trade.node.run(town.batch(*wires))
    assert [refusal.failure.code for refusal in executed.refusals] == ["transaction.wrong_ledger"] * 2


def test_what_only_the_network_decides_is_unknown_inside() -> None:
    registry = Trade().node.replica.registry
    assert registry.instruction_named("kernel.propose/1") is not None
    assert registry.instruction_named("kernel.set_parameters/1") is None
    assert registry.instruction_named("kernel.schedule_upgrade/1") is None


def test_an_entry_that_nobody_can_open_is_empty_with_its_code() -> None:
    trade = Trade()
    before = trade.balances()
    executed = trade.node.run(trade.town.unopened("payload.not_authentic"))
    assert executed.leaves == ()
    assert [(refusal.envelope, refusal.failure.code) for refusal in executed.refusals] == [
        (0, "payload.not_authentic")
    ]
    assert trade.balances() == before


@pytest.mark.parametrize(
    "entry", [Tick(), Suspended(1), Resumed(1), Erased(1), Closed()], ids=lambda entry: type(entry).__name__
)
def test_entries_about_the_channel_itself_change_no_holding(entry: Closed) -> None:
    trade = Trade()
    before = trade.balances()
    assert trade.node.run(entry).leaves == ()
    assert trade.balances() == before
    assert trade.node.replica.cursor == trade.town.cursor


def test_a_settlement_batch_inside_expires_with_a_Tick() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    seller, buyer, salt = town.ids["seller"], town.ids["buyer"], town.salt()
    legs = (SettlementInstruction(seller, buyer, trade.bond, 40),)
    deadline = town.time_ms + 10_000
    node.do(town.sign("seller", CreateBatch(seller, legs, (seller,), False, deadline, salt)))
    assert node.replica.next_due_ms() == deadline
    assert node.run(Tick(), after_ms=1_000).leaves == ()
    executed = node.run(Tick(), after_ms=10_000)
    events = [event for receipt in node.receipts(executed) for event in receipt.events]
    assert events == [BatchReleased(batch_id(seller, salt), "expired", "settlement.deadline")]
    assert node.replica.next_due_ms() is None


def test_a_party_suspended_on_the_root_acts_in_that_block_and_not_in_the_next() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    ledger = town.founding.ledger
    sponsored = town.founding.register("trader", sponsor="seller")
    town.ids["trader"] = sponsored
    opening, account = town.account("trader")
    node.do(opening)
    suspend = ledger.transaction(
        [SetStatus(town.ids["seller"], sponsored, "suspended", "test.reason")], Key("seller")
    )
    node.do(town.issue(trade.bond, account, 10))
    same = node.run(town.batch(town.pay("trader", trade.bond, account, trade.buyer, 1)), on_root=[suspend])
    then = node.run(town.batch(town.pay("trader", trade.bond, account, trade.buyer, 1)))
    assert node.codes(same) == [""]
    assert node.codes(then) == ["party.suspended"]
    late = Node(town)
    late.take_all()
    assert late.executed == node.executed


def test_keys_rotated_on_the_root_hold_from_the_next_block_on() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    new = Key("seller, new")
    keys = (PartyKey(new.public, ("sign", "administer", "read")),)
    change = town.founding.ledger.transaction(
        [ChangeKeys(town.ids["seller"], keys, (), (Key("seller").public,))], Key("seller")
    )
    pay = town.pay("seller", trade.bond, trade.seller, trade.buyer, 1)
    body = node.replica.registry.transaction.decode(pay).body.instructions
    same = node.run(town.batch(pay, town.sign("", *body, keys=[new])), on_root=[change])
    again = town.sign("", *body, keys=[new])
    then = node.run(town.batch(town.pay("seller", trade.bond, trade.seller, trade.buyer, 1), again))
    assert (node.codes(same), [refusal.transaction for refusal in same.refusals]) == ([""], [1])
    assert (node.codes(then), [refusal.transaction for refusal in then.refusals]) == ([""], [0])
    late = Node(town)
    late.take_all()
    assert late.executed == node.executed


def test_a_replica_goes_on_from_its_store(tmp_path: Path) -> None:
    town = Town()
    store = LedgerStore(tmp_path / "channel.db", town.founding.ledger.application.network, CHANNEL)
    trade = Trade(town, store)
    hold = trade.town.leg("seller", trade.move(300))
    trade.node.run(trade.town.enter(b"a" * 32, hold))
    store.close()
    again = LedgerStore(tmp_path / "channel.db", town.founding.ledger.application.network, CHANNEL)
    resumed = Node(town, again)
    resumed.executed = list(trade.node.executed)
    assert resumed.replica.cursor == town.cursor
    resumed.run(Decided(b"a" * 32, committed=True))
    memory = Node(town)
    memory.take_all()
    assert memory.executed == resumed.executed
    assert resumed.held(trade.bond, trade.buyer).available == 300
    again.close()


def test_what_is_attested_of_a_point_is_read_back_from_the_store(tmp_path: Path) -> None:
    town = Town()
    path, network = tmp_path / "channel.db", town.founding.ledger.application.network
    store = LedgerStore(path, network, CHANNEL)
    trade = Trade(town, store)
    payment = town.pay("seller", trade.bond, trade.seller, trade.buyer, 1)
    leg = town.enter(b"a" * 32, town.leg("seller", trade.move(5_000)))
    trade.node.run(leg, Tick(), town.unopened("payload.empty"), town.batch(payment, payment))
    with SnapshotReader(path, network, CHANNEL).snapshot() as snapshot:  # type: ignore[union-attr]
        blocks = list(snapshot.blocks(0, 100))
    assert [executed_of(block) for block in blocks] == trade.node.executed
    assert [raw != b"" for raw in blocks[-1].envelopes] == [True, False, False, True, True]
    store.close()


def test_a_store_of_a_channel_that_was_founded_and_got_no_point_opens_again(tmp_path: Path) -> None:
    town = Town()
    ordered = town.open()
    store = LedgerStore(tmp_path / "channel.db")
    Node(town, store).replica.execute(ordered.point, ordered.contents, town.root)  # not committed
    store.close()
    again = LedgerStore(tmp_path / "channel.db")
    assert Node(town, again).take(ordered) == Node(town).take(ordered)
    again.close()


def test_points_must_follow_each_other() -> None:
    trade = Trade()
    first, second = trade.town.order(Tick()), trade.town.order(Tick())
    root, replica = trade.town.root, trade.node.replica
    with pytest.raises(StreamWrong):
        replica.execute(second.point, {}, root)
    trade.node.take(first)
    with pytest.raises(StreamWrong):
        replica.execute(first.point, {}, root)
    with pytest.raises(StreamWrong):
        replica.execute(second.point._replace(chain=bytes(32)), {}, root)
    assert trade.node.take(second).ordinal == second.point.context.ordinal


def test_a_channel_begins_with_an_epoch() -> None:
    town = Town()
    ordered = town.order(Tick())
    with pytest.raises(StreamWrong):
        Node(town).take(ordered)


def test_a_channel_that_was_founded_with_another_epoch_takes_no_point() -> None:
    town = Town()
    first = town.open()
    node = Node(town)
    node.replica.execute(first.point, {}, town.root)  # founded, not committed
    forged = EpochBegun(2, town.terms)
    point = first.point._replace(
        entries=(forged,), chain=chain_behind(bytes(32), first.point.context, (forged,))
    )
    with pytest.raises(StreamWrong):
        node.replica.execute(point, {}, town.root)
    assert node.take(first) == Node(town).take(first)


def test_a_point_waits_for_its_content() -> None:
    trade = Trade()
    ordered = trade.town.order(trade.town.batch())
    with pytest.raises(ContentMissing):
        trade.node.replica.execute(ordered.point, {}, trade.town.root)


def test_a_void_entry_is_executed_as_empty_by_who_goes_back() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    node.run(town.batch(town.pay("seller", trade.bond, trade.seller, trade.buyer, 5)))
    number = town.cursor.number
    node.run(Tick())
    ordered = town.order(Voided(number, 1))
    with pytest.raises(GenerationStale):
        node.take(ordered)
    again = [Node(town), Node(town)]
    for other in again:
        for earlier in town.points:
            contents: dict[int, Content] = dict(earlier.contents)
            if number in contents:
                contents[number] = Nothing(VOIDED)
            other.take(earlier._replace(contents=contents))
    assert again[0].executed == again[1].executed
    assert again[0].held(trade.bond, trade.buyer).available == 0
    assert again[0].executed[-3].refusals[0].failure.code == VOIDED
    before = number - 2
    assert again[0].executed[:before] == node.executed[:before]


def test_the_modules_of_an_epoch_run_from_the_next_point_on() -> None:
    town = Town(modules=("document",))
    node = Node(town)
    town.open()
    node.take_all()
    create, _ = town.instrument("BOND")
    assert [refusal.failure.code for refusal in node.run(town.batch(create)).refusals] == [
        "transaction.unknown_instruction"
    ]
    town.modules = ("document", "holding")
    same = node.run(EpochBegun(2, town.terms), town.batch(town.instrument("BOND")[0]))
    assert len(same.refusals) == 1
    node.do(town.instrument("BOND")[0])
    late = Node(town)
    late.take_all()
    assert late.executed == node.executed


def test_a_channel_enters_every_protocol_that_the_root_entered_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trade = Trade()
    entered: list[tuple[int, int]] = []

    def migration(number: int) -> object:
        def migrate(context: Context) -> None:
            entered.append((number, context.block.protocol))

        return migrate

    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 5)
    trade.node.replica.registry.modules[-1].migrations = {4: migration(4), 5: migration(5)}  # type: ignore[dict-item]
    trade.town.protocol = 5
    executed = trade.node.run(Tick())
    assert entered == [(4, 4), (5, 5)]
    assert len(executed.leaves) == 2
    assert protocol_of(trade.node.replica.state).current == 5
    assert trade.node.run(Tick()).leaves == ()


def test_a_protocol_that_this_software_lacks_halts_before_anything_is_executed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trade = Trade()
    monkeypatch.setattr(protocol, "NEWEST_PROTOCOL", 3)
    trade.town.protocol = 4
    ordered = trade.town.order(Tick())
    with pytest.raises(Halt):
        trade.node.take(ordered)
