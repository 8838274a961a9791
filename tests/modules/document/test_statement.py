"""The fingerprint service's statement: what the ledger checks of it, and the rotation of keys."""

from typing import Any

import pytest
from msgspec.structs import replace

from modules.document.desk import SERVICE, Desk, Facts, fingerprints, registered, reported
from support.ledger import Key
from traco.modules.document.events import FingerprintKeySet
from traco.modules.document.messages import SetFingerprintKey
from traco.modules.document.parameters import DocumentParameters
from traco.modules.document.state import ServiceKey
from traco.modules.document.statement import (
    SignedStatement,
    statement_message,
)

LIMITS = DocumentParameters()
OTHER = Key("other service")


def _refused(desk: Desk, **changes: Any) -> str:
    message = desk.registration("seller")
    signed = desk.statement(Facts(), message.content_commitment, **changes)
    return desk.refuse("seller", replace(message, statement=signed))


def test_a_statement_for_another_network_is_refused(desk: Desk) -> None:
    assert _refused(desk, network=b"\x09" * 32) == "document.statement_foreign"


def test_a_statement_for_another_ledger_of_the_network_is_refused(desk: Desk) -> None:
    assert _refused(desk, ledger=b"\x09" * 32) == "document.statement_foreign"


def test_a_statement_for_another_content_is_refused(desk: Desk) -> None:
    assert _refused(desk, content_commitment=b"\x09" * 32) == "document.statement_content"


def test_a_statement_of_an_unknown_service_is_refused(desk: Desk) -> None:
    message = desk.registration("seller")
    statement = replace(message.statement.statement, service=OTHER.public)
    signed = SignedStatement(statement, OTHER.sign(statement_message(statement)))
    assert desk.refuse("seller", replace(message, statement=signed)) == "document.service_unknown"


def test_a_foreign_key_cannot_sign_in_the_name_of_the_service(desk: Desk) -> None:
    message = desk.registration("seller")
    statement = message.statement.statement
    signed = SignedStatement(statement, OTHER.sign(statement_message(statement)))
    assert desk.refuse("seller", replace(message, statement=signed)) == "document.statement_forged"


@pytest.mark.parametrize("part", ["exact", "strong", "weak", "key_version"])
def test_a_changed_fingerprint_breaks_the_signature(desk: Desk, part: str) -> None:
    message = desk.registration("seller")
    prints = message.statement.statement.fingerprints[0]
    changes: dict[str, Any] = {"exact": b"\0" * 32, "strong": (), "weak": (), "key_version": 2}
    statement = replace(message.statement.statement, fingerprints=(replace(prints, **{part: changes[part]}),))
    forged = SignedStatement(statement, message.statement.signature)
    assert desk.refuse("seller", replace(message, statement=forged)) == "document.statement_forged"


@pytest.mark.parametrize("versions", [(1, 2), (1, 1)])
def test_key_versions_must_descend(desk: Desk, versions: tuple[int, ...]) -> None:
    assert _refused(desk, versions=versions) == "document.versions_disordered"


def test_schemes_descend_before_versions(desk: Desk) -> None:
    ordered = (fingerprints(Facts(), 1, scheme=2), fingerprints(Facts(), 2), fingerprints(Facts(), 1))
    message = desk.registration("seller")
    signed = desk.statement(Facts(), message.content_commitment, fingerprints=ordered)
    desk.do("seller", replace(message, statement=signed))
    disordered = (ordered[1], ordered[0], ordered[2])
    assert _refused(desk, fingerprints=disordered) == "document.versions_disordered"


def test_the_version_in_force_must_be_among_them(desk: Desk) -> None:
    assert _refused(desk, versions=(3, 2)) == "document.version_missing"


def test_another_scheme_does_not_stand_for_the_one_in_force(desk: Desk) -> None:
    prints = (fingerprints(Facts(), 1, scheme=2),)
    assert _refused(desk, fingerprints=prints) == "document.version_missing"


@pytest.mark.parametrize("strength", ["strong", "weak"])
def test_fingerprints_have_a_limit(desk: Desk, strength: str) -> None:
    many = tuple(bytes([number]) * 32 for number in range(LIMITS.max_fingerprints + 1))
    plain = fingerprints(Facts())
    assert _refused(desk, fingerprints=(replace(plain, **{strength: many}),)) == "document.limit_exceeded"
    message = desk.registration("seller")
    full = (replace(plain, **{strength: many[:-1]}),)
    signed = desk.statement(Facts(), message.content_commitment, fingerprints=full)
    desk.do("seller", replace(message, statement=signed))


