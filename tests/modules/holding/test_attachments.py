"""Attachments: ordered by an authority, taking what is there and then what arrives, executed or lifted by it."""

import pytest

from modules.holding.desk import Market, events_of
from traco.kernel.receipt import Receipt
from traco.modules.holding.events import (
    ArrivalAttached,
    Attached,
    AttachmentExecuted,
    AttachmentLifted,
    Cause,
    Moved,
)
from traco.modules.holding.messages import (
    Attach,
    CloseAccount,
    CreditControl,
    ExecuteAttachment,
    Hold,
    Issue,
    LiftAttachment,
    Pledge,
    Redeem,
    ReleaseHold,
    ReleasePledge,
    attachment_id,
    hold_id,
    pledge_id,
)
from traco.modules.holding.state import AWAITING, Holding, OpenAttachment

ORDER = b"o" * 32


class Bailiff:
    """Attaches cash of the bank's account ``a``; ``b`` is the court's."""

    def __init__(self, market: Market, owned: int = 100) -> None:
        self.market, self.cash, self.court = market, market.cash, market.ids["court"]
        self.a, self.b = market.open("bank"), market.open("court")
        if owned:
            market.fund(self.a, owned)

    def salt(self, number: int) -> bytes:
        return number.to_bytes(16, "big")

    def message(self, amount: int, number: int = 1) -> Attach:
        return Attach(self.court, self.a, self.cash, amount, ORDER, self.salt(number))

    def attach(self, amount: int, number: int = 1) -> Receipt:
        return self.market.do("court", self.message(amount, number))

    def id(self, number: int = 1) -> bytes:
        return attachment_id(self.court, self.salt(number))

    def open(self, number: int = 1) -> OpenAttachment:
        return self.market.keeper.encumbrances.attachment_of(self.market.state, self.id(number))

    def parts(self) -> tuple[int, int, int]:
        holding = self.market.holding(self.a)
        return holding.available, holding.attached, holding.awaited

    def execute(self, amount: int, number: int = 1) -> ExecuteAttachment:
        return ExecuteAttachment(self.court, self.id(number), self.cash, self.b, amount, b"order")

    def lift(self, number: int = 1) -> LiftAttachment:
        return LiftAttachment(self.court, self.id(number))


@pytest.fixture
def bailiff(market: Market) -> Bailiff:
    return Bailiff(market)


def test_an_attachment_takes_what_is_available_and_says_so(market: Market, bailiff: Bailiff) -> None:
    receipt = bailiff.attach(60)
    assert bailiff.parts() == (40, 60, 0)
    assert receipt.events == (Attached(bailiff.id(), bailiff.court, bailiff.a, bailiff.cash, 60, 60, ORDER),)
    assert bailiff.open() == OpenAttachment(
        bailiff.court, bailiff.a, bailiff.cash, 60, 60, ORDER, market.ledger.time_ms
    )
    assert AWAITING.scan(market.state, limit=10) == []


def test_what_is_attached_is_not_available_and_the_code_says_why(market: Market, bailiff: Bailiff) -> None:
    bailiff.attach(60)
    pay = market.pay("bank", bailiff.a, bailiff.b, 41)
    assert market.refused("bank", pay) == "holding.attached"
    market.do("bank", market.pay("bank", bailiff.a, bailiff.b, 40))
    central, bank = market.ids["central"], market.ids["bank"]
    redeem = Redeem(central, bank, market.cash, bailiff.a, 1, b"")
    assert market.refused("central bank", redeem) == "holding.attached"
    expires = market.ledger.time_ms + 60_000
    hold = Hold(bank, bailiff.a, market.cash, 1, central, expires, b"", bailiff.salt(1))
    assert market.refused("bank", hold) == "holding.attached"
    assert market.refused("bank", market.batch((bailiff.a, bailiff.b, 1))) == "holding.attached"


