"""Fingerprints: what they are made of, what they find, and what they leave apart."""

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from traco.services.doc import (
    FingerprintKey,
    InvoiceFields,
    InvoiceUnreadable,
    fields_of,
    fingerprints_of,
    normalise_fields,
    read_invoice,
    rule_of,
)
from traco.services.doc.fingerprint import (
    EXACT,
    MAXIMUM_STRONG,
    MAXIMUM_WEAK,
    STRONG,
    STRONG_RULES,
    WEAK,
    WEAK_RULES,
)

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "fingerprints.json").read_text("ascii")
)
KEY = FingerprintKey(1, bytes(range(32)))
FIELDS = InvoiceFields(
    direction="debit",
    number="inv4711",
    issue_date="2026-03-09",
    amount=10324620,
    currency="EUR",
    seller="examplesellerltd",
    buyer="examplebuyerplc",
    seller_identifiers=("000412", "ie0000001t"),
)
OTHER: dict[str, Any] = {
    "number": "inv4712",
    "issue_date": "2026-03-10",
    "amount": 10324621,
    "seller": "exampleseller",
    "buyer": "anotherbuyerplc",
}


def changed(**changes: Any) -> InvoiceFields:
    return msgspec.structs.replace(FIELDS, **changes)


def matches(one: InvoiceFields, other: InvoiceFields) -> set[str]:
    """The rules by which two invoices agree."""
    first, second = fingerprints_of(KEY, one), fingerprints_of(KEY, other)
    found = {rule_of(EXACT, 0)} if first.exact == second.exact else set()
    found |= {rule_of(STRONG, at) for at, value in enumerate(first.strong) if value in second.strong}
    return found | {rule_of(WEAK, at) for at, value in enumerate(first.weak) if value in second.weak}


def without_identifiers(fields: InvoiceFields) -> InvoiceFields:
    return msgspec.structs.replace(fields, seller_identifiers=())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_fingerprints_have_their_recorded_values(vector: dict[str, Any]) -> None:
    fields = msgspec.convert(vector["fields"], InvoiceFields)
    made = fingerprints_of(FingerprintKey(vector["key_version"], bytes.fromhex(vector["secret"])), fields)
    assert {
        "exact": made.exact.hex(),
        "strong": [value.hex() for value in made.strong],
        "weak": [value.hex() for value in made.weak],
    } == vector["fingerprints"]


def test_the_same_fields_give_the_same_fingerprints() -> None:
    assert fingerprints_of(KEY, FIELDS) == fingerprints_of(KEY, changed())


def test_every_fingerprint_has_32_bytes_and_all_differ() -> None:
    made = fingerprints_of(KEY, FIELDS)
    values = [made.exact, *made.strong, *made.weak]
    assert ({len(value) for value in values}, len(set(values))) == ({32}, len(values))


def test_another_key_gives_other_fingerprints_throughout() -> None:
    one = fingerprints_of(KEY, FIELDS)
    other = fingerprints_of(FingerprintKey(2, bytes(32)), FIELDS)
    assert {one.exact, *one.strong, *one.weak} & {other.exact, *other.strong, *other.weak} == set()


def test_each_rule_has_its_place() -> None:
    made = fingerprints_of(KEY, FIELDS)
    assert (
        [rule_of(STRONG, at) for at in range(len(made.strong))],
        [rule_of(WEAK, at) for at in range(len(made.weak))],
    ) == (
        [*STRONG_RULES, "number+date+amount+identifier", "number+date+amount+identifier"],
        [*WEAK_RULES, "number+identifier", "number+identifier"],
    )


def test_the_most_identifiers_give_the_most_fingerprints() -> None:
    made = fingerprints_of(KEY, changed(seller_identifiers=tuple(f"1234{n}" for n in range(8))))
    assert (len(made.strong), len(made.weak)) == (MAXIMUM_STRONG, MAXIMUM_WEAK)


@pytest.mark.parametrize("name", sorted(OTHER))
def test_one_changed_fact_is_never_exact_and_always_strong(name: str) -> None:
    found = matches(without_identifiers(FIELDS), without_identifiers(changed(**{name: OTHER[name]})))
    assert (rule_of(EXACT, 0) in found, len(found & set(STRONG_RULES))) == (False, 1)


