"""The model of settlement: batches of legs that settle all or none."""

from collections.abc import Sequence
from typing import Any

from torture.model import Books, Handler, require
from torture.model_holding import (
    controls_credit,
    end_hold,
    open_account,
    open_instrument,
    place_hold,
    spend_hold,
)
from traco.kernel.codec import derive_id
from traco.modules.settlement import messages as m

DEADLINE = "settlement.expiry"
MAX_SETTLERS, MAX_CHAIN = 8, 8
MAX_LIFE_MS = 30 * 86_400_000


def hold_of(batch: bytes, leg: int) -> bytes:
    """The id of the hold for a leg."""
    return batch + leg.to_bytes(16, "big")


def open_batch(books: Books, batch: bytes) -> dict[str, Any]:
    """The batch, which is there and has not ended."""
    found = books.batches.get(batch)
    require(found is not None, "settlement.batch_unknown")
    assert found is not None
    require(found["status"] == "open", "settlement.batch_ended")
    return found


def is_complete(row: dict[str, Any]) -> bool:
    """Whether all parts are given."""
    return row["status"] == "open" and None not in row["allocations"] and None not in row["approvals"]


def create(books: Books, message: m.CreateBatch, time_ms: int) -> None:
    """A new batch."""
    batch = derive_id("batch", message.party, message.salt)
    require(batch not in books.batches, "settlement.batch_exists")
    require(1 <= len(message.legs) <= books.limit("settlement", "max_legs"), "settlement.legs_exceeded")
    different = len(dict.fromkeys(message.settlers)) == len(message.settlers) <= MAX_SETTLERS
    require(different and message.auto != bool(message.settlers), "settlement.settlers_wrong")
    require(time_ms < message.deadline_ms <= time_ms + MAX_LIFE_MS, "settlement.deadline_wrong")
    for settler in message.settlers:
        books.require_active(settler)
    for leg in message.legs:
        books.require_active(leg.sender)
        books.require_active(leg.receiver)
    for leg in message.legs:
        open_instrument(books, leg.instrument)
    nothing = (None,) * len(message.legs)
    books.batches[batch] = {
        "requestor": message.party, "status": "open", "deadline": message.deadline_ms, "legs": message.legs,
        "settlers": message.settlers, "auto": message.auto, "allocations": nothing, "approvals": nothing,
        "terms": m.terms_hash(message.legs, message.settlers, message.auto, message.deadline_ms), "financing": None,
    }  # fmt: skip


def affirm(books: Books, message: m.Affirm, time_ms: int) -> None:
    """Parts are given, and what they take is held."""
    row = open_batch(books, message.batch)
    require(row["terms"] == message.terms, "settlement.terms_differ")
    require(time_ms < row["deadline"], "settlement.deadline_past")
    require(bool(message.allocations or message.approvals), "settlement.nothing_affirmed")
    legs = row["legs"]
    allocated, approved = list(row["allocations"]), list(row["approvals"])
    for leg, allocation in message.allocations:
        require(leg < len(legs), "settlement.leg_unknown")
        require(allocated[leg] is None, "settlement.allocated_before")
        _check_allocation(books, message.party, legs[leg], allocation)
        allocated[leg] = allocation
    for leg, approval in message.approvals:
        require(leg < len(legs), "settlement.leg_unknown")
        require(approved[leg] is None, "settlement.approved_before")
        _check_approval(books, message.party, legs[leg], approval)
        approved[leg] = approval
    check_fit(legs, allocated, approved)
    for leg, allocation in message.allocations:
        if isinstance(allocation, m.OwnHolding):
            held = {
                "account": allocation.account, "instrument": legs[leg].instrument, "amount": legs[leg].amount,
                "executor": message.batch, "expires": 0,
            }  # fmt: skip
            place_hold(books, hold_of(message.batch, leg), held, time_ms)
    row["allocations"], row["approvals"] = tuple(allocated), tuple(approved)
    if is_complete(row) and row["auto"]:
        _settle(books, message.batch, row, time_ms)


def _may_allocate(books: Books, party: bytes, leg: m.SettlementInstruction, allocation: m.Allocation) -> bool:
    if isinstance(allocation, m.OwnHolding):
        return bool(books.accounts[allocation.account]["debit"] == party)
    return party == leg.sender


def _may_approve(books: Books, party: bytes, leg: m.SettlementInstruction, approval: m.Approval) -> bool:
    if party == leg.receiver:
        return True
    if not isinstance(approval, m.IntoAccount):
        return False
    allowed = controls_credit(books, approval.account, party)
    return allowed and not controls_credit(books, approval.account, leg.receiver)


def _check_allocation(
    books: Books, party: bytes, leg: m.SettlementInstruction, allocation: m.Allocation
) -> None:
    if isinstance(allocation, m.OwnHolding):
        owner = open_account(books, allocation.account)["owner"]
        require(owner == leg.sender, "settlement.wrong_account")
        require(_may_allocate(books, party, leg, allocation), "settlement.not_in_control")
    else:
        require(party == leg.sender, "settlement.not_sender")


def _check_approval(books: Books, party: bytes, leg: m.SettlementInstruction, approval: m.Approval) -> None:
    if isinstance(approval, m.IntoAccount):
        owner = open_account(books, approval.account)["owner"]
        require(owner == leg.receiver, "settlement.wrong_account")
        require(controls_credit(books, approval.account, party), "settlement.not_in_control")
    require(_may_approve(books, party, leg, approval), "settlement.not_receiver")