def test_an_attachment_beyond_what_is_there_awaits_the_remainder(market: Market, bailiff: Bailiff) -> None:
    receipt = bailiff.attach(150)
    assert bailiff.parts() == (0, 100, 50)
    assert events_of(receipt, Attached)[0].found == 100
    central = market.ids["central"]
    arrival = market.do("central", Issue(central, market.cash, bailiff.a, 30, b""))
    assert events_of(arrival, ArrivalAttached) == [ArrivalAttached(market.cash, bailiff.a, 30)]
    assert bailiff.parts() == (0, 130, 20)
    market.fund(bailiff.a, 30)
    assert bailiff.parts() == (10, 150, 0)
    assert bailiff.open().attached == 150
    assert AWAITING.scan(market.state, limit=10) == []
    market.fund(bailiff.a, 5)
    assert bailiff.parts() == (15, 150, 0)


def test_an_attachment_of_exactly_what_arrives_awaits_no_more(market: Market) -> None:
    bailiff = Bailiff(market, owned=0)
    bailiff.attach(50)
    assert market.refused("bank", market.pay("bank", bailiff.a, bailiff.b, 1)) == "holding.attached"
    market.fund(bailiff.a, 50)
    assert bailiff.parts() == (0, 50, 0)
    assert AWAITING.scan(market.state, limit=10) == []


def test_arrivals_go_to_older_attachments_first(market: Market) -> None:
    bailiff = Bailiff(market, owned=0)
    for number in (3, 1, 2):
        bailiff.attach(10, number)
    market.fund(bailiff.a, 15)
    assert [bailiff.open(number).attached for number in (3, 1, 2)] == [10, 5, 0]
    market.fund(bailiff.a, 10)
    assert [bailiff.open(number).attached for number in (3, 1, 2)] == [10, 10, 5]
    assert bailiff.parts() == (0, 25, 5)


def test_a_transfer_into_the_account_meets_the_attachment(market: Market) -> None:
    bailiff = Bailiff(market, owned=0)
    bailiff.attach(10)
    market.do("court", market.pay("court", market.funded("court", 20), bailiff.a, 15))
    assert bailiff.parts() == (5, 10, 0)


def test_what_a_hold_or_pledge_frees_meets_the_attachment(market: Market, bailiff: Bailiff) -> None:
    bank, dealer = market.ids["bank"], market.ids["dealer"]
    expires, salt = market.ledger.time_ms + 60_000, bailiff.salt(1)
    market.do(
        "bank",
        Hold(bank, bailiff.a, market.cash, 50, dealer, expires, b"", salt),
        Pledge(bank, bailiff.a, market.cash, 50, dealer, b"", salt),
    )
    bailiff.attach(70)
    assert bailiff.parts() == (0, 0, 70)
    market.do("dealer", ReleaseHold(dealer, hold_id(bank, salt)))
    assert bailiff.parts() == (0, 50, 20)
    market.do("dealer", ReleasePledge(dealer, pledge_id(bank, salt), market.cash, 50))
    assert bailiff.parts() == (30, 70, 0)


def test_only_a_party_with_the_role_attaches(market: Market, bailiff: Bailiff) -> None:
    message = Attach(market.ids["bank"], bailiff.a, market.cash, 1, ORDER, bailiff.salt(1))
    assert market.refused("bank", message) == "holding.not_authority"


def test_an_attachment_is_on_an_open_account_and_a_known_instrument(market: Market, bailiff: Bailiff) -> None:
    nowhere, salt = b"\xee" * 16, bailiff.salt(1)
    unknown = Attach(bailiff.court, nowhere, market.cash, 1, ORDER, salt)
    assert market.refused("court", unknown) == "holding.account_unknown"
    unknown = Attach(bailiff.court, bailiff.a, nowhere, 1, ORDER, salt)
    assert market.refused("court", unknown) == "holding.instrument_unknown"


def test_an_id_attaches_once_while_open(market: Market, bailiff: Bailiff) -> None:
    bailiff.attach(1)
    assert market.refused("court", bailiff.message(1)) == "holding.attachment_exists"


def test_a_limited_number_of_attachments_await_value_in_one_holding() -> None:
    market = Market(parameters={"max_awaiting": 2})
    market.create_cash()
    bailiff = Bailiff(market, owned=0)
    bailiff.attach(1, 1)
    bailiff.attach(1, 2)
    assert market.refused("court", bailiff.message(1, 3)) == "holding.too_many_awaiting"
    market.fund(bailiff.a, 1)
    bailiff.attach(1, 3)
    market.fund(bailiff.a, 4)
    bailiff.attach(2, 4)  # found at once: it does not await
    assert bailiff.parts() == (0, 5, 0)
    assert market.ledger.check_invariants() == []


