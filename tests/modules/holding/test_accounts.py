"""Opening and closing accounts, and the accounts below them."""

import pytest

from modules.holding.desk import Market
from traco.modules.holding.events import AccountEnded, AccountOpened
from traco.modules.holding.messages import (
    AccountKind,
    Attach,
    CloseAccount,
    CreditControl,
    DebitControl,
    Issue,
    LiftAttachment,
    OpenAccount,
    account_id,
    attachment_id,
)
from traco.modules.holding.state import INLINE_INSTRUMENTS, LISTINGS, Account

SALT = b"s" * 16
CLIENT, OMNIBUS, NOMINEE = AccountKind.CLIENT, AccountKind.OMNIBUS, AccountKind.NOMINEE
OWNER, OPEN = DebitControl.OWNER, CreditControl.OPEN


def test_an_account_is_opened_by_its_servicer_and_says_so(market: Market) -> None:
    bank, dealer = market.ids["bank"], market.ids["dealer"]
    message = OpenAccount(bank, dealer, CLIENT, DebitControl.SERVICER, CreditControl.OWNER, None, SALT)
    receipt = market.do("bank", message)
    account = account_id(bank, SALT)
    assert receipt.events == (AccountOpened(account, dealer, bank, CLIENT, None),)
    assert market.keeper.account(market.state, account) == Account(
        dealer, bank, CLIENT, DebitControl.SERVICER, CreditControl.OWNER, None, False, 0, 0, ()
    )


def test_a_salt_opens_one_account(market: Market) -> None:
    bank = market.ids["bank"]
    message = OpenAccount(bank, bank, AccountKind.OWN, OWNER, OPEN, None, SALT)
    market.do("bank", message)
    assert market.refused("bank", message) == "holding.account_exists"
    dealer = market.ids["dealer"]
    market.do("dealer", OpenAccount(dealer, dealer, AccountKind.OWN, OWNER, OPEN, None, SALT))


def test_the_owner_must_be_an_active_party(market: Market) -> None:
    message = OpenAccount(market.ids["bank"], b"\xee" * 16, CLIENT, OWNER, OPEN, None, SALT)
    assert market.refused("bank", message) == "party.not_found"


def test_the_servicer_given_by_a_module_must_be_an_active_party(market: Market) -> None:
    bank, keeper = market.ids["bank"], market.keeper
    code = market.call_refused(
        lambda context: keeper.open_account(context, bank, SALT, owner=bank, servicer=b"\xee" * 16)
    )
    assert code == "party.not_found"


def test_a_module_opens_an_own_account_unless_it_says_otherwise(market: Market) -> None:
    bank, keeper = market.ids["bank"], market.keeper
    market.call(lambda context: keeper.open_account(context, bank, SALT, owner=bank, servicer=bank))
    found = keeper.account(market.state, account_id(bank, SALT))
    assert found == Account(bank, bank, AccountKind.OWN, OWNER, OPEN, None, False, 0, 0, ())


def test_a_client_account_is_serviced_by_somebody_else(market: Market) -> None:
    bank = market.ids["bank"]
    message = OpenAccount(bank, bank, CLIENT, OWNER, OPEN, None, SALT)
    assert market.refused("bank", message) == "holding.client_is_servicer"


@pytest.mark.parametrize("pool", [OMNIBUS, NOMINEE])
@pytest.mark.parametrize("kind", [CLIENT, OMNIBUS, NOMINEE])
def test_client_omnibus_and_nominee_accounts_stand_below_pools(
    market: Market, pool: AccountKind, kind: AccountKind
) -> None:
    parent = market.open("bank", servicer="central", kind=pool)
    child = market.open("dealer", servicer="bank", kind=kind, parent=parent)
    above, below = market.keeper.account(market.state, parent), market.keeper.account(market.state, child)
    assert above is not None
    assert below is not None
    assert (above.children, below.parent) == (1, parent)


@pytest.mark.parametrize("kind", [AccountKind.OWN, AccountKind.ISSUER])
def test_own_and_issuer_accounts_have_no_parent(market: Market, kind: AccountKind) -> None:
    parent, bank = market.open("bank", kind=OMNIBUS), market.ids["bank"]
    message = OpenAccount(bank, bank, kind, OWNER, OPEN, parent, SALT)
    assert market.refused("bank", message) == "holding.child_kind_refused"


