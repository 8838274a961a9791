"""Attacks on signing policies: fewer keys than a party asks for, keys it took away, a council member counted twice."""

from collections.abc import Iterator

import pytest

from support.founding import ALL_ROLES
from support.ledger import Key
from support.market import Market
from traco.kernel.codec import encode
from traco.kernel.instruction import Instruction
from traco.kernel.operations import Approve, Propose, proposal_id
from traco.modules.holding.messages import Transfer
from traco.modules.party.messages import ChangeKeys, GrantRole
from traco.modules.party.state import PartyKey, Policy, PolicyRule

SECOND, THIRD = "bank second", "bank third"


@pytest.fixture
def market() -> Iterator[Market]:
    """A market in which the bank has three keys and needs two."""
    made = Market()
    added = tuple(PartyKey(Key(name).public, ALL_ROLES) for name in (SECOND, THIRD))
    made.do("bank", ChangeKeys(made.ids["bank"], added, policy=Policy(2, (PolicyRule("*", 2),))))
    yield made
    made.check()


def code(market: Market, message: Instruction, *names: str) -> str:
    failure = market.ledger.submit(message, keys=[Key(name) for name in names]).failure
    return failure.code if failure else ""


def transfer(market: Market) -> Transfer:
    accounts = market.accounts
    return Transfer(market.ids["bank"], market.cash, accounts["bank"], accounts["rival"], 5, b"")


def moved(market: Market) -> int:
    return market.held("rival", market.cash).available - 1_000_000


def test_one_key_does_not_do_what_two_must(market: Market) -> None:
    assert code(market, transfer(market), SECOND) == "transaction.signature_missing"
    assert code(market, transfer(market), SECOND, "rival") == "transaction.signature_missing"
    assert code(market, transfer(market), SECOND, THIRD, "rival") == "transaction.signature_superfluous"
    assert moved(market) == 0


def test_an_approval_does_not_count_twice_nor_after_its_key_was_taken_away(market: Market) -> None:
    bank, salt, operation = market.ids["bank"], market.ledger.salt(), encode((transfer(market),))
    expires_ms = market.time_ms + 100_000
    approval = Approve(bank, proposal_id(market.ledger.application.network, bank, salt, operation))
    assert code(market, Propose(bank, operation, expires_ms, salt), SECOND) == ""
    assert code(market, approval, SECOND) == "kernel.approved_before"
    assert code(market, ChangeKeys(bank, remove=(Key(SECOND).public,)), "bank", THIRD) == ""
    assert code(market, approval, THIRD) == ""
    assert moved(market) == 0
    assert code(market, approval, SECOND) == "transaction.signature_missing"
    assert code(market, approval, "bank") == ""
    assert moved(market) == 5
    assert code(market, approval, "bank") == "kernel.proposal_unknown"


def test_nobody_approves_for_another_party(market: Market) -> None:
    bank, salt, operation = market.ids["bank"], market.ledger.salt(), encode((transfer(market),))
    market.ledger.succeed(Propose(bank, operation, market.time_ms + 100_000, salt), keys=[Key(SECOND)])
    identity = proposal_id(market.ledger.application.network, bank, salt, operation)
    assert code(market, Approve(market.ids["rival"], identity), "rival") == "kernel.proposal_unknown"
    assert code(market, Approve(bank, identity), "rival") == "transaction.signature_missing"


def test_a_council_member_named_twice_is_not_two(market: Market) -> None:
    council, bank = market.ids["council"], market.ids["bank"]
    attack = GrantRole((council, council), bank, "cash_operator")
    assert code(market, attack, "council") == "kernel.council_needed"


def test_who_is_not_of_the_council_does_not_govern(market: Market) -> None:
    attack = GrantRole((market.ids["bank"],), market.ids["bank"], "cash_operator")
    assert code(market, attack, "bank", THIRD) == "kernel.council_needed"
