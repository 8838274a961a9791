"""The model of receivables after settlement: payment pro rata, what is set aside, dilution, recourse."""

from fractions import Fraction
from typing import Any

from torture.model import Books, Handler, require
from torture.model_financing import EXECUTOR, check_owner, credit_notes, known, own, unpaid
from torture.model_holding import (
    controls_credit,
    end_hold,
    move,
    open_account,
    owned,
    place_hold,
    retire,
    spend_hold,
)
from traco.kernel.codec import digest
from traco.modules.financing import messages as m

OVERDUE, RECOURSE_DUE = "financing.overdue", "financing.recourse_due"
POOLS_AT_ONCE = 16
DAY_MS = 86_400_000


def pool_hold(place: bytes) -> bytes:
    """The id of the hold behind a pool (document and number)."""
    return digest(b"traco/financing/pool/1", place[:16], place[16:])


def recourse_hold(financing: bytes) -> bytes:
    """The id of the hold on what a lender demands to be bought back."""
    return digest(b"traco/financing/recourse/1", financing)


def payable(books: Books, document: bytes) -> dict[str, Any]:
    """The receivable, once payments are taken."""
    row = books.receivables.get(document)
    taken = row is not None and (row["financed"] > 0 or row["reservation"] is None)
    require(taken, "financing.receivable_not_found")
    assert row is not None
    return row


def check_debit(books: Books, account: bytes, party: bytes) -> None:
    """Whether the party controls debits of the account, open or not."""
    controlled = account in books.accounts and books.accounts[account]["debit"] == party
    require(controlled, "financing.account_not_controlled")


def check_credit(books: Books, account: bytes, party: bytes) -> None:
    """Whether the party may credit the account, open or not."""
    controlled = account in books.accounts and controls_credit(books, account, party)
    require(controlled, "financing.account_not_controlled")


def available(books: Books, instrument: bytes, account: bytes) -> int:
    """What is not set aside for anything."""
    return books.available.get((instrument, account), 0)


def aside(books: Books, document: bytes, account: bytes) -> int:
    """What was paid for what an account holds and not paid out."""
    found: int = books.deposits.get(document + account, {"amount": 0})["amount"]
    return found


def set_aside_for(books: Books, document: bytes, account: bytes, amount: int) -> None:
    """Change what is set aside for an account."""
    books.deposits.pop(document + account, None)
    if amount:
        books.deposits[document + account] = {"amount": amount}


def payout_of(books: Books, account: bytes) -> bytes:
    """Where redemptions of what an account holds are paid."""
    found: bytes = books.payouts.get(account, {"account": account})["account"]
    return found


# payment


def divide(amount: int, weights: dict[bytes, int]) -> dict[bytes, int]:
    """Pro rata: whole units first, then one each to the largest fractions left, ties to the lower id."""
    quotas = {
        account: Fraction(amount * weight, sum(weights.values())) for account, weight in weights.items()
    }
    shares = {account: int(quota) for account, quota in quotas.items()}
    behind = sorted(quotas, key=lambda account: (shares[account] - quotas[account], account))
    for account in behind[: amount - sum(shares.values())]:
        shares[account] += 1
    return shares


def pay(books: Books, message: m.Pay, time_ms: int) -> None:
    """The debtor pays."""
    row = payable(books, message.document)
    require(row["debtor"] == message.party, "financing.not_debtor")
    check_debit(books, message.account, message.party)
    require(message.cash == row["cash"], "financing.terms_differ")
    require(message.amount <= unpaid(row), "financing.overpaid")
    row["paid"] += message.amount
    _distribute(books, message.document, message.party, message.account, message.amount)


def _distribute(books: Books, document: bytes, payer: bytes, account: bytes, amount: int) -> None:
    row = books.receivables[document]
    holdings = {each: owned(books, row["instrument"], each) for each in sorted(books.accounts)}
    holdings = {each: units for each, units in holdings.items() if units}
    if len(holdings) > books.limit("financing", "max_holders"):
        require(unpaid(row) == 0, "financing.too_many_holders")
        _put_aside(books, document, account, amount)
        return
    again = 0  # what was set aside for units that have left since
    for place in [key for key in books.deposits if key[:16] == document]:
        set_aside, kept = books.deposits[place]["amount"], holdings.get(place[16:], 0)
        if set_aside > kept:
            again += set_aside - kept
            set_aside_for(books, document, place[16:], kept)
    weights = {each: max(0, units - aside(books, document, each)) for each, units in holdings.items()}
    left = amount
    for holder, share in divide(amount + again, weights).items():
        if share:
            left -= _serve(books, document, payer, account, holder, share, left)
    if left:
        _put_aside(books, document, account, left)


