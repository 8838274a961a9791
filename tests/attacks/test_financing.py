"""Attacks on financing: selling one claim twice, taking what another was to receive, leading payments astray."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from modules.document.desk import Facts
from modules.financing.desk import CASH, DAY_MS, DUE_MS, Desk
from support.ledger import Key
from traco.modules.document.messages import CancelDocument, ConfirmDocument, NamedParty
from traco.modules.financing.messages import CancelFinancing, Collect, SetPayout
from traco.modules.holding.messages import (
    AccountKind,
    CloseAccount,
    CloseInstrument,
    CreditControl,
    DebitControl,
    Hold,
    Issue,
    OpenAccount,
    Redeem,
    Transfer,
)
from traco.modules.party.messages import RegisterParty, party_id
from traco.modules.party.state import PartyKey
from traco.modules.settlement.messages import Affirm, IntoAccount, OwnHolding, Withdraw, batch_id

MOST_DUE = 1_000  # items of one block, by default
PER_TRANSACTION = 64


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk on a fresh ledger, whose invariants hold in the end."""
    made = Desk()
    yield made
    assert made.ledger.check_invariants() == []
    assert made.ledger.alarms == []


def distinct(name: str) -> Facts:
    """Facts that agree in nothing with those of another name."""
    return Facts(*(f"{letter} {name}" for letter in "NDASB"))


def batch_of(desk: Desk, financing: bytes) -> bytes:
    deal = desk.get(financing).deal
    assert deal is not None
    return deal.batch


