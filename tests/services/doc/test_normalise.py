"""Normal forms: what a copy changes is removed, and nothing else."""

import json
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.services.doc import (
    InvoiceFields,
    InvoiceUnreadable,
    check_normal,
    fields_of,
    normalise_fields,
    read_invoice,
)
from traco.services.doc.normalise import MAXIMUM_SELLER_IDENTIFIERS, normal_number, normal_text

SHARED = Path(__file__).parents[4] / "shared" / "data" / "en16931"
needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the official examples of EN 16931 are not part of the repository"
)

RAW: dict[str, object] = {
    "number": "INV-004711",
    "issue_date": "2026-03-09",
    "amount": "103246.20",
    "currency": "EUR",
    "seller": "Example Seller Ltd.",
    "buyer": "Example Buyer plc",
}
NORMAL = InvoiceFields(
    direction="debit",
    number="inv4711",
    issue_date="2026-03-09",
    amount=10324620,
    currency="EUR",
    seller="examplesellerltd",
    buyer="examplebuyerplc",
)


def code_of(**changes: object) -> str:
    with pytest.raises(InvoiceUnreadable) as caught:
        normalise_fields({**RAW, **changes})
    return caught.value.code


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Example Seller Ltd.", "examplesellerltd"),
        ("  EXAMPLE\tSELLER, LTD ", "examplesellerltd"),
        ("\uff25xample", "example"),
        ("Stra\u00dfe", "strasse"),
        ("STRASSE", "strasse"),
        ("Go\u0308teborg", "g\u00f6teborg"),
        ("G\u00d6TEBORG", "g\u00f6teborg"),
        ("\u0663\u0664", "34"),
        ("zero\u200bwidth\u00ad\u3164\ufe0f", "zerowidth"),
        ("A & B", "ab"),
        ("\u682a\u5f0f\u4f1a\u793e", "\u682a\u5f0f\u4f1a\u793e"),
        ("---", ""),
    ],
)
def test_a_text_has_its_normal_form(text: str, normal: str) -> None:
    assert normal_text(text) == normal


@pytest.mark.parametrize(
    ("one", "other"), [("Example Ltd", "Example GmbH"), ("Example SA", "Example"), ("Hal\u00e9", "Hale")]
)
def test_names_that_may_be_two_companies_stay_apart(one: str, other: str) -> None:
    assert normal_text(one) != normal_text(other)


@pytest.mark.parametrize(
    "number",
    ["4711", "00-4711", "004711", "0 4711", "00/47.11", "#4711", "\uff14\uff17\uff11\uff11", " 4711 "],
)
def test_a_number_without_its_decoration_is_the_same(number: str) -> None:
    assert normal_number(number) == "4711"


@pytest.mark.parametrize(
    ("number", "normal"),
    [
        ("INV-0042", "inv42"),
        ("018304 / 28865", "1830428865"),
        ("0", "0"),
        ("000", "0"),
        ("100", "100"),
        ("A0B", "a0b"),
        ("10-005", "10005"),
        ("TOSL110", "tosl110"),
    ],
)
def test_zeros_are_dropped_only_where_a_run_of_digits_begins(number: str, normal: str) -> None:
    assert normal_number(number) == normal


@given(st.text(max_size=40))
@settings(max_examples=300)
def test_a_normal_form_is_its_own(text: str) -> None:
    once = (normal_text(text), normal_number(text))
    assert (normal_text(once[0]), normal_number(once[1])) == once


@given(st.text(max_size=40))
@settings(max_examples=200)
def test_unicode_composition_makes_no_difference(text: str) -> None:
    assert normal_text(unicodedata.normalize("NFD", text)) == normal_text(unicodedata.normalize("NFC", text))


@given(st.text("ABCxyz 0123-./", max_size=20), st.integers(0, 20), st.sampled_from(" -./_"))
@settings(max_examples=200)
def test_punctuation_anywhere_makes_no_difference_to_a_number(number: str, position: int, mark: str) -> None:
    assert normal_number(number[:position] + mark + number[position:]) == normal_number(number)