def _serve(
    books: Books, document: bytes, payer: bytes, account: bytes, holder: bytes, share: int, most: int
) -> int:
    row = books.receivables[document]
    demanded = demand_on(books, document, holder)
    if demanded is not None:
        end_hold(books, recourse_hold(demanded))
    now = min(share, most, available(books, row["instrument"], holder))
    if now and not _pay_out(books, row, payer, account, holder, now):
        now = 0
    set_aside_for(books, document, holder, aside(books, document, holder) + share - now)
    if demanded is not None:
        _resume(books, document, demanded, holder)
    return now


def _pay_out(
    books: Books, row: dict[str, Any], payer: bytes, account: bytes, holder: bytes, amount: int
) -> bool:
    payout = payout_of(books, holder)
    if payout not in books.accounts or books.accounts[payout]["closed"]:
        return False
    if payout == holder and not controls_credit(books, payout, payer):
        return False
    if payout != account:
        move(books, row["cash"], account, payout, amount)
    retire(books, row["instrument"], holder, amount)
    return True


def _put_aside(books: Books, document: bytes, account: bytes, amount: int) -> None:
    row = books.receivables[document]
    place = document + row["payments"].to_bytes(8, "big")
    held = {
        "account": account, "instrument": row["cash"], "amount": amount, "executor": EXECUTOR, "expires": 0,
    }  # fmt: skip
    place_hold(books, pool_hold(place), held, books.time_ms)
    books.pools[place] = {"amount": amount}
    row["uncollected"] += amount
    row["payments"] += 1


def set_payout(books: Books, message: m.SetPayout, time_ms: int) -> None:
    """A holder says where to."""
    check_debit(books, message.account, message.party)
    if message.payout is None:
        books.payouts.pop(message.account, None)
        return
    open_account(books, message.payout)
    check_credit(books, message.payout, message.party)
    books.payouts[message.account] = {"account": message.payout}


def collect(books: Books, message: m.Collect, time_ms: int) -> None:
    """A holder takes what was set aside."""
    row = payable(books, message.document)
    check_debit(books, message.account, message.party)
    check_credit(books, message.cash_account, message.party)
    document, instrument = message.document, row["instrument"]
    entitled = collectable(books, document, message.account, message.source)
    wanted = min(entitled, available(books, instrument, message.account))
    left = wanted
    for place in sorted(key for key in books.pools if key[:16] == document)[:POOLS_AT_ONCE]:
        taken = min(left, books.pools[place]["amount"])
        if taken:
            spend_hold(books, pool_hold(place), message.cash_account, taken, False, time_ms)
            books.pools[place]["amount"] -= taken
            left -= taken
        if books.pools[place]["amount"] == 0:
            del books.pools[place]
    require(wanted > left, "financing.nothing_to_collect")
    retire(books, instrument, message.account, wanted - left)
    row["uncollected"] -= wanted - left
    rest = max(0, aside(books, document, message.source) - (wanted - left))
    set_aside_for(books, document, message.source, rest)


def collectable(books: Books, document: bytes, account: bytes, source: bytes) -> int:
    """What an account may collect of what was set aside for ``source``."""
    row = books.receivables[document]
    if unpaid(row) == 0:
        found: int = row["uncollected"]
        return found
    there = aside(books, document, source)
    return there if source == account else max(0, there - owned(books, row["instrument"], source))


def dilute(books: Books, message: m.Dilute, time_ms: int) -> None:
    """A credit note counts."""
    row = payable(books, message.document)
    require(row["seller"] == message.party, "financing.not_seller")
    check_debit(books, message.account, message.party)
    require(message.cash == row["cash"], "financing.terms_differ")
    notes = credit_notes(books, message.document)
    require(message.note in notes, "financing.note_not_applicable")
    applied = books.notes.get(message.note, {"instrument": b""})
    require(applied["instrument"] != row["instrument"], "financing.note_applied")
    amount = min(notes[message.note], unpaid(row))
    require(amount > 0, "financing.nothing_payable")
    instrument, account = row["instrument"], row["seller_account"]
    uncovered = max(0, owned(books, instrument, account) - aside(books, message.document, account))
    borne = min(amount, available(books, instrument, account), uncovered)
    require(amount - borne <= message.amount, "financing.dilution_exceeded")
    books.notes[message.note] = {"instrument": instrument, "amount": notes[message.note]}
    row["diluted"] += amount
    if borne:
        retire(books, instrument, account, borne)
    if amount > borne:
        _distribute(books, message.document, message.party, message.account, amount - borne)


def mark_overdue(books: Books, document: bytes) -> None:
    """A due date is over."""
    row = books.receivables[document]
    row["overdue"], row["waits"] = row["overdue"] or unpaid(row) > 0, False


# recourse