def flood_due_items(desk: Desk, time_ms: int) -> None:
    """More holds that expire at that time than one block ends."""
    rival, account, friend = desk.ids["rival"], desk.accounts["rival"], desk.ids["fund"]
    for _ in range(MOST_DUE // PER_TRANSACTION + 1):
        holds = [
            Hold(rival, account, desk.cash, 1, friend, time_ms, b"", desk.ledger.salt())
            for _ in range(PER_TRANSACTION)
        ]
        desk.do("rival", *holds)


# one invoice, one claim


def test_a_reserved_receivable_cannot_be_taken_out_and_sold_elsewhere(desk: Desk) -> None:
    financing = desk.reserve(desk.invoice())
    attack = Withdraw(desk.ids["seller"], batch_of(desk, financing))
    assert desk.refuse("seller", attack) == "settlement.bound_by_module"


def test_nor_past_the_deadline_while_a_flood_of_due_items_delays_the_expiry(desk: Desk) -> None:
    financing = desk.reserve(desk.invoice())
    batch = batch_of(desk, financing)
    held = desk.settlement.keeper.get(desk.state, batch)
    assert held is not None
    flood_due_items(desk, held.deadline_ms - 1)
    desk.wait_until(held.deadline_ms - 120_000)
    wire = desk.ledger.transaction([Withdraw(desk.ids["seller"], batch)], Key("seller"), valid_ms=600_000)
    answer = desk.ledger.run_block([wire], after_ms=120_000)[0]
    assert answer.failure is not None
    assert answer.failure.code == "settlement.bound_by_module"
    desk.ledger.run_block()
    assert desk.get(financing).status == "requested"


def test_cancelling_a_reserved_document_frees_no_receivable(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.reserve(document)
    instrument = desk.receivable(document).instrument
    desk.do("seller", CancelDocument(desk.ids["seller"], document, "again"))
    assert desk.refuse("bank", desk.affirmation(financing)) == "document.not_registered"
    again = desk.invoice()
    desk.finance(again)
    desk.do("seller", CancelFinancing(desk.ids["seller"], financing, "over"))
    assert desk.holding.keeper.outstanding(desk.state, instrument) == 0
    assert desk.claims(again, "bank") == [1_000]


def test_a_flood_of_duplicates_by_many_parties_does_not_hide_a_reservation_from_settlement(
    desk: Desk,
) -> None:
    """More copies than matching looks at: two may be reserved, one is financed."""
    first = desk.invoice()
    reserved = desk.reserve(first)
    operator = desk.ids["operator"]
    for number in range(70):
        name, salt = f"copyist {number}", desk.ledger.salt()
        keys = (PartyKey(Key(name).public, ("sign", "administer")),)
        desk.do("operator", RegisterParty(operator, salt, "organisation", keys, name))
        desk.ids[name] = party_id(operator, salt)
        desk.register(name)
    copy = desk.register("rival")
    desk.do("buyer", ConfirmDocument(desk.ids["buyer"], copy))
    request = desk.request(copy)
    offer = desk.offer(request, "fund")
    answer = desk.ledger.submit(desk.acceptance(request, offer), keys=[Key("seller")])
    second = desk.ledger.submit(desk.affirmation(reserved), keys=[Key("bank")])
    assert [answer.failure is None, second.failure is None].count(True) == 1


def test_a_seller_cannot_issue_redeem_or_close_the_receivable_itself(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document, 600)
    seller, account = desk.ids["seller"], desk.accounts["seller"]
    instrument = desk.receivable(document).instrument
    assert desk.refuse("seller", Issue(seller, instrument, account, 1, b"")) == "holding.not_operator"
    redemption = Redeem(seller, seller, instrument, account, 1, b"")
    assert desk.refuse("seller", redemption) == "holding.not_operator"
    assert desk.refuse("seller", CloseInstrument(seller, instrument)) == "holding.instrument_in_use"


# what a lender is to receive


def test_nobody_opens_an_account_that_takes_for_another_without_its_signature(desk: Desk) -> None:
    """A servicer of credits approves for the owner: it could direct what a lender bought to an account of its own."""
    seller, bank = desk.ids["seller"], desk.ids["bank"]
    opening = OpenAccount(
        seller,
        bank,
        AccountKind.CLIENT,
        DebitControl.SERVICER,
        CreditControl.SERVICER,
        None,
        desk.ledger.salt(),
    )
    answer = desk.ledger.submit(opening, keys=[Key("seller")])
    assert answer.failure is not None
    assert answer.failure.code == "transaction.signature_missing"
    desk.ledger.succeed(opening, keys=[Key("bank"), Key("seller")])


@pytest.mark.parametrize("credit", [CreditControl.OPEN, CreditControl.OWNER])
def test_an_account_opened_for_another_does_not_approve_for_it(desk: Desk, credit: CreditControl) -> None:
    financing = desk.reserve(desk.invoice())
    account = desk.open("bank", "seller", credit, DebitControl.SERVICER, AccountKind.CLIENT)
    batch = batch_of(desk, financing)
    found = desk.settlement.keeper.get(desk.state, batch)
    assert found is not None
    attack = Affirm(desk.ids["seller"], batch, found.terms, (), ((0, IntoAccount(account)),))
    assert desk.refuse("seller", attack) in ("settlement.not_receiver", "settlement.not_in_control")


def test_a_seller_cannot_pay_itself_out_of_a_lenders_account(desk: Desk) -> None:
    financing = desk.reserve(desk.invoice())
    batch = batch_of(desk, financing)
    found = desk.settlement.keeper.get(desk.state, batch)
    assert found is not None
    attack = Affirm(desk.ids["seller"], batch, found.terms, ((1, OwnHolding(desk.accounts["bank"])),), ())
    assert desk.refuse("seller", attack) == "settlement.not_in_control"


def test_an_offer_cannot_name_accounts_of_others(desk: Desk) -> None:
    request = desk.request(desk.invoice())
    foreign = desk.accounts["rival"]
    for bid in (desk.bid(request, cash_account=foreign), desk.bid(request, receivable_account=foreign)):
        assert desk.refuse("bank", bid) == "financing.account_foreign"


def test_the_batch_of_an_acceptance_cannot_be_made_by_others(desk: Desk) -> None:
    """Its id is the seller's: nobody else can put another batch under it."""
    financing = desk.reserve(desk.invoice())
    assert batch_of(desk, financing) != batch_id(desk.ids["rival"], financing)


# payments


def test_a_deal_leads_no_cash_past_the_servicer_of_an_account(desk: Desk) -> None:
    """Who only owns an account does not say where redemptions are paid, by naming it in an offer either."""
    kept = desk.open("bank", "fund", debit=DebitControl.SERVICER, kind=AccountKind.CLIENT)
    document = desk.invoice()
    desk.finance(document, receivable_account=kept)
    direct = SetPayout(desk.ids["bank"], kept, desk.accounts["bank"])
    assert desk.refuse("bank", direct) == "financing.account_not_controlled"
    desk.pay(document, 1_000)
    assert desk.holding.keeper.holding(desk.state, desk.cash, kept).available == 1_000
    assert desk.money("bank") == [-980]


def test_a_debtor_cannot_pay_out_of_another_partys_account(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    attack = desk.payment(document, 1_000, account=desk.accounts["bank"])
    assert desk.refuse("buyer", attack) == "financing.account_not_controlled"
    attack = desk.payment(document, 1_000, party=desk.ids["bank"], account=desk.accounts["bank"])
    assert desk.refuse("bank", attack) == "financing.not_debtor"


def test_a_receivable_is_not_paid_with_itself(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    attack = desk.payment(document, 1_000, cash=desk.receivable(document).instrument)
    assert desk.refuse("buyer", attack) == "financing.terms_differ"


def test_an_invoice_is_not_paid_twice_in_one_block(desk: Desk) -> None:
    document = desk.invoice()
    desk.finance(document)
    wires = [desk.ledger.transaction([desk.payment(document, 1_000)], Key("buyer")) for _ in range(2)]
    answers = desk.ledger.run_block(wires)
    assert [answer.failure.code if answer.failure else "" for answer in answers] == ["", "financing.overpaid"]
    assert desk.money("buyer") == [-1_000]


def test_a_holder_does_not_get_ahead_of_others_by_moving_what_was_set_aside_for(desk: Desk) -> None:
    """Half each, 800 of 1000 paid, then the debtor stops: half of it at most, whatever a holder does in between."""
    document = desk.invoice()
    desk.finance(document)
    desk.do("bank", desk.transfer(document, "bank", "rival", 500))
    instrument, rival, friend = desk.receivable(document).instrument, desk.ids["rival"], desk.ids["fund"]
    accounts = [desk.accounts["rival"], *(desk.open("rival") for _ in range(4))]
    for here, there in pairwise(accounts):
        expires_ms = desk.ledger.time_ms + 5_000
        desk.do("rival", Hold(rival, here, instrument, 500, friend, expires_ms, b"", desk.ledger.salt()))
        desk.pay(document, 200)
        desk.ledger.run_block(after_ms=6_000)
        desk.do("rival", Transfer(rival, instrument, here, there, 500, b""))
    for source in accounts[:-1]:
        collection = Collect(rival, document, accounts[-1], source, desk.accounts["rival"])
        desk.ledger.submit(collection, keys=[Key("rival")])
    desk.ledger.submit(desk.collection(document, "bank"), keys=[Key("bank")])
    ((honest,), (cheat,)) = (desk.money("bank"), desk.money("rival"))
    assert honest + 980 >= 400 >= cheat
    assert desk.receivable(document).uncollected == 800 - cheat - (honest + 980)


@pytest.mark.parametrize("collects", [0, 1, 2, 3, 4])
def test_nor_by_collecting_what_was_left_behind_each_time_or_now_and_then(desk: Desk, collects: int) -> None:
    """As above; so often the mover collects in time, so often it leaves what was paid to be divided again."""
    document = desk.invoice()
    desk.finance(document)
    desk.do("bank", desk.transfer(document, "bank", "rival", 500))
    instrument, rival, friend = desk.receivable(document).instrument, desk.ids["rival"], desk.ids["fund"]
    accounts = [desk.accounts["rival"], *(desk.open("rival") for _ in range(4))]
    for turn, (here, there) in enumerate(pairwise(accounts)):
        amount = desk.holding.keeper.holding(desk.state, instrument, here).owned
        expires_ms = desk.ledger.time_ms + 5_000
        desk.do("rival", Hold(rival, here, instrument, amount, friend, expires_ms, b"", desk.ledger.salt()))
        desk.pay(document, 200)
        desk.ledger.run_block(after_ms=6_000)
        desk.do("rival", Transfer(rival, instrument, here, there, amount, b""))
        if turn < collects:
            desk.do("rival", Collect(rival, document, there, here, desk.accounts["rival"]))
    last = Collect(rival, document, accounts[-1], accounts[-2], desk.accounts["rival"])
    desk.ledger.submit(last, keys=[Key("rival")])
    desk.ledger.submit(desk.collection(document, "bank"), keys=[Key("bank")])
    assert desk.money("bank")[0] + 980 >= 400 >= desk.money("rival")[0]
    assert sum(desk.money("bank rival")) + 980 == 800


# recourse


def test_a_lender_cannot_bring_a_seller_into_default_by_closing_its_payout(desk: Desk) -> None:
    payout, document = desk.open("bank"), desk.invoice()
    financing = desk.finance(document, recourse=True)
    desk.do("bank", desk.payout("bank", payout), CloseAccount(desk.ids["bank"], payout))
    desk.wait_until(DUE_MS + 31 * DAY_MS)
    desk.do("bank", desk.demand(financing, 1_000))
    desk.fund(desk.accounts["seller"], CASH)
    desk.do("seller", desk.buy_back(financing, 1_000))
    assert desk.money("bank") == [20]
    assert desk.claims(document, "seller bank") == [1_000, 0]


def test_a_lender_cannot_bring_a_seller_into_default_by_parking_the_receivable(desk: Desk) -> None:
    document = desk.invoice()
    financing = desk.finance(document, recourse=True)
    desk.wait_until(DUE_MS + 31 * DAY_MS)
    desk.do("bank", desk.demand(financing, 1_000))
    desk.fund(desk.accounts["seller"], CASH)
    assert desk.refuse("bank", desk.transfer(document, "bank", "rival", 1)) == "holding.insufficient"
    desk.do("seller", desk.buy_back(financing, 1_000))
    assert desk.claims(document, "seller bank") == [1_000, 0]


def test_a_seller_that_is_no_seller_in_the_document_cannot_ask(desk: Desk) -> None:
    names = {"seller": "fund", "buyer": "buyer", "issuer": "seller"}
    roles = tuple(NamedParty(role, desk.ids[name]) for role, name in names.items())
    document = desk.register("seller", distinct("x"), roles=roles)
    assert desk.refuse("seller", desk.ask(document)) == "financing.not_seller"
