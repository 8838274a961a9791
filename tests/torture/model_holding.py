"""The model of holdings: accounts, amounts, and what sets amounts aside."""

from typing import Any

from torture.model import Books, Handler, require
from traco.kernel.codec import derive_id, digest
from traco.modules.holding import messages as m

HOLD_EXPIRY = "holding.hold_expiry"
MAX_DEPTH = 8
POOLS = ("omnibus", "nominee")


def open_account(books: Books, account: bytes) -> dict[str, Any]:
    """The account, which is there and open."""
    found = books.accounts.get(account)
    require(found is not None, "holding.account_unknown")
    assert found is not None
    require(not found["closed"], "holding.account_closed")
    return found


def open_instrument(books: Books, instrument: bytes) -> dict[str, Any]:
    """The instrument, which is there and open."""
    found = books.instruments.get(instrument)
    require(found is not None, "holding.instrument_unknown")
    assert found is not None
    require(not found["closed"], "holding.instrument_closed")
    return found


def controls_credit(books: Books, account: bytes, party: bytes) -> bool:
    """Whether the party may credit the account."""
    return books.accounts[account]["credit"] in (None, party)


def encumbered(books: Books, instrument: bytes, account: bytes) -> dict[str, int]:
    """The parts of a holding that are not available."""

    def total(table: Any, field: str) -> int:
        rows = table.values()
        return sum(row[field] for row in rows if (row["instrument"], row["account"]) == (instrument, account))

    found = total(books.attachments, "found")
    return {
        "held": total(books.holds, "amount"),
        "pledged": total(books.pledges, "amount"),
        "attached": found,
        "awaited": total(books.attachments, "amount") - found,
    }


def owned(books: Books, instrument: bytes, account: bytes) -> int:
    """What an account owns: available or not."""
    rest = encumbered(books, instrument, account)
    return books.available.get((instrument, account), 0) + rest["held"] + rest["pledged"] + rest["attached"]


def take(books: Books, instrument: bytes, account: bytes, amount: int) -> None:
    """Take from what is available."""
    if books.available.get((instrument, account), 0) < amount:
        rest = encumbered(books, instrument, account)
        require(not (rest["attached"] or rest["awaited"]), "holding.attached")
        require(False, "holding.insufficient")
    books.available[instrument, account] -= amount


def arrive(books: Books, instrument: bytes, account: bytes, amount: int) -> None:
    """Add to what attachments await, older ones first, and the rest to what is available."""
    for _, order in sorted(books.attachments.items(), key=lambda item: (item[1]["since"], item[0])):
        if (order["instrument"], order["account"]) == (instrument, account):
            given = min(amount, order["amount"] - order["found"])
            order["found"] += given
            amount -= given
    books.available[instrument, account] = books.available.get((instrument, account), 0) + amount


def check_movement(books: Books, instrument: bytes, sender: bytes, receiver: bytes) -> None:
    """What every movement is checked for."""
    require(sender != receiver, "holding.same_account")
    open_instrument(books, instrument)


def create_instrument(books: Books, message: m.CreateInstrument, time_ms: int) -> None:
    """A new instrument."""
    cash = message.kind.value == "cash"
    require(not cash or "cash_operator" in books.parties[message.party]["roles"], "holding.kind_not_allowed")
    instrument = derive_id("instrument", message.party, message.code.encode())
    require(instrument not in books.instruments, "holding.instrument_exists")
    require(not cash or message.currency is not None, "holding.currency_missing")
    for position, operator in enumerate(message.operators):
        require(operator not in message.operators[:position], "holding.operator_repeated")
        books.require_active(operator)
    books.instruments[instrument] = {
        "issuer": message.party, "operators": message.operators, "closed": False, "cap": message.cap,
        "issued": 0, "redeemed": 0, "kind": message.kind.value, "currency": message.currency,
        "decimals": message.decimals,
    }  # fmt: skip


def close_instrument(books: Books, message: m.CloseInstrument, time_ms: int) -> None:
    """The end of an instrument."""
    found = open_instrument(books, message.instrument)
    require(found["issuer"] == message.party, "holding.not_issuer")
    require(found["issued"] == found["redeemed"], "holding.instrument_in_use")
    found["closed"] = True


def open_new_account(books: Books, message: m.OpenAccount, time_ms: int) -> None:
    """A new account."""
    account = derive_id("account", message.party, message.salt)
    require(account not in books.accounts, "holding.account_exists")
    books.require_active(message.owner)
    require(message.kind.value != "client" or message.owner != message.party, "holding.client_is_servicer")
    if message.parent is not None:
        _check_parent(books, message.parent, message.kind.value, message.party)
    controllers = {"owner": message.owner, "servicer": message.party, "open": None}
    books.accounts[account] = {
        "owner": message.owner, "servicer": message.party, "kind": message.kind.value, "parent": message.parent,
        "debit": controllers[message.debit.value], "credit": controllers[message.credit.value], "closed": False,
    }  # fmt: skip


def _check_parent(books: Books, parent: bytes, kind: str, servicer: bytes) -> None:
    require(kind in ("client", *POOLS), "holding.child_kind_refused")
    above = open_account(books, parent)
    require(above["kind"] in POOLS, "holding.parent_kind_refused")
    require(above["owner"] == servicer, "holding.parent_not_owned")
    depth, upward = 2, above["parent"]
    while upward is not None:
        depth, upward = depth + 1, books.accounts[upward]["parent"]
    require(depth <= MAX_DEPTH, "holding.account_too_deep")


