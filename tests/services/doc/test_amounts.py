"""Exact amounts from XML and from people."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traco.services.doc.amounts import EXPONENTS, MAXIMUM_AMOUNT, minor_units, retyped_minor_units
from traco.services.doc.invoice import InvoiceUnreadable


def code_of(text: str, currency: str = "EUR") -> str:
    with pytest.raises(InvoiceUnreadable) as caught:
        minor_units(text, currency)
    return caught.value.code


def retyped_code_of(text: str, currency: str = "EUR") -> str:
    with pytest.raises(InvoiceUnreadable) as caught:
        retyped_minor_units(text, currency)
    return caught.value.code


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("250.33", "EUR", 25033),
        ("229.6", "EUR", 22960),
        ("115000", "EUR", 11500000),
        ("-1.00", "EUR", -100),
        ("+1.00", "EUR", 100),
        (".5", "EUR", 50),
        ("5.", "EUR", 500),
        ("0", "EUR", 0),
        ("1.2300000", "EUR", 123),
        ("182500000", "JPY", 182500000),
        ("182500000.00", "JPY", 182500000),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("92233720368547758.07", "EUR", MAXIMUM_AMOUNT),
        ("-92233720368547758.07", "EUR", -MAXIMUM_AMOUNT),
    ],
)
def test_an_amount_is_read_exactly(text: str, currency: str, amount: int) -> None:
    assert minor_units(text, currency) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1e3",
        "1E3",
        "INF",
        "NaN",
        "1,00",
        "1 000",
        "--1",
        "1.2.3",
        "0x10",
        "\u0661",
        "1" * 41,
        "1_000",
    ],
)
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    assert code_of(text) == "invoice.field_invalid"


@pytest.mark.parametrize(
    ("text", "currency"),
    [("1.001", "EUR"), ("1.5", "JPY"), ("1.2345", "KWD"), ("1." + "0" * 34 + "1", "EUR")],
)
def test_more_decimals_than_the_currency_has_are_refused(text: str, currency: str) -> None:
    assert code_of(text, currency) == "invoice.amount_precision"


@pytest.mark.parametrize("text", ["92233720368547758.08", "-92233720368547758.08", "9" * 40])
def test_an_amount_beyond_the_ledger_is_refused(text: str) -> None:
    assert code_of(text) == "invoice.amount_too_large"


@pytest.mark.parametrize("currency", ["", "eur", "XXX", "XAU", "EURO", "E\u00dcR"])
def test_an_unknown_currency_is_refused(currency: str) -> None:
    assert code_of("1", currency) == "invoice.currency_unknown"


def test_every_currency_code_has_three_capitals_and_an_exponent_up_to_four() -> None:
    assert [
        code
        for code, exponent in EXPONENTS.items()
        if not (len(code) == 3 and code.isupper() and 0 <= exponent <= 4)
    ] == []


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1,234.50", 123450),
        ("1.234,50", 123450),
        ("1 234,50", 123450),
        ("1\u00a0234,50", 123450),
        ("1'234.50", 123450),
        ("1\u2019234.50", 123450),
        ("1234.5", 123450),
        ("1234,5", 123450),
        ("1,234,567", 123456700),
        ("1.234.567", 123456700),
        ("1,234,567.89", 123456789),
        ("1234", 123400),
        ("1234.500", 123450),
        ("0.500", 50),
        (" 12.00 ", 1200),
        ("-12.00", -1200),
        ("\u221212.00", -1200),
    ],
)
def test_a_retyped_amount_is_read(text: str, amount: int) -> None:
    assert retyped_minor_units(text, "EUR") == amount


@pytest.mark.parametrize("text", ["1.234", "1,234", "12,345", "123.456", "1.000"])
def test_one_mark_before_three_digits_is_ambiguous(text: str) -> None:
    assert retyped_code_of(text) == "invoice.amount_ambiguous"


@pytest.mark.parametrize(
    "text", ["", "-", "1.23.45", "1,23,456", "12,34.5.6", "1.234.56", "EUR 5", "1e3", "1,234 567"]
)
def test_a_retyped_amount_of_no_known_form_is_refused(text: str) -> None:
    assert retyped_code_of(text) == "invoice.field_invalid"


@given(st.integers(-MAXIMUM_AMOUNT, MAXIMUM_AMOUNT))
@settings(max_examples=100)
def test_every_amount_survives_writing_with_groups(amount: int) -> None:
    whole, cents = divmod(abs(amount), 100)
    sign = "-" if amount < 0 else ""
    english = f"{sign}{whole:,}.{cents:02d}"
    german = english.replace(",", "_").replace(".", ",").replace("_", ".")
    assert (retyped_minor_units(english, "EUR"), retyped_minor_units(german, "EUR")) == (amount, amount)


@given(st.text(max_size=45))
@settings(max_examples=200)
def test_no_text_gives_another_error(text: str) -> None:
    for read in (minor_units, retyped_minor_units):
        try:
            amount = read(text, "EUR")
        except InvoiceUnreadable:
            continue
        assert abs(amount) <= MAXIMUM_AMOUNT