def check_fit(
    legs: Sequence[m.SettlementInstruction], allocated: Sequence[m.Allocation | None],
    approved: Sequence[m.Approval | None],
) -> None:  # fmt: skip
    """Whether what is given so far fits together."""
    for leg, allocation in enumerate(allocated):
        approval = approved[leg]
        if isinstance(allocation, m.PassThrough):
            source = allocation.leg
            _check_pair(legs, source, leg)
            require(approved[source] in (None, m.PassedOn(leg)), "settlement.pass_through_mismatch")
            _check_chain(allocated, leg)
        if isinstance(approval, m.PassedOn):
            _check_pair(legs, leg, approval.leg)
            said = allocated[approval.leg]
            require(said in (None, m.PassThrough(leg)), "settlement.pass_through_mismatch")
        outside = isinstance(allocation, m.OutsideProof), isinstance(approval, m.TakenOutside)
        if any(outside) and allocation is not None and approval is not None:
            same = all(outside) and allocation.evidence == approval.evidence  # type: ignore[union-attr]
            require(same, "settlement.evidence_differs")


def _check_pair(legs: Sequence[m.SettlementInstruction], source: int, leg: int) -> None:
    require(source < len(legs) and leg < len(legs), "settlement.leg_unknown")
    first, second = legs[source], legs[leg]
    fits = (first.receiver, first.instrument, first.amount) == (
        second.sender,
        second.instrument,
        second.amount,
    )
    require(fits, "settlement.pass_through_mismatch")


def _check_chain(allocated: Sequence[m.Allocation | None], leg: int) -> None:
    seen = [leg]
    part = allocated[leg]
    while isinstance(part, m.PassThrough):
        require(part.leg not in seen, "settlement.pass_through_cycle")
        seen.append(part.leg)
        require(len(seen) <= MAX_CHAIN, "settlement.chain_too_long")
        part = allocated[part.leg]


def withdraw(books: Books, message: m.Withdraw, time_ms: int) -> None:
    """A party takes its parts back."""
    row = open_batch(books, message.batch)
    require(not is_complete(row) or time_ms >= row["deadline"], "settlement.irrevocable")
    legs, allocations, approvals = row["legs"], list(row["allocations"]), list(row["approvals"])
    approved = [
        leg
        for leg, consent in enumerate(approvals)
        if consent is not None and _may_approve(books, message.party, legs[leg], consent)
    ]
    allocated = [
        leg
        for leg, part in enumerate(allocations)
        if part is not None and _may_allocate(books, message.party, legs[leg], part)
    ]
    require(bool(approved or allocated), "settlement.nothing_withdrawn")
    # what a module counts on stays until the batch has ended
    require(not allocated or row["financing"] is None, "settlement.bound_by_module")
    for leg in approved:
        approvals[leg] = None
    for leg in allocated:
        if isinstance(allocations[leg], m.OwnHolding):
            end_hold(books, hold_of(message.batch, leg))
        allocations[leg] = None
    row["allocations"], row["approvals"] = tuple(allocations), tuple(approvals)


def settle(books: Books, message: m.Settle, time_ms: int) -> None:
    """A settler settles."""
    row = open_batch(books, message.batch)
    require(message.party in row["settlers"], "settlement.not_settler")
    require(time_ms < row["deadline"], "settlement.deadline_past")
    require(is_complete(row), "settlement.not_complete")
    _settle(books, message.batch, row, time_ms)


def _settle(books: Books, batch: bytes, row: dict[str, Any], time_ms: int) -> None:
    row["status"] = "settled"
    for leg, allocation in enumerate(row["allocations"]):
        if isinstance(allocation, m.OwnHolding):
            approval = row["approvals"][leg]
            while isinstance(approval, m.PassedOn):
                approval = row["approvals"][approval.leg]
            spend_hold(books, hold_of(batch, leg), approval.account, row["legs"][leg].amount, True, time_ms)
    if row["financing"] is not None:
        books.consequences["settled"](books, row["financing"])


def cancel(books: Books, message: m.Cancel, time_ms: int) -> None:
    """The requestor ends a batch."""
    require(open_batch(books, message.batch)["requestor"] == message.party, "settlement.not_requestor")
    release(books, message.batch, "cancelled")


def expire(books: Books, batch: bytes) -> None:
    """A deadline has come."""
    release(books, batch, "expired")


def release(books: Books, batch: bytes, status: str) -> None:
    """An open batch ends, and everything held for it returns."""
    row = books.batches[batch]
    row["status"] = status
    for leg, allocation in enumerate(row["allocations"]):
        if isinstance(allocation, m.OwnHolding):
            end_hold(books, hold_of(batch, leg))
    if row["financing"] is not None:
        books.consequences["released"](books, row["financing"])


def batches_due(books: Books) -> list[tuple[int, str, bytes]]:
    """The deadlines to come."""
    return [(row["deadline"], DEADLINE, key) for key, row in books.batches.items() if row["status"] == "open"]


SETTLEMENT_HANDLERS: dict[type[Any], Handler] = {
    m.CreateBatch: create, m.Affirm: affirm, m.Withdraw: withdraw, m.Settle: settle, m.Cancel: cancel,
}  # fmt: skip
