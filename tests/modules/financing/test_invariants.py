"""Each invariant rings: whatever breaks it behind the keeper's back is a fault, and an audit finds it by its name."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from modules.document.desk import Facts
from modules.financing.desk import DAY_MS, DUE_MS, Desk
from traco.kernel.state import State
from traco.modules.financing import state as stored
from traco.modules.financing.state import Demand, Deposit, Pool, Recourse, number_part

Break = Callable[[State, dict[str, bytes]], None]


def change(table: Any, *parts: str, **fields: Any) -> Break:
    """Write other fields into a record."""

    def action(state: State, ids: dict[str, bytes]) -> None:
        keys = [ids[part] for part in parts]
        table.put(state, replace(table.get(state, *keys), **fields), *keys)

    return action


def remove(table: Any, *parts: str) -> Break:
    """Delete a record."""
    return lambda state, ids: table.delete(state, *[ids[part] for part in parts])


def cross(state: State, ids: dict[str, bytes]) -> None:
    """Reserve a receivable for a financing that is not reserved."""
    record = stored.receivables.get(state, ids["document"])
    assert record is not None
    stored.receivables.put(state, replace(record, reservation=ids["financing"]), ids["document"])


def misplace(state: State, ids: dict[str, bytes]) -> None:
    """Move a receivable to a document that is not there."""
    record = stored.receivables.get(state, ids["document"])
    assert record is not None
    stored.receivables.put(state, record, b"\xee" * 16)


def orphan(state: State, ids: dict[str, bytes]) -> None:
    """An offer on no request."""
    record = stored.offers.get(state, ids["financing"], ids["offer"])
    assert record is not None
    stored.offers.put(state, record, b"\xee" * 16, ids["offer"])


def swap(state: State, ids: dict[str, bytes]) -> None:
    """Another deal than the settled offer, with the offer touched."""
    record = stored.offers.get(state, ids["financing"], ids["offer"])
    assert record is not None
    stored.offers.put(state, record, ids["financing"], b"\xee" * 16)


def unlist(state: State, ids: dict[str, bytes]) -> None:
    """A financing that is not listed with its document, touched."""
    stored.by_document.delete(state, ids["document"], ids["financing"])
    change(stored.financings, "financing", terms=b"\x01" * 32)(state, ids)


def enlarge_pool(state: State, ids: dict[str, bytes]) -> None:
    stored.pools.put(state, Pool(101), ids["document"], number_part(0))


def lose_pool(state: State, ids: dict[str, bytes]) -> None:
    stored.pools.delete(state, ids["document"], number_part(0))


BREAKS: list[tuple[str, Break]] = [
    ("financing.kept", remove(stored.financings, "financing")),
    ("financing.listed", unlist),
    ("financing.deal", change(stored.financings, "financing", deal=None)),
    ("financing.deal", change(stored.financings, "financing", status="requested")),
    ("financing.reservation", change(stored.financings, "financing", status="reserved")),
    ("financing.reservation", change(stored.receivables, "reserved document", reservation=None)),
    ("financing.reservation", cross),
    ("financing.recovered", change(stored.financings, "financing", recovered=601)),
    ("financing.within_total", change(stored.receivables, "document", financed=1_001)),
    ("financing.within_total", change(stored.receivables, "document", paid=1_001)),
    ("financing.within_total", change(stored.receivables, "reserved document", financed=401)),
    ("financing.supply", change(stored.receivables, "document", paid=101)),
    ("financing.supply", change(stored.receivables, "document", diluted=1)),
    ("financing.supply", change(stored.receivables, "document", uncollected=101)),
    ("financing.marked", misplace),
    ("financing.marked", change(stored.receivables, "reserved document", financed=400)),
    ("financing.remainder", change(stored.receivables, "reserved document", remainder=0)),
    ("financing.pool", enlarge_pool),
    ("financing.pool", lose_pool),
    ("financing.offer_kept", remove(stored.offers, "financing", "offer")),
    ("financing.offer_request", orphan),
    ("financing.offer_deal", change(stored.offers, "financing", "offer", status="open")),
    ("financing.offer_deal", change(stored.offers, "financing", "offer", status="accepted")),
    ("financing.offer_deal", swap),
]


def scene(desk: Desk) -> dict[str, bytes]:
    """A financing of 600 of which 100 are set aside, and a reservation of 600 of another document."""
    document = desk.invoice()
    financing = desk.finance(document, 600)
    hold = desk.encumber(document, "bank", 600)
    desk.encumber(document, "seller", 400)
    desk.pay(document, 100)
    other = desk.invoice(facts=Facts("9", "2026-01-01", "EUR 5", "s", "b"))
    reserved = desk.reserve(other, 600)
    deal = desk.get(financing).deal
    assert deal is not None
    return {
        "document": document, "financing": financing, "offer": deal.offer, "reserved document": other,
        "reserved": reserved, "hold": hold,
    }  # fmt: skip


@pytest.mark.parametrize(("name", "action"), BREAKS)
def test_an_invariant_rings(desk: Desk, name: str, action: Break) -> None:
    ids = scene(desk)
    assert desk.faults(lambda context: action(context.state, ids))
    assert str(desk.ledger.alarms[-1][1]).startswith(f"kernel.invariant: The invariant {name} ")


def audit(desk: Desk, action: Callable[[State], None]) -> list[str]:
    """What an audit finds after ``action`` on a copy of the state; nothing is committed."""
    state = desk.state
    mark = state.mark()
    action(state)
    (check,) = desk.financing.ledger_invariants
    found = check(state)
    state.rollback(mark)
    return found


@pytest.mark.parametrize(("name", "action"), BREAKS)
def test_an_audit_finds_what_is_broken(desk: Desk, name: str, action: Break) -> None:
    ids = scene(desk)
    found = audit(desk, lambda state: action(state, ids))
    missing = name in ("financing.kept", "financing.pool")  # its absence shows in the sums
    assert found
    assert missing or any(violation.startswith(name) for violation in found)


def demanded(desk: Desk) -> dict[str, bytes]:
    """Two financings with recourse of one document, of which one is demanded."""
    document = desk.invoice()
    first = desk.finance(document, 600, recourse=True)
    second = desk.finance(document, 400, "rival", recourse=True)
    desk.wait_until(DUE_MS + 31 * DAY_MS)
    desk.do("bank", desk.demand(first, 500))
    accounts = {name: desk.accounts[name] for name in ("bank", "rival")}
    return {"document": document, "first": first, "second": second, "unknown": b"\xee" * 16, **accounts}


def put(table: Any, record: Callable[[dict[str, bytes]], Any], *parts: str) -> Break:
    """Write a record of its own."""
    return lambda state, ids: table.put(state, record(ids), *[ids[part] for part in parts])


DEMAND_BREAKS: list[tuple[str, Break]] = [
    ("financing.demand_held", remove(stored.recourses, "first")),
    ("financing.demand_held", change(stored.recourses, "first", amount=499)),
    ("financing.demand_held", change(stored.recourses, "first", defaulted=True)),
    ("financing.demand_held", put(stored.recourses, lambda _: Recourse(1, 1, False), "second")),
    ("financing.demand_listed", put(stored.recourses, lambda _: Recourse(1, 1, True), "unknown")),
    ("financing.demand_listed", put(stored.demands, lambda ids: Demand(ids["second"]), "document", "rival")),
    ("financing.demand_listed", put(stored.demands, lambda ids: Demand(ids["first"]), "document", "rival")),
    ("financing.demand_listed", put(stored.demands, lambda ids: Demand(ids["unknown"]), "document", "rival")),
]


@pytest.mark.parametrize(("name", "action"), DEMAND_BREAKS)
def test_an_invariant_of_demands_rings_and_an_audit_finds_it(desk: Desk, name: str, action: Break) -> None:
    ids = demanded(desk)
    found = audit(desk, lambda state: action(state, ids))
    assert found == [] or found[0].startswith(name)
    assert desk.faults(lambda context: action(context.state, ids))
    assert str(desk.ledger.alarms[-1][1]).startswith(f"kernel.invariant: The invariant {name} ")


def test_a_demand_that_lost_its_entry_is_found(desk: Desk) -> None:
    ids = demanded(desk)
    found = audit(desk, lambda state: stored.demands.delete(state, ids["document"], ids["bank"]))
    assert found == [f"financing.demand_listed at {ids['first'].hex()}"]


def test_an_audit_adds_up_faces_pools_and_deposits(desk: Desk) -> None:
    ids = scene(desk)
    document, bank = ids["document"], desk.accounts["bank"]
    assert audit(desk, lambda _: None) == []
    faces = audit(desk, lambda state: change(stored.receivables, "document", financed=599)(state, ids))
    assert faces == [f"financing.faces at {document.hex()}"]
    deposits = audit(desk, lambda state: stored.deposits.put(state, Deposit(59), document, bank))
    assert deposits == [f"financing.deposits at {document.hex()}"]
    pools = audit(desk, lambda state: stored.pools.delete(state, document, number_part(0)))
    assert pools == [f"financing.pools at {document.hex()}"]
