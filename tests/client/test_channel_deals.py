"""Legs, terms and signed legs as files between parties that do not trust each other: what fits together, and what is refused."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from support.ledger import Key
from support.town import NamedKey
from traco.client.channel_deals import (
    AgreedTerms,
    AsyncDeals,
    DealInvalid,
    Deals,
    DraftLeg,
    NotTaken,
    PublicLeg,
    ReadyLeg,
    agree,
    draft_leg,
    in_order,
    leg_transaction,
    require_leg,
    require_terms,
    require_transaction,
    sign_root_leg,
    to_file,
)
from traco.client.collecting import add_signatures, unsigned
from traco.client.forms import from_form, to_form
from traco.kernel import crypto
from traco.kernel.batch_hold import Movement
from traco.kernel.codec import ROOT
from traco.modules.channel.parts import EdgeMovement, Held, Receipt, RootLeg, SealedLeg
from traco.modules.channel.signing import root_leg_message
from traco.modules.composition import compose
from traco.modules.leg.messages import LegContent

NETWORK = b"n" * 32
HERE, THERE = b"h" * 32, b"t" * 32
ALICE, BOB = b"a" * 16, b"b" * 16
BODY = compose().body


def leg(ledger: bytes, amount: int = 10, **more: Any) -> DraftLeg:
    moved = Movement(b"i" * 16, b"f" * 16, b"r" * 16, amount, b"")
    return draft_leg(NETWORK, ledger, LegContent((moved,)), [ALICE], [BOB] if ledger else [], **more)


def terms(*legs: DraftLeg) -> AgreedTerms:
    return agree(NETWORK, [each.public() for each in legs], 1_000_000)


def refusal(call: Callable[[], object]) -> str:
    with pytest.raises(DealInvalid) as raised:
        call()
    return raised.value.code


def test_the_public_part_of_a_leg_says_nothing_of_what_moves() -> None:
    drafted = leg(HERE, 123_456_789)
    content = to_file(drafted.public())
    shown = msgspec.json.decode(content)
    assert set(shown["leg"]) == {"ledger", "commitment", "attesters", "edges"}
    for secret in (drafted.salt.hex(), "123456789", (b"i" * 16).hex(), (b"f" * 16).hex(), ALICE.hex()):
        assert secret.encode() not in content


def test_two_drafts_of_the_same_leg_have_different_commitments() -> None:
    assert leg(HERE).public() != leg(HERE).public()


def test_files_are_read_back_as_they_were_written() -> None:
    drafted, other = leg(HERE), leg(ROOT)
    agreed = terms(drafted, other)
    signed = sign_root_leg(agreed, other, [NamedKey("alice")])
    for kind, record in (
        (DraftLeg, drafted),
        (PublicLeg, other.public()),
        (AgreedTerms, agreed),
        (ReadyLeg, signed),
    ):
        assert from_form(kind, msgspec.json.decode(to_file(record))) == record


def test_terms_that_somebody_changed_are_not_those_of_their_id() -> None:
    agreed = terms(leg(HERE), leg(THERE))
    later = replace(agreed, terms=replace(agreed.terms, deadline_ms=2_000_000))
    assert refusal(lambda: require_terms(later)) == "deal.terms_changed"


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ((leg(HERE),), "deal.legs"),
        ((leg(HERE), leg(HERE)), "deal.ledger_twice"),
        ((leg(HERE), replace(leg(ROOT), attesters=(BOB,))), "deal.root_attesters"),
        ((leg(HERE), leg(THERE, edges=[EdgeMovement(b"i" * 16, 5)])), "deal.edges_unbalanced"),
        ((leg(HERE), replace(leg(THERE), network=b"o" * 32)), "deal.other_network"),
    ],
)  # fmt: skip
def test_legs_that_cannot_settle_together_make_no_terms(legs: tuple[DraftLeg, ...], code: str) -> None:
    assert refusal(lambda: terms(*legs)) == code


def test_a_leg_is_that_of_the_terms_or_it_is_not_signed() -> None:
    drafted, other = leg(HERE), leg(THERE)
    agreed = terms(drafted, other)
    require_leg(agreed, drafted)
    for changed in (
        replace(drafted, content=leg(HERE, 11).content),
        replace(drafted, salt=bytes(32)),
        replace(drafted, attesters=(ALICE,)),
        replace(drafted, edges=(EdgeMovement(b"i" * 16, 1),)),
        replace(drafted, ledger=THERE),
    ):
        assert refusal(partial(leg_transaction, agreed, changed)) == "deal.leg_differs"
    assert refusal(lambda: require_leg(agreed, leg(b"x" * 32))) == "deal.leg_unknown"


def test_what_others_signed_is_judged_before_it_is_signed_too() -> None:
    drafted, other = leg(HERE), leg(THERE)
    agreed, elsewhere = terms(drafted, other), terms(drafted, other)
    raw = add_signatures(leg_transaction(agreed, drafted), [NamedKey("alice")])
    assert require_transaction(raw, agreed, BODY) == drafted.hold(agreed.id)
    hold = drafted.hold(agreed.id)
    cases = {
        "deal.unreadable": (b"\xc0", agreed),
        "deal.other_terms": (raw, elsewhere),
        "deal.not_a_leg": (unsigned(NETWORK, 9, [hold, hold], ledger=HERE), agreed),
        "deal.leg_differs": (unsigned(NETWORK, 9, [leg(HERE, 11).hold(agreed.id)], ledger=HERE), agreed),
        "deal.signed_too_long": (unsigned(NETWORK, 1_000_001, [hold], ledger=HERE), agreed),
        "deal.other_network": (unsigned(b"o" * 32, 9, [hold], ledger=HERE), agreed),
    }
    found = {
        code: refusal(partial(require_transaction, raw, agreed, BODY))
        for code, (raw, agreed) in cases.items()
    }
    assert list(found) == list(found.values())
    assert (
        refusal(lambda: require_transaction(unsigned(NETWORK, 9, [hold], ledger=THERE), agreed, BODY))
        == "deal.leg_differs"
    )


def test_signatures_on_the_root_are_collected_one_after_the_other() -> None:
    drafted = leg(ROOT)
    agreed = terms(leg(HERE), drafted)
    first = sign_root_leg(agreed, drafted, [NamedKey("alice")])
    both = sign_root_leg(agreed, drafted, [NamedKey("bob")], first)
    assert isinstance(both.leg, RootLeg)
    keys = [each.key for each in both.leg.signatures]
    assert keys == sorted((Key("alice").public, Key("bob").public))
    message = root_leg_message(NETWORK, agreed.id, both.leg.instructions)
    assert all(crypto.is_valid(each.key, message, each.value) for each in both.leg.signatures)
    elsewhere = terms(leg(HERE), drafted)
    assert refusal(lambda: sign_root_leg(elsewhere, drafted, [NamedKey("bob")], first)) == "deal.leg_differs"


def test_sealed_legs_are_put_into_the_order_of_the_terms() -> None:
    agreed = terms(leg(HERE), leg(THERE))
    payload = Held(bytes(32), 64, 9, (Receipt(0, bytes(65)),))
    here, there = (
        ReadyLeg(NETWORK, agreed.id, name, SealedLeg(1, BOB, payload, bytes(65))) for name in (HERE, THERE)
    )
    assert in_order(agreed, [there, here]) == [here, there]
    assert refusal(lambda: in_order(agreed, [here])) == "deal.legs"
    assert refusal(lambda: in_order(agreed, [here, here])) == "deal.ledger_twice"
    assert refusal(lambda: in_order(agreed, [here, there, replace(here, ledger=ROOT)])) == "deal.legs"
    assert refusal(lambda: in_order(agreed, [here, replace(there, terms=bytes(32))])) == "deal.other_terms"


class Node:
    """Answers what it is told to; what it was asked is kept."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, Any]] = []

    def post(self, path: str, form: Any, /, *, timeout: float | None = None) -> Any:
        self.asked.append((path, to_form(form)))
        return self._answers.pop(0)


