"""Signing policies: which signatures an instruction needs, none missing, none superfluous."""

from typing import Any

import pytest

from support.founding import Founding, founding
from support.ledger import Key
from support.probe import Both, Note, Pay, ProbeModule
from traco.modules.party.messages import ChangeKeys, RegisterParty, party_id
from traco.modules.party.state import Band, KeyRole, PartyKey, Policy, PolicyRule

CASH, BOND = b"c" * 16, b"b" * 16
S1, S2, S3, ADMIN1, ADMIN2, READER = (Key(name) for name in ("s1", "s2", "s3", "admin1", "admin2", "reader"))
ROLES: dict[Key, tuple[KeyRole, ...]] = {
    S1: ("sign",), S2: ("sign",), S3: ("sign", "administer"), ADMIN1: ("administer",), ADMIN2: ("administer",),
    READER: ("read",),
}  # fmt: skip
BANDS = Policy(
    2,
    (
        PolicyRule("trade", 1, Band(CASH, 1_000)),
        PolicyRule("trade", 2, Band(CASH, 5_000)),
        PolicyRule("note", 1),
        PolicyRule("*", 3),
    ),
)


def register(f: Founding, policy: Policy) -> bytes:
    keys = tuple(PartyKey(key.public, roles) for key, roles in ROLES.items())
    message = RegisterParty(f.ids["bank"], f.ledger.salt(), "organisation", keys, "Example", policy=policy)
    f.ledger.succeed(message, keys=[f.keys["bank"]])
    return party_id(message.party, message.salt)


@pytest.fixture
def f() -> Founding:
    return founding(modules=[ProbeModule()])


@pytest.fixture
def party(f: Founding) -> bytes:
    return register(f, BANDS)


def outcome(f: Founding, *instructions: Any, keys: list[Key]) -> str:
    answer = f.ledger.submit(*instructions, keys=keys)
    return "" if answer.failure is None else answer.failure.code


MISSING, SUPERFLUOUS = "transaction.signature_missing", "transaction.signature_superfluous"


@pytest.mark.parametrize(
    ("instrument", "amount", "needed"),
    [
        (CASH, 0, 1), (CASH, 1_000, 1), (CASH, 1_001, 2), (CASH, 5_000, 2), (CASH, 5_001, 3), (BOND, 1, 3),
    ],
)  # fmt: skip
def test_bands_hold_up_to_and_including_their_amount(
    f: Founding, party: bytes, instrument: bytes, amount: int, needed: int
) -> None:
    signers = [S1, S2, S3]
    codes = [outcome(f, Pay(party, instrument, amount), keys=signers[:count]) for count in range(4)]
    expected = [MISSING if count < needed else "" if count == needed else SUPERFLUOUS for count in range(4)]
    assert codes == expected


def test_a_rule_without_band_holds_for_instructions_without_amount(f: Founding, party: bytes) -> None:
    assert outcome(f, Note(party), keys=[S1]) == ""
    assert outcome(f, Note(party), keys=[S1, S2]) == SUPERFLUOUS


def test_the_rule_for_every_class_holds_where_no_other_fits(f: Founding, party: bytes) -> None:
    assert outcome(f, Both((party,)), keys=[S1, S2]) == MISSING
    assert outcome(f, Both((party,)), keys=[S1, S2, S3]) == ""


def test_where_no_rule_fits_one_signature_is_needed(f: Founding) -> None:
    party = register(f, Policy(1, (PolicyRule("note", 2),)))
    assert outcome(f, Pay(party, CASH, 10**9), keys=[S1]) == ""
    assert outcome(f, Note(party), keys=[S1]) == MISSING


def test_a_band_does_not_hold_for_an_instruction_without_amount(f: Founding) -> None:
    party = register(f, Policy(1, (PolicyRule("*", 1, Band(CASH, 2**63 - 1)), PolicyRule("*", 2))))
    assert outcome(f, Note(party), keys=[S1]) == MISSING


def test_the_strictest_instruction_of_a_transaction_decides(f: Founding, party: bytes) -> None:
    both = (Pay(party, CASH, 1), Pay(party, CASH, 5_000))
    assert outcome(f, *both, keys=[S1]) == MISSING
    assert outcome(f, *both, keys=[S1, S2]) == ""


@pytest.mark.parametrize("key", [ADMIN1, READER])
def test_keys_that_may_not_sign_do_not_count(f: Founding, party: bytes, key: Key) -> None:
    assert outcome(f, Note(party), keys=[key]) == MISSING
    assert outcome(f, Note(party), keys=[S1, key]) == SUPERFLUOUS


def test_another_partys_key_does_not_count(f: Founding, party: bytes) -> None:
    f.register("seller")
    assert outcome(f, Note(party), keys=[Key("seller")]) == MISSING