def demand_on(books: Books, document: bytes, account: bytes) -> bytes | None:
    """The financing under which what an account holds is demanded to be bought back."""
    for financing, row in books.recourses.items():
        found = books.financings[financing]
        place = (found["document"], found["deal"].receivable_account)
        if not row["defaulted"] and place == (document, account):
            return financing
    return None


def _claim(books: Books, document: bytes, account: bytes) -> int:
    row = books.receivables[document]
    if unpaid(row) == 0:
        return 0
    uncovered = owned(books, row["instrument"], account) - aside(books, document, account)
    return max(0, min(available(books, row["instrument"], account), uncovered))


def _hold_demanded(books: Books, document: bytes, financing: bytes, account: bytes, amount: int) -> None:
    held = {
        "account": account, "instrument": books.receivables[document]["instrument"], "amount": amount,
        "executor": EXECUTOR, "expires": 0,
    }  # fmt: skip
    place_hold(books, recourse_hold(financing), held, books.time_ms)


def _resume(books: Books, document: bytes, financing: bytes, account: bytes) -> None:
    """A payment came between: what is left of a demand."""
    left = min(books.recourses[financing]["amount"], _claim(books, document, account))
    if left:
        books.recourses[financing]["amount"] = left
        _hold_demanded(books, document, financing, account, left)
    else:
        del books.recourses[financing]


def _financed(books: Books, financing: bytes) -> dict[str, Any]:
    row = known(books, financing)
    require(row["status"] == "financed", "financing.not_open")
    return row


def demand(books: Books, message: m.DemandRecourse, time_ms: int) -> None:
    """A lender demands."""
    row = _financed(books, message.financing)
    deal, document, account = row["deal"], row["document"], row["deal"].receivable_account
    require(deal.lender == message.party, "financing.not_lender")
    check_debit(books, account, message.party)
    require(deal.recourse, "financing.without_recourse")
    receivable = payable(books, document)
    require(message.financing not in books.recourses, "financing.recourse_open")
    wait_ms = books.limit("financing", "recourse_days") * DAY_MS
    late = receivable["overdue"] and time_ms >= receivable["due"] + wait_ms
    require(late, "financing.recourse_early")
    require(demand_on(books, document, account) is None, "financing.recourse_open")
    most = min(row["face"] - row["recovered"], _claim(books, document, account))
    require(message.amount <= most, "financing.recourse_exceeded")
    due = time_ms + books.limit("financing", "recourse_ms")
    books.recourses[message.financing] = {"amount": message.amount, "due": due, "defaulted": False}
    _hold_demanded(books, document, message.financing, account, message.amount)


def pay_recourse(books: Books, message: m.PayRecourse, time_ms: int) -> None:
    """The seller buys back."""
    own(books, message.financing, message.party)
    row = _financed(books, message.financing)
    check_debit(books, message.cash_account, message.party)
    check_owner(books, (message.receivable_account,), message.party)
    require(message.cash == row["cash"], "financing.terms_differ")
    receivable, account = payable(books, row["document"]), row["deal"].receivable_account
    found = books.recourses.get(message.financing)
    require(found is not None, "financing.recourse_none")
    assert found is not None
    claim = _claim(books, row["document"], account)
    needed = min(found["amount"], claim) if found["defaulted"] else found["amount"]
    require(message.amount == needed, "financing.recourse_amount")
    payout = payout_of(books, account)
    payout = account if payout not in books.accounts or books.accounts[payout]["closed"] else payout
    move(books, receivable["cash"], message.cash_account, payout, needed)
    if found["defaulted"]:
        move(books, receivable["instrument"], account, message.receivable_account, needed)
    else:
        hold = recourse_hold(message.financing)
        spend_hold(books, hold, message.receivable_account, needed, False, time_ms)
    del books.recourses[message.financing]
    row["recovered"] += needed


def default(books: Books, financing: bytes) -> None:
    """A demand was not met in time: a default, unless nothing is owed any more."""
    end_hold(books, recourse_hold(financing))
    if unpaid(books.receivables[books.financings[financing]["document"]]) == 0:
        del books.recourses[financing]
    else:
        books.recourses[financing]["defaulted"] = True


def receivables_due(books: Books) -> list[tuple[int, str, bytes]]:
    """The due dates and the ends of demands to come."""
    waiting = [(row["due"], OVERDUE, key) for key, row in books.receivables.items() if row["waits"]]
    demanded = books.recourses.items()
    return waiting + [(row["due"], RECOURSE_DUE, key) for key, row in demanded if not row["defaulted"]]


PAYMENT_HANDLERS: dict[type[Any], Handler] = {
    m.Pay: pay, m.SetPayout: set_payout, m.Collect: collect, m.Dilute: dilute, m.DemandRecourse: demand,
    m.PayRecourse: pay_recourse,
}  # fmt: skip
