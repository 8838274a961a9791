"""Recovery after loss of all keys: the delay, the race with a cancellation, and attempts to abuse it."""

import pytest

from support.founding import ALL_ROLES, Founding, founding
from support.ledger import Key
from support.probe import Note, ProbeModule
from traco.modules.party.events import KeysChanged, RecoveryBegun, RecoveryEnded, StatusSet
from traco.modules.party.messages import (
    BeginRecovery,
    CancelRecovery,
    ChangeKeys,
    DecideStatus,
    SetStatus,
)
from traco.modules.party.state import PartyKey, Policy, PolicyRule

DELAY = 60_000
OLD, NEW = Key("seller"), Key("new")
BANK = Key("bank")


@pytest.fixture
def f() -> Founding:
    parameters = {"party": {"recovery_delay_ms": DELAY}}
    return founding(["bank", "rival", "third"], [ProbeModule()], threshold=2, parameters=parameters)


@pytest.fixture
def seller(f: Founding) -> bytes:
    return f.register("seller")


def begin(f: Founding, seller: bytes, *keys: Key) -> BeginRecovery:
    granted = tuple(PartyKey(key.public, ALL_ROLES) for key in keys or (NEW,))
    return BeginRecovery(f.ids["bank"], seller, granted)


def owner(f: Founding, key: Key) -> bytes | None:
    return f.party.keeper.party_of_key(f.ledger.application.state, key.public)


def test_new_keys_come_into_force_when_the_delay_is_over(f: Founding, seller: bytes) -> None:
    receipt = f.ledger.succeed(begin(f, seller), keys=[BANK])
    assert receipt.events == (RecoveryBegun(seller, f.ids["bank"], f.ledger.time_ms + DELAY),)
    f.ledger.run_block(after_ms=DELAY - 1)
    assert (owner(f, OLD), owner(f, NEW)) == (seller, None)
    f.ledger.run_block(after_ms=1)
    assert (owner(f, OLD), owner(f, NEW)) == (None, seller)
    due = f.ledger.registry.receipt.decode(f.ledger.store.blocks[-1].leaves[0].receipt)
    keys = (PartyKey(NEW.public, ALL_ROLES),)
    assert due.events == (KeysChanged(seller, keys, Policy()), RecoveryEnded(seller, completed=True))
    f.ledger.succeed(Note(seller), keys=[NEW])
    assert f.ledger.check_invariants() == []