def test_each_party_of_an_instruction_authorises(f: Founding, party: bytes) -> None:
    seller = f.register("seller")
    instruction = Both((party, seller))
    assert outcome(f, instruction, keys=[S1, S2, S3]) == MISSING
    assert outcome(f, instruction, keys=[Key("seller")]) == MISSING
    assert outcome(f, instruction, keys=[S1, S2, S3, Key("seller")]) == ""


def test_changes_of_keys_need_the_administering_keys(f: Founding, party: bytes) -> None:
    change = ChangeKeys(party, remove=(READER.public,))
    assert outcome(f, change, keys=[S1, S2, S3]) == MISSING
    assert outcome(f, change, keys=[ADMIN1]) == MISSING
    assert outcome(f, change, keys=[ADMIN1, ADMIN2, S3]) == SUPERFLUOUS
    assert outcome(f, change, keys=[ADMIN1, S3]) == ""


def test_an_unknown_party_is_answered_without_a_leaf(f: Founding) -> None:
    answer = f.ledger.submit(Note(b"?" * 16), keys=[S1])
    assert answer.failure is not None
    assert (answer.leaf, answer.failure.code) == (-1, "transaction.party_unknown")


def test_a_change_of_policy_holds_from_the_next_transaction_of_the_same_block(
    f: Founding, party: bytes
) -> None:
    loosen = ChangeKeys(party, policy=Policy())
    answers = f.ledger.run_block(
        [
            f.ledger.transaction([Both((party,))], S1),
            f.ledger.transaction([loosen], ADMIN1, ADMIN2),
            f.ledger.transaction([Both((party,))], S1),
        ]
    )
    codes = [None if answer.failure is None else answer.failure.code for answer in answers]
    assert codes == [MISSING, None, None]


@pytest.mark.parametrize(
    ("rules", "index"),
    [
        ((PolicyRule("administer", 1),), 0),
        ((PolicyRule("approve", 1),), 0),
        ((PolicyRule("*", 1), PolicyRule("trade", 2)), 1),
        ((PolicyRule("trade", 1), PolicyRule("trade", 2)), 1),
        ((PolicyRule("trade", 1), PolicyRule("trade", 2, Band(CASH, 1))), 1),
        ((PolicyRule("trade", 1, Band(CASH, 5)), PolicyRule("trade", 2, Band(CASH, 5))), 1),
        ((PolicyRule("trade", 1, Band(CASH, 5)), PolicyRule("trade", 2, Band(CASH, 4))), 1),
        ((PolicyRule("*", 1, Band(CASH, 5)), PolicyRule("trade", 2, Band(CASH, 5))), 1),
        ((PolicyRule("note", 1), PolicyRule("*", 1), PolicyRule("x", 1)), 2),
    ],
)
def test_rules_that_are_never_reached_are_refused(
    f: Founding, party: bytes, rules: tuple[PolicyRule, ...], index: int
) -> None:
    answer = f.ledger.submit(ChangeKeys(party, policy=Policy(1, rules)), keys=[ADMIN1, ADMIN2])
    assert answer.failure is not None
    assert (answer.failure.code, answer.failure.fields) == ("party.rule_unreachable", (("index", index),))


@pytest.mark.parametrize(
    "rules",
    [
        (
            PolicyRule("trade", 1, Band(CASH, 5)),
            PolicyRule("trade", 2, Band(CASH, 6)),
            PolicyRule("trade", 3),
        ),
        (PolicyRule("trade", 1, Band(CASH, 5)), PolicyRule("trade", 2, Band(BOND, 5))),
        (PolicyRule("trade", 1, Band(CASH, 5)), PolicyRule("*", 2, Band(CASH, 5))),
        (PolicyRule("trade", 1), PolicyRule("note", 2), PolicyRule("*", 3)),
    ],
)
def test_rules_that_can_be_reached_are_accepted(
    f: Founding, party: bytes, rules: tuple[PolicyRule, ...]
) -> None:
    assert outcome(f, ChangeKeys(party, policy=Policy(2, rules)), keys=[ADMIN1, ADMIN2]) == ""


@pytest.mark.parametrize(("count", "code"), [(16, ""), (17, "party.limit_exceeded")])
def test_rules_are_limited(f: Founding, party: bytes, count: int, code: str) -> None:
    rules = tuple(PolicyRule(f"c{n}", 1) for n in range(count))
    assert outcome(f, ChangeKeys(party, policy=Policy(1, rules)), keys=[ADMIN1, ADMIN2]) == code


@pytest.mark.parametrize(
    ("policy", "code"),
    [
        (Policy(3), ""),
        (Policy(4), "party.policy_unreachable"),
        (Policy(1, (PolicyRule("a", 1), PolicyRule("trade", 3))), ""),
        (Policy(1, (PolicyRule("trade", 4), PolicyRule("a", 1))), "party.policy_unreachable"),
    ],
)
def test_thresholds_must_be_reachable(f: Founding, party: bytes, policy: Policy, code: str) -> None:
    assert outcome(f, ChangeKeys(party, policy=policy), keys=[ADMIN1, ADMIN2]) == code