class AsyncNode(Node):
    """As ``Node``, for those who await it."""

    async def post(self, path: str, form: Any, /, *, timeout: float | None = None) -> Any:
        return super().post(path, form, timeout=timeout)


def test_many_legs_are_sealed_and_many_attempts_ordered_each_with_its_own_answer() -> None:
    pairs = [(leg(HERE, number), leg(THERE, number)) for number in (1, 2)]
    agreed = [terms(*pair) for pair in pairs]
    given = SealedLeg(1, ALICE, Held(b"p" * 32, 10, 5, (Receipt(0, b"s" * 65),)), b"s" * 65)
    failure = {"code": "leg.terms_differ", "fields": {}, "text": "no"}
    rows = [{"leg": to_form(given), "failure": None}, {"leg": None, "failure": failure}]
    said = [{"attempt": "ab", "status": "undecided", "transaction": "cd", "failure": None}]
    wanted = [(each, b"signed") for each in agreed]
    first = ReadyLeg(NETWORK, agreed[0].id, HERE, given)
    both = [first, replace(first, ledger=THERE)]

    node, other = Node(rows, said), AsyncNode(rows, said)
    deals, waiting = Deals(node), AsyncDeals(other)  # type: ignore[arg-type]  # all that they use of it

    async def scene() -> list[Any]:
        return [await waiting.seal_all(wanted, HERE), await waiting.order_all([(agreed[0], both)])]

    found = [deals.seal_all(wanted, HERE), deals.order_all([(agreed[0], both)])]
    assert found == asyncio.run(scene()) == [[first, NotTaken("leg.terms_differ", "no")], said]
    assert node.asked == other.asked
    (path, legs), (orders, attempts) = node.asked
    assert (path, orders) == (f"/v1/channels/{HERE.hex()}/legs/batch", "/v1/channels/attempts/batch")
    assert [each["transaction"] for each in legs] == [b"signed".hex()] * 2
    assert [len(each["legs"]) for each in attempts] == [2]
    with pytest.raises(DealInvalid):
        deals.order_all([(agreed[1], both)])