def _set(desk: Desk, key: Key, from_version: int, *, active: bool = True, name: str = "operator") -> Any:
    return SetFingerprintKey(desk.ids[name], key.public, 1, from_version, active)


def test_after_rotation_old_and_new_registrations_match(desk: Desk) -> None:
    first = desk.register(versions=(1,))
    second = desk.registration("agent", versions=(2, 1))
    assert [match.document for match in reported(desk.do("agent", second))] == [first]
    again = desk.registration("seller", versions=(2, 1))
    assert registered(desk.do("seller", again)).duplicate_of == first


def test_what_was_registered_under_both_is_found_after_the_old_version_is_retired(desk: Desk) -> None:
    first = desk.register(versions=(2, 1))
    desk.do("operator", _set(desk, SERVICE, 2))
    assert desk.refuse("seller", desk.registration("seller", versions=(1,))) == "document.version_missing"
    again = desk.registration("seller", versions=(3, 2))
    assert registered(desk.do("seller", again)).duplicate_of == first


def test_every_statement_carries_what_any_service_key_asks_for(desk: Desk) -> None:
    desk.do("operator", _set(desk, OTHER, 2))
    assert desk.refuse("seller", desk.registration("seller", versions=(1,))) == "document.version_missing"
    assert desk.refuse("seller", desk.registration("seller", versions=(2,))) == "document.version_missing"
    desk.register(versions=(2, 1))


def test_a_second_service_key_signs_as_well(desk: Desk) -> None:
    desk.do("operator", _set(desk, OTHER, 1))
    message = desk.registration("seller")
    statement = replace(message.statement.statement, service=OTHER.public)
    signed = SignedStatement(statement, OTHER.sign(statement_message(statement)))
    desk.do("seller", replace(message, statement=signed))


def test_a_retired_key_signs_nothing_more(desk: Desk) -> None:
    desk.do("operator", _set(desk, OTHER, 1), _set(desk, SERVICE, 1, active=False))
    assert desk.refuse("seller", desk.registration("seller")) == "document.service_unknown"


def test_setting_a_key_is_recorded_in_order_by_height_and_reported(desk: Desk) -> None:
    before = desk.ledger.application.info().height
    receipt = desk.do("operator", _set(desk, OTHER, 3))
    assert receipt.events == (FingerprintKeySet(OTHER.public, 1, 3, True),)
    old, new = ServiceKey(SERVICE.public, 1, 1), ServiceKey(OTHER.public, 1, 3)
    assert desk.keeper.service_keys(desk.state) == tuple(sorted((old, new), key=lambda entry: entry.key))
    assert desk.keeper.service_keys_as_of(desk.state, before) == (old,)


def test_before_the_first_key_was_set_none_was_active() -> None:
    desk = Desk(section={})
    before = desk.ledger.application.info().height
    desk.do("operator", _set(desk, OTHER, 1))
    assert desk.keeper.service_keys_as_of(desk.state, before) == ()


def test_setting_a_key_again_replaces_its_versions(desk: Desk) -> None:
    desk.do("operator", _set(desk, SERVICE, 2))
    assert desk.keeper.service_keys(desk.state) == (ServiceKey(SERVICE.public, 1, 2),)


def test_only_a_registry_operator_sets_keys(desk: Desk) -> None:
    assert desk.refuse("agent", _set(desk, OTHER, 1, name="agent")) == "document.operator_needed"


def test_a_service_key_must_be_a_public_key(desk: Desk) -> None:
    message = SetFingerprintKey(desk.ids["operator"], b"\x09" + b"\0" * 32, 1, 1)
    assert desk.refuse("operator", message) == "document.service_key_invalid"


def test_service_keys_have_a_limit() -> None:
    desk = Desk(max_service_keys=2)
    desk.do("operator", _set(desk, OTHER, 1))
    assert desk.refuse("operator", _set(desk, Key("third"), 1)) == "document.limit_exceeded"
    desk.do("operator", _set(desk, OTHER, 2))


def test_without_a_service_key_nothing_is_registered() -> None:
    desk = Desk(section={})
    assert desk.refuse("seller", desk.registration("seller")) == "document.service_unknown"