def test_the_two_syntaxes_of_one_invoice_have_the_same_fields(ubl: str, cii: str) -> None:
    assert fields_of(read_invoice(ubl.encode())) == fields_of(read_invoice(cii.encode()))


def test_the_fields_of_an_invoice_are_normal(ubl: str) -> None:
    assert fields_of(read_invoice(ubl.encode())) == msgspec.structs.replace(
        NORMAL, seller_identifiers=("000412", "9520000000011", "ie0000001t", "tracotestseller00122")
    )


def test_a_respelled_invoice_has_the_same_fields(samples: Path, ubl: str) -> None:
    respelled = read_invoice((samples / "07-respelled-ubl.xml").read_bytes())
    assert fields_of(respelled) == fields_of(read_invoice(ubl.encode()))


def test_retyped_values_have_the_fields_of_the_file_but_for_identifiers(samples: Path, ubl: str) -> None:
    retyped = normalise_fields(json.loads((samples / "retyped.json").read_text("utf-8")))
    from_file = fields_of(read_invoice(ubl.encode()))
    assert retyped == msgspec.structs.replace(from_file, seller_identifiers=())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"number": " inv 4711"},
        {"issue_date": "09.03.2026"},
        {"issue_date": "9 March 2026"},
        {"amount": "103,246.20"},
        {"amount": "103.246,20"},
        {"currency": "eur "},
        {"seller": "example seller LTD"},
        {"credit_note": False},
        {"seller_identifiers": []},
        {"seller_identifiers": ["", "12", "none given"]},
    ],
)
def test_a_retyped_field_makes_no_difference(changes: dict[str, object]) -> None:
    assert normalise_fields({**RAW, **changes}) == NORMAL


def test_retyped_identifiers_are_sorted_and_each_once() -> None:
    fields = normalise_fields({**RAW, "seller_identifiers": ["NL 8200.98", "12345", "nl820098"]})
    assert fields.seller_identifiers == ("12345", "nl820098")


def test_a_credit_note_has_the_other_direction() -> None:
    assert normalise_fields({**RAW, "credit_note": True}).direction == "credit"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issue_date": "01/02/2015"}, "invoice.date_ambiguous"),
        ({"amount": "1.234"}, "invoice.amount_ambiguous"),
        ({"currency": "XXX"}, "invoice.currency_unknown"),
        ({"number": "--"}, "invoice.field_invalid"),
        ({"seller": ""}, "invoice.field_invalid"),
        ({"buyer": "?"}, "invoice.field_invalid"),
        ({"number": 4711}, "invoice.field_invalid"),
        ({"amount": 103246.2}, "invoice.field_invalid"),
        ({"seller": "x" * 501}, "invoice.field_invalid"),
        ({"credit_note": "no"}, "invoice.field_invalid"),
        ({"seller_identifiers": "12345"}, "invoice.field_invalid"),
        ({"seller_identifiers": [12345]}, "invoice.field_invalid"),
        ({"seller_identifiers": ["12345"] * 33}, "invoice.field_invalid"),
        ({"seller_identifiers": 5}, "invoice.field_invalid"),
        ({"colour": "red"}, "invoice.field_unknown"),
    ],
)
def test_a_wrong_retyped_field_is_refused(changes: dict[str, object], code: str) -> None:
    assert code_of(**changes) == code


@pytest.mark.parametrize("name", sorted(RAW))
def test_a_missing_retyped_field_is_refused(name: str) -> None:
    with pytest.raises(InvoiceUnreadable) as caught:
        normalise_fields({key: value for key, value in RAW.items() if key != name})
    assert caught.value.code == "invoice.field_missing"


def test_a_name_that_grows_beyond_the_limit_in_its_normal_form_is_refused() -> None:
    # One character of compatibility that stands for eighteen.
    assert code_of(seller="\ufdfa" * 100) == "invoice.field_invalid"


