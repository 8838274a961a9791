"""Legs of settlements across channels: held by their entry alone, decided once, whatever happens in between."""

from hashlib import sha256

from channels.executing.desk import Node, Town, Trade
from traco.channels.executing import LegOutcome, Nothing
from traco.channels.executing.points import NOT_A_LEG, VOIDED
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import encode
from traco.kernel.operations import Propose
from traco.modules.channel.entries import Decided, Leg, Tick
from traco.modules.channel.parts import LegResult
from traco.modules.holding.messages import Attach, CloseAccount, CloseInstrument
from traco.modules.leg.messages import Export, HoldLeg, Import, LegContent
from traco.modules.party.messages import SetStatus

ATTEMPT = sha256(b"attempt").digest()


def held(trade: Trade, amount: int = 300) -> None:
    """Have the channel hold a leg from seller to buyer."""
    executed = trade.node.run(trade.town.enter(ATTEMPT, trade.town.leg("seller", trade.move(amount))))
    assert executed.legs == (LegOutcome(ATTEMPT, held=True),)


def test_a_leg_holds_and_a_commit_moves() -> None:
    trade = Trade()
    held(trade)
    assert trade.balances() == [(700, 300, 0), (0, 0, 300)]
    executed = trade.node.run(Decided(ATTEMPT, committed=True))
    assert trade.node.codes(executed) == [""]
    assert trade.balances() == [(700, 0, 0), (300, 0, 0)]
    assert trade.node.broken() == []


def test_a_leg_holds_and_an_abort_gives_back() -> None:
    trade = Trade()
    held(trade)
    trade.node.run(Decided(ATTEMPT, committed=False))
    assert trade.balances() == [(1_000, 0, 0), (0, 0, 0)]
    assert trade.node.broken() == []


def test_a_result_says_which_attempt_and_whether_it_is_held() -> None:
    assert LegOutcome(ATTEMPT, held=True).result() == LegResult(ATTEMPT, held=True)


def test_what_is_held_cannot_be_spent_nor_accounts_be_closed_before_the_decision() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    held(trade, 1_000)
    executed = node.run(
        town.batch(
            town.pay("seller", trade.bond, trade.seller, trade.buyer, 1),
            town.sign("buyer", CloseAccount(town.ids["buyer"], trade.buyer)),
            town.sign("seller", CloseAccount(town.ids["seller"], trade.seller)),
            town.sign("depository", CloseInstrument(town.ids["depository"], trade.bond)),
        )
    )
    assert node.codes(executed) == [
        "holding.insufficient", "holding.account_in_use", "holding.account_in_use", "holding.instrument_in_use"
    ]  # fmt: skip
    node.run(Decided(ATTEMPT, committed=True))
    assert trade.balances() == [(0, 0, 0), (1_000, 0, 0)]


def test_a_freeze_behind_the_hold_bites_on_what_is_credited_and_not_before() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    held(trade)
    freeze = [
        Attach(town.ids["court"], account, trade.bond, 10_000, bytes(32), town.salt())
        for account in (trade.seller, trade.buyer)
    ]
    node.do(*[town.sign("court", order) for order in freeze])
    node.run(Decided(ATTEMPT, committed=True))
    rows = [node.held(trade.bond, account) for account in (trade.seller, trade.buyer)]
    assert [(row.available, row.attached, row.bucket) for row in rows] == [(0, 700, 0), (0, 300, 0)]
    assert node.broken() == []


def test_a_freeze_of_the_seller_bites_on_what_an_abort_releases() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    held(trade)
    order = Attach(town.ids["court"], trade.seller, trade.bond, 10_000, bytes(32), town.salt())
    node.do(town.sign("court", order))
    node.run(Decided(ATTEMPT, committed=False))
    row = node.held(trade.bond, trade.seller)
    assert (row.available, row.attached, row.bucket) == (0, 1_000, 0)