@pytest.mark.parametrize("kind", [AccountKind.OWN, AccountKind.ISSUER, CLIENT])
def test_own_issuer_and_client_accounts_have_none_below(market: Market, kind: AccountKind) -> None:
    servicer = "central" if kind is CLIENT else "bank"
    parent = market.open("bank", servicer=servicer, kind=kind)
    message = OpenAccount(market.ids["bank"], market.ids["dealer"], CLIENT, OWNER, OPEN, parent, SALT)
    assert market.refused("bank", message) == "holding.parent_kind_refused"


def test_nobody_opens_an_account_below_a_pool_of_another_party(market: Market) -> None:
    parent = market.open("bank", kind=OMNIBUS)
    message = OpenAccount(market.ids["dealer"], market.ids["bank"], CLIENT, OWNER, OPEN, parent, SALT)
    assert market.refused("dealer", message) == "holding.parent_not_owned"


def test_the_parent_must_be_open(market: Market) -> None:
    parent, bank = market.open("bank", kind=OMNIBUS), market.ids["bank"]
    market.do("bank", CloseAccount(bank, parent))
    for account, code in ((parent, "holding.account_closed"), (b"\xee" * 16, "holding.account_unknown")):
        message = OpenAccount(bank, market.ids["dealer"], CLIENT, OWNER, OPEN, account, SALT)
        assert market.refused("bank", message) == code


@pytest.mark.parametrize("limit", [2, 3, 8])
def test_a_chain_of_accounts_has_as_many_as_the_parameter_says(limit: int) -> None:
    market = Market(parameters={"max_account_depth": limit})
    parent = market.open("bank", kind=OMNIBUS)
    for _ in range(limit - 1):
        parent = market.open("bank", kind=OMNIBUS, parent=parent)
    bank = market.ids["bank"]
    message = OpenAccount(bank, bank, OMNIBUS, OWNER, OPEN, parent, SALT)
    assert market.refused("bank", message) == "holding.account_too_deep"
    assert market.ledger.check_invariants() == []


def test_a_chain_of_one_has_no_accounts_below() -> None:
    market = Market(parameters={"max_account_depth": 1})
    parent, bank = market.open("bank", kind=OMNIBUS), market.ids["bank"]
    message = OpenAccount(bank, bank, OMNIBUS, OWNER, OPEN, parent, SALT)
    assert market.refused("bank", message) == "holding.account_too_deep"


@pytest.mark.parametrize("closer", ["bank", "dealer"])
def test_owner_and_servicer_close_an_account_for_good(market: Market, closer: str) -> None:
    account = market.open("dealer", servicer="bank")
    assert market.refused("court", CloseAccount(market.ids["court"], account)) == "holding.not_account_party"
    receipt = market.do(closer, CloseAccount(market.ids[closer], account))
    assert receipt.events == (AccountEnded(account),)
    assert market.refused(closer, CloseAccount(market.ids[closer], account)) == "holding.account_closed"


def test_an_unknown_account_is_not_closed(market: Market) -> None:
    message = CloseAccount(market.ids["bank"], b"\xee" * 16)
    assert market.refused("bank", message) == "holding.account_unknown"


def test_an_account_that_holds_something_does_not_close(market: Market) -> None:
    account = market.funded("bank", 1)
    close = CloseAccount(market.ids["bank"], account)
    assert market.refused("bank", close) == "holding.account_in_use"
    market.do("bank", market.pay("bank", account, market.open("dealer"), 1))
    market.do("bank", close)


def test_an_account_on_which_an_attachment_waits_does_not_close(market: Market) -> None:
    account, court = market.open("bank"), market.ids["court"]
    market.do("court", Attach(court, account, market.cash, 5, b"o" * 32, SALT))
    close = CloseAccount(market.ids["bank"], account)
    assert market.refused("bank", close) == "holding.account_in_use"
    market.do("court", LiftAttachment(court, attachment_id(court, SALT)))
    market.do("bank", close)