def test_the_old_keys_stay_in_force_meanwhile(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    f.ledger.succeed(Note(seller), keys=[OLD])
    assert f.ledger.reject(Note(seller), keys=[NEW]) == "transaction.signature_missing"


def test_a_new_policy_comes_with_the_new_keys(f: Founding, seller: bytes) -> None:
    keys = (PartyKey(NEW.public, ALL_ROLES), PartyKey(Key("new2").public, ALL_ROLES))
    policy = Policy(2, (PolicyRule("*", 2),))
    f.ledger.succeed(BeginRecovery(f.ids["bank"], seller, keys, policy), keys=[BANK])
    f.ledger.run_block(after_ms=DELAY)
    assert f.ledger.reject(Note(seller), keys=[NEW]) == "transaction.signature_missing"
    f.ledger.succeed(Note(seller), keys=[NEW, Key("new2")])


@pytest.mark.parametrize("by_sponsor", [False, True])
def test_a_cancelled_recovery_has_no_effect(f: Founding, seller: bytes, by_sponsor: bool) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    party, key = (f.ids["bank"], BANK) if by_sponsor else (seller, OLD)
    receipt = f.ledger.succeed(CancelRecovery(party, seller), keys=[key])
    assert receipt.events == (RecoveryEnded(seller, completed=False),)
    f.ledger.run_block(after_ms=2 * DELAY)
    assert (owner(f, OLD), owner(f, NEW)) == (seller, None)
    assert f.ledger.store.blocks[-1].leaves == ()
    assert f.ledger.check_invariants() == []


def test_one_of_several_keys_is_enough_to_cancel(f: Founding) -> None:
    seller = f.register("seller")
    more = (PartyKey(Key("s2").public, ("sign",)), PartyKey(Key("a2").public, ("administer",)))
    policy = Policy(2, (PolicyRule("*", 2),))
    f.ledger.succeed(ChangeKeys(seller, add=more, policy=policy), keys=[OLD])
    for key in (Key("s2"), Key("a2")):
        f.ledger.succeed(begin(f, seller), keys=[BANK])
        f.ledger.succeed(CancelRecovery(seller, seller), keys=[key])
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    both = [Key("s2"), Key("a2")]
    assert f.ledger.reject(CancelRecovery(seller, seller), keys=both) == "transaction.signature_superfluous"


def test_a_cancellation_in_the_block_of_completion_comes_too_late(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    late = f.ledger.transaction([CancelRecovery(seller, seller)], OLD, valid_ms=2 * DELAY)
    answer = f.ledger.run_block([late], after_ms=DELAY)[0]
    assert answer.failure is not None
    assert answer.failure.code == "transaction.signature_missing"
    assert f.ledger.reject(CancelRecovery(seller, seller), keys=[NEW]) == "party.recovery_none"


def test_a_cancellation_one_millisecond_before_completion_counts(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    just = f.ledger.transaction([CancelRecovery(seller, seller)], OLD, valid_ms=2 * DELAY)
    assert f.ledger.run_block([just], after_ms=DELAY - 1)[0].failure is None
    f.ledger.run_block(after_ms=1)
    assert owner(f, OLD) == seller


def test_a_recovery_begun_again_waits_for_its_own_delay(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    f.ledger.succeed(CancelRecovery(seller, seller), keys=[OLD])
    f.ledger.run_block(after_ms=30_000)
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    f.ledger.run_block(after_ms=30_000)
    assert owner(f, OLD) == seller
    f.ledger.run_block(after_ms=30_000)
    assert owner(f, NEW) == seller


def test_a_change_of_keys_ends_a_recovery(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    receipt = f.ledger.succeed(ChangeKeys(seller, policy=Policy()), keys=[OLD])
    assert receipt.events[0] == RecoveryEnded(seller, completed=False)
    f.ledger.run_block(after_ms=2 * DELAY)
    assert owner(f, OLD) == seller


def test_the_party_may_take_a_key_that_its_recovery_had_reserved(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    f.ledger.succeed(ChangeKeys(seller, add=(PartyKey(NEW.public, ALL_ROLES),)), keys=[OLD])
    assert owner(f, NEW) == seller


def test_reserved_keys_are_taken(f: Founding, seller: bytes) -> None:
    buyer = f.register("buyer")
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    theft = ChangeKeys(buyer, add=(PartyKey(NEW.public, ALL_ROLES),))
    assert f.ledger.reject(theft, keys=[Key("buyer")]) == "party.key_taken"
    assert f.ledger.reject(begin(f, buyer), keys=[BANK]) == "party.key_taken"


def test_another_member_cannot_recover(f: Founding, seller: bytes) -> None:
    keys = (PartyKey(NEW.public, ALL_ROLES),)
    attack = BeginRecovery(f.ids["rival"], seller, keys)
    assert f.ledger.reject(attack, keys=[Key("rival")]) == "party.not_sponsor"


def test_a_party_that_is_no_member_cannot_recover(f: Founding, seller: bytes) -> None:
    keys = (PartyKey(NEW.public, ALL_ROLES),)
    assert f.ledger.reject(BeginRecovery(seller, seller, keys), keys=[OLD]) == "party.not_member"


def test_a_member_cannot_recover_itself(f: Founding) -> None:
    assert f.ledger.reject(begin(f, f.ids["bank"]), keys=[BANK]) == "party.not_sponsor"


def test_others_cannot_cancel(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    attack = CancelRecovery(f.ids["rival"], seller)
    assert f.ledger.reject(attack, keys=[Key("rival")]) == "party.not_sponsor"


def test_only_one_recovery_waits(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    assert f.ledger.reject(begin(f, seller, Key("x")), keys=[BANK]) == "party.recovery_open"


@pytest.mark.parametrize(
    ("keys", "policy", "code"),
    [
        ((), Policy(), "party.policy_unreachable"),
        ((PartyKey(OLD.public, ALL_ROLES),), Policy(), "party.key_taken"),
        ((PartyKey(NEW.public, ALL_ROLES),) * 2, Policy(), "party.key_repeated"),
        ((PartyKey(b"\x01" + b"\0" * 32, ALL_ROLES),), Policy(), "party.key_wrong"),
        ((PartyKey(NEW.public, ALL_ROLES),), Policy(2), "party.policy_unreachable"),
        (
            (PartyKey(NEW.public, ALL_ROLES),),
            Policy(1, (PolicyRule("approve", 1),)),
            "party.rule_unreachable",
        ),
        (
            tuple(PartyKey(Key(f"k{n}").public, ALL_ROLES) for n in range(17)),
            Policy(),
            "party.limit_exceeded",
        ),
    ],
)
def test_keys_that_could_not_work_are_refused_at_once(
    f: Founding, seller: bytes, keys: tuple[PartyKey, ...], policy: Policy, code: str
) -> None:
    assert f.ledger.reject(BeginRecovery(f.ids["bank"], seller, keys, policy), keys=[BANK]) == code


def test_a_suspended_party_can_still_defend_its_keys(f: Founding, seller: bytes) -> None:
    suspend = SetStatus(f.ids["bank"], seller, "suspended", "takeover")
    f.ledger.succeed(suspend, begin(f, seller), keys=[BANK])
    assert f.ledger.reject(Note(seller), keys=[OLD]) == "party.suspended"
    f.ledger.succeed(CancelRecovery(seller, seller), keys=[OLD])
    f.ledger.run_block(after_ms=2 * DELAY)
    assert owner(f, OLD) == seller


def test_a_suspended_party_does_nothing_else_beside_defending_itself(f: Founding, seller: bytes) -> None:
    suspend = SetStatus(f.ids["bank"], seller, "suspended", "check")
    f.ledger.succeed(suspend, begin(f, seller), keys=[BANK])
    assert f.ledger.reject(CancelRecovery(seller, seller), Note(seller), keys=[OLD]) == "party.suspended"


def test_a_suspended_sponsor_cannot_cancel_for_others(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    council = tuple(sorted((f.ids["rival"], f.ids["third"])))
    decision = DecideStatus(council, f.ids["bank"], "suspended", "check")
    answers = f.ledger.run_block(
        [
            f.ledger.transaction([decision], Key("rival"), Key("third")),
            f.ledger.transaction([CancelRecovery(f.ids["bank"], seller)], BANK),
        ]
    )
    assert answers[1].failure is not None
    assert answers[1].failure.code == "party.suspended"


def test_a_closed_party_cannot_be_recovered(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, "closed", "ended"), keys=[BANK])
    assert f.ledger.reject(begin(f, seller), keys=[BANK]) == "party.closed"
    assert f.ledger.reject(CancelRecovery(seller, seller), keys=[OLD]) == "party.closed"


def test_closing_ends_a_recovery(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    receipt = f.ledger.succeed(SetStatus(f.ids["bank"], seller, "closed", "ended"), keys=[BANK])
    expected = (RecoveryEnded(seller, completed=False), StatusSet(seller, "closed", "ended"))
    assert receipt.events == expected
    f.ledger.run_block(after_ms=2 * DELAY)
    assert owner(f, NEW) is None
    assert f.ledger.check_invariants() == []


def test_a_sponsor_suspended_meanwhile_takes_nothing_over(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(begin(f, seller), keys=[BANK])
    council = tuple(sorted((f.ids["rival"], f.ids["third"])))
    decision = DecideStatus(council, f.ids["bank"], "suspended", "rogue")
    f.ledger.succeed(decision, keys=[Key("rival"), Key("third")])
    f.ledger.run_block(after_ms=DELAY)
    assert (owner(f, OLD), owner(f, NEW)) == (seller, None)
    due = f.ledger.registry.receipt.decode(f.ledger.store.blocks[-1].leaves[0].receipt)
    assert due.events == (RecoveryEnded(seller, completed=False),)
    assert f.ledger.check_invariants() == []
