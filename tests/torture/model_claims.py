"""The model of pledges and attachments: claims of others on a holding."""

from typing import Any

from torture.model import Books, Handler, require
from torture.model_holding import (
    arrive,
    check_movement,
    controls_credit,
    open_account,
    open_instrument,
    take,
)
from traco.kernel.codec import digest
from traco.modules.holding import messages as m


def pledge(books: Books, message: m.Pledge, time_ms: int) -> None:
    """An amount secures a claim."""
    require(open_account(books, message.account)["debit"] == message.party, "holding.debit_not_controlled")
    books.require_active(message.pledgee)
    key = digest(b"traco/pledge/1", message.party, message.salt)
    require(key not in books.pledges, "holding.pledge_exists")
    open_instrument(books, message.instrument)
    take(books, message.instrument, message.account, message.amount)
    books.pledges[key] = {
        "account": message.account, "instrument": message.instrument, "amount": message.amount,
        "pledgee": message.pledgee,
    }  # fmt: skip


def _own_pledge(books: Books, message: m.ExecutePledge | m.ReleasePledge) -> dict[str, Any]:
    row = books.pledges.get(message.pledge)
    require(row is not None, "holding.pledge_unknown")
    assert row is not None
    require(row["pledgee"] == message.party, "holding.not_pledgee")
    require(row["instrument"] == message.instrument, "holding.instrument_mismatch")
    return row


def _reduce_pledge(books: Books, key: bytes, amount: int) -> None:
    books.pledges[key]["amount"] -= amount
    if books.pledges[key]["amount"] == 0:
        del books.pledges[key]


def execute_pledge(books: Books, message: m.ExecutePledge, time_ms: int) -> None:
    """The pledgee takes what is pledged."""
    row = _own_pledge(books, message)
    open_account(books, message.receiver)
    require(controls_credit(books, message.receiver, message.party), "holding.credit_not_controlled")
    require(message.amount <= row["amount"], "holding.pledge_exceeded")
    check_movement(books, row["instrument"], row["account"], message.receiver)
    arrive(books, row["instrument"], message.receiver, message.amount)
    _reduce_pledge(books, message.pledge, message.amount)


def release_pledge(books: Books, message: m.ReleasePledge, time_ms: int) -> None:
    """The pledgee frees what is pledged."""
    row = _own_pledge(books, message)
    require(message.amount <= row["amount"], "holding.pledge_exceeded")
    arrive(books, row["instrument"], row["account"], message.amount)
    _reduce_pledge(books, message.pledge, message.amount)


def attach(books: Books, message: m.Attach, time_ms: int) -> None:
    """An order of an authority."""
    require("authority" in books.parties[message.party]["roles"], "holding.not_authority")
    key = digest(b"traco/attachment/1", message.party, message.salt)
    require(key not in books.attachments, "holding.attachment_exists")
    open_account(books, message.account)
    open_instrument(books, message.instrument)
    place = (message.instrument, message.account)
    found = min(message.amount, books.available.get(place, 0))
    if found < message.amount:
        awaiting = sum(
            (row["instrument"], row["account"]) == place and row["found"] < row["amount"]
            for row in books.attachments.values()
        )
        require(awaiting < books.limit("holding", "max_awaiting"), "holding.too_many_awaiting")
    if found:
        books.available[place] -= found
    books.attachments[key] = {
        "authority": message.party, "account": message.account, "instrument": message.instrument,
        "amount": message.amount, "found": found, "since": time_ms,
    }  # fmt: skip


def _own_attachment(books: Books, party: bytes, key: bytes) -> dict[str, Any]:
    row = books.attachments.get(key)
    require(row is not None, "holding.attachment_unknown")
    assert row is not None
    require(row["authority"] == party, "holding.attachment_foreign")
    return row


def lift(books: Books, message: m.LiftAttachment, time_ms: int) -> None:
    """An order ends."""
    row = _own_attachment(books, message.party, message.attachment)
    del books.attachments[message.attachment]
    arrive(books, row["instrument"], row["account"], row["found"])


def execute_attachment(books: Books, message: m.ExecuteAttachment, time_ms: int) -> None:
    """An order is carried out."""
    row = _own_attachment(books, message.party, message.attachment)
    require(row["instrument"] == message.instrument, "holding.instrument_mismatch")
    require(message.amount <= row["found"], "holding.attachment_exceeded")
    open_account(books, message.receiver)
    require(row["account"] != message.receiver, "holding.same_account")
    row["amount"] -= message.amount
    row["found"] -= message.amount
    if row["amount"] == 0:
        del books.attachments[message.attachment]
    arrive(books, row["instrument"], message.receiver, message.amount)


CLAIM_HANDLERS: dict[type[Any], Handler] = {
    m.Pledge: pledge, m.ExecutePledge: execute_pledge, m.ReleasePledge: release_pledge, m.Attach: attach,
    m.LiftAttachment: lift, m.ExecuteAttachment: execute_attachment,
}  # fmt: skip