def test_lifting_frees_what_was_found_and_awaits_no_more(market: Market, bailiff: Bailiff) -> None:
    bailiff.attach(150)
    receipt = market.do("court", bailiff.lift())
    assert receipt.events == (AttachmentLifted(bailiff.id(), 100),)
    assert bailiff.parts() == (100, 0, 0)
    market.fund(bailiff.a, 10)
    assert bailiff.parts() == (110, 0, 0)
    assert market.refused("court", bailiff.lift()) == "holding.attachment_unknown"


def test_lifting_what_found_nothing_leaves_no_row(market: Market) -> None:
    bailiff = Bailiff(market, owned=0)
    bailiff.attach(10)
    market.do("court", bailiff.lift())
    found = market.keeper.account(market.state, bailiff.a)
    assert found is not None
    assert found.rows == 0


def test_what_is_lifted_goes_to_the_attachments_that_still_await(market: Market, bailiff: Bailiff) -> None:
    bailiff.attach(100, 1)
    bailiff.attach(30, 2)
    market.do("court", bailiff.lift(1))
    assert bailiff.parts() == (70, 30, 0)
    assert bailiff.open(2).attached == 30


def test_executing_moves_up_to_what_was_found(market: Market, bailiff: Bailiff) -> None:
    bailiff.attach(150)
    assert market.refused("court", bailiff.execute(101)) == "holding.attachment_exceeded"
    receipt = market.do("court", bailiff.execute(60))
    assert receipt.events == (
        Moved(market.cash, bailiff.a, bailiff.b, 60, b"order", Cause.ATTACHMENT),
        AttachmentExecuted(bailiff.id(), 60, 90),
    )
    assert bailiff.parts() == (0, 40, 50)
    market.do("court", bailiff.execute(40))
    market.fund(bailiff.a, 50)
    market.do("court", bailiff.execute(50))
    assert (bailiff.parts(), market.available(bailiff.b)) == ((0, 0, 0), 150)
    assert market.refused("court", bailiff.execute(1)) == "holding.attachment_unknown"


def test_an_attachment_is_executed_and_lifted_by_the_authority_that_made_it(
    market: Market, bailiff: Bailiff
) -> None:
    bailiff.attach(10)
    registry = market.ids["registry"]  # an authority, but another one
    execute = ExecuteAttachment(registry, bailiff.id(), market.cash, bailiff.b, 1, b"")
    assert market.refused("registry", execute) == "holding.attachment_foreign"
    lift = LiftAttachment(registry, bailiff.id())
    assert market.refused("registry", lift) == "holding.attachment_foreign"


def test_an_attachment_is_executed_in_its_own_instrument(market: Market, bailiff: Bailiff) -> None:
    bailiff.attach(10)
    other = market.create("bank", "OTHER")
    message = ExecuteAttachment(bailiff.court, bailiff.id(), other, bailiff.b, 1, b"")
    assert market.refused("court", message) == "holding.instrument_mismatch"


def test_an_order_is_executed_into_any_other_open_account(market: Market, bailiff: Bailiff) -> None:
    bailiff.attach(10)
    shut, closed = market.open("dealer", credit=CreditControl.OWNER), market.open("dealer")
    market.do("dealer", CloseAccount(market.ids["dealer"], closed))
    for receiver, code in ((closed, "holding.account_closed"), (bailiff.a, "holding.same_account")):
        message = ExecuteAttachment(bailiff.court, bailiff.id(), market.cash, receiver, 1, b"")
        assert market.refused("court", message) == code
    market.do("court", ExecuteAttachment(bailiff.court, bailiff.id(), market.cash, shut, 10, b""))
    assert market.holding(shut) == Holding(10, 0, 0, 0, 0, 0, 0)


def test_amount_bands_see_attachments(bailiff: Bailiff) -> None:
    assert bailiff.message(7).amount_at_risk() == (bailiff.cash, 7)
    assert bailiff.execute(7).amount_at_risk() == (bailiff.cash, 7)