def test_a_party_suspended_behind_the_hold_does_not_stop_the_decision() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    town.ids["trader"] = town.founding.register("trader", sponsor="depository")
    opening, account = town.account("trader")
    node.do(opening, town.issue(trade.bond, trade.seller, 1))
    node.do(town.issue(trade.bond, account, 50))
    content = LegContent((Movement(trade.bond, account, trade.buyer, 50, b""),))
    node.run(town.enter(ATTEMPT, town.leg("trader", content)))
    suspend = SetStatus(town.ids["depository"], town.ids["trader"], "suspended", "test.reason")
    ledger = town.founding.ledger
    node.run(Tick(), on_root=[ledger.transaction([suspend], town.founding.keys["depository"])])
    executed = node.run(Decided(ATTEMPT, committed=True))
    assert node.codes(executed) == [""]
    assert node.held(trade.bond, trade.buyer).available == 50


def test_a_leg_needs_its_entry() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    held_leg = town.leg("seller", trade.move(1))
    assert node.codes(node.run(town.batch(held_leg.transaction))) == ["leg.outside"]


def test_a_leg_in_a_proposal_needs_its_entry_too() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    seller, content = town.ids["seller"], trade.move(1)
    operation = encode((HoldLeg((seller,), b"t" * 32, bytes(32), content),))
    propose = Propose(seller, operation, town.time_ms + 60_000, town.salt())
    assert node.codes(node.run(town.batch(town.sign("seller", propose)))) == ["leg.outside"]


def test_a_batch_behind_a_leg_is_outside_again() -> None:
    trade = Trade()
    town, node = trade.town, trade.node
    entry = town.enter(ATTEMPT, town.leg("seller", trade.move(1)))
    executed = node.run(entry, town.batch(town.leg("seller", trade.move(1)).transaction))
    assert node.codes(executed) == ["", "leg.outside"]


def refused(trade: Trade, entry: Leg) -> str:
    """The code with which the leg of an entry is refused; nothing moves."""
    before = trade.balances()
    (outcome,) = trade.node.run(entry).legs
    assert not outcome.held
    assert trade.balances() == before
    return outcome.code or ""


def test_other_terms_another_commitment_and_another_salt_are_refused() -> None:
    trade = Trade()
    leg = trade.town.leg("seller", trade.move(1))
    enter = trade.town.enter
    assert refused(trade, enter(ATTEMPT, leg._replace(terms=b"u" * 32))) == "leg.terms_differ"
    leg = trade.town.leg("seller", trade.move(1))
    assert refused(trade, enter(ATTEMPT, leg._replace(commitment=bytes(32)))) == "leg.commitment_differs"


def test_a_leg_entry_takes_one_transaction_with_the_one_instruction() -> None:
    trade = Trade()
    town = trade.town
    leg, other = town.leg("seller", trade.move(1)), town.leg("seller", trade.move(1))
    payment = town.pay("seller", trade.bond, trade.seller, trade.buyer, 1)
    hold = trade.node.replica.registry.transaction.decode(leg.transaction).body.instructions
    both = town.sign("seller", *hold, *hold)
    for content in ((leg.transaction, other.transaction), (payment,), (), (both,), (b"\xc1",)):
        entry = Leg(ATTEMPT, leg.terms, leg.commitment, 1, town.payload(content))
        assert refused(trade, entry) == NOT_A_LEG


def test_a_leg_signed_by_somebody_else_is_refused() -> None:
    trade = Trade()
    leg = trade.town.leg("buyer", trade.move(1))
    assert refused(trade, trade.town.enter(ATTEMPT, leg)) == "leg.not_in_control"


def test_a_leg_that_nobody_can_open_is_refused_with_that_code() -> None:
    trade = Trade()
    town = trade.town
    leg = town.leg("seller", trade.move(1))
    for code in ("payload.not_authentic", VOIDED):
        entry = Leg(ATTEMPT, leg.terms, leg.commitment, 1, town.payload(Nothing(code)))
        assert refused(trade, entry) == code


def test_a_leg_without_enough_to_move_is_refused_and_its_abort_changes_nothing() -> None:
    trade = Trade()
    leg = trade.town.leg("seller", trade.move(1_001))
    assert refused(trade, trade.town.enter(ATTEMPT, leg)) == "holding.insufficient"
    executed = trade.node.run(Decided(ATTEMPT, committed=False))
    assert trade.node.codes(executed) == [""]
    assert trade.balances() == [(1_000, 0, 0), (0, 0, 0)]
    assert trade.node.alarms == []


