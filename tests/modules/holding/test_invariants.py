"""Each invariant rings: a planted fault is found, by the transaction's check or by the audit of the whole ledger."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from modules.holding.desk import Market
from traco.kernel.batch_hold import BATCH_HOLD_TABLE, BatchHold, Movement
from traco.kernel.due import KERNEL_PREFIX
from traco.kernel.module import Context
from traco.kernel.state import State, Table
from traco.modules.holding import invariants
from traco.modules.holding.messages import (
    AccountKind,
    Attach,
    Hold,
    Pledge,
    attachment_id,
    hold_id,
    pledge_id,
)
from traco.modules.holding.state import (
    ACCOUNTS,
    ATTACHMENTS,
    AWAITING,
    HOLDINGS,
    HOLDS,
    INSTRUMENTS,
    LISTINGS,
    PLEDGES,
    SUPPLIES,
    Awaiting,
    Holding,
    Listing,
)

SALT = b"s" * 16
OTHER = b"\xee" * 16
BATCHES: Table[BatchHold] = Table(KERNEL_PREFIX, BATCH_HOLD_TABLE, BatchHold)
Fault = Callable[["Encumbered", State], None]


class Encumbered:
    """A holding with every kind of encumbrance on it, and the ways to plant a fault."""

    def __init__(self) -> None:
        self.market = market = Market()
        self.cash = market.create_cash()
        bank, court = market.ids["bank"], market.ids["court"]
        self.pool = market.open("bank", kind=AccountKind.OMNIBUS)
        self.a, self.b = market.funded("bank", 100), market.open("dealer")
        self.child = market.open("dealer", servicer="bank", kind=AccountKind.CLIENT, parent=self.pool)
        self.hold, self.pledge = hold_id(bank, SALT), pledge_id(bank, SALT)
        self.attachment = attachment_id(court, SALT)
        expires = market.ledger.time_ms + 10**9
        market.do(
            "bank",
            Hold(bank, self.a, self.cash, 10, court, expires, b"", SALT),
            Pledge(bank, self.a, self.cash, 10, court, b"", SALT),
            market.batch((self.a, self.b, 10)),
        )
        market.do("court", Attach(court, self.a, self.cash, 90, b"o" * 32, SALT))
        assert market.holding(self.a) == Holding(0, 10, 10, 70, 10, 0, 20)
        assert market.ledger.check_invariants() == []

    def change(self, state: State, account: bytes, **change: int) -> None:
        """Change parts of a holding behind the keeper's back."""
        row = self.market.keeper.holding(state, self.cash, account)
        new = {name: getattr(row, name) + difference for name, difference in change.items()}
        HOLDINGS.put(state, replace(row, **new), self.cash, account)


def change(**parts: int) -> Fault:
    """A fault that changes parts of the encumbered holding."""
    return lambda ledger, state: ledger.change(state, ledger.a, **parts)


def supply(**fields: int) -> Fault:
    """A fault that replaces fields of the supply."""

    def plant(ledger: Encumbered, state: State) -> None:
        record = SUPPLIES.get(state, ledger.cash)
        assert record is not None
        SUPPLIES.put(state, replace(record, **fields), ledger.cash)

    return plant


def record(table: Table[object], name: str, **fields: object) -> Fault:  # type: ignore[type-var]
    """A fault that replaces fields of an encumbrance's record, or deletes it where none are given."""

    def plant(ledger: Encumbered, state: State) -> None:
        key = getattr(ledger, name)
        found = table.get(state, key)
        if fields:
            table.put(state, replace(found, **fields), key)  # type: ignore[type-var]
        else:
            table.delete(state, key)

    return plant


def batch(*movements: Callable[[Encumbered], Movement]) -> Fault:
    """A fault that replaces the movements of the batch hold."""

    def plant(ledger: Encumbered, state: State) -> None:
        made = tuple(movement(ledger) for movement in movements)
        BATCHES.put(state, BatchHold("desk", made), (1).to_bytes(32, "big"))

    return plant


def money_for_another(ledger: Encumbered, state: State) -> None:
    ledger.change(state, ledger.b, available=1)


def value_in_another_instrument(ledger: Encumbered, state: State) -> None:
    row = Holding(1, 0, 0, 0, 0, 0, 0)
    HOLDINGS.put(state, row, OTHER, ledger.a)