def test_an_account_closes_after_those_below_it(market: Market) -> None:
    bank = market.ids["bank"]
    parent = market.open("bank", kind=OMNIBUS)
    child = market.open("dealer", servicer="bank", kind=CLIENT, parent=parent)
    other = market.open("dealer", servicer="bank", kind=CLIENT, parent=parent)
    market.do("bank", CloseAccount(bank, child))
    assert market.refused("bank", CloseAccount(bank, parent)) == "holding.account_in_use"
    market.do("bank", CloseAccount(bank, other), CloseAccount(bank, parent))


def test_what_a_child_holds_is_not_held_by_its_parent(market: Market) -> None:
    parent = market.open("bank", kind=OMNIBUS)
    child = market.funded("dealer", 7, servicer="bank", kind=CLIENT, parent=parent)
    assert (market.available(parent), market.available(child)) == (0, 7)


def test_who_controls_debits_and_credits_of_an_account(market: Market) -> None:
    bank, dealer, court = (market.ids[name] for name in ("bank", "dealer", "court"))
    keeper, state = market.keeper, market.state
    first = market.open("dealer", servicer="bank", credit=CreditControl.SERVICER)
    second = market.open("dealer", servicer="bank", debit=DebitControl.SERVICER, credit=CreditControl.OWNER)
    third = market.open("dealer", servicer="bank")
    parties = (bank, dealer, court)
    assert [keeper.controls_debit(state, first, party) for party in parties] == [False, True, False]
    assert [keeper.controls_debit(state, second, party) for party in parties] == [True, False, False]
    assert [keeper.controls_credit(state, first, party) for party in parties] == [True, False, False]
    assert [keeper.controls_credit(state, second, party) for party in parties] == [False, True, False]
    assert [keeper.controls_credit(state, third, party) for party in parties] == [True, True, True]


def test_nobody_controls_an_unknown_account(market: Market) -> None:
    unknown = b"\xee" * 16
    assert not market.keeper.controls_debit(market.state, unknown, market.ids["bank"])
    assert not market.keeper.controls_credit(market.state, unknown, market.ids["bank"])


def test_an_account_lists_what_it_holds_in_order_beyond_its_own_record(market: Market) -> None:
    bank, account = market.ids["bank"], market.open("bank")
    held = [market.create("bank", f"B{number}") for number in range(INLINE_INSTRUMENTS + 5)]
    for instrument in held:
        market.do("bank", Issue(bank, instrument, account, 1, b""))
    keeper, state, ordered = market.keeper, market.state, sorted(held)
    assert keeper.instruments_of(state, account, 100) == ordered
    assert keeper.instruments_of(state, account, 7) == ordered[:7]
    assert keeper.instruments_of(state, account, 7, ordered[6]) == ordered[7:14]
    assert keeper.instruments_of(state, account, 100, ordered[-2]) == ordered[-1:]
    assert [key for key, _ in LISTINGS.scan(state, account, limit=100)] == sorted(held[INLINE_INSTRUMENTS:])
    assert keeper.instruments_of(state, b"\xee" * 16, 10) == []


def test_a_place_that_became_free_in_the_accounts_record_is_used_again(market: Market) -> None:
    bank, account, other = market.ids["bank"], market.open("bank"), market.open("bank")
    held = [market.create("bank", f"B{number}") for number in range(INLINE_INSTRUMENTS + 2)]
    for instrument in held[:-1]:
        market.do("bank", Issue(bank, instrument, account, 1, b""))

    def empty(instrument: bytes) -> None:
        keeper = market.keeper
        market.call(lambda context: keeper.transfer(context, instrument, account, other, 1, b""))

    empty(held[3])
    market.do("bank", Issue(bank, held[-1], account, 1, b""))
    found = market.keeper.account(market.state, account)
    assert found is not None
    assert list(found.instruments) == sorted([*held[:3], *held[4:INLINE_INSTRUMENTS], held[-1]])
    for instrument in [*held[:3], *held[4:]]:
        empty(instrument)
    assert market.keeper.instruments_of(market.state, account, 100) == []
    market.do("bank", CloseAccount(bank, account))