def test_a_commit_of_what_is_not_held_moves_nothing_and_raises_an_alarm() -> None:
    trade = Trade()
    executed = trade.node.run(Decided(ATTEMPT, committed=True))
    assert trade.node.codes(executed) == ["leg.not_held"]
    assert [kind for kind, _ in trade.node.alarms] == ["executing.not_held"]


def test_a_decision_applies_once() -> None:
    trade = Trade()
    held(trade)
    trade.node.run(Decided(ATTEMPT, committed=True), Decided(ATTEMPT, committed=True))
    trade.node.run(Decided(ATTEMPT, committed=False))
    assert trade.balances() == [(700, 0, 0), (300, 0, 0)]
    assert len(trade.node.alarms) == 1


def test_no_limit_of_events_stops_a_decision() -> None:
    trade = Trade(Town(parameters={"kernel": {"max_events": 3}}))
    town, node = trade.town, trade.node
    content = LegContent((trade.move(1).movements[0],) * 2)
    node.run(town.enter(ATTEMPT, town.leg("seller", content)))
    for account in (trade.seller, trade.buyer):
        order = Attach(town.ids["court"], account, trade.bond, 10_000, bytes(32), town.salt())
        node.do(town.sign("court", order))
    (receipt,) = node.receipts(node.run(Decided(ATTEMPT, committed=True)))
    assert receipt.failure is None
    assert len(receipt.events) == 5


def test_a_channel_without_holdings_refuses_every_leg() -> None:
    trade = Trade()
    town = Town(modules=("document",))
    node = Node(town)
    town.open()
    node.take_all()
    executed = node.run(town.enter(ATTEMPT, town.leg("seller", trade.move(1))))
    assert executed.legs == (LegOutcome(ATTEMPT, held=False, code=NOT_A_LEG),)
    assert node.run(Decided(ATTEMPT, committed=False)).leaves == ()


def test_two_nodes_agree_on_legs_whenever_they_execute_them() -> None:
    trade = Trade()
    held(trade)
    trade.node.run(Tick())
    trade.node.run(Decided(ATTEMPT, committed=True))
    late = Node(trade.town)
    late.take_all()
    assert late.executed == trade.node.executed


def test_what_leaves_one_channel_enters_another() -> None:
    source, target = Trade(), Trade()
    leaving = LegContent(exports=(Export(source.bond, source.seller, 400),))
    entering = LegContent(imports=(Import(target.bond, target.buyer, 400),))
    out, into = source.town.leg("seller", leaving), target.town.leg("buyer", entering)
    source.node.run(source.town.enter(ATTEMPT, out, {source.bond: -400}))
    target.node.run(target.town.enter(ATTEMPT, into, {target.bond: 400}))
    assert source.balances() == [(600, 400, 0), (0, 0, 0)]
    assert target.balances() == [(1_000, 0, 0), (0, 0, 400)]
    for trade in (source, target):
        trade.node.run(Decided(ATTEMPT, committed=True))
        assert trade.node.broken() == []
    assert source.balances() == [(600, 0, 0), (0, 0, 0)]
    assert target.balances() == [(1_000, 0, 0), (400, 0, 0)]


def test_what_crosses_the_public_edge_is_what_the_terms_told_the_root() -> None:
    trade = Trade()
    content = LegContent(exports=(Export(trade.bond, trade.seller, 400),))
    leg = trade.town.leg("seller", content)
    assert refused(trade, trade.town.enter(ATTEMPT, leg, {trade.bond: -399})) == "leg.edge_differs"
    leg = trade.town.leg("seller", content)
    assert refused(trade, trade.town.enter(ATTEMPT, leg)) == "leg.operator_missing"
    leg = trade.town.leg("seller", trade.move(1))
    assert refused(trade, trade.town.enter(ATTEMPT, leg, {trade.bond: 5})) == "leg.edge_differs"