CONSERVATION: dict[str, Fault] = {
    "money out of nothing": change(available=1),
    "money in another account": money_for_another,
    "value of an instrument without supply": value_in_another_instrument,
    "value lost from a hold": change(held=-1),
    "value lost from a pledge": change(pledged=-1),
    "value lost from an attachment": change(attached=-1),
    "value lost from a bucket": change(bucket=-1),
    "supply without holdings": supply(issued=101, outstanding=101),
    "supply that does not add up": supply(redeemed=1),
    "supply above its cap": supply(cap=99),
}

ENCUMBRANCES: dict[str, Fault] = {
    "held moved to available": change(held=-1, available=1),
    "pledged moved to available": change(pledged=-1, available=1),
    "attached moved to available": change(attached=-1, available=1),
    "bucket moved to available": change(bucket=-1, available=1),
    "held moved to pledged": change(held=-1, pledged=1),
    "a credit reserved by nobody": change(incoming=1),
    "an attachment forgotten": change(awaited=-1),
    "a hold that shrank": record(HOLDS, "hold", amount=9),  # type: ignore[arg-type]
    "a hold that vanished": record(HOLDS, "hold"),  # type: ignore[arg-type]
    "a pledge that grew": record(PLEDGES, "pledge", amount=11),  # type: ignore[arg-type]
    "a pledge that vanished": record(PLEDGES, "pledge"),  # type: ignore[arg-type]
    "an attachment that found less": record(ATTACHMENTS, "attachment", attached=69),  # type: ignore[arg-type]
    "an attachment that asks for more": record(ATTACHMENTS, "attachment", amount=91),  # type: ignore[arg-type]
    "an attachment that vanished": record(ATTACHMENTS, "attachment"),  # type: ignore[arg-type]
    "a hold on another account": record(HOLDS, "hold", account=OTHER),  # type: ignore[arg-type]
    "a batch hold without movements": batch(),
    "a batch hold of more": batch(lambda ledger: Movement(ledger.cash, ledger.a, ledger.b, 11, b"")),
    "a batch hold to somebody else": batch(lambda ledger: Movement(ledger.cash, ledger.a, OTHER, 10, b"")),
}


@pytest.mark.parametrize("name", CONSERVATION)
def test_a_transaction_that_does_not_conserve_value_is_a_fault(name: str) -> None:
    ledger = Encumbered()
    assert ledger.market.faults(lambda context: CONSERVATION[name](ledger, context.state))
    assert str(ledger.market.ledger.alarms[0][1]).startswith(
        "kernel.invariant: The invariant holding.conservation"
    )
    assert ledger.market.ledger.check_invariants() == []


@pytest.mark.parametrize("name", ENCUMBRANCES)
def test_a_transaction_that_changes_encumbrances_on_one_side_is_a_fault(name: str) -> None:
    ledger = Encumbered()
    assert ledger.market.faults(lambda context: ENCUMBRANCES[name](ledger, context.state))
    assert str(ledger.market.ledger.alarms[0][1]).startswith(
        "kernel.invariant: The invariant holding.encumbrances"
    )
    assert ledger.market.ledger.check_invariants() == []


@pytest.mark.parametrize(
    "part", ["available", "held", "pledged", "attached", "bucket", "incoming", "awaited"]
)
def test_no_part_of_a_holding_can_be_written_below_zero(part: str) -> None:
    ledger = Encumbered()
    row = replace(Holding(0, 0, 0, 0, 0, 0, 0), **{part: -1})
    assert ledger.market.faults(lambda context: HOLDINGS.put(context.state, row, ledger.cash, ledger.b))


def audit(fault: Fault) -> list[str]:
    """What the audit finds after a fault that no transaction check has seen."""
    ledger = Encumbered()
    fault(ledger, ledger.market.state)
    return ledger.market.ledger.check_invariants()


@pytest.mark.parametrize("name", CONSERVATION)
def test_the_audit_finds_value_that_is_not_conserved(name: str) -> None:
    ledger = Encumbered()
    CONSERVATION[name](ledger, ledger.market.state)
    assert invariants.all_conserved(ledger.market.state) != []


@pytest.mark.parametrize("name", ENCUMBRANCES)
def test_the_audit_finds_encumbrances_that_do_not_agree(name: str) -> None:
    ledger = Encumbered()
    ENCUMBRANCES[name](ledger, ledger.market.state)
    assert invariants.all_encumbrances(ledger.market.state) != []


def account(name: str, **fields: object) -> Fault:
    """A fault that replaces fields of an account."""

    def plant(ledger: Encumbered, state: State) -> None:
        identity = getattr(ledger, name)
        found = ACCOUNTS.get(state, identity)
        assert found is not None
        ACCOUNTS.put(state, replace(found, **fields), identity)

    return plant


def delete_account(name: str) -> Fault:
    return lambda ledger, state: ACCOUNTS.delete(state, getattr(ledger, name))


