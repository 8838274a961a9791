"""Changes of keys: rotation, theft, what must stay possible afterwards."""

import pytest

from support.founding import ALL_ROLES, Founding, founding
from support.ledger import Key
from support.probe import Note, ProbeModule
from traco.modules.party.events import KeysChanged
from traco.modules.party.messages import ChangeKeys, SetStatus
from traco.modules.party.state import PartyKey, Policy

OLD, NEW, OTHER = Key("seller"), Key("new"), Key("other")


@pytest.fixture
def f() -> Founding:
    return founding(["bank", "rival"], [ProbeModule()])


@pytest.fixture
def seller(f: Founding) -> bytes:
    return f.register("seller")


def granted(key: Key, *roles: str) -> PartyKey:
    return PartyKey(key.public, roles or ALL_ROLES)  # type: ignore[arg-type]


def test_a_key_is_replaced_in_one_instruction(f: Founding, seller: bytes) -> None:
    change = ChangeKeys(seller, add=(granted(NEW),), remove=(OLD.public,))
    receipt = f.ledger.succeed(change, keys=[OLD])
    assert receipt.events == (KeysChanged(seller, (granted(NEW),), Policy()),)
    assert f.ledger.reject(Note(seller), keys=[OLD]) == "transaction.signature_missing"
    f.ledger.succeed(Note(seller), keys=[NEW])
    assert f.ledger.check_invariants() == []


def test_a_removed_key_signs_nothing_later_in_the_same_block(f: Founding, seller: bytes) -> None:
    change = ChangeKeys(seller, add=(granted(NEW),), remove=(OLD.public,))
    transactions = [f.ledger.transaction([change], OLD), f.ledger.transaction([Note(seller)], OLD)]
    answers = f.ledger.run_block(transactions)
    assert [answer.leaf >= 0 for answer in answers] == [True, False]


def test_a_removed_key_may_go_to_another_party(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(ChangeKeys(seller, add=(granted(NEW),), remove=(OLD.public,)), keys=[OLD])
    buyer = f.register("buyer")
    f.ledger.succeed(ChangeKeys(buyer, add=(granted(OLD, "read"),)), keys=[Key("buyer")])
    assert f.party.keeper.party_of_key(f.ledger.application.state, OLD.public) == buyer


def test_another_partys_key_cannot_be_taken(f: Founding, seller: bytes) -> None:
    buyer = f.register("buyer")
    theft = ChangeKeys(buyer, add=(granted(OLD),))
    assert f.ledger.reject(theft, keys=[Key("buyer")]) == "party.key_taken"
    assert f.party.keeper.party_of_key(f.ledger.application.state, OLD.public) == seller


def test_ones_own_key_cannot_be_added_again(f: Founding, seller: bytes) -> None:
    assert f.ledger.reject(ChangeKeys(seller, add=(granted(OLD),)), keys=[OLD]) == "party.key_taken"


def test_another_partys_keys_cannot_be_changed(f: Founding, seller: bytes) -> None:
    change = ChangeKeys(seller, add=(granted(NEW),))
    assert f.ledger.reject(change, keys=[f.keys["bank"]]) == "transaction.signature_missing"


def test_roles_of_a_key_can_be_changed(f: Founding, seller: bytes) -> None:
    change = ChangeKeys(seller, add=(granted(NEW, "administer"),), change=(granted(OLD, "sign"),))
    f.ledger.succeed(change, keys=[OLD])
    further = ChangeKeys(seller, add=(granted(OTHER, "read"),))
    assert f.ledger.reject(further, keys=[OLD]) == "transaction.signature_missing"
    f.ledger.succeed(further, keys=[NEW])


def test_a_change_in_one_block_is_one_version(f: Founding, seller: bytes) -> None:
    first = ChangeKeys(seller, add=(granted(NEW),))
    second = ChangeKeys(seller, remove=(OLD.public,))
    f.ledger.run_block([f.ledger.transaction([first], OLD), f.ledger.transaction([second], NEW)])
    height = f.ledger.application.info().height
    state = f.ledger.application.state
    before = f.party.keeper.as_of(state, height - 1, seller)
    after = f.party.keeper.as_of(state, height, seller)
    assert before is not None
    assert after is not None
    assert ([k.key for k in before.keys], [k.key for k in after.keys]) == ([OLD.public], [NEW.public])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (ChangeKeys(b"", remove=(NEW.public,)), "party.key_unknown"),
        (ChangeKeys(b"", change=(granted(NEW),)), "party.key_unknown"),
        (ChangeKeys(b"", add=(granted(NEW), granted(NEW, "read"))), "party.key_repeated"),
        (ChangeKeys(b"", add=(granted(NEW),), remove=(NEW.public,)), "party.key_repeated"),
        (ChangeKeys(b"", change=(granted(OLD),), remove=(OLD.public,)), "party.key_repeated"),
        (ChangeKeys(b"", remove=(OLD.public, OLD.public)), "party.key_repeated"),
        (ChangeKeys(b"", add=(PartyKey(b"\x01" + b"\0" * 32, ALL_ROLES),)), "party.key_wrong"),
        (ChangeKeys(b"", remove=(OLD.public,)), "party.policy_unreachable"),
        (ChangeKeys(b"", change=(granted(OLD, "sign"),)), "party.policy_unreachable"),
        (ChangeKeys(b"", change=(granted(OLD, "administer"),)), "party.policy_unreachable"),
        (ChangeKeys(b"", policy=Policy(2)), "party.policy_unreachable"),
        (ChangeKeys(b"", add=tuple(granted(Key(f"k{n}")) for n in range(16))), "party.limit_exceeded"),
    ],
)
def test_what_would_break_the_keys_is_refused(
    f: Founding, seller: bytes, change: ChangeKeys, code: str
) -> None:
    own = ChangeKeys(seller, change.add, change.change, change.remove, change.policy)
    assert f.ledger.reject(own, keys=[OLD]) == code
    assert f.ledger.check_invariants() == []


def test_keys_up_to_the_limit_can_be_added(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(ChangeKeys(seller, add=tuple(granted(Key(f"k{n}")) for n in range(15))), keys=[OLD])


def test_the_keys_of_a_closed_party_are_free_again(f: Founding, seller: bytes) -> None:
    f.ledger.succeed(SetStatus(f.ids["bank"], seller, "closed", "ended"), keys=[f.keys["bank"]])
    assert f.party.keeper.party_of_key(f.ledger.application.state, OLD.public) is None
    again = f.register("seller", "rival")
    assert f.party.keeper.party_of_key(f.ledger.application.state, OLD.public) == again
    assert f.ledger.check_invariants() == []


def test_which_key_was_valid_is_known_by_height(f: Founding, seller: bytes) -> None:
    registered = f.ledger.application.info().height
    f.ledger.run_block()
    f.ledger.succeed(ChangeKeys(seller, add=(granted(NEW, "sign"),)), keys=[OLD])
    state, roles = f.ledger.application.state, f.party.keeper.key_roles_as_of
    heights = range(registered - 1, registered + 3)
    assert [roles(state, height, seller, NEW.public) for height in heights] == [(), (), (), ("sign",)]
    assert [roles(state, height, seller, OLD.public) for height in heights] == [(), *[ALL_ROLES] * 3]