def close_account(books: Books, message: m.CloseAccount, time_ms: int) -> None:
    """The end of an account."""
    found = open_account(books, message.account)
    require(message.party in (found["owner"], found["servicer"]), "holding.not_account_party")
    children = any(row["parent"] == message.account and not row["closed"] for row in books.accounts.values())
    used = any(
        books.available.get((instrument, message.account), 0)
        or any(encumbered(books, instrument, message.account).values())
        for instrument in books.instruments
    )
    require(not children and not used, "holding.account_in_use")
    found["closed"] = True


def issue(books: Books, message: m.Issue, time_ms: int) -> None:
    """New value."""
    found = open_instrument(books, message.instrument)
    require(message.party in found["operators"], "holding.not_operator")
    open_account(books, message.account)
    require(controls_credit(books, message.account, message.party), "holding.credit_not_controlled")
    outstanding = found["issued"] - found["redeemed"]
    require(outstanding + message.amount <= found["cap"], "holding.supply_exceeded")
    found["issued"] += message.amount
    arrive(books, message.instrument, message.account, message.amount)


def redeem(books: Books, message: m.Redeem, time_ms: int) -> None:
    """Value taken back."""
    found = open_instrument(books, message.instrument)
    require(message.party in found["operators"], "holding.not_operator")
    require(open_account(books, message.account)["debit"] == message.holder, "holding.debit_not_controlled")
    retire(books, message.instrument, message.account, message.amount)


def retire(books: Books, instrument: bytes, account: bytes, amount: int) -> None:
    """Available value ceases to exist."""
    found = open_instrument(books, instrument)
    open_account(books, account)
    take(books, instrument, account, amount)
    found["redeemed"] += amount


def transfer(books: Books, message: m.Transfer, time_ms: int) -> None:
    """Value moved."""
    require(open_account(books, message.sender)["debit"] == message.party, "holding.debit_not_controlled")
    open_account(books, message.receiver)
    require(controls_credit(books, message.receiver, message.party), "holding.credit_not_controlled")
    move(books, message.instrument, message.sender, message.receiver, message.amount)


def move(books: Books, instrument: bytes, sender: bytes, receiver: bytes, amount: int) -> None:
    """Available value moved between accounts."""
    open_account(books, sender)
    open_account(books, receiver)
    check_movement(books, instrument, sender, receiver)
    take(books, instrument, sender, amount)
    arrive(books, instrument, receiver, amount)


def place_hold(books: Books, hold: bytes, row: dict[str, Any], time_ms: int) -> None:
    """Set an amount aside; ``expires`` 0 is never."""
    require(hold not in books.holds, "holding.hold_exists")
    require(row["expires"] == 0 or row["expires"] > time_ms, "holding.hold_expiry_past")
    open_account(books, row["account"])
    open_instrument(books, row["instrument"])
    take(books, row["instrument"], row["account"], row["amount"])
    books.holds[hold] = row


def hold(books: Books, message: m.Hold, time_ms: int) -> None:
    """A hold by instruction."""
    found = open_account(books, message.account)
    require(found["debit"] == message.party, "holding.debit_not_controlled")
    require(message.executor not in (found["owner"], found["debit"]), "holding.executor_is_holder")
    require(message.expires_ms != 0, "holding.hold_expiry_past")
    books.require_active(message.executor)
    row = {
        "account": message.account, "instrument": message.instrument, "amount": message.amount,
        "executor": message.executor, "expires": message.expires_ms,
    }  # fmt: skip
    place_hold(books, digest(b"traco/hold/1", message.party, message.salt), row, time_ms)


def spend_hold(books: Books, key: bytes, receiver: bytes, amount: int, final: bool, time_ms: int) -> None:
    """Move what is held."""
    row = books.holds[key]
    require(row["expires"] == 0 or row["expires"] > time_ms, "holding.hold_expired")
    require(amount <= row["amount"], "holding.hold_exceeded")
    open_account(books, receiver)
    check_movement(books, row["instrument"], row["account"], receiver)
    row["amount"] -= amount
    arrive(books, row["instrument"], receiver, amount)
    if final or row["amount"] == 0:
        end_hold(books, key)


def end_hold(books: Books, key: bytes) -> None:
    """Return what is left of a hold."""
    row = books.holds.pop(key)
    arrive(books, row["instrument"], row["account"], row["amount"])


def execute_hold(books: Books, message: m.ExecuteHold, time_ms: int) -> None:
    """A hold is used by its executor."""
    row = books.holds.get(message.hold)
    require(row is not None, "holding.hold_unknown")
    assert row is not None
    require(row["executor"] == message.party, "holding.not_executor")
    open_account(books, message.receiver)
    require(controls_credit(books, message.receiver, message.party), "holding.credit_not_controlled")
    require(row["instrument"] == message.instrument, "holding.instrument_mismatch")
    spend_hold(books, message.hold, message.receiver, message.amount, message.final, time_ms)


def release_hold(books: Books, message: m.ReleaseHold, time_ms: int) -> None:
    """A hold is given up."""
    row = books.holds.get(message.hold)
    require(row is not None, "holding.hold_unknown")
    assert row is not None
    expired = 0 < row["expires"] <= time_ms
    require(expired or row["executor"] == message.party, "holding.not_executor")
    end_hold(books, message.hold)


def holds_due(books: Books) -> list[tuple[int, str, bytes]]:
    """The expiries to come."""
    return [(row["expires"], HOLD_EXPIRY, key) for key, row in books.holds.items() if row["expires"]]


HOLDING_HANDLERS: dict[type[Any], Handler] = {
    m.CreateInstrument: create_instrument, m.CloseInstrument: close_instrument, m.OpenAccount: open_new_account,
    m.CloseAccount: close_account, m.Issue: issue, m.Redeem: redeem, m.Transfer: transfer, m.Hold: hold,
    m.ExecuteHold: execute_hold, m.ReleaseHold: release_hold,
}  # fmt: skip