def test_normal_fields_pass() -> None:
    check_normal(NORMAL)


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "both"},
        {"number": "INV4711"},
        {"number": "04711"},
        {"number": ""},
        {"number": "1" * 1001},
        {"seller": "Example"},
        {"seller": ""},
        {"buyer": "b c"},
        {"buyer": "b" * 1001},
        {"issue_date": "2026-3-9"},
        {"issue_date": "20260309"},
        {"issue_date": "2026-02-30"},
        {"issue_date": "1899-12-31"},
        {"issue_date": "2200-01-01"},
        {"amount": 2**63},
        {"amount": -(2**63)},
        {"currency": "eur"},
        {"seller_identifiers": ("b12345", "a12345")},
        {"seller_identifiers": ("a12345", "a12345")},
        {"seller_identifiers": ("A12345",)},
        {"seller_identifiers": ("a123",)},
        {"seller_identifiers": ("abcdef",)},
        {"seller_identifiers": ("1" * 1001,)},
        {"seller_identifiers": tuple(f"1234{n}" for n in range(MAXIMUM_SELLER_IDENTIFIERS + 1))},
    ],
)
def test_fields_that_are_not_normal_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InvoiceUnreadable) as caught:
        check_normal(msgspec.structs.replace(NORMAL, **changes))
    assert caught.value.code == "invoice.not_normal"


@pytest.mark.parametrize(
    "changes",
    [
        {"direction": "credit"},
        {"number": "1" * 1000},
        {"issue_date": "1900-01-01"},
        {"issue_date": "2199-12-31"},
        {"amount": 2**63 - 1},
        {"amount": -(2**63 - 1)},
        {"seller_identifiers": ("a1234",)},
        {"seller_identifiers": tuple(f"1234{n}" for n in range(MAXIMUM_SELLER_IDENTIFIERS))},
    ],
)
def test_fields_at_the_limits_pass(changes: dict[str, object]) -> None:
    check_normal(msgspec.structs.replace(NORMAL, **changes))


def test_the_best_known_identifiers_are_kept_where_there_are_too_many(ubl: str) -> None:
    invoice = read_invoice(ubl.encode())
    many = tuple(("9901", f"1000{n}") for n in range(20))
    seller = msgspec.structs.replace(invoice.seller, identifiers=(*many, *invoice.seller.identifiers))
    kept = fields_of(msgspec.structs.replace(invoice, seller=seller)).seller_identifiers
    assert (len(kept), {"000412", "9520000000011", "ie0000001t", "tracotestseller00122"} <= set(kept)) == (
        8,
        True,
    )


@pytest.mark.parametrize("pair", [("ASSIGNED", "1234567"), ("TAX", "Approved 12345")])
def test_a_number_that_is_not_public_is_not_keyed(ubl: str, pair: tuple[str, str]) -> None:
    invoice = read_invoice(ubl.encode())
    seller = msgspec.structs.replace(
        invoice.seller, identifiers=(pair,), endpoint=("EM", "seller1@example.org")
    )
    assert fields_of(msgspec.structs.replace(invoice, seller=seller)).seller_identifiers == ()


def shared(name: str) -> InvoiceFields:
    return fields_of(read_invoice((SHARED / name).read_bytes()))


@needs_shared
def test_the_official_example_has_the_same_fields_in_both_syntaxes() -> None:
    assert shared("ubl-tc434-example1.xml") == shared("CII_example1.xml")


@needs_shared
@pytest.mark.parametrize(
    ("name", "number", "amount", "direction"),
    [
        ("ubl-tc434-example1.xml", "12115118", 25033, "debit"),
        ("ubl-tc434-example4.xml", "tosl110", 467500, "debit"),
        ("BIS_Billing_30-Factoring.xml", "7023708", 11500000, "debit"),
        ("ubl-tc434-creditnote1.xml", "1830428865", 10011, "credit"),
    ],
)
def test_the_official_examples_are_read(name: str, number: str, amount: int, direction: str) -> None:
    fields = shared(name)
    assert (fields.number, fields.amount, fields.direction) == (number, amount, direction)
