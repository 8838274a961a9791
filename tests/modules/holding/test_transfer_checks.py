"""Transfer checks: a named rule of an instrument that may refuse with a reason."""

from modules.holding.desk import TERMS, Market
from traco.kernel.module import Context
from traco.modules.holding.messages import (
    Attach,
    CreateInstrument,
    ExecuteAttachment,
    ExecuteHold,
    ExecutePledge,
    Hold,
    InstrumentKind,
    Issue,
    Pledge,
    Redeem,
    Transfer,
    attachment_id,
    hold_id,
    instrument_id,
    pledge_id,
)
from traco.modules.holding.ports import TransferCheck

SALT = b"s" * 16


def at_most_ten(context: Context, instrument: bytes, sender: bytes, receiver: bytes, amount: int) -> str:
    """Refuses more than ten, naming what it was asked about."""
    return "" if amount <= 10 else f"{instrument.hex()[:4]}.{sender.hex()[:4]}.{receiver.hex()[:4]}.{amount}"


class Checked(Market):
    """A market with one bond whose transfers are checked, and 100 of it with the bank."""

    def __init__(self, checks: dict[str, TransferCheck] | None = None) -> None:
        super().__init__(checks or {"test.ten": at_most_ten})
        bank = self.ids["bank"]
        self.cash = instrument_id(bank, "B")
        create = CreateInstrument(bank, "B", InstrumentKind.SECURITY, None, 0, TERMS, (bank,), "test.ten")
        self.do("bank", create)
        self.a, self.b = self.open("bank"), self.open("dealer")
        self.do("bank", Issue(bank, self.cash, self.a, 100, b""))


def test_a_transfer_is_refused_if_and_only_if_the_check_says_so() -> None:
    market = Checked()
    market.do("bank", market.pay("bank", market.a, market.b, 10))
    answer = market.ledger.submit(market.pay("bank", market.a, market.b, 11), keys=market.keys("bank"))
    assert answer.failure is not None
    assert answer.failure.code == "holding.transfer_refused"
    reason = f"{market.cash.hex()[:4]}.{market.a.hex()[:4]}.{market.b.hex()[:4]}.11"
    assert answer.failure.fields == (("instrument", market.cash), ("reason", reason))


def test_executing_a_hold_or_a_pledge_is_checked() -> None:
    market = Checked()
    bank, dealer = market.ids["bank"], market.ids["dealer"]
    expires = market.ledger.time_ms + 60_000
    market.do("bank", Hold(bank, market.a, market.cash, 20, dealer, expires, b"", SALT))
    market.do("bank", Pledge(bank, market.a, market.cash, 20, dealer, b"", SALT))
    hold, pledge = hold_id(bank, SALT), pledge_id(bank, SALT)
    for amount in (11, 10):
        messages = (
            ExecuteHold(dealer, hold, market.cash, market.b, amount, False, b""),
            ExecutePledge(dealer, pledge, market.cash, market.b, amount, b""),
        )
        for message in messages:
            if amount > 10:
                assert market.refused("dealer", message) == "holding.transfer_refused"
            else:
                market.do("dealer", message)
    assert market.available(market.b) == 20


def test_a_batch_hold_is_checked_when_it_is_made() -> None:
    market = Checked()
    assert market.refused("bank", market.batch((market.a, market.b, 11))) == "holding.transfer_refused"
    market.do("bank", market.batch((market.a, market.b, 10)), market.decide(True))
    assert market.available(market.b) == 10


def test_a_check_that_came_to_refuse_does_not_stop_a_batch_hold_from_being_executed() -> None:
    refusing: list[str] = []
    market = Checked({"test.ten": lambda *_: refusing[-1] if refusing else ""})
    market.do("bank", market.batch((market.a, market.b, 50)))
    refusing.append("test.stopped")
    assert market.refused("bank", market.pay("bank", market.a, market.b, 1)) == "holding.transfer_refused"
    market.do("bank", market.decide(True))
    assert market.available(market.b) == 50


def test_issue_redemption_and_the_execution_of_an_order_are_not_checked() -> None:
    market = Checked()
    bank, court = market.ids["bank"], market.ids["court"]
    market.do("bank", Redeem(bank, bank, market.cash, market.a, 50, b""))
    market.do("court", Attach(court, market.a, market.cash, 50, b"o" * 32, SALT))
    attachment = attachment_id(court, SALT)
    market.do("court", ExecuteAttachment(court, attachment, market.cash, market.b, 50, b""))
    assert market.available(market.b) == 50


def test_an_instrument_whose_check_this_node_lacks_is_not_transferred_and_raises_the_alarm() -> None:
    checks: dict[str, TransferCheck] = {"test.ten": at_most_ten}
    market = Checked(checks)
    checks.clear()
    transfer = Transfer(market.ids["bank"], market.cash, market.a, market.b, 1, b"")
    assert market.refused("bank", transfer) == "kernel.fault"
    assert len(market.ledger.alarms) == 1