@pytest.mark.parametrize("names", list(itertools.combinations(sorted(set(OTHER) - {"number"}), 2)), ids=str)
def test_two_changed_facts_are_found_while_the_number_is_right(names: tuple[str, str]) -> None:
    other = changed(**{name: OTHER[name] for name in names})
    found = matches(without_identifiers(FIELDS), without_identifiers(other))
    assert (found & set(STRONG_RULES), bool(found & set(WEAK_RULES))) == (set(), True)


@pytest.mark.parametrize("name", sorted(set(OTHER) - {"number"}))
def test_a_changed_number_with_another_changed_fact_is_left_apart(name: str) -> None:
    assert matches(FIELDS, changed(number=OTHER["number"], **{name: OTHER[name]})) == set()


def test_only_seller_and_number_left_is_weak() -> None:
    other = changed(issue_date="2025-01-01", amount=1, buyer="anotherbuyerplc", seller_identifiers=())
    assert matches(FIELDS, other) == {"number+seller"}


def test_both_names_changed_are_strong_by_one_identifier() -> None:
    other = changed(seller="x", buyer="y", seller_identifiers=("ie0000001t",))
    assert matches(FIELDS, other) == {
        "number+date+amount",
        "number+date+amount+identifier",
        "number+identifier",
    }


def test_a_recurring_invoice_is_left_apart() -> None:
    assert matches(FIELDS, changed(number="inv4811", issue_date="2026-04-09")) == set()


def test_the_same_amount_in_another_currency_is_another_amount() -> None:
    assert matches(without_identifiers(FIELDS), without_identifiers(changed(currency="USD"))) == {
        "number+date+seller+buyer",
        "number+seller",
        "number+date+buyer",
    }


def test_a_credit_note_over_the_whole_invoice_is_left_apart() -> None:
    assert matches(FIELDS, changed(direction="credit")) == set()


def test_seller_and_buyer_are_not_interchangeable() -> None:
    other = changed(seller=FIELDS.buyer, buyer=FIELDS.seller, seller_identifiers=())
    assert matches(FIELDS, other) == {"number+date+amount"}


def test_identifiers_that_only_one_copy_has_do_not_disturb_the_exact_match() -> None:
    assert rule_of(EXACT, 0) in matches(FIELDS, without_identifiers(FIELDS))


def test_the_samples_of_one_invoice_match_exactly(samples: Path) -> None:
    files = ("01-invoice-ubl.xml", "02-same-invoice-cii.xml", "07-respelled-ubl.xml")
    made = [
        fingerprints_of(KEY, fields_of(read_invoice((samples / name).read_bytes()))).exact for name in files
    ]
    retyped = normalise_fields(json.loads((samples / "retyped.json").read_text("utf-8")))
    assert {*made, fingerprints_of(KEY, retyped).exact} == {made[0]}


def test_the_samples_of_different_documents_do_not_match(samples: Path) -> None:
    names = (
        "01-invoice-ubl.xml",
        "03-credit-note-ubl.xml",
        "04-factored-ubl.xml",
        "05-machines-ubl.xml",
        "06-shipyard-cii.xml",
    )
    fields = [fields_of(read_invoice((samples / name).read_bytes())) for name in names]
    assert [pair for pair in itertools.combinations(fields, 2) if matches(*pair)] == []


def test_fields_that_are_not_normal_are_refused() -> None:
    with pytest.raises(InvoiceUnreadable) as caught:
        fingerprints_of(KEY, changed(seller="Example Seller Ltd."))
    assert caught.value.code == "invoice.not_normal"


@pytest.mark.parametrize("strength", [STRONG, WEAK])
def test_a_strength_beyond_its_rules_is_by_identifier(strength: str) -> None:
    assert rule_of(strength, 12).endswith("identifier")


@pytest.mark.parametrize(("version", "length"), [(0, 32), (-1, 32), (1, 31), (1, 33), (1, 0)])
def test_a_wrong_key_is_refused(version: int, length: int) -> None:
    with pytest.raises(ValueError):
        FingerprintKey(version, bytes(length))


def test_a_key_never_shows_its_secret() -> None:
    assert repr(FingerprintKey(3, b"s" * 32)) == "FingerprintKey(version=3)"
