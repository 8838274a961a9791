"""Attacks on order and replay: the same body again, other signatures, envelopes again, races within a block, a restart."""

from collections.abc import Iterator

import pytest

from modules.document.desk import Facts
from modules.financing.desk import Desk
from support.ledger import Key, Ledger
from support.market import Market
from traco.kernel.block import Answer
from traco.kernel.codec import ROOT, encode
from traco.kernel.screening import encode_transaction
from traco.kernel.transaction import (
    Body,
    Envelope,
    EnvelopeBody,
    envelope_id,
    envelope_signing_message,
    signing_message,
    transaction_id,
)
from traco.modules.financing.messages import CancelFinancing
from traco.modules.holding.messages import Transfer


@pytest.fixture
def market() -> Iterator[Market]:
    """A market on a fresh ledger, whose invariants hold in the end."""
    made = Market()
    yield made
    made.check()


def body_of(market: Market) -> bytes:
    """A transfer of one cent from bank to rival."""
    message = Transfer(
        market.ids["bank"], market.cash, market.accounts["bank"], market.accounts["rival"], 1, b""
    )
    ledger = market.ledger
    return encode(Body(ledger.application.network, ROOT, market.time_ms + 60_000, ledger.salt(), (message,)))


def signed(body: bytes, names: str) -> bytes:
    message = signing_message(transaction_id(body))
    return encode_transaction(body, tuple(Key(name).signature(message) for name in names.split()))


def codes(answers: list[Answer]) -> list[str]:
    return [answer.failure.code if answer.failure else "" for answer in answers]


def order(ledger: Ledger, *envelopes: bytes) -> list[str]:
    """One block of these envelopes; what became of each."""
    ledger.time_ms += 1_000
    height = ledger.application.info().height + 1
    answers = ledger.application.finalize_block(height, ledger.time_ms, envelopes).answers
    ledger.application.commit()
    return [answer.failure.code if answer.failure else "" for answer in answers]


def test_other_signatures_neither_use_up_an_id_nor_run_it_again(market: Market) -> None:
    body = body_of(market)
    wires = [signed(body, names) for names in ("bank rival", "", "rival", "bank", "bank", "bank rival")]
    assert codes(market.ledger.run_block(wires)) == [
        "transaction.signature_superfluous", "transaction.signature_missing", "transaction.signature_missing", "",
        "transaction.duplicate", "transaction.duplicate",
    ]  # fmt: skip
    assert market.held("rival", market.cash).available == 1_000_001


def test_an_envelope_is_ordered_once(market: Market) -> None:
    envelope = market.ledger.envelope([signed(body_of(market), "bank")])
    assert order(market.ledger, envelope, envelope) == ["", "transaction.duplicate"]
    assert order(market.ledger, envelope) == ["transaction.duplicate"]
    assert market.held("rival", market.cash).available == 1_000_001


def test_what_was_used_stays_used_after_a_restart(market: Market) -> None:
    ledger, wire = market.ledger, signed(body_of(market), "bank")
    assert codes(ledger.run_block([wire])) == [""]
    again = Ledger(market.founding.genesis, ledger.registry, ledger.member, ledger.node, ledger.store)
    again._salt = 10_000  # not those of before
    assert codes(again.run_block([wire])) == ["transaction.duplicate"]


def test_a_node_does_not_submit_in_the_name_of_another_member(market: Market) -> None:
    ledger, node = market.ledger, market.ledger.node
    body = EnvelopeBody(
        ledger.application.network, ROOT, market.ids["central"], market.time_ms + 60_000, ledger.salt(),
        (signed(body_of(market), "bank"),),
    )  # fmt: skip
    signature = node.signature(envelope_signing_message(envelope_id(body), node.public))
    assert order(ledger, encode(Envelope(body, signature))) == ["envelope.node_unknown"]


@pytest.mark.parametrize("raw", [b"", b"\xc1", b"\x91" * 5_000, b"\x92\x90\x90", b"\x92\xc0\xc0"])
def test_hostile_bytes_in_a_block_stop_nothing(market: Market, raw: bytes) -> None:
    good = market.ledger.envelope([signed(body_of(market), "bank")])
    assert order(market.ledger, raw, good, good[:-1], good + b"\0") == [
        "transaction.malformed", "", "transaction.malformed", "transaction.malformed",
    ]  # fmt: skip


@pytest.mark.parametrize("first", ["seller", "bank"])
def test_of_settling_and_cancelling_in_one_block_the_first_wins_whole(first: str) -> None:
    desk = Desk()
    document = desk.invoice(facts=Facts(N=first))
    financing = desk.reserve(document)
    wires = {
        "seller": desk.ledger.transaction(
            [CancelFinancing(desk.ids["seller"], financing, "no")], Key("seller")
        ),
        "bank": desk.ledger.transaction([desk.affirmation(financing)], Key("bank")),
    }
    second = "bank" if first == "seller" else "seller"
    found = codes(desk.ledger.run_block([wires[first], wires[second]]))
    expected = {"seller": ["", "settlement.batch_ended"], "bank": ["", "financing.not_open"]}
    assert found == expected[first]
    assert desk.money("seller bank") == ([0, 0] if first == "seller" else [980, -980])
    assert desk.ledger.check_invariants() == []


def test_an_offer_is_not_accepted_at_the_moment_it_ends() -> None:
    desk = Desk()
    request = desk.request(desk.invoice())
    until_ms = desk.ledger.time_ms + 10_000
    offer = desk.offer(request, valid_until_ms=until_ms)
    wire = desk.ledger.transaction([desk.acceptance(request, offer)], Key("seller"))
    answers = desk.ledger.run_block([wire], after_ms=until_ms - desk.ledger.time_ms)
    assert codes(answers) == ["financing.offer_ended"]