def two_instruments_out_of_order(ledger: Encumbered, state: State) -> None:
    HOLDINGS.put(state, Holding(0, 0, 0, 0, 0, 1, 0), OTHER, ledger.a)
    HOLDINGS.put(state, Holding(0, 0, 0, 0, 0, 1, 0), b"\0" * 16, ledger.a)
    held = sorted([ledger.cash, OTHER, b"\0" * 16], reverse=True)
    account("a", rows=3, instruments=tuple(held))(ledger, state)


ACCOUNT_FAULTS: dict[str, tuple[Fault, str]] = {
    "a row not counted": (account("a", rows=0), "counts 0 rows"),
    "a row not listed": (account("a", instruments=()), "does not list"),
    "a row listed that is none": (account("pool", instruments=(OTHER,)), "does not list"),
    "a listing that is none": (
        lambda ledger, state: LISTINGS.put(state, Listing(), ledger.a, OTHER),
        "does not list",
    ),
    "a list out of order": (two_instruments_out_of_order, "out of order"),
    "a child not counted": (account("pool", children=0), "and 0 children"),
    "a closed account with rows": (account("a", closed=True), "closed and in use"),
    "a closed parent": (account("pool", closed=True), "closed and in use"),
    "rows without account": (delete_account("a"), "unknown account"),
    "a child without parent": (delete_account("pool"), "unknown account"),
    "a listing without account": (
        lambda _, state: LISTINGS.put(state, Listing(), OTHER, OTHER),
        "unknown account",
    ),
}


@pytest.mark.parametrize("name", ACCOUNT_FAULTS)
def test_the_audit_finds_accounts_that_do_not_agree_with_holdings(name: str) -> None:
    fault, words = ACCOUNT_FAULTS[name]
    found = audit(fault)
    assert any(words in violation for violation in found), found


def close_instrument(ledger: Encumbered, state: State) -> None:
    found = INSTRUMENTS.get(state, ledger.cash)
    assert found is not None
    INSTRUMENTS.put(state, replace(found, closed=True), ledger.cash)


AUDIT_FAULTS: dict[str, tuple[Fault, str]] = {
    "an empty row": (
        lambda ledger, state: HOLDINGS.put(state, Holding(0, 0, 0, 0, 0, 0, 0), ledger.cash, ledger.child),
        "an empty row",
    ),
    "a queue that lost its place": (
        lambda ledger, state: AWAITING.delete(state, AWAITING.scan(state, limit=1)[0][0]),
        "the queues",
    ),
    "a place in a queue for nothing": (
        lambda ledger, state: AWAITING.put(state, Awaiting(), ledger.cash, ledger.b, b"x" * 40),
        "the queues",
    ),
    "an instrument without supply": (
        lambda ledger, state: SUPPLIES.delete(state, ledger.cash),
        "has no supply",
    ),
    "a closed instrument that is outstanding": (
        close_instrument,
        "closed and outstanding",
    ),
}


@pytest.mark.parametrize("name", AUDIT_FAULTS)
def test_the_audit_finds_records_that_contradict_each_other(name: str) -> None:
    fault, words = AUDIT_FAULTS[name]
    found = audit(fault)
    assert any(words in violation for violation in found), found


def test_a_holding_without_account_is_the_keepers_fault() -> None:
    ledger = Encumbered()
    credit = ledger.market.keeper.credit
    assert ledger.market.faults(lambda context: credit(context, ledger.cash, OTHER, 1))


def test_the_last_row_of_a_lost_account_is_the_keepers_fault() -> None:
    ledger = Encumbered()
    market = ledger.market
    spare = market.funded("bank", 1)

    def lose(context: Context) -> None:
        ACCOUNTS.delete(context.state, spare)
        market.keeper.debit(context.state, ledger.cash, spare, 1)

    assert market.faults(lose)


def test_an_attachment_lost_from_its_queue_is_the_keepers_fault() -> None:
    ledger = Encumbered()

    def lose(context: Context) -> None:
        ATTACHMENTS.delete(context.state, ledger.attachment)
        ledger.market.keeper.credit(context, ledger.cash, ledger.a, 1)

    assert ledger.market.faults(lose)


def test_a_supply_lost_is_not_issued_from() -> None:
    ledger = Encumbered()
    market = ledger.market

    def lose(context: Context) -> None:
        SUPPLIES.delete(context.state, ledger.cash)
        market.keeper.issue(context, ledger.cash, ledger.b, 1, b"")

    assert market.call_refused(lose) == "holding.instrument_unknown"
